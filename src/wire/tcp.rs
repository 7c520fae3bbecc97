//! The TCP header (RFC 9293 §3.1): where the way inwards ends.
//!
//! ```text
//!  0       2       4               8              12      13      14      16      18      20
//! | source| target|   sequence    | acknowledgm. | off.. | flags | window| check | urgent| options …
//! ```
//!
//! Read by hand rather than by etherparse, because a snap length that cuts the options leaves a header that is of
//! full use: ports, numbers and flags are there, and the length of the payload is known.

use super::outcome::{Stop, Undecodable};
use super::view::{Ends, Packet};
use super::{FlowKey, Segment, TcpFlags, Transport};

/// Reads the segment that the packet holds.
pub(super) fn segment<'a>(packet: &Packet<'a>, ends: Ends) -> Result<Segment<'a>, Stop> {
    let view = packet.view;
    let header: &[u8; 20] = view.peek().ok_or(Undecodable::TruncatedTcp)?;
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < header.len() || header_len > view.whole() {
        return Err(Undecodable::BadTcpLength.into());
    }
    let payload = view.bytes().get(header_len..).unwrap_or_default();
    let missing = view.whole() - header_len - payload.len();
    let (source_port, target_port) = ports(header);
    let (flow, direction) = match ends {
        Ends::V4 { source, target } => FlowKey::v4(source, source_port, target, target_port, packet.vni),
        Ends::V6 { source, target } => FlowKey::v6(source, source_port, target, target_port, packet.vni),
    };
    Ok(Segment {
        transport: Transport::Tcp,
        flow,
        direction,
        seq: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        ack: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
        payload,
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
        reassembled: packet.reassembled,
    })
}

/// Source and target port.
pub(super) fn ports(header: &[u8; 20]) -> (u16, u16) {
    (u16::from_be_bytes([header[0], header[1]]), u16::from_be_bytes([header[2], header[3]]))
}

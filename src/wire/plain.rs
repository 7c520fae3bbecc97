//! The short way for what nearly every frame is: Ethernet, perhaps one VLAN tag, IPv4 without options or IPv6
//! without extension headers, TCP, captured whole. It answers exactly as the long way does (a test compares both
//! over mutated frames), or not at all.
//!
//! It exists for speed: the lengths are checked once against a header of fixed size, and nothing is dispatched.

use super::view::Ends;
use super::{FlowKey, Segment, TcpFlags, Transport, ip, link, tcp};
use crate::capture::Frame;

/// The segment of a plain frame; nothing where the frame needs the long way.
#[inline]
pub(super) fn segment<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    if frame.link != link::ETHERNET {
        return None;
    }
    let (ethernet, rest) = frame.bytes.split_first_chunk::<14>()?;
    match [ethernet[12], ethernet[13]] {
        [0x08, 0x00] => v4(rest),
        [0x86, 0xdd] => v6(rest),
        [0x81, 0x00] => {
            let (tag, rest) = rest.split_first_chunk::<4>()?;
            match [tag[2], tag[3]] {
                [0x08, 0x00] => v4(rest),
                [0x86, 0xdd] => v6(rest),
                _ => None,
            }
        }
        _ => None,
    }
}

#[inline]
fn v4(bytes: &[u8]) -> Option<Segment<'_>> {
    let header: &[u8; 20] = bytes.first_chunk()?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // More fragments, or an offset: the flag "don't fragment" and the reserved bit are no matter.
    let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[0] != 0x45 || is_fragment || header[9] != ip::number::TCP {
        return None;
    }
    let source = [header[12], header[13], header[14], header[15]];
    let target = [header[16], header[17], header[18], header[19]];
    finish(bytes.get(20..total)?, Ends::V4 { source, target })
}

#[inline]
fn v6(bytes: &[u8]) -> Option<Segment<'_>> {
    let (header, rest) = bytes.split_first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if header[0] >> 4 != 6 || header[6] != ip::number::TCP || length == 0 {
        return None;
    }
    let (source, target) = (header[8..].first_chunk()?, header[24..].first_chunk()?);
    finish(rest.get(..length)?, Ends::V6 { source: *source, target: *target })
}

#[inline]
fn finish(bytes: &[u8], ends: Ends) -> Option<Segment<'_>> {
    let header: &[u8; 20] = bytes.first_chunk()?;
    let header_len = usize::from(header[12] >> 4) * 4;
    if header_len < header.len() {
        return None;
    }
    let payload = bytes.get(header_len..)?;
    let (source_port, target_port) = tcp::ports(header);
    let (flow, direction) = match ends {
        Ends::V4 { source, target } => FlowKey::v4(source, source_port, target, target_port, None),
        Ends::V6 { source, target } => FlowKey::v6(source, source_port, target, target_port, None),
    };
    Some(Segment {
        transport: Transport::Tcp,
        flow,
        direction,
        seq: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        ack: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        flags: TcpFlags(header[13]),
        payload,
        missing: 0,
        reassembled: false,
    })
}

//! What carries a packet over IP without UDP: GRE, NVGRE, ERSPAN, EtherIP; and the network service header.
//!
//! An id goes into the flow's key only if it names a network and is the same for both directions: NVGRE's VSID
//! here, the VNIs in `udp`. A GRE key may differ per direction, an ERSPAN session is a mirror's and not a
//! network's, a TEID of GTP and a session of L2TP are one way each: none of them may split a flow.

use super::ether::kind;
use super::outcome::{Other, Stop, Undecodable};
use super::view::{Inside, Packet};
use super::wifi;

const CUT: Undecodable = Undecodable::TruncatedTunnel;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// GRE (RFC 2784, RFC 2890) and its version for PPTP (RFC 2637 §4.1).
pub(super) fn gre(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    packet.enter_tunnel()?;
    let flags = packet.view.u16(CUT)?;
    let protocol = packet.view.u16(CUT)?;
    match flags & VERSION {
        0 => gre_v0(packet, flags, protocol),
        1 => gre_v1(packet, flags),
        _ => Err(Undecodable::BadTunnel.into()),
    }
}

/// ```text
/// | flags | protocol | [check sum, reserved] | [key] | [sequence] | payload
/// ```
fn gre_v0(packet: &mut Packet<'_>, flags: u16, protocol: u16) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    if flags & ROUTING != 0 {
        return Err(Undecodable::BadTunnel.into());
    }
    if flags & CHECKSUM != 0 {
        view.skip(4, CUT)?;
    }
    if flags & KEY != 0 {
        let key = u32::from_be_bytes(*view.take(CUT)?);
        // NVGRE (RFC 7637 §3.2): a key, neither check sum nor sequence, Ethernet inside. Its upper 24 bits are the
        // virtual subnet. A plain Ethernet tunnel looks the same, but its key is small: subnet 0 both ways.
        if protocol == kind::TRANSPARENT_ETHERNET && flags & SEQUENCE == 0 && flags & CHECKSUM == 0 {
            packet.vni = Some(key >> 8);
        }
    }
    if flags & SEQUENCE != 0 {
        packet.view.skip(4, CUT)?;
    }
    match protocol {
        kind::ERSPAN if flags & SEQUENCE == 0 => Ok(Inside::Ethernet),
        kind::ERSPAN => erspan_two(packet),
        kind::ERSPAN_III => erspan_three(packet),
        WCCP => web_cache(packet),
        ARUBA_FIRST..=ARUBA_LAST if protocol & 0x000f == 0 => wifi::frame(&mut packet.view, false),
        other => Ok(Inside::EtherType(other)),
    }
}

/// Web cache redirection of Cisco.
const WCCP: u16 = 0x883e;
/// Access points of Aruba send IEEE 802.11 frames to their controller, under one number for each queue.
const ARUBA_FIRST: u16 = 0x8200;
const ARUBA_LAST: u16 = 0x8370;

/// Its second version has a header of four bytes, its first none.
fn web_cache(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    if packet.view.peek::<1>().is_some_and(|[first]| first >> 4 != 4) {
        packet.view.skip(4, CUT)?;
    }
    Ok(Inside::Ip)
}

/// ERSPAN type II: version 1, VLAN, class, session, port index; then the mirrored frame.
fn erspan_two(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let [version, ..] = *packet.view.take::<8>(CUT)?;
    if version >> 4 == 1 { Ok(Inside::Ethernet) } else { Err(Undecodable::BadTunnel.into()) }
}

/// ERSPAN type III: version 2, VLAN, session, time stamp, group tag; frame type and a flag for eight more bytes.
fn erspan_three(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let head: &[u8; 12] = packet.view.take(CUT)?;
    if head[0] >> 4 != 2 {
        return Err(Undecodable::BadTunnel.into());
    }
    let last = u16::from_be_bytes([head[10], head[11]]);
    if last & 1 == 1 {
        packet.view.skip(8, CUT)?;
    }
    match last >> 10 & 0x1f {
        2 => Ok(Inside::Ip),
        _ => Ok(Inside::Ethernet),
    }
}

/// ```text
/// | flags | 880b | payload length | call id | [sequence] | [acknowledgement] | PPP
/// ```
fn gre_v1(packet: &mut Packet<'_>, flags: u16) -> Result<Inside, Stop> {
    let [high, low, _, _] = *packet.view.take(CUT)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if flags & SEQUENCE == 0 || length == 0 {
        return Err(Other::TunnelControl.into());
    }
    packet.view.skip(if flags & ACKNOWLEDGEMENT == 0 { 4 } else { 8 }, CUT)?;
    packet.view.clamp(length);
    Ok(Inside::Ppp)
}

/// Ethernet in IP (RFC 3378): version 3 and twelve bits of zero.
pub(super) fn ether_ip(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    packet.enter_tunnel()?;
    if packet.view.u16(CUT)? >> 12 != 3 {
        return Err(Undecodable::BadTunnel.into());
    }
    Ok(Inside::Ethernet)
}

/// The network service header (RFC 8300 §2.2): its length in words of four bytes, and the next protocol.
pub(super) fn service_header(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    packet.enter_tunnel()?;
    let [_, length, _, next] = *packet.view.peek().ok_or(CUT)?;
    packet.view.skip(usize::from(length & 0x3f).max(2) * 4, CUT)?;
    match next {
        1 | 2 => Ok(Inside::Ip),
        3 => Ok(Inside::Ethernet),
        5 => Ok(Inside::Mpls),
        _ => Err(Other::NonIp.into()),
    }
}

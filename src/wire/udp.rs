//! UDP (RFC 768), and the tunnels in it. A tunnel is known by its port and by a header that fits; what does not fit is a
//! datagram like any other, not a broken tunnel.

use etherparse::UdpHeaderSlice;

use super::outcome::{Other, Stop, Undecodable};
use super::tunnel;
use super::view::{Ends, Inside, Packet, View};
use super::{FlowKey, Segment, TcpFlags, Transport};

const CUT: Undecodable = Undecodable::TruncatedTunnel;

/// Goes on into the tunnel that the datagram carries, or to what else it carries.
pub(super) fn payload(packet: &mut Packet<'_>, ends: Ends) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    let header = UdpHeaderSlice::from_slice(view.bytes()).map_err(|_| Undecodable::TruncatedUdp)?;
    view.skip(header.slice().len(), Undecodable::TruncatedUdp)?;
    match usize::from(header.length()).checked_sub(header.slice().len()) {
        Some(length) => view.clamp(length),
        // Zero where the card will cut the segment, and in jumbograms (RFC 2675 §4).
        None if header.length() == 0 => {}
        None => return Err(Undecodable::BadUdpLength.into()),
    }
    let (source, target) = (header.source_port(), header.destination_port());
    let before = *packet;
    match tunnel(packet, source, target) {
        Err(Stop::Other(Other::Udp)) if !before.view.bytes().is_empty() => {
            *packet = before;
            Ok(Inside::Datagram([source, target], ends))
        }
        inside => inside,
    }
}

/// The datagram whose payload the packet holds.
pub(super) fn datagram<'a>(packet: &Packet<'a>, [from, to]: [u16; 2], ends: Ends) -> Segment<'a> {
    let payload = packet.view.bytes();
    let (flow, direction) = match ends {
        Ends::V4 { source, target } => FlowKey::v4(source, from, target, to, packet.vni),
        Ends::V6 { source, target } => FlowKey::v6(source, from, target, to, packet.vni),
    };
    Segment {
        transport: Transport::Udp,
        flow,
        direction,
        seq: 0,
        ack: 0,
        flags: TcpFlags::default(),
        payload,
        missing: u32::try_from(packet.view.whole() - payload.len()).unwrap_or(u32::MAX),
        reassembled: packet.reassembled,
    }
}

fn tunnel(packet: &mut Packet<'_>, source: u16, target: u16) -> Result<Inside, Stop> {
    match target {
        4789 | 8472 => vxlan(packet),
        4790 => vxlan_generic(packet),
        6081 => geneve(packet),
        2152 => gtp(packet),
        // RFC 8086.
        4754 => tunnel::gre(packet),
        6635 => entered(packet, Inside::Mpls),
        37008 => tazmen(packet),
        _ => either_way(packet, source, target),
    }
}

/// Tunnels whose peers keep their port, so that the answers come from it.
fn either_way(packet: &mut Packet<'_>, source: u16, target: u16) -> Result<Inside, Stop> {
    let has = |port| source == port || target == port;
    if has(1701) {
        l2tp(packet)
    } else if has(3544) {
        teredo(packet)
    } else if has(5072) {
        ayiya(packet)
    } else {
        Err(Other::Udp.into())
    }
}

fn entered(packet: &mut Packet<'_>, inside: Inside) -> Result<Inside, Stop> {
    packet.enter_tunnel()?;
    Ok(inside)
}

fn network_id([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

/// VXLAN (RFC 7348 §5): flags with the I bit, three reserved bytes, VNI, one reserved byte. Reserved bits are not
/// asked for zero, because extensions (group policy) use them.
fn vxlan(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let [flags, _, _, _, a, b, c, _] = *packet.view.peek().ok_or(Other::Udp)?;
    if flags & 0x08 == 0 {
        return Err(Other::Udp.into());
    }
    packet.view.skip(8, CUT)?;
    packet.vni = Some(network_id([a, b, c]));
    entered(packet, Inside::Ethernet)
}

/// VXLAN-GPE: version in two bits, P says that the fourth byte names what follows.
fn vxlan_generic(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let [flags, _, _, next, a, b, c, _] = *packet.view.peek().ok_or(Other::Udp)?;
    let is_version_0 = flags & 0x30 == 0;
    let (has_id, has_next) = (flags & 0x08 != 0, flags & 0x04 != 0);
    if !is_version_0 || !has_id {
        return Err(Other::Udp.into());
    }
    packet.view.skip(8, CUT)?;
    packet.vni = Some(network_id([a, b, c]));
    match next {
        1 | 2 if has_next => entered(packet, Inside::Ip),
        4 if has_next => tunnel::service_header(packet),
        5 if has_next => entered(packet, Inside::Mpls),
        3 => entered(packet, Inside::Ethernet),
        _ if !has_next => entered(packet, Inside::Ethernet),
        _ => Err(Other::NonIp.into()),
    }
}

/// GENEVE (RFC 8926 §3.4): version and length of the options, flags, protocol, VNI, options.
fn geneve(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let [first, _, high, low, a, b, c, _] = *packet.view.peek().ok_or(Other::Udp)?;
    if first >> 6 != 0 {
        return Err(Other::Udp.into());
    }
    packet.view.skip(8 + usize::from(first & 0x3f) * 4, CUT)?;
    packet.vni = Some(network_id([a, b, c]));
    entered(packet, Inside::EtherType(u16::from_be_bytes([high, low])))
}

/// GTP-U (3GPP TS 29.281 §5.1): flags, message type, length, TEID; with any of E, S, PN four more bytes, of which
/// the last starts a chain of extension headers.
fn gtp(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    const USER_DATA: u8 = 0xff;
    let view = &mut packet.view;
    let [flags, kind, high, low, ..] = *view.peek::<8>().ok_or(Other::Udp)?;
    let is_version_1 = flags & 0xf0 == 0x30;
    if !is_version_1 {
        return Err(Other::Udp.into());
    }
    if kind != USER_DATA {
        return Err(Other::TunnelControl.into());
    }
    view.skip(8, CUT)?;
    view.clamp(usize::from(u16::from_be_bytes([high, low])));
    if flags & 0x07 != 0 {
        let [_, _, _, mut next] = *view.take(CUT)?;
        while flags & 0x04 != 0 && next != 0 {
            next = gtp_extension(view)?;
        }
    }
    // The payload's kind is agreed on in signalling: IP nearly always, Ethernet in some 5G sessions.
    match view.peek::<1>().map(|[first]| first >> 4) {
        Some(4 | 6) => entered(packet, Inside::Ip),
        Some(_) => entered(packet, Inside::Ethernet),
        None => Err(CUT.into()),
    }
}

/// An extension header: its length in words of four bytes, content, type of the next.
fn gtp_extension(view: &mut View<'_>) -> Result<u8, Stop> {
    let [words] = *view.peek().ok_or(CUT)?;
    let length = usize::from(words) * 4;
    if length == 0 {
        return Err(Undecodable::BadTunnel.into());
    }
    let next = view.bytes().get(length - 1).copied().ok_or(CUT)?;
    view.skip(length, CUT)?;
    Ok(next)
}

/// TZSP, the mirror of MikroTik: version 1, type, protocol, then tags up to one that says "end".
fn tazmen(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    let view = &mut packet.view;
    let Some([1, 0 | 1, 0, protocol]) = view.peek().copied() else { return Err(Other::Udp.into()) };
    view.skip(4, CUT)?;
    loop {
        match view.take(CUT)? {
            [END] => break,
            [PADDING] => {}
            [_] => {
                let [length] = *view.take(CUT)?;
                view.skip(usize::from(length), CUT)?;
            }
        }
    }
    match protocol {
        1 => entered(packet, Inside::Ethernet),
        _ => Err(Other::NonIp.into()),
    }
}

/// L2TP (RFC 2661 §3.1): flags say which fields there are; version 3 (RFC 3931) needs what signalling agreed on.
fn l2tp(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    let Some(flags) = view.peek().map(|bytes| u16::from_be_bytes(*bytes)) else {
        return Err(Other::Udp.into());
    };
    let (is_control, version) = (flags & 0x8000 != 0, flags & 0x000f);
    match (version, is_control) {
        (2, false) => {}
        (2 | 3, true) => return Err(Other::TunnelControl.into()),
        _ => return Err(Other::Udp.into()),
    }
    view.skip(2, CUT)?;
    if flags & 0x4000 != 0 {
        let length = usize::from(view.u16(CUT)?);
        view.clamp(length.saturating_sub(4));
    }
    view.skip(4, CUT)?;
    if flags & 0x0800 != 0 {
        view.skip(4, CUT)?;
    }
    if flags & 0x0200 != 0 {
        let offset = usize::from(view.u16(CUT)?);
        view.skip(offset, CUT)?;
    }
    entered(packet, Inside::Ppp)
}

/// Teredo (RFC 4380 §5.1.1): perhaps an authentication header, perhaps an origin indication, then IPv6.
fn teredo(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    if let Some([0, 1, id_len, auth_len]) = view.peek().copied() {
        view.skip(4 + usize::from(id_len) + usize::from(auth_len) + 9, CUT)?;
    }
    if let Some([0, 0]) = view.peek() {
        view.skip(8, CUT)?;
    }
    match view.peek() {
        Some([first]) if first >> 4 == 6 => entered(packet, Inside::Ip),
        _ => Err(Other::Udp.into()),
    }
}

/// AYIYA: length of the identity as a power of two, length of the signature in words, operation, next header,
/// time; then identity and signature.
fn ayiya(packet: &mut Packet<'_>) -> Result<Inside, Stop> {
    const FORWARD: u8 = 1;
    let [identity, signature, operation, next, ..] = *packet.view.peek::<8>().ok_or(Other::Udp)?;
    if operation & 0x0f != FORWARD || !matches!(next, 4 | 41) {
        return Err(Other::Udp.into());
    }
    let length = 8 + (1_usize << (identity >> 4)) + usize::from(signature >> 4) * 4;
    packet.view.skip(length, CUT)?;
    entered(packet, Inside::Ip)
}

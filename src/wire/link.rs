//! The first header of a frame, by the capture's link type (the `LINKTYPE_` registry of tcpdump.org).

use super::ether;
use super::outcome::{Other, Stop, Undecodable};
use super::view::{Inside, View};
use super::wifi;
use crate::capture::LinkType;

/// Ethernet, which has a short way of its own.
pub(super) const ETHERNET: LinkType = LinkType(1);

/// All link types that are read here.
pub(super) const KNOWN: &[u32] = &[
    0, 1, 6, 9, 10, 12, 14, 50, 51, 100, 101, 104, 105, 107, 108, 109, 113, 117, 119, 122, 123, 127, 129,
    138, 163, 166, 192, 204, 228, 229, 239, 240, 241, 242, 276, 281, 282, 283, 284,
];

/// Reads what stands before the first header that all link types share.
pub(super) fn header(view: &mut View<'_>, link: LinkType) -> Result<Inside, Stop> {
    match link.0 {
        1 => Ok(Inside::Ethernet),
        0 | 108 => null(view),
        12 | 14 | 101 | 228 | 229 => Ok(Inside::Ip),
        113 => cooked(view),
        276 => cooked_v2(view),
        9 => Ok(Inside::Ppp),
        50 | 104 => serial(view),
        51 => ether::pppoe(view),
        166 | 204 => after(view, 1, Inside::Ppp),
        239 => nflog(view),
        105 => wifi::frame(view, false),
        119 => wifi::prism(view),
        127 => wifi::radiotap(view),
        163 => wifi::avs(view),
        192 => wifi::per_packet(view),
        6 => token_ring(view),
        10 => fddi(view),
        100 => Ok(Inside::Llc),
        107 => frame_relay(view),
        109 => after(view, 12, Inside::Ip),
        117 => packet_filter(view),
        122 => after(view, 16, Inside::Llc),
        123 => sun_atm(view),
        129 => arcnet(view),
        138 => typed(view, 16, 0),
        240 => after(view, 4, Inside::Ethernet),
        241 => after(view, 12, Inside::Ethernet),
        242 => typed(view, 40, 2),
        281 | 283 => typed(view, 16, 0),
        282 => after(view, 4, Inside::Ethernet),
        284 => typed(view, 20, 0),
        _ => Err(Undecodable::UnknownLinkType.into()),
    }
}

const CUT: Undecodable = Undecodable::TruncatedLink;

/// Headers that say nothing of use, and of which the link type says what follows.
fn after(view: &mut View<'_>, length: usize, inside: Inside) -> Result<Inside, Stop> {
    view.skip(length, CUT)?;
    Ok(inside)
}

/// Headers that end with an Ethernet type, and perhaps padding: Firewire (RFC 2734), InfiniBand (RFC 4391), and
/// Ethernet with a switch's own tag behind the addresses.
fn typed(view: &mut View<'_>, before: usize, padding: usize) -> Result<Inside, Stop> {
    view.skip(before, CUT)?;
    let kind = view.u16(CUT)?;
    view.skip(padding, CUT)?;
    Ok(Inside::EtherType(kind))
}

/// BSD loopback: the address family, in the byte order of the host that captured or, as OpenBSD has it, of the
/// network; read either way, because writers mix them up.
fn null(view: &mut View<'_>) -> Result<Inside, Stop> {
    let bytes = *view.take(CUT)?;
    let (little, big) = (u32::from_le_bytes(bytes), u32::from_be_bytes(bytes));
    family(little.min(big))
}

/// Every system has its own number for IPv6: NetBSD and OpenBSD 24, FreeBSD 28, macOS 30, Linux 10. Some tools
/// write an Ethernet type instead.
fn family(number: u32) -> Result<Inside, Stop> {
    match number {
        2 | 10 | 23 | 24 | 28 | 30 => Ok(Inside::Ip),
        0x0600..=0xffff => Ok(Inside::EtherType(number as u16)),
        _ => Err(Other::NonIp.into()),
    }
}

/// Linux cooked capture: direction, device type, address, protocol.
fn cooked(view: &mut View<'_>) -> Result<Inside, Stop> {
    view.skip(14, CUT)?;
    cooked_protocol(view.u16(CUT)?)
}

/// Its second version has the protocol first, then interface, device type, direction and address.
fn cooked_v2(view: &mut View<'_>) -> Result<Inside, Stop> {
    let protocol = view.u16(CUT)?;
    view.skip(18, CUT)?;
    cooked_protocol(protocol)
}

/// Below the Ethernet types Linux has numbers of its own (`if_ether.h`); 4 is LLC.
fn cooked_protocol(protocol: u16) -> Result<Inside, Stop> {
    match protocol {
        4 => Ok(Inside::Llc),
        1 => Err(Other::Llc.into()),
        kind => Ok(Inside::EtherType(kind)),
    }
}

/// PPP in HDLC-like framing or Cisco's HDLC (RFC 1547 §4.3.1): told apart by the address.
fn serial(view: &mut View<'_>) -> Result<Inside, Stop> {
    match view.peek() {
        Some([0x0f | 0x8f, _]) => typed(view, 2, 0),
        Some(_) => Ok(Inside::Ppp),
        None => Err(CUT.into()),
    }
}

/// Linux netfilter log: family, version, resource, then attributes in the byte order of the host. The payload is
/// the attribute 9.
fn nflog(view: &mut View<'_>) -> Result<Inside, Stop> {
    const PAYLOAD: u16 = 9;
    view.skip(4, CUT)?;
    loop {
        let [a, b, c, d] = *view.take(CUT)?;
        // No attribute is 256 numbers up, so the order shows in the type.
        let (length, kind) = if d == 0 {
            (u16::from_le_bytes([a, b]), u16::from(c))
        } else {
            (u16::from_be_bytes([a, b]), u16::from(d))
        };
        let Some(length) = usize::from(length).checked_sub(4) else {
            return Err(Undecodable::BadLink.into());
        };
        if kind == PAYLOAD {
            view.clamp(length);
            return Ok(Inside::Ip);
        }
        view.skip(length.next_multiple_of(4), CUT)?;
    }
}

/// IEEE 802.5: access and frame control, addresses, routing information if the source's first bit says so.
fn token_ring(view: &mut View<'_>) -> Result<Inside, Stop> {
    let head: &[u8; 14] = view.take(CUT)?;
    if head[1] & 0xc0 != 0x40 {
        return Err(Other::Llc.into());
    }
    if head[8] & 0x80 != 0 {
        let routing = view.peek::<1>().ok_or(CUT)?[0] & 0x1f;
        view.skip(usize::from(routing), CUT)?;
    }
    Ok(Inside::Llc)
}

/// FDDI (ISO 9314): frame control and addresses.
fn fddi(view: &mut View<'_>) -> Result<Inside, Stop> {
    let head: &[u8; 13] = view.take(CUT)?;
    if head[0] & 0xf0 == 0x50 { Ok(Inside::Llc) } else { Err(Other::Llc.into()) }
}

/// Frame relay (RFC 2427 §3): an address of two to four bytes whose last has the low bit set, control, padding,
/// and what follows. Cisco's way has an Ethernet type instead.
fn frame_relay(view: &mut View<'_>) -> Result<Inside, Stop> {
    let mut address_len = 1;
    while view.take::<1>(CUT)?[0] & 1 == 0 {
        address_len += 1;
        if address_len > 4 {
            return Err(Undecodable::BadLink.into());
        }
    }
    match view.peek() {
        Some([0x03, 0x00]) => view.skip(2, CUT)?,
        Some([0x03, _]) => view.skip(1, CUT)?,
        _ => return Ok(Inside::EtherType(view.u16(CUT)?)),
    }
    ether::network_layer_id(view)
}

/// The log device of OpenBSD's packet filter: its first byte is the length, filled up to a multiple of four.
fn packet_filter(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [length] = *view.peek().ok_or(CUT)?;
    view.skip(usize::from(length).next_multiple_of(4), CUT)?;
    Ok(Inside::Ip)
}

/// ATM as Sun captures it: the low nibble of the first byte says LLC.
fn sun_atm(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [flags, ..] = *view.take::<4>(CUT)?;
    if flags & 0x0f == 2 { Ok(Inside::Llc) } else { Err(Other::NonIp.into()) }
}

/// ARCNET as Linux captures it: source, target, offset of two bytes, protocol; RFC 1051 ends there, RFC 1201 has
/// a split flag and a sequence number behind it.
fn arcnet(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [.., protocol] = *view.take::<5>(CUT)?;
    match protocol {
        0xf0 => Ok(Inside::Ip),
        0xd4 | 0xc4 => after(view, 3, Inside::Ip),
        0xf1 | 0xd5 => Err(Other::Arp.into()),
        _ => Err(Other::NonIp.into()),
    }
}

//! Ethernet and what stands between it and IP: tags, LLC and SNAP, MPLS, PPPoE and PPP.

use super::outcome::{Other, Stop, Undecodable};
use super::tunnel;
use super::view::{Inside, Packet, View};

/// Ethernet types (IEEE 802) that are told apart here.
pub(super) mod kind {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const RARP: u16 = 0x8035;
    pub(crate) const TRANSPARENT_ETHERNET: u16 = 0x6558;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const QINQ_OLD: u16 = 0x9100;
    pub(crate) const QINQ_OLDER: u16 = 0x9200;
    pub(crate) const SERVICE_VLAN: u16 = 0x88a8;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const PPP: u16 = 0x880b;
    pub(crate) const MPLS: u16 = 0x8847;
    pub(crate) const MPLS_MULTICAST: u16 = 0x8848;
    pub(crate) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(crate) const PPPOE_SESSION: u16 = 0x8864;
    pub(crate) const ERSPAN: u16 = 0x88be;
    pub(crate) const ERSPAN_III: u16 = 0x22eb;
    pub(crate) const BACKBONE: u16 = 0x88e7;
    pub(crate) const VN_TAG: u16 = 0x8926;
    pub(crate) const E_TAG: u16 = 0x893f;
    pub(crate) const SERVICE_HEADER: u16 = 0x894f;
}

/// The first value of the type field that is no length (IEEE 802.3 §3.2.6).
const TYPE_MIN: u16 = 0x0600;

/// Reads an Ethernet header.
pub(super) fn header(view: &mut View<'_>) -> Result<Inside, Stop> {
    view.skip(12, Undecodable::TruncatedLink)?;
    let kind = view.u16(Undecodable::TruncatedLink)?;
    if kind < TYPE_MIN {
        view.clamp(usize::from(kind));
        return Ok(Inside::Llc);
    }
    Ok(Inside::EtherType(kind))
}

/// Goes on to what an Ethernet type names.
pub(super) fn payload(packet: &mut Packet<'_>, kind: u16) -> Result<Inside, Stop> {
    let view = &mut packet.view;
    match kind {
        kind::IPV4 | kind::IPV6 => Ok(Inside::Ip),
        kind::VLAN | kind::SERVICE_VLAN | kind::QINQ_OLD | kind::QINQ_OLDER | kind::VN_TAG | kind::E_TAG => {
            tag(view, kind)
        }
        kind::MPLS | kind::MPLS_MULTICAST => Ok(Inside::Mpls),
        kind::PPPOE_SESSION => pppoe(view),
        kind::PPPOE_DISCOVERY => Err(Other::Ppp.into()),
        kind::PPP => Ok(Inside::Ppp),
        kind::TRANSPARENT_ETHERNET => Ok(Inside::Ethernet),
        // Provider backbone bridging (IEEE 802.1ah): flags and a service id of 24 bits, then the customer's frame.
        kind::BACKBONE => {
            view.skip(4, Undecodable::TruncatedTag)?;
            Ok(Inside::Ethernet)
        }
        kind::SERVICE_HEADER => tunnel::service_header(packet),
        kind::ARP | kind::RARP => Err(Other::Arp.into()),
        _ => Err(Other::NonIp.into()),
    }
}

/// A VLAN tag (IEEE 802.1Q), a VN-Tag of Cisco or an E-Tag (IEEE 802.1BR); the next type ends it.
fn tag(view: &mut View<'_>, kind: u16) -> Result<Inside, Stop> {
    let length = match kind {
        kind::E_TAG => 6,
        kind::VN_TAG => 4,
        _ => 2,
    };
    view.skip(length, Undecodable::TruncatedTag)?;
    let next = view.u16(Undecodable::TruncatedTag)?;
    if next < TYPE_MIN {
        view.clamp(usize::from(next));
        return Ok(Inside::Llc);
    }
    Ok(Inside::EtherType(next))
}

/// Reads an LLC header (IEEE 802.2), and SNAP behind it.
pub(super) fn llc(view: &mut View<'_>) -> Result<Inside, Stop> {
    match view.take::<3>(Undecodable::TruncatedLlc)? {
        [0xaa, 0xaa, 0x03] => snap(view),
        // IP without SNAP (RFC 948), and IP behind a protocol id of ISO (RFC 2427).
        [0x06, 0x06, 0x03] => Ok(Inside::Ip),
        [0xfe, 0xfe, 0x03] => network_layer_id(view),
        _ => Err(Other::Llc.into()),
    }
}

/// RFC 1042 and, with the second organisation code, IEEE 802.1H; bridged Ethernet of RFC 2684 §5.2.
pub(super) fn snap(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [a, b, c, high, low] = *view.take(Undecodable::TruncatedLlc)?;
    match ([a, b, c], u16::from_be_bytes([high, low])) {
        ([0, 0, 0] | [0, 0, 0xf8], kind) => Ok(Inside::EtherType(kind)),
        ([0, 0x80, 0xc2], 0x0001 | 0x0007) => {
            view.skip(2, Undecodable::TruncatedLlc)?;
            Ok(Inside::Ethernet)
        }
        _ => Err(Other::Llc.into()),
    }
}

/// A network layer protocol id (ISO/IEC TR 9577), as frame relay has it (RFC 2427 §4).
pub(super) fn network_layer_id(view: &mut View<'_>) -> Result<Inside, Stop> {
    match view.take(Undecodable::TruncatedLlc)? {
        [0xcc | 0x8e] => Ok(Inside::Ip),
        [0x80] => snap(view),
        _ => Err(Other::Llc.into()),
    }
}

/// Takes the MPLS labels off (RFC 3032 §2.1). Nothing says what lies below them but a first nibble (RFC 4928 §3),
/// which a pseudo-wire without a control word may imitate: so lengths are asked too.
pub(super) fn mpls(view: &mut View<'_>) -> Result<Inside, Stop> {
    loop {
        let [_, _, bottom, _] = *view.take(Undecodable::TruncatedMpls)?;
        if bottom & 1 == 1 {
            break;
        }
    }
    let Some([first]) = view.peek::<1>() else { return Err(Undecodable::TruncatedMpls.into()) };
    match first >> 4 {
        4 | 6 if is_ip(view) || !is_ethernet(view.bytes()) => Ok(Inside::Ip),
        // The control word of an Ethernet pseudo-wire starts with a zero nibble (RFC 4448 §4.6) and is zero where
        // frames are not numbered; an address may start so too.
        0 if has_control_word(view.bytes()) => {
            view.skip(4, Undecodable::TruncatedMpls)?;
            Ok(Inside::Ethernet)
        }
        _ if is_ethernet(view.bytes()) => Ok(Inside::Ethernet),
        _ => Err(Other::Mpls.into()),
    }
}

fn has_control_word(bytes: &[u8]) -> bool {
    bytes.get(4..).is_some_and(is_ethernet) && (bytes.starts_with(&[0; 4]) || !is_ethernet(bytes))
}

/// The lengths of an IP header agree with the packet around it.
fn is_ip(view: &View<'_>) -> bool {
    let room = view.whole();
    match view.peek::<6>() {
        Some([first, _, high, low, ..]) if first >> 4 == 4 => {
            let total = usize::from(u16::from_be_bytes([*high, *low]));
            first & 0x0f >= 5 && (total == 0 || (20..=room).contains(&total))
        }
        Some([_, _, _, _, high, low]) => usize::from(u16::from_be_bytes([*high, *low])) + 40 <= room,
        None => false,
    }
}

/// What would be the type field of an Ethernet header is one that pseudo-wires carry.
fn is_ethernet(bytes: &[u8]) -> bool {
    let Some(&[.., high, low]) = bytes.first_chunk::<14>() else { return false };
    matches!(
        u16::from_be_bytes([high, low]),
        kind::IPV4
            | kind::IPV6
            | kind::ARP
            | kind::VLAN
            | kind::SERVICE_VLAN
            | kind::QINQ_OLD
            | kind::MPLS
            | kind::PPPOE_DISCOVERY
            | kind::PPPOE_SESSION
            | 0x0026..=1500
    )
}

/// PPPoE session (RFC 2516 §4): version and type, code, session, length.
pub(super) fn pppoe(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [version, code, _, _, high, low] = *view.take(Undecodable::TruncatedPpp)?;
    if version != 0x11 {
        return Err(Undecodable::BadLink.into());
    }
    if code != 0 {
        return Err(Other::Ppp.into());
    }
    view.clamp(usize::from(u16::from_be_bytes([high, low])));
    Ok(Inside::Ppp)
}

/// PPP (RFC 1661 §2, RFC 1662 §3.1): address and control may be left out, the protocol may have one byte.
pub(super) fn ppp(view: &mut View<'_>) -> Result<Inside, Stop> {
    if let Some([0xff, 0x03]) = view.peek() {
        view.skip(2, Undecodable::TruncatedPpp)?;
    }
    let [first] = *view.take(Undecodable::TruncatedPpp)?;
    let protocol = if first & 1 == 1 {
        u16::from(first)
    } else {
        let [second] = *view.take(Undecodable::TruncatedPpp)?;
        u16::from_be_bytes([first, second])
    };
    match protocol {
        0x0021 | 0x0057 => Ok(Inside::Ip),
        0x0281 | 0x0283 => Ok(Inside::Mpls),
        _ => Err(Other::Ppp.into()),
    }
}

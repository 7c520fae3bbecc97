//! IEEE 802.11 data frames that are not encrypted, and the headers that captures put before them.

use super::outcome::{Other, Stop, Undecodable};
use super::view::{Inside, View};

const CUT: Undecodable = Undecodable::TruncatedWifi;

/// Reads the header of a frame (IEEE 802.11 §9.2): control, duration, three addresses, sequence; then by flags a
/// fourth address, QoS and HT control. `padded`: the card filled the header up to a multiple of four.
pub(super) fn frame(view: &mut View<'_>, padded: bool) -> Result<Inside, Stop> {
    let head: &[u8; 24] = view.peek().ok_or(CUT)?;
    let (kind, flags) = (head[0], head[1]);
    let is_data = kind & 0x0c == 0x08;
    let has_body = kind & 0x40 == 0;
    if !is_data || !has_body {
        return Err(Other::Wifi.into());
    }
    let four_addresses = flags & 0x03 == 0x03;
    let is_quality = kind & 0x80 != 0;
    let quality_at = 24 + if four_addresses { 6 } else { 0 };
    let length = match (is_quality, flags & 0x80 != 0) {
        (false, _) => quality_at,
        (true, false) => quality_at + 2,
        (true, true) => quality_at + 6,
    };
    let quality = view.bytes().get(quality_at).copied().unwrap_or(0);
    view.skip(if padded { length.next_multiple_of(4) } else { length }, CUT)?;
    if flags & 0x40 != 0 {
        return Err(Other::WifiProtected.into());
    }
    let is_fragment = flags & 0x04 != 0 || head[22] & 0x0f != 0;
    let is_several = is_quality && quality & 0x80 != 0;
    if is_fragment || is_several {
        return Err(Other::WifiAggregate.into());
    }
    Ok(Inside::Llc)
}

/// Radiotap: version, length (little-endian), and fields by a bit mask; of these only the flags matter, which
/// follow a time stamp if there is one.
pub(super) fn radiotap(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [version, _, low, high, ..] = *view.peek::<8>().ok_or(CUT)?;
    if version != 0 {
        return Err(Undecodable::BadLink.into());
    }
    let length = usize::from(u16::from_le_bytes([low, high]));
    let head = view.bytes().get(..length).ok_or(CUT)?;
    view.skip(length, CUT)?;
    let padded = radiotap_flags(head) & 0x20 != 0;
    frame(view, padded)
}

fn radiotap_flags(head: &[u8]) -> u8 {
    let mut words = head.get(4..).unwrap_or_default().chunks_exact(4);
    let Some(present) = words.next().map(|word| word[0]) else { return 0 };
    let mut at = 8_usize;
    let mut more = head.get(7).is_some_and(|byte| byte & 0x80 != 0);
    while more {
        at += 4;
        more = words.next().is_some_and(|word| word[3] & 0x80 != 0);
    }
    if present & 0x02 == 0 {
        return 0;
    }
    if present & 0x01 != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    head.get(at).copied().unwrap_or(0)
}

/// Prism's header has a fixed length; some drivers write AVS under the same link type, which its first word shows.
pub(super) fn prism(view: &mut View<'_>) -> Result<Inside, Stop> {
    if let Some([0x80, 0x21, 0x10, _]) = view.peek() {
        return avs(view);
    }
    view.skip(144, CUT)?;
    frame(view, false)
}

/// AVS: version and length, both of 32 bits.
pub(super) fn avs(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [_, _, _, _, a, b, c, d] = *view.peek().ok_or(CUT)?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| CUT)?;
    view.skip(length.max(8), CUT)?;
    frame(view, false)
}

/// Per-packet information (PPI): version, flags, length, link type of what follows (all little-endian).
pub(super) fn per_packet(view: &mut View<'_>) -> Result<Inside, Stop> {
    let [_, _, low, high, a, b, c, d] = *view.peek().ok_or(CUT)?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    view.skip(length.max(8), CUT)?;
    match u32::from_le_bytes([a, b, c, d]) {
        1 => Ok(Inside::Ethernet),
        105 => frame(view, false),
        _ => Err(Undecodable::UnknownLinkType.into()),
    }
}

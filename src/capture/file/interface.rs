//! An interface of a pcapng section: link type, snap length, and what a unit of its time is.

use super::decode::{Order, u16_at, u32_at};
use crate::capture::LinkType;
use crate::limits::TIME_NS_MAX;
use crate::time::Timestamp;

/// What a section says of one of its interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// How to read its frames.
    pub(super) link: LinkType,
    /// Where its frames were cut; 0 for nowhere.
    pub(super) snaplen: u32,
    resolution: Resolution,
    offset_ns: i128,
}

/// How a number of units becomes nanoseconds (`if_tsresol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// Units of 10⁻⁹ s or longer.
    Times(u64),
    /// Decimal units that are shorter than a nanosecond.
    Over(u128),
    /// Units of 2⁻ⁿ s.
    Binary(u32),
}

const END_OF_OPTIONS: u16 = 0;
const TSRESOL: u16 = 9;
const TSOFFSET: u16 = 14;

impl Interface {
    /// From the body of an interface description block; `None` if it is too short.
    pub(super) fn new(body: &[u8], order: Order) -> Option<Self> {
        let link = LinkType(u16_at(body, 0, order)?.into());
        let snaplen = u32_at(body, 4, order)?;
        let mut interface = Self { link, snaplen, resolution: Resolution::Times(1_000), offset_ns: 0 };
        let mut rest = body.get(8..).unwrap_or_default();
        // Options are `code (2) │ length (2) │ value`, padded to four bytes. What does not fit ends them.
        while let (Some(code), Some(len)) = (u16_at(rest, 0, order), u16_at(rest, 2, order)) {
            let value = rest.get(4..4 + usize::from(len));
            match (code, value) {
                (END_OF_OPTIONS, _) | (_, None) => break,
                (TSRESOL, Some(&[exponent])) => interface.resolution = Resolution::new(exponent),
                (TSOFFSET, Some(value)) => interface.offset_ns = offset(value, order).unwrap_or_default(),
                _ => {}
            }
            rest = rest.get(4 + usize::from(len).next_multiple_of(4)..).unwrap_or_default();
        }
        Some(interface)
    }

    /// The moment that a packet's number of units means; beyond what a packet may have, the first or the last one.
    #[inline]
    pub(super) fn time(&self, units: u64) -> Timestamp {
        let nanos = match self.resolution {
            Resolution::Times(factor) => match units.checked_mul(factor) {
                Some(nanos) if self.offset_ns == 0 => return Timestamp::from_nanos(nanos.min(TIME_NS_MAX)),
                _ => u128::from(units) * u128::from(factor),
            },
            Resolution::Over(divisor) => u128::from(units) / divisor,
            Resolution::Binary(shift) => (u128::from(units) * 1_000_000_000) >> shift,
        };
        let moment = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_add(self.offset_ns);
        Timestamp::from_nanos(moment.clamp(0, TIME_NS_MAX.into()) as u64)
    }
}

impl Resolution {
    /// The highest bit tells powers of two from powers of ten.
    fn new(exponent: u8) -> Self {
        let power = u32::from(exponent & 0x7f);
        match (exponent & 0x80 != 0, power) {
            (true, _) => Self::Binary(power),
            (false, 0..=9) => Self::Times(10_u64.pow(9 - power)),
            // Beyond 10³⁸ every number of units is less than a nanosecond.
            (false, _) => Self::Over(10_u128.checked_pow(power - 9).unwrap_or(u128::MAX)),
        }
    }
}

/// Seconds that are added to each time: a signed number of eight bytes.
fn offset(value: &[u8], order: Order) -> Option<i128> {
    let bytes: [u8; 8] = value.try_into().ok()?;
    let seconds = match order {
        Order::Little => i64::from_le_bytes(bytes),
        Order::Big => i64::from_be_bytes(bytes),
    };
    Some(i128::from(seconds) * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(options: &[u8]) -> Interface {
        let mut body = vec![0, 101, 0, 0, 0, 0, 0, 96];
        body.extend_from_slice(options);
        Interface::new(&body, Order::Big).unwrap()
    }

    #[test]
    fn resolutions_are_decimal_or_binary() {
        let day = 1_700_000_000_u64;
        for (exponent, units, nanos) in [
            (0, day, day * 1_000_000_000),
            (3, day * 1_000 + 7, day * 1_000_000_000 + 7_000_000),
            (6, day * 1_000_000 + 7, day * 1_000_000_000 + 7_000),
            (9, day * 1_000_000_000 + 7, day * 1_000_000_000 + 7),
            (12, 1_000_000_007_999, 1_000_000_007),
            (127, u64::MAX, 0),
            (0x80, 3, 3_000_000_000),
            (0x80 | 10, 1_024 + 512, 1_500_000_000),
            (0x80 | 127, u64::MAX, 0),
            (0, u64::MAX, TIME_NS_MAX),
        ] {
            let interface = described(&[0, 9, 0, 1, exponent, 0, 0, 0]);
            assert_eq!(interface.time(units).as_nanos(), nanos, "{exponent}");
        }
    }

    #[test]
    fn options_are_read_up_to_their_end() {
        assert_eq!(described(&[]).time(5).as_nanos(), 5_000);
        let ended = [0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0];
        assert_eq!(described(&ended).time(5).as_nanos(), 5_000);
        let cut = [0, 2, 0, 9, 1];
        assert_eq!(described(&cut).time(5).as_nanos(), 5_000);
        let named_first = [0, 2, 0, 2, b'e', b'0', 0, 0, 0, 9, 0, 1, 9, 0, 0, 0];
        assert_eq!(described(&named_first).time(5).as_nanos(), 5);
        let interface = described(&[]);
        assert_eq!((interface.link, interface.snaplen), (LinkType(101), 96));
        assert_eq!(Interface::new(&[0, 1, 0, 0, 0, 0, 0], Order::Big), None);
    }

    #[test]
    fn an_offset_moves_both_ways_and_saturates() {
        let with = |seconds: i64| {
            let mut options = vec![0, 14, 0, 8];
            options.extend(seconds.to_be_bytes());
            described(&options)
        };
        assert_eq!(with(2).time(1_000_000).as_nanos(), 3_000_000_000);
        assert_eq!(with(-1).time(1_500_000).as_nanos(), 500_000_000);
        assert_eq!(with(-2).time(1_500_000), Timestamp::ZERO);
        assert_eq!(with(i64::MAX).time(1).as_nanos(), TIME_NS_MAX);
    }
}

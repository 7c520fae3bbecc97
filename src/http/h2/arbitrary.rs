//! The entry of the fuzz target `h2` and of the stored inputs: any bytes as one direction of a connection, with holes.

use super::hpack::Fields;
use super::resync::Search;
use super::{Event, Side, What};
use crate::flow::{Data, EndReason, Gap, GapCause};
use crate::limits::{H2_SEARCH_BYTES_MAX, HEAD_BYTES_MAX, HPACK_TABLE_BYTES_MAX};
use crate::time::Timestamp;

/// A search at its longest while a piece of input is looked through, a block and a payload that are read as a whole, and
/// the table, each with room for growing.
const MEMORY_MAX: usize = 16 * (H2_SEARCH_BYTES_MAX + HPACK_TABLE_BYTES_MAX) + 4 * HEAD_BYTES_MAX;

/// Reads any bytes as a direction, and tells how many bytes of bodies it had. No more is told than came, nothing from
/// behind the place that was reached, and without holes the pieces in which it comes change nothing.
///
/// ```text
/// | how it begins | then: | what | length: 2 bytes, LE | bytes … |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(input: &[u8]) -> u64 {
    let whole = read(input, usize::MAX);
    if !whole.lost {
        let pieces = read(input, 1);
        assert_eq!((pieces.lost, &pieces.told), (false, &whole.told), "in single bytes");
    }
    whole.body_bytes
}

fn read(input: &[u8], piece: usize) -> Heard {
    let mut heard = Heard::default();
    let Some((&begin, mut rest)) = input.split_first() else { return heard };
    let mut fields = Fields::default();
    let mut side = match begin & 3 {
        0 => Side::client(),
        1 | 2 => Side::begun(),
        _ => Side::joined(Search::new(0)),
    };
    heard.lost = begin & 3 == 3;
    while let Some((&[what, low, high], behind)) = rest.split_first_chunk() {
        let wanted = u64::from(u16::from_le_bytes([low, high]));
        rest = behind;
        let cause = match what >> 5 {
            0..=5 => {
                let (bytes, behind) = behind.split_at((wanted as usize).min(behind.len()));
                rest = behind;
                for bytes in bytes.chunks(piece) {
                    let (offset, time) = (heard.reached, Timestamp::ZERO);
                    heard.reached += bytes.len() as u64;
                    let data = Data { offset, bytes, time, ack: None, boundary: true };
                    side.data(&data, &mut fields, &mut |event| heard.hear(&event));
                }
                assert!(side.memory() <= MEMORY_MAX, "{} bytes", side.memory());
                continue;
            }
            6 => GapCause::Lost,
            _ => GapCause::SnapLength,
        };
        let gap = Gap { offset: heard.reached, len: wanted + 1, cause };
        heard.reached += gap.len;
        heard.missing += gap.len;
        heard.lost = true;
        side.gap(&gap, &mut fields, &mut |event| heard.hear(&event));
    }
    side.end(EndReason::Fin, &mut fields, &mut |event| heard.hear(&event));
    assert!(heard.body_bytes + heard.missing_told <= heard.reached, "no more is told than went by");
    assert!(heard.missing_told <= heard.missing, "no more is missing than holes have bytes");
    heard
}

#[derive(Default)]
struct Heard {
    reached: u64,
    missing: u64,
    lost: bool,
    body_bytes: u64,
    missing_told: u64,
    /// Stream and what was said of it; bodies that follow each other are one.
    told: Vec<(u32, String)>,
}

impl Heard {
    fn hear(&mut self, event: &Event<'_>) {
        assert!(event.place.offset <= self.reached, "{event:?} at {}", self.reached);
        let text = match event.what {
            What::Fields { fields, cut, padding, bytes, promise, ends } => {
                let text = String::from_utf8_lossy(fields.text());
                let end = fields.text().len();
                let mut spans = fields.headers.iter().filter(|header| header.name.is_known());
                assert!(
                    spans.all(|header| header.name.end as usize <= end && header.value.end as usize <= end)
                );
                format!("{text:?} {cut:?} {padding:?} {bytes:?} {promise} {ends}")
            }
            What::Body { bytes, .. } => {
                self.body_bytes += bytes.len() as u64;
                match self.told.last_mut() {
                    Some((stream, text)) if *stream == event.stream && text.starts_with(BODY) => {
                        text.push_str(&hex(bytes));
                        return;
                    }
                    _ => BODY.to_owned() + &hex(bytes),
                }
            }
            What::Missing(len, cut) => {
                self.missing_told += len.unwrap_or(0);
                format!("{len:?} {cut:?}")
            }
            What::Lost(_) => {
                self.lost = true;
                return;
            }
            ref other => format!("{other:?}"),
        };
        self.told.push((event.stream, text));
    }
}

const BODY: &str = "body ";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The entry of the fuzz target `websocket` and of the stored inputs: any bytes as one direction, with holes.

use super::{Cut, Deflate, Side};
use crate::call::{Anomalies, Messages};
use crate::flow::{Data, Gap, GapCause};
use crate::time::Timestamp;

/// Reads any bytes as a direction, and tells how many messages began in it. Without holes the pieces in which it comes
/// change nothing, no more is counted than went by, and what is taken in parts is the whole.
///
/// ```text
/// | client: 1, compression agreed: 2, unknown: 4 | then: | what | length: 2 bytes, LE | bytes … |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(input: &[u8]) -> u64 {
    let whole = read(input, usize::MAX);
    if let Some(Counted { messages, cut, odd, holes: false }) = whole {
        assert_eq!(read(input, 1), Some(Counted { messages, cut, odd, holes: false }), "in single bytes");
    }
    whole.map_or(0, |counted| counted.messages.count)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    messages: Messages,
    cut: Option<Cut>,
    odd: Anomalies,
    holes: bool,
}

fn read(input: &[u8], piece: usize) -> Option<Counted> {
    let (&begin, mut rest) = input.split_first()?;
    let deflate = match begin >> 1 & 3 {
        0 => Deflate::No,
        1 => Deflate::Yes,
        _ => Deflate::Unknown,
    };
    let mut side = Side::new(begin & 1 != 0, deflate);
    let (nothing, _, _) = Side::new(true, deflate).take();
    let mut all = Counted { messages: nothing, cut: None, odd: Anomalies::EMPTY, holes: false };
    let mut passed = 0;
    while let Some((&[what, low, high], behind)) = rest.split_first_chunk() {
        let wanted = u64::from(u16::from_le_bytes([low, high]));
        rest = behind;
        match what >> 5 {
            7 => {
                let cause = if what & 1 == 0 { GapCause::Lost } else { GapCause::SnapLength };
                let len = if what & 2 == 0 { wanted + 1 } else { Gap::UNKNOWN };
                side.gap(&Gap { offset: passed, len, cause });
                passed += len % Gap::UNKNOWN;
                all.holes = true;
            }
            6 => all.take(&mut side),
            _ => {
                let (bytes, behind) = behind.split_at((wanted as usize).min(behind.len()));
                rest = behind;
                for bytes in bytes.chunks(piece) {
                    let (offset, time, boundary) = (passed, Timestamp::ZERO, what & 1 == 0);
                    passed += bytes.len() as u64;
                    side.data(&Data { offset, bytes, time, ack: None, boundary });
                }
            }
        }
    }
    side.end(Cut::InputEnded);
    all.take(&mut side);
    let Messages { bytes, opcodes, count, compressed, .. } = all.messages;
    let opcodes = opcodes.expect("by kind");
    let control = opcodes.ping.bytes + opcodes.pong.bytes + opcodes.close.bytes;
    assert!(bytes + control <= passed, "no more is counted than went by");
    assert!(compressed <= count && count == opcodes.text.count + opcodes.binary.count);
    Some(all)
}

impl Counted {
    fn take(&mut self, side: &mut Side) {
        let (messages, cut, odd) = side.take();
        self.messages.add(&messages);
        self.cut = self.cut.or(cut);
        self.odd.insert(odd);
    }
}

//! Where frames of WebSocket begin again behind a hole. A frame has no mark by which it could be known, but senders write
//! messages whole: a segment that is nothing but whole frames, to its last byte, is unlikely to be anything else, and a
//! row of such segments is not.

use super::{Deflate, Frame, Message, Opcode, Read};
use crate::call::{Messages, Opcodes};
use crate::limits::WEBSOCKET_BITS_ENOUGH;

/// What a row of segments said so far.
#[derive(Debug, Default)]
pub(super) struct Search {
    bits: u32,
    counts: Messages,
}

impl Search {
    /// Bytes that do not begin a segment break the row.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// A segment; what the row counted, once it is enough to be believed.
    pub(super) fn segment(&mut self, bytes: &[u8], of_client: bool, deflate: Deflate) -> Option<Messages> {
        let Some((bits, counts)) = whole_frames(bytes, of_client, deflate) else {
            self.restart();
            return None;
        };
        self.bits += bits;
        self.counts.add(&counts);
        (self.bits >= WEBSOCKET_BITS_ENOUGH).then(|| std::mem::take(&mut self.counts))
    }
}

/// Bytes that are frames to the last: how many bits of them would have to be so by chance, and what they count. Only frames
/// that are whole messages or control frames are believed: zeros are continuations.
fn whole_frames(bytes: &[u8], of_client: bool, deflate: Deflate) -> Option<(u32, Messages)> {
    let mut counts = Messages { opcodes: Some(Opcodes::default()), ..Messages::default() };
    let (mut rest, mut length_bits) = (bytes, 0);
    while !rest.is_empty() {
        let Read::Frame(frame) = Frame::read(rest) else { return None };
        let is_plain = frame.is_last && !matches!(frame.opcode, Some(Opcode::Continuation | Opcode::Close));
        if !is_plain || frame.is_odd(of_client, deflate, Message::None) {
            return None;
        }
        counts.begin(&frame, deflate);
        counts.pass(frame.opcode, frame.len);
        length_bits = if frame.len > 125 { 16 } else { 7 };
        let end = usize::try_from(frame.len).ok()?.checked_add(frame.head_bytes)?;
        rest = rest.get(end..)?;
    }
    // of 256 first bytes four, six or 32 are those of such a frame, of two mask bits one is right
    let head_bits = match deflate {
        Deflate::No => 6,
        Deflate::Yes => 5,
        Deflate::Unknown => 3,
    };
    (length_bits > 0).then_some((head_bits + length_bits, counts))
}

//! The entry of the fuzz target `grpc` and of the stored inputs: any bytes as the body of one half, with holes.

use super::{Framing, Reader};
use crate::call::Messages;
use crate::limits::GRPC_WEB_TRAILERS_BYTES_MAX;

/// Reads any bytes as a body, and tells how many messages began in it. The pieces in which it comes change nothing, and no
/// more is counted than went by.
///
/// ```text
/// | framing | then: | what | length: 2 bytes, LE | bytes … |
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(input: &[u8]) -> u64 {
    let whole = read(input, usize::MAX);
    assert_eq!(read(input, 1), whole, "in single bytes");
    whole.map_or(0, |counted| counted.messages.count)
}

#[derive(Debug, PartialEq, Eq)]
struct Counted {
    messages: Messages,
    is_malformed: bool,
    trailers: [Option<Vec<u8>>; 2],
}

fn read(input: &[u8], piece: usize) -> Option<Counted> {
    let (&framing, mut rest) = input.split_first()?;
    let of_response = framing & 4 == 0;
    let framing = match framing & 3 {
        0 | 1 => Framing::Native,
        2 => Framing::Web,
        _ => Framing::WebText,
    };
    let mut reader = Reader::new(framing, of_response);
    let mut passed = 0;
    while let Some((&[what, low, high], behind)) = rest.split_first_chunk() {
        let wanted = u64::from(u16::from_le_bytes([low, high]));
        rest = behind;
        if what & 0xc0 == 0xc0 {
            passed += wanted;
            reader.missing((what & 1 == 0).then_some(wanted));
            continue;
        }
        let (bytes, behind) = behind.split_at((wanted as usize).min(behind.len()));
        rest = behind;
        passed += bytes.len() as u64;
        bytes.chunks(piece).for_each(|bytes| reader.data(bytes));
    }
    let trailers = ["grpc-status", "grpc-message"].map(|name| reader.trailer(name).map(<[u8]>::to_vec));
    assert!(trailers.iter().flatten().all(|value| value.len() <= GRPC_WEB_TRAILERS_BYTES_MAX));
    let is_malformed = reader.is_malformed();
    let messages = reader.take();
    assert!(messages.bytes <= passed, "no more is counted than went by");
    assert!(messages.compressed <= messages.count && reader.is_silent());
    Some(Counted { messages, is_malformed, trailers })
}

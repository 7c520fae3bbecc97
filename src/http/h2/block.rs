//! Frames that are read as a whole: header blocks, which may go on in further frames, and the few others that say
//! something of streams.

use super::frame::{Header, flag, kind};
use super::hpack::{self, Broken, Fields};
use super::{Event, Side, What};
use crate::call::Anomalies;
use crate::http::{Cut, Place};
use crate::limits::{H2_BLOCK_FRAMES_MAX, HEAD_BYTES_MAX};

const SETTINGS_MAX_FRAME_SIZE: u8 = 5;
const SETTINGS_INITIAL_WINDOW_SIZE: u8 = 4;

/// A header block that goes on in further frames.
#[derive(Debug)]
pub(super) struct Block {
    stream: u32,
    place: Place,
    bytes: Vec<u8>,
    frames: u32,
    end_stream: bool,
    promise: bool,
    /// Why the padding behind its first piece is not whole.
    padding: Option<Cut>,
}

impl Block {
    pub(super) const fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Side {
    /// A frame that is read as a whole; with a `cut` its first bytes.
    pub(super) fn whole(
        &mut self,
        header: &Header,
        place: Place,
        payload: &[u8],
        cut: Option<Cut>,
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        match header.kind {
            kind::HEADERS | kind::PUSH_PROMISE => {
                self.cut_block(Cut::Malformed, fields, tell);
                let promise = header.kind == kind::PUSH_PROMISE;
                let Some((stream, fragment, whole)) = fragment(header, payload) else {
                    let why =
                        cut.map_or((Cut::Malformed, Anomalies::INVALID_FRAME), |cut| (cut, Anomalies::EMPTY));
                    return self.give_up_block(header, place, why, fields, tell);
                };
                let end_stream = !promise && header.has(flag::END_STREAM);
                let (cut, padding) = if whole { (None, cut) } else { (cut.or(Some(Cut::Malformed)), None) };
                let block =
                    Block { stream, place, bytes: Vec::new(), frames: 1, end_stream, promise, padding };
                if cut.is_some() || header.has(flag::END_HEADERS) {
                    self.decode(&block, fragment, cut, fields, tell);
                } else {
                    self.block = Some(Box::new(Block { bytes: fragment.to_vec(), ..block }));
                }
            }
            kind::CONTINUATION => self.continued(header, place, payload, cut, fields, tell),
            kind::RST_STREAM => tell(Event { stream: header.stream, place, what: What::Reset }),
            kind::SETTINGS if cut.is_none() => {
                for setting in payload.chunks_exact(6) {
                    let [0, name, a, b, c, d] = *setting else { continue };
                    let value = u32::from_be_bytes([a, b, c, d]);
                    let what = match name {
                        SETTINGS_MAX_FRAME_SIZE => What::PayloadMax(value),
                        SETTINGS_INITIAL_WINDOW_SIZE => What::FirstWindow(value),
                        _ => continue,
                    };
                    tell(Event { stream: 0, place, what });
                }
            }
            kind::WINDOW_UPDATE if cut.is_none() => {
                let Some(bytes) = payload.first_chunk() else { return };
                // §6.9: none is an error, and the highest bit says nothing
                let what = match u32::from_be_bytes(*bytes) & (u32::MAX >> 1) {
                    0 => What::Odd(Anomalies::INVALID_FRAME),
                    more => What::MoreWindow(more),
                };
                tell(Event { stream: header.stream, place, what });
            }
            _ => {}
        }
    }

    /// CONTINUATION (§6.10).
    fn continued(
        &mut self,
        header: &Header,
        place: Place,
        payload: &[u8],
        cut: Option<Cut>,
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        let Some(mut block) = self.block.take_if(|block| block.stream == header.stream) else {
            self.cut_block(Cut::Malformed, fields, tell);
            let stray = (Cut::Malformed, Anomalies::INVALID_FRAME);
            let why = if self.steady { stray } else { (Cut::Lost, Anomalies::EMPTY) };
            return self.give_up_block(header, place, why, fields, tell);
        };
        block.frames += 1;
        block.bytes.extend_from_slice(payload);
        let flood = block.frames > H2_BLOCK_FRAMES_MAX || block.bytes.len() > HEAD_BYTES_MAX;
        if flood {
            let odd = if block.frames > H2_BLOCK_FRAMES_MAX {
                Anomalies::CONTINUATION_FLOOD
            } else {
                Anomalies::HEAD_TOO_LONG
            };
            tell(Event { stream: header.stream, place, what: What::Odd(odd) });
        }
        let cut = cut.or(flood.then_some(Cut::Malformed));
        if cut.is_some() || header.has(flag::END_HEADERS) {
            let bytes = std::mem::take(&mut block.bytes);
            self.decode(&block, &bytes, cut, fields, tell);
        } else {
            self.block = Some(block);
        }
    }

    fn decode(
        &mut self,
        block: &Block,
        bytes: &[u8],
        cut: Option<Cut>,
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        let Block { stream, place, end_stream, promise, padding, .. } = *block;
        fields.clear();
        let read = hpack::decode(&mut self.table, bytes, fields);
        if cut.is_none()
            && let Err(broken) = read
        {
            let odd = match broken {
                Broken::TooLong => Anomalies::HEAD_TOO_LONG,
                Broken::Short | Broken::Invalid => Anomalies::INVALID_HPACK,
            };
            tell(Event { stream, place, what: What::Odd(odd) });
        }
        let cut = cut.or(read.err().map(|_| Cut::Malformed));
        if cut.is_some() {
            self.table.forget();
        }
        let bytes = cut.is_none().then_some(bytes.len() as u64);
        let time = cut.or(padding).is_none().then_some(self.now);
        let what = What::Fields { fields, cut, padding, bytes, promise, ends: end_stream };
        tell(Event { stream, place, what });
        if end_stream {
            tell(Event { stream, place, what: What::End(time) });
        }
    }

    /// A block that began and does not go on.
    pub(super) fn cut_block(&mut self, cut: Cut, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        if let Some(mut block) = self.block.take() {
            let bytes = std::mem::take(&mut block.bytes);
            self.decode(&block, &bytes, Some(cut), fields, tell);
        }
    }

    /// A block of which nothing can be read, and why. What a server promises on a stream that is not known is nothing of the
    /// one that it promises on.
    pub(super) fn give_up_block(
        &mut self,
        header: &Header,
        place: Place,
        (cut, odd): (Cut, Anomalies),
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        self.table.forget();
        let stream = header.stream;
        if header.kind == kind::PUSH_PROMISE {
            if !odd.is_empty() {
                tell(Event { stream, place, what: What::Odd(odd) });
            }
            return;
        }
        fields.clear();
        fields.anomalies = odd;
        let ends = header.kind == kind::HEADERS && header.has(flag::END_STREAM);
        let what = What::Fields { fields, cut: Some(cut), padding: None, bytes: None, promise: false, ends };
        tell(Event { stream, place, what });
        if ends {
            tell(Event { stream, place, what: What::End(None) });
        }
    }
}

/// Stream and piece of the header block in HEADERS or PUSH_PROMISE (§6.2, §6.6), of which `payload` is there, and
/// whether the piece is whole.
fn fragment<'a>(header: &Header, payload: &'a [u8]) -> Option<(u32, &'a [u8], bool)> {
    let (mut rest, mut left) = (payload, header.length as usize);
    let mut padding = 0;
    if header.has(flag::PADDED) {
        let (first, behind) = rest.split_first()?;
        (padding, rest, left) = (usize::from(*first), behind, left.checked_sub(1)?);
    }
    let mut stream = header.stream;
    if header.kind == kind::PUSH_PROMISE {
        let (promised, behind) = rest.split_first_chunk::<4>()?;
        (stream, rest, left) = (u32::from_be_bytes(*promised) & 0x7fff_ffff, behind, left.checked_sub(4)?);
    } else if header.has(flag::PRIORITY) {
        let (_, behind) = rest.split_first_chunk::<5>()?;
        (rest, left) = (behind, left.checked_sub(5)?);
    }
    let wanted = left.checked_sub(padding)?;
    match rest.get(..wanted) {
        Some(fragment) => Some((stream, fragment, true)),
        None => Some((stream, rest, false)),
    }
}

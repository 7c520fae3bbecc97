//! Calls of HTTP/1 with messages in their bodies: one that lasts is told in parts, as a stream of HTTP/2 is.

use super::order::{Asked, Entry, part_id};
use super::{Desk, Exchange, Finished};
use crate::call::{Anomalies, Call, Causes, Part};
use crate::http::MessageEnd;
use crate::time::Timestamp;

/// How far such a call is told.
#[derive(Debug)]
pub(super) struct Lasting {
    /// When the part in hand is told at the latest, if it is not the last one.
    due: Timestamp,
    /// Bytes of both bodies in the part in hand, and in those before it.
    bytes: [u64; 2],
    told_bytes: [u64; 2],
    /// Why bytes of the part in hand are missing.
    holes: Causes,
    /// Why something of the heads is not known, which every part has.
    head_causes: Causes,
}

impl Lasting {
    pub(super) const fn new(due: Timestamp, head_causes: Causes) -> Self {
        Self { due, bytes: [0; 2], told_bytes: [0; 2], holes: Causes::EMPTY, head_causes }
    }

    /// Bytes of a body came, or are known to be missing.
    pub(super) const fn add(&mut self, of_request: bool, bytes: u64) {
        let [request, response] = &mut self.bytes;
        *(if of_request { request } else { response }) += bytes;
    }

    /// Bytes of a body are missing in the part in hand.
    pub(super) const fn note_hole(&mut self, cause: Causes) {
        self.holes.insert(cause);
    }

    /// What a body has in the part in hand, of all that it has.
    fn rest(&self, of_request: bool, end: &MessageEnd) -> Option<u64> {
        let [request, response] = self.told_bytes;
        end.body_bytes?.checked_sub(if of_request { request } else { response })
    }
}

/// Sizes of one body: in the part that is told, and in the one that follows, as far as they are known.
pub(super) struct BodyBytes {
    pub(super) told: Option<u64>,
    pub(super) next: Option<u64>,
}

impl Asked {
    /// Size of a body that ends, in the part in hand.
    pub(super) fn body_bytes(&self, of_request: bool, end: &MessageEnd) -> Option<u64> {
        self.lasting.as_ref().map_or(end.body_bytes, |lasting| lasting.rest(of_request, end))
    }

    /// Gives back what was said until `begins`, and goes on with the part behind it. `causes`: why what is told is not whole;
    /// `head_causes`: those that the next part has too.
    pub(super) fn take_part(
        &mut self,
        begins: Timestamp,
        causes: Causes,
        head_causes: Causes,
        bodies: [BodyBytes; 2],
    ) -> Call {
        let call = &mut self.call;
        let mut told = call.clone();
        let part = call.part.unwrap_or(Part { number: 0, first: call.id, is_last: false });
        told.part = Some(part);
        told.causes.insert(causes.union(Causes::STILL_OPEN));
        told.duration_ns = Some(begins.since(told.time));
        let number = part.number + 1;
        (call.part, call.id) = (Some(Part { number, ..part }), part_id(part.first, number));
        (call.time, call.ttfb_ns, call.duration_ns) = (begins, None, None);
        (call.causes, call.anomalies) = (head_causes, Anomalies::EMPTY);
        (call.request.head_bytes, call.response.head_bytes) = (None, None);
        let [request, response] = bodies;
        (told.request.body_bytes, told.response.body_bytes) = (request.told, response.told);
        (call.request.body_bytes, call.response.body_bytes) = (request.next, response.next);
        // what is left of a body is not all of it
        (self.request_body, self.response_body) = (None, None);
        self.take_messages(&mut told);
        told
    }

    /// The part of a call of HTTP/1 that ends at `begins`, unless nothing was said in it.
    fn take_lasting_part(&mut self, begins: Timestamp) -> Option<Call> {
        let is_silent = self.is_silent();
        let lasting = self.lasting.as_mut()?;
        let (bytes, holes) = (std::mem::take(&mut lasting.bytes), std::mem::take(&mut lasting.holes));
        if is_silent && bytes == [0; 2] && holes.is_empty() {
            if self.call.part.is_some() {
                self.call.time = begins;
            }
            return None;
        }
        for (told, bytes) in lasting.told_bytes.iter_mut().zip(bytes) {
            *told += bytes;
        }
        let head_causes = lasting.head_causes;
        let ended = [!self.request_open, false];
        let seen = [self.call.request.seen, self.call.response.seen];
        let [request, response] = std::array::from_fn(|half| BodyBytes {
            told: bytes.get(half).copied().filter(|_| seen.get(half) == Some(&true)),
            next: (ended.get(half) == Some(&true)).then_some(0),
        });
        Some(self.take_part(begins, holes, head_causes, [request, response]))
    }
}

impl Exchange {
    /// When a part of a call is to be told although nothing comes.
    #[must_use]
    #[inline]
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    /// Tells the parts of calls that have lasted for long enough at that time.
    pub fn tell_parts(&mut self, desk: &Desk, clock: Timestamp, emit: &mut impl FnMut(Finished<'_>)) {
        if self.due > clock {
            return;
        }
        self.due = Timestamp::MAX;
        for entry in &mut self.queue {
            let Entry::Asked(asked) = entry else { continue };
            while let Some(begins) = asked.lasting.as_ref().map(|lasting| lasting.due) {
                if begins > clock {
                    self.due = self.due.min(begins);
                    break;
                }
                if let Some(lasting) = &mut asked.lasting {
                    lasting.due = begins.plus(desk.part_ns);
                }
                if let Some(mut call) = asked.take_lasting_part(begins) {
                    emit(Finished { call: &mut call, request_body: None, response_body: None });
                }
            }
        }
    }
}

//! What the calls of all connections of a worker share: memory, and what is wanted of them.

use super::Context;
use super::order::Asked;
use crate::call::{Call, HeaderSpan, Message};
use crate::http::Place;
use crate::http::h2::hpack::Fields;
use crate::limits::{SPARE_CALL_BYTES_MAX, SPARE_CALLS};
use crate::tls::Bench;
use crate::wire::Direction;

/// Calls for use again and what bodies are wanted: one per worker.
#[derive(Debug, Default)]
pub struct Desk {
    #[expect(clippy::vec_box, reason = "what is kept is the memory behind the box")]
    spare: Vec<Box<Asked>>,
    wants_body: Option<fn(&Call, &Message) -> bool>,
    pub(super) opened: u64,
    /// How long a call lasts until it is told in parts, and how long each part is, in nanoseconds.
    pub(super) part_ns: u64,
    /// Room for what a header block of HTTP/2 says.
    pub fields: Option<Box<Fields>>,
    /// What decrypts.
    pub tls: Bench,
}

impl Desk {
    /// `wants_body` says of a message whose head is whole whether its body is to be kept for inspection. A call that lasts for
    /// longer than `part_ns` nanoseconds is told in parts, if its protocol has messages.
    #[must_use]
    pub fn new(wants_body: Option<fn(&Call, &Message) -> bool>, part_ns: u64) -> Self {
        Self { wants_body, part_ns: part_ns.max(1), ..Self::default() }
    }

    pub(super) fn wants(&self, call: &Call, message: &Message) -> Option<Vec<u8>> {
        self.wants_body.filter(|wants| wants(call, message)).map(|_| Vec::new())
    }

    /// A call with nothing in it but where its message begins.
    pub(super) fn take(
        &mut self,
        context: &Context,
        place: &Place,
        direction: Direction,
        stream_id: Option<u32>,
    ) -> Box<Asked> {
        self.opened += 1;
        let mut asked = self.spare.pop().unwrap_or_else(|| Box::new(Asked::new(context)));
        asked.begin(context, place, direction, stream_id);
        asked
    }

    /// Calls that were opened since this was last asked.
    pub const fn take_opened(&mut self) -> u64 {
        std::mem::replace(&mut self.opened, 0)
    }

    pub(super) fn give_back(&mut self, asked: Box<Asked>) {
        let Call { buffer, headers, .. } = &asked.call;
        let bytes = buffer.capacity() + headers.capacity() * size_of::<HeaderSpan>();
        if self.spare.len() < SPARE_CALLS && bytes <= SPARE_CALL_BYTES_MAX {
            self.spare.push(asked);
        }
    }
}

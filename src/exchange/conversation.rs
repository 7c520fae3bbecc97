//! The messages behind a call that asked for WebSocket: a call of their own, told when it ends, and in parts before that.

use super::order::{conversation_id, part_id};
use super::{CarriedOver, Context, Desk, Finished, cause_of, head_memory};
use crate::call::{Anomalies, Call, Causes, Message, Part, Protocol};
use crate::flow::{Data, EndReason, Gap};
use crate::http::websocket::{Deflate, Side};
use crate::http::{Cut, Place};
use crate::time::Timestamp;

/// One conversation, from the answer that agreed to it.
#[derive(Debug)]
pub struct Conversation {
    /// The part in hand. Its heads are those of the call that asked for it, and so are its causes.
    call: Call,
    client: Side,
    server: Side,
    /// When the last byte came, in the part in hand.
    last: Option<Timestamp>,
    /// When the part in hand is told at the latest, if it is not the last one.
    due: Timestamp,
    anomalies: Anomalies,
    /// Why something of what carries it, but none of its messages, is missing in the part in hand.
    holes: Causes,
    is_told: bool,
}

impl Conversation {
    /// Begins behind `from`, whose answer stands at `place`.
    #[must_use]
    pub fn new(context: &Context, desk: &mut Desk, from: &Call, place: &Place) -> Self {
        desk.opened += 1;
        let deflate = agreed(from);
        let head = |message: &Message| Message {
            head_bytes: None,
            body_bytes: None,
            facts: None,
            ..message.clone()
        };
        let id = conversation_id(context, place, from.stream_id);
        let call = Call {
            id,
            time: place.time,
            duration_ns: None,
            ttfb_ns: None,
            protocol: Protocol::WebSocket,
            method: None,
            status: None,
            part: Some(Part { number: 0, first: id, is_last: false }),
            request: head(&from.request),
            response: head(&from.response),
            anomalies: Anomalies::EMPTY,
            ..from.clone()
        };
        Self {
            call,
            client: Side::new(true, deflate),
            server: Side::new(false, deflate),
            last: None,
            due: place.time.plus(desk.part_ns),
            anomalies: Anomalies::EMPTY,
            holes: Causes::EMPTY,
            is_told: false,
        }
    }

    /// As [`Conversation::new`], behind a call of HTTP/1.
    #[must_use]
    pub fn behind(context: &Context, desk: &mut Desk, asked: &CarriedOver) -> Self {
        Self::new(context, desk, &asked.call, &asked.answered)
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        head_memory(&self.call)
    }

    /// It was told to its end.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.is_told
    }

    /// When the part in hand is told at the latest.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        if self.is_told { Timestamp::MAX } else { self.due }
    }

    /// Something is odd about what carries it.
    pub const fn odd(&mut self, odd: Anomalies) {
        self.anomalies.insert(odd);
    }

    /// Something of what carries it is missing, but none of its messages.
    pub const fn note_hole(&mut self, cause: Causes) {
        self.holes.insert(cause);
    }

    /// A later copy of a byte was another one.
    pub const fn rewritten(&mut self) {
        self.anomalies.insert(Anomalies::SEGMENT_REWRITTEN);
    }

    /// The next bytes of one end.
    pub fn data(
        &mut self,
        desk: &Desk,
        of_client: bool,
        data: &Data<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        self.tell_parts(desk, data.time, emit);
        self.last = self.last.max(Some(data.time));
        (if of_client { &mut self.client } else { &mut self.server }).data(data);
        if self.client.has_closed() && self.server.has_closed() {
            self.tell_end(Causes::EMPTY, emit);
        }
    }

    /// Bytes of one end are missing.
    pub fn gap(&mut self, of_client: bool, gap: &Gap) {
        (if of_client { &mut self.client } else { &mut self.server }).gap(gap);
    }

    /// One end says no more.
    pub fn end(&mut self, of_client: bool, reason: EndReason) {
        (if of_client { &mut self.client } else { &mut self.server }).end(Cut::by(reason));
    }

    /// Tells the part that has lasted for as long as a part may. A time in which nothing was said is
    /// told in none, and belongs to the call if no part was told yet.
    pub fn tell_parts(&mut self, desk: &Desk, clock: Timestamp, emit: &mut impl FnMut(Finished<'_>)) {
        while !self.is_told && self.due <= clock {
            let begins = self.due;
            self.due = begins.plus(desk.part_ns);
            if self.last.is_some() {
                let mut next = self.call.clone();
                self.tell(Causes::STILL_OPEN, emit);
                next.time = begins;
                next.part = next.part.map(|part| Part { number: part.number + 1, ..part });
                next.id = next.part.map_or(next.id, |part| part_id(part.first, part.number));
                self.call = next;
            } else if self.call.part.is_some_and(|part| part.number > 0) {
                self.call.time = begins;
            }
        }
    }

    /// It has ended. `cause`: why, unless both ends said so.
    pub fn finish(&mut self, cause: Causes, emit: &mut impl FnMut(Finished<'_>)) {
        let is_closed = self.client.has_closed() || self.server.has_closed();
        // who has said that it says no more may leave without an answer
        let cause = if is_closed && cause == Causes::CONNECTION_CLOSED { Causes::EMPTY } else { cause };
        self.tell_end(cause, emit);
    }

    fn tell_end(&mut self, cause: Causes, emit: &mut impl FnMut(Finished<'_>)) {
        if !std::mem::replace(&mut self.is_told, true) {
            if let Some(part) = &mut self.call.part {
                part.is_last = true;
            }
            self.tell(cause, emit);
        }
    }

    fn tell(&mut self, cause: Causes, emit: &mut impl FnMut(Finished<'_>)) {
        let call = &mut self.call;
        call.causes.insert(cause.union(std::mem::take(&mut self.holes)));
        call.anomalies = std::mem::take(&mut self.anomalies);
        call.duration_ns = self.last.take().map(|last| last.since(call.time));
        let halves =
            [(&mut self.client, &mut call.request, true), (&mut self.server, &mut call.response, false)];
        for (side, message, of_client) in halves {
            let (messages, cut, odd) = side.take();
            message.messages = Some(Box::new(messages));
            call.causes.insert(cut.map_or(Causes::EMPTY, |cut| cause_of(cut, of_client)));
            call.anomalies.insert(odd);
        }
        emit(Finished { call, request_body: None, response_body: None });
    }
}

/// Whether the server agreed to compress messages (RFC 7692 §5), in any of its lines (RFC 6455 §9.1).
fn agreed(call: &Call) -> Deflate {
    let headers = call.headers.get(call.response.headers.clone()).unwrap_or_default();
    let mut agreed = if call.response.head_whole { Deflate::No } else { Deflate::Unknown };
    for header in headers {
        if !header.name.is_known() {
            agreed = Deflate::Unknown;
        } else if header.name.of(&call.buffer).eq_ignore_ascii_case(b"sec-websocket-extensions") {
            match Deflate::of(header.value.of(&call.buffer)) {
                Deflate::No => {}
                Deflate::Yes => return Deflate::Yes,
                Deflate::Unknown => agreed = Deflate::Unknown,
            }
        }
    }
    agreed
}

//! One stream of HTTP/2: the two halves of its call, and how much of each was seen.

use super::super::lasting::BodyBytes;
use super::super::order::Asked;
use super::super::{Conversation, Desk, cause_of};
use crate::call::{Anomalies, Call, Causes, HeaderSpan, Message, Protocol, Span};
use crate::flow::{Data, Gap, GapCause};
use crate::http::grpc::Framing;
use crate::http::h2::hpack::Fields;
use crate::http::{Cut, Place};
use crate::limits::{H2_ANSWER_HEADS_MAX, VERDICT_BYTES_MAX};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) asked: Box<Asked>,
    pub(super) request: Half,
    pub(super) response: Half,
    /// When the request ended.
    pub(super) asked_time: Option<Timestamp>,
    /// When the answer began and ended, for a request that is found behind a hole when its answer was seen.
    pub(super) answered: [Option<Timestamp>; 2],
    /// The client reset it.
    pub(super) unwanted: bool,
    /// The server reset it.
    pub(super) refused: bool,
    /// Its method makes it a tunnel: what follows the heads is no body (RFC 9113 §8.5).
    pub(super) tunnel: bool,
    /// The tunnel is asked for to speak WebSocket in it (RFC 8441 §4).
    asks_websocket: bool,
    /// The messages of WebSocket in the tunnel (RFC 8441).
    pub(super) conversation: Option<Box<Conversation>>,
    /// When a part of it is told at the latest, if its call is one of messages.
    pub(super) due: Timestamp,
    /// What the client said in the tunnel before the server agreed; `None`: some of it is not known.
    early: Option<Vec<u8>>,
    /// Why something of the heads is not known, which every part has.
    head_causes: Causes,
    /// Blocks that could be the head of the answer: those before the last one were interim answers.
    answers: u32,
}

/// How much of one side of a stream was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Half {
    pub(super) head: bool,
    /// Body came: a header block behind it is trailers.
    pub(super) body: bool,
    pub(super) ended: bool,
    /// Frames may be hidden while it was open, so its size is not known.
    pub(super) vague: bool,
    /// Frames may be hidden since the stream began.
    pub(super) hidden: bool,
    pub(super) body_bytes: u64,
}

impl Half {
    pub(super) const fn is_whole(&self) -> bool {
        self.head && self.ended && !self.vague
    }
}

/// Why a half is not whole. `blind`: why frames of its sender may be hidden; `gap`: the name of a hole there.
pub(super) fn why(half: &Half, blind: Option<Causes>, gap: Causes, cause: Causes) -> Causes {
    let gap = blind.unwrap_or(gap);
    match (half.is_whole(), half.head) {
        (true, _) => Causes::EMPTY,
        (false, true) if half.vague => gap,
        (false, true) => cause,
        (false, false) if half.hidden => gap,
        (false, false) if cause.is_empty() || half.body || half.ended => gap,
        (false, false) => cause,
    }
}

/// A header block.
pub(super) struct Block<'a> {
    pub(super) fields: &'a Fields,
    pub(super) cut: Option<Cut>,
    pub(super) padding: Option<Cut>,
    pub(super) bytes: Option<u64>,
    pub(super) promise: bool,
    pub(super) ends: bool,
}

/// What a header block is of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockKind {
    Head,
    Interim,
    Trailers,
    /// Fields are unknown and the head may be hidden: it is the head or it is trailers.
    Unclear,
}

impl Block<'_> {
    /// Pseudo-header fields stand first (RFC 9113 §8.3), and what is no head ends the stream but interim answers (§8.1).
    /// `status`: that of the head before, where it is known.
    fn kind(&self, half: &Half, of_request: bool, in_sequence: bool, status: Option<u16>) -> BlockKind {
        let Block { fields, ends, cut, .. } = *self;
        let goes_on = !ends && cut.is_none();
        if !of_request && matches!(fields.status, Some(100..=199)) {
            BlockKind::Interim
        } else if half.head {
            // an interim answer whose status is unknown looks like the head until that comes
            let came_later = !of_request && status.is_none() && (fields.status.is_some() || goes_on);
            if came_later { BlockKind::Head } else { BlockKind::Trailers }
        } else if fields.has_pseudo {
            BlockKind::Head
        } else if half.body
            || !in_sequence && fields.headers.first().is_some_and(|header| header.name.is_known())
        {
            BlockKind::Trailers
        } else if in_sequence || goes_on {
            BlockKind::Head
        } else {
            BlockKind::Unclear
        }
    }
}

impl Stream {
    pub(super) const fn new(id: u32, asked: Box<Asked>) -> Self {
        const UNSEEN: Half =
            Half { head: false, body: false, ended: false, vague: false, hidden: false, body_bytes: 0 };
        Self {
            id,
            asked,
            request: UNSEEN,
            response: UNSEEN,
            asked_time: None,
            answered: [None; 2],
            unwanted: false,
            refused: false,
            tunnel: false,
            asks_websocket: false,
            conversation: None,
            due: Timestamp::MAX,
            early: Some(Vec::new()),
            head_causes: Causes::EMPTY,
            answers: 0,
        }
    }

    const fn half(&mut self, of_request: bool) -> &mut Half {
        if of_request { &mut self.request } else { &mut self.response }
    }

    /// When a part of it is to be told.
    pub(super) fn next_part(&self) -> Timestamp {
        self.conversation.as_ref().map_or(self.due, |conversation| conversation.due())
    }

    /// All of it was told, though it has not ended: a conversation that both ends have closed.
    pub(super) fn is_told(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.is_told())
    }

    pub(super) const fn is_reset(&self) -> bool {
        self.unwanted || self.refused
    }

    /// Nothing more is to be waited for. Where the end of a request may be hidden, its answer ends it.
    pub(super) const fn has_ended(&self, request_pending: bool) -> bool {
        let Half { head, ended, vague, .. } = self.request;
        let asked = ended || vague || self.unwanted || !head && !request_pending;
        asked && (self.response.ended || self.refused)
    }

    /// A header block. True: the server has agreed to speak WebSocket.
    pub(super) fn fields(&mut self, desk: &Desk, of_request: bool, place: &Place, block: &Block<'_>) -> bool {
        let Block { fields, cut, padding, .. } = *block;
        let has_ended = self.half(of_request).ended;
        let call = &mut self.asked.call;
        call.anomalies.insert(fields.anomalies);
        if has_ended {
            // RFC 9113 §5.1: nothing of a stream follows its end
            call.anomalies.insert(Anomalies::INVALID_FRAME);
            return false;
        }
        if fields.unknown > 0 {
            self.head_causes.insert(Causes::HPACK_UNKNOWN);
        }
        if let Some(cut) = cut {
            self.head_causes.insert(cause_of(cut, of_request));
        }
        call.causes.insert(self.head_causes);
        let half = if of_request { &mut self.request } else { &mut self.response };
        let kind = block.kind(half, of_request, place.in_sequence, call.status);
        if let Some(cut) = padding.filter(|_| kind != BlockKind::Interim) {
            call.causes.insert(cause_of(cut, of_request));
        }
        // trailers, or a head that is both; an interim answer says nothing of the end
        if !of_request && kind != BlockKind::Interim && (kind != BlockKind::Head || block.ends) {
            self.asked.note_grpc_end(fields.value(b"grpc-status"), fields.value(b"grpc-message"));
        }
        if kind != BlockKind::Head {
            return false;
        }
        if !of_request && fields.status.is_none() {
            self.answers += 1;
            if self.answers > H2_ANSWER_HEADS_MAX {
                self.asked.call.anomalies.insert(Anomalies::INVALID_START_LINE);
                return false;
            }
        }
        self.head(desk, of_request, place, block);
        !of_request && self.asks_websocket && matches!(fields.status, Some(200..=299))
    }

    /// A head, or what may be one.
    fn head(&mut self, desk: &Desk, of_request: bool, place: &Place, block: &Block<'_>) {
        let Block { fields, cut, bytes, .. } = *block;
        let half = if of_request { &mut self.request } else { &mut self.response };
        let call = &mut self.asked.call;
        half.head = true;
        // a head begins its message: what may have been hidden before it was none of that, but an interim answer at most
        half.vague &= half.body;
        if cut.is_none() && fields.unknown == 0 && !is_head(fields, of_request) {
            call.anomalies.insert(Anomalies::INVALID_START_LINE);
            call.causes.insert(Causes::MALFORMED);
        }
        let message = copy_fields(call, of_request, block, bytes);
        // what came before its head is counted, but was not kept
        let is_kept = !half.body;
        if of_request {
            if call.response.seen {
                call.time = place.time;
            }
            call.request = message;
            let wanted = desk.wants(&self.asked.call, &self.asked.call.request);
            self.asked.request_body = wanted.filter(|_| is_kept);
        } else {
            self.answer(place, fields.status, message);
            let wanted = desk.wants(&self.asked.call, &self.asked.call.response);
            self.asked.response_body = wanted.filter(|_| is_kept);
        }
        let call = &mut self.asked.call;
        if of_request {
            let span = |span: Option<Span>| span.map(|span| span.of(fields.text()));
            self.tunnel = span(fields.method) == Some(b"CONNECT");
            self.asks_websocket = self.tunnel && span(fields.protocol) == Some(b"websocket");
        }
        let framing = fields.value(b"content-type").and_then(Framing::of);
        if let Some(framing) = framing.filter(|_| !self.tunnel) {
            if framing == Framing::Native {
                call.protocol = Protocol::Grpc;
            }
            if is_kept && is_plain(fields) {
                self.asked.expect_messages(of_request, framing);
            }
            self.due = self.due.min(self.asked.call.time.plus(desk.part_ns));
        }
    }

    fn answer(&mut self, place: &Place, status: Option<u16>, message: Message) {
        let call = &mut self.asked.call;
        (call.response, call.status) = (message, status);
        self.answered = [Some(place.time), None];
        if call.request.seen {
            call.ttfb_ns = if self.request.ended {
                self.asked_time.map(|asked| place.time.since(asked))
            } else {
                (!self.request.vague).then_some(0)
            };
        }
    }

    pub(super) fn body(&mut self, of_request: bool, bytes: &[u8]) -> usize {
        if of_request && self.asks_websocket {
            return self.keep_early(bytes);
        }
        let half = self.half(of_request);
        if half.ended {
            // RFC 9113 §5.1: nothing of a stream follows its end
            self.asked.call.anomalies.insert(Anomalies::UNEXPECTED_BODY);
            return 0;
        }
        half.body = true;
        half.body_bytes += bytes.len() as u64;
        self.asked.keep_body(of_request, bytes)
    }

    pub(super) fn missing(&mut self, of_request: bool, len: Option<u64>, cut: Cut) {
        let half = self.half(of_request);
        if half.ended {
            return;
        }
        half.body = true;
        match len {
            Some(len) => half.body_bytes += len,
            None => half.vague = true,
        }
        if of_request {
            self.early = None;
        }
        self.asked.call.causes.insert(cause_of(cut, of_request));
        self.asked.lose_body(of_request, len);
    }

    pub(super) fn end(&mut self, of_request: bool, time: Option<Timestamp>) {
        let tunnel = self.tunnel;
        let half = self.half(of_request);
        if half.ended {
            return;
        }
        half.ended = true;
        let body_bytes = (half.is_whole() && !tunnel).then_some(half.body_bytes);
        let call = &mut self.asked.call;
        if of_request {
            call.request.body_bytes = body_bytes;
            self.asked_time = time;
            let [began, ended] = self.answered;
            if let (Some(began), Some(time)) = (began, time) {
                call.ttfb_ns = call.ttfb_ns.or(Some(began.since(time)));
            }
            call.duration_ns = call.duration_ns.or(ended.map(|ended| ended.since(call.time)));
        } else {
            call.response.body_bytes = body_bytes;
            self.answered = [self.answered[0], time];
            if call.request.seen {
                call.duration_ns = time.map(|time| time.since(call.time));
            }
        }
    }
}

impl Stream {
    /// The call that asked for WebSocket ends where that begins.
    pub(super) fn upgraded(&self, place: &Place) -> Call {
        let mut call = self.asked.call.clone();
        call.duration_ns = call.request.seen.then(|| place.time.since(call.time));
        for message in [&mut call.request, &mut call.response] {
            message.body_bytes = message.seen.then_some(0);
        }
        call
    }

    /// Keeps what the client says in the tunnel before the server has agreed; returns how many bytes more.
    fn keep_early(&mut self, bytes: &[u8]) -> usize {
        self.request.body = true;
        let Some(early) = &mut self.early else { return 0 };
        if early.len() + bytes.len() > VERDICT_BYTES_MAX {
            self.early = None;
            return 0;
        }
        early.extend_from_slice(bytes);
        self.asked.kept_bytes += bytes.len();
        bytes.len()
    }

    /// The server has agreed: hands over what the client said before.
    pub(super) fn hand_over(&mut self, desk: &Desk, place: &Place, conversation: &mut Conversation) {
        let hidden = self.request.hidden || self.request.vague;
        match std::mem::take(&mut self.early).filter(|_| !hidden) {
            Some(bytes) if bytes.is_empty() => {}
            Some(bytes) => {
                let data = Data { offset: 0, bytes: &bytes, time: place.time, ack: None, boundary: false };
                // the answer is the first thing that it knows, so no part of it can be due
                conversation.data(desk, true, &data, &mut |_| {});
            }
            None => conversation.gap(true, &Gap { offset: 0, len: Gap::UNKNOWN, cause: GapCause::Lost }),
        }
    }

    /// What was said in the part in hand is told; gives it back, and goes on with the next one, which begins at `begins`.
    /// `blind`: why frames of the client, and of the server, may be hidden.
    pub(super) fn take_part(&mut self, begins: Timestamp, blind: [Option<Causes>; 2]) -> Option<Call> {
        if self.asked.is_silent() && self.request.body_bytes + self.response.body_bytes == 0 {
            if self.asked.call.part.is_some() {
                self.asked.call.time = begins;
            }
            return None;
        }
        let [client, server] = blind;
        let request = why(&self.request, client, Causes::GAP_IN_REQUEST, Causes::STILL_OPEN);
        let response = why(&self.response, server, Causes::GAP_IN_RESPONSE, Causes::STILL_OPEN);
        let [request_bytes, response_bytes] =
            [(&mut self.request, &self.asked.call.request), (&mut self.response, &self.asked.call.response)]
                .map(|(half, message)| BodyBytes {
                    told: message
                        .seen
                        .then_some(std::mem::take(&mut half.body_bytes))
                        .filter(|_| !half.vague),
                    next: (half.ended && !half.vague).then_some(0),
                });
        let causes = request.union(response);
        let bodies = [request_bytes, response_bytes];
        // where the answer began is told with the part in which it did
        let [began, _] = &mut self.answered;
        *began = None;
        Some(self.asked.take_part(begins, causes, self.head_causes, bodies))
    }
}

/// The body is not coded, as far as all fields are known.
fn is_plain(fields: &Fields) -> bool {
    match fields.value(b"content-encoding") {
        Some(coding) => coding.eq_ignore_ascii_case(b"identity"),
        None => fields.unknown == 0,
    }
}

/// Copies a header block behind what the buffer holds, and its spans with it.
fn copy_fields(call: &mut Call, of_request: bool, block: &Block<'_>, bytes: Option<u64>) -> Message {
    let Block { fields, cut, .. } = *block;
    let (by, first) = (call.buffer.len() as u32, call.headers.len());
    call.buffer.extend_from_slice(fields.text());
    call.headers.extend(
        fields
            .headers
            .iter()
            .map(|header| HeaderSpan { name: header.name.shifted(by), value: header.value.shifted(by) }),
    );
    let shifted = |span: Option<Span>| span.map(|span| span.shifted(by));
    if of_request {
        call.method = shifted(fields.method);
        call.target = shifted(fields.path);
        call.authority = shifted(fields.authority);
    }
    Message {
        seen: true,
        headers: first..call.headers.len(),
        head_whole: cut.is_none() && fields.unknown == 0,
        plain: fields.is_plain(),
        head_bytes: bytes,
        body_bytes: None,
        facts: None,
        messages: None,
    }
}

/// The pseudo-header fields are those that a request, or an answer, has to have (RFC 9113 §8.3.1, §8.3.2, §8.5).
fn is_head(fields: &Fields, of_request: bool) -> bool {
    if !of_request {
        return fields.status.is_some();
    }
    let is_connect = || fields.method.is_some_and(|method| method.of(fields.text()) == b"CONNECT");
    fields.status.is_none() && fields.method.is_some() && (fields.path.is_some() || is_connect())
}

//! Calls of HTTP/2: each stream is one, so nothing has to be paired. What has to be known is which of its frames may be
//! hidden in a hole.

use std::collections::VecDeque;

use super::order::Asked;
use super::{CarriedOver, Context, Desk, Finished, cause_of, head_memory};
use crate::call::{Anomalies, Call, Causes, HeaderSpan, Message, Protocol};
use crate::http::h2::hpack::Fields;
use crate::http::h2::{Event, What};
use crate::http::{Cut, Place};
use crate::limits::{H2_ENDED_STREAMS_KEPT, H2_RESET_STREAMS_KEPT, H2_RESETS_MAX, H2_STREAMS_MAX};
use crate::time::Timestamp;

/// The calls of one connection that have not ended.
#[derive(Debug, Default)]
pub struct Streams {
    /// By id: clients open them in that order (RFC 9113 §5.1.1).
    open: VecDeque<Stream>,
    /// Ids of streams that were told lately: what still comes on them is not told again.
    ended: VecDeque<u32>,
    /// Why frames of the client, and of the server, may be hidden since the capture began.
    blind: [Option<Causes>; 2],
    /// Frames of the client may be in bytes that are still looked through: what it asked may yet be known.
    request_pending: bool,
    /// Streams that the client reset before they were answered.
    resets: u64,
    late: Anomalies,
    calls: u64,
    /// Heads and bodies of the calls that have not ended.
    held_bytes: usize,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    asked: Box<Asked>,
    request: Half,
    response: Half,
    /// When the request ended.
    asked_time: Option<Timestamp>,
    /// When the answer began and ended, for a request that is found behind a hole when its answer was seen.
    answered: [Option<Timestamp>; 2],
    /// The client reset it.
    unwanted: bool,
    /// The server reset it.
    refused: bool,
    /// Its method makes it a tunnel: what follows the heads is no body (RFC 9113 §8.5).
    tunnel: bool,
}

/// How much of one side of a stream was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    head: bool,
    /// Body came: a header block behind it is trailers.
    body: bool,
    ended: bool,
    /// Frames may be hidden while it was open, so its size is not known.
    vague: bool,
    /// Frames may be hidden since the stream began.
    hidden: bool,
    body_bytes: u64,
}

impl Half {
    const fn is_whole(&self) -> bool {
        self.head && self.ended && !self.vague
    }
}

impl Streams {
    /// A connection of which frames of the client, and of the server, may have gone by unseen.
    #[must_use]
    pub fn new(blind: [Option<Causes>; 2]) -> Self {
        Self { blind, ..Self::default() }
    }

    /// Calls that this connection has had.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.open.capacity() * size_of::<Stream>()
            + self.open.len() * size_of::<Asked>()
            + self.ended.capacity() * size_of::<u32>()
            + self.held_bytes
    }

    /// Anomalies that no call took.
    #[must_use]
    pub const fn late_anomalies(&self) -> Anomalies {
        self.late
    }

    /// A later copy of a byte was another one.
    pub const fn rewritten(&mut self) {
        self.late.insert(Anomalies::SEGMENT_REWRITTEN);
    }

    /// Frames of the client, or of the server, may have gone by unseen before the capture began.
    pub fn join(&mut self, of_client: bool) {
        if let Some(blind) = self.blind.get_mut(usize::from(!of_client)) {
            *blind = blind.or(Some(Causes::JOINED_MIDSTREAM));
        }
    }

    /// The request with which the client asked to speak HTTP/2 is that of the first stream (RFC 7540 §3.2).
    pub fn carry_over(&mut self, context: &Context, desk: &mut Desk, request: &CarriedOver) {
        const FIRST: u32 = 1;
        let mut stream = Stream::new(FIRST, desk.take(context, &request.place, context.client, Some(FIRST)));
        let (from, call) = (&request.call, &mut stream.asked.call);
        call.buffer.extend_from_slice(&from.buffer);
        call.headers.extend_from_slice(from.headers.get(from.request.headers.clone()).unwrap_or_default());
        call.request = Message { headers: 0..call.headers.len(), ..from.request.clone() };
        (call.method, call.target, call.protocol) = (from.method, from.target, Protocol::H2);
        stream.request = Half { head: true, ended: true, ..Half::default() };
        stream.request.vague = from.request.body_bytes.is_none();
        stream.asked_time = request.end_time;
        self.held_bytes += head_memory(&stream.asked.call);
        self.open.push_front(stream);
    }

    /// What one end says.
    pub fn event(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        of_client: bool,
        event: &Event<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        match event.what {
            What::Fields { fields, cut, bytes, promise, ends } => {
                let block = Block { fields, cut, bytes, promise, ends };
                self.fields(context, desk, of_client, event, &block, emit);
            }
            What::Lost(cut) => self.lose(desk, of_client, cut, emit),
            What::Odd(odd) => match self.find(event.stream) {
                Some(stream) => stream.asked.call.anomalies.insert(odd),
                None => self.late.insert(odd),
            },
            What::Body(bytes) => {
                if let Some(stream) = self.find(event.stream) {
                    let kept = stream.body(of_client, bytes);
                    self.held_bytes += kept;
                }
            }
            What::Missing(len, cut) => {
                if let Some(stream) = self.find(event.stream) {
                    stream.missing(of_client, len, cut);
                }
            }
            What::End(time) => {
                if let Some(stream) = self.find(event.stream) {
                    stream.end(of_client, time);
                    self.tell_ended(desk, event.stream, emit);
                }
            }
            What::Reset => self.reset(desk, of_client, event.stream, emit),
            What::PayloadMax(_) => {}
        }
    }

    /// Nothing more can be read: what is open is not answered any more. `cause`: why.
    pub fn finish(&mut self, desk: &mut Desk, cause: Causes, emit: &mut impl FnMut(Finished<'_>)) {
        while let Some(stream) = self.open.pop_front() {
            self.tell(desk, stream, cause, emit);
        }
    }

    fn fields(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        of_client: bool,
        event: &Event<'_>,
        block: &Block<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        let of_request = of_client || block.promise;
        let Some(stream) = self.find_or_open(context, desk, of_client, event) else { return };
        let before = head_memory(&stream.asked.call);
        stream.fields(desk, of_request, &event.place, block);
        if block.promise {
            stream.end(true, Some(event.place.time));
        }
        let grown = head_memory(&stream.asked.call) - before;
        self.held_bytes += grown;
        if self.open.len() > H2_STREAMS_MAX
            && let Some(oldest) = self.open.pop_front()
        {
            self.tell(desk, oldest, Causes::EVICTED, emit);
        }
    }

    /// The stream of a header block, out of those that are open or new.
    fn find_or_open(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        of_client: bool,
        event: &Event<'_>,
    ) -> Option<&mut Stream> {
        if event.stream == 0 || self.ended.contains(&event.stream) {
            return None;
        }
        let found = self.open.binary_search_by_key(&event.stream, |stream| stream.id);
        let at = found.unwrap_or_else(|at| {
            let direction = if of_client { context.client } else { context.client.reverse() };
            let mut asked = desk.take(context, &event.place, direction, Some(event.stream));
            asked.call.protocol = Protocol::H2;
            asked.call.anomalies = std::mem::take(&mut self.late);
            self.open.insert(at, Stream::new(event.stream, asked));
            at
        });
        self.open.get_mut(at)
    }

    fn find(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.open.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.open.get_mut(at)
    }

    /// Frames may be hidden from here on.
    fn lose(&mut self, desk: &mut Desk, of_client: bool, cut: Cut, emit: &mut impl FnMut(Finished<'_>)) {
        let cause = cause_of(cut, of_client);
        if let Some(blind) = self.blind.get_mut(usize::from(!of_client)) {
            *blind = Some(cause);
        }
        for stream in &mut self.open {
            let half = if of_client { &mut stream.request } else { &mut stream.response };
            if !half.ended {
                half.hidden = true;
                half.vague |= half.head;
            }
        }
        self.tell_all_ended(desk, emit);
    }

    /// Whether frames of the client may be in bytes that are still looked through.
    pub fn set_request_pending(
        &mut self,
        pending: bool,
        desk: &mut Desk,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        if std::mem::replace(&mut self.request_pending, pending) && !pending {
            self.tell_all_ended(desk, emit);
        }
    }

    fn tell_all_ended(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        let pending = self.request_pending;
        let ended: Vec<u32> =
            self.open.iter().filter(|stream| stream.has_ended(pending)).map(|stream| stream.id).collect();
        for id in ended {
            self.tell_ended(desk, id, emit);
        }
    }

    /// Who resets a stream says no more on it. What the other end had said by then may be under way, and is waited for:
    /// an answer to a client that wants none any more, the rest of a request that was answered early (RFC 9113 §8.1).
    fn reset(&mut self, desk: &mut Desk, of_client: bool, id: u32, emit: &mut impl FnMut(Finished<'_>)) {
        let Some(stream) = self.find(id) else { return };
        let again =
            std::mem::replace(if of_client { &mut stream.unwanted } else { &mut stream.refused }, true);
        let flood = of_client && !again && !stream.response.head;
        self.resets += u64::from(flood);
        if self.resets > H2_RESETS_MAX && self.resets > self.calls / 2 {
            self.late.insert(Anomalies::RESET_FLOOD);
        }
        self.tell_ended(desk, id, emit);
        if let Some(stream) = self.oldest_reset().and_then(|at| self.open.remove(at)) {
            self.tell(desk, stream, Causes::STREAM_RESET, emit);
        }
    }

    /// Too many streams wait although they were reset: the oldest of them.
    fn oldest_reset(&self) -> Option<usize> {
        let waiting = self.open.iter().filter(|stream| stream.is_reset()).count();
        let oldest = || self.open.iter().position(Stream::is_reset);
        if waiting > H2_RESET_STREAMS_KEPT { oldest() } else { None }
    }

    /// Tells the call of a stream if it has ended.
    fn tell_ended(&mut self, desk: &mut Desk, id: u32, emit: &mut impl FnMut(Finished<'_>)) {
        if let Ok(at) = self.open.binary_search_by_key(&id, |stream| stream.id)
            && self.open.get(at).is_some_and(|stream| stream.has_ended(self.request_pending))
            && let Some(stream) = self.open.remove(at)
        {
            self.tell(desk, stream, Causes::EMPTY, emit);
        }
    }

    /// Tells a call. `cause`: why the halves that have not ended don't.
    fn tell(
        &mut self,
        desk: &mut Desk,
        mut stream: Stream,
        cause: Causes,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        let [client, server] = self.blind;
        let cause = if stream.is_reset() { Causes::STREAM_RESET } else { cause };
        let unasked = !stream.request.head && stream.response.head;
        let request_cause = if unasked { Causes::EMPTY } else { cause };
        let request = why(&stream.request, client, Causes::GAP_IN_REQUEST, request_cause);
        let response = why(&stream.response, server, Causes::GAP_IN_RESPONSE, cause);
        stream.asked.call.causes.insert(request.union(response));
        if self.ended.len() >= H2_ENDED_STREAMS_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(stream.id);
        self.calls += 1;
        let mut asked = stream.asked;
        self.held_bytes = self.held_bytes.saturating_sub(asked.kept_bytes + head_memory(&asked.call));
        let tunnel = stream.tunnel;
        let whole = |half: &Half, body: Option<Vec<u8>>| body.filter(|_| half.is_whole() && !tunnel);
        let request_body = whole(&stream.request, asked.request_body.take());
        let response_body = whole(&stream.response, asked.response_body.take());
        emit(Finished {
            call: &mut asked.call,
            request_body: request_body.as_deref(),
            response_body: response_body.as_deref(),
        });
        desk.give_back(asked);
    }
}

/// Why a half is not whole. `blind`: why frames of its sender may be hidden; `gap`: the name of a hole there.
fn why(half: &Half, blind: Option<Causes>, gap: Causes, cause: Causes) -> Causes {
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
struct Block<'a> {
    fields: &'a Fields,
    cut: Option<Cut>,
    bytes: Option<u64>,
    promise: bool,
    ends: bool,
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
    const fn new(id: u32, asked: Box<Asked>) -> Self {
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
        }
    }

    const fn half(&mut self, of_request: bool) -> &mut Half {
        if of_request { &mut self.request } else { &mut self.response }
    }

    const fn is_reset(&self) -> bool {
        self.unwanted || self.refused
    }

    /// Nothing more is to be waited for. Where the end of a request may be hidden, its answer ends it.
    const fn has_ended(&self, request_pending: bool) -> bool {
        let Half { head, ended, vague, .. } = self.request;
        let asked = ended || vague || self.unwanted || !head && !request_pending;
        asked && (self.response.ended || self.refused)
    }

    fn fields(&mut self, desk: &Desk, of_request: bool, place: &Place, block: &Block<'_>) {
        let Block { fields, cut, bytes, .. } = *block;
        let has_ended = self.half(of_request).ended;
        let call = &mut self.asked.call;
        call.anomalies.insert(fields.anomalies);
        if has_ended {
            // RFC 9113 §5.1: nothing of a stream follows its end
            call.anomalies.insert(Anomalies::INVALID_FRAME);
            return;
        }
        if fields.unknown > 0 {
            call.causes.insert(Causes::HPACK_UNKNOWN);
        }
        if let Some(cut) = cut {
            call.causes.insert(cause_of(cut, of_request));
        }
        if !of_request && let Some(status) = grpc_status(fields) {
            call.grpc_status = Some(status);
        }
        let half = if of_request { &mut self.request } else { &mut self.response };
        if block.kind(half, of_request, place.in_sequence, call.status) != BlockKind::Head {
            return;
        }
        half.head = true;
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
            self.tunnel = call.method.is_some_and(|method| method.of(&call.buffer) == b"CONNECT");
        }
        if fields.value(b"content-type").is_some_and(is_grpc) {
            call.protocol = Protocol::Grpc;
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

    fn body(&mut self, of_request: bool, bytes: &[u8]) -> usize {
        let half = self.half(of_request);
        if half.ended {
            // RFC 9113 §5.1: nothing of a stream follows its end
            self.asked.call.anomalies.insert(Anomalies::UNEXPECTED_BODY);
            return 0;
        }
        half.body = true;
        half.body_bytes += bytes.len() as u64;
        if of_request { self.asked.keep_request_body(bytes) } else { self.asked.keep_response_body(bytes) }
    }

    fn missing(&mut self, of_request: bool, len: Option<u64>, cut: Cut) {
        let half = self.half(of_request);
        if half.ended {
            return;
        }
        half.body = true;
        match len {
            Some(len) => half.body_bytes += len,
            None => half.vague = true,
        }
        self.asked.call.causes.insert(cause_of(cut, of_request));
        *(if of_request { &mut self.asked.request_body } else { &mut self.asked.response_body }) = None;
    }

    fn end(&mut self, of_request: bool, time: Option<Timestamp>) {
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
            if let [Some(began), ended] = self.answered {
                call.ttfb_ns = call.ttfb_ns.or(time.map(|time| began.since(time)));
                call.duration_ns = call.duration_ns.or(ended.map(|ended| ended.since(call.time)));
            }
        } else {
            call.response.body_bytes = body_bytes;
            self.answered = [self.answered[0], time];
            if call.request.seen {
                call.duration_ns = time.map(|time| time.since(call.time));
            }
        }
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
    let shifted = |span: Option<crate::call::Span>| span.map(|span| span.shifted(by));
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

/// `grpc-status` in trailers, or in a head that is both (gRPC over HTTP/2, Trailers-Only).
fn grpc_status(fields: &Fields) -> Option<u32> {
    std::str::from_utf8(fields.value(b"grpc-status")?).ok()?.parse().ok()
}

/// `application/grpc`, perhaps with `+proto` or parameters; gRPC-Web is another framing.
fn is_grpc(media_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some((front, rest)) = media_type.split_at_checked(GRPC.len()) else { return false };
    front.eq_ignore_ascii_case(GRPC) && rest.first().is_none_or(|byte| b"+; ".contains(byte))
}

//! HttpEvent → Call: which response answers which request.
//!
//! Without loss the order says it (RFC 9112 §9.3). Where messages may be hidden, TCP positions do: a response whose
//! packet acknowledges exactly the end of a request, and that begins behind what the client had already heard when
//! it asked, answers that request and no other. What neither says stays apart, as two halves.

mod body;
mod causes;
mod conversation;
mod desk;
mod lasting;
mod order;
mod stream;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::call::{Anomalies, Call, Causes, HeaderSpan, Message, Protocol};
use crate::http::h1::head::{Lines, StartLine, Version};
use crate::http::{Expect, Head, HttpEvent, MessageEnd, Place};
use crate::limits::{BODY_INSPECTED_BYTES_MAX, PIPELINE_MAX};
use crate::time::Timestamp;
use crate::tls::Session;
use crate::wire::{Direction, FlowKey};
use causes::cause_of;
pub use causes::cause_of_end;
pub use conversation::Conversation;
pub use desk::Desk;
use order::{Answer, Asked, Entry};
pub use stream::Streams;

/// What every call of a connection has in common.
#[derive(Clone, Debug)]
pub struct Context {
    /// The connection's id.
    pub connection: u128,
    /// Its key.
    pub key: FlowKey,
    /// Interface on which its first packet came.
    pub interface: u32,
    /// The direction of the requests.
    pub client: Direction,
    /// The TLS that it came in.
    pub tls: Option<Arc<Session>>,
}

impl Context {
    fn client(&self) -> SocketAddr {
        self.key.sender(self.client)
    }

    fn server(&self) -> SocketAddr {
        self.key.sender(self.client.reverse())
    }
}

/// A call that ended, with the bodies that were wanted of it, whole.
#[derive(Debug)]
pub struct Finished<'a> {
    /// The call.
    pub call: &'a mut Call,
    /// Body of the request.
    pub request_body: Option<&'a [u8]>,
    /// Body of the response.
    pub response_body: Option<&'a [u8]>,
}

/// What follows a request that asked for another protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// HTTP/1 goes on.
    Resume,
    /// A tunnel begins: anything may be in it.
    Tunnel,
    /// The protocol of that name begins.
    Upgrade(&'static str),
}

/// A call that asked for another protocol, which goes on from it: HTTP/2 answers it as its first stream (RFC 7540 §3.2),
/// WebSocket follows it (RFC 6455 §4).
#[derive(Debug)]
pub struct CarriedOver {
    call: Call,
    place: Place,
    /// Where its answer begins.
    answered: Place,
    end_time: Option<Timestamp>,
    /// The answer is that to its request.
    is_paired: bool,
}

/// Whether requests that were not seen wait for their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Debt {
    /// None, or the server has said something since that may be their answers.
    None,
    /// There may be some, behind a request of which the end was not seen.
    Possible,
    /// There is one at least, and every answer since was to a request before it.
    Certain,
}

/// The calls of one connection that have not ended.
#[derive(Debug)]
pub struct Exchange {
    queue: VecDeque<Entry>,
    /// A response to a request that is not known.
    alone: Option<Box<Asked>>,
    /// An interim response is being read (RFC 9110 §15.2).
    interim: bool,
    /// Responses may be hidden since the last one that was paired.
    uncertain: bool,
    /// A response stood alone since the last one that was paired.
    unordered: bool,
    /// Whether hidden requests may wait for their answers.
    hidden: Debt,
    /// Interim responses came since the last one that was none.
    interims: bool,
    /// Requests were seen that did not wait for the answer before.
    pipelines: bool,
    verdict: Option<Verdict>,
    /// The call from which another protocol goes on.
    carried_over: Option<Box<CarriedOver>>,
    late: [Anomalies; 2],
    calls: u64,
    /// When a part of a call is told at the latest.
    due: Timestamp,
    /// Heads and bodies of the calls that have not ended.
    held_bytes: usize,
}

impl Exchange {
    /// A connection. `hidden`: requests may have gone by unseen, and why; `server_known`: no response did.
    #[must_use]
    pub fn new(hidden: Option<Causes>, server_known: bool) -> Self {
        let queue = hidden.map(Entry::Hidden).into_iter().collect();
        Self {
            queue,
            alone: None,
            interim: false,
            uncertain: !server_known,
            unordered: false,
            hidden: if hidden == Some(Causes::GAP_IN_REQUEST) { Debt::Certain } else { Debt::None },
            interims: false,
            pipelines: false,
            verdict: None,
            carried_over: None,
            late: [Anomalies::EMPTY; 2],
            calls: 0,
            due: Timestamp::MAX,
            held_bytes: 0,
        }
    }

    /// Calls that this connection has had.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        let asked = self.queue.iter().filter(|entry| matches!(entry, Entry::Asked(_))).count();
        asked + usize::from(self.alone.is_some())
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    #[inline]
    pub fn memory(&self) -> usize {
        self.queue.capacity() * size_of::<Entry>() + self.queue.len() * size_of::<Asked>() + self.held_bytes
    }

    /// What a response said of the protocol that follows.
    pub fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    /// The call from which another protocol goes on.
    pub fn take_carried_over(&mut self) -> Option<Box<CarriedOver>> {
        self.carried_over.take()
    }

    /// Anomalies that no call took.
    #[must_use]
    pub const fn late_anomalies(&self) -> Anomalies {
        self.late[0].union(self.late[1])
    }

    /// The requests began before the capture did.
    pub fn join_request(&mut self, cause: Causes) {
        self.hide(cause);
    }

    /// The responses began before the capture did.
    pub const fn join_response(&mut self) {
        self.uncertain = true;
    }

    /// A later copy of a byte was another one.
    pub fn rewritten(&mut self, of_client: bool) {
        let [client, server] = &mut self.late;
        (if of_client { client } else { server }).insert(Anomalies::SEGMENT_REWRITTEN);
    }

    /// What the client says.
    #[inline]
    pub fn request(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        event: HttpEvent<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> Expect {
        match event {
            HttpEvent::Head(head) => self.ask(context, desk, &head, emit),
            HttpEvent::Body { bytes, .. } => {
                if let Some(Entry::Asked(asked)) = self.queue.back_mut() {
                    self.held_bytes += asked.keep_body(true, bytes);
                }
                Expect::Framing
            }
            HttpEvent::Missing { len, cut } => {
                if let Some(Entry::Asked(asked)) = self.queue.back_mut() {
                    asked.lose_some_body(true, len, cut);
                }
                Expect::Framing
            }
            HttpEvent::End(end) => {
                if let Some(Entry::Asked(asked)) = self.queue.back_mut() {
                    asked.end_request(&end);
                }
                self.emit_ended(desk, emit);
                Expect::Framing
            }
            HttpEvent::Lost => {
                self.hide(Causes::GAP_IN_REQUEST);
                Expect::Framing
            }
            HttpEvent::Junk(_) => {
                self.late[0].insert(Anomalies::BYTES_BETWEEN_MESSAGES);
                Expect::Framing
            }
        }
    }

    /// What the server says.
    #[inline]
    pub fn response(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        event: HttpEvent<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> Expect {
        match event {
            HttpEvent::Head(head) => return self.answer(context, desk, &head, emit),
            HttpEvent::Body { bytes, .. } => {
                if let Some(asked) = answering(&mut self.queue, &mut self.alone) {
                    self.held_bytes += asked.keep_body(false, bytes);
                }
            }
            HttpEvent::Missing { len, cut } => {
                if let Some(asked) = answering(&mut self.queue, &mut self.alone) {
                    asked.lose_some_body(false, len, cut);
                }
            }
            HttpEvent::End(end) => self.end_answer(desk, &end, emit),
            HttpEvent::Lost => self.lose_responses(),
            HttpEvent::Junk(place) if self.answer_without_head(desk, &place) => return Expect::Headless,
            HttpEvent::Junk(_) => self.late[1].insert(Anomalies::BYTES_BETWEEN_MESSAGES),
        }
        Expect::Framing
    }

    /// Nothing more can be read: what waits is not answered any more. `cause`: why.
    pub fn finish(&mut self, desk: &mut Desk, cause: Causes, emit: &mut impl FnMut(Finished<'_>)) {
        if let Some(mut asked) = self.alone.take() {
            asked.abandon(cause);
            self.emit(desk, asked, emit);
        }
        for entry in std::mem::take(&mut self.queue) {
            if let Entry::Asked(mut asked) = entry {
                asked.abandon(cause);
                self.emit(desk, asked, emit);
            }
        }
    }

    fn ask(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        head: &Head<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> Expect {
        if self.queue.len() >= PIPELINE_MAX {
            self.forget_oldest(desk, emit);
        }
        let mut asked = desk.take(context, &head.place, context.client, None);
        let call = &mut asked.call;
        call.request = copy_head(&mut call.buffer, &mut call.headers, head);
        self.held_bytes += head_memory(call);
        let mut expect = Expect::Framing;
        if let StartLine::Request { method, target, version } = head.lines.start {
            let name = method.of(head.bytes);
            asked.note_method(name, head.lines.asks_upgrade());
            if asked.waits_for_verdict() {
                expect = Expect::Verdict;
            }
            asked.call.method = Some(method);
            asked.call.target = Some(target);
            asked.call.protocol = protocol(version);
        }
        asked.call.anomalies = head.lines.anomalies.union(std::mem::take(&mut self.late[0]));
        asked.follows_hidden = self.hidden != Debt::None
            && !self.uncertain
            && matches!(self.queue.back(), Some(Entry::Hidden(_)));
        asked.request_body = desk.wants(&asked.call, &asked.call.request);
        self.due = self.due.min(asked.expect_grpc_web_request(desk));
        self.held_bytes += asked.kept_bytes;
        let before = self.queue.iter().rev().find_map(Entry::asked);
        self.pipelines |= before.is_some_and(|before| before.is_pipelined_with(&asked));
        self.queue.push_back(Entry::Asked(asked));
        expect
    }

    fn answer(
        &mut self,
        context: &Context,
        desk: &mut Desk,
        head: &Head<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> Expect {
        let (status, version) = match head.lines.start {
            StartLine::Response { status, version } => (status, version),
            StartLine::Unread | StartLine::Request { .. } => return Expect::Framing,
        };
        self.interim = (100..200).contains(&status) && status != 101;
        if self.interim {
            self.interims = true;
            return Expect::Framing;
        }
        let paired = self.pair(desk, &head.place, emit);
        self.interims = false;
        if self.hidden == Debt::Possible || !paired {
            self.hidden = Debt::None;
        }
        if !paired {
            self.stand_alone(context, desk, &head.place, version);
        }
        let late = std::mem::take(&mut self.late[1]);
        let Some(asked) = answering(&mut self.queue, &mut self.alone) else { return Expect::Framing };
        asked.begin_answer(Some(status), &head.place);
        let call = &mut asked.call;
        let before = head_memory(call);
        call.response = copy_head(&mut call.buffer, &mut call.headers, head);
        self.held_bytes += head_memory(call) - before;
        call.anomalies = call.anomalies.union(head.lines.anomalies).union(late);
        asked.response_body = desk.wants(&asked.call, &asked.call.response);
        let kept = asked.kept_bytes;
        asked.expect_grpc_web_response();
        self.held_bytes += asked.kept_bytes - kept;
        let expect = match asked.expectation(status) {
            Expect::Framing if !paired => Expect::Unasked,
            expect => expect,
        };
        if expect == Expect::Switch {
            let upgrade = order::upgrade_name(&asked.call);
            if matches!(upgrade, "h2c" | "websocket") {
                self.carried_over = Some(Box::new(CarriedOver {
                    call: asked.call.clone(),
                    place: asked.place,
                    answered: head.place,
                    end_time: asked.end_time,
                    is_paired: paired,
                }));
            }
            self.verdict = Some(if status == 101 { Verdict::Upgrade(upgrade) } else { Verdict::Tunnel });
        } else if asked.waits_for_verdict() {
            self.verdict = Some(Verdict::Resume);
            if expect == Expect::Framing {
                // the next response answers a request that is held until this verdict is followed
                return Expect::Verdict;
            }
        }
        expect
    }

    /// Bytes that are no head answer a request of HTTP/0.9 (RFC 1945 §6, Simple-Response).
    fn answer_without_head(&mut self, desk: &Desk, place: &Place) -> bool {
        let Some(Entry::Asked(asked)) = self.queue.front_mut() else { return false };
        if self.uncertain || self.alone.is_some() || !asked.is_simple() || !asked.may_be_answered_at(place) {
            return false;
        }
        asked.begin_answer(None, place);
        let headers = asked.call.headers.len();
        asked.call.response = Message {
            seen: true,
            headers: headers..headers,
            head_whole: true,
            head_bytes: Some(0),
            ..Message::default()
        };
        asked.response_body = desk.wants(&asked.call, &asked.call.response);
        true
    }

    /// A response to a request that is not known.
    fn stand_alone(&mut self, context: &Context, desk: &mut Desk, place: &Place, version: Version) {
        let mut asked = desk.take(context, place, context.client.reverse(), None);
        let call = &mut asked.call;
        call.protocol = protocol(version);
        match self.queue.iter().find_map(Entry::hidden) {
            Some(cause) => call.causes.insert(cause),
            None if self.uncertain => call.causes.insert(Causes::GAP_IN_REQUEST),
            None => call.anomalies.insert(Anomalies::UNSOLICITED_RESPONSE),
        }
        // it may have answered a request whose end is not known: their order alone says nothing any more. Where it
        // could be one of two that are known, the order of the others still counts.
        self.unordered |= self.queue.iter().any(|entry| entry.asked().is_some())
            && !self.queue.iter().filter_map(Entry::asked).any(|asked| asked.ends_at(place.ack));
        asked.request_open = false;
        asked.answer = Answer::Open;
        self.alone = Some(asked);
    }

    fn end_answer(&mut self, desk: &mut Desk, end: &MessageEnd, emit: &mut impl FnMut(Finished<'_>)) {
        if std::mem::take(&mut self.interim) {
            return;
        }
        if let Some(mut asked) = self.alone.take() {
            asked.end_response(end);
            self.emit(desk, asked, emit);
            return;
        }
        if let Some(Entry::Asked(asked)) = self.queue.front_mut()
            && asked.answer == Answer::Open
        {
            asked.end_response(end);
            self.emit_ended(desk, emit);
        }
    }

    /// Emits the calls at the front of which both halves have ended.
    fn emit_ended(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        while matches!(self.queue.front(), Some(Entry::Asked(asked)) if asked.has_ended()) {
            if let Some(Entry::Asked(asked)) = self.queue.pop_front() {
                self.emit(desk, asked, emit);
            }
        }
    }

    fn emit(&mut self, desk: &mut Desk, mut asked: Box<Asked>, emit: &mut impl FnMut(Finished<'_>)) {
        self.calls += 1;
        self.held_bytes = self.held_bytes.saturating_sub(asked.kept_bytes + head_memory(&asked.call));
        asked.close_messages();
        let (request_body, response_body) = (asked.request_body.take(), asked.response_body.take());
        emit(Finished {
            call: &mut asked.call,
            request_body: request_body.as_deref(),
            response_body: response_body.as_deref(),
        });
        desk.give_back(asked);
    }

    /// Requests may be hidden between the last one and the next.
    fn hide(&mut self, cause: Causes) {
        self.hidden = match self.queue.back() {
            None => Debt::Certain,
            Some(Entry::Asked(asked)) if asked.call.causes.is_empty() => Debt::Certain,
            Some(Entry::Asked(_)) => Debt::Possible,
            Some(Entry::Hidden(_)) => self.hidden.max(Debt::Possible),
        };
        if !matches!(self.queue.back(), Some(Entry::Hidden(_))) {
            self.queue.push_back(Entry::Hidden(cause));
        }
    }

    /// Responses may be hidden between the last one and the next.
    fn lose_responses(&mut self) {
        self.hidden = Debt::None;
        self.uncertain = true;
        for entry in &mut self.queue {
            if let Entry::Asked(asked) = entry
                && asked.answer == Answer::Awaited
            {
                asked.answer_may_be_lost = true;
                if asked.waits_for_verdict() {
                    self.verdict = Some(Verdict::Resume);
                }
            }
        }
    }

    /// Too many wait: the oldest request is hidden from here on.
    fn forget_oldest(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        let hidden = matches!(self.queue.front(), Some(Entry::Hidden(_)));
        if let Some(Entry::Asked(mut asked)) = self.queue.remove(usize::from(hidden)) {
            asked.abandon(Causes::EVICTED);
            self.emit(desk, asked, emit);
        }
        if !hidden {
            self.queue.push_front(Entry::Hidden(Causes::EVICTED));
        }
    }
}

/// What a call keeps of its heads.
const fn head_memory(call: &Call) -> usize {
    call.buffer.len() + call.headers.len() * size_of::<HeaderSpan>()
}

/// The call that the response in hand belongs to.
fn answering<'a>(queue: &'a mut VecDeque<Entry>, alone: &'a mut Option<Box<Asked>>) -> Option<&'a mut Asked> {
    match (alone, queue.front_mut()) {
        (Some(asked), _) => Some(asked),
        (None, Some(Entry::Asked(asked))) => Some(asked),
        (None, _) => None,
    }
}

const fn protocol(version: Version) -> Protocol {
    match version {
        Version::V09 => Protocol::Http09,
        Version::V10 => Protocol::Http10,
        Version::V11 => Protocol::Http11,
    }
}

/// Copies a head behind what the buffer holds, and its spans with it.
fn copy_head(buffer: &mut Vec<u8>, headers: &mut Vec<HeaderSpan>, head: &Head<'_>) -> Message {
    let (by, first) = (buffer.len() as u32, headers.len());
    buffer.extend_from_slice(head.bytes);
    let lines: &Lines = head.lines;
    headers.extend(
        lines
            .headers
            .iter()
            .map(|header| HeaderSpan { name: header.name.shifted(by), value: header.value.shifted(by) }),
    );
    Message {
        seen: true,
        headers: first..headers.len(),
        head_whole: head.cut.is_none(),
        plain: lines.is_plain(),
        head_bytes: head.cut.is_none().then_some(head.bytes.len() as u64),
        body_bytes: None,
        facts: None,
        messages: None,
    }
}

/// A body that is kept for inspection, or `None` once it is too long.
fn keep(body: &mut Option<Vec<u8>>, bytes: &[u8]) -> usize {
    let Some(kept) = body else { return 0 };
    if kept.len() + bytes.len() > BODY_INSPECTED_BYTES_MAX {
        *body = None;
        return 0;
    }
    kept.extend_from_slice(bytes);
    bytes.len()
}

fn since(later: Option<Timestamp>, earlier: Timestamp) -> Option<u64> {
    later.map(|later| later.since(earlier))
}

//! The queue of requests that wait, and which of them a response answers.

use xxhash_rust::xxh3::xxh3_128;

use super::lasting::Lasting;
use super::{Context, Debt, Desk, Exchange, Finished, cause_of, since};
use crate::call::{Anomalies, Call, Causes, Message, Protocol, Seen};
use crate::http::grpc::Reader;
use crate::http::{Expect, MessageEnd, Place};
use crate::time::Timestamp;
use crate::wire::Direction;

/// One place in the queue.
#[derive(Debug)]
pub(super) enum Entry {
    /// A request.
    Asked(Box<Asked>),
    /// Any number of requests that were not seen, and why.
    Hidden(Causes),
}

impl Entry {
    pub(super) fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Asked(asked) => Some(asked),
            Self::Hidden(_) => None,
        }
    }

    pub(super) const fn hidden(&self) -> Option<Causes> {
        match self {
            Self::Hidden(cause) => Some(*cause),
            Self::Asked(_) => None,
        }
    }
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Awaited,
    Open,
    Ended,
}

/// What a request asks for besides a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    None,
    /// HEAD: the response has no body.
    NoBody,
    /// CONNECT: a tunnel.
    Tunnel,
    /// Another protocol.
    Upgrade,
}

/// A request, and its response as it comes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) place: Place,
    /// Position behind the request, where that is known.
    end: Option<u64>,
    pub(super) end_time: Option<Timestamp>,
    pub(super) request_open: bool,
    pub(super) answer: Answer,
    pub(super) answer_may_be_lost: bool,
    /// Hidden requests before it may wait for their answers.
    pub(super) follows_hidden: bool,
    wish: Wish,
    /// Bytes of bodies that were kept since the call began, and that the memory books count.
    pub(super) kept_bytes: usize,
    pub(super) request_body: Option<Vec<u8>>,
    pub(super) response_body: Option<Vec<u8>>,
    /// What reads the messages in both bodies, where there are any.
    pub(super) readers: [Option<Box<Reader>>; 2],
    /// How far a call of HTTP/1 with messages is told.
    pub(super) lasting: Option<Box<Lasting>>,
}

impl Asked {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            call: empty_call(context),
            place: Place::default(),
            end: None,
            end_time: None,
            request_open: true,
            answer: Answer::Awaited,
            answer_may_be_lost: false,
            follows_hidden: false,
            wish: Wish::None,
            kept_bytes: 0,
            request_body: None,
            response_body: None,
            readers: [None, None],
            lasting: None,
        }
    }

    /// Makes it empty again, keeping its memory, for a message that begins at `place`.
    pub(super) fn begin(
        &mut self,
        context: &Context,
        place: &Place,
        direction: Direction,
        stream_id: Option<u32>,
    ) {
        let call = &mut self.call;
        call.id = id(context, place, direction, stream_id);
        call.stream_id = stream_id;
        call.connection = context.connection;
        call.interface = context.interface;
        call.vni = context.key.vni();
        (call.client, call.server) = (context.client(), context.server());
        call.time = place.time;
        call.tls.clone_from(&context.tls);
        (call.duration_ns, call.ttfb_ns) = (None, None);
        call.buffer.clear();
        call.headers.clear();
        (call.method, call.target, call.authority, call.status) = (None, None, None, None);
        (call.grpc_status, call.grpc_message, call.part) = (None, None, None);
        (call.request, call.response) = (Message::default(), Message::default());
        (call.causes, call.anomalies) = (Causes::EMPTY, Anomalies::EMPTY);
        self.place = *place;
        (self.end, self.end_time) = (None, None);
        (self.request_open, self.answer, self.answer_may_be_lost) = (true, Answer::Awaited, false);
        self.follows_hidden = false;
        self.wish = Wish::None;
        (self.kept_bytes, self.request_body, self.response_body) = (0, None, None);
        (self.readers, self.lasting) = ([None, None], None);
    }

    pub(super) fn note_method(&mut self, method: &[u8], upgrade: bool) {
        self.wish = match method {
            b"HEAD" => Wish::NoBody,
            b"CONNECT" => Wish::Tunnel,
            _ if upgrade => Wish::Upgrade,
            _ => Wish::None,
        };
    }

    pub(super) const fn waits_for_verdict(&self) -> bool {
        matches!(self.wish, Wish::Tunnel | Wish::Upgrade)
    }

    /// What follows the head of the answer.
    pub(super) const fn expectation(&self, status: u16) -> Expect {
        match (self.wish, status) {
            (_, 101) | (Wish::Tunnel, 200..=299) => Expect::Switch,
            (Wish::NoBody, _) => Expect::NoBody,
            _ => Expect::Framing,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.request_open && self.answer == Answer::Ended
    }

    pub(super) fn end_request(&mut self, end: &MessageEnd) {
        if !self.request_open {
            return;
        }
        self.request_open = false;
        (self.end, self.end_time) = (end.offset, end.time);
        self.call.request.body_bytes = self.body_bytes(true, end);
        self.call.anomalies.insert(end.anomalies);
        if let Some(cut) = end.cut {
            self.call.causes.insert(cause_of(cut, true));
            self.request_body = None;
        }
    }

    /// The request was one of HTTP/0.9: the line alone.
    pub(super) fn is_simple(&self) -> bool {
        self.call.protocol == Protocol::Http09 && self.call.headers.is_empty()
    }

    pub(super) fn begin_answer(&mut self, status: Option<u16>, place: &Place) {
        self.answer = Answer::Open;
        self.call.status = status;
        if self.call.request.seen {
            if self.request_open {
                self.call.anomalies.insert(Anomalies::EARLY_RESPONSE);
                self.call.ttfb_ns = Some(0);
            } else {
                self.call.ttfb_ns = self.end_time.map(|end| place.time.since(end));
            }
        }
    }

    pub(super) fn end_response(&mut self, end: &MessageEnd) {
        self.answer = Answer::Ended;
        self.call.response.body_bytes = self.body_bytes(false, end);
        self.call.anomalies.insert(end.anomalies);
        if self.call.request.seen {
            self.call.duration_ns = since(end.time, self.call.time);
        }
        if let Some(cut) = end.cut {
            self.call.causes.insert(cause_of(cut, false));
        }
        if end.cut.is_some() || end.body_bytes.is_none() {
            self.response_body = None;
        }
    }

    /// No answer comes any more, or no end of it.
    pub(super) fn abandon(&mut self, cause: Causes) {
        if std::mem::take(&mut self.request_open) {
            self.request_body = None;
        }
        if self.answer == Answer::Open {
            self.response_body = None;
        }
        self.call.causes.insert(match self.answer {
            Answer::Awaited if self.answer_may_be_lost => Causes::GAP_IN_RESPONSE,
            Answer::Awaited | Answer::Open => cause,
            Answer::Ended if self.call.causes.is_empty() => cause,
            Answer::Ended => Causes::EMPTY,
        });
    }

    /// Whether a response at `place` may answer this request: it acknowledges something of the request, and the
    /// client had not heard it when it asked.
    pub(super) fn may_be_answered_at(&self, place: &Place) -> bool {
        self.answer == Answer::Awaited
            && place.ack.is_none_or(|ack| ack > self.place.offset)
            && self.place.ack.is_none_or(|heard| place.offset >= heard)
    }

    /// The request ends exactly where a response acknowledges.
    pub(super) fn ends_at(&self, ack: Option<u64>) -> bool {
        self.end.is_some() && self.end == ack
    }

    /// Asked without having heard anything since this one was.
    pub(super) fn is_pipelined_with(&self, next: &Self) -> bool {
        self.answer == Answer::Awaited && self.place.ack.is_some() && self.place.ack == next.place.ack
    }
}

impl Exchange {
    /// Brings the request that a response at `place` answers to the front of the queue. False if none can be named.
    pub(super) fn pair(
        &mut self,
        desk: &mut Desk,
        place: &Place,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> bool {
        if !self.uncertain
            && !self.unordered
            && let Some(Entry::Asked(front)) = self.queue.front()
        {
            return front.may_be_answered_at(place);
        }
        let Some(index) = self.position_of(place) else { return false };
        for _ in 0..index {
            if let Some(Entry::Asked(mut asked)) = self.queue.pop_front() {
                asked.answer_may_be_lost = true;
                asked.abandon(Causes::GAP_IN_RESPONSE);
                self.emit(desk, asked, emit);
            }
        }
        (self.uncertain, self.unordered) = (false, false);
        true
    }

    /// The request that ends exactly where the response's packet acknowledges, if no other one can be meant.
    fn position_of(&self, place: &Place) -> Option<usize> {
        let ack = place.ack?;
        let index = self.queue.iter().position(|entry| {
            matches!(entry, Entry::Asked(asked) if asked.end == Some(ack) && asked.may_be_answered_at(place))
        })?;
        let Some(Entry::Asked(found)) = self.queue.get(index) else { return None };
        // who waits for each answer has heard all before this one, but interim responses (seen, or in a hole), when it
        // asks
        let waited =
            self.interims || self.uncertain || found.place.ack.is_none_or(|heard| heard == place.offset);
        let owed = self.hidden == Debt::Certain && !self.uncertain;
        let mut before = self.queue.iter().take(index);
        let other = before.any(|entry| match entry {
            Entry::Asked(asked) => {
                !(self.uncertain || self.unordered)
                    || !waited
                    || self.pipelines
                    || asked.is_pipelined_with(found)
            }
            Entry::Hidden(_) => !waited || self.pipelines || found.follows_hidden || owed,
        });
        (!other).then_some(index)
    }
}

/// A call with nothing in it.
fn empty_call(context: &Context) -> Call {
    Call {
        id: 0,
        connection: context.connection,
        interface: context.interface,
        vni: context.key.vni(),
        client: context.client(),
        server: context.server(),
        time: Timestamp::ZERO,
        duration_ns: None,
        ttfb_ns: None,
        protocol: Protocol::Http11,
        stream_id: None,
        tls: None,
        buffer: Vec::new(),
        headers: Vec::new(),
        method: None,
        target: None,
        authority: None,
        status: None,
        grpc_status: None,
        grpc_message: None,
        part: None,
        request: Message::default(),
        response: Message::default(),
        causes: Causes::EMPTY,
        anomalies: Anomalies::EMPTY,
    }
}

/// The id of a call: a hash of what is the same in every reading of the same packets.
fn id(context: &Context, place: &Place, direction: Direction, stream_id: Option<u32>) -> u128 {
    hash(context, place, direction.index() as u8, stream_id)
}

/// The id of what follows an answer at `place` in another protocol.
pub(super) fn conversation_id(context: &Context, place: &Place, stream_id: Option<u32>) -> u128 {
    const FOLLOWS: u8 = 2; // neither direction
    hash(context, place, FOLLOWS, stream_id)
}

/// The id of a part that is not the first.
pub(super) fn part_id(first: u128, number: u32) -> u128 {
    let mut bytes = [0_u8; 16 + 4];
    let (id, part) = bytes.split_at_mut(16);
    id.copy_from_slice(&first.to_be_bytes());
    part.copy_from_slice(&number.to_be_bytes());
    xxh3_128(&bytes)
}

fn hash(context: &Context, place: &Place, side: u8, stream_id: Option<u32>) -> u128 {
    const PART: u32 = 0; // the first one
    let mut bytes = [0_u8; 41 + 8 + 4 + 1 + 4 + 4];
    let (key, rest) = bytes.split_at_mut(41);
    key.copy_from_slice(&context.key.to_bytes());
    let (time, rest) = rest.split_at_mut(8);
    time.copy_from_slice(&place.time.as_nanos().to_be_bytes());
    let (seq, rest) = rest.split_at_mut(4);
    seq.copy_from_slice(&(place.offset as u32).to_be_bytes());
    let (sender, rest) = rest.split_at_mut(1);
    sender.copy_from_slice(&[side]);
    let (stream, part) = rest.split_at_mut(4);
    // HTTP/1 has no streams
    stream.copy_from_slice(&stream_id.unwrap_or(0).to_be_bytes());
    part.copy_from_slice(&PART.to_be_bytes());
    xxh3_128(&bytes)
}

/// The protocol that a 101 response switches to (RFC 9110 §7.8).
pub(super) fn upgrade_name(call: &Call) -> &'static str {
    match call.header(&call.response, "upgrade") {
        Seen::Known(name) if name.eq_ignore_ascii_case(b"websocket") => "websocket",
        Seen::Known(name) if name.eq_ignore_ascii_case(b"h2c") => "h2c",
        Seen::Known(name)
            if name.len() >= 4 && name.get(..4).is_some_and(|n| n.eq_ignore_ascii_case(b"TLS/")) =>
        {
            "tls"
        }
        Seen::Known(_) => "upgraded",
        Seen::None | Seen::Unknown => "upgraded",
    }
}

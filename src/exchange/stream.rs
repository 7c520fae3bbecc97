//! Calls of HTTP/2: each stream is one, so nothing has to be paired. What has to be known is which of its frames may be
//! hidden in a hole.

mod one;

use std::collections::VecDeque;

use super::order::Asked;
use super::{CarriedOver, Context, Conversation, Desk, Finished, cause_of, head_memory};
use crate::call::{Anomalies, Causes, Message, Protocol};
use crate::flow::{Data, EndReason, Gap, GapCause};
use crate::http::h2::{Event, What};
use crate::http::{Cut, Place};
use crate::limits::{
    H2_ENDED_STREAMS_KEPT, H2_HEADS_BYTES_MAX, H2_RESET_STREAMS_KEPT, H2_RESETS_MAX, H2_STREAMS_MAX,
    H2_WINDOW_BYTES_SMALL, H2_WINDOWS_SMALL_MAX,
};
use crate::time::Timestamp;
use one::{Block, Half, Stream, why};

/// The calls of one connection that have not ended.
#[derive(Debug, Default)]
pub struct Streams {
    /// By id: clients open them in that order (RFC 9113 §5.1.1).
    open: VecDeque<Stream>,
    /// Ids of streams that were told lately: what still comes on them is not told again.
    ended: VecDeque<u32>,
    /// The highest id that was ever among them.
    ended_max: u32,
    /// Why frames of the client, and of the server, may be hidden since the capture began.
    blind: [Option<Causes>; 2],
    /// Frames of the client may be in bytes that are still looked through: what it asked may yet be known.
    request_pending: bool,
    /// Streams that the client reset before they were answered.
    resets: u64,
    /// A stream begins with next to no room for its answer.
    first_window_is_small: bool,
    /// How often the client made next to no room for answers.
    small_windows: u64,
    late: Anomalies,
    calls: u64,
    /// Heads and bodies of the calls that have not ended.
    held_bytes: usize,
    /// Of these, the heads.
    head_bytes: usize,
    /// No part of a call is to be told before that; none: of no call.
    due: Option<Timestamp>,
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
        self.open.iter().filter(|stream| !stream.is_told()).count()
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
        if !request.is_paired {
            return;
        }
        let mut stream = Stream::new(FIRST, desk.take(context, &request.place, context.client, Some(FIRST)));
        let (from, call) = (&request.call, &mut stream.asked.call);
        call.buffer.extend_from_slice(&from.buffer);
        call.headers.extend_from_slice(from.headers.get(from.request.headers.clone()).unwrap_or_default());
        call.request = Message { headers: 0..call.headers.len(), ..from.request.clone() };
        (call.method, call.target, call.protocol) = (from.method, from.target, Protocol::H2);
        stream.request = Half { head: true, ended: true, ..Half::default() };
        stream.request.vague = from.request.body_bytes.is_none();
        stream.asked_time = request.end_time;
        let head = head_memory(&stream.asked.call);
        (self.held_bytes, self.head_bytes) = (self.held_bytes + head, self.head_bytes + head);
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
        if self.due.is_some() {
            let time = if let What::Body { time, .. } = event.what { time } else { event.place.time };
            self.tell_parts(desk, time, emit);
        }
        match event.what {
            What::Fields { fields, cut, padding, bytes, promise, ends } => {
                let block = Block { fields, cut, padding, bytes, promise, ends };
                self.fields(context, desk, of_client, event, &block, emit);
            }
            What::Lost(cut) => self.lose(desk, of_client, cut, emit),
            What::Odd(odd) => match self.find(event.stream) {
                Some(Stream { conversation: Some(conversation), .. }) => conversation.odd(odd),
                Some(stream) => stream.asked.call.anomalies.insert(odd),
                None => self.late.insert(odd),
            },
            What::Body { bytes, time, begins } => {
                let Some(stream) = self.find(event.stream) else { return };
                if let Some(conversation) = &mut stream.conversation {
                    let Place { offset, ack, .. } = event.place;
                    let data = Data { offset, bytes, time, ack, boundary: begins };
                    return conversation.data(desk, of_client, &data, emit);
                }
                let kept = stream.body(of_client, bytes);
                self.held_bytes += kept;
            }
            What::Missing(len, cut) => {
                if let Some(stream) = self.find(event.stream) {
                    if let Some(conversation) = &mut stream.conversation {
                        conversation.gap(of_client, &hole(len, cut));
                    }
                    stream.missing(of_client, len, cut);
                }
            }
            What::Padding(cut) => {
                let cause = cause_of(cut, of_client);
                match self.find(event.stream) {
                    Some(Stream { conversation: Some(conversation), .. }) => conversation.note_hole(cause),
                    Some(stream) => stream.asked.call.causes.insert(cause),
                    None => {}
                }
            }
            What::End(time) => {
                if let Some(stream) = self.find(event.stream) {
                    if let Some(conversation) = &mut stream.conversation {
                        conversation.end(of_client, EndReason::Fin);
                    }
                    stream.end(of_client, time);
                    self.tell_ended(desk, event.stream, emit);
                }
            }
            What::Reset => self.reset(desk, of_client, event.stream, emit),
            What::FirstWindow(bytes) if of_client => {
                self.first_window_is_small = bytes < H2_WINDOW_BYTES_SMALL
            }
            What::MoreWindow(bytes) if of_client && bytes < H2_WINDOW_BYTES_SMALL => self.note_small_window(),
            What::PayloadMax(_) | What::FirstWindow(_) | What::MoreWindow(_) => {}
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
        let before = [head_memory(&stream.asked.call), stream.asked.kept_bytes];
        let is_agreed = stream.fields(desk, of_request, &event.place, block);
        if block.promise {
            stream.end(true, Some(event.place.time));
        }
        let head_grown = head_memory(&stream.asked.call) - before[0];
        let mut grown = head_grown + stream.asked.kept_bytes - before[1];
        let begins = is_agreed && stream.conversation.is_none();
        if begins {
            let mut call = stream.upgraded(&event.place);
            let mut conversation = Box::new(Conversation::new(context, desk, &call, &event.place));
            stream.hand_over(desk, &event.place, &mut conversation);
            grown += conversation.memory() + size_of::<Conversation>();
            stream.conversation = Some(conversation);
            emit(Finished { call: &mut call, request_body: None, response_body: None });
        }
        let due = stream.next_part();
        self.held_bytes += grown;
        self.head_bytes += head_grown;
        self.calls += u64::from(begins);
        if due < Timestamp::MAX {
            self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
        }
        // a few bytes of a block can stand for very many
        let is_bomb = self.head_bytes > H2_HEADS_BYTES_MAX;
        if (is_bomb || self.open.len() > H2_STREAMS_MAX)
            && let Some(mut oldest) = self.open.pop_front()
        {
            if is_bomb {
                oldest.asked.call.anomalies.insert(Anomalies::HEAD_TOO_LONG);
            }
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
        let found = self.open.binary_search_by_key(&event.stream, |stream| stream.id);
        // most that are not open are new
        let may_have_ended = found.is_err() && event.stream <= self.ended_max;
        if event.stream == 0 || may_have_ended && self.ended.contains(&event.stream) {
            return None;
        }
        if found.is_err() && self.first_window_is_small {
            self.note_small_window();
        }
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

    /// The client makes room for a few bytes of an answer.
    fn note_small_window(&mut self) {
        self.small_windows += 1;
        if self.small_windows > H2_WINDOWS_SMALL_MAX {
            self.late.insert(Anomalies::WINDOW_ABUSE);
        }
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
                if let Some(conversation) = &mut stream.conversation {
                    conversation.gap(of_client, &hole(None, cut));
                }
                stream.asked.lose_body(of_client, None);
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
        if let Some(mut conversation) = stream.conversation.take() {
            let memory = conversation.memory() + size_of::<Conversation>();
            self.held_bytes = self.held_bytes.saturating_sub(memory);
            let cause = if stream.is_reset() { Causes::STREAM_RESET } else { cause };
            // both have ended the stream: as the end of a connection
            conversation.finish(if cause.is_empty() { Causes::CONNECTION_CLOSED } else { cause }, emit);
            self.calls += 1;
            return self.forget(desk, stream);
        }
        let [client, server] = self.blind;
        let cause = if stream.is_reset() { Causes::STREAM_RESET } else { cause };
        let unasked = !stream.request.head && stream.response.head;
        let request_cause = if unasked { Causes::EMPTY } else { cause };
        let request = why(&stream.request, client, Causes::GAP_IN_REQUEST, request_cause);
        let response = why(&stream.response, server, Causes::GAP_IN_RESPONSE, cause);
        stream.asked.call.causes.insert(request.union(response));
        self.calls += 1;
        let asked = &mut stream.asked;
        let head = head_memory(&asked.call);
        asked.close_messages();
        self.held_bytes += head_memory(&asked.call) - head;
        let tunnel = stream.tunnel;
        let whole = |half: &Half, body: Option<Vec<u8>>| body.filter(|_| half.is_whole() && !tunnel);
        let request_body = whole(&stream.request, asked.request_body.take());
        let response_body = whole(&stream.response, asked.response_body.take());
        emit(Finished {
            call: &mut asked.call,
            request_body: request_body.as_deref(),
            response_body: response_body.as_deref(),
        });
        self.forget(desk, stream);
    }

    /// A stream was told.
    fn forget(&mut self, desk: &mut Desk, stream: Stream) {
        if self.ended.len() >= H2_ENDED_STREAMS_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(stream.id);
        self.ended_max = self.ended_max.max(stream.id);
        if self.open.is_empty() {
            // an idle connection keeps no room
            self.open = VecDeque::new();
        }
        let head = head_memory(&stream.asked.call);
        self.held_bytes = self.held_bytes.saturating_sub(stream.asked.kept_bytes + head);
        self.head_bytes = self.head_bytes.saturating_sub(head);
        desk.give_back(stream.asked);
    }

    /// When a part of a call is to be told although nothing comes.
    #[must_use]
    #[inline]
    pub fn due(&self) -> Timestamp {
        self.due.unwrap_or(Timestamp::MAX)
    }

    /// Tells the parts of calls that have lasted for long enough at that time.
    pub fn tell_parts(&mut self, desk: &Desk, clock: Timestamp, emit: &mut impl FnMut(Finished<'_>)) {
        if self.due() > clock {
            return;
        }
        let mut earliest = Timestamp::MAX;
        for stream in &mut self.open {
            if let Some(conversation) = &mut stream.conversation {
                conversation.tell_parts(desk, clock, emit);
            }
            while stream.due <= clock && stream.conversation.is_none() {
                let begins = stream.due;
                stream.due = begins.plus(desk.part_ns);
                if let Some(mut call) = stream.take_part(begins, self.blind) {
                    emit(Finished { call: &mut call, request_body: None, response_body: None });
                }
            }
            earliest = earliest.min(stream.next_part());
        }
        self.due = (earliest < Timestamp::MAX).then_some(earliest);
    }
}

/// A hole in a conversation.
fn hole(len: Option<u64>, cut: Cut) -> Gap {
    let cause = if cut == Cut::SnapLength { GapCause::SnapLength } else { GapCause::Lost };
    Gap { offset: 0, len: len.unwrap_or(Gap::UNKNOWN), cause }
}

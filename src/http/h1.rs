//! HTTP/1.x, one direction of it: bytes and holes in, heads, body parts and ends out.
//!
//! ```text
//!            start line      blank line       last body byte
//!   Between ────────────▶ Head ────────────▶ Body ─────────────▶ Between
//!      │ a hole, no start line │ a hole         │ a hole over the end
//!      └───────────────────────┴────────────────┴──▶ Lost ──segment that begins with a start line──▶ Head
//! ```
//!
//! After a hole in a body whose end is known, reading continues exactly; otherwise at the next segment that begins
//! with a start line. Only there: in the middle of a segment anything may look like one.

mod body;
mod doubt;
pub mod head;
#[cfg(test)]
mod tests;

use crate::call::Anomalies;
use crate::flow::{Data, EndReason, Gap, GapCause};
use crate::http::{Cut, Expect, Head, HttpEvent, MessageEnd, Place};
use crate::limits::{HEAD_BYTES_MAX, VERDICT_BYTES_MAX};
use crate::time::Timestamp;
use body::{Body, Take};
use head::{Kind, Lines, Progress};

/// One direction.
#[derive(Debug)]
pub struct Side {
    state: State,
    lines: Lines,
    /// The part of a head that came so far, if it did not come at once.
    head: Vec<u8>,
    place: Place,
    body: Body,
    cut: Option<Cut>,
    verdict: bool,
    /// Blank lines in front of the message in hand, in bytes.
    blank: u64,
    /// What came while a verdict was awaited.
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    /// The direction ended while a verdict was awaited.
    ended: Option<(u64, EndReason)>,
    /// When the last byte came, unless it is missing.
    last_time: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    Head,
    Body,
    /// Behind the head of a response that may have no body.
    Doubt,
    Lost,
    Verdict,
    Handed,
}

#[derive(Debug)]
struct Waiting {
    offset: u64,
    bytes: Vec<u8>,
    time: Timestamp,
    ack: Option<u64>,
    boundary: bool,
    /// The hole behind it.
    missing: Option<Gap>,
}

/// Where reading stands in one chunk.
struct Cursor<'a> {
    rest: &'a [u8],
    offset: u64,
    time: Timestamp,
    ack: Option<u64>,
    /// `rest` begins where a segment began.
    boundary: bool,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        self.offset += taken.len() as u64;
        self.boundary = false;
        taken
    }
}

impl Side {
    /// A direction that sends requests or responses. `in_sequence`: the next byte is the first of a message;
    /// otherwise that is not known.
    #[must_use]
    pub fn new(kind: Kind, in_sequence: bool) -> Self {
        Self {
            state: if in_sequence { State::Between } else { State::Lost },
            lines: Lines::new(kind),
            head: Vec::new(),
            place: Place::default(),
            body: Body::None,
            cut: None,
            verdict: false,
            blank: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            ended: None,
            last_time: None,
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.head.capacity() + self.waiting_bytes + self.lines.memory()
    }

    /// Nothing of a message is in hand.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// It is lost, or has not said anything yet.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Lost | State::Between)
    }

    /// The next bytes.
    #[inline]
    pub fn data(&mut self, data: &Data<'_>, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        let Data { offset, bytes, time, ack, boundary } = *data;
        self.last_time = Some(time);
        let mut cursor = Cursor { rest: bytes, offset, time, ack, boundary };
        while !cursor.rest.is_empty() {
            match self.state {
                State::Between => self.begin(&mut cursor),
                State::Head => self.take_head(&mut cursor, deliver),
                State::Body => self.take_body(&mut cursor, deliver),
                State::Doubt => self.resolve_doubt(&mut cursor, deliver),
                State::Lost => self.look_for_start(&mut cursor, deliver),
                State::Verdict => self.wait(&mut cursor),
                State::Handed => return,
            }
        }
    }

    /// Bytes that are not in the capture.
    pub fn gap(&mut self, gap: &Gap, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        self.last_time = None;
        let cut = match gap.cause {
            GapCause::Lost => Cut::Lost,
            GapCause::SnapLength => Cut::SnapLength,
        };
        match self.state {
            State::Between => self.lose(deliver),
            State::Head => {
                self.cut_head(cut, deliver);
                self.lose(deliver);
            }
            State::Body => self.gap_in_body(gap, cut, deliver),
            State::Doubt => self.gap_in_doubt(cut, deliver),
            State::Verdict => self.wait_for_missing(*gap),
            State::Lost => self.lose(deliver),
            State::Handed => {}
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self, offset: u64, reason: EndReason, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        let cut = Cut::by(reason);
        match self.state {
            State::Head => self.cut_head(cut, deliver),
            State::Body => {
                let closed = self.body.close(reason);
                self.cut = self.cut.or((!closed.whole).then_some(cut));
                let time = self.last_time.filter(|_| closed.whole);
                self.tell_end(closed.known.then_some(offset), time, closed.body_bytes, deliver);
            }
            State::Doubt => self.end_in_doubt(offset, reason, cut, deliver),
            State::Verdict => {
                self.ended = Some((offset, reason));
                return;
            }
            State::Between | State::Lost | State::Handed => {}
        }
        self.state = State::Handed;
    }

    /// The verdict is that this direction goes on with HTTP/1.
    pub fn resume(&mut self, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        // a message that is still under way needs not wait at its end any more
        self.verdict = false;
        if self.state == State::Verdict {
            self.state = State::Between;
            self.take_up(deliver);
            if let Some((offset, reason)) = self.ended.take() {
                self.end(offset, reason, deliver);
            }
        }
    }

    /// No verdict comes any more: what waits is read if it looks like HTTP.
    pub fn conclude(&mut self, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        if self.waiting.first().is_some_and(|first| self.lines.may_begin(&first.bytes)) {
            self.resume(deliver);
        }
    }

    /// Reads what waited.
    fn take_up(&mut self, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        self.waiting_bytes = 0;
        for held in std::mem::take(&mut self.waiting) {
            let Waiting { offset, bytes, time, ack, boundary, missing } = held;
            if !bytes.is_empty() {
                self.data(&Data { offset, bytes: &bytes, time, ack, boundary }, deliver);
            }
            if let Some(gap) = missing {
                self.gap(&gap, deliver);
            }
        }
    }

    /// The verdict is that another protocol follows: hands out what came of it, up to the first hole. False: there
    /// is one.
    pub fn hand_over(&mut self, mut deliver: impl FnMut(Data<'_>)) -> bool {
        self.state = State::Handed;
        self.waiting_bytes = 0;
        for held in std::mem::take(&mut self.waiting) {
            let Waiting { offset, bytes, time, ack, boundary, missing } = &held;
            deliver(Data { offset: *offset, bytes, time: *time, ack: *ack, boundary: *boundary });
            if missing.is_some() {
                return false;
            }
        }
        true
    }

    /// The next message is not where it was thought to be.
    fn lose(&mut self, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        self.state = State::Lost;
        deliver(HttpEvent::Lost);
    }

    #[inline]
    fn begin(&mut self, cursor: &mut Cursor<'_>) {
        // RFC 9112 §2.2: blank lines before a start line are ignored
        let blank = cursor.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            self.blank += cursor.take(blank).len() as u64;
        }
        if !cursor.rest.is_empty() {
            self.start_head(cursor, true);
        }
    }

    #[inline]
    fn start_head(&mut self, cursor: &Cursor<'_>, in_sequence: bool) {
        let Cursor { offset, time, ack, .. } = *cursor;
        self.place = Place { offset, time, ack, in_sequence };
        self.lines.begin(in_sequence);
        self.head.clear();
        self.cut = None;
        self.state = State::Head;
    }

    fn look_for_start(&mut self, cursor: &mut Cursor<'_>, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        if cursor.boundary && self.lines.may_begin(cursor.rest) {
            self.start_head(cursor, false);
        } else {
            // what goes by unread may hide messages like what is missing
            cursor.rest = &[];
            deliver(HttpEvent::Lost);
        }
    }

    #[inline]
    fn take_head(&mut self, cursor: &mut Cursor<'_>, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        if !self.head.is_empty() {
            if cursor.boundary && self.is_beaten_by(cursor) {
                self.start_head(cursor, false);
            } else {
                return self.continue_head(cursor, deliver);
            }
        }
        match self.lines.advance(cursor.rest) {
            Progress::Whole(len) => {
                let bytes = cursor.take(len);
                self.tell_head(bytes, cursor, deliver);
            }
            Progress::Partial => {
                let len = cursor.rest.len();
                self.head.extend_from_slice(cursor.take(len));
            }
            Progress::NotHttp => self.not_a_head(cursor, deliver),
        }
    }

    /// What only seemed to be a start line gives way to a segment that begins with one.
    fn is_beaten_by(&self, cursor: &Cursor<'_>) -> bool {
        !self.place.in_sequence && !self.lines.has_start() && self.lines.may_begin(cursor.rest)
    }

    fn continue_head(&mut self, cursor: &mut Cursor<'_>, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        let mut head = std::mem::take(&mut self.head);
        let before = head.len();
        head.extend_from_slice(cursor.rest);
        match self.lines.advance(&head) {
            Progress::Whole(len) => {
                cursor.take(len - before);
                head.truncate(len);
                self.tell_head(&head, cursor, deliver);
                head.clear();
                self.head = head;
            }
            Progress::Partial if head.len() > HEAD_BYTES_MAX => {
                cursor.rest = &[];
                self.head = head;
                self.lines.anomalies.insert(Anomalies::HEAD_TOO_LONG);
                self.cut_head(Cut::Malformed, deliver);
                self.lose(deliver);
            }
            Progress::Partial => {
                cursor.rest = &[];
                self.head = head;
            }
            Progress::NotHttp => {
                head.truncate(before);
                self.head = head;
                self.not_a_head(cursor, deliver);
            }
        }
    }

    /// What stands here is no start line.
    fn not_a_head(&mut self, cursor: &mut Cursor<'_>, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        let before = std::mem::take(&mut self.head);
        let blank = std::mem::take(&mut self.blank);
        if !self.place.in_sequence {
            cursor.rest = &[];
            self.state = State::Lost;
        } else if deliver(HttpEvent::Junk(self.place)) == Expect::Headless {
            self.body = Body::UntilClose { total: blank + before.len() as u64 };
            self.state = State::Body;
            if blank > 0 {
                // they were taken for blank lines before a head and not kept: this body can't be inspected
                deliver(HttpEvent::Missing { len: blank, cut: None });
            }
            if !before.is_empty() {
                deliver(HttpEvent::Body { bytes: &before, time: self.place.time });
            }
        } else {
            cursor.rest = &[];
            self.lose(deliver);
        }
    }

    #[inline]
    fn tell_head(
        &mut self,
        bytes: &[u8],
        cursor: &mut Cursor<'_>,
        deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect,
    ) {
        self.lines.inspect(bytes);
        let head = Head { bytes, lines: &self.lines, place: self.place, cut: None };
        let expect = deliver(HttpEvent::Head(head));
        self.verdict = expect == Expect::Verdict;
        self.blank = 0;
        self.body = Body::after(&self.lines, expect);
        if expect == Expect::Switch {
            self.state = State::Handed;
            let end = MessageEnd {
                offset: Some(cursor.offset),
                time: Some(cursor.time),
                body_bytes: Some(0),
                cut: None,
                anomalies: Anomalies::EMPTY,
            };
            deliver(HttpEvent::End(end));
            self.keep_rest(cursor);
        } else if self.body.is_at_end() {
            self.tell_end(Some(cursor.offset), Some(cursor.time), Some(0), deliver);
        } else {
            self.state = if expect == Expect::Unasked { State::Doubt } else { State::Body };
        }
    }

    /// What follows a switch in the same segment belongs to the other protocol.
    fn keep_rest(&mut self, cursor: &mut Cursor<'_>) {
        if !cursor.rest.is_empty() {
            self.wait(cursor);
        }
    }

    /// Tells as much of a head as whole lines of it came.
    fn cut_head(&mut self, cut: Cut, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        let head = std::mem::take(&mut self.head);
        let whole_lines = head.get(..self.lines.whole_lines()).unwrap_or_default();
        if self.lines.has_start() {
            self.lines.end_early(head.get(whole_lines.len()).copied());
            self.lines.inspect(whole_lines);
            let event = Head { bytes: whole_lines, lines: &self.lines, place: self.place, cut: Some(cut) };
            deliver(HttpEvent::Head(event));
            self.cut = Some(cut);
            self.body = Body::None;
            self.tell_end(None, None, None, deliver);
        }
    }

    #[inline]
    fn take_body(&mut self, cursor: &mut Cursor<'_>, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        let time = cursor.time;
        match self.body.take(cursor.rest) {
            Take::Data(count) => {
                let bytes = cursor.take(count);
                deliver(HttpEvent::Body { bytes, time });
            }
            Take::Framing(count) => {
                cursor.take(count);
            }
            Take::Malformed => {
                self.cut = Some(Cut::Malformed);
                cursor.rest = &[];
                self.tell_end(None, None, None, deliver);
                self.lose(deliver);
                return;
            }
        }
        if self.body.is_at_end() {
            let body_bytes = self.body.decoded();
            self.tell_end(Some(cursor.offset), Some(time), Some(body_bytes), deliver);
        }
    }

    fn gap_in_body(&mut self, gap: &Gap, cut: Cut, deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect) {
        self.cut = self.cut.or(Some(cut));
        let Some(skipped) = self.body.skip(gap.len) else {
            self.tell_end(None, None, None, deliver);
            self.lose(deliver);
            return;
        };
        deliver(HttpEvent::Missing { len: skipped, cut: Some(cut) });
        if self.body.is_at_end() {
            let body_bytes = self.body.decoded();
            self.tell_end(Some(gap.offset + skipped), None, Some(body_bytes), deliver);
        }
        if skipped < gap.len && self.state == State::Between {
            self.lose(deliver);
        }
    }

    fn tell_end(
        &mut self,
        offset: Option<u64>,
        time: Option<Timestamp>,
        body_bytes: Option<u64>,
        deliver: &mut impl FnMut(HttpEvent<'_>) -> Expect,
    ) {
        let anomalies = self.body.anomalies();
        self.state = if self.verdict { State::Verdict } else { State::Between };
        self.verdict = false;
        deliver(HttpEvent::End(MessageEnd { offset, time, body_bytes, cut: self.cut, anomalies }));
        self.cut = None;
    }

    /// Holds what may belong to another protocol.
    fn wait(&mut self, cursor: &mut Cursor<'_>) {
        let Cursor { rest, offset, time, ack, boundary } = *cursor;
        let cost = rest.len() + size_of::<Waiting>();
        if self.waiting_bytes + cost > VERDICT_BYTES_MAX {
            self.wait_for_missing(Gap { offset, len: rest.len() as u64, cause: GapCause::Lost });
        } else {
            self.waiting_bytes += cost;
            self.waiting.push(Waiting { offset, bytes: rest.to_vec(), time, ack, boundary, missing: None });
        }
        cursor.rest = &[];
    }

    /// Remembers a hole behind what waits: one that is there, or that the bound on what may wait makes.
    fn wait_for_missing(&mut self, gap: Gap) {
        match self.waiting.last_mut() {
            Some(Waiting { missing: Some(known), .. }) => {
                known.len = (gap.offset + gap.len).saturating_sub(known.offset);
            }
            Some(last) => last.missing = Some(gap),
            None => self.waiting.push(Waiting {
                offset: gap.offset,
                bytes: Vec::new(),
                time: self.place.time,
                ack: None,
                boundary: false,
                missing: Some(gap),
            }),
        }
    }
}

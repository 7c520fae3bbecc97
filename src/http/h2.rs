//! Chunk → frames → what they say of each stream (RFC 9113): one direction of a connection.
//!
//! ```text
//!   Preface ──24 bytes──▶ Head ──nine bytes──▶ Payload ──its length──▶ Head
//!                          │                      │
//!                          └──── a hole that hides where the next frame begins ────▶ Lost ──two heads that fit──▶ Head
//! ```
//!
//! A hole inside the payload of a frame whose head was seen costs these bytes and no more. Behind any other hole an
//! unknown number of frames may be hidden, and the table of header compression is unknown (see [`hpack`]).

mod arbitrary;
mod block;
pub mod frame;
pub mod hpack;
mod huffman;
pub mod resync;
#[cfg(test)]
mod tests;

use self::block::Block;
use self::frame::{HEAD_BYTES, Header, PAYLOAD_BYTES_DEFAULT, PREFACE, flag, kind};
use self::hpack::{Fields, Table};
use self::resync::Search;
use super::{Cut, Place};
use crate::call::Anomalies;
use crate::flow::{Data, EndReason, Gap, GapCause};
use crate::limits::HEAD_BYTES_MAX;
use crate::time::Timestamp;

pub use arbitrary::read_arbitrary;

/// What a frame says.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The stream; zero for the connection.
    pub stream: u32,
    /// Where the frame begins. It is in sequence if no frame of this direction was missed.
    pub place: Place,
    /// What it says.
    pub what: What<'a>,
}

/// What a frame says of its stream.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// A header block: a head, trailers, or the request that a push answers.
    Fields {
        /// Its fields.
        fields: &'a Fields,
        /// Why it is not whole.
        cut: Option<Cut>,
        /// Why the padding of its frame is not whole.
        padding: Option<Cut>,
        /// Bytes of the block as it was sent, if it is whole.
        bytes: Option<u64>,
        /// The server sends the head of a request, to push its answer.
        promise: bool,
        /// The sender says nothing more on the stream.
        ends: bool,
    },
    /// Bytes of the body, without padding.
    Body {
        /// The bytes.
        bytes: &'a [u8],
        /// When they came.
        time: Timestamp,
        /// They are the first ones of their frame.
        begins: bool,
    },
    /// Bytes of the body that are missing: how many, where that is known.
    Missing(Option<u64>, Cut),
    /// Bytes behind the body that have to be zero are missing (RFC 9113 §6.1): nobody knows whether they were.
    Padding(Cut),
    /// The sender says nothing more on the stream; when the last byte of that came, if it was seen.
    End(Option<Timestamp>),
    /// The sender ends the stream both ways.
    Reset,
    /// What the sender lets the other end send in one frame.
    PayloadMax(u32),
    /// What the sender lets the other end send on a stream that begins.
    FirstWindow(u32),
    /// What the sender lets the other end send besides, on the stream or on the connection.
    MoreWindow(u32),
    /// An unknown number of frames may be hidden here.
    Lost(Cut),
    /// Something is odd.
    Odd(Anomalies),
}

/// One direction.
#[derive(Debug)]
pub struct Side {
    state: State,
    table: Table,
    /// No frame was missed.
    steady: bool,
    block: Option<Box<Block>>,
    /// Payload of a frame that is read as a whole.
    payload: Vec<u8>,
    /// The longest payload that its sender may send, as far as that was seen.
    payload_max: u32,
    /// When the bytes came that are read.
    now: Timestamp,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the client's preface came.
    Preface(usize),
    /// So many bytes of a frame's head came.
    Head {
        bytes: [u8; HEAD_BYTES],
        count: usize,
        place: Place,
    },
    Payload(Frame),
    Lost(Box<Search>),
}

/// A frame of which the payload comes.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    place: Place,
    /// Bytes that have not come.
    left: u32,
    content: Content,
}

/// What becomes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// The length of the padding comes first.
    PadLength,
    /// Body, and behind it so many bytes of padding.
    Body { padding: u32 },
    /// It is read as a whole.
    Whole,
    /// A header block that is too long to be read.
    TooLong,
    /// Nobody reads it.
    Skipped,
}

impl Content {
    const fn of(header: &Header) -> Self {
        match header.kind {
            kind::DATA if header.has(flag::PADDED) => Self::PadLength,
            kind::DATA => Self::Body { padding: 0 },
            kind::HEADERS | kind::CONTINUATION | kind::PUSH_PROMISE
                if header.length as usize > HEAD_BYTES_MAX =>
            {
                Self::TooLong
            }
            kind::HEADERS | kind::CONTINUATION | kind::PUSH_PROMISE | kind::RST_STREAM => Self::Whole,
            kind::SETTINGS if header.length <= SETTINGS_BYTES_MAX => Self::Whole,
            kind::WINDOW_UPDATE if header.length <= WINDOW_UPDATE_BYTES => Self::Whole,
            _ => Self::Skipped,
        }
    }

    /// It is read as it lies.
    const fn is_plain(self) -> bool {
        matches!(self, Self::Body { padding: 0 } | Self::Whole)
    }
}

impl State {
    const HEAD: Self = Self::Head {
        bytes: [0; HEAD_BYTES],
        count: 0,
        place: Place { offset: 0, time: Timestamp::ZERO, ack: None, in_sequence: false },
    };
}

impl Side {
    /// The direction of the client, from its first byte on.
    #[must_use]
    pub fn client() -> Self {
        Self::at(State::Preface(0), true)
    }

    /// The direction of the server, from its first byte on; or of a client whose preface was read.
    #[must_use]
    pub fn begun() -> Self {
        Self::at(State::HEAD, true)
    }

    /// A direction that was joined in its middle: frames begin somewhere in what `search` holds or behind it.
    #[must_use]
    pub fn joined(search: Search) -> Self {
        let mut side = Self::at(State::Lost(Box::new(search)), false);
        side.table.forget();
        side
    }

    fn at(state: State, steady: bool) -> Self {
        Self {
            state,
            table: Table::default(),
            steady,
            block: None,
            payload: Vec::new(),
            payload_max: PAYLOAD_BYTES_DEFAULT,
            now: Timestamp::ZERO,
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        let search =
            if let State::Lost(search) = &self.state { size_of::<Search>() + search.memory() } else { 0 };
        let block = self.block.as_ref().map_or(0, |block| size_of::<Block>() + block.memory());
        search + block + self.table.memory() + self.payload.capacity()
    }

    /// Bytes are kept in which frames may yet be found.
    #[must_use]
    pub const fn is_searching(&self) -> bool {
        matches!(&self.state, State::Lost(search) if !search.is_empty())
    }

    /// The other end said what may be sent in one frame.
    pub fn allow(&mut self, payload_max: u32) {
        self.payload_max = self.payload_max.max(payload_max);
    }

    /// Bytes that follow those before. `fields` is room for what a header block says.
    pub fn data(&mut self, data: &Data<'_>, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        match &mut self.state {
            State::Lost(search) => search.push(data),
            _ => {
                let used = self.run(data, fields, tell);
                self.search_rest(data, used, fields, tell);
            }
        }
        self.resume(Search::find, fields, tell);
    }

    /// Bytes are missing.
    pub fn gap(&mut self, gap: &Gap, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        let cut = match gap.cause {
            GapCause::Lost => Cut::Lost,
            GapCause::SnapLength => Cut::SnapLength,
        };
        match &mut self.state {
            State::Lost(search) => search.gap(),
            State::Payload(frame) => {
                let mut frame = *frame;
                let inside = gap.len <= u64::from(frame.left);
                let missing = gap.len.min(u64::from(frame.left)) as u32;
                self.miss(&mut frame, missing, cut, fields, tell);
                if frame.left > 0 {
                    self.state = State::Payload(frame);
                } else {
                    self.finish(&frame, None, tell);
                }
                if !inside {
                    self.lose(cut, fields, tell);
                }
            }
            State::Preface(_) | State::Head { .. } => self.lose(cut, fields, tell),
        }
    }

    /// Reads what was kept by the search with which it began.
    pub fn go_on(&mut self, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        self.resume(Search::find, fields, tell);
    }

    /// Nothing more comes.
    pub fn end(&mut self, reason: EndReason, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        let cut = Cut::by(reason);
        self.resume(Search::find_last, fields, tell);
        if let State::Payload(Frame { content: Content::Whole, header, place, .. }) = self.state {
            let payload = std::mem::take(&mut self.payload);
            self.whole(&header, place, &payload, Some(cut), fields, tell);
            self.state = State::HEAD;
        }
        self.cut_block(cut, fields, tell);
    }

    /// Goes on with what a search holds, as often as frames are found in it.
    fn resume(
        &mut self,
        find: fn(&mut Search) -> Option<usize>,
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        while let State::Lost(search) = &mut self.state
            && let Some(at) = find(search)
        {
            let held = search.take(at);
            self.state = State::HEAD;
            for piece in held.pieces() {
                if let State::Lost(search) = &mut self.state {
                    search.push(&piece);
                    continue;
                }
                let used = self.run(&piece, fields, tell);
                self.search_rest(&piece, used, fields, tell);
            }
        }
    }

    /// A frame that can't be stood behind `used` bytes: the next one is looked for from the place behind.
    fn search_rest(
        &mut self,
        data: &Data<'_>,
        used: usize,
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        if used == data.bytes.len() {
            return;
        }
        // behind a hole it may as well be that the frames before were none
        let cut = if self.steady { Cut::Malformed } else { Cut::Lost };
        if self.steady {
            let place = place_at(data, used, true);
            tell(Event { stream: 0, place, what: What::Odd(Anomalies::INVALID_FRAME) });
        }
        self.lose(cut, fields, tell);
        let rest = Data {
            offset: data.offset + used as u64,
            bytes: data.bytes.get(used..).unwrap_or_default(),
            boundary: data.boundary && used == 0,
            ..*data
        };
        if let State::Lost(search) = &mut self.state {
            search.push(&rest);
        }
    }

    /// Reads frames; returns how many bytes it read. They are all but where a frame begins that can't be.
    fn run(&mut self, data: &Data<'_>, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) -> usize {
        self.now = data.time;
        let mut at = 0;
        while let Some(rest) = data.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match &mut self.state {
                State::Preface(count) => {
                    let wanted = PREFACE.get(*count..).unwrap_or_default();
                    let taken = wanted.len().min(rest.len());
                    if wanted.get(..taken) != rest.get(..taken) {
                        return at;
                    }
                    *count += taken;
                    at += taken;
                    if *count == PREFACE.len() {
                        self.state = State::HEAD;
                    }
                }
                State::Head { count: 0, .. } if let Some(head) = rest.first_chunk() => {
                    let header = Header::parse(head);
                    if !self.is_believed(&header) {
                        return at;
                    }
                    let place = place_at(data, at, self.steady);
                    let payload = rest.get(HEAD_BYTES..HEAD_BYTES + header.length as usize);
                    at += HEAD_BYTES;
                    match payload.filter(|_| Content::of(&header).is_plain()) {
                        Some(payload) => {
                            at += payload.len();
                            self.frame(&header, place, payload, fields, tell);
                        }
                        None => self.begin(header, place, fields, tell),
                    }
                }
                State::Head { bytes, count, place } => {
                    if *count == 0 {
                        *place = place_at(data, at, self.steady);
                    }
                    let taken = (HEAD_BYTES - *count).min(rest.len());
                    if let (Some(to), Some(from)) = (bytes.get_mut(*count..*count + taken), rest.get(..taken))
                    {
                        to.copy_from_slice(from);
                    }
                    *count += taken;
                    if *count < HEAD_BYTES {
                        return data.bytes.len();
                    }
                    let (header, place) = (Header::parse(bytes), *place);
                    if !self.is_believed(&header) {
                        return at;
                    }
                    at += taken;
                    self.begin(header, place, fields, tell);
                }
                State::Payload(frame) => {
                    let mut frame = *frame;
                    let taken = (frame.left as usize).min(rest.len());
                    self.payload(&mut frame, rest.get(..taken).unwrap_or_default(), fields, tell);
                    at += taken;
                }
                State::Lost(_) => return at,
            }
        }
        at
    }

    /// Where frames were missed, one that can hardly be is taken as a sign that this is none.
    const fn is_believed(&self, header: &Header) -> bool {
        header.is_valid() && (self.steady || header.length <= self.payload_max)
    }

    /// A frame without padding of which all is there.
    fn frame(
        &mut self,
        header: &Header,
        place: Place,
        payload: &[u8],
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        if header.kind != kind::DATA {
            return self.whole(header, place, payload, None, fields, tell);
        }
        let (stream, time) = (header.stream, self.now);
        if !payload.is_empty() {
            tell(Event { stream, place, what: What::Body { bytes: payload, time, begins: true } });
        }
        if header.has(flag::END_STREAM) {
            tell(Event { stream, place, what: What::End(Some(time)) });
        }
    }

    fn begin(&mut self, header: Header, place: Place, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        let content = Content::of(&header);
        if content == Content::TooLong {
            self.give_up_block(&header, place, (Cut::Malformed, Anomalies::HEAD_TOO_LONG), fields, tell);
        }
        let frame = Frame { header, place, left: header.length, content };
        self.payload.clear();
        if frame.left > 0 {
            self.state = State::Payload(frame);
            return;
        }
        if content == Content::Whole {
            self.whole(&header, place, &[], None, fields, tell);
        }
        self.finish(&frame, Some(self.now), tell);
    }

    fn payload(
        &mut self,
        frame: &mut Frame,
        bytes: &[u8],
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        let Frame { header, place, .. } = *frame;
        let mut bytes = bytes;
        if frame.content == Content::PadLength
            && let Some((padding, rest)) = bytes.split_first()
        {
            frame.left -= 1;
            let padding = u32::from(*padding);
            if padding > frame.left {
                // RFC 9113 §6.1: padding that is longer than the payload
                tell(Event { stream: header.stream, place, what: What::Odd(Anomalies::INVALID_FRAME) });
            }
            frame.content = Content::Body { padding: padding.min(frame.left) };
            bytes = rest;
        }
        match frame.content {
            Content::Body { padding } => {
                let body = bytes.len().min((frame.left - padding.min(frame.left)) as usize);
                if let Some(body) = bytes.get(..body).filter(|body| !body.is_empty()) {
                    let before = frame.left + u32::from(header.has(flag::PADDED));
                    let (time, begins) = (self.now, before == header.length);
                    let what = What::Body { bytes: body, time, begins };
                    tell(Event { stream: header.stream, place, what });
                }
            }
            Content::Whole if self.payload.is_empty() && bytes.len() == frame.left as usize => {
                self.whole(&header, place, bytes, None, fields, tell);
            }
            Content::Whole => {
                self.payload.extend_from_slice(bytes);
                if bytes.len() == frame.left as usize {
                    let payload = std::mem::take(&mut self.payload);
                    self.whole(&header, place, &payload, None, fields, tell);
                    self.payload = payload;
                    self.payload.clear();
                    self.payload.shrink_to(PAYLOAD_BYTES_KEPT);
                }
            }
            Content::PadLength | Content::TooLong | Content::Skipped => {}
        }
        frame.left -= bytes.len() as u32;
        if frame.left > 0 {
            self.state = State::Payload(*frame);
        } else {
            self.finish(frame, Some(self.now), tell);
        }
    }

    /// Bytes of the payload are missing.
    fn miss(
        &mut self,
        frame: &mut Frame,
        missing: u32,
        cut: Cut,
        fields: &mut Fields,
        tell: &mut impl FnMut(Event<'_>),
    ) {
        let Frame { header, place, .. } = *frame;
        let mut lose = |what| tell(Event { stream: header.stream, place, what });
        match frame.content {
            Content::PadLength => {
                // what of the rest is body and what is padding stays unknown
                lose(What::Missing(None, cut));
                frame.content = Content::Skipped;
            }
            Content::Body { padding } => {
                let body = missing.min(frame.left - padding.min(frame.left));
                lose(if body > 0 { What::Missing(Some(u64::from(body)), cut) } else { What::Padding(cut) });
            }
            Content::Whole => {
                let payload = std::mem::take(&mut self.payload);
                self.whole(&header, place, &payload, Some(cut), fields, tell);
                frame.content = Content::Skipped;
            }
            Content::TooLong | Content::Skipped => {}
        }
        frame.left -= missing;
    }

    /// The frame has ended. `time`: when its last byte came, if that was seen.
    fn finish(&mut self, frame: &Frame, time: Option<Timestamp>, tell: &mut impl FnMut(Event<'_>)) {
        self.state = State::HEAD;
        let Frame { header, place, .. } = *frame;
        if header.kind == kind::DATA && header.has(flag::END_STREAM) {
            tell(Event { stream: header.stream, place, what: What::End(time) });
        }
    }

    /// Frames may be hidden from here on.
    fn lose(&mut self, cut: Cut, fields: &mut Fields, tell: &mut impl FnMut(Event<'_>)) {
        self.cut_block(cut, fields, tell);
        self.table.forget();
        self.steady = false;
        self.state = State::Lost(Box::new(Search::new(self.payload_max)));
        tell(Event { stream: 0, place: Place::default(), what: What::Lost(cut) });
    }
}

/// SETTINGS with more than a hundred parameters are not read; there are ten of them.
const SETTINGS_BYTES_MAX: u32 = 1024;
/// RFC 9113 §6.9.
const WINDOW_UPDATE_BYTES: u32 = 4;
/// Room for a payload in pieces that is kept between frames.
const PAYLOAD_BYTES_KEPT: usize = 1024;

fn place_at(data: &Data<'_>, at: usize, in_sequence: bool) -> Place {
    Place { offset: data.offset + at as u64, time: data.time, ack: data.ack, in_sequence }
}

//! WebSocket, one direction of it (RFC 6455): bytes and holes in, counts of messages out.
//!
//! ```text
//!   Head ──its two to fourteen bytes──▶ Payload ──its length──▶ Head
//!     │                                    │
//!     └──── a hole that hides where the next frame begins ────▶ Lost ──segments that are whole frames──▶ Head
//! ```
//!
//! What a frame says of its length is believed, so a hole in a payload hides nothing but the bytes themselves. Behind any
//! other hole an unknown number of frames may be hidden: counts are of what was seen, and the direction is cut.

mod arbitrary;
mod resync;
#[cfg(test)]
mod tests;

use super::Cut;
use crate::call::{Anomalies, Messages, Opcodes, Tally};
use crate::flow::{Data, Gap, GapCause};
use resync::Search;

pub use arbitrary::read_arbitrary;

/// One direction.
#[derive(Debug)]
pub struct Side {
    state: State,
    of_client: bool,
    /// Messages may be compressed (RFC 7692 §7): their first frame has RSV1 set.
    deflate: Deflate,
    message: Message,
    counts: Messages,
    /// Why something of it is not known.
    cut: Option<Cut>,
    anomalies: Anomalies,
}

/// Whether both ends agreed that messages may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deflate {
    /// They did not.
    No,
    /// They did.
    Yes,
    /// That was not seen, or they agreed to something else that may change the frames.
    Unknown,
}

impl Deflate {
    /// What a line of the server's extensions says (RFC 7692 §5).
    #[must_use]
    pub fn of(extensions: &[u8]) -> Self {
        let mut names = extensions
            .split(|byte| *byte == b',')
            .filter_map(|extension| extension.split(|byte| *byte == b';').next())
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
            .peekable();
        if names.peek().is_none() {
            Self::No
        } else if names.any(|name| name.eq_ignore_ascii_case(b"permessage-deflate")) {
            Self::Yes
        } else {
            Self::Unknown
        }
    }
}

/// The message whose frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// None has begun that has not ended.
    None,
    /// One of that kind.
    Open(Opcode),
    /// Its beginning may be in a hole.
    Unknown,
}

#[derive(Debug)]
enum State {
    /// Between frames, or in a head of which these bytes came.
    Head(Head),
    Payload(Payload),
    Lost(Search),
    /// Behind the frame that closes.
    Closed,
    /// Where frames begin can't be known any more.
    Malformed,
}

/// The bytes of a head that came so far.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

/// A payload that is being passed.
#[derive(Clone, Copy, Debug)]
struct Payload {
    frame: Frame,
    left: u64,
    /// The first two bytes of a frame that closes, unmasked (RFC 6455 §5.5.1).
    code: [Option<u8>; 2],
}

/// The longest head: two bytes, a length of eight, a mask of four (RFC 6455 §5.2).
const HEAD_BYTES_MAX: usize = 14;
/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_BYTES_MAX: u64 = 125;

/// What a frame is (RFC 6455 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn of(byte: u8) -> Option<Self> {
        match byte & 0x0f {
            0 => Some(Self::Continuation),
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// None: one that nobody has defined.
    opcode: Option<Opcode>,
    is_last: bool,
    /// RSV1, RSV2, RSV3 in the highest bits.
    reserved: u8,
    mask: Option<[u8; 4]>,
    len: u64,
    head_bytes: usize,
}

/// What the first bytes of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Frame(Frame),
    Short,
    /// A length of more than 63 bits (RFC 6455 §5.2).
    Malformed,
}

impl Frame {
    fn read(bytes: &[u8]) -> Read {
        let [first, second, rest @ ..] = bytes else { return Read::Short };
        let (len, rest, len_bytes) = match second & 0x7f {
            126 => match rest.split_first_chunk::<2>() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest, 2),
                None => return Read::Short,
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest, 8),
                None => return Read::Short,
            },
            len => (u64::from(len), rest, 0),
        };
        if len >> 63 != 0 {
            return Read::Malformed;
        }
        let is_masked = second & 0x80 != 0;
        let mask = match (is_masked, rest.first_chunk::<4>()) {
            (false, _) => None,
            (true, Some(mask)) => Some(*mask),
            (true, None) => return Read::Short,
        };
        Read::Frame(Self {
            opcode: Opcode::of(*first),
            is_last: first & 0x80 != 0,
            reserved: first & 0x70,
            mask,
            len,
            head_bytes: 2 + len_bytes + if is_masked { 4 } else { 0 },
        })
    }

    /// It breaks a rule that both ends would have to have agreed to break.
    fn is_odd(&self, of_client: bool, deflate: Deflate, message: Message) -> bool {
        let Some(opcode) = self.opcode else { return true };
        let control = opcode.is_control();
        let compressed = self.reserved == RSV1 && matches!(opcode, Opcode::Text | Opcode::Binary);
        let is_agreed = match deflate {
            Deflate::No => self.reserved == 0,
            Deflate::Yes => self.reserved == 0 || compressed,
            Deflate::Unknown => true,
        };
        let is_in_order = control
            || match message {
                Message::None => opcode != Opcode::Continuation,
                Message::Open(_) => opcode == Opcode::Continuation,
                Message::Unknown => true,
            };
        self.mask.is_some() != of_client
            || !is_agreed
            || !is_in_order
            || control && (!self.is_last || self.len > CONTROL_BYTES_MAX)
    }
}

/// The bit that says that a message is compressed (RFC 7692 §6).
const RSV1: u8 = 0x40;

impl Side {
    /// A direction that begins behind the opening handshake.
    #[must_use]
    pub fn new(of_client: bool, deflate: Deflate) -> Self {
        Self {
            state: State::Head(Head::default()),
            of_client,
            deflate,
            message: Message::None,
            counts: Messages { opcodes: Some(Opcodes::default()), ..Messages::default() },
            cut: None,
            anomalies: Anomalies::EMPTY,
        }
    }

    /// It said that it says no more.
    #[must_use]
    pub const fn has_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// What was counted since this was last asked, why it is not whole, and what was odd.
    pub fn take(&mut self) -> (Messages, Option<Cut>, Anomalies) {
        // what is not known from a hole on stays so until frames are found again
        let still = self.cut.filter(|_| matches!(self.state, State::Lost(_) | State::Malformed));
        let nothing = Messages { opcodes: Some(Opcodes::default()), ..Messages::default() };
        (
            std::mem::replace(&mut self.counts, nothing),
            std::mem::replace(&mut self.cut, still),
            std::mem::take(&mut self.anomalies),
        )
    }

    /// The next bytes.
    pub fn data(&mut self, data: &Data<'_>) {
        let mut rest = data.bytes;
        if let State::Lost(search) = &mut self.state {
            if !data.boundary {
                return search.restart();
            }
            let Some(found) = search.segment(rest, self.of_client, self.deflate) else { return };
            self.counts.add(&found);
            self.state = State::Head(Head::default());
            return;
        }
        while !rest.is_empty() {
            rest = match &mut self.state {
                State::Head(_) => self.head(rest),
                State::Payload(_) => self.payload(rest),
                // RFC 6455 §5.5.1: nothing follows the frame that closes
                State::Closed | State::Lost(_) | State::Malformed => return,
            };
        }
    }

    /// Bytes are missing.
    pub fn gap(&mut self, gap: &Gap) {
        if matches!(self.state, State::Closed | State::Malformed) {
            return;
        }
        let cut = if gap.cause == GapCause::SnapLength { Cut::SnapLength } else { Cut::Lost };
        self.cut = self.cut.or(Some(cut));
        if let State::Payload(payload) = &mut self.state
            && gap.len < Gap::UNKNOWN
            && gap.len <= payload.left
        {
            payload.left -= gap.len;
            let frame = payload.frame;
            self.count(frame, gap.len);
            self.end_if_passed();
            return;
        }
        // of a hole that ends behind the frame, what the frame said is missing of it; of one without a known end nothing is
        if let State::Payload(Payload { frame, left, .. }) = self.state
            && gap.len < Gap::UNKNOWN
        {
            self.count(frame, left);
        }
        self.message = Message::Unknown;
        self.state = State::Lost(Search::default());
    }

    /// The direction has ended. In the middle of a frame something is missing of it.
    pub fn end(&mut self, cut: Cut) {
        let is_between = match &self.state {
            State::Head(head) => head.len == 0 && !matches!(self.message, Message::Open(_)),
            State::Payload(_) | State::Lost(_) => false,
            State::Closed | State::Malformed => true,
        };
        if !is_between {
            self.cut = self.cut.or(Some(cut));
        }
    }

    /// Takes bytes of a head; what is left.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let State::Head(head) = &mut self.state else { return bytes };
        let Some((first, rest)) = bytes.split_first() else { return bytes };
        if let Some(place) = head.bytes.get_mut(head.len) {
            *place = *first;
            head.len += 1;
        }
        match Frame::read(head.bytes.get(..head.len).unwrap_or_default()) {
            Read::Short => {}
            Read::Malformed => {
                self.anomalies.insert(Anomalies::INVALID_FRAME);
                self.cut = Some(Cut::Malformed);
                self.state = State::Malformed;
            }
            Read::Frame(frame) => self.begin(frame),
        }
        rest
    }

    fn begin(&mut self, frame: Frame) {
        if frame.is_odd(self.of_client, self.deflate, self.message) {
            self.anomalies.insert(Anomalies::INVALID_FRAME);
        }
        self.counts.begin(&frame, self.deflate);
        if let Some(opcode @ (Opcode::Text | Opcode::Binary)) = frame.opcode {
            self.message = Message::Open(opcode);
        }
        self.state = State::Payload(Payload { frame, left: frame.len, code: [None; 2] });
        self.end_if_passed();
    }

    /// Takes bytes of a payload; what is left.
    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let State::Payload(payload) = &mut self.state else { return bytes };
        let take = usize::try_from(payload.left).unwrap_or(usize::MAX).min(bytes.len());
        let (taken, rest) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
        if payload.frame.opcode == Some(Opcode::Close) {
            payload.note_code(taken);
        }
        payload.left -= taken.len() as u64;
        let frame = payload.frame;
        self.count(frame, taken.len() as u64);
        self.end_if_passed();
        rest
    }

    /// Counts bytes of a payload that went by.
    fn count(&mut self, frame: Frame, len: u64) {
        let opcode = match frame.opcode {
            Some(Opcode::Continuation) => match self.message {
                Message::Open(opcode) => Some(opcode),
                Message::None | Message::Unknown => None,
            },
            opcode => opcode,
        };
        self.counts.pass(opcode, len);
    }

    /// Behind the last byte of a frame the next begins.
    fn end_if_passed(&mut self) {
        let State::Payload(Payload { frame, left: 0, code }) = self.state else { return };
        if frame.opcode == Some(Opcode::Close) {
            if let [Some(high), Some(low)] = code
                && let Some(opcodes) = &mut self.counts.opcodes
            {
                opcodes.close_code = Some(u16::from_be_bytes([high, low]));
            }
            self.state = State::Closed;
            return;
        }
        if frame.is_last && frame.opcode.is_some_and(|opcode| !opcode.is_control()) {
            self.message = Message::None;
        }
        self.state = State::Head(Head::default());
    }
}

impl Payload {
    fn note_code(&mut self, bytes: &[u8]) {
        let passed = self.frame.len - self.left;
        let mask = self.frame.mask.unwrap_or_default();
        let places = self.code.iter_mut().zip(mask).skip(usize::try_from(passed).unwrap_or(usize::MAX));
        for ((place, mask), byte) in places.zip(bytes) {
            *place = Some(byte ^ mask);
        }
    }
}

impl Messages {
    /// A frame begins: perhaps a message.
    fn begin(&mut self, frame: &Frame, deflate: Deflate) {
        let is_message = matches!(frame.opcode, Some(Opcode::Text | Opcode::Binary));
        self.count += u64::from(is_message);
        self.compressed += u64::from(is_message && deflate == Deflate::Yes && frame.reserved & RSV1 != 0);
        if let Some(tally) = self.tally(frame.opcode)
            && frame.opcode != Some(Opcode::Continuation)
        {
            tally.count += 1;
        }
    }

    /// Bytes of a payload go by.
    fn pass(&mut self, opcode: Option<Opcode>, len: u64) {
        let is_message = opcode.is_none_or(|opcode| !opcode.is_control());
        if is_message {
            self.bytes = self.bytes.saturating_add(len);
        }
        if let Some(tally) = self.tally(opcode) {
            tally.bytes = tally.bytes.saturating_add(len);
        }
    }

    fn tally(&mut self, opcode: Option<Opcode>) -> Option<&mut Tally> {
        let opcodes = self.opcodes.as_mut()?;
        match opcode? {
            Opcode::Text => Some(&mut opcodes.text),
            Opcode::Binary => Some(&mut opcodes.binary),
            Opcode::Close => Some(&mut opcodes.close),
            Opcode::Ping => Some(&mut opcodes.ping),
            Opcode::Pong => Some(&mut opcodes.pong),
            Opcode::Continuation => None,
        }
    }
}

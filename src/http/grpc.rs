//! Messages of gRPC in the body of one half of a call (gRPC over HTTP/2, "Length-Prefixed-Message"; gRPC-Web).
//!
//! Each message stands behind five bytes: whether it is compressed, and its length. In gRPC-Web the trailers come last, as
//! a message whose flags have the highest bit set; `grpc-web-text` is all of that in base64, padded anywhere.

mod arbitrary;
#[cfg(test)]
mod tests;

use crate::call::Messages;
use crate::limits::GRPC_WEB_TRAILERS_BYTES_MAX;

pub use arbitrary::read_arbitrary;

/// How messages stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// gRPC: trailers are those of HTTP/2.
    Native,
    /// gRPC-Web: trailers stand in the body.
    Web,
    /// The same in base64.
    WebText,
}

impl Framing {
    /// By the media type: `application/grpc`, `application/grpc-web`, `application/grpc-web-text`, each perhaps with
    /// `+proto` or parameters.
    #[must_use]
    pub fn of(media_type: &[u8]) -> Option<Self> {
        const GRPC: &[u8] = b"application/grpc";
        let (front, rest) = media_type.split_at_checked(GRPC.len())?;
        if !front.eq_ignore_ascii_case(GRPC) {
            return None;
        }
        let end = rest.iter().position(|byte| b"+; ".contains(byte)).unwrap_or(rest.len());
        let kind = rest.get(..end)?;
        if kind.is_empty() {
            Some(Self::Native)
        } else if kind.eq_ignore_ascii_case(b"-web") {
            Some(Self::Web)
        } else if kind.eq_ignore_ascii_case(b"-web-text") {
            Some(Self::WebText)
        } else {
            None
        }
    }
}

/// Service and method of a path: `/package.Service/Method`.
#[must_use]
pub fn names(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = path.iter().position(|byte| *byte == b'?').unwrap_or(path.len());
    let rest = path.get(..end)?.strip_prefix(b"/")?;
    let slash = rest.iter().rposition(|byte| *byte == b'/')?;
    let (service, method) = (rest.get(..slash)?, rest.get(slash + 1..)?);
    (!service.is_empty() && !method.is_empty()).then_some((service, method))
}

/// The deadline that a client sets, in microseconds: at most eight digits and a unit.
#[must_use]
pub fn timeout_us(value: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 8;
    let (unit, digits) = value.split_last()?;
    if digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => number * 3_600_000_000,
        b'M' => number * 60_000_000,
        b'S' => number * 1_000_000,
        b'm' => number * 1_000,
        b'u' => number,
        b'n' => number / 1_000,
        _ => return None,
    })
}

/// The text of `grpc-message`, its percent-encoding undone where it is one.
#[must_use]
pub fn message(encoded: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut text = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (first, digit(behind.first()), digit(behind.get(1))) {
            (b'%', Some(high), Some(low)) => {
                text.push((high << 4 | low) as u8);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => text.push(*first),
        }
    }
    text
}

/// Reads the body of one half.
#[derive(Clone, Debug)]
pub struct Reader {
    framing: Framing,
    /// Bytes of trailers that are kept.
    trailers_max: usize,
    state: State,
    messages: Messages,
    base64: Base64,
    /// The trailers of gRPC-Web as far as they came.
    trailers: Vec<u8>,
    /// What stands where a message begins begins none.
    is_malformed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the bytes in front of a message.
    Prefix {
        bytes: [u8; PREFIX_BYTES],
        len: usize,
    },
    Message {
        left: u64,
    },
    Trailers {
        left: u64,
    },
    /// Where the next message begins is not known any more.
    Lost,
}

const PREFIX_BYTES: usize = 5;
const BETWEEN: State = State::Prefix { bytes: [0; PREFIX_BYTES], len: 0 };
const FLAG_COMPRESSED: u8 = 1;
const FLAG_TRAILERS: u8 = 0x80;

impl Reader {
    /// Of a body that begins. `of_response`: trailers may stand in it.
    #[must_use]
    pub fn new(framing: Framing, of_response: bool) -> Self {
        Self {
            framing,
            trailers_max: if of_response && framing != Framing::Native {
                GRPC_WEB_TRAILERS_BYTES_MAX
            } else {
                0
            },
            state: BETWEEN,
            messages: Messages::default(),
            base64: Base64::default(),
            trailers: Vec::new(),
            is_malformed: false,
        }
    }

    /// The next bytes of the body.
    pub fn data(&mut self, bytes: &[u8]) {
        if self.framing != Framing::WebText {
            return self.push(bytes);
        }
        for byte in bytes {
            let quad = self.base64.digit(*byte);
            if self.base64.is_broken {
                return self.give_up();
            }
            if let Some(quad) = quad {
                self.push(quad.as_slice());
            }
        }
    }

    /// Bytes of the body are missing; how many, if that is known.
    pub fn missing(&mut self, len: Option<u64>) {
        match (&mut self.state, len) {
            (State::Message { left }, Some(len)) if len <= *left && self.framing != Framing::WebText => {
                *left -= len;
                self.messages.bytes += len;
                self.end_if_passed();
            }
            _ => self.state = State::Lost,
        }
    }

    /// Nothing was counted since the counts were last taken.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.messages.count == 0 && self.messages.bytes == 0
    }

    /// Its messages are counted up to a place where none begins.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        self.is_malformed
    }

    /// What was counted since this was last asked.
    pub fn take(&mut self) -> Messages {
        std::mem::take(&mut self.messages)
    }

    /// Bytes of memory that it may take, itself included.
    #[must_use]
    pub const fn memory_max(&self) -> usize {
        size_of::<Self>() + self.trailers_max
    }

    /// A field of the trailers of gRPC-Web, by its name in lower case. Only a line that has ended says something.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&[u8]> {
        self.trailers.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
            let line = line.strip_suffix(b"\n")?;
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (field, value) = (line.get(..colon)?, line.get(colon + 1..)?);
            field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
        })
    }

    fn push(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.state {
                State::Prefix { bytes: prefix, len } => {
                    if let Some(place) = prefix.get_mut(*len) {
                        *place = *first;
                    }
                    *len += 1;
                    bytes = rest;
                    if *len == PREFIX_BYTES {
                        let prefix = *prefix;
                        self.begin(prefix);
                    }
                }
                State::Message { left } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    self.messages.bytes += taken as u64;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    self.end_if_passed();
                }
                State::Trailers { left } => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    let (taken, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
                    let room = self.trailers_max.saturating_sub(self.trailers.len());
                    self.trailers.extend_from_slice(taken.get(..room.min(taken.len())).unwrap_or_default());
                    bytes = rest;
                    self.end_if_passed();
                }
                State::Lost => return,
            }
        }
    }

    fn begin(&mut self, [flags, length @ ..]: [u8; PREFIX_BYTES]) {
        let left = u64::from(u32::from_be_bytes(length));
        let is_web = self.framing != Framing::Native;
        self.state = match flags {
            0 | FLAG_COMPRESSED => {
                self.messages.count += 1;
                self.messages.compressed += u64::from(flags);
                State::Message { left }
            }
            FLAG_TRAILERS if is_web => State::Trailers { left },
            _ => return self.give_up(),
        };
        self.end_if_passed();
    }

    fn give_up(&mut self) {
        self.is_malformed |= self.state != State::Lost;
        self.state = State::Lost;
    }

    fn end_if_passed(&mut self) {
        if matches!(self.state, State::Message { left: 0 } | State::Trailers { left: 0 }) {
            self.state = BETWEEN;
        }
    }
}

/// Base64 in pieces of any length (RFC 4648 §4); padding may stand in the middle, where one encoded piece ends.
#[derive(Clone, Copy, Debug, Default)]
struct Base64 {
    bits: u32,
    digits: u32,
    padding: u32,
    is_broken: bool,
}

/// At most three decoded bytes.
#[derive(Clone, Copy, Debug)]
struct Quad {
    bytes: [u8; 3],
    len: usize,
}

impl Quad {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Base64 {
    fn digit(&mut self, byte: u8) -> Option<Quad> {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => 0,
            b'\r' | b'\n' => return None,
            _ => {
                self.is_broken = true;
                return None;
            }
        };
        self.is_broken |= byte != b'=' && self.padding > 0;
        self.padding += u32::from(byte == b'=');
        self.bits = self.bits << 6 | u32::from(value);
        self.digits += 1;
        if self.digits < 4 {
            return None;
        }
        let [_, bytes @ ..] = self.bits.to_be_bytes();
        let len = 3_u32.saturating_sub(self.padding) as usize;
        self.is_broken |= self.padding > 2;
        *self = Self { is_broken: self.is_broken, ..Self::default() };
        Some(Quad { bytes, len })
    }
}

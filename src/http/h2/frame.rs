//! The head of a frame (RFC 9113 §4.1), and what can be none.
//!
//! ```text
//! | length: 3 bytes | type: 1 | flags: 1 | reserved: 1 bit, stream id: 31 bits | payload … |
//! ```

/// Bytes of a frame's head.
pub const HEAD_BYTES: usize = 9;
/// What the client says first (§3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest payload before anybody allows more (§6.5.2).
pub const PAYLOAD_BYTES_DEFAULT: u32 = 1 << 14;

/// Frame types (§6).
pub mod kind {
    #![expect(missing_docs, reason = "the names of the RFC")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    /// RFC 7838 §4, RFC 8336 §2, RFC 9218 §7.2: the extensions that are in use.
    pub const EXTENSIONS: [u8; 3] = [0x0a, 0x0c, 0x10];
}

/// Flags (§6); ACK has the bit of END_STREAM.
pub mod flag {
    #![expect(missing_docs, reason = "the names of the RFC")]
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload.
    pub length: u32,
    /// What it is.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Its stream; zero for the connection.
    pub stream: u32,
}

impl Header {
    /// Reads the nine bytes. The reserved bit means nothing (§4.1).
    #[must_use]
    #[inline]
    pub const fn parse(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s & 0x7f, t, u, v]),
        }
    }

    /// A flag is set.
    #[must_use]
    #[inline]
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Size and stream are such as the RFC lets them be; anything else is an error of the whole connection (§5.4.1).
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        let on_stream = self.stream != 0;
        match self.kind {
            kind::DATA => on_stream && (!self.has(flag::PADDED) || self.length >= 1),
            kind::HEADERS => {
                let least = self.has(flag::PADDED) as u32 + if self.has(flag::PRIORITY) { 5 } else { 0 };
                on_stream && self.length >= least
            }
            kind::PRIORITY => on_stream && self.length == 5,
            kind::RST_STREAM => on_stream && self.length == 4,
            kind::SETTINGS => {
                !on_stream && self.length.is_multiple_of(6) && (!self.has(flag::ACK) || self.length == 0)
            }
            kind::PUSH_PROMISE => on_stream && self.length >= 4,
            kind::PING => !on_stream && self.length == 8,
            kind::GOAWAY => !on_stream && self.length >= 8,
            kind::WINDOW_UPDATE => self.length == 4,
            kind::CONTINUATION => on_stream,
            _ => true,
        }
    }

    /// The flags that a frame of this type may have.
    #[must_use]
    pub const fn flags_allowed(&self) -> u8 {
        match self.kind {
            kind::DATA => flag::END_STREAM | flag::PADDED,
            kind::HEADERS => flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
            kind::SETTINGS | kind::PING => flag::ACK,
            kind::PUSH_PROMISE => flag::END_HEADERS | flag::PADDED,
            kind::CONTINUATION => flag::END_HEADERS,
            _ => 0,
        }
    }

    /// One header block begins and ends in it.
    #[must_use]
    pub const fn is_whole_block(&self) -> bool {
        self.kind == kind::HEADERS && self.has(flag::END_HEADERS)
    }

    /// What the payload carries, without what stands in front of that, and the padding behind. `None`: there can be no such
    /// payload; padding is zero (§6.1), though nobody has to insist on that where a frame is known to begin.
    #[must_use]
    pub fn content<'a>(&self, payload: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (mut rest, mut padding) = (payload, 0);
        if matches!(self.kind, kind::DATA | kind::HEADERS | kind::PUSH_PROMISE) && self.has(flag::PADDED) {
            let (first, behind) = rest.split_first()?;
            (padding, rest) = (usize::from(*first), behind);
        }
        if self.kind == kind::HEADERS && self.has(flag::PRIORITY) {
            rest = rest.get(5..)?;
        }
        let (content, padding) = rest.split_at_checked(rest.len().checked_sub(padding)?)?;
        padding.iter().all(|byte| *byte == 0).then_some((content, padding))
    }

    /// A header block begins or goes on, and does not end in this frame.
    #[must_use]
    pub const fn leaves_block_open(&self) -> bool {
        matches!(self.kind, kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION)
            && !self.has(flag::END_HEADERS)
    }

    /// Whether bytes that may be anything look like the head of a frame: stricter than what has to be borne where a frame
    /// is known to begin. `payload_max` is what the sender may send at most.
    #[must_use]
    pub fn is_plausible(&self, bytes: &[u8; HEAD_BYTES], payload_max: u32) -> bool {
        let allowed = self.flags_allowed();
        let known = self.kind <= kind::CONTINUATION || kind::EXTENSIONS.contains(&self.kind);
        let says_something = match self.kind {
            // an empty one without a flag would be nine bytes of nearly nothing: many binary formats have those
            kind::DATA => self.length > 0 || self.has(flag::END_STREAM),
            kind::HEADERS | kind::CONTINUATION => self.length > 0,
            kind::SETTINGS => self.length > 0 || self.has(flag::ACK),
            _ => true,
        };
        known
            && says_something
            && self.is_valid()
            && self.length <= payload_max
            && self.flags & !allowed == 0
            && bytes[5] & 0x80 == 0
            // clients open the odd ones; the even ones are pushed, which hardly anybody does (§5.1.1)
            && (self.stream % 2 == 1 || self.stream == 0 || self.kind == kind::WINDOW_UPDATE)
    }
}

/// The first frame of a server is SETTINGS without ACK (§3.4).
#[must_use]
pub fn begins_server(bytes: &[u8]) -> bool {
    const SETTINGS_MAX: u32 = 64;
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return false };
    let header = Header::parse(head);
    header.kind == kind::SETTINGS
        && header.flags == 0
        && header.is_valid()
        && header.length <= 6 * SETTINGS_MAX
        && bytes[5] & 0x80 == 0
}

//! The fields of one header block, as text in one buffer with spans into it.

use crate::call::{Anomalies, HeaderSpan, Span};

/// Pseudo-header fields (RFC 9113 §8.3) apart from the others, which stand in order. A field that hangs on an unknown
/// entry keeps its place.
#[derive(Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    /// The fields that are no pseudo-headers.
    pub headers: Vec<HeaderSpan>,
    /// `:method`
    pub method: Option<Span>,
    /// `:path`
    pub path: Option<Span>,
    /// `:authority`
    pub authority: Option<Span>,
    /// `:scheme`
    pub scheme: Option<Span>,
    /// `:protocol` (RFC 8441 §4)
    pub protocol: Option<Span>,
    /// `:status`
    pub status: Option<u16>,
    /// A pseudo-header field stands in it.
    pub has_pseudo: bool,
    /// Fields that are not known.
    pub unknown: u32,
    /// What is odd about them.
    pub anomalies: Anomalies,
    /// A byte needs escaping in JSON.
    odd_bytes: bool,
    /// A field that is known and no pseudo-header stands in it.
    has_header: bool,
}

impl Fields {
    /// Makes it empty, keeping its memory.
    pub fn clear(&mut self) {
        let (mut text, mut headers) = (std::mem::take(&mut self.text), std::mem::take(&mut self.headers));
        text.clear();
        headers.clear();
        *self = Self { text, headers, ..Self::default() };
    }

    /// The text that the spans are of.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// No byte of it needs escaping in JSON, and no field is unknown.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        !self.odd_bytes && self.unknown == 0
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.text.capacity() + self.headers.capacity() * size_of::<HeaderSpan>()
    }

    /// The first field of that name (in lower case).
    #[must_use]
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.headers.iter().find(|header| header.name.of(&self.text) == name)?;
        Some(found.value.of(&self.text))
    }

    /// A field of a table, which was looked at when it came there.
    pub(super) fn push(&mut self, field: &Field<'_>) {
        let start = self.begin();
        self.text.extend_from_slice(field.text);
        self.place(start, start + field.name_bytes, field.traits);
    }

    pub(super) fn push_unknown(&mut self) {
        self.unknown += 1;
        self.headers.push(HeaderSpan::UNKNOWN);
    }

    pub(super) const fn text_mut(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    pub(super) const fn begin(&self) -> usize {
        self.text.len()
    }

    /// The name ends here.
    pub(super) fn colon(&mut self) -> usize {
        self.text.push(b':');
        self.text.len() - 1
    }

    pub(super) fn cut(&mut self, start: usize) {
        self.text.truncate(start);
    }

    /// The value ends here: what field is it? `name`: what is known of the name, if it stands in a table.
    pub(super) fn close(&mut self, start: usize, colon: usize, name: Option<Traits>) -> Field<'_> {
        let field = self.text.get(start..).unwrap_or_default();
        let name_bytes = colon - start;
        let (name_text, value) = field.split_at_checked(name_bytes).unwrap_or_default();
        let mut traits = name.unwrap_or_else(|| Traits::of_name(name_text));
        let is_plain = !traits.is_invalid && traits.kind != Kind::OtherPseudo;
        let looked_at = if is_plain { value } else { field };
        traits.odd_bytes = looked_at.iter().fold(false, |odd, byte| odd | needs_care(*byte));
        self.place(start, colon, traits);
        Field { text: self.text.get(start..).unwrap_or_default(), name_bytes, traits }
    }

    /// Notes the field that is the last of the text.
    fn place(&mut self, start: usize, colon: usize, traits: Traits) {
        let end = self.text.len();
        let name = Span { start: start as u32, end: colon as u32 };
        let value = Span { start: colon as u32 + 1, end: end as u32 };
        self.odd_bytes |= traits.odd_bytes;
        if traits.kind == Kind::Header {
            self.headers.push(HeaderSpan { name, value });
            self.has_header = true;
            if traits.is_invalid {
                self.anomalies.insert(Anomalies::INVALID_HEADER);
            }
        } else {
            self.pseudo(traits.kind, value);
        }
    }

    fn pseudo(&mut self, kind: Kind, value: Span) {
        if self.has_header {
            // RFC 9113 §8.3: they stand before all others
            self.anomalies.insert(Anomalies::INVALID_HEADER);
        }
        let mut known = true;
        let twice = match kind {
            Kind::Method => again(&mut self.method, value),
            Kind::Path => again(&mut self.path, value),
            Kind::Authority => again(&mut self.authority, value),
            Kind::Scheme => again(&mut self.scheme, value),
            Kind::Protocol => again(&mut self.protocol, value),
            Kind::Status => match status(value.of(&self.text)) {
                Some(status) => again(&mut self.status, status),
                None => {
                    known = false;
                    self.status.is_some()
                }
            },
            Kind::OtherPseudo | Kind::Header => {
                known = false;
                false
            }
        };
        if twice || !known {
            self.anomalies.insert(Anomalies::INVALID_START_LINE);
        }
        self.has_pseudo |= known;
    }
}

/// A field, as it stands in a table: name, colon, value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) text: &'a [u8],
    pub(super) name_bytes: usize,
    pub(super) traits: Traits,
}

impl<'a> Field<'a> {
    pub(super) fn name(&self) -> &'a [u8] {
        self.text.get(..self.name_bytes).unwrap_or_default()
    }
}

/// What is to be known of a field, so that it is looked at once, when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) kind: Kind,
    /// It can't be the name of a header.
    pub(super) is_invalid: bool,
    /// A byte needs escaping in JSON.
    pub(super) odd_bytes: bool,
}

/// What the name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Header,
    Method,
    Path,
    Authority,
    Scheme,
    Protocol,
    Status,
    OtherPseudo,
}

impl Traits {
    /// Those of a name; what its bytes and those of the value need is left open.
    fn of_name(name: &[u8]) -> Self {
        let kind = Kind::of(name);
        let is_invalid = kind == Kind::Header
            && (name.is_empty() || name.iter().any(|byte| !NAME_BYTES[usize::from(*byte)]));
        Self { kind, is_invalid, odd_bytes: false }
    }
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":authority" => Self::Authority,
            b":scheme" => Self::Scheme,
            b":protocol" => Self::Protocol,
            b":status" => Self::Status,
            [b':', ..] => Self::OtherPseudo,
            _ => Self::Header,
        }
    }
}

/// Keeps the first value; whether there was one.
fn again<T>(slot: &mut Option<T>, value: T) -> bool {
    let again = slot.is_some();
    slot.get_or_insert(value);
    again
}

/// Three digits (RFC 9110 §15).
fn status(value: &[u8]) -> Option<u16> {
    match value {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// Token characters (RFC 9110 §5.6.2) but capitals, which HTTP/2 has not (RFC 9113 §8.2.1).
static NAME_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        allowed[byte] = matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!'
            | b'#'..=b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' | b'~');
        byte += 1;
    }
    allowed
};

const fn needs_care(byte: u8) -> bool {
    byte < 0x20 || byte > 0x7e || byte == b'"' || byte == b'\\'
}

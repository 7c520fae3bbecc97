//! One half of a call in its record: sizes, media type, header lines, facts.

use super::json::{Writer, member, optional};
use super::memo::Memo;
use super::redact::Redaction;
use super::text::{Hex, escaped, string};
use super::view::Body;
use crate::call::{Call, Facts, HeaderSpan, Leaf, Message, Messages, Seen, Span, Tally};
use crate::credential::Header;

impl Writer {
    /// Appends `name` and the half's object, if anything of it was seen.
    pub(super) fn half(
        &mut self,
        out: &mut Vec<u8>,
        name: &[u8],
        call: &Call,
        message: &Message,
        body: &Body<'_>,
        memo: &mut Memo,
    ) {
        if !message.seen {
            return;
        }
        out.extend_from_slice(name);
        let start = out.len();
        optional(out, b",\"head_bytes\":", message.head_bytes);
        optional(out, b",\"body_bytes\":", message.body_bytes);
        self.media_type(out, body);
        self.coding(out, call, message, body);
        out.extend_from_slice(b",\"headers\":");
        let first_line = out.len();
        match self.redaction {
            Redaction::None => headers_in_clear(out, call, message),
            Redaction::Standard => self.headers_masked(out, call, message, memo),
            Redaction::Strict => self.header_names(out, call, message),
        }
        match out.get_mut(first_line) {
            Some(comma) => *comma = b'[',
            None => out.push(b'['),
        }
        out.push(b']');
        if let Some(told) = &message.messages {
            messages(out, told);
        }
        if let Some(facts) = &message.facts {
            self.facts(out, facts);
        }
        out.push(b'}');
        // Every member begins with a comma, the first one known only here.
        if let Some(comma) = out.get_mut(start) {
            *comma = b'{';
        }
    }

    fn media_type(&mut self, out: &mut Vec<u8>, body: &Body<'_>) {
        match body.media_type {
            Seen::Known(value) => {
                if let Some(value) = media_type_shown(self.redaction, value) {
                    out.extend_from_slice(b",\"media_type\":");
                    self.text(out, value);
                }
            }
            Seen::None => out.extend_from_slice(b",\"media_type\":null"),
            Seen::Unknown => {}
        }
    }

    fn coding(&mut self, out: &mut Vec<u8>, call: &Call, message: &Message, body: &Body<'_>) {
        let Seen::Known(first) = body.coding else {
            if body.coding == Seen::None {
                out.extend_from_slice(b",\"coding\":null");
            }
            return;
        };
        let joined;
        let mut value = first;
        if body.codings > 1 {
            // RFC 9110 §5.3: several lines mean the same as one with a comma between.
            let lines: Vec<&[u8]> = call
                .headers_of(message)
                .filter(|(name, _)| Header::of(name) == Header::ContentEncoding)
                .map(|(_, value)| value)
                .collect();
            joined = lines.join(b", ".as_slice());
            value = &joined;
        }
        let is_list = || value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_, ".contains(byte));
        if self.redaction != Redaction::Strict || value.len() <= CODING_BYTES_MAX && is_list() {
            out.extend_from_slice(b",\"coding\":");
            self.text(out, value);
        }
    }

    fn headers_masked(&mut self, out: &mut Vec<u8>, call: &Call, message: &Message, memo: &mut Memo) {
        for line in call.headers.get(message.headers.clone()).unwrap_or_default() {
            if !line.name.is_known() {
                out.extend_from_slice(UNKNOWN_LINE);
                continue;
            }
            let value = line.value.of(&call.buffer);
            out.extend_from_slice(b",[\"");
            let header = self.header_name(out, &call.buffer, line);
            out.extend_from_slice(b"\",\"");
            let is_credential = !matches!(
                header,
                Header::Ordinary
                    | Header::Host
                    | Header::ContentType
                    | Header::ContentEncoding
                    | Header::SetCookie
            );
            if is_credential && let Some(text) = memo.shown(header, value) {
                out.extend_from_slice(text);
            } else {
                self.shown.clear();
                if self.redactor.header(header, value, &mut self.shown) {
                    let before = out.len();
                    escaped(out, &self.shown);
                    if is_credential {
                        memo.keep_shown(header, value, out.get(before..).unwrap_or_default());
                    }
                } else {
                    escaped(out, value);
                }
            }
            out.extend_from_slice(b"\"]");
        }
    }

    fn header_names(&mut self, out: &mut Vec<u8>, call: &Call, message: &Message) {
        for line in call.headers.get(message.headers.clone()).unwrap_or_default() {
            if !line.name.is_known() {
                out.extend_from_slice(UNKNOWN_LINE);
                continue;
            }
            out.extend_from_slice(b",[\"");
            self.header_name(out, &call.buffer, line);
            out.extend_from_slice(b"\"]");
        }
    }

    /// Appends the name of a line, and says what it means; of a line that is no header the mask of what stands in its
    /// place, which may be all of the line: `Authorization Bearer s3cret`.
    fn header_name(&mut self, out: &mut Vec<u8>, buffer: &[u8], line: &HeaderSpan) -> Header {
        let name = line.name.of(buffer);
        let header = if has_colon(buffer, line) { self.names.of(name) } else { Header::Invalid };
        self.shown.clear();
        if header == Header::Invalid && self.redactor.header(header, name, &mut self.shown) {
            escaped(out, &self.shown);
        } else {
            escaped(out, name);
        }
        header
    }

    fn facts(&mut self, out: &mut Vec<u8>, facts: &Facts) {
        out.extend_from_slice(b",\"facts\":{\"leaves\":[");
        for (index, leaf) in facts.leaves.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"{\"at\":" } else { b",{\"at\":" });
            let shown = self.leaf_shown(leaf);
            string(out, &shown.at);
            member(out, b",\"len\":", leaf.len);
            out.extend_from_slice(b",\"classes\":[");
            for (index, class) in leaf.classes.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string(out, class.as_bytes());
            }
            out.extend_from_slice(b"],\"fingerprint\":\"");
            out.extend_from_slice(Hex::of_64(leaf.fingerprint).as_bytes());
            out.extend_from_slice(b"\",\"masked\":");
            string(out, &shown.masked);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }

    /// What of a leaf's place and text may be shown.
    pub(super) fn leaf_shown(&mut self, leaf: &Leaf) -> LeafShown {
        let (mut at, masked) = (leaf.at.as_bytes(), leaf.masked.as_bytes());
        if self.redaction != Redaction::None
            && at.strip_prefix(b"header ").is_some_and(|name| self.names.of(name) == Header::Invalid)
        {
            at = b"header";
        }
        match self.redaction {
            Redaction::None => LeafShown { at: at.to_vec(), masked: masked.to_vec() },
            Redaction::Standard => {
                let mut shown = Vec::new();
                let at = if self.redactor.text(at, &mut shown) { shown } else { at.to_vec() };
                LeafShown { at, masked: masked.to_vec() }
            }
            Redaction::Strict => {
                // Keys of a body and names of parameters may be values of somebody; names of headers are shown.
                let is_plain = at.starts_with(b"path ") || at.starts_with(b"header ");
                let word = at.split(|&byte| byte == b' ').next().unwrap_or_default();
                let class = leaf.classes.first().map_or("", String::as_str);
                LeafShown {
                    at: if is_plain { at } else { word }.to_vec(),
                    masked: format!("({class})").into_bytes(),
                }
            }
        }
    }
}

/// A leaf's place and masked text as they may be shown.
pub(super) struct LeafShown {
    pub(super) at: Vec<u8>,
    pub(super) masked: Vec<u8>,
}

/// In place of a header line that was sent and is not known.
const UNKNOWN_LINE: &[u8] = b",[null,null]";
/// The longest list of content codings that `strict` shows.
const CODING_BYTES_MAX: usize = 64;
/// The longest media type that `strict` shows: RFC 6838 §4.2 gives type and subtype 127 characters each.
const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// Under `strict` type and subtype without parameters, if they are that; else the value as it stands.
pub(super) fn media_type_shown(redaction: Redaction, value: &[u8]) -> Option<&[u8]> {
    if redaction != Redaction::Strict {
        return Some(value);
    }
    let essence = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-/*".contains(byte);
    let fits =
        essence.len() <= MEDIA_TYPE_BYTES_MAX && essence.iter().filter(|&&byte| byte == b'/').count() == 1;
    (fits && essence.iter().all(is_name)).then_some(essence)
}

/// Appends the counts of messages.
fn messages(out: &mut Vec<u8>, messages: &Messages) {
    member(out, b",\"messages\":{\"count\":", messages.count);
    member(out, b",\"bytes\":", messages.bytes);
    member(out, b",\"compressed\":", messages.compressed);
    if let Some(opcodes) = &messages.opcodes {
        let kinds: [(&[u8], Tally); 5] = [
            (b",\"text\":{\"count\":", opcodes.text),
            (b",\"binary\":{\"count\":", opcodes.binary),
            (b",\"close\":{\"count\":", opcodes.close),
            (b",\"ping\":{\"count\":", opcodes.ping),
            (b",\"pong\":{\"count\":", opcodes.pong),
        ];
        for (name, tally) in kinds.into_iter().filter(|(_, tally)| tally.count > 0 || tally.bytes > 0) {
            member(out, name, tally.count);
            member(out, b",\"bytes\":", tally.bytes);
            out.push(b'}');
        }
        optional(out, b",\"close_code\":", opcodes.close_code.map(u64::from));
    }
    out.push(b'}');
}

/// Each line begins with a comma, of which the caller makes the bracket of the list.
fn headers_in_clear(out: &mut Vec<u8>, call: &Call, message: &Message) {
    if message.plain {
        return plain_headers(out, call, message);
    }
    for line in call.headers.get(message.headers.clone()).unwrap_or_default() {
        if !line.name.is_known() {
            out.extend_from_slice(UNKNOWN_LINE);
            continue;
        }
        let (name, value) = (line.name.of(&call.buffer), line.value.of(&call.buffer));
        out.extend_from_slice(b",[\"");
        escaped(out, name);
        out.extend_from_slice(b"\",\"");
        escaped(out, value);
        out.extend_from_slice(b"\"]");
    }
}

/// A head without a byte that needs escaping is copied piece by piece, most pieces by one move of fixed size.
fn plain_headers(out: &mut Vec<u8>, call: &Call, message: &Message) {
    let buffer = call.buffer.as_slice();
    for header in call.headers.get(message.headers.clone()).unwrap_or_default() {
        out.extend_from_slice(b",[\"");
        copy_short(out, buffer, header.name);
        out.extend_from_slice(b"\",\"");
        copy_short(out, buffer, header.value);
        out.extend_from_slice(b"\"]");
    }
}

/// Appends a part of `buffer`. A short one is copied with what follows it, which is cut off again: a move of fixed
/// size costs less than one of any size.
#[inline]
fn copy_short(out: &mut Vec<u8>, buffer: &[u8], span: Span) {
    const SHORT: usize = 32;
    let (start, length) = (span.start as usize, span.end.saturating_sub(span.start) as usize);
    match buffer.get(start..).and_then(|rest| rest.first_chunk::<SHORT>()) {
        Some(chunk) if length <= SHORT => {
            let end = out.len() + length;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(span.of(buffer)),
    }
}

/// A colon stands between name and value. A line without one is all name, even where it is one word.
fn has_colon(buffer: &[u8], line: &HeaderSpan) -> bool {
    let between = buffer.get(line.name.end as usize..line.value.start as usize).unwrap_or_default();
    between.contains(&b':')
}

//! The dynamic table behind the static one (RFC 7541 §2.3), of which the older part may be unknown.

use std::collections::VecDeque;

use super::fields::{Field, Kind, Traits};
use crate::limits::HPACK_TABLE_BYTES_MAX;

/// §4.1: what an entry counts beside its name and value.
const ENTRY_BYTES: usize = 32;
/// §4.2, RFC 9113 §6.5.2: the size before anybody says another.
const CAPACITY_DEFAULT: usize = 4096;
/// The least by which the text, and the list of entries, grow. Tables of idle connections are to be small, so they grow by a
/// quarter of what they hold.
const TEXT_BYTES_MORE: usize = 128;
const ENTRIES_MORE: usize = 4;

/// One entry: its text, name and colon and value, begins at `at`, counted over the life of the table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u32,
    name_bytes: u16,
    value_bytes: u16,
    /// `None`: its name was not known when it was inserted, so neither is it.
    traits: Option<Traits>,
}

const _: () = assert!(HPACK_TABLE_BYTES_MAX <= ENTRY_BYTES + u16::MAX as usize, "an entry's sizes fit");

impl Entry {
    /// Bytes of its text.
    const fn text_bytes(&self) -> usize {
        if self.traits.is_none() { 0 } else { self.name_bytes as usize + 1 + self.value_bytes as usize }
    }

    /// What it counts.
    const fn bytes(&self) -> usize {
        ENTRY_BYTES + self.name_bytes as usize + self.value_bytes as usize
    }
}

/// Which entries there are behind those that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Older {
    /// None: the table was read from its beginning, or everything older was pushed out since.
    Nothing,
    /// Any number, unknown.
    Unknown,
}

/// The table of one direction.
#[derive(Debug)]
pub struct Table {
    /// Newest first.
    entries: VecDeque<Entry>,
    text: Vec<u8>,
    /// Where the text begins, counted as entries count.
    base: u32,
    /// Size of the entries as §4.1 counts.
    bytes: usize,
    /// What its user may put into it; `None` when an update of it may have been missed.
    capacity: Option<usize>,
    older: Older,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            text: Vec::new(),
            base: 0,
            bytes: 0,
            capacity: Some(CAPACITY_DEFAULT),
            older: Older::Nothing,
        }
    }
}

impl Table {
    /// Something was missed: what is in the table is unknown from here on.
    pub fn forget(&mut self) {
        self.entries.clear();
        self.text.clear();
        self.bytes = 0;
        self.capacity = None;
        self.older = Older::Unknown;
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.text.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// The entry at an index: `None` if there can be none, `Some(None)` if it is not known.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<Option<Field<'_>>> {
        if let Some(entry) = STATIC.get(index.checked_sub(1)?) {
            return Some(Some(*entry));
        }
        match self.entries.get(index - 1 - STATIC.len()) {
            Some(entry) => Some(entry.traits.map(|traits| self.field(entry, traits))),
            None if self.older == Older::Unknown => Some(None),
            None => None,
        }
    }

    pub(super) fn insert(&mut self, field: &Field<'_>) {
        let value_bytes = field.text.len() - 1 - field.name_bytes;
        if self.make_room(ENTRY_BYTES + field.name_bytes + value_bytes) {
            let at = self.append(field.text);
            let (name_bytes, value_bytes) = (field.name_bytes as u16, value_bytes as u16);
            self.put(Entry { at, name_bytes, value_bytes, traits: Some(field.traits) });
        }
    }

    /// An entry of which the name is not known, so neither is its size: no more than the least is counted, so that
    /// nothing is dropped too early.
    pub(super) fn insert_unknown(&mut self) {
        if self.make_room(ENTRY_BYTES) {
            let at = self.end();
            self.put(Entry { at, name_bytes: 0, value_bytes: 0, traits: None });
        }
    }

    /// A size update (§6.3).
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = Some(capacity);
        self.make_room(0);
        if capacity < ENTRY_BYTES {
            // nothing fits: that is known
            self.older = Older::Nothing;
        }
    }

    fn put(&mut self, entry: Entry) {
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact((self.entries.len() / 4).max(ENTRIES_MORE));
        }
        self.bytes += entry.bytes();
        self.entries.push_front(entry);
    }

    /// §4.3, §4.4: the oldest go until an entry of that size fits; all of them, if it does not fit even then.
    fn make_room(&mut self, bytes: usize) -> bool {
        let capacity = self.capacity.unwrap_or(HPACK_TABLE_BYTES_MAX).min(HPACK_TABLE_BYTES_MAX);
        let fits = bytes <= capacity;
        let mut is_full = !fits;
        while self.bytes > capacity.saturating_sub(bytes)
            && let Some(entry) = self.entries.pop_back()
        {
            self.bytes -= entry.bytes();
            is_full = true;
        }
        if is_full {
            let is_own_bound = self.capacity.is_none_or(|capacity| capacity > HPACK_TABLE_BYTES_MAX);
            self.older = if is_own_bound { Older::Unknown } else { Older::Nothing };
        }
        fits
    }

    /// Adds to the text; what of it was dropped makes room, where that is enough to be worth the way.
    fn append(&mut self, text: &[u8]) -> u32 {
        if self.text.capacity() - self.text.len() < text.len() {
            let begin = self.entries.back().map_or(self.end(), |oldest| oldest.at);
            let dropped = begin.wrapping_sub(self.base) as usize;
            if dropped * 4 >= self.text.len() {
                self.text.drain(..dropped.min(self.text.len()));
                self.base = begin;
            }
            if self.text.capacity() - self.text.len() < text.len() {
                self.text.reserve_exact(text.len().max(self.text.len() / 4).max(TEXT_BYTES_MORE));
            }
        }
        let at = self.end();
        self.text.extend_from_slice(text);
        at
    }

    /// Where the text ends, counted as entries count.
    const fn end(&self) -> u32 {
        self.base.wrapping_add(self.text.len() as u32)
    }

    fn field(&self, entry: &Entry, traits: Traits) -> Field<'_> {
        let text = self.text.get(entry.at.wrapping_sub(self.base) as usize..).unwrap_or_default();
        let text = text.get(..entry.text_bytes()).unwrap_or_default();
        Field { text, name_bytes: usize::from(entry.name_bytes), traits }
    }
}

/// A field of the static table: its name and its value, neither of which needs care.
macro_rules! field {
    ($kind:ident, $name:literal, $value:literal) => {
        Field {
            text: concat!($name, ":", $value).as_bytes(),
            name_bytes: $name.len(),
            traits: Traits { kind: Kind::$kind, is_invalid: false, odd_bytes: false },
        }
    };
}

/// RFC 7541, Appendix A.
const STATIC: [Field<'static>; 61] = [
    field!(Authority, ":authority", ""),
    field!(Method, ":method", "GET"),
    field!(Method, ":method", "POST"),
    field!(Path, ":path", "/"),
    field!(Path, ":path", "/index.html"),
    field!(Scheme, ":scheme", "http"),
    field!(Scheme, ":scheme", "https"),
    field!(Status, ":status", "200"),
    field!(Status, ":status", "204"),
    field!(Status, ":status", "206"),
    field!(Status, ":status", "304"),
    field!(Status, ":status", "400"),
    field!(Status, ":status", "404"),
    field!(Status, ":status", "500"),
    field!(Header, "accept-charset", ""),
    field!(Header, "accept-encoding", "gzip, deflate"),
    field!(Header, "accept-language", ""),
    field!(Header, "accept-ranges", ""),
    field!(Header, "accept", ""),
    field!(Header, "access-control-allow-origin", ""),
    field!(Header, "age", ""),
    field!(Header, "allow", ""),
    field!(Header, "authorization", ""),
    field!(Header, "cache-control", ""),
    field!(Header, "content-disposition", ""),
    field!(Header, "content-encoding", ""),
    field!(Header, "content-language", ""),
    field!(Header, "content-length", ""),
    field!(Header, "content-location", ""),
    field!(Header, "content-range", ""),
    field!(Header, "content-type", ""),
    field!(Header, "cookie", ""),
    field!(Header, "date", ""),
    field!(Header, "etag", ""),
    field!(Header, "expect", ""),
    field!(Header, "expires", ""),
    field!(Header, "from", ""),
    field!(Header, "host", ""),
    field!(Header, "if-match", ""),
    field!(Header, "if-modified-since", ""),
    field!(Header, "if-none-match", ""),
    field!(Header, "if-range", ""),
    field!(Header, "if-unmodified-since", ""),
    field!(Header, "last-modified", ""),
    field!(Header, "link", ""),
    field!(Header, "location", ""),
    field!(Header, "max-forwards", ""),
    field!(Header, "proxy-authenticate", ""),
    field!(Header, "proxy-authorization", ""),
    field!(Header, "range", ""),
    field!(Header, "referer", ""),
    field!(Header, "refresh", ""),
    field!(Header, "retry-after", ""),
    field!(Header, "server", ""),
    field!(Header, "set-cookie", ""),
    field!(Header, "strict-transport-security", ""),
    field!(Header, "transfer-encoding", ""),
    field!(Header, "user-agent", ""),
    field!(Header, "vary", ""),
    field!(Header, "via", ""),
    field!(Header, "www-authenticate", ""),
];

//! The dynamic table behind the static one (RFC 7541 §2.3), of which the older part may be unknown.

use std::collections::VecDeque;

use crate::limits::HPACK_TABLE_BYTES_MAX;

/// §4.1: what an entry counts beside its name and value.
const ENTRY_BYTES: usize = 32;
/// §4.2, RFC 9113 §6.5.2: the size before anybody says another.
const CAPACITY_DEFAULT: usize = 4096;
/// Bytes of dropped entries that may lie in front before they are cleared away.
const SLACK_BYTES: usize = 1024;

/// One entry: its text begins at `at`, counted over the life of the table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    name_bytes: u32,
    value_bytes: u32,
    /// Its name was not known when it was inserted, so neither is it.
    known: bool,
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
    base: u64,
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
        self.clear();
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
    pub(super) fn get(&self, index: usize) -> Option<Option<(&[u8], &[u8])>> {
        if let Some(entry) = STATIC.get(index.checked_sub(1)?) {
            return Some(Some(*entry));
        }
        match self.entries.get(index - 1 - STATIC.len()) {
            Some(entry) if entry.known => Some(Some(self.text_of(entry))),
            Some(_) => Some(None),
            None if self.older == Older::Unknown => Some(None),
            None => None,
        }
    }

    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let at = self.base + self.text.len() as u64;
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.put(Entry { at, name_bytes: name.len() as u32, value_bytes: value.len() as u32, known: true });
    }

    /// An entry of which the name is not known, so neither is its size: no more than the least is counted, so that
    /// nothing is dropped too early.
    pub(super) fn insert_unknown(&mut self) {
        let at = self.base + self.text.len() as u64;
        self.put(Entry { at, name_bytes: 0, value_bytes: 0, known: false });
    }

    /// A size update (§6.3).
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = Some(capacity);
        self.evict();
        if capacity < ENTRY_BYTES {
            // nothing fits: that is known
            self.older = Older::Nothing;
        }
    }

    fn put(&mut self, entry: Entry) {
        self.bytes += ENTRY_BYTES + (entry.name_bytes + entry.value_bytes) as usize;
        self.entries.push_front(entry);
        self.evict();
    }

    /// §4.3: the oldest go until the rest fits.
    fn evict(&mut self) {
        let capacity = self.capacity.unwrap_or(HPACK_TABLE_BYTES_MAX).min(HPACK_TABLE_BYTES_MAX);
        while self.bytes > capacity
            && let Some(entry) = self.entries.pop_back()
        {
            self.bytes -= ENTRY_BYTES + (entry.name_bytes + entry.value_bytes) as usize;
            let is_own_bound = self.capacity.is_none_or(|capacity| capacity > HPACK_TABLE_BYTES_MAX);
            self.older = if is_own_bound { Older::Unknown } else { Older::Nothing };
        }
        let begin = self.entries.back().map_or(self.base + self.text.len() as u64, |oldest| oldest.at);
        let dropped = (begin - self.base) as usize;
        if dropped > SLACK_BYTES && dropped > self.text.len() / 2 || dropped == self.text.len() {
            self.text.drain(..dropped);
            self.base = begin;
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.base += self.text.len() as u64;
        self.text.clear();
        self.bytes = 0;
    }

    fn text_of(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let text = self.text.get((entry.at - self.base) as usize..).unwrap_or_default();
        let (name, rest) = text.split_at_checked(entry.name_bytes as usize).unwrap_or_default();
        (name, rest.get(..entry.value_bytes as usize).unwrap_or_default())
    }
}

/// RFC 7541, Appendix A.
const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

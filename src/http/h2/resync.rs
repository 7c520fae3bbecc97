//! Where frames begin again behind a hole, or in a connection that was joined in its middle.
//!
//! Bytes are kept until in them stands a head that can be one, and others stand where its frame ends, and the next, until
//! it would be too great a chance that they only look so. How great it is depends on the bytes around: what a head has to
//! be is rare in text and in compressed data, where two heads are enough, and common among small numbers, where it takes
//! a row of them ([`Bits`]).

use memchr::memchr;

use super::frame::{HEAD_BYTES, Header, PAYLOAD_BYTES_DEFAULT, kind};
use super::hpack::{self, Fields, Table};
use crate::call::Anomalies;
use crate::flow::Data;
use crate::limits::{
    H2_SEARCH_BITS, H2_SEARCH_BLOCK_BYTES_MAX, H2_SEARCH_BYTES_MAX, H2_SEARCH_FRAMES_KEPT, H2_SEARCH_HEADS,
    H2_SEARCH_OPEN_MAX, H2_SEARCH_PIECES_MAX,
};

/// Bytes in which no frame was found yet.
#[derive(Debug, Default)]
pub struct Search {
    bytes: Vec<u8>,
    /// Where each piece begins in `bytes`, and where it came from.
    pieces: Vec<(usize, Data<'static>)>,
    /// Places at which a frame may begin, as far as its bytes are there, and how many have to be there to tell more.
    open: Vec<(usize, usize)>,
    /// Everything before this place was looked at.
    looked: usize,
    /// The longest payload that its sender is known to be allowed.
    payload_max: u32,
    /// How often each byte stands in `bytes`.
    counts: Vec<u32>,
    /// Bytes that were looked through so far: in more of them more look like frames.
    searched: u64,
}

/// What a look at one place showed.
enum Chain {
    /// No frame begins here.
    Broken,
    /// One may: what would follow is not there yet, up to this place.
    Open(usize),
    /// One does.
    Confirmed,
}

impl Search {
    /// `payload_max`: what the sender of the frames may send at most, as far as that was seen.
    #[must_use]
    pub fn new(payload_max: u32) -> Self {
        Self { payload_max: payload_max.max(PAYLOAD_BYTES_DEFAULT), ..Self::default() }
    }

    /// Bytes that follow those before.
    pub fn push(&mut self, data: &Data<'_>) {
        self.pieces.push((self.bytes.len(), Data { bytes: &[], ..*data }));
        self.bytes.extend_from_slice(data.bytes);
        self.searched += data.bytes.len() as u64;
        self.counts.resize(256, 0);
        for byte in data.bytes {
            if let Some(count) = self.counts.get_mut(usize::from(*byte)) {
                *count += 1;
            }
        }
    }

    /// What follows does not follow what came.
    pub fn gap(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.open.clear();
        self.counts.clear();
        self.looked = 0;
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.pieces.capacity() * size_of::<(usize, Data<'static>)>()
            + self.counts.capacity() * size_of::<u32>()
            + self.open.capacity() * size_of::<(usize, usize)>()
    }

    /// Nothing is kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where a frame begins, if that is certain by now. Each place is looked at once, but those that wait for bytes.
    pub fn find(&mut self) -> Option<usize> {
        let mut open = std::mem::take(&mut self.open);
        let mut found = None;
        open.retain_mut(|(at, needs)| {
            if self.bytes.len() < *needs {
                return true;
            }
            match self.chain(*at) {
                Chain::Confirmed => found = found.or(Some(*at)),
                Chain::Open(more) => *needs = more,
                Chain::Broken => return false,
            }
            true
        });
        self.open = open;
        // the first byte of a length that is believed here is zero
        while found.is_none()
            && let Some(zero) = memchr(0, self.bytes.get(self.looked..).unwrap_or_default())
        {
            let at = self.looked + zero;
            self.looked = at + 1;
            match self.chain(at) {
                Chain::Broken => {}
                Chain::Open(needs) => self.open.push((at, needs)),
                Chain::Confirmed => {
                    self.open.push((at, at));
                    found = Some(at);
                }
            }
        }
        if found.is_none() {
            self.looked = self.bytes.len();
            self.forget_oldest();
        }
        found
    }

    /// Where a frame begins, if nothing more comes: one that ends exactly where all ends is believed too.
    pub fn find_last(&mut self) -> Option<usize> {
        let ends_here = |at: &usize| {
            self.header(*at)
                .is_some_and(|header| at + HEAD_BYTES + header.length as usize == self.bytes.len())
        };
        self.open.iter().map(|(at, _)| *at).find(ends_here)
    }

    /// The pieces from that place on, as they came, and empties the search.
    pub fn take(&mut self, at: usize) -> Held {
        let held =
            Held { bytes: std::mem::take(&mut self.bytes), pieces: std::mem::take(&mut self.pieces), at };
        self.open.clear();
        self.counts.clear();
        self.looked = 0;
        held
    }

    fn chain(&self, first: usize) -> Chain {
        let (mut at, mut block, mut bits) = (first, None, None);
        loop {
            let Some(head) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<HEAD_BYTES>()) else {
                // first what it carries, then the head behind it
                return Chain::Open(if at > self.bytes.len() { at } else { at + HEAD_BYTES });
            };
            let header = Header::parse(head);
            let goes_on = header.kind == kind::CONTINUATION;
            // nothing stands inside a header block (RFC 9113 §4.3)
            let in_order = block.map_or(at == first || !goes_on, |stream| goes_on && header.stream == stream);
            if !in_order || !header.is_plausible(head, self.payload_max) {
                return Chain::Broken;
            }
            let bits = bits.get_or_insert_with(|| Bits::new(&self.counts, self.searched));
            let behind = at + HEAD_BYTES..at + HEAD_BYTES + header.length as usize;
            if let Some(payload) = self.bytes.get(behind) {
                let Some((content, padding)) = header.content(payload) else { return Chain::Broken };
                bits.leave_out(padding);
                if header.is_whole_block() && content.len() <= H2_SEARCH_BLOCK_BYTES_MAX {
                    if !is_block(content) {
                        return Chain::Broken;
                    }
                    bits.add_block(content);
                }
            }
            if bits.add(head, &header, self.payload_max) {
                return Chain::Confirmed;
            }
            block = header.leaves_block_open().then_some(header.stream);
            at += HEAD_BYTES + header.length as usize;
        }
    }

    fn header(&self, at: usize) -> Option<Header> {
        let bytes = self.bytes.get(at..)?.first_chunk::<HEAD_BYTES>()?;
        let header = Header::parse(bytes);
        header.is_plausible(bytes, self.payload_max).then_some(header)
    }

    /// No more is kept than a few of the longest frames need, from the first place on at which one may begin.
    fn forget_oldest(&mut self) {
        const CLEARED_AT_ONCE: usize = 4096;
        let most =
            (H2_SEARCH_FRAMES_KEPT * (self.payload_max as usize + HEAD_BYTES)).min(H2_SEARCH_BYTES_MAX);
        let mut least = if self.bytes.len() > 2 * most { self.bytes.len() - most } else { 0 };
        if self.pieces.len() > H2_SEARCH_PIECES_MAX {
            least = least.max(self.pieces.get(H2_SEARCH_PIECES_MAX / 2).map_or(0, |(start, _)| *start));
        }
        if self.open.len() > H2_SEARCH_OPEN_MAX {
            least = least.max(self.open.get(H2_SEARCH_OPEN_MAX / 2).map_or(0, |(at, _)| *at));
        }
        self.open.retain(|(at, _)| *at >= least);
        let dropped = self.open.first().map_or(self.bytes.len(), |(at, _)| *at);
        if dropped < CLEARED_AT_ONCE.min(self.bytes.len()) && least == 0 {
            return;
        }
        for byte in self.bytes.drain(..dropped) {
            if let Some(count) = self.counts.get_mut(usize::from(byte)) {
                *count -= 1;
            }
        }
        self.looked -= dropped;
        for (at, needs) in &mut self.open {
            (*at, *needs) = (*at - dropped, *needs - dropped);
        }
        let first = self.pieces.iter().rposition(|(start, _)| *start <= dropped).unwrap_or(0);
        self.pieces.drain(..if self.bytes.is_empty() { self.pieces.len() } else { first });
        for (start, place) in &mut self.pieces {
            let cut = dropped.saturating_sub(*start);
            place.offset += cut as u64;
            place.boundary &= cut == 0;
            *start = start.saturating_sub(dropped);
        }
    }
}

/// The bytes are HPACK, whatever its table holds.
fn is_block(bytes: &[u8]) -> bool {
    let (mut table, mut fields) = (Table::default(), Fields::default());
    table.forget();
    hpack::decode(&mut table, bytes, &mut fields).is_ok() && !fields.anomalies.has(Anomalies::INVALID_HEADER)
}

/// Bytes in which a frame was found.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    pieces: Vec<(usize, Data<'static>)>,
    at: usize,
}

impl Held {
    /// The pieces from that frame on.
    pub fn pieces(&self) -> impl Iterator<Item = Data<'_>> {
        let ends = self.pieces.iter().skip(1).map(|(start, _)| *start).chain([self.bytes.len()]);
        self.pieces.iter().zip(ends).filter(|(_, end)| *end > self.at).map(|((start, place), end)| {
            let begin = (*start).max(self.at);
            let cut = begin - start;
            Data {
                offset: place.offset + cut as u64,
                bytes: self.bytes.get(begin..end).unwrap_or_default(),
                boundary: place.boundary && cut == 0,
                ..*place
            }
        })
    }
}

/// How unlikely it is that bytes like those around look like the heads that were added: in quarters of a bit, each byte
/// taken for itself. All in whole numbers, so that every machine decides alike.
struct Bits<'a> {
    counts: &'a [u32],
    total: u32,
    /// Bytes of the heads themselves and of padding, which don't count as bytes around.
    own: [u32; 256],
    heads: u32,
    bits: u32,
    enough: u32,
    /// The upper half of the stream's id: that of its neighbours is nearly always the same.
    streams: Option<[u8; 2]>,
}

impl<'a> Bits<'a> {
    fn new(counts: &'a [u32], searched: u64) -> Self {
        Self {
            counts,
            total: counts.iter().sum(),
            own: [0; 256],
            heads: 0,
            bits: 0,
            enough: 4 * (H2_SEARCH_BITS + searched.max(1).ilog2()),
            streams: None,
        }
    }

    /// Adds the next head; whether they are enough.
    fn add(&mut self, head: &[u8; HEAD_BYTES], header: &Header, payload_max: u32) -> bool {
        for byte in head {
            if let Some(own) = self.own.get_mut(usize::from(*byte)) {
                *own += 1;
            }
        }
        self.heads += 1;
        self.total = self.total.saturating_sub(HEAD_BYTES as u32);
        let [_, middle, low, _, _, s, t, u, v] = *head;
        self.expect(0..=(payload_max >> 16).min(255) as u8);
        self.expect((0..=kind::CONTINUATION).chain(kind::EXTENSIONS));
        let allowed = header.flags_allowed();
        self.expect((0..=u8::MAX).filter(|flags| flags & !allowed == 0));
        if matches!(header.kind, kind::PRIORITY | kind::RST_STREAM | kind::PING | kind::WINDOW_UPDATE) {
            self.expect([middle]);
            self.expect([low]);
        }
        let as_before = self.streams == Some([s, t]);
        if header.stream == 0 {
            [s, t, u, v].into_iter().for_each(|byte| self.expect([byte]));
        } else {
            [s, t].into_iter().filter(|_| as_before).for_each(|byte| self.expect([byte]));
            self.streams = Some([s, t]);
        }
        self.heads >= 2 && self.bits >= self.enough || self.heads >= H2_SEARCH_HEADS
    }

    /// Padding of a frame: how often it is zero says nothing of other bytes.
    fn leave_out(&mut self, padding: &[u8]) {
        let [zeros, ..] = &mut self.own;
        *zeros += padding.len() as u32;
        self.total = self.total.saturating_sub(padding.len() as u32);
    }

    /// Adds a header block. Hardly a byte of one is small, and among small numbers hardly one is not.
    fn add_block(&mut self, block: &[u8]) {
        const SMALL: usize = 0x20;
        let large = |byte: &&u8| usize::from(**byte) >= SMALL;
        let number = block.iter().filter(large).count() as u32;
        let seen: u32 = self.counts.iter().skip(SMALL).sum::<u32>().saturating_sub(number);
        let total = self.total.saturating_sub(block.len() as u32);
        // as if 16 more bytes were there, of which two are small
        let odds = u128::from(total + 16) * 16 / u128::from(seen + 14);
        self.bits += number * odds.pow(4).ilog2().saturating_sub(16);
    }

    /// A byte is one of these.
    fn expect(&mut self, bytes: impl IntoIterator<Item = u8>) {
        let like = |byte: u8| {
            let at = usize::from(byte);
            let own = self.own.get(at).copied().unwrap_or(0);
            self.counts.get(at).map_or(0, |count| count.saturating_sub(own))
        };
        let (mut values, mut seen) = (0, 0);
        for byte in bytes {
            values += 1;
            seen += like(byte);
        }
        // as if each byte stood there once more, so that few bytes prove little
        let odds = u128::from(self.total + 256) * 16 / u128::from(seen + values);
        self.bits += odds.pow(4).ilog2().saturating_sub(16);
    }
}

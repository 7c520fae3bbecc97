//! Where frames begin again behind a hole, or in a connection that was joined in its middle.
//!
//! Bytes are kept until in them stands a head that can be one, and the next one stands where its frame ends. Two heads
//! hold some fifty bits that have to fit, so bytes that are none are hardly ever taken for them; in text, which has no
//! zeros, never.

use memchr::memchr;

use super::frame::{HEAD_BYTES, Header, PAYLOAD_BYTES_DEFAULT};
use crate::flow::Data;
use crate::limits::{H2_SEARCH_BYTES_MAX, H2_SEARCH_PIECES_MAX};

/// Bytes in which no frame was found yet.
#[derive(Debug, Default)]
pub struct Search {
    bytes: Vec<u8>,
    /// Where each piece begins in `bytes`, and where it came from.
    pieces: Vec<(usize, Data<'static>)>,
    /// No frame begins before this place.
    from: usize,
    /// The longest payload that its sender is known to be allowed.
    payload_max: u32,
}

/// What a look at one place showed.
enum Chain {
    /// No frame begins here.
    Broken,
    /// One may: what would follow is not there yet.
    Open,
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
    }

    /// What follows does not follow what came.
    pub fn gap(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.from = 0;
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.bytes.capacity() + self.pieces.capacity() * size_of::<(usize, Data<'static>)>()
    }

    /// Nothing is kept.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Where a frame begins, if that is certain by now.
    pub fn find(&mut self) -> Option<usize> {
        // the first byte of a length that is believed here is zero
        let mut open = None;
        let mut at = self.from;
        while let Some(zero) = memchr(0, self.bytes.get(at..).unwrap_or_default()) {
            at += zero;
            match self.chain(at) {
                Chain::Confirmed => return Some(at),
                Chain::Open => open = open.or(Some(at)),
                Chain::Broken => {}
            }
            at += 1;
        }
        self.from = open.unwrap_or(self.bytes.len());
        self.forget_oldest();
        None
    }

    /// Where a frame begins, if nothing more comes: one that ends exactly where all ends is believed too.
    pub fn find_last(&mut self) -> Option<usize> {
        (self.from..self.bytes.len()).find(|at| {
            self.header(*at)
                .is_some_and(|header| at + HEAD_BYTES + header.length as usize == self.bytes.len())
        })
    }

    /// The pieces from that place on, as they came, and empties the search.
    pub fn take(&mut self, at: usize) -> Held {
        let held =
            Held { bytes: std::mem::take(&mut self.bytes), pieces: std::mem::take(&mut self.pieces), at };
        self.from = 0;
        held
    }

    fn chain(&self, at: usize) -> Chain {
        let Some(header) = self.header(at) else {
            return if self.bytes.len() < at + HEAD_BYTES { Chain::Open } else { Chain::Broken };
        };
        let next = at + HEAD_BYTES + header.length as usize;
        if self.bytes.len() < next + HEAD_BYTES {
            return Chain::Open;
        }
        match self.header(next) {
            Some(_) => Chain::Confirmed,
            None => Chain::Broken,
        }
    }

    fn header(&self, at: usize) -> Option<Header> {
        let bytes = self.bytes.get(at..)?.first_chunk::<HEAD_BYTES>()?;
        let header = Header::parse(bytes);
        header.is_plausible(bytes, self.payload_max).then_some(header)
    }

    /// No more is kept than the longest frame needs.
    fn forget_oldest(&mut self) {
        const CLEARED_AT_ONCE: usize = 4096;
        let most = (self.payload_max as usize + 2 * HEAD_BYTES).min(H2_SEARCH_BYTES_MAX);
        if self.bytes.len() - self.from > 2 * most {
            self.from = self.bytes.len() - most;
        }
        if self.pieces.len() > H2_SEARCH_PIECES_MAX {
            let half = self.pieces.get(H2_SEARCH_PIECES_MAX / 2).map_or(0, |(start, _)| *start);
            self.from = self.from.max(half);
        }
        let dropped = self.from;
        if dropped < CLEARED_AT_ONCE.min(self.bytes.len()) && self.pieces.len() <= H2_SEARCH_PIECES_MAX {
            return;
        }
        self.from = 0;
        self.bytes.drain(..dropped);
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

//! Where frames begin again behind a hole, or in a connection that was joined in its middle.
//!
//! Bytes are kept until in them stands a head that can be one, and the next one stands where its frame ends. Two heads
//! hold some fifty bits that have to fit, so bytes that are none are hardly ever taken for them; in text, which has no
//! zeros, never.

use memchr::memchr;

use super::frame::{HEAD_BYTES, Header, PAYLOAD_BYTES_DEFAULT};
use crate::flow::Data;
use crate::limits::{H2_SEARCH_BYTES_MAX, H2_SEARCH_OPEN_MAX, H2_SEARCH_PIECES_MAX};

/// Bytes in which no frame was found yet.
#[derive(Debug, Default)]
pub struct Search {
    bytes: Vec<u8>,
    /// Where each piece begins in `bytes`, and where it came from.
    pieces: Vec<(usize, Data<'static>)>,
    /// Places at which a frame may begin, as far as its bytes are there.
    open: Vec<usize>,
    /// Everything before this place was looked at.
    looked: usize,
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
        self.open.clear();
        self.looked = 0;
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.pieces.capacity() * size_of::<(usize, Data<'static>)>()
            + self.open.capacity() * size_of::<usize>()
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
        open.retain(|at| match self.chain(*at) {
            Chain::Confirmed => {
                found = found.or(Some(*at));
                true
            }
            Chain::Open => true,
            Chain::Broken => false,
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
                Chain::Open => self.open.push(at),
                Chain::Confirmed => {
                    self.open.push(at);
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
        self.open.iter().copied().find(ends_here)
    }

    /// The pieces from that place on, as they came, and empties the search.
    pub fn take(&mut self, at: usize) -> Held {
        let held =
            Held { bytes: std::mem::take(&mut self.bytes), pieces: std::mem::take(&mut self.pieces), at };
        self.open.clear();
        self.looked = 0;
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

    /// No more is kept than the longest frame needs, from the first place on at which one may begin.
    fn forget_oldest(&mut self) {
        const CLEARED_AT_ONCE: usize = 4096;
        let most = (self.payload_max as usize + 2 * HEAD_BYTES).min(H2_SEARCH_BYTES_MAX);
        let mut least = if self.bytes.len() > 2 * most { self.bytes.len() - most } else { 0 };
        if self.pieces.len() > H2_SEARCH_PIECES_MAX {
            least = least.max(self.pieces.get(H2_SEARCH_PIECES_MAX / 2).map_or(0, |(start, _)| *start));
        }
        if self.open.len() > H2_SEARCH_OPEN_MAX {
            least = least.max(self.open.get(H2_SEARCH_OPEN_MAX / 2).copied().unwrap_or(0));
        }
        self.open.retain(|at| *at >= least);
        let dropped = self.open.first().copied().unwrap_or(self.bytes.len());
        if dropped < CLEARED_AT_ONCE.min(self.bytes.len()) && least == 0 {
            return;
        }
        self.bytes.drain(..dropped);
        self.looked -= dropped;
        self.open.iter_mut().for_each(|at| *at -= dropped);
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

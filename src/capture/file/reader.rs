//! One input → its frames, in the order in which they lie.
//!
//! The way of a packet that lies wholly in the block is short and inlined; everything else (the next block, headers,
//! damage, the end) goes through `advance_slowly`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::block::{Block, Located, Pool};
use super::decode::{Decoder, Skipped, Step};
use super::input::Stream;
use super::problem::{Fault, Part, Problem};
use super::{Counters, Secrets};
use crate::capture::LinkType;
use crate::limits;
use crate::time::Timestamp;

/// What readers share: where they write down what they met.
#[derive(Default)]
pub(super) struct Books {
    pub(super) problems: Vec<Problem>,
    /// Where a file first names a link type, as what would be said if that were not known.
    pub(super) links: Vec<Problem>,
    pub(super) secrets: Vec<Secrets>,
    secrets_bytes: usize,
    pub(super) pool: Pool,
}

impl Books {
    /// The secrets that were not handed out yet.
    pub(super) fn drain_secrets(&mut self) -> std::vec::Drain<'_, Secrets> {
        self.secrets_bytes = 0;
        self.secrets.drain(..)
    }
}

/// A reader of one input.
pub(super) struct Reader {
    path: PathBuf,
    stream: Stream,
    decoder: Decoder,
    block: Arc<Block>,
    /// Where the next packet begins in the block.
    at: usize,
    /// Where the block begins in the (unpacked) input.
    base: u64,
    block_bytes: usize,
    progress: Progress,
    ahead: Ahead,
    said: Said,
}

/// How far a reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// The stream goes on behind the block.
    Reading,
    /// The block is the last; an error says why.
    LastBlock(Option<Fault>),
    /// Nothing more is handed out.
    Done,
}

/// What is known of the times in the rest of the block.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    /// Up to here they do not step back.
    at: usize,
    /// The time of the last frame before `at`.
    newest: Timestamp,
    /// The next frame that steps back, and its time.
    step: Option<(usize, Timestamp)>,
}

/// What is said once for an input and counted then.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    interface: bool,
    secrets: bool,
    links: [Option<LinkType>; limits::LINK_TYPES_TOLD_MAX],
}

impl Reader {
    pub(super) fn new(path: &Path, stream: Stream, block_bytes: usize) -> Self {
        Self {
            path: path.to_path_buf(),
            stream,
            decoder: Decoder::Unknown,
            block: Arc::default(),
            at: 0,
            base: 0,
            block_bytes,
            progress: Progress::Reading,
            ahead: Ahead::default(),
            said: Said::default(),
        }
    }

    /// The next frame if it follows at once and lies in the block as a whole: the way of nearly all frames.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Located> {
        let (located, end) = match &mut self.decoder {
            Decoder::Pcap(pcap) => pcap.packet(self.block.bytes(), self.at)?,
            Decoder::Pcapng(pcapng) => pcapng.packet(self.block.bytes(), self.at)?,
            Decoder::Unknown => return None,
        };
        self.at = end;
        Some(located)
    }

    /// The next frame, or `None` at the end of what can be read.
    pub(super) fn advance_slowly(&mut self, counters: &mut Counters, books: &mut Books) -> Option<Located> {
        while self.progress != Progress::Done {
            match self.decoder.step(self.block.bytes(), self.at) {
                Step::Frame(located, len) => {
                    self.at += len;
                    return Some(located);
                }
                Step::Skip(len, what) => {
                    count_skipped(counters, what);
                    if what == Skipped::Head {
                        self.note_link(books);
                    }
                    if what == Skipped::Secrets {
                        self.leave_out_secrets(counters, books);
                    }
                    self.skip(len, books);
                }
                Step::Secrets { kind, start, bytes, len } => {
                    let start = self.at + start;
                    self.keep_secrets(kind, start..start + bytes, counters, books);
                    self.at += len;
                }
                Step::Unplaced(interface, len) => {
                    counters.unplaced += 1;
                    if !std::mem::replace(&mut self.said.interface, true) {
                        self.complain(Fault::Interface(interface), self.at, books);
                    }
                    self.at += len;
                }
                Step::More { need, inside } => {
                    if !self.refill(need, &mut books.pool) {
                        self.end(inside, need, books);
                    }
                }
                Step::Damaged(fault) => {
                    self.complain(fault, self.at, books);
                    self.finish();
                }
            }
        }
        None
    }

    /// When the frame that was just read is due: no later than a frame behind it in the block that steps back, as
    /// that must not wait for a time which its file already left. One stray time stamp would hold up the rest of
    /// its file otherwise, while other files pass by.
    pub(super) fn due(&mut self, head: &Located) -> Timestamp {
        let behind = |step: &(usize, Timestamp)| step.0 >= self.at;
        if self.ahead.step.filter(behind).is_none() {
            self.look_ahead(head.time);
        }
        self.ahead.step.map_or(head.time, |(_, time)| time.min(head.time))
    }

    fn look_ahead(&mut self, head: Timestamp) {
        let Ahead { at, newest, .. } = self.ahead;
        let (mut at, mut newest) = if at > self.at { (at, newest) } else { (self.at, head) };
        let mut step = None;
        while let Some((time, next)) = self.decoder.peek(self.block.bytes(), at) {
            match time {
                Some(time) if time < newest => {
                    step = Some((at, time));
                    break;
                }
                Some(time) => newest = time,
                None => {}
            }
            at = next;
        }
        self.ahead = Ahead { at, newest, step };
    }

    /// The block in which the last frame lies.
    #[inline]
    pub(super) fn block(&self) -> &Arc<Block> {
        &self.block
    }

    /// Gives the block back.
    pub(super) fn close(self, pool: &mut Pool) {
        pool.put(self.block);
    }

    /// It is pcapng.
    pub(super) const fn is_pcapng(&self) -> bool {
        matches!(self.decoder, Decoder::Pcapng(_))
    }

    /// It begins with a header that can be read.
    pub(super) fn recognised(&self) -> bool {
        match &self.decoder {
            Decoder::Pcap(_) => true,
            Decoder::Pcapng(pcapng) => pcapng.begun,
            Decoder::Unknown => false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes of the file as it lies were read.
    pub(super) fn position(&self) -> u64 {
        self.stream.position.load(Ordering::Relaxed)
    }

    /// Passes over `len` bytes, which need not be in one block.
    fn skip(&mut self, len: u64, books: &mut Books) {
        let (from, mut left) = (self.base + self.at as u64, len);
        loop {
            let here = left.min((self.block.bytes().len() - self.at) as u64);
            self.at += here as usize;
            left -= here;
            if left == 0 {
                return;
            }
            if !self.refill(1, &mut books.pool) {
                let cut = Fault::Cut { inside: Part::Block, have: len - left, need: len };
                self.stop(cut, from, books);
                return;
            }
        }
    }

    /// Moves what is left of the block to the front of the next and reads on; whether `need` bytes are there then.
    fn refill(&mut self, need: usize, pool: &mut Pool) -> bool {
        if self.progress == Progress::Reading {
            let size = need.max(self.block_bytes);
            self.base += self.at as u64;
            if let Some(own) = Arc::get_mut(&mut self.block) {
                own.restart_in_place(self.at, size);
            } else {
                let mut fresh = pool.take(size);
                fresh.restart(self.block.bytes().get(self.at..).unwrap_or_default(), size);
                pool.put(std::mem::replace(&mut self.block, Arc::new(fresh)));
            }
            self.at = 0;
            self.ahead = Ahead::default();
            // Nobody else holds the block: either it was so, or it is new.
            let filled = Arc::get_mut(&mut self.block).map(|own| own.fill(&mut self.stream.bytes));
            match filled {
                Some(Ok(false)) => {}
                Some(Ok(true)) | None => self.progress = Progress::LastBlock(None),
                Some(Err(error)) => {
                    self.progress = Progress::LastBlock(Some(Fault::of(&error, self.stream.packed)));
                }
            }
        }
        self.block.bytes().len() - self.at >= need
    }

    /// The stream has no more bytes, and `need` were wanted.
    fn end(&mut self, inside: Part, need: usize, books: &mut Books) {
        let have = self.block.bytes().len() - self.at;
        let from = self.base + self.at as u64;
        let fault = match (&self.decoder, have) {
            (Decoder::Unknown, 0) => Fault::Empty,
            (Decoder::Unknown, 1..4) => Fault::NotACapture,
            (_, 0) if self.progress == Progress::LastBlock(None) => return self.finish(),
            _ => Fault::Cut { inside, have: have as u64, need: need as u64 },
        };
        self.stop(fault, from, books);
    }

    /// Ends at a fault that begins at `from`, unless the stream broke: then that is the reason.
    fn stop(&mut self, fault: Fault, from: u64, books: &mut Books) {
        let end = self.base + self.block.bytes().len() as u64;
        let (what, offset) = match std::mem::replace(&mut self.progress, Progress::Done) {
            Progress::LastBlock(Some(broken)) => (broken, end),
            _ => (fault, from),
        };
        let (input, unpacked) = (self.path.clone(), self.stream.packed);
        books.problems.push(Problem { input, offset: Some(offset), unpacked, what });
        self.finish();
    }

    fn finish(&mut self) {
        self.progress = Progress::Done;
        self.at = self.block.bytes().len();
    }

    fn complain(&self, what: Fault, at: usize, books: &mut Books) {
        let offset = Some(self.base + at as u64);
        books.problems.push(Problem { input: self.path.clone(), offset, unpacked: self.stream.packed, what });
    }

    fn note_link(&mut self, books: &mut Books) {
        let Some(link) = self.decoder.described().filter(|link| !self.said.links.contains(&Some(*link)))
        else {
            return;
        };
        if let Some(free) = self.said.links.iter_mut().find(|said| said.is_none()) {
            *free = Some(link);
            let (offset, unpacked) = (Some(self.base + self.at as u64), self.stream.packed);
            let what = Fault::LinkType(link);
            books.links.push(Problem { input: self.path.clone(), offset, unpacked, what });
        }
    }

    fn keep_secrets(
        &mut self,
        kind: u32,
        place: std::ops::Range<usize>,
        counters: &mut Counters,
        books: &mut Books,
    ) {
        counters.secrets_blocks += 1;
        if books.secrets_bytes + place.len() > limits::SECRETS_BYTES_MAX {
            return self.leave_out_secrets(counters, books);
        }
        books.secrets_bytes += place.len();
        let bytes = self.block.bytes().get(place).unwrap_or_default().to_vec();
        books.secrets.push(Secrets { ordinal: counters.frames, kind, bytes });
    }

    fn leave_out_secrets(&mut self, counters: &mut Counters, books: &mut Books) {
        counters.secrets_left_out += 1;
        if !std::mem::replace(&mut self.said.secrets, true) {
            self.complain(Fault::Secrets, self.at, books);
        }
    }
}

fn count_skipped(counters: &mut Counters, what: Skipped) {
    match what {
        Skipped::Head => {}
        Skipped::Names => counters.name_blocks += 1,
        Skipped::Statistics => counters.statistics_blocks += 1,
        Skipped::Custom => counters.custom_blocks += 1,
        Skipped::Secrets => counters.secrets_blocks += 1,
        Skipped::Other => counters.other_blocks += 1,
    }
}

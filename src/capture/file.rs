//! Capture files → frames: pcap and pcapng, packed or not, from files, directories and standard input, as one
//! stream in time order.
//!
//! [`Files`] reads in large blocks that are shared by `Arc` with whoever needs their frames: no byte is copied per
//! packet, and nothing is allocated per packet. What can't be read is a [`Problem`], never a panic and never the end
//! of the other inputs. How several inputs are ordered stands in `merge`.
//!
//! An interface's number is its place within its section of its file, not over all inputs: a capture that was split
//! into many files numbers them as the whole does.

mod block;
mod decode;
mod filter;
mod input;
mod interface;
mod merge;
mod pcap;
mod pcapng;
mod problem;
mod reader;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::capture::LinkType;
use crate::limits;
use crate::time::Timestamp;

pub use block::{Block, Located};
pub use problem::{Fault, Part, Problem};

use filter::Filter;
use input::Stream;
use merge::{Key, Next, Pending, Queue, Waiting};
use reader::{Books, Reader};

/// How captures are to be read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A BPF expression; frames that do not match are counted and left out.
    pub filter: Option<String>,
}

/// Why nothing can be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The filter expression is wrong.
    Filter {
        /// The expression.
        expression: String,
        /// What libpcap says.
        message: String,
    },
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Filter { expression, message } = self;
        write!(out, "the filter '{expression}' is not valid: {message}")
    }
}

impl std::error::Error for OpenError {}

crate::counters! {
    /// What came out of the inputs.
    pub struct Counters {
        /// Frames that were handed out.
        frames,
        /// Captured bytes of those frames.
        bytes,
        /// Frames that the filter does not match.
        filtered,
        /// Packets of an interface that their section does not describe: left out.
        unplaced,
        /// Frames whose time lies before that of the frame handed out before them.
        steps_back,
        /// pcapng blocks with decryption secrets.
        secrets_blocks,
        /// Of those, the ones left out because too many wait to be handed on.
        secrets_left_out,
        /// pcapng blocks with names of addresses, skipped.
        name_blocks,
        /// pcapng blocks with statistics of an interface, skipped.
        statistics_blocks,
        /// pcapng blocks of vendors, skipped.
        custom_blocks,
        /// pcapng blocks of other types, skipped.
        other_blocks,
    }
}

/// Decryption secrets from a pcapng file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// Number of the first frame that they stand before, counted from 0 over the frames handed out.
    pub ordinal: u64,
    /// Secrets type of the block: `0x544c534b` is a TLS key log.
    pub kind: u32,
    /// The secrets as they lie.
    pub bytes: Vec<u8>,
}

/// All inputs as one stream of frames in time order.
pub struct Files {
    /// What came out so far.
    pub counters: Counters,
    current: Option<Box<Reader>>,
    /// The rank of `current`.
    rank: u32,
    /// The frame of another input that is due next.
    bound: Key,
    last: Timestamp,
    filter: Option<Filter>,
    queue: Queue,
    books: Books,
    opened: usize,
    /// One of the inputs is pcapng.
    pcapng: bool,
    total_bytes: Option<u64>,
    closed_bytes: u64,
}

impl Files {
    /// Finds the inputs and the time of each one's first packet. What can't be opened is a problem, not an error.
    pub fn open(inputs: &[PathBuf], options: &Options) -> Result<Self, OpenError> {
        let mut files = Self::empty();
        let named = input::list(inputs, &mut files.books.problems);
        let probes: Vec<_> =
            named.iter().map(|named| files.probe(&named.path, Stream::open(&named.path))).collect();
        for (index, path) in inputs.iter().enumerate() {
            let found = || named.iter().zip(&probes).filter(|(named, _)| named.input == index);
            let explicit = found().any(|(named, _)| !named.found);
            if !explicit && !found().any(|(_, probe)| probe.recognised) {
                files.books.problems.push(Problem::new(path, Fault::NoCaptures));
            }
        }
        let links: Vec<_> = probes.iter().filter_map(|probe| probe.link).collect();
        files.filter = options.filter.as_deref().map(|text| checked(text, &links)).transpose()?;
        files.enqueue(probes);
        Ok(files)
    }

    /// Reads one stream, as if it were standard input.
    pub fn from_stream(stream: impl Read + Send + 'static) -> Self {
        let mut files = Self::empty();
        let probe = files.probe(Path::new("-"), Stream::new(stream, None));
        files.enqueue(vec![probe]);
        files
    }

    /// The next frame and its block; `None` at the end of everything.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows from the reader: no Iterator can")]
    #[inline]
    pub fn next(&mut self) -> Option<(Located, &Arc<Block>)> {
        loop {
            let ready = self.current.as_mut().and_then(|reader| reader.advance());
            let located = match ready {
                Some(located) if (Key { time: located.time, rank: self.rank }) < self.bound => located,
                other => self.choose(other)?,
            };
            if self.filter.is_some() && !self.matches(&located) {
                self.counters.filtered += 1;
                continue;
            }
            self.counters.frames += 1;
            self.counters.bytes += u64::from(located.len);
            self.counters.steps_back += u64::from(located.time < self.last);
            self.last = located.time;
            return self.current.as_ref().map(|reader| (located, reader.block()));
        }
    }

    /// What could not be read so far.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.books.problems
    }

    /// Each link type that a file named so far: where, and what is to be said of it if it can't be read.
    pub fn link_types(&self) -> impl Iterator<Item = (LinkType, &Problem)> {
        self.books.links.iter().filter_map(|problem| match problem.what {
            Fault::LinkType(link) => Some((link, problem)),
            _ => None,
        })
    }

    /// How many inputs are captures; 0 if nothing could be read at all.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.opened
    }

    /// One of the inputs has a format that may carry decryption secrets.
    #[must_use]
    pub const fn may_have_secrets(&self) -> bool {
        self.pcapng
    }

    /// Decryption secrets that were met since the last call: to be asked for after each frame, or each batch.
    pub fn secrets(&mut self) -> std::vec::Drain<'_, Secrets> {
        self.books.drain_secrets()
    }

    /// Bytes of all inputs as they lie; unknown if one is not a regular file.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    /// How many of those bytes were read.
    #[must_use]
    pub fn position_bytes(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |reader| reader.position());
        self.closed_bytes + current + self.queue.position_bytes()
    }

    fn empty() -> Self {
        Self {
            counters: Counters::default(),
            current: None,
            rank: 0,
            bound: Key::NEVER,
            last: Timestamp::ZERO,
            filter: None,
            queue: Queue::default(),
            books: Books::default(),
            opened: 0,
            pcapng: false,
            total_bytes: None,
            closed_bytes: 0,
        }
    }

    /// Reads an input up to its first packet. A regular file is closed again and forgotten: whatever is to be said
    /// of it is said when it is read.
    fn probe(&mut self, path: &Path, stream: Result<Stream, Fault>) -> Probe {
        let stream = match stream {
            Ok(stream) => stream,
            Err(fault) => {
                self.books.problems.push(Problem::new(path, fault));
                return Probe { size: Some(0), ..Probe::default() };
            }
        };
        let size = stream.size;
        let (mut counters, mut books) = (Counters::default(), Books::default());
        let (block_bytes, counters, books) = match size {
            Some(_) => (limits::BLOCK_BYTES_SMALL, &mut counters, &mut books),
            None => (limits::BLOCK_BYTES, &mut self.counters, &mut self.books),
        };
        let mut reader = Box::new(Reader::new(path, stream, block_bytes));
        let head = reader.advance_slowly(counters, books);
        let recognised = reader.recognised();
        self.pcapng |= reader.is_pcapng();
        let (first, link) = (head.map_or(Timestamp::ZERO, |head| head.time), head.map(|head| head.link));
        let input = match size {
            Some(_) => Pending::Closed(path.to_path_buf()),
            None => Pending::Open(reader, head),
        };
        Probe { input: Some(input), first, link, recognised, size }
    }

    fn enqueue(&mut self, probes: Vec<Probe>) {
        self.opened = probes.iter().filter(|probe| probe.recognised).count();
        self.total_bytes = probes.iter().map(|probe| probe.size).sum();
        self.queue =
            Queue::new(probes.into_iter().filter_map(|probe| Some((probe.first, probe.input?))).collect());
    }

    /// The next frame where it does not simply follow: its block is at an end, its format is not pcap, or another
    /// input may be due before it.
    #[cold]
    #[inline(never)]
    fn choose(&mut self, ready: Option<Located>) -> Option<Located> {
        if let Some(mut reader) = self.current.take() {
            let head = ready.or_else(|| reader.advance_slowly(&mut self.counters, &mut self.books));
            match head {
                None => self.close(*reader),
                Some(head) => {
                    let mut key = Key { time: head.time, rank: self.rank };
                    if key > self.bound {
                        key.time = reader.due(&head);
                    }
                    if key < self.bound {
                        self.current = Some(reader);
                        return Some(head);
                    }
                    self.queue.wait(Waiting { key, head, reader });
                }
            }
        }
        loop {
            match self.queue.next()? {
                Next::Begin(rank, input) => self.start(rank, input),
                Next::Frame(Waiting { key, head, reader }) => {
                    (self.rank, self.current) = (key.rank, Some(reader));
                    self.bound = self.queue.bound();
                    return Some(head);
                }
            }
        }
    }

    /// Opens an input whose first frame is due.
    fn start(&mut self, rank: u32, input: Pending) {
        let (reader, head) = match input {
            Pending::Open(reader, head) => (reader, head),
            Pending::Closed(path) => {
                let many = self.queue.open() >= limits::FILES_WITH_LARGE_BLOCKS;
                let size = if many { limits::BLOCK_BYTES_SMALL } else { limits::BLOCK_BYTES };
                match Stream::open(&path) {
                    Ok(stream) => {
                        let mut reader = Box::new(Reader::new(&path, stream, size));
                        let head = reader.advance_slowly(&mut self.counters, &mut self.books);
                        (reader, head)
                    }
                    Err(fault) => return self.books.problems.push(Problem::new(&path, fault)),
                }
            }
        };
        match head {
            Some(head) => self.queue.wait(Waiting { key: Key { time: head.time, rank }, head, reader }),
            None => self.close(*reader),
        }
    }

    fn close(&mut self, reader: Reader) {
        self.closed_bytes += reader.position();
        reader.close(&mut self.books.pool);
    }

    fn matches(&mut self, located: &Located) -> bool {
        let (Some(filter), Some(reader)) = (&mut self.filter, &self.current) else { return true };
        if !filter.knows(located.link)
            && let Err(message) = filter.prepare(located.link)
        {
            let fault = Fault::Filter { link: located.link, message };
            self.books.problems.push(Problem::new(reader.path(), fault));
        }
        filter.matches(located.link, located.frame(reader.block()).bytes)
    }
}

/// Reads any bytes as a capture, to the end: what a fuzzer calls.
#[must_use]
pub fn read_arbitrary(data: &[u8]) -> Counters {
    let mut files = Files::from_stream(std::io::Cursor::new(data.to_vec()));
    let mut captured = 0;
    while let Some((located, block)) = files.next() {
        let frame = located.frame(block);
        captured += frame.bytes.len() as u64;
    }
    assert_eq!(captured, files.counters.bytes, "each frame lies in its block");
    files.counters
}

/// What the beginning of an input told.
#[derive(Default)]
struct Probe {
    /// None if it can't be opened.
    input: Option<Pending>,
    /// Time of the first packet; zero if there is none.
    first: Timestamp,
    link: Option<LinkType>,
    recognised: bool,
    /// Of a regular file.
    size: Option<u64>,
}

/// A filter that compiles for Ethernet or for the first frames of an input.
fn checked(expression: &str, links: &[LinkType]) -> Result<Filter, OpenError> {
    let ethernet = filter::check(expression, LinkType(1));
    match ethernet {
        Err(message) if !links.iter().any(|link| filter::check(expression, *link).is_ok()) => {
            Err(OpenError::Filter { expression: expression.to_owned(), message })
        }
        _ => Ok(Filter::new(expression)),
    }
}

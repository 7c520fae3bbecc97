//! One output file: its encoding, the lines that wait for it, and what is known of those that it was given.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use super::super::{Kind, SinkError, Tally};
use crate::limits;

/// Level of zstd: its own default, which is faster than the disks that such files are written to.
const ZSTD_LEVEL: i32 = 3;
/// Level of gzip: about twice as fast as its default of 6 for a tenth more bytes.
const GZIP_LEVEL: u32 = 3;

/// One file that is being written.
pub(super) struct Target {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    standard_output: bool,
    encoder: Encoder,
    /// Whole lines that wait for a larger write.
    buffer: Vec<u8>,
    /// Which kinds the lines in `buffer` are, in order.
    runs: Vec<(Kind, u64)>,
    /// Lines that the compressor has, so that the file can be read as far as them only after a flush.
    compressing: Vec<(Kind, u64)>,
    /// Bytes that the compressor was given since its last flush.
    compressing_bytes: usize,
}

enum Encoder {
    Plain(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::Encoder<'static, File>),
    /// After the end or after a failure.
    Closed,
}

impl Target {
    /// Makes the file, or empties it.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Self::new(path, File::create(path)?, false)
    }

    /// Standard output, without the line buffer that the standard library puts before it.
    pub(super) fn standard_output() -> io::Result<Self> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        Self::new(Path::new("standard output"), File::from(descriptor), true)
    }

    fn new(path: &Path, file: File, standard_output: bool) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let encoder = match path.extension().and_then(|extension| extension.to_str()) {
            Some("zst") => Encoder::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
            Some("gz") => Encoder::Gzip(GzEncoder::new(file, flate2::Compression::new(GZIP_LEVEL))),
            _ => Encoder::Plain(file),
        };
        Ok(Self {
            path: path.to_owned(),
            identity: (metadata.dev(), metadata.ino()),
            standard_output,
            encoder,
            buffer: Vec::new(),
            runs: Vec::new(),
            compressing: Vec::new(),
            compressing_bytes: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// Takes one line that still lacks its line break.
    pub(super) fn write_record(
        &mut self,
        kind: Kind,
        json: &[u8],
        tally: &mut Tally,
    ) -> Result<(), SinkError> {
        self.buffer.extend_from_slice(json);
        self.buffer.push(b'\n');
        add(&mut self.runs, kind, 1);
        if self.buffer.len() < limits::NDJSON_BUFFER_BYTES { Ok(()) } else { self.drain(tally) }
    }

    /// Takes whole lines.
    pub(super) fn write_lines(
        &mut self,
        kind: Kind,
        lines: &[u8],
        count: u64,
        tally: &mut Tally,
    ) -> Result<(), SinkError> {
        if lines.len() >= limits::NDJSON_DIRECT_BYTES {
            let drained = self.drain(tally);
            return drained.and(self.hand_over(lines, &[(kind, count)], tally));
        }
        self.buffer.extend_from_slice(lines);
        add(&mut self.runs, kind, count);
        if self.buffer.len() < limits::NDJSON_BUFFER_BYTES { Ok(()) } else { self.drain(tally) }
    }

    /// Writes what waits.
    pub(super) fn drain(&mut self, tally: &mut Tally) -> Result<(), SinkError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (mut buffer, mut runs) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.runs));
        let outcome = self.hand_over(&buffer, &runs, tally);
        buffer.clear();
        runs.clear();
        (self.buffer, self.runs) = (buffer, runs);
        outcome
    }

    /// Writes what waits and ends the file; a compressed one with its proper end.
    pub(super) fn finish(&mut self, tally: &mut Tally) -> Result<(), SinkError> {
        self.drain(tally)?;
        let outcome = match std::mem::replace(&mut self.encoder, Encoder::Closed) {
            Encoder::Gzip(encoder) => encoder.finish().map(drop),
            Encoder::Zstd(encoder) => encoder.finish().map(drop),
            Encoder::Plain(_) | Encoder::Closed => Ok(()),
        };
        self.settle(outcome, tally)
    }

    fn hand_over(&mut self, lines: &[u8], runs: &[(Kind, u64)], tally: &mut Tally) -> Result<(), SinkError> {
        match &mut self.encoder {
            Encoder::Closed => {
                book_lost(runs, tally);
                Ok(())
            }
            Encoder::Plain(file) => {
                let (taken, outcome) = write_all(file, lines);
                book_partly(runs, lines.get(..taken).unwrap_or(lines), outcome.is_ok(), tally);
                self.settle(outcome, tally)
            }
            Encoder::Gzip(_) | Encoder::Zstd(_) => {
                runs.iter().for_each(|(kind, count)| add(&mut self.compressing, *kind, *count));
                let outcome = self.compress(lines);
                match outcome {
                    Ok(false) => Ok(()),
                    Ok(true) => self.settle(Ok(()), tally),
                    Err(error) => self.settle(Err(error), tally),
                }
            }
        }
    }

    /// Says whether everything given so far can be read back from the file.
    fn compress(&mut self, lines: &[u8]) -> io::Result<bool> {
        let encoder: &mut dyn Write = match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder,
            Encoder::Zstd(encoder) => encoder,
            Encoder::Plain(file) => file,
            Encoder::Closed => return Ok(false),
        };
        encoder.write_all(lines)?;
        self.compressing_bytes += lines.len();
        if self.compressing_bytes < limits::COMPRESSED_FLUSH_BYTES {
            return Ok(false);
        }
        self.compressing_bytes = 0;
        encoder.flush()?;
        Ok(true)
    }

    /// Books the lines that the compressor has, and after a failure closes the file.
    fn settle(&mut self, outcome: io::Result<()>, tally: &mut Tally) -> Result<(), SinkError> {
        let Err(error) = outcome else {
            for (kind, count) in self.compressing.drain(..) {
                tally.account(kind).delivered += count;
            }
            return Ok(());
        };
        book_lost(&self.compressing, tally);
        self.compressing.clear();
        self.encoder = Encoder::Closed;
        if self.standard_output && error.kind() == io::ErrorKind::BrokenPipe {
            return Err(SinkError::Closed);
        }
        Err(SinkError::Write { path: self.path.clone(), error })
    }
}

/// Like [`Write::write_all`], but says how much was written before a failure.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(()))
}

fn add(runs: &mut Vec<(Kind, u64)>, kind: Kind, count: u64) {
    match runs.last_mut() {
        Some((last, so_far)) if *last == kind => *so_far += count,
        _ => runs.push((kind, count)),
    }
}

/// Books the lines of `runs`: those that end within `taken` as delivered, the others as lost.
fn book_partly(runs: &[(Kind, u64)], taken: &[u8], all: bool, tally: &mut Tally) {
    let mut whole = if all { u64::MAX } else { memchr::memchr_iter(b'\n', taken).count() as u64 };
    for (kind, count) in runs {
        let delivered = whole.min(*count);
        whole -= delivered;
        let account = tally.account(*kind);
        account.delivered += delivered;
        account.dropped.write_failed += count - delivered;
    }
}

fn book_lost(runs: &[(Kind, u64)], tally: &mut Tally) {
    for (kind, count) in runs {
        tally.account(*kind).dropped.write_failed += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe_target(standard_output: bool) -> (io::PipeReader, Target) {
        let (reader, writer) = io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        (reader, Target::new(Path::new("pipe"), file, standard_output).unwrap())
    }

    #[test]
    fn a_closed_pipe_is_quiet_only_on_standard_output() {
        for standard_output in [true, false] {
            let (reader, mut target) = pipe_target(standard_output);
            drop(reader);
            let mut tally = Tally::default();
            target.write_record(Kind::Call, b"{}", &mut tally).unwrap();
            let error = target.drain(&mut tally).unwrap_err();
            assert_eq!(matches!(error, SinkError::Closed), standard_output);
            assert_eq!(tally.of(Kind::Call).dropped.write_failed, 1);
        }
    }

    #[test]
    fn lines_that_were_written_before_the_failure_count_as_written() {
        let (mut reader, mut target) = pipe_target(true);
        let mut tally = Tally::default();
        // A pipe holds 64 KiB: the reader takes those and a little, then goes.
        let reading = std::thread::spawn(move || {
            let mut some = [0; 4096];
            io::Read::read_exact(&mut reader, &mut some).unwrap();
        });
        let lines = "0123456\n".repeat(1 << 16);
        let error = target.write_lines(Kind::Call, lines.as_bytes(), 1 << 16, &mut tally).unwrap_err();
        reading.join().unwrap();
        assert!(matches!(error, SinkError::Closed));
        let account = tally.of(Kind::Call);
        assert!((512..1 << 15).contains(&account.delivered), "{account:?}");
        assert_eq!(account.delivered + account.dropped.write_failed, 1 << 16);
    }

    #[test]
    fn books_of_a_torn_write_follow_the_order_of_the_lines() {
        let mut tally = Tally::default();
        let runs = [(Kind::Call, 2), (Kind::Finding, 2), (Kind::Call, 1)];
        book_partly(&runs, b"1\n2\n3\n4", false, &mut tally);
        let (calls, findings) = (tally.of(Kind::Call), tally.of(Kind::Finding));
        assert_eq!((calls.delivered, calls.dropped.write_failed), (2, 1));
        assert_eq!((findings.delivered, findings.dropped.write_failed), (1, 1));
    }

    #[test]
    fn a_compressed_file_can_be_read_up_to_its_last_flush() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("calls.zst");
        let mut target = Target::create(&path).unwrap();
        let mut tally = Tally::default();
        let lines = "0123456\n".repeat(limits::COMPRESSED_FLUSH_BYTES / 8);
        target.write_lines(Kind::Call, lines.as_bytes(), lines.len() as u64 / 8, &mut tally).unwrap();
        target
            .write_lines(Kind::Call, &lines.as_bytes()[8..], lines.len() as u64 / 8 - 1, &mut tally)
            .unwrap();
        assert_eq!(tally.of(Kind::Call).delivered, lines.len() as u64 / 8);
        let mut text = vec![0; lines.len()];
        let mut decoder = zstd::Decoder::new(File::open(&path).unwrap()).unwrap();
        io::Read::read_exact(&mut decoder, &mut text).unwrap();
        assert!(text == lines.as_bytes());
    }
}

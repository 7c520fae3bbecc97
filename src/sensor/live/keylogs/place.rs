//! How far a key log was read, and whether what is behind that follows on what was read: a file that was emptied and has
//! grown beyond its old size looks, by its size alone, like one that was appended to.
//!
//! ```text
//!   |<-- head -->|                  |<-- tail -->|
//!   +------------+------------------+------------+-----------
//!   | the same bytes as before, or it is read anew | what is new
//!   +------------+------------------+------------+-----------
//!                                             read
//! ```

use zeroize::Zeroizing;

use crate::limits::{KEYLOG_HEAD_BYTES, KEYLOG_TAIL_BYTES};

/// What the file system says of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Length in bytes.
    pub(super) len: u64,
    /// When it was written last: seconds and nanoseconds.
    pub(super) written: (i64, i64),
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is nothing new.
    Wait,
    /// What was read is still there: read on behind it.
    ReadOn,
    /// It was emptied or written anew: read it from its beginning.
    ReadAnew,
}

/// How far one file was read.
#[derive(Debug, Default)]
pub(super) struct Place {
    read: u64,
    /// Its first bytes, of those that were read.
    head: Zeroizing<Vec<u8>>,
    /// The last bytes that were read.
    tail: Zeroizing<Vec<u8>>,
    /// What it was when its end was reached last.
    ended: Option<Seen>,
}

impl Place {
    /// Bytes that were read.
    pub(super) const fn read(&self) -> u64 {
        self.read
    }

    /// Nothing was written since its end was reached.
    pub(super) fn is_as_it_was(&self, seen: Seen) -> bool {
        self.ended == Some(seen)
    }

    /// What there is to do with a file that is now so. `read_at` fills the buffer with the bytes at that place, or says
    /// that it can't.
    pub(super) fn next(&self, seen: Seen, mut read_at: impl FnMut(u64, &mut [u8]) -> bool) -> Next {
        if self.is_as_it_was(seen) {
            return Next::Wait;
        }
        let mut same = |bytes: &[u8], at: u64| {
            let mut now = Zeroizing::new(vec![0; bytes.len()]);
            read_at(at, &mut now) && *now == bytes
        };
        let continues = seen.len >= self.read
            && same(&self.head, 0)
            && same(&self.tail, self.read - self.tail.len() as u64);
        if continues { Next::ReadOn } else { Next::ReadAnew }
    }

    /// These bytes were read.
    pub(super) fn advance(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        let Self { head, tail, .. } = self;
        let (head_room, tail_room) = (KEYLOG_HEAD_BYTES - head.len(), KEYLOG_TAIL_BYTES - tail.len());
        // in one piece from the beginning, so that growing leaves no copies behind
        head.reserve_exact(head_room);
        head.extend_from_slice(bytes.get(..head_room).unwrap_or(bytes));
        tail.reserve_exact(tail_room);
        let last = bytes.get(bytes.len().saturating_sub(KEYLOG_TAIL_BYTES)..).unwrap_or_default();
        tail.drain(..last.len().saturating_sub(tail_room));
        tail.extend_from_slice(last);
    }

    /// There was nothing more to read when it was so.
    pub(super) fn reach_end(&mut self, seen: Seen) {
        self.ended = Some(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::secrets::lines::{Line, Lines};

    /// A file in memory, and how it is followed.
    #[derive(Default)]
    struct Disk {
        bytes: Vec<u8>,
        written: i64,
        place: Place,
        lines: Lines,
    }

    impl Disk {
        fn write(&mut self, bytes: &[u8]) {
            self.bytes.extend_from_slice(bytes);
            self.written += 1;
        }

        /// Looks at it, reading pieces of that size; the lines that it found.
        fn look(&mut self, piece: usize) -> (Next, Vec<String>) {
            let seen = Seen { len: self.bytes.len() as u64, written: (self.written, 0) };
            let bytes = &self.bytes;
            let next = self.place.next(seen, |at, buffer| {
                let range = at as usize..at as usize + buffer.len();
                bytes.get(range).is_some_and(|bytes| {
                    buffer.copy_from_slice(bytes);
                    true
                })
            });
            let mut found = Vec::new();
            let mut deliver = |_, line: Line<'_>| {
                found.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong => "too long".to_owned(),
                });
            };
            if next == Next::ReadAnew {
                self.lines.end(&mut deliver);
                (self.place, self.lines) = (Place::default(), Lines::default());
            }
            if next != Next::Wait {
                for piece in self.bytes[self.place.read() as usize..].chunks(piece) {
                    self.place.advance(piece);
                    self.lines.push(piece, &mut deliver);
                }
                self.place.reach_end(seen);
            }
            (next, found)
        }
    }

    #[test]
    fn what_was_written_anew_is_told_from_what_was_appended() {
        // (what was there, what is there now, what is to do)
        let long = "x".repeat(2 * KEYLOG_HEAD_BYTES);
        let table: [(String, String, Next); 10] = [
            (String::new(), String::new(), Next::ReadOn),
            (String::new(), "a\n".to_owned(), Next::ReadOn),
            ("a\n".to_owned(), "a\nb\n".to_owned(), Next::ReadOn),
            ("a\n".to_owned(), String::new(), Next::ReadAnew),
            ("a\nb\n".to_owned(), "c\n".to_owned(), Next::ReadAnew),
            ("a\nb\n".to_owned(), "c\nd\n".to_owned(), Next::ReadAnew),
            ("a\nb\n".to_owned(), "c\nd\ne\n".to_owned(), Next::ReadAnew),
            (format!("{long}a\n"), format!("{long}b\nc\n"), Next::ReadAnew),
            (format!("{long}a\n"), format!("{long}a\nc\n"), Next::ReadOn),
            (long.clone(), format!("\0{}", &long[1..]), Next::ReadAnew),
        ];
        for (number, (before, after, next)) in table.into_iter().enumerate() {
            for piece in [1, 100, 10_000] {
                let mut disk = Disk::default();
                disk.write(before.as_bytes());
                disk.look(piece);
                (disk.bytes, disk.written) = (after.clone().into_bytes(), 7);
                assert_eq!(disk.look(piece).0, next, "row {number}, pieces of {piece}");
                assert_eq!(disk.look(piece), (Next::Wait, Vec::new()));
            }
        }
    }

    /// Whatever is done to a file between two looks: every line that was there at a look is found, and none that never was.
    #[test]
    fn every_line_is_found_however_the_file_is_written() {
        for seed in 0..1_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut disk, mut found) = (Disk::default(), Vec::new());
            let (mut written, mut expected) = (0, Vec::new());
            for _ in 0..random.usize(1..30) {
                match random.u8(..8) {
                    0 => {
                        // as copytruncate does it, or with the hole that a writer makes that goes on where it was
                        let hole = if random.bool() { disk.bytes.len() } else { 0 };
                        disk.bytes = vec![0; hole];
                        disk.written += 1;
                    }
                    1..=4 => {
                        written += 1;
                        // some long enough that a few of them reach beyond the head
                        let fill = "-".repeat(if random.bool() { 0 } else { random.usize(..600) });
                        disk.write(format!("line {seed}.{written}{fill}\n").as_bytes());
                    }
                    _ => {
                        let there = String::from_utf8_lossy(&disk.bytes).into_owned();
                        expected.extend(there.lines().map(|line| line.trim_matches('\0').to_owned()));
                        found.extend(disk.look(random.usize(1..200)).1);
                    }
                }
            }
            for lines in [&mut expected, &mut found] {
                lines.retain(|line| !line.is_empty());
                lines.sort();
                lines.dedup();
            }
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}

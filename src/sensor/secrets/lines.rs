//! Bytes of a key log → its lines, however the bytes are cut: each line once, whole, and with its number.
//!
//! A line is one when its end has come: what is there of a secret that is just being written looks like a shorter one.

use zeroize::Zeroizing;

use crate::limits::KEYLOG_LINE_BYTES_MAX;

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than any line of a key log.
    TooLong,
}

/// Where the bytes of one file or pipe stand.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The beginning of the line that has not ended.
    begun: Begun,
    /// Lines that have ended.
    ended: u64,
}

/// What is there of a line. Its room is as large as it ever gets: what moves leaves a copy of a secret behind.
#[derive(Debug)]
enum Begun {
    Part(Zeroizing<Vec<u8>>),
    TooLong,
}

impl Default for Begun {
    fn default() -> Self {
        Self::Part(Zeroizing::new(Vec::new()))
    }
}

impl Lines {
    /// The next bytes. Lines that end in them are delivered with their numbers, from 1.
    pub(crate) fn push(&mut self, mut bytes: &[u8], deliver: &mut impl FnMut(u64, Line<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.is_between() {
                self.deliver(whole(without_hole(line)), deliver);
            } else {
                self.begin(line);
                self.end(deliver);
            }
        }
        self.begin(bytes);
    }

    /// Nothing more comes of a line that has begun.
    pub(crate) fn end(&mut self, deliver: &mut impl FnMut(u64, Line<'_>)) {
        match std::mem::take(&mut self.begun) {
            Begun::Part(line) if line.is_empty() => {}
            Begun::Part(line) => self.deliver(Line::Whole(&line), deliver),
            Begun::TooLong => self.deliver(Line::TooLong, deliver),
        }
    }

    fn is_between(&self) -> bool {
        matches!(&self.begun, Begun::Part(line) if line.is_empty())
    }

    fn begin(&mut self, bytes: &[u8]) {
        let Begun::Part(line) = &mut self.begun else { return };
        let bytes = if line.is_empty() { without_hole(bytes) } else { bytes };
        let room = KEYLOG_LINE_BYTES_MAX - line.len();
        if bytes.len() > room {
            self.begun = Begun::TooLong;
        } else if !bytes.is_empty() {
            line.reserve_exact(room);
            line.extend_from_slice(bytes);
        }
    }

    fn deliver(&mut self, line: Line<'_>, deliver: &mut impl FnMut(u64, Line<'_>)) {
        self.ended += 1;
        deliver(self.ended, line);
    }
}

fn whole(line: &[u8]) -> Line<'_> {
    if line.len() > KEYLOG_LINE_BYTES_MAX { Line::TooLong } else { Line::Whole(line) }
}

/// A file that is emptied while its writer goes on where it was begins with a hole, which reads as zeros.
fn without_hole(line: &[u8]) -> &[u8] {
    line.iter().position(|byte| *byte != 0).and_then(|begin| line.get(begin..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is delivered when the bytes come in these pieces.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(u64, Option<Vec<u8>>)> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        let mut deliver = |number, line: Line<'_>| {
            all.push((
                number,
                match line {
                    Line::Whole(line) => Some(line.to_vec()),
                    Line::TooLong => None,
                },
            ));
        };
        pieces.into_iter().for_each(|piece| lines.push(piece, &mut deliver));
        lines.end(&mut deliver);
        lines.end(&mut deliver);
        all
    }

    fn expect(lines: &[Option<&[u8]>]) -> Vec<(u64, Option<Vec<u8>>)> {
        (1..).zip(lines.iter().map(|line| line.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn lines_have_their_numbers_and_a_bound() {
        let longest = vec![b'x'; KEYLOG_LINE_BYTES_MAX];
        let too_long = vec![b'x'; KEYLOG_LINE_BYTES_MAX + 1];
        let behind_hole = [&vec![0; 3 * KEYLOG_LINE_BYTES_MAX][..], b"one\ntwo\n"].concat();
        let check = |bytes: &[u8], lines: &[Option<&[u8]>]| {
            assert_eq!(read([bytes]), expect(lines), "{:?}", String::from_utf8_lossy(bytes));
        };
        check(b"", &[]);
        check(b"one", &[Some(b"one")]);
        check(b"one\n", &[Some(b"one")]);
        check(b"\n\none\r\ntwo", &[Some(b""), Some(b""), Some(b"one\r"), Some(b"two")]);
        check(&longest, &[Some(&longest)]);
        check(&too_long, &[None]);
        let three = [&longest[..], b"\n", &too_long, b"\nend\n"].concat();
        check(&three, &[Some(&longest), None, Some(b"end")]);
        check(&behind_hole, &[Some(b"one"), Some(b"two")]);
        check(b"one\n\0\0two\n", &[Some(b"one"), Some(b"two")]);
        check(b"a\0b\n\xff\xfe\n", &[Some(b"a\0b"), Some(b"\xff\xfe")]);
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = Vec::new();
            for _ in 0..random.usize(..8) {
                let near_bound = KEYLOG_LINE_BYTES_MAX - 2..KEYLOG_LINE_BYTES_MAX + 3;
                let length = if random.u8(..4) == 0 { random.usize(near_bound) } else { random.usize(..6) };
                let byte = *random.choice(b"a\0\r").unwrap();
                bytes.extend(std::iter::repeat_n(byte, length));
                bytes.extend_from_slice(random.choice(&[&b"\n"[..], b"b\n", b""]).unwrap());
            }
            let whole = read([&bytes[..]]);
            let mut cuts: Vec<usize> = (0..random.usize(..6)).map(|_| random.usize(..=bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            assert_eq!(read(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]])), whole, "seed {seed}");
            assert_eq!(read(bytes.chunks(1)), whole, "seed {seed}, byte by byte");
        }
    }
}

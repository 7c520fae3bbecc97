//! The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B).
//!
//! The code is canonical: codes of one length follow one another in the order of their symbols, and shorter ones are
//! less than the beginnings of longer ones. So the lengths alone give the code. Short codes, which is nearly all text,
//! are found by one look at their first bits, two at once where both fit; of longer ones the length is found by comparing.

/// Length of each symbol's code in bits; the last one is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];
const EOS: usize = 256;
const LENGTH_MAX: usize = 30;
/// So many bits are looked up at once: two codes of most letters and digits.
const SHORT_BITS: u32 = 12;

/// The code, made from the lengths.
struct Code {
    /// By the first bits.
    short: [Short; 1 << SHORT_BITS],
    /// By length: behind the last code of that length, as the first of 32 bits.
    ends: [u64; LENGTH_MAX + 1],
    /// By length: the code of its first symbol, and where that stands in `order`.
    firsts: [(u32, u32); LENGTH_MAX + 1],
    /// Symbols by length, then value.
    order: [u16; 257],
}

/// The codes that a few bits begin with.
#[derive(Clone, Copy)]
struct Short {
    symbols: [u8; 2],
    /// Bits of the first code; zero where it is longer.
    first: u8,
    /// Bits of both, or of the first where the second one is longer.
    both: u8,
}

static CODE: Code = code();

const fn code() -> Code {
    let mut made = Code {
        short: [Short { symbols: [0; 2], first: 0, both: 0 }; 1 << SHORT_BITS],
        ends: [0; LENGTH_MAX + 1],
        firsts: [(0, 0); LENGTH_MAX + 1],
        order: [0; 257],
    };
    let (mut next, mut placed, mut length) = (0_u32, 0, 1);
    while length <= LENGTH_MAX {
        next <<= 1;
        made.firsts[length] = (next, placed as u32);
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                made.order[placed] = symbol as u16;
                if length <= SHORT_BITS as usize {
                    let free = SHORT_BITS as usize - length;
                    let mut at = (next as usize) << free;
                    while at < (next as usize + 1) << free {
                        made.short[at] =
                            Short { symbols: [symbol as u8, 0], first: length as u8, both: length as u8 };
                        at += 1;
                    }
                }
                placed += 1;
                next += 1;
            }
            symbol += 1;
        }
        made.ends[length] = (next as u64) << (32 - length);
        length += 1;
    }
    add_second(&mut made.short);
    made
}

/// Adds the second code where it fits behind the first.
const fn add_second(short: &mut [Short; 1 << SHORT_BITS]) {
    let mut at = 0;
    while at < short.len() {
        let first = short[at].first;
        let second = short[(at << first) % short.len()];
        if first != 0 && second.first != 0 && first + second.first <= SHORT_BITS as u8 {
            short[at].symbols[1] = second.symbols[0];
            short[at].both = first + second.first;
        }
        at += 1;
    }
}

/// The text is not in this code (RFC 7541 §5.2): it holds EOS, or ends with what is no padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// Appends the text that `coded` stands for.
///
/// # Errors
/// If `coded` is not in the code; what was appended until then stays.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let start = out.len();
    // no symbol has fewer than five bits, and two are written at once
    out.resize(start + coded.len() * 8 / 5 + 2, 0);
    let mut text = Text { out, at: start };
    let mut bits = Bits { top: 0, count: 0, rest: coded };
    let read = bits.run(&mut text).and_then(|()| bits.finish(&mut text));
    let end = text.at;
    out.truncate(end);
    read
}

/// Text in the making; there is room for all of it.
struct Text<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Text<'_> {
    /// Writes the first `count` of two symbols; the other one is written over.
    #[inline]
    fn put(&mut self, symbols: [u8; 2], count: usize) {
        if let Some(to) = self.out.get_mut(self.at..self.at + 2) {
            to.copy_from_slice(&symbols);
        }
        self.at += count;
    }
}

/// Coded bits: the next ones stand at the top, and so many are known to be there; those behind are in `rest`.
struct Bits<'a> {
    top: u64,
    count: u32,
    rest: &'a [u8],
}

impl Bits<'_> {
    /// What the next bits begin with.
    #[inline]
    fn short(&self) -> Short {
        CODE.short[(self.top >> (u64::BITS - SHORT_BITS)) as usize]
    }

    #[inline]
    const fn pass(&mut self, length: u32) {
        self.top <<= length;
        self.count -= length;
    }

    /// Reads on as long as eight bytes are left.
    #[inline]
    fn run(&mut self, text: &mut Text<'_>) -> Result<(), Invalid> {
        // so many looks take no more than what is there at least
        const LOOKS: u32 = 56 / SHORT_BITS;
        while let Some(eight) = self.rest.first_chunk() {
            self.top |= u64::from_be_bytes(*eight) >> self.count;
            let taken = (u64::BITS - 1 - self.count) / 8;
            self.rest = self.rest.get(taken as usize..).unwrap_or_default();
            self.count += 8 * taken;
            for _ in 0..LOOKS {
                let Short { symbols, first, both } = self.short();
                if first == 0 {
                    if self.count >= LENGTH_MAX as u32 {
                        let (symbol, length) = long(self.top, self.count).ok_or(Invalid)?;
                        text.put([symbol, 0], 1);
                        self.pass(length);
                    }
                    break;
                }
                text.put(symbols, 1 + usize::from(both > first));
                self.pass(u32::from(both));
            }
        }
        Ok(())
    }

    /// Reads the last bytes, and the padding.
    #[inline]
    fn finish(&mut self, text: &mut Text<'_>) -> Result<(), Invalid> {
        loop {
            while self.count <= 56
                && let Some((byte, behind)) = self.rest.split_first()
            {
                self.top |= u64::from(*byte) << (56 - self.count);
                self.rest = behind;
                self.count += 8;
            }
            let Short { symbols, first, both } = self.short();
            if first != 0 && u32::from(both) <= self.count {
                text.put(symbols, 1 + usize::from(both > first));
                self.pass(u32::from(both));
            } else if first != 0 && u32::from(first) <= self.count {
                text.put(symbols, 1);
                self.pass(u32::from(first));
            } else if let Some((symbol, length)) = long(self.top, self.count) {
                text.put([symbol, 0], 1);
                self.pass(length);
            } else if self.rest.is_empty() {
                return padding(self.top, self.count);
            } else {
                return Err(Invalid);
            }
        }
    }
}

/// A symbol with a long code at the top of `bits`.
#[cold]
fn long(bits: u64, count: u32) -> Option<(u8, u32)> {
    let top = bits >> 32;
    let length = (5..=LENGTH_MAX).find(|length| CODE.ends.get(*length).is_some_and(|end| top < *end))?;
    if length as u32 > count {
        return None;
    }
    let (first, place) = CODE.firsts.get(length)?;
    let at = (top >> (32 - length)) as u32 - first + place;
    let symbol = usize::from(*CODE.order.get(at as usize)?);
    (symbol != EOS).then_some((symbol as u8, length as u32))
}

/// What is left is the beginning of EOS, less than a byte of it: ones.
const fn padding(bits: u64, count: u32) -> Result<(), Invalid> {
    if count == 0 || count < 8 && bits >> (64 - count) == (1 << count) - 1 { Ok(()) } else { Err(Invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of each symbol, as the table of the RFC gives it.
    fn encode(text: &[u8]) -> Vec<u8> {
        let (mut out, mut held, mut count) = (Vec::new(), 0_u64, 0);
        for byte in text {
            let length = u32::from(LENGTHS[usize::from(*byte)]);
            let (first, place) = CODE.firsts[length as usize];
            let at = CODE.order.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap() as u32;
            held = held << length | u64::from(first + at - place);
            count += length;
            while count >= 8 {
                count -= 8;
                out.push((held >> count) as u8);
            }
        }
        if count > 0 {
            out.push((held << (8 - count)) as u8 | (0xff >> count));
        }
        out
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7541 §C.4.1, §C.6.1
        for (coded, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("6402", "302"),
            ("aec3771a4b", "private"),
            ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"),
            ("", ""),
        ] {
            let coded: Vec<u8> = (0..coded.len() / 2)
                .map(|at| u8::from_str_radix(&coded[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let mut out = Vec::new();
            assert_eq!(decode(&coded, &mut out), Ok(()), "{text}");
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn every_text_comes_back() {
        let mut random = fastrand::Rng::with_seed(7);
        let all: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        decode(&encode(&all), &mut out).unwrap();
        assert_eq!(out, all);
        for _ in 0..5_000 {
            let text: Vec<u8> = (0..random.usize(0..60))
                .map(|_| if random.u8(..4) == 0 { random.u8(..) } else { random.u8(32..127) })
                .collect();
            let mut out = Vec::new();
            assert_eq!(decode(&encode(&text), &mut out), Ok(()), "{text:?}");
            assert_eq!(out, text);
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let mut out = Vec::new();
        // padding of eight bits; of zeros; EOS itself
        for coded in [[0xff_u8; 1].as_slice(), &[0x00], &[0xff, 0xff, 0xff, 0xff], &[0x1f, 0xff]] {
            assert_eq!(decode(coded, &mut out), Err(Invalid), "{coded:?}");
        }
        out.clear();
        assert_eq!(decode(&[0x07], &mut out), Ok(()));
        assert_eq!(out, b"0");
    }
}

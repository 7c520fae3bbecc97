//! How values become JSON text: the few primitives that every record is written with.
//!
//! They append to a buffer and allocate nothing beside it. Bytes that are no UTF-8 become U+FFFD, one for each
//! maximal broken part, so that a reader sees that something odd stood there rather than a character that the
//! sender never meant; control characters, quotes and backslashes are escaped.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use crate::time::Timestamp;

/// Appends a JSON string with its quotes.
#[inline]
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    escaped(out, bytes);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
#[inline]
pub fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        escape_slowly(out, bytes);
    }
}

/// Appends a decimal number.
#[inline]
pub fn number(out: &mut Vec<u8>, value: u64) {
    let mut text = [0_u8; 20];
    let (mut at, mut rest) = (text.len(), value);
    for place in text.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
}

/// Appends a value as serde writes it: for records of which there are few.
pub fn json(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    let start = out.len();
    // Writing plain data to memory can't fail; if it did, half a record would be worse than none.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.truncate(start);
    }
}

/// Hexadecimal digits, lower case, as many as `N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex<const N: usize>([u8; N]);

impl Hex<16> {
    /// The 16 digits of 64 bits.
    #[must_use]
    pub fn of_64(value: u64) -> Self {
        let mut text = [[0; 2]; 8];
        for (digits, byte) in text.iter_mut().zip(value.to_be_bytes()) {
            *digits = digits_of(byte);
        }
        Self(std::array::from_fn(|index| text[index / 2][index % 2]))
    }
}

impl Hex<32> {
    /// The 32 digits of 128 bits.
    #[must_use]
    pub fn of_128(value: u128) -> Self {
        let mut text = [[0; 2]; 16];
        for (digits, byte) in text.iter_mut().zip(value.to_be_bytes()) {
            *digits = digits_of(byte);
        }
        Self(std::array::from_fn(|index| text[index / 2][index % 2]))
    }
}

impl<const N: usize> Hex<N> {
    /// The digits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Appends an address as it is mostly written (RFC 5952 for IPv6), without quotes.
pub fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            for (index, octet) in [a, b, c, d].into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                number(out, u64::from(octet));
            }
        }
        // Writing to memory never fails.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// Appends `{"ip":"…","port":…}`.
pub fn socket(out: &mut Vec<u8>, socket: SocketAddr) {
    out.extend_from_slice(b"{\"ip\":\"");
    address(out, socket.ip());
    out.extend_from_slice(b"\",\"port\":");
    number(out, u64::from(socket.port()));
    out.push(b'}');
}

/// Appends a list of names that need no escaping.
pub fn names(out: &mut Vec<u8>, names: impl Iterator<Item = &'static str>) {
    out.push(b'[');
    for (index, name) in names.enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    }
    out.push(b']');
}

/// Writes times; the text of a second is kept, since the next call mostly falls into the same one.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    second: u64,
    text: Vec<u8>,
}

impl Clock {
    /// Appends RFC 3339 with nine decimals, without quotes.
    #[inline]
    pub fn write(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        let (second, nanos) = (time.as_nanos() / 1_000_000_000, time.as_nanos() % 1_000_000_000);
        if self.text.is_empty() || self.second != second {
            self.text.clear();
            time.write_rfc3339(&mut self.text);
            self.text.truncate(SECONDS_LEN);
            self.second = second;
        }
        out.extend_from_slice(&self.text);
        let mut decimals = *b"000000000Z";
        let mut rest = nanos;
        for digit in decimals.iter_mut().rev().skip(1) {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&decimals);
    }
}

/// `2025-03-07T09:41:07.`
const SECONDS_LEN: usize = 20;

fn digits_of(byte: u8) -> [u8; 2] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// Nothing in it needs escaping or a check for UTF-8: all of it is ASCII but `"`, `\` and control characters.
/// Whole vectors or words are looked at without a branch in between; the last one overlaps its neighbour.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        let mut odd = [0; 16];
        note_odd(&mut odd, last);
        for chunk in bytes.as_chunks::<16>().0 {
            note_odd(&mut odd, chunk);
        }
        return u128::from_ne_bytes(odd) == 0;
    }
    let word = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            return odd_in_8(u64::from_le_bytes(*first)) | odd_in_8(u64::from_le_bytes(*last)) == 0;
        }
        _ => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
            }
            _ => bytes.iter().fold(u64::from_le_bytes([b' '; 8]), |word, &byte| word << 8 | u64::from(byte)),
        },
    };
    odd_in_8(word) == 0
}

/// Marks the places of bytes that are not plain: lane by lane, which compilers turn into vector instructions.
#[inline]
fn note_odd(odd: &mut [u8; 16], chunk: &[u8; 16]) {
    for (odd, &byte) in odd.iter_mut().zip(chunk) {
        let is_control_or_not_ascii = byte.wrapping_sub(b' ') >= 0x60;
        *odd |= u8::from(is_control_or_not_ascii) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    }
}

/// The high bit of each byte that is below a space, `"`, `\` or not ASCII (or follows such a one: a borrow).
#[inline]
const fn odd_in_8(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (LOW * b'"' as u64);
    let backslash = word ^ (LOW * b'\\' as u64);
    let control = word.wrapping_sub(LOW * b' ' as u64) & !word;
    (control | quote.wrapping_sub(LOW) & !quote | backslash.wrapping_sub(LOW) & !backslash | word) & HIGH
}

#[cold]
fn escape_slowly(out: &mut Vec<u8>, bytes: &[u8]) {
    for part in bytes.utf8_chunks() {
        for &byte in part.valid().as_bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..0x20 => {
                    out.extend_from_slice(b"\\u00");
                    out.extend_from_slice(&digits_of(byte));
                }
                _ => out.push(byte),
            }
        }
        if !part.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_string_reads_back_as_its_lossy_text() {
        let mut random = fastrand::Rng::with_seed(1);
        for round in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..40)).map(|_| random.u8(32..127)).collect();
            for _ in 0..round % 3 {
                if let Some(place) = bytes.get_mut(random.usize(0..40)) {
                    *place = random.u8(..);
                }
            }
            let text = written(|out| string(out, &bytes));
            let back: String = serde_json::from_str(&text).unwrap();
            assert_eq!(back, String::from_utf8_lossy(&bytes), "{bytes:?}");
        }
    }

    #[test]
    fn every_byte_at_every_place_of_every_length_is_noticed() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let odd = byte < 32 || byte == b'"' || byte == b'\\' || byte >= 128;
                    assert_eq!(is_plain(&bytes), !odd, "{byte} at {place} of {length}");
                }
            }
        }
    }

    #[test]
    fn numbers_and_hex_digits() {
        for value in [0, 9, 10, 99, 100, 65_535, 1_000_000, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
        assert_eq!(Hex::of_64(0x0123_4567_89ab_cdef).as_str(), "0123456789abcdef");
        assert_eq!(Hex::of_128(1).as_str(), format!("{:032x}", 1));
    }

    #[test]
    fn addresses_as_the_standard_library_writes_them() {
        for text in
            ["0.0.0.0:0", "255.10.9.100:65535", "[::1]:80", "[2001:db8::7:0:1]:443", "[::ffff:1.2.3.4]:1"]
        {
            let value: SocketAddr = text.parse().unwrap();
            let expected = format!("{{\"ip\":\"{}\",\"port\":{}}}", value.ip(), value.port());
            assert_eq!(written(|out| socket(out, value)), expected);
        }
    }

    #[test]
    fn the_clock_agrees_with_the_timestamp() {
        let mut clock = Clock::default();
        for nanos in [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789, 5] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!(written(|out| clock.write(out, time)), time.to_string());
        }
    }
}

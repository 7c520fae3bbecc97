//! What a path segment is, from its own text: a word that belongs to the API, or a value of some type.
//!
//! In doubt a segment is a word: a value that was taken for a word makes one template too many, a word that was
//! taken for a value hides an operation.

use std::net::IpAddr;

/// The type of a value in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Digits, perhaps with a minus. Dates without dashes and epoch seconds are integers too: their digits don't tell.
    Integer,
    /// A decimal fraction, such as a coordinate.
    Number,
    /// RFC 9562, in any case.
    Uuid,
    /// 26 characters of Crockford's base32.
    Ulid,
    /// Eight or more hexadecimal digits of one case.
    Hex,
    /// A day or a month: `2025-03-07`, `2025-03`.
    Date,
    /// A date with a time (RFC 3339, or ISO 8601 basic format).
    Timestamp,
    /// A mail address.
    Email,
    /// An IP address.
    Ip,
    /// A phone number in international form.
    Phone,
    /// A version of three numbers.
    Version,
    /// A key of letters and digits: random (base64url, base62) or counted (`SKU-10234-07`).
    Token,
    /// Several values, joined by commas.
    List,
    /// Words that people write: spaces, letters beyond ASCII, very long.
    Text,
    /// A secret by its format.
    Secret,
}

impl Kind {
    /// As it stands in a template.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Integer => "{integer}",
            Self::Number => "{number}",
            Self::Uuid => "{uuid}",
            Self::Ulid => "{ulid}",
            Self::Hex => "{hex}",
            Self::Date => "{date}",
            Self::Timestamp => "{timestamp}",
            Self::Email => "{email}",
            Self::Ip => "{ip}",
            Self::Phone => "{phone}",
            Self::Version => "{version}",
            Self::Token => "{token}",
            Self::List => "{list}",
            Self::Text => "{text}",
            Self::Secret => "{secret}",
        }
    }
}

/// The type of the text, percent-encoding undone; nothing if it is a word.
#[must_use]
pub fn kind(text: &str) -> Option<Kind> {
    let bytes = text.as_bytes();
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        return Some(if digits.len() >= DIGITS_OF_HEX_MIN { Kind::Hex } else { Kind::Integer });
    }
    if is_uuid(bytes) {
        return Some(Kind::Uuid);
    }
    if let Some(kind) = date_or_timestamp(bytes) {
        return Some(kind);
    }
    if bytes.contains(&b',') {
        let all = text.split(',').all(|part| kind(part).is_some_and(|kind| kind != Kind::Text));
        return all.then_some(Kind::List);
    }
    Some(match text {
        _ if text.parse::<IpAddr>().is_ok() => Kind::Ip,
        _ if is_version(text) => Kind::Version,
        _ if is_number(text) => Kind::Number,
        _ if is_hex(bytes) => Kind::Hex,
        _ if is_ulid(bytes) => Kind::Ulid,
        _ if is_email(text) => Kind::Email,
        _ if is_phone(text) => Kind::Phone,
        _ if is_token(bytes) => Kind::Token,
        _ => return None,
    })
}

/// An integer of 64 bits has at most twenty digits; more are a digest that happens to have no letter.
const DIGITS_OF_HEX_MIN: usize = 24;

fn is_uuid(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"urn:uuid:").unwrap_or(bytes);
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `face` and `deadbeef` are words: a digest of eight digits or more has a figure and a letter, and one case.
fn is_hex(bytes: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| bytes.iter().any(test);
    bytes.len() >= 8
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase) != has(u8::is_ascii_uppercase)
}

fn is_ulid(bytes: &[u8]) -> bool {
    bytes.len() == 26
        && matches!(bytes.first(), Some(b'0'..=b'7'))
        && bytes
            .iter()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase() && !matches!(b, b'I' | b'L' | b'O' | b'U'))
        && bytes.iter().any(u8::is_ascii_uppercase)
}

fn date_or_timestamp(bytes: &[u8]) -> Option<Kind> {
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    };
    let is = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
    let year = number(0, 4).filter(|year| (1900..2200).contains(year));
    year?;
    if is(8, b'T') && number(4, 8).is_some() && number(9, 13).is_some() {
        return (bytes.len() <= 16 && bytes.iter().skip(13).all(|b| b.is_ascii_digit() || *b == b'Z'))
            .then_some(Kind::Timestamp);
    }
    let month = number(5, 7).filter(|month| is(4, b'-') && (1..=12).contains(month));
    month?;
    if bytes.len() == 7 {
        return Some(Kind::Date);
    }
    let day = number(8, 10).filter(|day| is(7, b'-') && (1..=31).contains(day));
    day?;
    if bytes.len() == 10 {
        return Some(Kind::Date);
    }
    let rest = bytes.get(11..).unwrap_or_default();
    let has_time =
        matches!(bytes.get(10), Some(b'T' | b't' | b' ' | b'_')) && number(11, 13).is_some() && is(13, b':');
    let ends =
        rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'Z' | b'z' | b'+' | b'-'));
    (has_time && ends).then_some(Kind::Timestamp)
}

/// `1.2.3` and `v1.2.3-rc.1`; `v1` and `v1.2` are words, because APIs are named by them.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (core, _) = text.split_once(['-', '+']).unwrap_or((text, ""));
    let is_short_number =
        |part: &str| !part.is_empty() && part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit());
    core.split('.').count() == 3 && core.split('.').all(is_short_number)
}

/// A coordinate or an amount. `1.1` and `2.0` are versions, which APIs are named by.
fn is_number(text: &str) -> bool {
    let Some((whole, fraction)) = text.strip_prefix('-').unwrap_or(text).split_once('.') else {
        return false;
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole.len() >= 3 || fraction.len() >= 3)
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    !local.is_empty() && domain.contains('.') && domain.split('.').all(is_label)
}

fn is_phone(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Random text from here on is told from words by how often the kind of character changes.
const RANDOM_BYTES_MIN: usize = 16;
/// As many digits stand in hardly any word of an API.
const DIGITS_MIN: usize = 4;

/// A key of letters and digits. Either counted: four digits and more, or three behind capitals (`ORD-123`); or made of
/// pieces of which one is hexadecimal (`pm_3fa9c1d2`); or random.
fn is_token(bytes: &[u8]) -> bool {
    let in_alphabet =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=');
    if !bytes.iter().all(in_alphabet) || !bytes.iter().any(u8::is_ascii_alphabetic) {
        return false;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let capitals = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let numbered = (1..=5).contains(&capitals)
        && digits >= 3
        && bytes.iter().skip(capitals).all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    let has_hex = || bytes.split(|byte| matches!(byte, b'-' | b'_' | b'.')).any(is_hex);
    // No word ends with the padding of base64.
    let padded = bytes.len() >= RANDOM_BYTES_MIN && bytes.len().is_multiple_of(4) && bytes.ends_with(b"=");
    digits >= DIGITS_MIN || numbered || padded || has_hex() || is_prefixed(bytes) || is_random(bytes, digits)
}

/// `cus_NffrFeUfNV2Hib`: a short name, and behind it what no word mixes: capitals, small letters and figures.
fn is_prefixed(bytes: &[u8]) -> bool {
    let prefix = bytes.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let Some(rest) = bytes.get(prefix..).and_then(|rest| rest.strip_prefix(b"_")) else { return false };
    let has = |test: fn(&u8) -> bool| rest.iter().any(test);
    (2..=6).contains(&prefix)
        && rest.len() >= 12
        && rest.iter().all(u8::is_ascii_alphanumeric)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
}

/// Random characters change between digits, capitals and small letters nearly every second time; `camelCase` changes
/// seldom, and its step from a capital to a small letter is not counted.
fn is_random(bytes: &[u8], digits: usize) -> bool {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 1,
        b'A'..=b'Z' => 2,
        b'a'..=b'z' => 3,
        _ => 0,
    };
    let pairs = bytes.iter().zip(bytes.iter().skip(1)).map(|(a, b)| (class(*a), class(*b)));
    let changes = pairs.filter(|(a, b)| a != b && *a != 0 && *b != 0 && (*a, *b) != (2, 3)).count();
    bytes.len() >= RANDOM_BYTES_MIN
        && (changes * 5 >= bytes.len() * 2 || digits >= 3 && changes * 5 >= bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        for text in [
            "users",
            "face",
            "dead",
            "cafe",
            "deadbeef",
            "DEADBEEF",
            "facade",
            "added",
            "v1",
            "v2",
            "v1.1",
            "v1beta1",
            "1.1",
            "2.0",
            "abc123",
            "sha256",
            "sha-256",
            "oauth2",
            "utf-8",
            "ipv4",
            "mp3",
            "s3",
            "2fa",
            "3d",
            "x",
            "-",
            "_",
            ".",
            "me",
            "@me",
            "$metadata",
            "getUserById",
            "getUserById2FactorAuthV2",
            "verifyTwoFactorAuthentication",
            "terms-and-conditions",
            "some_long_snake_case_operation",
            "SCREAMING_SNAKE_CASE_NAME",
            "en-US",
            "de_DE",
            "EUR",
            "application.wadl",
            "openapi.json",
            "robots.txt",
            "a,b",
            "error-404",
            "latest",
            "quote",
            "+",
            "batchGet",
            "well-known",
            "InternationalizationSupport",
            "HTTPSConnectionPool",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn values_have_types() {
        for (text, expected) in [
            ("0", Kind::Integer),
            ("-7", Kind::Integer),
            ("2024", Kind::Integer),
            ("20250307", Kind::Integer),
            ("1741340467123", Kind::Integer),
            ("340282366920938463463374607431768211455", Kind::Hex),
            ("48.1371", Kind::Number),
            ("-11.57549", Kind::Number),
            ("123.45", Kind::Number),
            ("6ba7b810-9dad-11d1-80b4-00c04fd430c8", Kind::Uuid),
            ("6BA7B810-9DAD-11D1-80B4-00C04FD430C8", Kind::Uuid),
            ("urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", Kind::Uuid),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Kind::Ulid),
            ("507f1f77bcf86cd799439011", Kind::Hex),
            ("DA39A3EE", Kind::Hex),
            ("3f2a9c1b", Kind::Hex),
            ("2025-03-07", Kind::Date),
            ("2025-03", Kind::Date),
            ("2025-03-07T09:41:07.12Z", Kind::Timestamp),
            ("2025-03-07T09:41:07+01:00", Kind::Timestamp),
            ("20250307T094107Z", Kind::Timestamp),
            ("anna.b+c@mail.example.org", Kind::Email),
            ("10.0.0.1", Kind::Ip),
            ("2001:db8::1", Kind::Ip),
            ("+4915112345678", Kind::Phone),
            ("1.2.3", Kind::Version),
            ("v10.4.2-rc.1", Kind::Version),
            ("SKU-10234-912", Kind::Token),
            ("ORD-123", Kind::Token),
            ("NW2025000123", Kind::Token),
            ("pm_3fa9c1d2", Kind::Token),
            ("cus_NffrFeUfNV2Hib", Kind::Token),
            ("V1StGXR8_Z5jdHi6B-myT", Kind::Token),
            ("dGhpc2lzYXRva2VuMTIzNA==", Kind::Token),
            ("app.3f2a9c1b", Kind::Token),
            ("1,2,3", Kind::List),
            ("SKU-10234-912,SKU-10235-001", Kind::List),
        ] {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn dates_that_are_none() {
        for text in ["2025-13-01", "2025-00", "1025-03-07", "2025-03-07T", "2025-03-07x09:00", "2025-3-7"] {
            assert!(!matches!(kind(text), Some(Kind::Date | Kind::Timestamp)), "{text}");
        }
    }
}

//! AWS access keys: an id of twenty characters and a secret of forty.
//!
//! ```text
//! AKIA Y3RT5WLQ6ZNXM27Q      AKIA: long-lived, ASIA: temporary, ABIA, ACCA, A3T.: rarer kinds
//!      └ base32 (RFC 4648 §6): A–Z and 2–7; bits 1 to 40 are the account's number, which has twelve digits
//! ```
//!
//! The beginnings are English words and codes of regions too, and identifiers such as `ASIA0001234567891234` are
//! common. So an id must pass alphabet, entropy and account number; and only the secret beside it makes a leak certain.

use std::ops::Range;

use super::{Class, before, begins_word, entropy, run};

const ID_BYTES: usize = 20;
const KIND_BYTES: usize = 4;
const SECRET_BYTES: usize = 40;
/// Sixteen random base32 characters have 3.6 bits each on average; below this stand counters and repetitions.
const ID_ENTROPY_MIN: f64 = 3.0;
/// Forty random base64 characters have 4.9 bits each on average; hexadecimal digests can't exceed 4.0.
const SECRET_ENTROPY_MIN: f64 = 4.25;
/// Equal or consecutive characters in a row that no random id shows.
const ORDERED_RUN_MAX: usize = 4;
/// How far from its id a secret is looked for: they stand in one small object, or on neighbouring lines.
const PAIR_BYTES_MAX: usize = 256;

/// Reads the id that begins at `start`: an id, a lookalike, or nothing.
pub(super) fn read(bytes: &[u8], start: usize) -> Option<(Range<usize>, Class)> {
    let range = start..start + ID_BYTES;
    let value = bytes.get(range.clone())?;
    let upper_or_digit = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if !begins_word(bytes, start) || run(bytes, start, |b| b.is_ascii_alphanumeric() || b == b'_') != ID_BYTES
    {
        return None;
    }
    if !value.iter().all(|byte| upper_or_digit(*byte)) || value.ends_with(b"EXAMPLE") {
        return None;
    }
    if is_presigned(bytes, &range) {
        return None;
    }
    let class = if is_id(value) { Class::AwsAccessKeyId } else { Class::AwsLookalike };
    Some((range, class))
}

/// The secret that belongs to the id: the nearest run of exactly forty characters that looks random.
pub(super) fn secret_near(bytes: &[u8], id: &Range<usize>) -> Option<Range<usize>> {
    let window = id.start.saturating_sub(PAIR_BYTES_MAX)..(id.end + PAIR_BYTES_MAX).min(bytes.len());
    let mut nearest: Option<Range<usize>> = None;
    let mut at = window.start;
    // A run that the window cuts may be longer than it seems.
    while at > 0 && at < id.start && is_secret_byte(bytes, at - 1) {
        at += 1;
    }
    while at < window.end {
        let len = run_of_secret(bytes, at);
        let range = at..at + len;
        at += len.max(1);
        if range.start == id.start || !is_secret(bytes, &range) {
            continue;
        }
        let distance = |range: &Range<usize>| id.start.abs_diff(range.start);
        if nearest.as_ref().is_none_or(|known| distance(&range) < distance(known)) {
            nearest = Some(range);
        }
    }
    nearest
}

/// Alphabet, entropy, order, account number.
fn is_id(value: &[u8]) -> bool {
    let Some(body) = value.get(KIND_BYTES..) else { return false };
    let Some(number) = base32(body) else { return false };
    entropy(body) >= ID_ENTROPY_MIN
        && longest_ordered_run(body) <= ORDERED_RUN_MAX
        && has_account(body, number)
}

/// Eighty bits of sixteen characters; nothing where one is not of the alphabet.
fn base32(body: &[u8]) -> Option<u128> {
    body.iter().try_fold(0u128, |sum, byte| {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        Some(sum << 5 | u128::from(digit))
    })
}

/// Bits 1 to 40 hold the account's number, which has at most twelve digits. Ids of the older kind begin with I or J
/// and hold none.
fn has_account(body: &[u8], number: u128) -> bool {
    let account = (number >> (80 - 48) & 0x7fff_ffff_ff80) >> 7;
    matches!(body.first(), Some(b'I' | b'J')) || account < 1_000_000_000_000
}

/// The longest run in which each character equals the one before, or follows it.
fn longest_ordered_run(body: &[u8]) -> usize {
    let longest = |step: u8| {
        let (mut longest, mut current) = (1, 1);
        for (one, next) in body.iter().zip(body.iter().skip(1)) {
            current = if one.wrapping_add(step) == *next { current + 1 } else { 1 };
            longest = longest.max(current);
        }
        longest
    };
    [0, 1, u8::MAX].into_iter().map(longest).max().unwrap_or(0)
}

/// In a signed URL or a signature's scope the id is meant to be seen, and worth nothing without its secret:
/// `X-Amz-Credential=AKIA…/20250307/eu-central-1/s3/aws4_request`, `AWSAccessKeyId=AKIA…&Signature=…`.
fn is_presigned(bytes: &[u8], id: &Range<usize>) -> bool {
    let ahead = bytes.get(id.start.saturating_sub(17)..id.start).unwrap_or_default();
    let behind = bytes.get(id.end..).unwrap_or_default();
    let scope = [&b"\\/"[..], b"/", b"%2F", b"%2f"].iter().find_map(|slash| behind.strip_prefix(*slash));
    let is_scope =
        scope.and_then(|rest| rest.get(..8)).is_some_and(|date| date.iter().all(u8::is_ascii_digit));
    is_scope || ahead.ends_with(b"AWSAccessKeyId=") || ahead.ends_with(b"X-Amz-Credential=")
}

/// Whether the byte belongs to a secret; a backslash does where JSON escapes a slash with it.
fn is_secret_byte(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        Some(b'\\') => bytes.get(at + 1) == Some(&b'/'),
        Some(byte) => byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+'),
        None => false,
    }
}

fn run_of_secret(bytes: &[u8], start: usize) -> usize {
    (start..bytes.len()).take_while(|at| is_secret_byte(bytes, *at)).count()
}

fn is_secret(bytes: &[u8], range: &Range<usize>) -> bool {
    let mut value = [0; SECRET_BYTES];
    let mut len = 0;
    for byte in bytes.get(range.clone()).unwrap_or_default().iter().filter(|byte| **byte != b'\\') {
        let Some(place) = value.get_mut(len) else { return false };
        *place = *byte;
        len += 1;
    }
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    // Padding or a dash makes it a part of something else.
    let part = |byte: Option<u8>| matches!(byte, Some(b'=' | b'-' | b'_'));
    let assigned = before(bytes, range.start) == Some(b'=');
    len == SECRET_BYTES
        && (assigned || !part(before(bytes, range.start)))
        && !part(bytes.get(range.end).copied())
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && entropy(&value) >= SECRET_ENTROPY_MIN
        && !value.windows(7).any(|part| part == b"EXAMPLE")
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const ID: &str = "AKIAY3RT5WLQ6ZNXM27Q";
    const SECRET: &str = "p9Zt/4kQ+Xc7Lw2VbN8sRf3GhJ6yTmD1aUeKoYiB";

    #[test]
    fn ids_lookalikes_and_neither() {
        for (text, expected) in [
            (ID, Some(Class::AwsAccessKeyId)),
            ("ASIAY3RT5WLQ6ZNXM27Q", Some(Class::AwsAccessKeyId)),
            ("A3TXY3RT5WLQ6ZNXM27Q", Some(Class::AwsAccessKeyId)),
            ("key=AKIAY3RT5WLQ6ZNXM27Q&x=1", Some(Class::AwsAccessKeyId)),
            ("%3DAKIAY3RT5WLQ6ZNXM27Q", Some(Class::AwsAccessKeyId)),
            (r#""line\nAKIAY3RT5WLQ6ZNXM27Q""#, Some(Class::AwsAccessKeyId)),
            ("ASIA0001234567891234", Some(Class::AwsLookalike)), // decimal digits: no base32
            ("ASIA2345672345672345", Some(Class::AwsLookalike)), // base32, but counts
            ("AKIAAAAAAAAAAAAAAAAB", Some(Class::AwsLookalike)), // one letter
            ("AKIA7777XYZWVUTSRQPO", Some(Class::AwsLookalike)), // counts down
            ("AKIAP7Z7W3RT5WLQ6ZNX", Some(Class::AwsLookalike)), // account number above twelve digits
            ("AKIAJ7Z7W3RT5WLQ6ZNX", Some(Class::AwsAccessKeyId)), // older kind: holds no account
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("AKIAY3RT5WLQ6ZNXM27", None),
            ("AKIAY3RT5WLQ6ZNXM27QQ", None),
            ("xAKIAY3RT5WLQ6ZNXM27Q", None),
            ("AKIAy3RT5WLQ6ZNXM27Q", None),
            ("X-Amz-Credential=AKIAY3RT5WLQ6ZNXM27Q%2F20250307%2Feu-central-1%2Fs3%2Faws4_request", None),
            ("Credential=AKIAY3RT5WLQ6ZNXM27Q/20250307/eu-central-1/s3/aws4_request", None),
            ("?AWSAccessKeyId=AKIAY3RT5WLQ6ZNXM27Q&Signature=x", None),
        ] {
            let classes = found(text);
            assert_eq!(classes.first().map(|(_, class)| *class), expected, "{text}");
        }
    }

    #[test]
    fn secret_beside_its_id() {
        let escaped = SECRET.replace('/', "\\/");
        for (text, expected) in [
            (format!(r#"{{"accessKeyId":"{ID}","secretAccessKey":"{SECRET}"}}"#), Some(SECRET)),
            (format!(r#"{{"secretAccessKey":"{SECRET}","accessKeyId":"{ID}"}}"#), Some(SECRET)),
            (format!(r#"{{"accessKeyId":"{ID}","secretAccessKey":"{escaped}"}}"#), Some(escaped.as_str())),
            (format!("AWS_ACCESS_KEY_ID={ID}\nAWS_SECRET_ACCESS_KEY={SECRET}\n"), Some(SECRET)),
            (format!("{ID} {SECRET}="), None),
            (format!("{ID} {SECRET}x"), None),
            (format!("{ID} {}", "0123456789abcdef0123456789abcdef01234567"), None),
            (format!("{ID} {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), None),
            (format!("{ID}{}{SECRET}", " ".repeat(300)), None),
            (format!("ASIA0001234567891234 {SECRET}"), None),
        ] {
            let all = found(&text);
            let secret =
                all.iter().find(|(_, class)| *class == Class::AwsSecretKey).map(|(value, _)| value.as_str());
            assert_eq!(secret, expected, "{text}");
        }
    }
}

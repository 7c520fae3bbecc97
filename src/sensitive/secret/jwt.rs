//! JSON Web Tokens in compact form (RFC 7515 §7.1): three parts of base64url, joined by dots.

use std::ops::Range;

use super::{begins_word, run};

/// Real headers have a few dozen bytes; with a certificate chain in `x5c` a few thousand.
const HEADER_BYTES_MAX: usize = 8 << 10;

/// Reads the token that begins at `start`: the header is a JSON object with `alg`, the payload an object too. The
/// signature may be empty (`alg` none).
pub(super) fn read(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if !begins_word(bytes, start) {
        return None;
    }
    let header_end = start + run(bytes, start, is_base64url);
    let payload_start = after_dot(bytes, header_end)?;
    let payload_end = payload_start + run(bytes, payload_start, is_base64url);
    let signature_start = after_dot(bytes, payload_end)?;
    let end = signature_start + run(bytes, signature_start, is_base64url);
    if header_end - start > HEADER_BYTES_MAX || !has_algorithm(bytes.get(start..header_end)?) {
        return None;
    }
    let payload_begins = decode(bytes.get(payload_start..payload_end.min(payload_start + 4))?)?;
    payload_begins.starts_with(b"{").then_some(start..end)
}

fn has_algorithm(header: &[u8]) -> bool {
    let object = decode(header).and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    object.is_some_and(|header| header.get("alg").is_some_and(serde_json::Value::is_string))
}

fn after_dot(bytes: &[u8], at: usize) -> Option<usize> {
    (bytes.get(at) == Some(&b'.')).then_some(at + 1)
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Base64url without padding (RFC 4648 §5).
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.chunks(4) {
        let mut bits = 0u32;
        for byte in four {
            bits = bits << 6 | u32::from(digit(*byte)?);
        }
        // Two characters hold one byte, three hold two; one alone holds nothing.
        let bytes = (bits << (6 * (4 - four.len()))).to_be_bytes();
        out.extend_from_slice(bytes.get(1..four.len().max(2)).filter(|_| four.len() > 1)?);
    }
    Some(out)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::found;
    use super::decode;

    #[test]
    fn tokens_and_what_is_none() {
        let signed = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMTIxIn0.4_-xY0zAbCdEfGhIjKlMnOpQ";
        let unsigned = "eyJhbGciOiJub25lIn0.e30.";
        for token in [signed, unsigned] {
            assert_eq!(found(&format!("Bearer {token}\"")), [(token.to_owned(), Class::Jwt)]);
        }
        for text in [
            "eyJhbGciOiJub25lIn0.e30",  // two parts
            "eyJ0eXAiOiJKV1QifQ.e30.",  // no alg
            "eyJhbGciOiJub25lIn0.W10.", // payload is a list
            "eyJ.eyJ.eyJ",
            "eyJwYWdlIjoyLCJzb3J0IjoibmFtZSJ9", // a cursor: JSON in base64
            "xeyJhbGciOiJub25lIn0.e30.",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn base64url_of_every_length() {
        for (text, bytes) in
            [("", Some(&b""[..])), ("Zg", Some(b"f")), ("Zm8", Some(b"fo")), ("Zm9v", Some(b"foo"))]
        {
            assert_eq!(decode(text.as_bytes()).as_deref(), bytes);
        }
        assert_eq!((decode(b"Z"), decode(b"Zm9vZ"), decode(b"Z=")), (None, None, None));
    }
}

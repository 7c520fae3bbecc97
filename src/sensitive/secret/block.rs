//! Private keys in armour: PEM (RFC 7468), OpenSSH, OpenPGP (RFC 9580 §6.2).
//!
//! In JSON the line breaks stand as `\n`; a block whose end was cut off is still a key.

use std::ops::Range;

/// A label is one of a dozen; the longest known has 21 letters before its dashes.
const LABEL_BYTES_MAX: usize = 32;
/// An RSA key of 16,384 bits takes 13 KiB.
const BLOCK_BYTES_MAX: usize = 16 << 10;
/// The shortest real key (Ed25519 in PKCS #8) takes 64 characters; documentation writes `MIIEpAIBAAKCAQEA...`.
const BASE64_BYTES_MIN: usize = 60;
/// What a DER sequence (each PKCS #1, PKCS #8 and SEC 1 key is one), and what OpenSSH's magic look like in base64.
const BODY_BEGINS: &[&[u8]] = &[b"MI", b"MH", b"MG", b"MC", b"MF", b"ME", b"MD", b"b3BlbnNzaC1rZXkt"];

/// Reads the block whose first line begins at `start`.
pub(super) fn read(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let label_start = start + b"-----BEGIN ".len();
    let label_area = bytes.get(label_start..)?;
    let label_len =
        label_area.iter().take(LABEL_BYTES_MAX).take_while(|b| b.is_ascii_uppercase() || **b == b' ').count();
    let label = label_area.get(..label_len)?;
    let body_area = label_area.get(label_len..)?.strip_prefix(b"-----")?;
    let is_pgp = label.ends_with(b"PGP PRIVATE KEY BLOCK");
    if !is_pgp && !label.ends_with(b"PRIVATE KEY") {
        return None;
    }
    let body_area = body_area.get(..BLOCK_BYTES_MAX.min(body_area.len()))?;
    let body_len = memchr::memmem::find(body_area, b"-----END ").unwrap_or(body_area.len());
    let body = body_area.get(..body_len)?;
    let (count, first) = measure(body);
    // Encryption and version are said in header lines before the key.
    let headed = is_pgp || body.windows(10).any(|part| part == b"Proc-Type:");
    let begins = headed || BODY_BEGINS.iter().any(|known| first.starts_with(known));
    if count < BASE64_BYTES_MIN || !begins {
        return None;
    }
    let body_start = label_start + label_len + 5;
    let tail = bytes.get(body_start + body_len..).unwrap_or_default();
    let end =
        tail.strip_prefix(b"-----END ").and_then(|rest| rest.strip_prefix(label)?.strip_prefix(b"-----"));
    Some(start..end.map_or(body_start + body_len, |rest| bytes.len() - rest.len()))
}

/// How many characters of base64 stand before anything else, and the first sixteen of them. White space counts
/// for nothing, however often it was escaped.
fn measure(body: &[u8]) -> (usize, [u8; 16]) {
    let mut first = [0; 16];
    let mut count = 0;
    let mut escaped = false;
    for byte in body {
        let skipped =
            byte.is_ascii_whitespace() || *byte == b'\\' || escaped && matches!(byte, b'n' | b'r' | b't');
        escaped = *byte == b'\\';
        if skipped {
            continue;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') {
            if let Some(place) = first.get_mut(count) {
                *place = *byte;
            }
            count += 1;
        }
    }
    (count, first)
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::found;

    const LINE: &str = "MIIEpAIBAAKCAQEAx4Yb7nQzV2k9wPqRtS5uXeGhJ3mN8dLfC1oZsT6aBvWyUiKE";

    #[test]
    fn blocks_and_what_is_none() {
        let block =
            |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
        let openssh = format!("b3BlbnNzaC1rZXktdjEAAAAA{LINE}");
        let encrypted = format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{LINE}");
        for text in [
            block("RSA PRIVATE KEY", LINE),
            block("PRIVATE KEY", LINE),
            block("OPENSSH PRIVATE KEY", &openssh),
            block("RSA PRIVATE KEY", &encrypted),
            block("PGP PRIVATE KEY BLOCK", &format!("Version: 1\n\nlQOYBF{LINE}")),
            block("EC PRIVATE KEY", LINE).replace('\n', "\\n"),
            block("EC PRIVATE KEY", LINE).replace('\n', "\\\\r\\\\n"),
        ] {
            let quoted = format!("{{\"key\":\"{text}\"}}");
            assert_eq!(found(&quoted), [(text, Class::PrivateKey)]);
        }
        for text in [
            block("CERTIFICATE", LINE),
            block("PUBLIC KEY", LINE),
            block("RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA..."),
            block("RSA PRIVATE KEY", &"x".repeat(64)),
            "-----BEGIN RSA PRIVATE KEY-----".to_owned(),
            "-----BEGIN ".to_owned(),
        ] {
            assert_eq!(found(&text), [], "{text}");
        }
    }

    #[test]
    fn cut_off_block_ends_where_the_text_ends() {
        let text = format!("-----BEGIN PRIVATE KEY-----\n{LINE}\n{LINE}");
        assert_eq!(found(&text), [(text.clone(), Class::PrivateKey)]);
    }
}

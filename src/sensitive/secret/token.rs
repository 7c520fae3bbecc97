//! Tokens of vendors whose format is a fixed beginning and counted runs of an alphabet, some with a checksum.

use std::ops::Range;

use super::{Class, begins_word, entropy, run};

/// One vendor's format.
pub(super) struct Format {
    /// The literal that it begins with.
    pub(super) begins: &'static str,
    /// What it is.
    pub(super) class: Class,
    /// What follows the beginning.
    rest: &'static [Part],
    /// What alphabets and lengths can't say; gets the whole value.
    check: fn(&[u8]) -> bool,
}

enum Part {
    /// All bytes of an alphabet that follow: so many and no more.
    Run(fn(u8) -> bool, usize, usize),
    /// This byte.
    Byte(u8),
}

use Part::{Byte, Run};

/// Every format; the order decides between beginnings that are equal as far as they go.
pub(super) const FORMATS: &[Format] = &[
    github("ghp_"),
    github("gho_"),
    github("ghu_"),
    github("ghs_"),
    github("ghr_"),
    format(
        "github_pat_",
        Class::GithubFineGrainedToken,
        &[Run(alnum, 22, 22), Byte(b'_'), Run(alnum, 59, 59)],
    ),
    Format { begins: "npm_", class: Class::NpmToken, rest: &[Run(alnum, 36, 36)], check: base62_checksum },
    Format {
        begins: "glpat-",
        class: Class::GitlabToken,
        rest: &[Run(base64url_dot, 20, 340)],
        check: gitlab,
    },
    format("sk_live_", Class::StripeKey, &[Run(alnum, 24, 247)]),
    format("rk_live_", Class::StripeKey, &[Run(alnum, 24, 247)]),
    slack("xoxa-"),
    slack("xoxb-"),
    slack("xoxp-"),
    slack("xoxr-"),
    slack("xoxs-"),
    format("AIza", Class::GoogleApiKey, &[Run(base64url, 35, 35)]),
    format("SG.", Class::SendgridKey, &[Run(base64url, 22, 22), Byte(b'.'), Run(base64url, 43, 43)]),
    format("shpat_", Class::ShopifyToken, &[Run(hex, 32, 32)]),
    format("shpca_", Class::ShopifyToken, &[Run(hex, 32, 32)]),
    format("shppa_", Class::ShopifyToken, &[Run(hex, 32, 32)]),
    format("shpss_", Class::ShopifyToken, &[Run(hex, 32, 32)]),
    format("dop_v1_", Class::DigitaloceanToken, &[Run(hex, 64, 64)]),
    format("doo_v1_", Class::DigitaloceanToken, &[Run(hex, 64, 64)]),
    format("dor_v1_", Class::DigitaloceanToken, &[Run(hex, 64, 64)]),
    format("pypi-AgEIcHlwaS5vcmc", Class::PypiToken, &[Run(base64url, 50, 1000)]),
    Format { begins: "sk-proj-", class: Class::OpenaiKey, rest: &[Run(base64url, 40, 220)], check: openai },
    Format {
        begins: "sk-svcacct-",
        class: Class::OpenaiKey,
        rest: &[Run(base64url, 40, 220)],
        check: openai,
    },
    Format {
        begins: "sk-ant-",
        class: Class::AnthropicKey,
        rest: &[Run(base64url, 101, 101)],
        check: anthropic,
    },
];

/// Random values of sixteen and more characters have at least 3 bits each; placeholders have one character.
const ENTROPY_MIN: f64 = 2.5;

/// Reads the token that begins at `start`.
pub(super) fn read(bytes: &[u8], start: usize, format: &Format) -> Option<Range<usize>> {
    if !begins_word(bytes, start) {
        return None;
    }
    let body = start + format.begins.len();
    let mut end = body;
    for part in format.rest {
        end += match part {
            Run(alphabet, min, max) => {
                let len = run(bytes, end, alphabet);
                // The full stop of a sentence is no part of a token.
                let stops = bytes.get(end..end + len)?.iter().rev().take_while(|byte| **byte == b'.').count();
                (*min..=*max).contains(&(len - stops)).then_some(len - stops)?
            }
            Byte(byte) => (bytes.get(end) == Some(byte)).then_some(1)?,
        };
    }
    let value = bytes.get(start..end)?;
    let random = entropy(bytes.get(body..end)?) >= ENTROPY_MIN;
    let example = value.windows(7).any(|part| part.eq_ignore_ascii_case(b"example"));
    (random && !example && (format.check)(value)).then_some(start..end)
}

const fn format(begins: &'static str, class: Class, rest: &'static [Part]) -> Format {
    Format { begins, class, rest, check: |_| true }
}

const fn github(begins: &'static str) -> Format {
    Format { begins, class: Class::GithubToken, rest: &[Run(alnum, 36, 36)], check: base62_checksum }
}

const fn slack(begins: &'static str) -> Format {
    Format { begins, class: Class::SlackToken, rest: &[Run(alnum_dash, 30, 255)], check: slack_groups }
}

const fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

const fn alnum_dash(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

const fn base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

const fn base64url_dot(byte: u8) -> bool {
    base64url(byte) || byte == b'.'
}

const fn hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// GitHub and npm: the last six characters are the CRC-32 of the thirty before, in base 62 (0–9, A–Z, a–z).
fn base62_checksum(value: &[u8]) -> bool {
    let Some(rest) = value.len().checked_sub(36).and_then(|start| value.get(start..)) else { return false };
    let (random, written) = rest.split_at(30);
    in_base::<6>(crc32(random), 62) == written
}

/// A routable token is `payload.version.length` and seven digits in base 36: the CRC-32 of all that stands before.
/// The older form is twenty characters without a checksum.
fn gitlab(value: &[u8]) -> bool {
    let body = value.get(b"glpat-".len()..).unwrap_or_default();
    if !body.contains(&b'.') {
        return body.len() == 20;
    }
    let Some(end) = value.len().checked_sub(7) else { return false };
    let (checked, written) = value.split_at(end);
    in_base::<7>(crc32(checked), 36) == written
}

/// A workspace or an app is named by nine digits or more; the last group is the secret.
fn slack_groups(value: &[u8]) -> bool {
    let mut groups = value.split(|byte| *byte == b'-').skip(1);
    let named = groups.by_ref().any(|group| group.len() >= 9 && group.iter().all(u8::is_ascii_digit));
    named && groups.last().is_some_and(|secret| secret.len() >= 20)
}

/// In the middle of each key stands "OpenAI" in base64.
fn openai(value: &[u8]) -> bool {
    value.windows(8).any(|part| part == b"T3BlbkFJ")
}

/// `sk-ant-api03-`, 93 characters and two that the padding of base64 leaves.
fn anthropic(value: &[u8]) -> bool {
    value.ends_with(b"AA") && value.get(7..10).is_some_and(|kind| matches!(kind, b"api" | b"adm" | b"sid"))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The number with `N` digits: 0–9, then A–Z and a–z in base 62, a–z in base 36.
fn in_base<const N: usize>(mut number: u32, base: u32) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let value = (number % base) as u8;
        *digit = match value {
            0..=9 => b'0' + value,
            10..=35 if base == 62 => b'A' + value - 10,
            10..=35 => b'a' + value - 10,
            _ => b'a' + value - 36,
        };
        number /= base;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn true_formats() {
        let hex32 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        let long = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA";
        let routable = "glpat-bzoxCnU6MTIzNAphYmNkZWZnaGlqa2xtbm8.01.12";
        let crc = String::from_utf8(in_base::<7>(crc32(routable.as_bytes()), 36).to_vec()).unwrap();
        for (value, class) in [
            ("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".to_owned(), Class::GithubToken),
            ("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".to_owned(), Class::NpmToken),
            (
                format!("github_pat_{}_{}{}", &long[..22], &long[..32], &long[..27]),
                Class::GithubFineGrainedToken,
            ),
            (format!("glpat-{}", &long[..20]), Class::GitlabToken),
            (format!("{routable}{crc}"), Class::GitlabToken),
            (format!("sk_live_{}", &long[..24]), Class::StripeKey),
            (format!("xoxb-123456789012-1234567890123-{}", &long[..24]), Class::SlackToken),
            (format!("AIzaSy{}_", long), Class::GoogleApiKey),
            (format!("SG.{}.{}{}", &long[..22], &long[..32], &long[..11]), Class::SendgridKey),
            (format!("shpat_{hex32}"), Class::ShopifyToken),
            (format!("dop_v1_{hex32}{hex32}"), Class::DigitaloceanToken),
            (format!("pypi-AgEIcHlwaS5vcmc{long}{long}"), Class::PypiToken),
            (format!("sk-proj-{long}T3BlbkFJ{long}"), Class::OpenaiKey),
            (format!("sk-ant-api03-{long}{long}{}AA", &long[..29]), Class::AnthropicKey),
        ] {
            let expected = [(value.clone(), class)];
            assert_eq!(found(&value), expected, "{value}");
            assert_eq!(found(&format!(r#"{{"k":"{value}"}}"#)), expected, "{value}");
            assert_eq!(found(&format!("It is {value}.")), expected, "{value}");
            assert_eq!(found(&format!("x{value}")), [], "{value}");
            assert_eq!(found(&value[..value.len() / 2]), [], "{value}");
        }
    }

    #[test]
    fn what_only_begins_like_one() {
        for value in [
            "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", // checksum
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "npm_config_registry",
            "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx",
            "sk_live_EXAMPLEaB3dE5gH7jK9mN1pQ2",
            "sk_live_short",
            "glpat-bzoxCnU6MTIzNAphYmNkZWZnaGlqa2xtbm8.01.120000000", // checksum
            "xoxb-not-a-token-but-some-words-in-a-row",
            "AIzaSyShort",
            "SG.something.else",
            "shpat_0f1e2d3c4b5a69788796a5b4c3d2e1fZ",
            "sk-proj-aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAaB3dE5gH7j", // lacks the mark in its middle
        ] {
            assert_eq!(found(value), [], "{value}");
        }
    }
}

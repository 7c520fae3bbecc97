//! Body → Facts, inside the worker, so that bodies neither cross threads nor leave the host.
//!
//! One pass looks for the beginnings of secrets; only a body that has one is walked, to say where it stands. Parameters of
//! the request's target become facts of the same shape.

mod json;
mod percent;
mod query;

pub use percent::DecodedPercent;
pub use query::parameters;

use std::ops::Range;

use crate::call::{Facts, Leaf};
use crate::limits::{BODY_INSPECTED_BYTES_MAX, LEAVES_MAX};
use crate::sensitive::secret::{self, Class};

/// What a body says, if it is text or JSON and no content coding lies around it.
///
/// `None`: not inspected, so nothing is known of it; a body is not inspected either when it is longer than
/// [`BODY_INSPECTED_BYTES_MAX`] or when its bytes are not what its media type says. Facts without leaves: inspected,
/// and nothing is there. A body that was cut off is inspected as far as it goes.
#[must_use]
pub fn inspect_body(
    media_type: Option<&[u8]>,
    coding_present: bool,
    body: &[u8],
    fingerprint: &dyn Fn(&[u8]) -> u64,
) -> Option<Facts> {
    let said = media_type.map(kind);
    if coding_present
        || body.len() > BODY_INSPECTED_BYTES_MAX
        || said == Some(Kind::Other)
        || !looks_like_text(body)
    {
        return None;
    }
    if !secret::candidate(body) {
        return Some(Facts::default());
    }
    let mut matches = Vec::new();
    secret::find(body, |range, class| {
        if matches.len() < LEAVES_MAX {
            matches.push(Match { range, class });
        }
    });
    matches.sort_by_key(|one| one.range.start);
    let is_json = said == Some(Kind::Json) || looks_like_json(body);
    let places = if is_json { json::locate(body, &matches) } else { Vec::new() };
    let places = places.into_iter().map(Some).chain(std::iter::repeat(None));
    let leaves = matches
        .iter()
        .zip(places)
        .map(|(one, place)| leaf(body, one, place.as_deref(), is_json, fingerprint));
    Some(Facts { leaves: leaves.collect() })
}

/// Whether a body of that media type is read at all, so that no other needs to be kept.
#[must_use]
pub fn reads(media_type: Option<&[u8]>) -> bool {
    media_type.map(kind) != Some(Kind::Other)
}

/// A secret in a text.
struct Match {
    range: Range<usize>,
    class: Class,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
    Other,
}

fn kind(media_type: &[u8]) -> Kind {
    let essence =
        media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let Some(slash) = essence.iter().position(|byte| *byte == b'/') else { return Kind::Other };
    let (family, subtype) =
        (&essence.get(..slash).unwrap_or_default(), essence.get(slash + 1..).unwrap_or_default());
    let suffix = subtype.rsplit(|byte| *byte == b'+').next().unwrap_or_default();
    match (*family, subtype, suffix) {
        (b"text", b"json", _) | (_, _, b"json") | (_, b"x-ndjson" | b"json-seq", _) => Kind::Json,
        (b"text", ..) | (_, _, b"xml") | (_, b"javascript" | b"x-javascript" | b"yaml" | b"x-yaml", _) => {
            Kind::Text
        }
        _ => Kind::Other,
    }
}

/// So many bytes tell text from anything compressed or binary.
const LOOK_BYTES: usize = 512;

/// Text has no control characters but white space, form feed and escape. UTF-16 and UTF-32 have NULs and are not read.
fn looks_like_text(body: &[u8]) -> bool {
    let look = body.get(..LOOK_BYTES.min(body.len())).unwrap_or_default();
    look.iter().all(|byte| *byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
        && std::str::from_utf8(look).map_or_else(|error| error.error_len().is_none(), |_| true)
        || is_latin1_text(look)
}

/// Text of an older encoding: letters above ASCII are few, and no control characters.
fn is_latin1_text(look: &[u8]) -> bool {
    let high = look.iter().filter(|byte| **byte >= 0x80).count();
    look.iter().all(|byte| *byte >= b' ' && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r'))
        && high * 8 <= look.len()
}

fn looks_like_json(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    matches!(body.first(), Some(b'{' | b'['))
}

fn leaf(
    body: &[u8],
    one: &Match,
    place: Option<&str>,
    is_json: bool,
    fingerprint: &dyn Fn(&[u8]) -> u64,
) -> Leaf {
    let raw = body.get(one.range.clone()).unwrap_or_default();
    let clear = if is_json { json::unescape(raw) } else { None };
    let value = clear.as_deref().map_or(raw, str::as_bytes);
    Leaf {
        at: match place {
            Some(pointer) if !pointer.is_empty() => format!("body {pointer}"),
            _ => "body".to_owned(),
        },
        len: value.len() as u64,
        classes: vec![one.class.name().to_owned()],
        fingerprint: fingerprint(value),
        masked: crate::sensitive::mask(value, one.class.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "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";

    fn length(bytes: &[u8]) -> u64 {
        bytes.len() as u64
    }

    fn places(media_type: Option<&str>, body: &str) -> Option<Vec<String>> {
        let facts = inspect_body(media_type.map(str::as_bytes), false, body.as_bytes(), &length)?;
        Some(facts.leaves.into_iter().map(|leaf| leaf.at).collect())
    }

    #[test]
    fn media_types_that_are_read() {
        let body = format!("{{\"k\":\"{TOKEN}\"}}");
        for media_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
            "text/json",
            "text/plain",
            "text/html;charset=utf-8",
            "application/xml",
            "application/x-ndjson",
        ] {
            assert_eq!(places(Some(media_type), &body), Some(vec!["body /k".to_owned()]), "{media_type}");
        }
        for media_type in
            ["application/octet-stream", "image/png", "", "json", "multipart/form-data; boundary=x"]
        {
            assert_eq!(places(Some(media_type), &body), None, "{media_type}");
        }
        assert_eq!(places(None, &body), Some(vec!["body /k".to_owned()]));
        assert_eq!(places(None, &format!("key: {TOKEN}\n")), Some(vec!["body".to_owned()]));
    }

    #[test]
    fn bytes_must_be_what_the_media_type_says() {
        let json = Some(&b"application/json"[..]);
        let fingerprint = &length;
        assert_eq!(inspect_body(json, true, b"{}", fingerprint), None);
        assert_eq!(inspect_body(json, false, b"\x1f\x8b\x08\x00\x00", fingerprint), None);
        assert_eq!(inspect_body(json, false, b"{\"a\":\0}", fingerprint), None);
        assert_eq!(inspect_body(None, false, b"\x89PNG\r\n\x1a\n", fingerprint), None);
        assert_eq!(inspect_body(json, false, &vec![b' '; BODY_INSPECTED_BYTES_MAX + 1], fingerprint), None);
        assert_eq!(inspect_body(json, false, b"", fingerprint), Some(Facts::default()));
        assert_eq!(
            inspect_body(json, false, "{\"a\":\"grün\"}".as_bytes(), fingerprint),
            Some(Facts::default())
        );
        assert_eq!(
            inspect_body(Some(b"text/plain"), false, b"gr\xfcn ist das Gras", fingerprint),
            Some(Facts::default())
        );
    }

    #[test]
    fn a_leaf_tells_of_the_value_without_it() {
        let body = format!(r#"{{"a":[1,{{"key":"see {TOKEN} there"}}]}}"#);
        let facts = inspect_body(Some(b"application/json"), false, body.as_bytes(), &length).unwrap();
        let expected = Leaf {
            at: "body /a/1/key".into(),
            len: 40,
            classes: vec!["github-token".into()],
            fingerprint: 40,
            masked: "gh…17 (github-token)".into(),
        };
        assert_eq!(facts.leaves, [expected]);
    }

    #[test]
    fn leaves_are_bounded() {
        let body = format!("[{}]", vec![format!("\"{TOKEN}\""); LEAVES_MAX + 10].join(","));
        assert_eq!(places(None, &body).map(|all| all.len()), Some(LEAVES_MAX));
    }

    #[test]
    fn the_two_halves_of_a_pair_keep_their_places() {
        let body = r#"{"debug":{"secretAccessKey":"p9Zt\/4kQ+Xc7Lw2VbN8sRf3GhJ6yTmD1aUeKoYiB","accessKeyId":"AKIAY3RT5WLQ6ZNXM27Q"}}"#;
        let facts = inspect_body(None, false, body.as_bytes(), &length).unwrap();
        let told: Vec<_> =
            facts.leaves.iter().map(|leaf| (leaf.at.as_str(), leaf.classes[0].as_str(), leaf.len)).collect();
        assert_eq!(
            told,
            [
                ("body /debug/secretAccessKey", "aws-secret-key", 40),
                ("body /debug/accessKeyId", "aws-access-key-id", 20)
            ]
        );
    }
}

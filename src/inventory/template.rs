//! Path → template: `/users/1121/cart` → `/users/{integer}/cart`.
//!
//! A template names the type of each value and keeps each word as it stands, so that it can be read, and told apart from a
//! path: no brace stands in a path that was not put there. Before, the path is brought into the form of RFC 3986 §6.2.2
//! and RFC 3986 §5.2.4, as servers do before they route: escapes undone, dot segments resolved; empty segments, a
//! slash at the end and matrix parameters left out.

use super::token::{Kind, kind};
use crate::content::DecodedPercent;
use crate::limits::{PATH_SEGMENTS_MAX, SEGMENT_BYTES_MAX};

/// What stands for a word that is not yet proven to be one, and for what lies behind the last segment that is read.
pub(super) const UNPROVEN: &str = "{…}";

/// Writes the template of a request's path (a query behind it is ignored; an absolute form is reduced to its path)
/// into `out`; `false` if there is no path in it, as in `*` and `host:443`.
///
/// `is_secret` says of a segment (the first is 1, as in [`crate::call::Leaf::at`]) whether its value is a secret.
/// `is_proven` gets the hash of a word's place, which is the template up to it, and the word.
pub(super) fn write(
    path: &str,
    out: &mut String,
    is_secret: impl Fn(usize) -> bool,
    mut is_proven: impl FnMut(u64) -> bool,
) -> bool {
    out.clear();
    let Some(path) = path_of(path) else { return false };
    let mut place = 0;
    let mut starts = Starts::default();
    for (index, segment) in path.split('/').skip(1).enumerate() {
        let segment = segment.split(';').next().unwrap_or_default();
        let mut decoded = [0; SEGMENT_BYTES_MAX];
        let text = decode(segment, &mut decoded);
        match text {
            Some("" | ".") => continue,
            Some("..") => {
                let (start, before) = starts.pop();
                out.truncate(start);
                place = before;
                continue;
            }
            _ => (),
        }
        starts.push(out.len(), place);
        out.push('/');
        if index >= PATH_SEGMENTS_MAX {
            out.push_str(UNPROVEN);
            break;
        }
        let from = out.len();
        let is_word = if is_secret(index + 1) { value(Kind::Secret, out) } else { segment_of(text, out) };
        let written = out.get(from..).unwrap_or_default();
        place = xxhash_rust::xxh3::xxh3_64_with_seed(written.as_bytes(), place);
        if is_word && !is_proven(place) {
            out.truncate(from);
            out.push_str(UNPROVEN);
        }
    }
    if out.is_empty() {
        out.push('/');
    }
    true
}

/// Where each segment of the template starts, and the place before it, so that `..` can go back.
struct Starts {
    all: [(usize, u64); PATH_SEGMENTS_MAX + 1],
    len: usize,
}

impl Default for Starts {
    fn default() -> Self {
        Self { all: [(0, 0); PATH_SEGMENTS_MAX + 1], len: 0 }
    }
}

impl Starts {
    fn push(&mut self, start: usize, place: u64) {
        if let Some(next) = self.all.get_mut(self.len) {
            *next = (start, place);
            self.len += 1;
        }
    }

    fn pop(&mut self) -> (usize, u64) {
        self.len = self.len.saturating_sub(1);
        self.all.get(self.len).copied().unwrap_or_default()
    }
}

/// The path without its query, in origin or absolute form (RFC 9112 §3.2).
fn path_of(target: &str) -> Option<&str> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') {
        return Some(path);
    }
    let (_, rest) = path.split_once("://")?;
    Some(rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/"))
}

/// Undoes percent-encoding; nothing if the result is longer than the buffer or no UTF-8.
fn decode<'a>(segment: &str, buffer: &'a mut [u8; SEGMENT_BYTES_MAX]) -> Option<&'a str> {
    let mut len = 0;
    for byte in DecodedPercent(segment.as_bytes()) {
        *buffer.get_mut(len)? = byte;
        len += 1;
    }
    std::str::from_utf8(buffer.get(..len)?).ok()
}

/// Writes the placeholder: no word.
fn value(kind: Kind, out: &mut String) -> bool {
    out.push_str(kind.placeholder());
    false
}

/// Writes one segment; says whether it is a word.
fn segment_of(text: Option<&str>, out: &mut String) -> bool {
    let Some(text) = text else { return value(Kind::Text, out) };
    if write_file(text, out) {
        return false;
    }
    if let Some(kind) = kind(text) {
        return value(kind, out);
    }
    // What RFC 3986 §3.3 allows in a segment without escape, but for the semicolon. All else people write.
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
    if !text.bytes().all(is_plain) {
        return value(Kind::Text, out);
    }
    composed(text, out).unwrap_or_else(|| {
        out.push_str(text);
        true
    })
}

/// Writes a value with an extension behind it: `123.json`; `false` if it is none.
fn write_file(text: &str, out: &mut String) -> bool {
    let Some((stem, extension)) = text.rsplit_once('.') else { return false };
    let is_extension = extension.len() <= 8
        && extension.starts_with(|c: char| c.is_ascii_alphabetic())
        && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    let Some(kind) = kind(stem).filter(|kind| is_extension && !matches!(kind, Kind::Version | Kind::Ip))
    else {
        return false;
    };
    out.extend([kind.placeholder(), ".", extension]);
    true
}

/// Writes names with a value in them: `123:cancel`, `Orders(123)`; in these stands a word too. Nothing if it is none of these.
fn composed(text: &str, out: &mut String) -> Option<bool> {
    if let Some((stem, verb)) = text.rsplit_once(':')
        && !verb.is_empty()
        && verb.bytes().all(|b| b.is_ascii_alphabetic())
        && let Some(kind) = kind(stem)
    {
        out.extend([kind.placeholder(), ":", verb]);
        return Some(true);
    }
    // OData names one entity of a set by its key in parentheses.
    let (set, key) = text.strip_suffix(')')?.split_once('(')?;
    if key.is_empty() || set.is_empty() {
        return None;
    }
    out.extend([set, "(", kind(key).unwrap_or(Kind::Text).placeholder(), ")"]);
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str) -> Option<String> {
        let mut out = String::from("left over");
        write(path, &mut out, |_| false, |_| true).then_some(out)
    }

    #[test]
    fn templates() {
        for (path, expected) in [
            ("/", "/"),
            ("/users/1121/cart", "/users/{integer}/cart"),
            ("/users/1121/cart?x=/a/b", "/users/{integer}/cart"),
            ("/users/1121/cart/", "/users/{integer}/cart"),
            ("//users///1121//", "/users/{integer}"),
            ("/api/v1/v2.1/users/face", "/api/v1/v2.1/users/face"),
            ("/a/123.json", "/a/{integer}.json"),
            ("/assets/app.3f2a9c1b.js", "/assets/{token}.js"),
            ("/v1/messages/123:cancel", "/v1/messages/{integer}:cancel"),
            ("/v1/messages:send", "/v1/messages:send"),
            ("/odata/Orders(17)/Lines", "/odata/Orders({integer})/Lines"),
            ("/odata/People('anna')", "/odata/People({text})"),
            ("/odata/Reset()", "/odata/Reset()"),
            ("/a;jsessionid=0A1B/b;x", "/a/b"),
            ("/%75sers/%31%32", "/users/{integer}"),
            ("/users/a%40b.test", "/users/{email}"),
            ("/tags/M%C3%BCnchen", "/tags/{text}"),
            ("/tags/two%20words", "/tags/{text}"),
            ("/tags/%FF%FE", "/tags/{text}"),
            ("/users/{id}", "/users/{text}"),
            ("/users/%7Bid%7D", "/users/{text}"),
            ("/a/./b/../c/%2e%2E/d", "/a/d"),
            ("/../../a", "/a"),
            ("http://h.test/a/7?x", "/a/{integer}"),
            ("http://h.test", "/"),
            ("/days/2025-03-07/10.0.0.1", "/days/{date}/{ip}"),
        ] {
            assert_eq!(template(path).as_deref(), Some(expected), "{path}");
        }
        for none in ["*", "host:443", "", "users/1"] {
            assert_eq!(template(none), None, "{none}");
        }
    }

    #[test]
    fn long_paths_are_bounded() {
        let long = template(&format!("/{}", "x".repeat(SEGMENT_BYTES_MAX + 1))).unwrap();
        assert_eq!(long, "/{text}");
        let deep = template(&"/a".repeat(5000)).unwrap();
        assert_eq!(deep, format!("{}/{UNPROVEN}", "/a".repeat(PATH_SEGMENTS_MAX)));
        template(&format!("{}{}", "/a".repeat(5000), "/..".repeat(6000))).unwrap();
    }

    #[test]
    fn secrets_and_unproven_words() {
        let mut out = String::new();
        assert!(write("/hooks/gh…17/x/7", &mut out, |index| index == 2, |_| true));
        assert_eq!(out, "/hooks/{secret}/x/{integer}");
        let mut places = Vec::new();
        assert!(write(
            "/hooks/anna/7.json",
            &mut out,
            |_| false,
            |place| {
                places.push(place);
                places.len() == 1
            }
        ));
        assert_eq!((out.as_str(), places.len()), ("/hooks/{…}/{integer}.json", 2));
        assert!(places[0] != places[1]);
    }

    #[test]
    fn a_place_is_known_by_what_stands_before_it() {
        let place = |path: &str| {
            let mut last = 0;
            write(
                path,
                &mut String::new(),
                |_| false,
                |place| {
                    last = place;
                    true
                },
            );
            last
        };
        assert_eq!(place("/users/1/cart"), place("/users/2/cart/"));
        assert_eq!(place("/users/1/cart"), place("/users/x/../2/cart"));
        assert_ne!(place("/users/1/cart"), place("/people/1/cart"));
    }
}

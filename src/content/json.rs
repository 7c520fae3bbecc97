//! Places in JSON: byte offsets → JSON pointers (RFC 6901).
//!
//! The walk follows brackets, strings and commas, nothing more: it takes any input, also one that was cut off or is no JSON
//! behind some point, and then says the place as far as it can be told.

use super::Match;
use crate::limits::{JSON_DEPTH_MAX, POINTER_BYTES_MAX};
use crate::sensitive::{mask, secret::Class};

use std::ops::Range;

/// The pointer of each match, which come sorted. A match in a key has the pointer of the object around it; one that
/// lies deeper than [`JSON_DEPTH_MAX`] has that of the deepest value that was followed. A key that is a secret itself
/// stands masked.
pub(super) fn locate(bytes: &[u8], matches: &[Match]) -> Vec<String> {
    let mut walk = Walk { bytes, matches, stack: Vec::new(), deeper: 0, places: Vec::new() };
    let mut at = 0;
    while at < bytes.len() && walk.places.len() < matches.len() {
        at = walk.step(at);
    }
    while walk.places.len() < matches.len() {
        walk.places.push(walk.pointer());
    }
    walk.places
}

/// The text that a piece of a JSON string stands for; nothing if it has no escapes or broken ones.
pub(super) fn unescape(raw: &[u8]) -> Option<String> {
    memchr::memchr(b'\\', raw)?;
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

enum Level {
    /// An object, the key of its current member, and whether the next string is a key.
    Object { key: Range<usize>, awaits_key: bool },
    /// A list and the index of its current element.
    List { index: u64 },
}

struct Walk<'a> {
    bytes: &'a [u8],
    matches: &'a [Match],
    stack: Vec<Level>,
    /// Levels that were opened beyond the deepest that is followed.
    deeper: usize,
    places: Vec<String>,
}

impl Walk<'_> {
    /// Takes the token at `at`; gives where the next begins.
    fn step(&mut self, at: usize) -> usize {
        let byte = self.bytes.get(at).copied().unwrap_or(b' ');
        if byte == b'"' {
            return self.string(at);
        }
        self.place_before(at + 1);
        match byte {
            b'{' => self.open(Level::Object { key: 0..0, awaits_key: true }),
            b'[' => self.open(Level::List { index: 0 }),
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => drop(self.stack.pop()),
            b',' if self.deeper == 0 => match self.stack.last_mut() {
                Some(Level::Object { awaits_key, .. }) => *awaits_key = true,
                Some(Level::List { index }) => *index += 1,
                None => (),
            },
            _ => (),
        }
        at + 1
    }

    fn string(&mut self, at: usize) -> usize {
        let content = at + 1..string_end(self.bytes, at + 1);
        let next = (content.end + 1).min(self.bytes.len());
        if self.deeper == 0
            && let Some(Level::Object { key, awaits_key }) = self.stack.last_mut()
            && *awaits_key
        {
            // What stands in a key stands in the object, not yet in the member.
            (*key, *awaits_key) = (0..0, false);
            self.place_before(next);
            if let Some(Level::Object { key, .. }) = self.stack.last_mut() {
                *key = content;
            }
        } else {
            self.place_before(next);
        }
        next
    }

    fn open(&mut self, level: Level) {
        if self.deeper > 0 || self.stack.len() >= JSON_DEPTH_MAX {
            self.deeper += 1;
        } else {
            self.stack.push(level);
        }
    }

    /// The matches that begin before `end` and have no place yet stand here.
    fn place_before(&mut self, end: usize) {
        while self.matches.get(self.places.len()).is_some_and(|one| one.range.start < end) {
            self.places.push(self.pointer());
        }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for level in &self.stack {
            match level {
                Level::Object { key, .. } if key.is_empty() => continue,
                Level::Object { key, .. } => {
                    let name = self.key(key).replace('~', "~0").replace('/', "~1");
                    pointer.extend(["/", &name]);
                }
                Level::List { index } => pointer.extend(["/", &index.to_string()]),
            }
            if pointer.len() > POINTER_BYTES_MAX {
                let cut =
                    (0..=POINTER_BYTES_MAX).rev().find(|end| pointer.is_char_boundary(*end)).unwrap_or(0);
                pointer.truncate(cut);
                pointer.push('…');
                break;
            }
        }
        pointer
    }

    fn key(&self, range: &Range<usize>) -> String {
        let raw = self.bytes.get(range.clone()).unwrap_or_default();
        let first = self.matches.partition_point(|one| one.range.end <= range.start);
        match self.matches.get(first) {
            Some(one) if one.range.start < range.end => {
                let class: Class = one.class;
                mask(self.bytes.get(one.range.clone()).unwrap_or_default(), class.name())
            }
            _ => unescape(raw).unwrap_or_else(|| String::from_utf8_lossy(raw).into_owned()),
        }
    }
}

/// Where the string ends whose first byte behind the quotation mark is at `at`: its closing mark, or the input's end.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += next;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks are the letter X; each gets its pointer.
    fn pointers(json: &str) -> Vec<String> {
        let matches: Vec<_> = json
            .match_indices('X')
            .map(|(start, _)| Match { range: start..start + 1, class: Class::GithubToken })
            .collect();
        locate(json.as_bytes(), &matches)
    }

    #[test]
    fn pointers_of_values() {
        for (json, expected) in [
            (r#"{"a":"X"}"#, &["/a"][..]),
            (r#"{"a":{"b":[0,"X",{"c":"X"}]},"d":"X"}"#, &["/a/b/1", "/a/b/2/c", "/d"]),
            (r#"["X","X"]"#, &["/0", "/1"]),
            (r#"[[],[[]],{"a":[]},"X"]"#, &["/3"]),
            (r#"{"a":"quoted \" and \\","b":"X"}"#, &["/b"]),
            (r#"{"a/b~c":"X","é":"X","\u00e9":"X"}"#, &["/a~1b~0c", "/é", "/é"]),
            (r#""X""#, &[""]),
            (r#"{"a":1}{"b":"X"}"#, &["/b"]),
            ("{\"a\":1}\n{\"b\":\"X\"}\n", &["/b"]),
            (r#"{"a":X,"b":"X"}"#, &["/a", "/b"]),
            (r#"{"a":["x","X"#, &["/a/1"]),
            (r#"}}]"X","#, &[""]),
            ("X", &[""]),
        ] {
            assert_eq!(pointers(json), expected, "{json}");
        }
    }

    #[test]
    fn a_key_that_is_a_secret_is_masked() {
        assert_eq!(pointers(r#"{"a":{"X":{"b":"X"}}}"#), ["/a", "/a/… (github-token)/b"]);
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = format!("{}{}{}", "[".repeat(5000), "\"X\"", "]".repeat(5000));
        assert_eq!(pointers(&deep), ["/0".repeat(JSON_DEPTH_MAX)]);
        let after = format!("[{}{},\"X\"]", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(pointers(&after), ["/1"]);
        let long = format!("{{\"{}\":\"X\"}}", "ü".repeat(POINTER_BYTES_MAX));
        let pointer = pointers(&long).remove(0);
        assert!(pointer.len() <= POINTER_BYTES_MAX + "…".len() && pointer.ends_with('…'));
    }

    #[test]
    fn any_cut_is_survived() {
        let json = r#"{"a":{"b":[0,"X",{"c\"":"X"}]},"d\\":"X"}"#;
        for cut in 0..=json.len() {
            assert_eq!(pointers(&json[..cut]).len(), json[..cut].matches('X').count());
            assert_eq!(pointers(&json[cut..]).len(), json[cut..].matches('X').count());
        }
    }

    #[test]
    fn unescapes_only_what_is_escaped() {
        assert_eq!(unescape(br"a\/b\n").as_deref(), Some("a/b\n"));
        assert_eq!((unescape(b"ab"), unescape(br"ab\")), (None, None));
    }
}

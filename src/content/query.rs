//! Secrets in a request's target: by the format of a value, or by the name that it stands under.

use std::borrow::Cow;

use crate::call::{Facts, Leaf};
use crate::content::DecodedPercent;
use crate::limits::{LEAVES_MAX, PARAMETER_NAME_BYTES_MAX};
use crate::sensitive::{mask, name, secret};

/// What path and query of a request's target (RFC 9112 §3.2, origin or absolute form) say: `query NAME` for
/// parameters, `path N` for segments, the first being 1.
///
/// A segment counts if its value, or a matrix parameter behind it (`;jsessionid=…`), is a secret.
#[must_use]
pub fn parameters(target: &[u8], fingerprint: &dyn Fn(&[u8]) -> u64) -> Facts {
    let mut finder = Finder { facts: Facts::default(), fingerprint };
    let target = target.split(|byte| *byte == b'#').next().unwrap_or_default();
    let (before, query) = cut(target, b'?');
    for (index, segment) in path_of(before).split(|byte| *byte == b'/').skip(1).enumerate() {
        let at = || format!("path {}", index + 1);
        let mut parts = segment.split(|byte| *byte == b';');
        finder.by_format(&decode(parts.next().unwrap_or_default(), false), at);
        for part in parts {
            let (name, value) = cut(part, b'=');
            finder.pair(&decode(name, false), &decode(value.unwrap_or_default(), false), at);
        }
    }
    for part in query.unwrap_or_default().split(|byte| *byte == b'&') {
        let (name, value) = cut(part, b'=');
        let (name, value) = (decode(name, true), decode(value.unwrap_or_default(), true));
        let shown = shown_name(&name);
        finder.by_format(&name, || format!("query {shown}"));
        finder.pair(&name, &value, || format!("query {shown}"));
    }
    finder.facts
}

/// The path in a target of either form; an authority or `*` has none.
fn path_of(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let Some(scheme) = target.windows(3).position(|three| three == b"://") else { return b"" };
    let rest = target.get(scheme + 3..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b'/').and_then(|slash| rest.get(slash..)).unwrap_or_default()
}

fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(place) => (text.get(..place).unwrap_or_default(), text.get(place + 1..)),
        None => (text, None),
    }
}

/// Undoes percent-encoding, and in queries `+` for a space.
fn decode(text: &[u8], plus: bool) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| *byte == b'%' || plus && *byte == b'+') {
        return Cow::Borrowed(text);
    }
    let mut text = text.to_vec();
    if plus {
        text.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    }
    Cow::Owned(DecodedPercent(&text).collect())
}

/// The name as it may be shown: bounded, and masked where it is a secret itself (`/?ghp_…`).
fn shown_name(name: &[u8]) -> String {
    let mut shown = None;
    secret::find(name, |range, class| {
        shown.get_or_insert_with(|| mask(name.get(range).unwrap_or_default(), class.name()));
    });
    shown.unwrap_or_else(|| {
        let bounded = name.get(..PARAMETER_NAME_BYTES_MAX.min(name.len())).unwrap_or_default();
        String::from_utf8_lossy(bounded).into_owned()
    })
}

struct Finder<'a> {
    facts: Facts,
    fingerprint: &'a dyn Fn(&[u8]) -> u64,
}

impl Finder<'_> {
    /// A value under a name: a credential as a whole if the name says so, else whatever secrets stand in it.
    fn pair(&mut self, name: &[u8], value: &[u8], at: impl Fn() -> String) {
        match name::credential_parameter(name).filter(|class| is_plausible(value, class)) {
            Some(class) => {
                let mut classes = vec![class];
                secret::find(value, |_, found| classes.push(found.name()));
                classes.dedup();
                self.leaf(value, &classes, at());
            }
            None => self.by_format(value, at),
        }
    }

    fn by_format(&mut self, value: &[u8], at: impl Fn() -> String) {
        secret::find(value, |range, class| {
            self.leaf(value.get(range).unwrap_or_default(), &[class.name()], at())
        });
    }

    fn leaf(&mut self, value: &[u8], classes: &[&str], at: String) {
        if self.facts.leaves.len() >= LEAVES_MAX {
            return;
        }
        self.facts.leaves.push(Leaf {
            at,
            len: value.len() as u64,
            classes: classes.iter().map(|class| (*class).to_owned()).collect(),
            fingerprint: (self.fingerprint)(value),
            masked: mask(value, classes.last().copied().unwrap_or_default()),
        });
    }
}

/// Words that stand where a secret would and are none.
const PLACEHOLDERS: &[&str] = &[
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "unknown",
    "default",
    "optional",
    "required",
    "empty",
    "test",
    "demo",
    "demo_key",
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "changeme",
    "anonymous",
    "string",
];
/// Parts of placeholders of many spellings.
const PLACEHOLDER_PARTS: &[&[u8]] =
    &[b"example", b"redacted", b"placeholder", b"your_", b"your-", b"filtered", b"masked"];

/// Whether a value under the name of a credential can be one: long enough for its class, and no placeholder.
fn is_plausible(value: &[u8], class: &str) -> bool {
    let min = match class {
        name::PASSWORD => 4,
        name::TOKEN | name::URL_SIGNATURE => 16,
        _ => 8,
    };
    let both = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    value.len() >= min && (class != name::TOKEN || both) && !is_placeholder(value)
}

fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let template = matches!(lower.first(), Some(b'{' | b'<' | b'$' | b':' | b'[' | b'%'));
    let uniform = lower.iter().all(|byte| Some(byte) == lower.first());
    let masked = lower.windows(3).any(|three| three == b"***")
        || lower.windows(3).any(|three| three == "…".as_bytes());
    let contains = |part: &[u8]| lower.windows(part.len()).any(|window| window == part);
    template
        || uniform
        || masked
        || PLACEHOLDERS.iter().any(|word| word.as_bytes() == lower)
        || PLACEHOLDER_PARTS.iter().any(|part| contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(target: &str) -> Vec<String> {
        let facts = parameters(target.as_bytes(), &|bytes| bytes.len() as u64);
        facts.leaves.into_iter().map(|leaf| format!("{} = {}", leaf.at, leaf.classes.join(","))).collect()
    }

    #[test]
    fn credentials_in_targets() {
        for (target, expected) in [
            ("/v1/orders/7?api_key=k3yV4lu3-91ab&expand=lines", &["query api_key = api-key"][..]),
            ("/?API-KEY=k3yV4lu3-91ab", &["query API-KEY = api-key"]),
            ("/?p=1&password=tr0ub4dor", &["query password = password"]),
            ("/?password=abcd%20efgh", &["query password = password"]),
            ("/?token=2f9a77c1e0b34d58a6c1", &["query token = token"]),
            ("/?key=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", &["query key = github-token"]),
            ("/?access_token=eyJhbGciOiJub25lIn0.e30.", &["query access_token = access-token,jwt"]),
            ("/?next=%2Fx%3Fk%3D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", &["query next = github-token"]),
            ("/hooks/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/x", &["path 2 = github-token"]),
            ("/a;jsessionid=0A1B2C3D4E5F6071/b", &["path 1 = session-id"]),
            ("http://h.test/a/b?sig=0123456789abcdefXY", &["query sig = url-signature"]),
            ("/?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", &["query gh…17 (github-token) = github-token"]),
        ] {
            assert_eq!(told(target), expected, "{target}");
        }
    }

    #[test]
    fn what_only_looks_like_one() {
        for target in [
            "/v1/orders?page_token=2f9a77c1e0b34d58a6c12f9a&key=sku",
            "/?next_token=2f9a77c1e0b34d58a6c12f9a&continuation_token=2f9a77c1e0b34d58a6c12f9a",
            "/?key=12&api_key=&apikey=12&token=12",
            "/?api_key={apiKey}&access_token=<token>&secretkey=$SECRET_KEY&apikey=YOUR_API_KEY",
            "/?password=true&pwd=null&passwd=****&password=xxxxxxxx&token=abcdefghijklmnopqrstuvw",
            "/?api_key=gh%E2%80%A617+(api-key)&api_key=DEMO_KEY",
            "/password/reset?email=a%40b.test",
            "/auth/token/refresh",
            "*",
            "",
            "host:443",
            "http://host.test",
            "/?&&=&=x&%&%zz=%z",
        ] {
            assert_eq!(told(target), [""; 0], "{target}");
        }
    }

    #[test]
    fn leaves_and_names_are_bounded() {
        let many = format!("/?{}", "api_key=k3yV4lu3-91ab&".repeat(LEAVES_MAX + 5));
        assert_eq!(told(&many).len(), LEAVES_MAX);
        let long = format!("/?{}=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", "n".repeat(500));
        assert_eq!(told(&long)[0].len(), "query  = github-token".len() + PARAMETER_NAME_BYTES_MAX);
    }

    #[test]
    fn decoding() {
        for (text, plus, clear) in [
            ("a%20b+c", true, "a b c"),
            ("a%20b+c", false, "a b+c"),
            ("%4", true, "%4"),
            ("%zz%41", true, "%zzA"),
        ] {
            assert_eq!(&*decode(text.as_bytes(), plus), clear.as_bytes());
        }
    }
}

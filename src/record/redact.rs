//! What may stand in the clear.
//!
//! Under `standard` a credential stands as its kind and keyed fingerprint, `{bearer 1f2e3d4c5b6a7988}`, wherever it
//! lies: in a header of its own, in a cookie (names and attributes stay), in a parameter of the target or of an
//! address inside any header, as user information, and wherever the finder of checkable secrets sees one. What is no
//! header (a line without a colon, a name that is no token) is masked whole, and a line that continues a value is
//! looked at as if it were a header. When in doubt, it is masked: a wrong mask costs a value, a wrong clear text a
//! secret.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::names::Names;
use super::text::Hex;
use crate::credential::{CredentialRef, Fingerprinter, Header, Parameter};
use crate::http::h1::head::is_token;

/// How much of a call stands in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redaction {
    /// Everything.
    None,
    /// Everything but credentials and secrets.
    #[default]
    Standard,
    /// Names of headers, if they are names; no path and no values.
    Strict,
}

impl Redaction {
    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Redaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that is none of `none`, `standard`, `strict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownRedaction;

impl fmt::Display for UnknownRedaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the redaction is one of none, standard, strict")
    }
}

impl std::error::Error for UnknownRedaction {}

impl FromStr for Redaction {
    type Err = UnknownRedaction;

    fn from_str(text: &str) -> Result<Self, UnknownRedaction> {
        let all = [Self::None, Self::Standard, Self::Strict];
        all.into_iter().find(|level| level.name() == text).ok_or(UnknownRedaction)
    }
}

/// Finds secrets whose format can be checked, and tells the place and the class of each.
#[derive(Clone, Copy)]
#[expect(clippy::type_complexity, reason = "the signature says all, and it is written once")]
pub struct SecretFinder(pub fn(&[u8], &mut dyn FnMut(Range<usize>, &'static str)));

impl fmt::Debug for SecretFinder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretFinder")
    }
}

/// Masks values as `standard` asks for.
#[derive(Clone, Debug)]
pub(super) struct Redactor {
    pub(super) fingerprinter: Fingerprinter,
    pub(super) parameters: Names<Parameter>,
    secrets: Option<SecretFinder>,
    /// What is masked in the value at hand, and as what.
    masks: Vec<(Range<usize>, &'static str)>,
}

impl Redactor {
    pub(super) fn new(fingerprinter: Fingerprinter, secrets: Option<SecretFinder>) -> Self {
        Self { fingerprinter, parameters: Names::new(Parameter::of), secrets, masks: Vec::new() }
    }

    /// Puts the text to show for a header's value into `shown`; false: the value may be shown as it is.
    pub(super) fn header(&mut self, header: Header, value: &[u8], shown: &mut Vec<u8>) -> bool {
        self.masks.clear();
        self.find_folded(value);
        match header {
            Header::Authorization | Header::ProxyAuthorization => {
                return self.whole_credential(CredentialRef::of_authorization(value), value, shown);
            }
            Header::Token => return self.whole(value, "token", shown),
            Header::ApiKey => return self.whole(value, "api-key", shown),
            Header::Secret(kind) => return self.whole(value, kind, shown),
            // Where `Authorization user:s3cret` is cut, nobody knows what its halves are.
            Header::Invalid => return self.whole(value, "other", shown),
            Header::Cookie => self.find_cookies(value, usize::MAX),
            Header::SetCookie => {
                self.find_cookies(value, 1);
                let attributes_at = memchr::memchr(b';', value).unwrap_or(value.len());
                self.find(value, attributes_at);
            }
            Header::Host => {
                self.find_user_information_until_at(value, 0);
                self.find(value, 0);
            }
            Header::Challenge => self.find(value, 0),
            Header::Ordinary | Header::ContentType | Header::ContentEncoding | Header::MethodOverride => {
                if begins_like_credential(value) {
                    return self.whole_credential(CredentialRef::of_authorization(value), value, shown);
                }
                self.find(value, 0);
            }
        }
        self.render(value, shown)
    }

    /// As [`Redactor::header`], for a target or any other text.
    pub(super) fn text(&mut self, text: &[u8], shown: &mut Vec<u8>) -> bool {
        self.masks.clear();
        self.find_folded(text);
        self.find(text, 0);
        self.render(text, shown)
    }

    /// The hook of the secret finder, and what addresses may hold; parameters only from `start` on.
    fn find(&mut self, text: &[u8], start: usize) {
        if let Some(SecretFinder(find)) = self.secrets {
            let masks = &mut self.masks;
            find(text, &mut |range, class| masks.push((range, class)));
        }
        if memchr::memchr3(b'=', b'@', b'%', text).is_some() {
            self.find_parameters(text, start);
            self.find_user_information(text);
        }
    }

    /// `name=value` wherever it stands: in a query, a fragment, behind `;` in a path, in a list of attributes, or
    /// percent-encoded inside of another address.
    fn find_parameters(&mut self, text: &[u8], start: usize) {
        let (mut from, mut name_floor) = (start, start);
        while let Some(found) = memchr::memchr2(b'=', b'%', text.get(from..).unwrap_or_default()) {
            let at = from + found;
            let encoded = text.get(at) == Some(&b'%');
            if encoded && !escape_at(text, at, b'=') {
                from = at + 1;
                continue;
            }
            let value_at = at + if encoded { 3 } else { 1 };
            let name_at = name_start(text, name_floor, at);
            let parameter = self.parameters.of(text.get(name_at..at).unwrap_or_default());
            (from, name_floor) = (value_at, value_at);
            if matches!(parameter, Parameter::Ordinary | Parameter::MethodOverride) {
                continue;
            }
            let of_path = name_at > 0 && text.get(name_at - 1) == Some(&b';');
            let value = value_range(text, value_at, of_path, encoded);
            let kind = parameter.masked_as(text.get(value.clone()).unwrap_or_default());
            if let Some(kind) = kind
                && !value.is_empty()
            {
                (from, name_floor) = (value.end, value.end);
                self.masks.push((value, kind));
            }
        }
    }

    /// `scheme://user:password@host` (RFC 3986 §3.2.1), percent-encoded too.
    fn find_user_information(&mut self, text: &[u8]) {
        if text.starts_with(b"//") {
            self.find_user_information_until_at(text, 2);
        }
        for at in memchr::memmem::find_iter(text, b"://") {
            self.find_user_information_until_at(text, at + 3);
        }
        for at in memchr::memchr_iter(b'%', text) {
            let (start, slash) = (at + 6, b'/');
            if escape_at(text, at, slash) && escape_at(text, at + 3, slash) {
                let rest = text.get(start..).unwrap_or_default();
                let end = (0..rest.len()).find(|&i| escape_at(rest, i, slash) || rest.get(i) == Some(&b'&'));
                let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if let Some(length) = (0..authority.len()).rev().find(|&i| escape_at(authority, i, b'@')) {
                    self.masks.push((start..start + length, "userinfo"));
                }
            }
        }
    }

    fn find_user_information_until_at(&mut self, text: &[u8], start: usize) {
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.iter().position(|byte| b"/?#\"<> \t".contains(byte)).unwrap_or(rest.len());
        if let Some(length) = memchr::memrchr(b'@', rest.get(..end).unwrap_or_default()) {
            self.masks.push((start..start + length, "userinfo"));
        }
    }

    /// The values of the first `pairs` of a list of cookies; a pair without a name is a value.
    fn find_cookies(&mut self, value: &[u8], pairs: usize) {
        let mut start = 0;
        for pair in value.split(|&byte| byte == b';').take(pairs) {
            let text_at = match memchr::memchr(b'=', pair) {
                Some(equals) => equals + 1,
                None => pair.len() - pair.trim_ascii_start().len(),
            };
            let text = pair.get(text_at..).unwrap_or_default();
            let text_at = text_at + text.len() - text.trim_ascii_start().len();
            let text = text.trim_ascii();
            if !text.is_empty() {
                self.masks.push((start + text_at..start + text_at + text.len(), "cookie"));
            }
            start += pair.len() + 1;
        }
    }

    /// What a line that continues a value (RFC 9112 §5.2) tells if it is read as a header of its own, as some receivers
    /// do: from there on all is masked, since the next line may continue that header.
    fn find_folded(&mut self, text: &[u8]) {
        if memchr::memchr2(b'\r', b'\n', text).is_none() {
            return;
        }
        let mut start = 0;
        for (index, line) in text.split(|byte| matches!(byte, b'\r' | b'\n')).enumerate() {
            if index > 0
                && let Some(at) = credential_in_line(line)
                && start + at < text.len()
            {
                self.masks.push((start + at..text.len(), "other"));
                return;
            }
            start += line.len() + 1;
        }
    }

    fn whole(&self, value: &[u8], kind: &'static str, shown: &mut Vec<u8>) -> bool {
        let found = CredentialRef { kind, identity: value.trim_ascii(), realm: b"" };
        self.whole_credential((!found.identity.is_empty()).then_some(found), value, shown)
    }

    fn whole_credential(&self, found: Option<CredentialRef<'_>>, value: &[u8], shown: &mut Vec<u8>) -> bool {
        match found {
            Some(found) => {
                let kind = if found.jwt().is_some() { "jwt" } else { found.kind };
                mask(shown, kind, found.fingerprint(&self.fingerprinter));
                true
            }
            // `Bearer` with nothing behind it is a word, anything else might be a secret.
            None if value.trim_ascii().is_empty() => false,
            None => {
                mask(shown, "other", self.fingerprinter.value(value));
                true
            }
        }
    }

    fn render(&mut self, text: &[u8], shown: &mut Vec<u8>) -> bool {
        if self.masks.is_empty() {
            return false;
        }
        // Of masks that overlap the first gives its name and both are covered.
        self.masks.sort_by_key(|(range, _)| (range.start, usize::MAX - range.end));
        let mut done = 0;
        for (range, kind) in &self.masks {
            if range.start >= done {
                shown.extend_from_slice(text.get(done..range.start).unwrap_or_default());
                let value = text.get(range.clone()).unwrap_or_default();
                mask(shown, kind, self.fingerprinter.value(value));
            }
            done = done.max(range.end);
        }
        shown.extend_from_slice(text.get(done..).unwrap_or_default());
        true
    }
}

/// `{kind 0123456789abcdef}`
fn mask(shown: &mut Vec<u8>, kind: &str, fingerprint: u64) {
    shown.push(b'{');
    shown.extend_from_slice(kind.as_bytes());
    shown.push(b' ');
    shown.extend_from_slice(Hex::of_64(fingerprint).as_bytes());
    shown.push(b'}');
}

/// A credential in a header whose name does not say so.
fn begins_like_credential(value: &[u8]) -> bool {
    let begins = |scheme: &[u8]| {
        let head = value.split_at_checked(scheme.len());
        head.is_some_and(|(head, rest)| {
            head.eq_ignore_ascii_case(scheme) && rest.first().is_some_and(u8::is_ascii_whitespace)
        })
    };
    match value.first() {
        Some(b'b' | b'B') => begins(b"bearer") || begins(b"basic"),
        Some(b'a' | b'A') => begins(b"aws4-hmac-sha256"),
        Some(b'e') => begins(b"eyJ") && value.contains(&b'.'),
        _ => false,
    }
}

/// Where in a line a credential begins: behind the name of a header that holds one, with a colon or without, behind
/// any other name, or at once.
fn credential_in_line(line: &[u8]) -> Option<usize> {
    let name_at = line.iter().position(|&byte| is_token(byte))?;
    let text = line.get(name_at..)?;
    if begins_like_credential(text) {
        return Some(name_at);
    }
    let name_end = text.iter().position(|&byte| !is_token(byte)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(name_end)?;
    let value_at = rest.iter().position(|byte| !b": \t".contains(byte)).unwrap_or(rest.len());
    let value = rest.get(value_at..)?;
    let names_credential = match Header::of(name) {
        Header::Authorization
        | Header::ProxyAuthorization
        | Header::Cookie
        | Header::SetCookie
        | Header::Token
        | Header::ApiKey
        | Header::Secret(_) => true,
        Header::Ordinary
        | Header::Host
        | Header::ContentType
        | Header::ContentEncoding
        | Header::MethodOverride
        | Header::Challenge
        | Header::Invalid => false,
    };
    (names_credential || begins_like_credential(value)).then_some(name_at + name_end + value_at)
}

/// The percent-encoded form of `byte` begins at `at`.
fn escape_at(text: &[u8], at: usize, byte: u8) -> bool {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    match text.get(at..at + 3) {
        Some(&[b'%', high, low]) => {
            digit(high) == Some(u32::from(byte >> 4)) && digit(low) == Some(u32::from(byte & 15))
        }
        _ => false,
    }
}

/// Where the name begins that ends at `end`, not before `floor`: behind the last delimiter, encoded or not.
fn name_start(text: &[u8], floor: usize, end: usize) -> usize {
    let mut start = floor;
    for (index, byte) in text.iter().enumerate().take(end).skip(floor) {
        match byte {
            b'?' | b'&' | b';' | b'#' | b',' | b'/' | b'"' | b'\'' | b' ' | b'\t' | b'(' | b'{' | b'<' => {
                start = index + 1
            }
            b'%' if b"?&;#/".iter().any(|&delimiter| escape_at(text, index, delimiter)) => start = index + 3,
            _ => {}
        }
    }
    start.min(end)
}

/// The value that begins at `start`: of a path's parameter up to the end of its segment; else as far as it may reach.
fn value_range(text: &[u8], start: usize, of_path: bool, encoded: bool) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    if let Some((&quote @ (b'"' | b'\''), quoted)) = rest.split_first() {
        let length = memchr::memchr(quote, quoted).unwrap_or(quoted.len());
        return start + 1..start + 1 + length;
    }
    let ends = |index: usize, byte: u8| match byte {
        b'&' | b'#' | b'"' | b'<' | b'>' | b' ' | b'\t' => true,
        b';' | b'/' | b'?' => of_path,
        b'%' => encoded && b"&#\"".iter().any(|&delimiter| escape_at(rest, index, delimiter)),
        _ => false,
    };
    let length = rest.iter().enumerate().position(|(index, &byte)| ends(index, byte)).unwrap_or(rest.len());
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_name() {
        for level in [Redaction::None, Redaction::Standard, Redaction::Strict] {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert_eq!("STRICT".parse::<Redaction>(), Err(UnknownRedaction));
        assert_eq!(Redaction::default(), Redaction::Standard);
    }

    #[test]
    fn masks_that_overlap_are_one() {
        let found = SecretFinder(|bytes, found| {
            found(3..9, "inner");
            found(1..6, "outer");
            found(bytes.len() - 1..bytes.len(), "last");
        });
        let mut redactor = Redactor::new(Fingerprinter::new(&[1; 32]), Some(found));
        let mut shown = Vec::new();
        assert!(redactor.text(b"abcdefghijkl", &mut shown));
        let mask = |kind, value: &[u8]| format!("{{{kind} {:016x}}}", redactor.fingerprinter.value(value));
        let expected = format!("a{}jk{}", mask("outer", b"bcdef"), mask("last", b"l"));
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }

    #[test]
    fn text_made_to_be_slow_is_not() {
        let mut redactor = Redactor::new(Fingerprinter::new(&[1; 32]), None);
        for part in [
            "a=",
            "key=",
            "\r\n a: b",
            "token='",
            "%3D",
            "%2F%2F",
            "://",
            "//@",
            "?a%3D",
            ";sid=1",
            "a@%40",
            "=",
            "&",
        ] {
            let text = part.repeat((256 << 10) / part.len());
            for header in
                [Header::Ordinary, Header::Cookie, Header::SetCookie, Header::Host, Header::Authorization]
            {
                // Quadratic work would be minutes here.
                redactor.header(header, text.as_bytes(), &mut Vec::new());
            }
        }
    }
}

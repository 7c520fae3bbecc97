//! What the lines of a call's head mean, found in one pass: method, authority, path, who called, what the bodies
//! are. The record and the observation are both written from it, so that they can't differ.

use super::names::Names;
use crate::call::{Call, HeaderSpan, Message, Seen};
use crate::credential::{CredentialRef, Evidence, Header, Parameter, parameters};

/// The meaning of a call's heads; bytes are those of the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) method: Option<&'a [u8]>,
    pub(super) effective_method: Seen<&'a [u8]>,
    pub(super) authority: Seen<&'a [u8]>,
    pub(super) path: Option<Path<'a>>,
    pub(super) credential: Seen<CredentialRef<'a>>,
    pub(super) request: Body<'a>,
    pub(super) response: Body<'a>,
}

/// What a head says of its body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body<'a> {
    pub(super) media_type: Seen<&'a [u8]>,
    pub(super) coding: Seen<&'a [u8]>,
    /// Lines of Content-Encoding; `coding` is the first.
    pub(super) codings: usize,
}

/// Path and query. An absolute form without a path means `/` (RFC 9112 §3.2.1), which then does not lie in the
/// buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    pub(super) before: &'static [u8],
    pub(super) rest: &'a [u8],
}

/// A method's name is short; a longer value of an override header is none.
const METHOD_BYTES_MAX: usize = 32;

impl<'a> View<'a> {
    pub(super) fn of(
        call: &'a Call,
        names: &mut Names<Header>,
        parameter_names: &mut Names<Parameter>,
    ) -> Self {
        let buffer = call.buffer.as_slice();
        let (method, target) =
            (call.method.map(|span| span.of(buffer)), call.target.map(|span| span.of(buffer)));
        let whole = call.request.head_whole && target.is_some();
        let mut request = Body::default();
        let (mut host, mut overriding) = (None, None);
        let mut evidence = Evidence::default();
        for header in known(call, &call.request) {
            let value = header.value.of(buffer);
            match names.at(buffer, header.name) {
                Header::Ordinary => {}
                Header::Host => host = host.or(Some(value)),
                Header::ContentType => request.note_type(value),
                Header::ContentEncoding => request.note_coding(value),
                Header::MethodOverride => overriding = overriding.or(method_name(value)),
                header => evidence.header(header, value),
            }
        }
        if let Some(target) = target {
            for (name, value) in parameters(target) {
                match parameter_names.of(name) {
                    Parameter::Ordinary => {}
                    Parameter::MethodOverride => overriding = overriding.or(method_name(value)),
                    parameter => evidence.parameter(parameter, value),
                }
            }
        }
        let (of_target, path) = target.map_or((None, None), |target| parts(method, target));
        let beside = call.authority.map(|span| span.of(buffer));
        let authority = of_target.or_else(|| beside.or(host).map(without_user_information));
        Self {
            method,
            effective_method: seen(overriding, whole),
            authority: seen(authority, whole),
            path,
            credential: evidence.decide(whole),
            request: request.closed(&call.request),
            response: Body::of_response(call, names),
        }
    }
}

impl<'a> Body<'a> {
    fn of_response(call: &'a Call, names: &mut Names<Header>) -> Self {
        let mut body = Self::default();
        for header in known(call, &call.response) {
            let value = header.value.of(&call.buffer);
            match names.at(&call.buffer, header.name) {
                Header::ContentType => body.note_type(value),
                Header::ContentEncoding => body.note_coding(value),
                _ => {}
            }
        }
        body.closed(&call.response)
    }

    fn note_type(&mut self, value: &'a [u8]) {
        if self.media_type == Seen::Unknown {
            self.media_type = Seen::Known(value);
        }
    }

    fn note_coding(&mut self, value: &'a [u8]) {
        if self.codings == 0 {
            self.coding = Seen::Known(value);
        }
        self.codings += 1;
    }

    /// What was not found in a whole head is not there.
    fn closed(self, message: &Message) -> Self {
        let whole = message.head_whole;
        Self {
            media_type: seen(self.media_type.known(), whole),
            coding: seen(self.coding.known(), whole),
            codings: self.codings,
        }
    }
}

impl Path<'_> {
    /// In one piece.
    pub(super) fn to_vec(self) -> Vec<u8> {
        [self.before, self.rest].concat()
    }
}

/// The header lines of one half of which name and value are known.
fn known<'a>(call: &'a Call, message: &Message) -> impl Iterator<Item = &'a HeaderSpan> {
    let lines = call.headers.get(message.headers.clone()).unwrap_or_default();
    lines.iter().filter(|line| line.name.is_known())
}

fn seen<T>(found: Option<T>, whole: bool) -> Seen<T> {
    match found {
        Some(found) => Seen::Known(found),
        None if whole => Seen::None,
        None => Seen::Unknown,
    }
}

/// Authority and path of a request target (RFC 9112 §3.2): an authority in the target wins over the Host header.
fn parts<'a>(method: Option<&[u8]>, target: &'a [u8]) -> (Option<&'a [u8]>, Option<Path<'a>>) {
    let as_it_stands = Some(Path { before: b"", rest: target });
    if target.first() == Some(&b'/') {
        return (None, as_it_stands);
    }
    if let Some(behind) = behind_scheme(target) {
        let end = behind.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(behind.len());
        let (authority, rest) = behind.split_at(end);
        let before: &'static [u8] = match rest.first() {
            Some(b'/') => b"",
            // RFC 9112 §3.2.4: what a proxy forwards of `OPTIONS http://host` is `*`.
            None if method == Some(b"OPTIONS") => b"*",
            _ => b"/",
        };
        let authority = without_user_information(authority);
        return ((!authority.is_empty()).then_some(authority), Some(Path { before, rest }));
    }
    let is_authority_form = method == Some(b"CONNECT") && memchr::memchr(b':', target).is_some();
    (is_authority_form.then(|| without_user_information(target)), as_it_stands)
}

/// What stands behind `scheme://` (RFC 3986 §3.1).
fn behind_scheme(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', target.get(..target.len().min(METHOD_BYTES_MAX))?)?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let is_scheme = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if is_scheme { rest.strip_prefix(b"://") } else { None }
}

/// RFC 9110 §7.2: the authority of a request has no user information.
fn without_user_information(authority: &[u8]) -> &[u8] {
    let Some(last) = memchr::memrchr(b'@', authority) else { return authority };
    // Behind the first line of a folded value may stand anything, and what is cut there may be half a secret.
    let end = memchr::memchr2(b'\r', b'\n', authority).unwrap_or(authority.len());
    let at =
        if last < end { Some(last) } else { memchr::memrchr(b'@', authority.get(..end).unwrap_or_default()) };
    authority.get(at.map_or(0, |at| at + 1)..).unwrap_or_default()
}

/// A token (RFC 9110 §9.1) that may be a method.
fn method_name(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let fits = !value.is_empty()
        && value.len() <= METHOD_BYTES_MAX
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    fits.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(method: &str, target: &str) -> (Option<String>, String) {
        let (authority, path) = parts(Some(method.as_bytes()), target.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (authority.map(text), text(&path.unwrap().to_vec()))
    }

    #[test]
    fn the_four_forms_of_a_target_and_what_is_none_of_them() {
        for (method, target, authority, path) in [
            ("GET", "/a?b=c", None, "/a?b=c"),
            ("GET", "http://h.test:8080/a?b", Some("h.test:8080"), "/a?b"),
            ("GET", "HTTP://h.test/", Some("h.test"), "/"),
            ("GET", "http://h.test", Some("h.test"), "/"),
            ("GET", "http://h.test?b=c", Some("h.test"), "/?b=c"),
            ("GET", "http://user:pw@h.test//a", Some("h.test"), "//a"),
            ("OPTIONS", "http://h.test", Some("h.test"), "*"),
            ("OPTIONS", "*", None, "*"),
            ("CONNECT", "h.test:443", Some("h.test:443"), "h.test:443"),
            ("CONNECT", "/", None, "/"),
            ("GET", ".servlets/mms", None, ".servlets/mms"),
            ("GET", "http:///a", None, "/a"),
            ("GET", "a/b://c", None, "a/b://c"),
            ("GET", "", None, ""),
        ] {
            assert_eq!(
                split(method, target),
                (authority.map(str::to_owned), path.to_owned()),
                "{method} {target}"
            );
        }
    }

    #[test]
    fn user_information_stands_in_the_first_line() {
        for (value, expected) in [
            ("h", "h"),
            ("u:p@q@h", "h"),
            ("h\r\n A: b@c", "h\r\n A: b@c"),
            ("u@h\r\n A: b@c", "h\r\n A: b@c"),
        ] {
            assert_eq!(without_user_information(value.as_bytes()), expected.as_bytes(), "{value:?}");
        }
    }

    #[test]
    fn a_method_is_one_short_token() {
        assert_eq!(method_name(b" delete "), Some(b"delete".as_slice()));
        assert_eq!(method_name(b"a b"), None);
        assert_eq!(method_name(b""), None);
        assert_eq!(method_name(&[b'A'; 33]), None);
    }
}

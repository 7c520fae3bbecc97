//! Headers → credential and route, from this call alone: who called, without anything learned and without
//! giving anything away.
//!
//! [`Evidence`] finds the credential among headers and parameters and says which of several counts; the
//! [`Fingerprinter`] turns it into a keyed hash; [`Jwt`] reads what a token claims. The names of the places where
//! credentials stand are in [`Header`] and [`Parameter`].

mod evidence;
mod fingerprint;
mod jwt;
mod place;

pub use evidence::{CredentialRef, Evidence};
pub use fingerprint::{Fingerprinter, KEY_BYTES};
pub use jwt::Jwt;
#[cfg(test)]
pub(crate) use jwt::tests::token as jwt_for_tests;
pub use place::{Header, Parameter, session_cookie};

use crate::call::{Call, Seen};

/// The credential that says who called. *None* only where the request's head was seen whole.
#[must_use]
pub fn of_request(call: &Call) -> Seen<CredentialRef<'_>> {
    let mut evidence = Evidence::default();
    for (name, value) in call.headers_of(&call.request) {
        evidence.header(Header::of(name), value);
    }
    if let Some(target) = call.target {
        for (name, value) in parameters(target.of(&call.buffer)) {
            evidence.parameter(Parameter::of(name), value);
        }
    }
    evidence.decide(call.request.head_whole && call.target.is_some())
}

/// Names and values of a target's query, and of its path behind `;` (RFC 3986 §3.3), as they stand.
pub fn parameters(target: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let target = target.split(|&byte| byte == b'#').next().unwrap_or_default();
    let query_at = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(query_at);
    let in_path =
        path.split(|&byte| byte == b'/').flat_map(|segment| segment.split(|&byte| byte == b';').skip(1));
    let in_query = query.get(1..).unwrap_or_default().split(|&byte| byte == b'&' || byte == b';');
    in_query.chain(in_path).filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        Some((pair.get(..equals)?, pair.get(equals + 1..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_query_and_path() {
        let all: Vec<_> = parameters(b"/a;jsessionid=1/b?x=2&y&z=a=b;w=3#t=4").collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"x", b"2"), (b"z", b"a=b"), (b"w", b"3"), (b"jsessionid", b"1")];
        assert_eq!(all, expected);
        assert_eq!(parameters(b"/plain").count(), 0);
    }
}

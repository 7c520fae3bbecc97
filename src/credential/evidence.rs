//! Which of a request's credentials says who called.
//!
//! A request may carry several. What names a person or a session goes before what names an application, and what
//! is meant for the service before what is meant for a proxy:
//!
//! 1. `Authorization`
//! 2. a header with a token (`X-Auth-Token`, `X-Vault-Token` …)
//! 3. a token, a session or a signed grant in the query (`access_token`, `sid`, `X-Amz-Credential`, `sig` …)
//! 4. the session cookie
//! 5. a header with an API key (`X-Api-Key` …)
//! 6. an API key in the query (`api_key`, `key` …)
//! 7. a password or a client's secret in the query
//! 8. `Proxy-Authorization`
//!
//! Of several of one rank the first counts. Where the head is not whole, only `Authorization` is sure: anything
//! else might stand behind it.

use super::fingerprint::Fingerprinter;
use super::jwt::{Jwt, looks_like};
use super::place::{Header, Parameter, session_cookie};
use crate::call::Seen;

/// A credential as it lies in the request, not yet looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialRef<'a> {
    /// What it is by its place and scheme; a JWT is found by [`CredentialRef::jwt`].
    pub kind: &'static str,
    /// What stays the same when the caller does: the token, the access key's id, the user name.
    pub identity: &'a [u8],
    /// What `identity` means only together with: the realm of a digest.
    pub realm: &'a [u8],
}

impl<'a> CredentialRef<'a> {
    const fn new(kind: &'static str, identity: &'a [u8]) -> Self {
        Self { kind, identity, realm: b"" }
    }

    /// The value of an `Authorization` header.
    ///
    /// Schemes that are not listed get the kind `other`: an unknown first word may be part of the secret.
    #[must_use]
    pub fn of_authorization(value: &'a [u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let scheme_end = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(scheme_end)?;
        let rest = rest.trim_ascii();
        let known = SCHEMES.iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name.as_bytes()));
        let (kind, identity, realm) = match known {
            None => ("other", value, b"".as_slice()),
            Some((_, "aws-sigv4")) => {
                ("aws-sigv4", access_key(attribute(rest, "Credential")), b"".as_slice())
            }
            Some((_, kind @ ("aws" | "azure-shared-key"))) => (*kind, before(rest, b':'), b"".as_slice()),
            Some((_, "digest")) => ("digest", attribute(rest, "username"), attribute(rest, "realm")),
            Some((_, "hawk")) => ("hawk", attribute(rest, "id"), b"".as_slice()),
            Some((_, "oauth")) if !attribute(rest, "oauth_consumer_key").is_empty() => {
                ("oauth", token_or_consumer(rest), b"".as_slice())
            }
            Some((_, kind)) => (*kind, rest, b"".as_slice()),
        };
        // A scheme whose attributes can't be read is still a credential: all of it is the identity then.
        let identity = if identity.is_empty() { rest } else { identity };
        (!identity.is_empty()).then_some(Self { kind, identity, realm })
    }

    /// Its keyed fingerprint.
    #[must_use]
    pub fn fingerprint(&self, fingerprinter: &Fingerprinter) -> u64 {
        if self.realm.is_empty() {
            fingerprinter.value(self.identity)
        } else {
            fingerprinter.pair(self.realm, self.identity)
        }
    }

    /// What it claims, if it is a JSON Web Token, wherever it stands.
    #[must_use]
    pub fn jwt(&self) -> Option<Jwt<'a>> {
        let may_be = self.realm.is_empty() && looks_like(self.identity);
        if may_be { Jwt::parse(self.identity) } else { None }
    }
}

/// Schemes by name (the IANA registry and what services made up), and the kind in the record.
const SCHEMES: &[(&str, &str)] = &[
    ("bearer", "bearer"),
    ("basic", "basic"),
    ("digest", "digest"),
    ("aws4-hmac-sha256", "aws-sigv4"),
    ("aws4-ecdsa-p256-sha256", "aws-sigv4"),
    ("aws", "aws"),
    ("negotiate", "negotiate"),
    ("ntlm", "ntlm"),
    ("token", "token"),
    ("apikey", "api-key"),
    ("api-key", "api-key"),
    ("key", "api-key"),
    ("dpop", "dpop"),
    ("gnap", "gnap"),
    ("hawk", "hawk"),
    ("hoba", "hoba"),
    ("jwt", "jwt"),
    ("mutual", "mutual"),
    ("oauth", "oauth"),
    ("privatetoken", "private-token"),
    ("scram-sha-1", "scram"),
    ("scram-sha-256", "scram"),
    ("vapid", "vapid"),
    ("sharedkey", "azure-shared-key"),
    ("sharedkeylite", "azure-shared-key"),
    ("sharedaccesssignature", "sas"),
    ("googlelogin", "google-login"),
    ("splunk", "splunk"),
    ("ssws", "ssws"),
    ("bot", "bot"),
    ("client-id", "client-id"),
    ("signature", "signature"),
    ("wsse", "wsse"),
];

/// Gathers a request's credentials, header by header.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    best: Option<(u8, CredentialRef<'a>)>,
}

impl<'a> Evidence<'a> {
    /// Takes one header into account.
    #[inline]
    pub fn header(&mut self, header: Header, value: &'a [u8]) {
        let (rank, found) = match header {
            Header::Authorization if self.is_open(1) => (1, CredentialRef::of_authorization(value)),
            Header::Token if self.is_open(2) => (2, not_empty("token", value)),
            Header::Cookie if self.is_open(4) => (4, session(value)),
            Header::ApiKey if self.is_open(5) => (5, not_empty("api-key", value)),
            Header::ProxyAuthorization if self.is_open(8) => (8, CredentialRef::of_authorization(value)),
            _ => return,
        };
        self.offer(rank, found);
    }

    /// Takes one parameter of the query, or of the path behind `;`, into account.
    #[inline]
    pub fn parameter(&mut self, parameter: Parameter, value: &'a [u8]) {
        let (rank, kind, value) = match parameter {
            Parameter::Token => (3, "token", value),
            Parameter::Session => (3, "session", value),
            Parameter::AwsCredential => (3, "aws-sigv4", access_key(value)),
            Parameter::SharedAccessSignature => (3, "sas", value),
            Parameter::ApiKey => (6, "api-key", value),
            Parameter::PerhapsApiKey if parameter.masked_as(value).is_some() => (6, "api-key", value),
            Parameter::Password => (7, "password", value),
            Parameter::ClientSecret => (7, "secret", value),
            _ => return,
        };
        if self.is_open(rank) {
            self.offer(rank, not_empty(kind, value));
        }
    }

    /// The one that says who called. `request_whole`: start line and headers were all seen.
    #[must_use]
    pub fn decide(self, request_whole: bool) -> Seen<CredentialRef<'a>> {
        match self.best {
            Some((rank, found)) if request_whole || rank == 1 => Seen::Known(found),
            None if request_whole => Seen::None,
            _ => Seen::Unknown,
        }
    }

    fn is_open(&self, rank: u8) -> bool {
        self.best.is_none_or(|(best, _)| rank < best)
    }

    fn offer(&mut self, rank: u8, found: Option<CredentialRef<'a>>) {
        if let Some(found) = found {
            self.best = Some((rank, found));
        }
    }
}

/// The session in a `Cookie` header: the likeliest by name, of several the first.
fn session(value: &[u8]) -> Option<CredentialRef<'_>> {
    let pairs = value.split(|&byte| byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (pair.get(..equals)?.trim_ascii(), pair.get(equals + 1..)?.trim_ascii());
        Some((session_cookie(name)?, value)).filter(|_| !value.is_empty())
    });
    pairs.min_by_key(|(rank, _)| *rank).map(|(_, value)| CredentialRef::new("cookie", value))
}

fn not_empty<'a>(kind: &'static str, value: &'a [u8]) -> Option<CredentialRef<'a>> {
    let value = value.trim_ascii();
    (!value.is_empty()).then_some(CredentialRef::new(kind, value))
}

/// The value of `name=value` or `name="value"` in a list between commas (RFC 9110 §11.4); empty if it is not there.
fn attribute<'a>(list: &'a [u8], name: &str) -> &'a [u8] {
    let mut rest = list;
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'=').unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        let key = key.trim_ascii_start().trim_ascii_end();
        let behind = behind.get(1..).unwrap_or_default().trim_ascii_start();
        let (value, next) = match behind.strip_prefix(b"\"") {
            Some(quoted) => {
                let value = before(quoted, b'"');
                (value, quoted.get(value.len() + 1..).unwrap_or_default())
            }
            None => (before(behind, b','), behind.get(before(behind, b',').len()..).unwrap_or_default()),
        };
        if key.eq_ignore_ascii_case(name.as_bytes()) {
            return value.trim_ascii();
        }
        rest = next.trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or(rest);
    }
    b""
}

/// The id at the head of `AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request`, where `/` may be percent-encoded.
fn access_key(credential: &[u8]) -> &[u8] {
    before(before(credential, b'/'), b'%')
}

fn token_or_consumer(attributes: &[u8]) -> &[u8] {
    let token = attribute(attributes, "oauth_token");
    if token.is_empty() { attribute(attributes, "oauth_consumer_key") } else { token }
}

fn before(text: &[u8], end: u8) -> &[u8] {
    text.split(|&byte| byte == end).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Option<(&'static str, String)> {
        CredentialRef::of_authorization(value.as_bytes())
            .map(|found| (found.kind, String::from_utf8_lossy(found.identity).into_owned()))
    }

    #[test]
    fn schemes_and_their_identity() {
        let sigv4 = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
            SignedHeaders=host;x-amz-date, Signature=5d672d79";
        for (value, kind, identity) in [
            ("Bearer abc.def", "bearer", "abc.def"),
            ("bearer   abc ", "bearer", "abc"),
            ("Basic dTpw", "basic", "dTpw"),
            (sigv4, "aws-sigv4", "AKIDEXAMPLE"),
            (&sigv4.replace(", ", ","), "aws-sigv4", "AKIDEXAMPLE"),
            ("AWS AKID:c2ln", "aws", "AKID"),
            ("Digest username=\"Mu, fasa\", realm=\"r\", nonce=\"n\", uri=\"/a\"", "digest", "Mu, fasa"),
            ("Digest realm=\"r\"", "digest", "realm=\"r\""),
            ("Negotiate YII=", "negotiate", "YII="),
            ("Token t0k", "token", "t0k"),
            ("s3cret of mine", "other", "s3cret of mine"),
            ("abcdef", "other", "abcdef"),
        ] {
            assert_eq!(of(value), Some((kind, identity.to_owned())), "{value}");
        }
        assert_eq!(of(""), None);
        assert_eq!(of("Bearer "), None);
    }

    #[test]
    fn what_names_a_person_goes_before_what_names_an_application() {
        let mut evidence = Evidence::default();
        assert_eq!(evidence.decide(true), Seen::None);
        assert_eq!(evidence.decide(false), Seen::Unknown);
        let is_now = |kind: &str, evidence: Evidence<'static>| {
            let found = evidence.decide(true).known().unwrap();
            assert_eq!(found.kind, kind);
            let sure = kind == "bearer";
            assert_eq!(evidence.decide(false).known().is_some(), sure, "{kind}");
        };
        evidence.header(Header::ProxyAuthorization, b"Basic eA==");
        is_now("basic", evidence);
        evidence.header(Header::ApiKey, b"k1");
        is_now("api-key", evidence);
        evidence.header(Header::Cookie, b"theme=dark; sid=s1; JSESSIONID=j1");
        is_now("cookie", evidence);
        evidence.parameter(Parameter::Session, b"s2");
        is_now("session", evidence);
        evidence.header(Header::Token, b"t1");
        is_now("token", evidence);
        evidence.header(Header::Authorization, b"Bearer b1");
        is_now("bearer", evidence);
        evidence.header(Header::Authorization, b"Bearer b2");
        evidence.header(Header::Cookie, b"sid=s9");
        assert_eq!(evidence.decide(true).known().unwrap().identity, b"b1");
    }

    #[test]
    fn of_several_cookies_the_likeliest_then_the_first() {
        let found = |value: &'static str| session(value.as_bytes()).map(|found| found.identity);
        assert_eq!(found("auth_hint=x; JSESSIONID=j1; sid=s1"), Some(b"j1".as_slice()));
        assert_eq!(found("XSRF-TOKEN=x; theme=dark; broken"), None);
        assert_eq!(found("sid=; access_token=t"), Some(b"t".as_slice()));
    }

    #[test]
    fn a_presigned_address_is_told_by_its_access_key() {
        let mut evidence = Evidence::default();
        evidence
            .parameter(Parameter::AwsCredential, b"AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fs3%2Faws4_request");
        let found = evidence.decide(true).known().unwrap();
        assert_eq!((found.kind, found.identity), ("aws-sigv4", b"AKIDEXAMPLE".as_slice()));
    }
}

//! JSON Web Tokens (RFC 7519) in compact form: what they claim. Nothing is verified here; whether a service did
//! is what rules ask.

use serde_json::{Map, Number, Value};

use crate::call::Seen;
use crate::limits::{CLAIM_BYTES_MAX, CLAIM_LIST_MAX, JWT_BYTES_MAX};

/// What a token says. *None*: the token has no such claim; *unknown*: it has one, but in another shape than
/// RFC 7519 gives it, or longer than is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Jwt<'a> {
    /// Algorithm of the signature, of the header.
    pub alg: Seen<String>,
    /// Which key signed it, of the header.
    pub kid: Seen<String>,
    /// Who issued it.
    pub iss: Seen<String>,
    /// Whom it is about.
    pub sub: Seen<String>,
    /// For whom it is; one text or a list.
    pub aud: Seen<Vec<String>>,
    /// Issued at, in seconds since the epoch.
    pub iat: Seen<Number>,
    /// Expires at, in seconds since the epoch.
    pub exp: Seen<Number>,
    /// `scope` (RFC 8693 §4.2: words between spaces), else `scp`.
    pub scope: Seen<Vec<String>>,
    /// `roles`, else `role`, `realm_access.roles` (Keycloak), `cognito:groups`, `groups`.
    pub roles: Seen<Vec<String>>,
    /// Header and payload as they lay: what the signature is over.
    pub signed: &'a [u8],
    /// The signature as it lay; empty where there is none.
    pub signature: &'a [u8],
}

impl<'a> Jwt<'a> {
    /// A token of three parts whose header has an `alg` and whose payload is a JSON object; anything else is no JWT.
    #[must_use]
    pub fn parse(token: &'a [u8]) -> Option<Self> {
        if !looks_like(token) {
            return None;
        }
        let mut parts = token.split(|&byte| byte == b'.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let signed = token.get(..header.len() + 1 + payload.len())?;
        let (header, claims) = (object(header)?, object(payload)?);
        header.get("alg")?;
        Some(Self {
            alg: text(header.get("alg")),
            kid: text(header.get("kid")),
            iss: text(claims.get("iss")),
            sub: text(claims.get("sub")),
            aud: list(claims.get("aud"), false),
            iat: number(claims.get("iat")),
            exp: number(claims.get("exp")),
            scope: list(claims.get("scope").or_else(|| claims.get("scp")), true),
            roles: list(roles(&claims), false),
            signed,
            signature,
        })
    }

    /// Issuer and subject: whom the token stands for, however often it is renewed.
    #[must_use]
    pub fn subject(&self) -> Option<(&str, &str)> {
        let subject = self.sub.as_ref().known()?;
        match &self.iss {
            Seen::Known(issuer) => Some((issuer, subject)),
            Seen::None => Some(("", subject)),
            Seen::Unknown => None,
        }
    }
}

/// The header of a JWT is a JSON object, so that it begins with `{"` in base64url (`eyJ`), or with `{` and white
/// space (`ey`, `ew`).
#[must_use]
pub(super) fn looks_like(token: &[u8]) -> bool {
    token.len() <= JWT_BYTES_MAX
        && (token.starts_with(b"ey") || token.starts_with(b"ew"))
        && token.contains(&b'.')
}

fn object(part: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&base64url(part)?).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn text(claim: Option<&Value>) -> Seen<String> {
    match claim {
        None => Seen::None,
        Some(Value::String(text)) if text.len() <= CLAIM_BYTES_MAX => Seen::Known(text.clone()),
        // RFC 7519 asks for text; many issuers number their subjects all the same.
        Some(Value::Number(number)) => Seen::Known(number.to_string()),
        Some(_) => Seen::Unknown,
    }
}

fn number(claim: Option<&Value>) -> Seen<Number> {
    match claim {
        None => Seen::None,
        Some(Value::Number(number)) => Seen::Known(number.clone()),
        Some(_) => Seen::Unknown,
    }
}

/// One text or a list of texts; one text may hold several words.
fn list(claim: Option<&Value>, words: bool) -> Seen<Vec<String>> {
    let fits = |text: &&str| text.len() <= CLAIM_BYTES_MAX;
    let items: Option<Vec<&str>> = match claim {
        None => return Seen::None,
        Some(Value::String(text)) if words => Some(text.split_ascii_whitespace().collect()),
        Some(Value::String(text)) => Some(vec![text.as_str()]),
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    match items {
        Some(items) if items.len() <= CLAIM_LIST_MAX && items.iter().all(fits) => {
            Seen::Known(items.into_iter().map(str::to_owned).collect())
        }
        _ => Seen::Unknown,
    }
}

fn roles(claims: &Map<String, Value>) -> Option<&Value> {
    let of_realm = || claims.get("realm_access").and_then(|realm| realm.get("roles"));
    (claims.get("roles").or_else(|| claims.get("role")).or_else(of_realm))
        .or_else(|| claims.get("cognito:groups"))
        .or_else(|| claims.get("groups"))
}

/// RFC 4648 §5, with or without padding; `None` if a byte is of another alphabet.
fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut out = Vec::with_capacity(end / 4 * 3 + 3);
    for group in text.get(..end)?.chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' | b'+' => 62,
                b'_' | b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let [_, first, second, third] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            4 => out.extend_from_slice(&[first, second, third]),
            3 => out.extend_from_slice(&[first, second]),
            2 => out.push(first),
            _ => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A token of these parts, for tests of other modules too.
    pub(crate) fn token(header: &str, payload: &str, signature: &str) -> String {
        format!("{}.{}.{signature}", encode(header.as_bytes()), encode(payload.as_bytes()))
    }

    fn encode(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte))
                << (8 * (3 - chunk.len()));
            for place in 0..=chunk.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]));
            }
        }
        out
    }

    #[test]
    fn base64url_is_the_inverse_of_encoding() {
        let mut random = fastrand::Rng::with_seed(2);
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            assert_eq!(base64url(encode(&bytes).as_bytes()), Some(bytes));
        }
        assert_eq!(base64url(b"YQ=="), Some(b"a".to_vec()));
        assert_eq!(base64url(b"Y"), None);
        assert_eq!(base64url(b"Y?Q"), None);
    }

    #[test]
    fn claims_are_known_none_or_unknown() {
        let payload = r#"{"iss":"https://id.test","sub":42,"aud":["a","b"],"exp":1700000000.5,"iat":"soon",
            "scope":"read write","realm_access":{"roles":["admin"]}}"#;
        let token = token(r#"{"alg":"HS256","typ":"JWT"}"#, payload, "c2ln");
        let jwt = Jwt::parse(token.as_bytes()).unwrap();
        assert_eq!(jwt.alg, Seen::Known("HS256".into()));
        assert_eq!(jwt.kid, Seen::None);
        assert_eq!(jwt.subject(), Some(("https://id.test", "42")));
        assert_eq!(jwt.aud, Seen::Known(vec!["a".into(), "b".into()]));
        assert_eq!(jwt.iat, Seen::Unknown);
        assert_eq!(jwt.exp, Seen::Known(Number::from_f64(1_700_000_000.5).unwrap()));
        assert_eq!(jwt.scope, Seen::Known(vec!["read".into(), "write".into()]));
        assert_eq!(jwt.roles, Seen::Known(vec!["admin".into()]));
        assert_eq!(jwt.signature, b"c2ln");
        assert!(token.as_bytes().starts_with(jwt.signed));
    }

    #[test]
    fn without_signature_it_is_a_token_still() {
        let token = token(r#"{"alg":"none"}"#, r#"{"sub":"root"}"#, "");
        let jwt = Jwt::parse(token.as_bytes()).unwrap();
        assert_eq!((jwt.alg.clone(), jwt.signature), (Seen::Known("none".into()), b"".as_slice()));
        assert_eq!(jwt.subject(), Some(("", "root")));
    }

    #[test]
    fn other_things_are_none() {
        let no_alg = token("{}", "{}", "x");
        let list = token(r#"{"alg":"none"}"#, "[]", "x");
        let four = token(r#"{"alg":"none"}"#, "{}", "x.y");
        let long = token(r#"{"alg":"none"}"#, "{}", &"x".repeat(JWT_BYTES_MAX));
        for text in ["", "ey", "ey.", "ey..", "eyJ.eyJ.x", "abc.def.ghi", &no_alg, &list, &four, &long] {
            assert_eq!(Jwt::parse(text.as_bytes()), None, "{text:.40}");
        }
    }
}

//! The claims of a JSON Web Token as they stand in a call's record.

use super::redact::{Redaction, Redactor};
use super::text::{Hex, string};
use crate::call::Seen;
use crate::credential::Jwt;

/// Appends `,"jwt":{…}`: a claim that the token has not is `null`, one that is not known is absent.
pub(super) fn write(out: &mut Vec<u8>, jwt: &Jwt<'_>, redactor: &mut Redactor, redaction: Redaction) {
    out.extend_from_slice(b",\"jwt\":");
    let start = out.len();
    let signed = Hex::of_64(redactor.fingerprinter.signed_part(jwt.signed));
    let signature = Hex::of_64(redactor.fingerprinter.signed_part(jwt.signature));
    let mut claims = Claims { out, redactor, redaction };
    claims.text("alg", &jwt.alg);
    claims.text("kid", &jwt.kid);
    claims.text("iss", &jwt.iss);
    if redaction != Redaction::Strict {
        claims.text("sub", &jwt.sub);
    }
    claims.list("aud", &jwt.aud);
    claims.number("iat", &jwt.iat);
    claims.number("exp", &jwt.exp);
    claims.list("scope", &jwt.scope);
    claims.list("roles", &jwt.roles);
    out.extend_from_slice(b",\"signed\":");
    string(out, signed.as_bytes());
    out.extend_from_slice(b",\"signature\":");
    if jwt.signature.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        string(out, signature.as_bytes());
    }
    out.push(b'}');
    // Every member begins with a comma, the first one known only here.
    if let Some(comma) = out.get_mut(start) {
        *comma = b'{';
    }
}

struct Claims<'a> {
    out: &'a mut Vec<u8>,
    redactor: &'a mut Redactor,
    redaction: Redaction,
}

impl Claims<'_> {
    fn text(&mut self, name: &str, claim: &Seen<String>) {
        if let Some(value) = self.begin(name, claim) {
            self.shown(value);
        }
    }

    fn number(&mut self, name: &str, claim: &Seen<serde_json::Number>) {
        if let Some(value) = self.begin(name, claim) {
            self.out.extend_from_slice(value.to_string().as_bytes());
        }
    }

    fn list(&mut self, name: &str, claim: &Seen<Vec<String>>) {
        if let Some(values) = self.begin(name, claim) {
            self.out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    self.out.push(b',');
                }
                self.shown(value);
            }
            self.out.push(b']');
        }
    }

    /// The name, if anything is to be said; the value, if there is one to be written behind it.
    fn begin<'c, T>(&mut self, name: &str, claim: &'c Seen<T>) -> Option<&'c T> {
        if matches!(claim, Seen::Unknown) {
            return None;
        }
        self.out.push(b',');
        string(self.out, name.as_bytes());
        self.out.push(b':');
        match claim {
            Seen::Known(value) => Some(value),
            _ => {
                self.out.extend_from_slice(b"null");
                None
            }
        }
    }

    fn shown(&mut self, value: &str) {
        let mut shown = Vec::new();
        let masked = self.redaction != Redaction::None && self.redactor.text(value.as_bytes(), &mut shown);
        string(self.out, if masked { &shown } else { value.as_bytes() });
    }
}

//! What a connection remembers from call to call, so that equal values are looked into once.
//!
//! The calls of one connection mostly carry the same credential and the same cookies. A comparison of memory
//! stands for a keyed hash, for the claims of a token, and for the text that is shown in a value's place.

use std::net::IpAddr;

use super::claims;
use super::redact::{Redaction, Redactor};
use super::text::{Hex, string};
use crate::credential::{CredentialRef, Header, Jwt};
use crate::limits::{REMEMBERED_BYTES_MAX, REMEMBERED_VALUES_MAX};

/// One connection's memory; bounded, and empty at first. Good for one [`super::Writer`] only.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    credential: Option<Box<Resolved>>,
    address: Option<(IpAddr, Hex<16>)>,
    shown: Vec<Shown>,
    next: usize,
}

/// A credential looked into.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    place: &'static str,
    identity: Vec<u8>,
    realm: Vec<u8>,
    pub(super) kind: &'static str,
    pub(super) fingerprint: u64,
    pub(super) route: Hex<16>,
    /// The record's field `credential`.
    pub(super) json: Vec<u8>,
}

/// A header's value and the text in its place, already escaped.
#[derive(Clone, Debug)]
struct Shown {
    header: Header,
    value: Vec<u8>,
    text: Vec<u8>,
}

impl Memo {
    /// The credential looked into, from memory if it is the last call's.
    pub(super) fn credential(
        &mut self,
        found: &CredentialRef<'_>,
        redactor: &mut Redactor,
        redaction: Redaction,
    ) -> &Resolved {
        let known = self.credential.as_ref().is_some_and(|last| {
            last.place == found.kind && last.identity == found.identity && last.realm == found.realm
        });
        if !known {
            self.credential = None;
        }
        self.credential.get_or_insert_with(|| Box::new(Resolved::new(found, redactor, redaction)))
    }

    /// The route of a call that has no credential: the client's address.
    pub(super) fn route_of_address(&mut self, client: IpAddr, redactor: &Redactor) -> Hex<16> {
        match self.address {
            Some((address, route)) if address == client => route,
            _ => {
                let route = Hex::of_64(redactor.fingerprinter.address(client));
                self.address = Some((client, route));
                route
            }
        }
    }

    /// The text that was shown for this value before, escaped.
    pub(super) fn shown(&self, header: Header, value: &[u8]) -> Option<&[u8]> {
        let found = self.shown.iter().find(|kept| kept.header == header && kept.value == value);
        found.map(|kept| kept.text.as_slice())
    }

    /// Keeps the text that is shown for a value, in the place of the oldest.
    pub(super) fn keep_shown(&mut self, header: Header, value: &[u8], text: &[u8]) {
        if value.len().max(text.len()) > REMEMBERED_BYTES_MAX {
            return;
        }
        let kept = Shown { header, value: value.to_vec(), text: text.to_vec() };
        match self.shown.get_mut(self.next) {
            Some(place) => *place = kept,
            None => {
                self.shown.reserve_exact(1);
                self.shown.push(kept);
            }
        }
        self.next = (self.next + 1) % REMEMBERED_VALUES_MAX;
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        let credential = self.credential.as_ref().map_or(0, |_| size_of::<Resolved>());
        credential + self.shown.capacity() * size_of::<Shown>() + self.remembered_bytes()
    }

    /// Bytes of the values and of what is shown of them.
    pub(super) fn remembered_bytes(&self) -> usize {
        let shown: usize = self.shown.iter().map(|kept| kept.value.capacity() + kept.text.capacity()).sum();
        let credential =
            |kept: &Resolved| kept.identity.capacity() + kept.realm.capacity() + kept.json.capacity();
        shown + self.credential.as_deref().map_or(0, credential)
    }

    /// Forgets a credential that is too long to be kept between calls.
    pub(super) fn trim(&mut self) {
        if self
            .credential
            .as_ref()
            .is_some_and(|kept| kept.identity.len() + kept.realm.len() > REMEMBERED_BYTES_MAX)
        {
            self.credential = None;
        }
    }
}

impl Resolved {
    fn new(found: &CredentialRef<'_>, redactor: &mut Redactor, redaction: Redaction) -> Self {
        let fingerprint = found.fingerprint(&redactor.fingerprinter);
        let jwt = found.jwt();
        let kind = if jwt.is_some() { "jwt" } else { found.kind };
        let subject = jwt.as_ref().and_then(Jwt::subject);
        let route = subject.map_or(fingerprint, |(issuer, subject)| {
            redactor.fingerprinter.pair(issuer.as_bytes(), subject.as_bytes())
        });
        let mut json = Vec::new();
        json.extend_from_slice(b"{\"kind\":");
        string(&mut json, kind.as_bytes());
        json.extend_from_slice(b",\"fingerprint\":");
        string(&mut json, Hex::of_64(fingerprint).as_bytes());
        if let Some(jwt) = &jwt {
            claims::write(&mut json, jwt, redactor, redaction);
        }
        json.push(b'}');
        json.shrink_to_fit();
        let (identity, realm) = (found.identity.to_vec(), found.realm.to_vec());
        Self { place: found.kind, identity, realm, kind, fingerprint, route: Hex::of_64(route), json }
    }
}

//! TLS that was not decrypted, counted by what the handshake showed of it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::GivenUp;
use crate::call::Connection;
use crate::limits::UNDECRYPTED_MAX;

/// Connections of one kind that were not decrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Undecrypted {
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// The version that the server chose.
    pub version: Option<Cow<'static, str>>,
    /// The suite that the server chose.
    pub cipher: Option<Cow<'static, str>>,
    /// Why.
    pub reason: &'static str,
}

impl Undecrypted {
    /// Counts a connection, if it was TLS and not decrypted.
    pub(super) fn count(all: &mut BTreeMap<Self, GivenUp>, connection: &Connection) {
        if connection.protocol != "tls" || connection.reason == "ended_before_known" {
            return;
        }
        let session = connection.tls.as_ref();
        let mut kind = Self {
            server_name: session.and_then(|session| session.server_name.clone()),
            version: session.and_then(|session| session.version.clone()),
            cipher: session.and_then(|session| session.cipher.clone()),
            reason: connection.reason,
        };
        if all.len() >= UNDECRYPTED_MAX && !all.contains_key(&kind) {
            kind = Self { reason: kind.reason, ..Self::default() };
        }
        let bytes = connection.bytes.iter().sum();
        all.entry(kind).or_default().add(&GivenUp { connections: 1, bytes });
    }
}

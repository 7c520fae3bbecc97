//! Keyed fingerprints: equal values can be linked, and nobody without the key can guess a value from its
//! fingerprint.
//!
//! BLAKE3 in keyed mode, the first 64 bits. Each *domain* has its own key, derived from the one key of the
//! installation, so that a fingerprint of one domain says nothing about another:
//!
//! - *value*: any text that is a secret or a datum. One domain for all places on purpose: a token that stands in
//!   `Authorization` here and in a query or an answer there is one token, and that is worth seeing.
//! - *address*, *subject*, *signed part*: derived things that must never be taken for the text of a value.

use std::net::IpAddr;

/// Length of the key of an installation, in bytes.
pub const KEY_BYTES: usize = 32;

/// Makes fingerprints with the key of one installation.
#[derive(Clone)]
pub struct Fingerprinter {
    value: [u8; KEY_BYTES],
    address: [u8; KEY_BYTES],
    pair: [u8; KEY_BYTES],
    signed: [u8; KEY_BYTES],
    key_id: u64,
    seed: u64,
}

impl Fingerprinter {
    /// With the key of the installation.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let derive = |domain: &str| *blake3::keyed_hash(key, domain.as_bytes()).as_bytes();
        Self {
            value: derive("eaves fingerprint value v1"),
            address: derive("eaves fingerprint address v1"),
            pair: derive("eaves fingerprint pair v1"),
            signed: derive("eaves fingerprint signed part v1"),
            key_id: first_64(key, b"eaves key id v1"),
            seed: first_64(key, b"eaves hash seed v1"),
        }
    }

    /// Of a value as it stands: a credential, a secret in a body.
    #[must_use]
    pub fn value(&self, value: &[u8]) -> u64 {
        first_64(&self.value, value)
    }

    /// Of a client's address, without its port.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> u64 {
        match address {
            IpAddr::V4(v4) => first_64(&self.address, &v4.octets()),
            IpAddr::V6(v6) => first_64(&self.address, &v6.octets()),
        }
    }

    /// Of two values that mean something only together: issuer and subject, realm and user name.
    #[must_use]
    pub fn pair(&self, first: &[u8], second: &[u8]) -> u64 {
        let mut together = Vec::with_capacity(first.len() + second.len() + 8);
        together.extend_from_slice(&(first.len() as u64).to_le_bytes());
        together.extend_from_slice(first);
        together.extend_from_slice(second);
        first_64(&self.pair, &together)
    }

    /// Of a token's signed part, or of its signature.
    #[must_use]
    pub fn signed_part(&self, part: &[u8]) -> u64 {
        first_64(&self.signed, part)
    }

    /// Names the key without giving it away: sensors that show the same id share the key.
    #[must_use]
    pub fn key_id(&self) -> String {
        format!("{:016x}", self.key_id)
    }

    /// A secret seed for hash tables, the same in every run with this key.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Fingerprinter(key {:016x})", self.key_id)
    }
}

fn first_64(key: &[u8; KEY_BYTES], input: &[u8]) -> u64 {
    let hash = blake3::keyed_hash(key, input);
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_agree_and_domains_keys_and_borders_differ() {
        let (one, other) = (Fingerprinter::new(&[1; 32]), Fingerprinter::new(&[2; 32]));
        assert_eq!(one.value(b"token"), Fingerprinter::new(&[1; 32]).value(b"token"));
        assert_ne!(one.value(b"token"), other.value(b"token"));
        assert_ne!(one.value(b"token"), one.signed_part(b"token"));
        assert_ne!(one.value(&[10, 0, 0, 1]), one.address([10, 0, 0, 1].into()));
        assert_ne!(one.pair(b"ab", b"c"), one.pair(b"a", b"bc"));
        assert_ne!(one.key_id(), other.key_id());
        assert_ne!(one.seed(), other.seed());
    }

    #[test]
    fn the_key_is_not_shown() {
        let shown = format!("{:?}", Fingerprinter::new(b"0123456789abcdef0123456789abcdef"));
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        assert_eq!(shown.len(), "Fingerprinter(key 0000000000000000)".len());
    }
}

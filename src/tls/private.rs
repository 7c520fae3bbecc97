//! Private keys of servers, for suites in which the client sends the secret encrypted with them (RFC 5246 §8.1.1).

use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// The least size of a secret that the client sends: its version and 46 random bytes.
const PREMASTER_BYTES: usize = 48;

/// Why a private key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// The file has no private key in PEM.
    NoPem,
    /// It is no RSA key.
    NoRsa,
    /// It is one that the library refuses: too short, or damaged.
    Refused,
}

impl KeyFault {
    /// As it is said to a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPem => "there is no private key in PEM in it",
            Self::NoRsa => "the private key is no RSA key",
            Self::Refused => "the private key is refused: it is damaged, or shorter than 2048 bits",
        }
    }
}

/// An RSA key.
#[derive(Debug)]
pub(super) struct PrivateKey(Pkcs1PrivateDecryptingKey);

impl PrivateKey {
    /// The first key in a PEM file (PKCS #8 or PKCS #1).
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, KeyFault> {
        // the library that reads it leaves it in memory
        let key = Zeroizing::new(PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyFault::NoPem)?);
        let pkcs8 = match &*key {
            PrivateKeyDer::Pkcs8(key) => Zeroizing::new(key.secret_pkcs8_der().to_vec()),
            PrivateKeyDer::Pkcs1(key) => in_pkcs8(key.secret_pkcs1_der()),
            _ => return Err(KeyFault::NoRsa),
        };
        let key = PrivateDecryptingKey::from_pkcs8(&pkcs8).map_err(|_| KeyFault::Refused)?;
        Pkcs1PrivateDecryptingKey::new(key).map(Self).map_err(|_| KeyFault::Refused)
    }

    /// What the client sent, if it was encrypted for this key.
    pub(super) fn premaster(&self, encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let plain = self.0.decrypt(encrypted, &mut out).ok()?;
        let fits = plain.len() == PREMASTER_BYTES && plain.first() == Some(&3);
        fits.then(|| Zeroizing::new(plain.to_vec()))
    }
}

/// Puts the older format into the newer one (RFC 5208 §5): version, algorithm rsaEncryption, key.
fn in_pkcs8(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    const HEAD: &[u8] = &[2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let key = value(0x04, &[pkcs1]);
    value(0x30, &[HEAD, &key])
}

fn value(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // DER asks for the shortest form of a length (X.690 §10.1); keys have more than 255 bytes
    let [.., high, low] = length.to_be_bytes();
    // room for all of it: a vector that grows leaves its bytes behind
    let mut out = Zeroizing::new(Vec::with_capacity(4 + length));
    out.extend_from_slice(&[tag, 0x82, high, low]);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

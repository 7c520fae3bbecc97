//! Key schedules: from the secrets of a key log to keys and nonces (RFC 5246 §6.3, RFC 2246 §5, RFC 8446 §7).

use hmac::{Hmac, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Version;

/// The hashes of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// HMAC over `parts` (RFC 2104).
    pub(crate) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Secret {
        match self {
            Self::Md5 => mac::<Hmac<Md5>>(key, parts),
            Self::Sha1 => mac::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, parts),
            Self::Sha384 => mac::<Hmac<Sha384>>(key, parts),
        }
    }

    /// The hash itself, of the handshake's messages.
    fn of(self, bytes: &[u8]) -> Secret {
        match self {
            Self::Md5 => Secret::new(&Md5::digest(bytes)),
            Self::Sha1 => Secret::new(&Sha1::digest(bytes)),
            Self::Sha256 => Secret::new(&Sha256::digest(bytes)),
            Self::Sha384 => Secret::new(&Sha384::digest(bytes)),
        }
    }
}

fn mac<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Secret {
    let Ok(mut mac) = <M as Mac>::new_from_slice(key) else { return Secret::default() };
    for part in parts {
        mac.update(part);
    }
    Secret::new(&mac.finalize().into_bytes())
}

/// A secret of up to 48 bytes. It is never printed, and no copy of it stays in memory.
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret {
    bytes: SecretBytes,
    len: u8,
}

/// The longest secret of TLS: a master secret, or a traffic secret of SHA-384.
pub(super) const SECRET_BYTES_MAX: usize = 48;

#[derive(Clone, PartialEq, Eq, Zeroize)]
struct SecretBytes([u8; SECRET_BYTES_MAX]);

impl Default for SecretBytes {
    fn default() -> Self {
        Self([0; SECRET_BYTES_MAX])
    }
}

impl Secret {
    /// The first 48 bytes of `bytes`.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut secret = Self::default();
        for (to, from) in secret.bytes.0.iter_mut().zip(bytes) {
            *to = *from;
        }
        secret.len = bytes.len().min(SECRET_BYTES_MAX) as u8;
        secret
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.0.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("(hidden)")
    }
}

/// The PRF of TLS 1.0 to 1.2 (RFC 5246 §5, RFC 2246 §5).
pub(super) fn prf(version: Version, hash: Hash, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut seeds = vec![label];
    seeds.extend_from_slice(seed);
    out.fill(0);
    if version == Version::Tls12 {
        p_hash(hash, secret, &seeds, out);
    } else {
        // two halves that share the middle byte of an odd secret
        let half = secret.len().div_ceil(2);
        p_hash(Hash::Md5, secret.get(..half).unwrap_or_default(), &seeds, out);
        p_hash(Hash::Sha1, secret.get(secret.len() - half..).unwrap_or_default(), &seeds, out);
    }
}

/// XORs `P_hash` (RFC 5246 §5) onto `out`.
fn p_hash(hash: Hash, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut a = hash.mac(secret, seed);
    for piece in out.chunks_mut(hash.bytes()) {
        let mut parts = vec![a.bytes()];
        parts.extend_from_slice(seed);
        let block = hash.mac(secret, &parts);
        for (to, from) in piece.iter_mut().zip(block.bytes()) {
            *to ^= *from;
        }
        a = hash.mac(secret, &[a.bytes()]);
    }
}

/// The master secret from what the client sent encrypted (RFC 5246 §8.1); `session` is the handshake up to that
/// message where the extended master secret was agreed on (RFC 7627 §4).
pub(super) fn master_secret(
    version: Version,
    hash: Hash,
    premaster: &[u8],
    randoms: [&[u8; 32]; 2],
    session: Option<&[u8]>,
) -> Secret {
    let mut master = Zeroizing::new([0; SECRET_BYTES_MAX]);
    let [client, server] = randoms;
    match session {
        None => prf(version, hash, premaster, b"master secret", &[client, server], &mut *master),
        Some(messages) => {
            let digests = match version {
                Version::Tls12 => vec![hash.of(messages)],
                _ => vec![Hash::Md5.of(messages), Hash::Sha1.of(messages)],
            };
            let seed: Vec<&[u8]> = digests.iter().map(Secret::bytes).collect();
            prf(version, hash, premaster, b"extended master secret", &seed, &mut *master);
        }
    }
    Secret::new(&*master)
}

/// HKDF-Expand-Label without context (RFC 8446 §7.1).
pub(crate) fn expand_label(hash: Hash, secret: &[u8], label: &[u8], out: &mut [u8]) {
    let length = (out.len() as u16).to_be_bytes();
    let label_length = [(6 + label.len()) as u8];
    let info: [&[u8]; 5] = [&length, &label_length, b"tls13 ", label, &[0]];
    let mut before = Secret::default();
    for (counter, piece) in (1_u8..).zip(out.chunks_mut(hash.bytes())) {
        let counter = [counter];
        let mut parts = vec![before.bytes()];
        parts.extend_from_slice(&info);
        parts.push(&counter);
        let block = hash.mac(secret, &parts);
        for (to, from) in piece.iter_mut().zip(block.bytes()) {
            *to = *from;
        }
        before = block;
    }
}

/// The secret behind a KeyUpdate (RFC 8446 §7.2).
pub(super) fn next_secret(hash: Hash, secret: &Secret) -> Secret {
    let mut next = Zeroizing::new([0; SECRET_BYTES_MAX]);
    let next = next.get_mut(..hash.bytes()).unwrap_or_default();
    expand_label(hash, secret.bytes(), b"traffic upd", next);
    Secret::new(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
    }

    #[test]
    fn keys_of_rfc_8448() {
        // §3, server handshake traffic secret and the keys derived from it
        let secret = bytes("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand_label(Hash::Sha256, &secret, b"key", &mut key);
        expand_label(Hash::Sha256, &secret, b"iv", &mut iv);
        assert_eq!(key.to_vec(), bytes("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(iv.to_vec(), bytes("5d313eb2671276ee13000b30"));
    }

    #[test]
    fn the_prf_of_tls_1_2() {
        // test vector of the IETF TLS list (P_SHA256, 100 bytes), its first 32 bytes
        let secret = bytes("9bbe436ba940f017b17652849a71db35");
        let seed = bytes("a0ba9f936cda311827a6f796ffd5198c");
        let mut out = [0; 32];
        prf(Version::Tls12, Hash::Sha256, &secret, b"test label", &[&seed], &mut out);
        assert_eq!(out.to_vec(), bytes("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"));
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Secret::new(&[7; 48])), "(hidden)");
    }
}

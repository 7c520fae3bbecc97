//! Records opened: ciphertext → plaintext, the tag or the MAC always verified. The primitives are those of aws-lc and
//! RustCrypto; here stands only how TLS puts them together (RFC 5246 §6.2.3, RFC 7366, RFC 8446 §5.2).

mod cbc;
pub(super) mod suite;

use aes::{Aes128, Aes256};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ccm::aead::AeadInPlace;
use ccm::aead::generic_array::GenericArray;
use ccm::consts::{U8, U12, U16};
use ccm::{Ccm, KeyInit};
use zeroize::Zeroizing;

use super::Version;
use super::record::HEADER_BYTES;
use super::schedule::{Secret, expand_label, prf};
use cbc::Cbc;
use suite::{Bulk, Suite};

/// A record does not open with this key at this sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadMac;

/// What opens the records of one direction with one key.
#[derive(Debug)]
pub(super) enum Opener {
    Aead(Box<Aead>),
    Cbc(Box<Cbc>),
}

/// A key of an AEAD suite.
pub(super) struct Aead {
    key: Key,
    iv: Zeroizing<[u8; 12]>,
    nonce: NonceKind,
    version: Version,
}

enum Key {
    Fast(LessSafeKey),
    Ccm128(Box<Ccm<Aes128, U16, U12>>),
    Ccm256(Box<Ccm<Aes256, U16, U12>>),
    Ccm128Short(Box<Ccm<Aes128, U8, U12>>),
    Ccm256Short(Box<Ccm<Aes256, U8, U12>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NonceKind {
    /// Eight bytes of it stand in the record (RFC 5288 §3).
    Explicit,
    /// The sequence number on the vector (RFC 7905 §2, RFC 8446 §5.3).
    Sequence,
}

impl std::fmt::Debug for Aead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Aead(hidden)")
    }
}

impl Opener {
    /// From a traffic secret of TLS 1.3 (RFC 8446 §7.3).
    pub(super) fn of_traffic_secret(suite: Suite, secret: &Secret) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..suite.bulk.key_bytes())?;
        let mut iv = Zeroizing::new([0; 12]);
        expand_label(suite.hash, secret.bytes(), b"key", key);
        expand_label(suite.hash, secret.bytes(), b"iv", &mut *iv);
        Aead::opener(suite.bulk, key, iv, NonceKind::Sequence, Version::Tls13)
    }

    /// From a master secret of TLS 1.0 to 1.2: the keys of one direction from the key block (RFC 5246 §6.3).
    pub(super) fn of_master_secret(
        suite: Suite,
        agreed: Agreed,
        master: &Secret,
        randoms: [&[u8; 32]; 2],
        of_client: bool,
    ) -> Option<Self> {
        let Agreed { version, .. } = agreed;
        let bulk = suite.bulk;
        let (mac, key, iv) = (bulk.mac_bytes(), bulk.key_bytes(), bulk.iv_bytes(version));
        let mut block = Zeroizing::new(vec![0; 2 * (mac + key + iv)]);
        let [client, server] = randoms;
        prf(version, suite.hash, master.bytes(), b"key expansion", &[server, client], &mut block);
        let mut rest: &[u8] = &block;
        let mut take = |length: usize| {
            let (client, server) = (rest.get(..length)?, rest.get(length..2 * length)?);
            rest = rest.get(2 * length..)?;
            Some(if of_client { client } else { server })
        };
        let (mac, key, iv) = (take(mac)?, take(key)?, take(iv)?);
        match bulk {
            Bulk::Cbc { mac: hash, .. } => {
                Some(Self::Cbc(Box::new(Cbc::new(Some(key), hash, mac, iv, agreed)?)))
            }
            Bulk::Null { mac: hash } => Some(Self::Cbc(Box::new(Cbc::new(None, hash, mac, iv, agreed)?))),
            _ => {
                let mut nonce = Zeroizing::new([0; 12]);
                nonce.get_mut(..iv.len())?.copy_from_slice(iv);
                let kind = if iv.len() == 12 { NonceKind::Sequence } else { NonceKind::Explicit };
                Aead::opener(bulk, key, nonce, kind, version)
            }
        }
    }

    /// Opens a record into `out`, which is emptied first. Whatever is in `out` after a failure is no plaintext.
    pub(super) fn open(
        &mut self,
        sequence: u64,
        header: [u8; HEADER_BYTES],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BadMac> {
        match self {
            Self::Aead(aead) => aead.open(sequence, header, payload, out),
            Self::Cbc(cbc) => cbc.open(sequence, header, payload, out),
        }
    }

    /// A record at that place is opened next.
    pub(super) fn begin(&mut self, offset: u64) {
        if let Self::Cbc(cbc) = self {
            cbc.begin(offset);
        }
    }

    /// A record with that payload ends there, opened or not.
    pub(super) fn follow(&mut self, payload: &[u8], end: u64) {
        if let Self::Cbc(cbc) = self {
            cbc.follow(payload, end);
        }
    }

    /// Bytes of a payload in front of the first byte of its plaintext.
    pub(super) fn prefix_bytes(&self) -> u64 {
        match self {
            Self::Aead(aead) if aead.nonce == NonceKind::Explicit => 8,
            Self::Aead(_) => 0,
            Self::Cbc(cbc) => cbc.prefix_bytes(),
        }
    }

    /// Length of the plaintext of a payload, if that alone determines it.
    pub(super) fn plaintext_bytes(&self, payload_bytes: u64) -> Option<u64> {
        match self {
            // the padding of TLS 1.3 and of CBC is known only once the record is open
            Self::Aead(aead) if aead.version != Version::Tls13 => {
                payload_bytes.checked_sub(self.prefix_bytes() + aead.tag_bytes() as u64)
            }
            Self::Aead(_) | Self::Cbc(_) => None,
        }
    }

    /// The least payload that a record has.
    pub(super) fn payload_bytes_min(&self) -> u64 {
        match self {
            Self::Aead(aead) => {
                self.prefix_bytes() + aead.tag_bytes() as u64 + u64::from(aead.version == Version::Tls13)
            }
            Self::Cbc(cbc) => cbc.payload_bytes_min(),
        }
    }
}

/// What client and server agreed on besides the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) version: Version,
    /// The MAC goes over the ciphertext (RFC 7366).
    pub(super) encrypt_then_mac: bool,
    /// What is encrypted was compressed before.
    pub(super) compresses: bool,
}

impl Aead {
    fn opener(
        bulk: Bulk,
        key: &[u8],
        iv: Zeroizing<[u8; 12]>,
        nonce: NonceKind,
        version: Version,
    ) -> Option<Opener> {
        let fast = |algorithm| Some(Key::Fast(LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?)));
        let key = match bulk {
            Bulk::Aes128Gcm => fast(&AES_128_GCM)?,
            Bulk::Aes256Gcm => fast(&AES_256_GCM)?,
            Bulk::ChaCha20Poly1305 => fast(&CHACHA20_POLY1305)?,
            Bulk::Ccm { key_bytes: 16, tag_bytes: 16 } => {
                Key::Ccm128(Box::new(Ccm::new_from_slice(key).ok()?))
            }
            Bulk::Ccm { key_bytes: 16, .. } => Key::Ccm128Short(Box::new(Ccm::new_from_slice(key).ok()?)),
            Bulk::Ccm { tag_bytes: 16, .. } => Key::Ccm256(Box::new(Ccm::new_from_slice(key).ok()?)),
            Bulk::Ccm { .. } => Key::Ccm256Short(Box::new(Ccm::new_from_slice(key).ok()?)),
            Bulk::Cbc { .. } | Bulk::Null { .. } => return None,
        };
        Some(Opener::Aead(Box::new(Self { key, iv, nonce, version })))
    }

    const fn tag_bytes(&self) -> usize {
        match self.key {
            Key::Ccm128Short(_) | Key::Ccm256Short(_) => 8,
            _ => 16,
        }
    }

    fn open(
        &self,
        sequence: u64,
        header: [u8; HEADER_BYTES],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BadMac> {
        let (explicit, sealed) = match self.nonce {
            NonceKind::Explicit => payload.split_at_checked(8).ok_or(BadMac)?,
            NonceKind::Sequence => (&[][..], payload),
        };
        let length = sealed.len().checked_sub(self.tag_bytes()).ok_or(BadMac)?;
        let (ciphertext, tag) = sealed.split_at(length);
        let nonce = self.nonce(sequence, explicit);
        if self.version == Version::Tls13 {
            self.open_with(nonce, &header, ciphertext, tag, out)
        } else {
            let [kind, major, minor, ..] = header;
            let mut data = [0; 13];
            let [sequence_part @ .., _, _, _, _, _] = &mut data;
            sequence_part.copy_from_slice(&sequence.to_be_bytes());
            let [.., a, b, c, d, e] = &mut data;
            let [high, low] = (length as u16).to_be_bytes();
            (*a, *b, *c, *d, *e) = (kind, major, minor, high, low);
            self.open_with(nonce, &data, ciphertext, tag, out)
        }
    }

    fn nonce(&self, sequence: u64, explicit: &[u8]) -> [u8; 12] {
        let mut nonce = *self.iv;
        let [_, _, _, _, tail @ ..] = &mut nonce;
        match self.nonce {
            NonceKind::Explicit => tail.iter_mut().zip(explicit).for_each(|(to, from)| *to = *from),
            NonceKind::Sequence => {
                tail.iter_mut().zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
            }
        }
        nonce
    }

    fn open_with(
        &self,
        nonce: [u8; 12],
        data: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BadMac> {
        if let Key::Fast(key) = &self.key {
            // what is in it is written over: zeros are needed only where it grows
            out.resize(ciphertext.len(), 0);
            let nonce = Nonce::assume_unique_for_key(nonce);
            return key
                .open_separate_gather(nonce, Aad::from(data), ciphertext, tag, out)
                .map_err(|_| BadMac);
        }
        out.clear();
        out.extend_from_slice(ciphertext);
        let nonce = GenericArray::from_slice(&nonce);
        let opened = match &self.key {
            Key::Ccm128(key) => {
                key.decrypt_in_place_detached(nonce, data, out, GenericArray::from_slice(tag))
            }
            Key::Ccm256(key) => {
                key.decrypt_in_place_detached(nonce, data, out, GenericArray::from_slice(tag))
            }
            Key::Ccm128Short(key) => {
                key.decrypt_in_place_detached(nonce, data, out, GenericArray::from_slice(tag))
            }
            Key::Ccm256Short(key) => {
                key.decrypt_in_place_detached(nonce, data, out, GenericArray::from_slice(tag))
            }
            Key::Fast(_) => return Err(BadMac),
        };
        opened.map_err(|_| BadMac)
    }
}

//! AES-CBC with an HMAC, before or after the encryption, and the HMAC alone (RFC 5246 §6.2.3, RFC 7366).
//!
//! ```text
//!   MAC first:   [vector] encrypted(plaintext │ MAC │ padding … its length)
//!   MAC last:    [vector] encrypted(plaintext │ padding … its length) │ MAC
//! ```
//!
//! The vector stands in the record since TLS 1.1; in TLS 1.0 it is the last block of the record before.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut, InnerIvInit, KeyInit};
use aes::{Aes128, Aes256};
use zeroize::Zeroizing;

use super::{Agreed, BadMac};
use crate::tls::Version;
use crate::tls::record::HEADER_BYTES;
use crate::tls::schedule::Hash;

const BLOCK_BYTES: usize = 16;

/// The keys of one direction.
pub(in crate::tls) struct Cbc {
    key: Key,
    hash: Hash,
    mac_key: Zeroizing<Vec<u8>>,
    /// TLS 1.0: the last block of ciphertext.
    last_block: [u8; BLOCK_BYTES],
    agreed: Agreed,
}

enum Key {
    None,
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
}

impl std::fmt::Debug for Cbc {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cbc(hidden)")
    }
}

impl Cbc {
    pub(super) fn new(
        key: Option<&[u8]>,
        hash: Hash,
        mac_key: &[u8],
        iv: &[u8],
        agreed: Agreed,
    ) -> Option<Self> {
        let key = match key {
            None => Key::None,
            Some(key) if key.len() == 16 => Key::Aes128(Box::new(Aes128::new_from_slice(key).ok()?)),
            Some(key) => Key::Aes256(Box::new(Aes256::new_from_slice(key).ok()?)),
        };
        let mut last_block = [0; BLOCK_BYTES];
        last_block.iter_mut().zip(iv).for_each(|(to, from)| *to = *from);
        Some(Self { key, hash, mac_key: Zeroizing::new(mac_key.to_vec()), last_block, agreed })
    }

    pub(super) fn prefix_bytes(&self) -> u64 {
        if self.has_vector() { BLOCK_BYTES as u64 } else { 0 }
    }

    pub(super) fn payload_bytes_min(&self) -> u64 {
        self.prefix_bytes() + self.hash.bytes() as u64
    }

    fn has_vector(&self) -> bool {
        !matches!(self.key, Key::None) && self.agreed.version != Version::Tls10
    }

    pub(super) fn open(
        &mut self,
        sequence: u64,
        header: [u8; HEADER_BYTES],
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BadMac> {
        out.clear();
        if matches!(self.key, Key::None) {
            out.extend_from_slice(payload);
            return self.check_mac(sequence, header, out);
        }
        let tag_bytes = if self.agreed.encrypt_then_mac { self.hash.bytes() } else { 0 };
        let (covered, tag) = payload.split_at(payload.len().checked_sub(tag_bytes).ok_or(BadMac)?);
        if self.agreed.encrypt_then_mac && self.mac(sequence, header, covered).bytes() != tag {
            return Err(BadMac);
        }
        self.decrypt(covered, out)?;
        strip_padding(out)?;
        if !self.agreed.encrypt_then_mac {
            self.check_mac(sequence, header, out)?;
        }
        if let Some(last) = covered.last_chunk() {
            self.last_block = *last;
        }
        Ok(())
    }

    /// The MAC at the end of `out` is that of what stands before it.
    fn check_mac(&self, sequence: u64, header: [u8; HEADER_BYTES], out: &mut Vec<u8>) -> Result<(), BadMac> {
        let length = out.len().checked_sub(self.hash.bytes()).ok_or(BadMac)?;
        let (plaintext, tag) = out.split_at(length);
        if self.mac(sequence, header, plaintext).bytes() != tag {
            return Err(BadMac);
        }
        out.truncate(length);
        Ok(())
    }

    fn mac(&self, sequence: u64, header: [u8; HEADER_BYTES], covered: &[u8]) -> crate::tls::schedule::Secret {
        let [kind, major, minor, ..] = header;
        let length = (covered.len() as u16).to_be_bytes();
        self.hash.mac(&self.mac_key, &[&sequence.to_be_bytes(), &[kind, major, minor], &length, covered])
    }

    fn decrypt(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), BadMac> {
        let (vector, ciphertext) = if self.has_vector() {
            payload.split_first_chunk().ok_or(BadMac)?
        } else {
            (&self.last_block, payload)
        };
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(BLOCK_BYTES) {
            return Err(BadMac);
        }
        out.resize(ciphertext.len(), 0);
        let done = match &self.key {
            Key::None => return Err(BadMac),
            Key::Aes128(key) => cbc::Decryptor::<&Aes128>::inner_iv_init(key, vector.into())
                .decrypt_padded_b2b_mut::<NoPadding>(ciphertext, out)
                .is_ok(),
            Key::Aes256(key) => cbc::Decryptor::<&Aes256>::inner_iv_init(key, vector.into())
                .decrypt_padded_b2b_mut::<NoPadding>(ciphertext, out)
                .is_ok(),
        };
        if done { Ok(()) } else { Err(BadMac) }
    }
}

/// Takes the padding off: its length stands last, and each of its bytes says the same.
fn strip_padding(out: &mut Vec<u8>) -> Result<(), BadMac> {
    let padding = usize::from(*out.last().ok_or(BadMac)?);
    let length = out.len().checked_sub(padding + 1).ok_or(BadMac)?;
    let (_, filler) = out.split_at(length);
    if filler.iter().any(|byte| usize::from(*byte) != padding) {
        return Err(BadMac);
    }
    out.truncate(length);
    Ok(())
}

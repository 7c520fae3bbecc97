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
    /// TLS 1.0: the last block of ciphertext of the record before (RFC 2246 §6.2.3.2), if that was seen, and where that record
    /// ends; before the first one what both agreed on.
    chained: Option<([u8; BLOCK_BYTES], Option<u64>)>,
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
        let mut first = [0; BLOCK_BYTES];
        first.iter_mut().zip(iv).for_each(|(to, from)| *to = *from);
        let mac_key = Zeroizing::new(mac_key.to_vec());
        Some(Self { key, hash, mac_key, chained: Some((first, None)), agreed })
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
        if !self.has_vector() && sequence > 0 && self.chained.is_some_and(|(_, end)| end.is_none()) {
            return Err(BadMac);
        }
        self.open_covered(sequence, header, covered, out)
    }

    /// A record at that place is opened next: the first one, or whatever ends there stands before it.
    pub(super) fn begin(&mut self, offset: u64) {
        self.chained = self.chained.filter(|(_, end)| end.is_none_or(|end| end == offset));
    }

    /// A record with that payload ends there, opened or not: the one behind it can be read. Behind one that was lost under TLS
    /// 1.0 none can, and the next one is not to be guessed.
    pub(super) fn follow(&mut self, payload: &[u8], end: u64) {
        if !self.has_vector() {
            let tag_bytes = if self.agreed.encrypt_then_mac { self.hash.bytes() } else { 0 };
            let covered = payload.len().checked_sub(tag_bytes).and_then(|covered| payload.get(..covered));
            self.chained = covered.and_then(|covered| Some((*covered.last_chunk()?, Some(end))));
        }
    }

    /// What stands between the vector and the MAC of encrypt-then-MAC.
    fn open_covered(
        &self,
        sequence: u64,
        header: [u8; HEADER_BYTES],
        covered: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BadMac> {
        self.decrypt(covered, out)?;
        strip_padding(out)?;
        if self.agreed.encrypt_then_mac { Ok(()) } else { self.check_mac(sequence, header, out) }
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
            (&self.chained.as_ref().ok_or(BadMac)?.0, payload)
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

#[cfg(test)]
mod tests {
    use aes::cipher::{BlockEncryptMut, KeyIvInit};

    use super::*;

    const KEY: [u8; 16] = [3; 16];
    const HEADER: [u8; HEADER_BYTES] = [23, 3, 1, 0, 0];

    fn opener(encrypt_then_mac: bool) -> Cbc {
        let agreed = Agreed { version: Version::Tls10, encrypt_then_mac, compresses: false };
        Cbc::new(Some(&KEY), Hash::Sha1, &[9; 20], &[7; 16], agreed).unwrap()
    }

    /// Records of TLS 1.0 one behind the other: each begins with the last block of the one before.
    fn records(encrypt_then_mac: bool, texts: &[&[u8]]) -> Vec<Vec<u8>> {
        let cbc = opener(encrypt_then_mac);
        let mut vector = [7; BLOCK_BYTES];
        let mut seal = |(sequence, text): (usize, &&[u8])| {
            let mut clear = text.to_vec();
            if !encrypt_then_mac {
                clear.extend_from_slice(cbc.mac(sequence as u64, HEADER, text).bytes());
            }
            // the last byte of the padding says how many stand before it (RFC 2246 §6.2.3.2)
            let padding = BLOCK_BYTES - clear.len() % BLOCK_BYTES;
            clear.resize(clear.len() + padding, padding as u8 - 1);
            let encryptor = cbc::Encryptor::<Aes128>::new(&KEY.into(), &vector.into());
            let length = clear.len();
            encryptor.encrypt_padded_mut::<NoPadding>(&mut clear, length).unwrap();
            let mut sealed = clear;
            vector = *sealed.last_chunk().unwrap();
            if encrypt_then_mac {
                sealed.extend_from_slice(cbc.mac(sequence as u64, HEADER, &sealed).bytes());
            }
            sealed
        };
        texts.iter().enumerate().map(&mut seal).collect()
    }

    #[test]
    fn behind_a_lost_record_the_next_is_not_guessed_and_those_behind_are_read() {
        let texts: [&[u8]; 5] = [b"one", b"two of more than one block", b"three", b"four", b"five"];
        for encrypt_then_mac in [false, true] {
            let sealed = records(encrypt_then_mac, &texts);
            for lost in [None, Some(0), Some(1), Some(2)] {
                let mut cbc = opener(encrypt_then_mac);
                let mut out = Vec::new();
                let mut offset = 0;
                for (at, record) in sealed.iter().enumerate() {
                    let begin = offset;
                    offset += record.len() as u64;
                    if Some(at) == lost {
                        continue;
                    }
                    cbc.begin(begin);
                    // numbers that are none of it change nothing
                    assert_eq!(cbc.open(at as u64 + 7, HEADER, record, &mut out), Err(BadMac));
                    let opened = cbc.open(at as u64, HEADER, record, &mut out);
                    cbc.follow(record, offset);
                    if lost.is_some_and(|lost| lost + 1 == at) {
                        assert_eq!(opened, Err(BadMac), "{encrypt_then_mac} {lost:?} {at}");
                    } else {
                        assert_eq!((opened, &*out), (Ok(()), texts[at]), "{encrypt_then_mac} {lost:?}");
                    }
                }
            }
        }
    }
}

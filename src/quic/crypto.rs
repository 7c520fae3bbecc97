//! The protection of Initial packets (RFC 9001 §5): keys from a connection id, so no secret. The primitives are those of
//! aws-lc.

use aws_lc_rs::aead::quic::HeaderProtectionKey;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey, quic};

use super::packet::{Long, Version};
use crate::tls::schedule::{Hash, expand_label};

/// Keys of both ends, the client's first.
pub(super) struct Keys([Side; 2]);

struct Side {
    header: HeaderProtectionKey,
    payload: LessSafeKey,
    iv: [u8; 12],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys")
    }
}

impl Keys {
    /// Those that follow from the connection id that the client made up for the server (RFC 9001 §5.2).
    pub(super) fn of_initial(version: Version, id: &[u8]) -> Option<Self> {
        let initial = Hash::Sha256.mac(salt(version), &[id]);
        let side = |label: &[u8]| {
            let mut secret = [0; 32];
            expand_label(Hash::Sha256, initial.bytes(), label, &mut secret);
            let (mut key, mut iv, mut header) = ([0; 16], [0; 12], [0; 16]);
            let [of_key, of_iv, of_header]: [&[u8]; 3] = match version {
                Version::V2 => [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"],
                Version::V1 | Version::Draft(_) => [b"quic key", b"quic iv", b"quic hp"],
            };
            expand_label(Hash::Sha256, &secret, of_key, &mut key);
            expand_label(Hash::Sha256, &secret, of_iv, &mut iv);
            expand_label(Hash::Sha256, &secret, of_header, &mut header);
            Some(Side {
                header: HeaderProtectionKey::new(&quic::AES_128, &header).ok()?,
                payload: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?),
                iv,
            })
        };
        Some(Self([side(b"client in")?, side(b"server in")?]))
    }

    /// Number and payload of a packet of that sender, if its tag is right. `largest`: the largest number that was seen of it.
    pub(super) fn open(&self, sender: usize, packet: &Long<'_>, largest: u64) -> Option<(u64, Vec<u8>)> {
        const SAMPLE_AT: usize = 4;
        let side = self.0.get(sender)?;
        // RFC 9001 §5.4.2: as if the number had four bytes
        let sample = packet.bytes.get(packet.number_at + SAMPLE_AT..)?.first_chunk::<16>()?;
        let [mask, number_mask @ ..] = side.header.new_mask(sample).ok()?;
        let mut header = packet.bytes.get(..packet.number_at + SAMPLE_AT)?.to_vec();
        let first = header.first_mut()?;
        *first ^= mask & 0x0f;
        let length = usize::from(*first & 3) + 1;
        header.truncate(packet.number_at + length);
        let mut short = 0;
        for (byte, mask) in header.get_mut(packet.number_at..)?.iter_mut().zip(number_mask) {
            *byte ^= mask;
            short = short << 8 | u64::from(*byte);
        }
        let number = whole_number(short, length as u32 * 8, largest);
        let mut nonce = side.iv;
        for (byte, of_number) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *byte ^= of_number;
        }
        let mut payload = packet.bytes.get(packet.number_at + length..)?.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = side.payload.open_in_place(nonce, Aad::from(&header), &mut payload).ok()?.len();
        payload.truncate(plain);
        Some((number, payload))
    }
}

/// The number of which the lowest bits were sent, nearest to the one that is expected (RFC 9000 §A.3).
const fn whole_number(short: u64, bits: u32, largest: u64) -> u64 {
    let window = 1_u64 << bits;
    let expected = largest + 1;
    let candidate = expected & !(window - 1) | short;
    if candidate + window / 2 <= expected {
        candidate + window
    } else if candidate > expected + window / 2 && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

const fn salt(version: Version) -> &'static [u8] {
    match version {
        Version::V1 | Version::Draft(33..) => {
            b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
        }
        Version::V2 => b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
        Version::Draft(29..33) => {
            b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
        }
        Version::Draft(..29) => {
            b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
        }
    }
}

#[cfg(test)]
impl Keys {
    /// The way back: a packet of which `packet` is the header, with a packet number of one byte at its end.
    pub(super) fn seal_for_tests(
        &self,
        sender: usize,
        mut packet: Vec<u8>,
        number_at: usize,
        number: u64,
        mut payload: Vec<u8>,
    ) -> Vec<u8> {
        let side = &self.0[sender];
        let mut nonce = side.iv;
        for (byte, of_number) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *byte ^= of_number;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        side.payload.seal_in_place_append_tag(nonce, Aad::from(&packet), &mut payload).unwrap();
        packet.extend(payload);
        let sample = packet[number_at + 4..][..16].to_vec();
        let mask = side.header.new_mask(&sample).unwrap();
        packet[0] ^= mask[0] & 0x0f;
        packet[number_at] ^= mask[1];
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::whole_number;

    #[test]
    fn numbers_are_those_that_are_expected() {
        // RFC 9000 §A.3
        assert_eq!(whole_number(0x9b32, 16, 0xa82f_30ea), 0xa82f_9b32);
        assert_eq!((whole_number(0, 8, 0), whole_number(5, 8, 0), whole_number(2, 8, 254)), (0, 5, 258));
        assert_eq!(whole_number(0xfe, 8, 0x101), 0xfe);
    }
}

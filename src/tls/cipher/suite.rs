//! The cipher suites: their names (IANA registry), and what each asks of the record layer and of the key schedule.

use std::borrow::Cow;

use super::super::schedule::Hash;

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum Bulk {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    /// AES-CCM with a key and a tag of that many bytes (RFC 6655).
    Ccm {
        key_bytes: usize,
        tag_bytes: usize,
    },
    /// AES-CBC with an HMAC.
    Cbc {
        key_bytes: usize,
        mac: Hash,
    },
    /// An HMAC alone (RFC 4492, RFC 5246 §6.2.3.1).
    Null {
        mac: Hash,
    },
}

impl Bulk {
    pub(in crate::tls) const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
            Self::Ccm { key_bytes, .. } | Self::Cbc { key_bytes, .. } => key_bytes,
            Self::Null { .. } => 0,
        }
    }

    pub(in crate::tls) const fn mac_bytes(self) -> usize {
        match self {
            Self::Cbc { mac, .. } | Self::Null { mac } => mac.bytes(),
            _ => 0,
        }
    }

    /// Bytes of the fixed part of the nonce or of the first vector in the key block of TLS 1.0 to 1.2.
    pub(in crate::tls) const fn iv_bytes(self, version: super::super::Version) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::Ccm { .. } => 4,
            Self::ChaCha20Poly1305 => 12,
            Self::Cbc { .. } if matches!(version, super::super::Version::Tls10) => 16,
            Self::Cbc { .. } | Self::Null { .. } => 0,
        }
    }
}

/// One cipher suite that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Suite {
    pub(in crate::tls) bulk: Bulk,
    /// Hash of the key schedule.
    pub(in crate::tls) hash: Hash,
    /// The client sends the secret itself, encrypted with the server's key.
    pub(in crate::tls) sends_secret: bool,
}

impl Suite {
    /// `None`: it is not known, or cannot be read.
    pub(in crate::tls) fn of(id: u16) -> Option<Self> {
        let name = registered(id)?;
        let what =
            name.split_once("_WITH_").map_or_else(|| name.trim_start_matches("TLS_"), |(_, what)| what);
        let mac = match what.rsplit('_').next()? {
            "SHA" => Hash::Sha1,
            "SHA384" => Hash::Sha384,
            _ => Hash::Sha256,
        };
        let tag_bytes = if what.contains("CCM_8") { 8 } else { 16 };
        let bulk = match what.get(..11).unwrap_or(what) {
            "AES_128_GCM" => Bulk::Aes128Gcm,
            "AES_256_GCM" => Bulk::Aes256Gcm,
            "AES_128_CCM" => Bulk::Ccm { key_bytes: 16, tag_bytes },
            "AES_256_CCM" => Bulk::Ccm { key_bytes: 32, tag_bytes },
            "AES_128_CBC" => Bulk::Cbc { key_bytes: 16, mac },
            "AES_256_CBC" => Bulk::Cbc { key_bytes: 32, mac },
            "CHACHA20_PO" => Bulk::ChaCha20Poly1305,
            _ if what.starts_with("NULL_") => Bulk::Null { mac },
            _ => return None,
        };
        let hash = if mac == Hash::Sha384 { Hash::Sha384 } else { Hash::Sha256 };
        Some(Self { bulk, hash, sends_secret: name.starts_with("TLS_RSA_WITH_") })
    }
}

/// The name of a suite, or its number where it has none here.
pub(in crate::tls) fn name(id: u16) -> Cow<'static, str> {
    registered(id).map_or_else(|| format!("0x{id:04x}").into(), Cow::Borrowed)
}

fn registered(id: u16) -> Option<&'static str> {
    let index = NAMES.binary_search_by_key(&id, |(known, _)| *known).ok()?;
    NAMES.get(index).map(|(_, name)| *name)
}

/// In the order of their numbers.
const NAMES: [(u16, &str); 107] = [
    (0x0002, "TLS_RSA_WITH_NULL_SHA"),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x000d, "TLS_DH_DSS_WITH_3DES_EDE_CBC_SHA"),
    (0x0010, "TLS_DH_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA"),
    (0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x001b, "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA"),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    (0x0030, "TLS_DH_DSS_WITH_AES_128_CBC_SHA"),
    (0x0031, "TLS_DH_RSA_WITH_AES_128_CBC_SHA"),
    (0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    (0x0036, "TLS_DH_DSS_WITH_AES_256_CBC_SHA"),
    (0x0037, "TLS_DH_RSA_WITH_AES_256_CBC_SHA"),
    (0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x003a, "TLS_DH_anon_WITH_AES_256_CBC_SHA"),
    (0x003b, "TLS_RSA_WITH_NULL_SHA256"),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    (0x003e, "TLS_DH_DSS_WITH_AES_128_CBC_SHA256"),
    (0x003f, "TLS_DH_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0040, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256"),
    (0x0066, "TLS_DHE_DSS_WITH_RC4_128_SHA"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x0068, "TLS_DH_DSS_WITH_AES_256_CBC_SHA256"),
    (0x0069, "TLS_DH_RSA_WITH_AES_256_CBC_SHA256"),
    (0x006a, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256"),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x006c, "TLS_DH_anon_WITH_AES_128_CBC_SHA256"),
    (0x006d, "TLS_DH_anon_WITH_AES_256_CBC_SHA256"),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x00a0, "TLS_DH_RSA_WITH_AES_128_GCM_SHA256"),
    (0x00a1, "TLS_DH_RSA_WITH_AES_256_GCM_SHA384"),
    (0x00a2, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"),
    (0x00a3, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"),
    (0x00a4, "TLS_DH_DSS_WITH_AES_128_GCM_SHA256"),
    (0x00a5, "TLS_DH_DSS_WITH_AES_256_GCM_SHA384"),
    (0x00a6, "TLS_DH_anon_WITH_AES_128_GCM_SHA256"),
    (0x00a7, "TLS_DH_anon_WITH_AES_256_GCM_SHA384"),
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0x1304, "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256"),
    (0xc001, "TLS_ECDH_ECDSA_WITH_NULL_SHA"),
    (0xc002, "TLS_ECDH_ECDSA_WITH_RC4_128_SHA"),
    (0xc003, "TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc004, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc005, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA"),
    (0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc00b, "TLS_ECDH_RSA_WITH_NULL_SHA"),
    (0xc00c, "TLS_ECDH_RSA_WITH_RC4_128_SHA"),
    (0xc00d, "TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc00e, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA"),
    (0xc00f, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA"),
    (0xc010, "TLS_ECDHE_RSA_WITH_NULL_SHA"),
    (0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc015, "TLS_ECDH_anon_WITH_NULL_SHA"),
    (0xc016, "TLS_ECDH_anon_WITH_RC4_128_SHA"),
    (0xc017, "TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA"),
    (0xc018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"),
    (0xc019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"),
    (0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc025, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc026, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc029, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc02a, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02d, "TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02e, "TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc031, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc032, "TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc09c, "TLS_RSA_WITH_AES_128_CCM"),
    (0xc09d, "TLS_RSA_WITH_AES_256_CCM"),
    (0xc09e, "TLS_DHE_RSA_WITH_AES_128_CCM"),
    (0xc09f, "TLS_DHE_RSA_WITH_AES_256_CCM"),
    (0xc0a0, "TLS_RSA_WITH_AES_128_CCM_8"),
    (0xc0a1, "TLS_RSA_WITH_AES_256_CCM_8"),
    (0xc0a2, "TLS_DHE_RSA_WITH_AES_128_CCM_8"),
    (0xc0a3, "TLS_DHE_RSA_WITH_AES_256_CCM_8"),
    (0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
    (0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_order_and_say_what_a_suite_asks_for() {
        assert!(NAMES.is_sorted_by_key(|(id, _)| *id));
        let suite = |id| Suite::of(id).unwrap();
        assert_eq!((suite(0x1302).bulk, suite(0x1302).hash), (Bulk::Aes256Gcm, Hash::Sha384));
        assert_eq!(suite(0xc028).bulk, Bulk::Cbc { key_bytes: 32, mac: Hash::Sha384 });
        assert_eq!((suite(0x002f).hash, suite(0x002f).sends_secret), (Hash::Sha256, true));
        assert_eq!(suite(0xc0ae).bulk, Bulk::Ccm { key_bytes: 16, tag_bytes: 8 });
        assert_eq!(suite(0xcca8).bulk, Bulk::ChaCha20Poly1305);
        assert_eq!(suite(0xc010).bulk, Bulk::Null { mac: Hash::Sha1 });
        assert!(Suite::of(0x0005).is_none() && Suite::of(0x0a0a).is_none());
        assert_eq!((&*name(0x0005), &*name(0x0a0a)), ("TLS_RSA_WITH_RC4_128_SHA", "0x0a0a"));
    }
}

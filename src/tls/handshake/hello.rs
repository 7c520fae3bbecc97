//! ClientHello and ServerHello (RFC 8446 §4.1.2, §4.1.3), and the extensions that the server encrypts (§4.3.1).

use super::{Cursor, ja4, numbers, text};
use crate::limits::{ALPN_NAMES_MAX, TLS_ALPN_BYTES_MAX};
use crate::tls::Version;
use crate::tls::session::Alpn;

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const ENCRYPT_THEN_MAC: u16 = 22;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;

/// What the client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::tls) struct ClientHello {
    pub(in crate::tls) random: [u8; 32],
    pub(in crate::tls) session_id: Vec<u8>,
    /// The ticket of an earlier session (RFC 5077 §3.2).
    pub(in crate::tls) ticket: Vec<u8>,
    pub(in crate::tls) server_name: Option<String>,
    pub(in crate::tls) early_data: bool,
    /// The protocols that it offers (RFC 7301).
    pub(in crate::tls) alpn: Vec<String>,
    pub(in crate::tls) ja4: String,
}

impl ClientHello {
    /// `None`: it is none.
    pub(in crate::tls) fn read(body: &[u8]) -> Option<Self> {
        Self::read_in(body, false)
    }

    /// As [`ClientHello::read`], of one that perhaps came in QUIC.
    pub(in crate::tls) fn read_in(body: &[u8], in_quic: bool) -> Option<Self> {
        let mut cursor = Cursor(body);
        let legacy = cursor.u16()?;
        let mut hello = Self { random: cursor.array()?, ..Self::default() };
        hello.session_id = cursor.short()?.to_vec();
        let ciphers = cursor.long()?;
        cursor.short()?; // compression methods
        let mut offer = ja4::Offer {
            version: legacy,
            in_quic,
            ciphers: numbers(ciphers).collect(),
            ..ja4::Offer::default()
        };
        each_extension(cursor, |kind, mut body| {
            offer.extensions.push(kind);
            match kind {
                SERVER_NAME => hello.server_name = server_name(body),
                ALPN => {
                    body.u16();
                    let mut alpn_bytes = 0;
                    while let Some(name) = body.short()
                        && hello.alpn.len() < ALPN_NAMES_MAX
                        && alpn_bytes < TLS_ALPN_BYTES_MAX
                    {
                        if hello.alpn.is_empty() {
                            offer.alpn = name.to_vec();
                        }
                        let name = text(name);
                        alpn_bytes += name.len();
                        hello.alpn.push(name);
                    }
                }
                SIGNATURE_ALGORITHMS => offer.signatures = numbers(body.long().unwrap_or_default()).collect(),
                SUPPORTED_VERSIONS => {
                    let versions =
                        numbers(body.short().unwrap_or_default()).filter(|one| !ja4::is_grease(*one));
                    offer.version = versions.max().unwrap_or(legacy);
                }
                SESSION_TICKET => hello.ticket = body.0.to_vec(),
                EARLY_DATA => hello.early_data = true,
                _ => {}
            }
        })?;
        offer.has_server_name = hello.server_name.is_some();
        hello.ja4 = offer.fingerprint();
        Some(hello)
    }
}

/// What the server chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tls) struct ServerHello {
    pub(in crate::tls) random: [u8; 32],
    pub(in crate::tls) session_id: Vec<u8>,
    /// As the number stands on the wire.
    pub(in crate::tls) version_number: u16,
    pub(in crate::tls) cipher: u16,
    /// It asks for another ClientHello (RFC 8446 §4.1.4).
    pub(in crate::tls) retry: bool,
    /// The compression method.
    pub(in crate::tls) compression: u8,
    pub(in crate::tls) encrypt_then_mac: bool,
    pub(in crate::tls) extended_master_secret: bool,
    /// Up to TLS 1.2; later it stands in the encrypted extensions.
    pub(in crate::tls) alpn: Option<String>,
}

/// SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

impl ServerHello {
    /// `None`: it is none.
    pub(in crate::tls) fn read(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(body);
        let version_number = cursor.u16()?;
        let random = cursor.array()?;
        let session_id = cursor.short()?.to_vec();
        let cipher = cursor.u16()?;
        let compression = cursor.u8()?;
        let mut hello = Self {
            random,
            session_id,
            version_number,
            cipher,
            retry: random == RETRY,
            compression,
            encrypt_then_mac: false,
            extended_master_secret: false,
            alpn: None,
        };
        each_extension(cursor, |kind, mut body| match kind {
            SUPPORTED_VERSIONS => hello.version_number = body.u16().unwrap_or(version_number),
            ALPN => hello.alpn = chosen(body),
            ENCRYPT_THEN_MAC => hello.encrypt_then_mac = true,
            EXTENDED_MASTER_SECRET => hello.extended_master_secret = true,
            _ => {}
        })?;
        Some(hello)
    }

    /// `None`: a version that cannot be read.
    pub(in crate::tls) const fn version(&self) -> Option<Version> {
        Version::of(self.version_number)
    }
}

/// Of EncryptedExtensions: the protocol, and whether early data was accepted.
pub(in crate::tls) fn encrypted_extensions(body: &[u8]) -> (Alpn, bool) {
    let (mut alpn, mut early) = (Alpn::None, false);
    let read = each_extension(Cursor(body), |kind, body| match kind {
        ALPN => alpn = chosen(body).map_or(Alpn::None, Alpn::Named),
        EARLY_DATA => early = true,
        _ => {}
    });
    if read.is_none() {
        alpn = Alpn::Unknown;
    }
    (alpn, early)
}

/// Extensions up to the end of a message; none at all is allowed before TLS 1.3.
fn each_extension(mut cursor: Cursor<'_>, mut visit: impl FnMut(u16, Cursor<'_>)) -> Option<()> {
    if cursor.is_empty() {
        return Some(());
    }
    let mut all = Cursor(cursor.long()?);
    while !all.is_empty() {
        let kind = all.u16()?;
        visit(kind, Cursor(all.long()?));
    }
    Some(())
}

/// The first host name (RFC 6066 §3).
fn server_name(mut body: Cursor<'_>) -> Option<String> {
    let mut list = Cursor(body.long()?);
    while !list.is_empty() {
        let kind = list.u8()?;
        let name = list.long()?;
        if kind == 0 && !name.is_empty() {
            return Some(text(name));
        }
    }
    None
}

/// The one protocol that a server names (RFC 7301 §3.1).
fn chosen(mut body: Cursor<'_>) -> Option<String> {
    body.u16()?;
    Some(text(body.short()?))
}

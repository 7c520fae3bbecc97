//! What is known of a connection's TLS, for its records: whatever was seen of the handshake.

use std::borrow::Cow;

use super::cipher;
use super::handshake::{self, ClientHello, Cursor, ServerHello};

/// Versions whose records can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// RFC 2246.
    Tls10,
    /// RFC 4346.
    Tls11,
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl Version {
    pub(super) const fn of(number: u16) -> Option<Self> {
        match number {
            0x0301 => Some(Self::Tls10),
            0x0302 => Some(Self::Tls11),
            0x0303 => Some(Self::Tls12),
            0x0304 => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// The name of a version number, as in the record's field `version`.
pub(super) fn version_name(number: u16) -> Cow<'static, str> {
    match number {
        0x0301 => "1.0".into(),
        0x0302 => "1.1".into(),
        0x0303 => "1.2".into(),
        0x0304 => "1.3".into(),
        0x0300 => "ssl3".into(),
        other => format!("0x{other:04x}").into(),
    }
}

/// The application protocol that was agreed on (RFC 7301).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    /// Its place was not seen, or not read.
    #[default]
    Unknown,
    /// There is none.
    None,
    /// Its name.
    Named(String),
}

/// What was seen of a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `1.3`, as the server chose.
    pub version: Option<Cow<'static, str>>,
    /// Name of the suite that the server chose.
    pub cipher: Option<Cow<'static, str>>,
    /// The ClientHello was seen: what it does not name, it does not have.
    pub has_client_hello: bool,
    /// The name that the client asked for.
    pub server_name: Option<String>,
    /// What is spoken inside.
    pub alpn: Alpn,
    /// The protocols that the client of QUIC offers.
    pub alpn_offered: Vec<String>,
    /// JA4 of the ClientHello.
    pub ja4: Option<String>,
    /// Names in the server's certificate.
    pub certificate_names: Vec<String>,
}

/// Whose first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl Session {
    /// Bytes of its text.
    pub(super) fn memory(&self) -> usize {
        let Self { version, cipher, server_name, alpn, alpn_offered, ja4, certificate_names, .. } = self;
        let named = [version, cipher].into_iter().flatten().map(|name| match name {
            Cow::Borrowed(_) => 0,
            Cow::Owned(name) => name.capacity(),
        });
        let texts = [server_name, ja4].into_iter().flatten();
        let alpn = if let Alpn::Named(name) = alpn { name.capacity() } else { 0 };
        let lists = alpn_offered.iter().chain(certificate_names);
        let list_items = alpn_offered.capacity() + certificate_names.capacity();
        texts.chain(lists).map(String::capacity).chain(named).sum::<usize>()
            + alpn
            + list_items * size_of::<String>()
    }

    /// Takes what the first message of that end of a QUIC connection says (RFC 9001 §4). `bytes`: what came of its handshake,
    /// from the beginning on. True: the message is whole, or there is none.
    pub fn take_quic(&mut self, hello: Hello, bytes: &[u8]) -> bool {
        let mut cursor = Cursor::new(bytes);
        let Some([kind, a, b, c]) = cursor.array() else { return false };
        let Some(body) = cursor.take(u32::from_be_bytes([0, a, b, c]) as usize) else { return false };
        match (hello, kind) {
            (Hello::Client, handshake::CLIENT_HELLO) => {
                if let Some(hello) = ClientHello::read_in(body, true) {
                    self.has_client_hello = true;
                    self.server_name = hello.server_name;
                    self.ja4 = Some(hello.ja4);
                    // RFC 9001 §8.1: one of them is agreed on, or the connection ends
                    self.alpn = match hello.alpn.as_slice() {
                        [] => Alpn::None,
                        [only] => Alpn::Named(only.clone()),
                        _ => Alpn::Unknown,
                    };
                    self.alpn_offered = hello.alpn;
                }
            }
            (Hello::Server, handshake::SERVER_HELLO) => {
                if let Some(hello) = ServerHello::read(body).filter(|hello| !hello.retry) {
                    self.version = Some(version_name(hello.version_number));
                    self.cipher = Some(cipher::suite::name(hello.cipher));
                }
            }
            _ => {}
        }
        true
    }
}

/// Why a connection was not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Its secrets are not known.
    NoKey,
    /// Its version or suite can't be read.
    UnsupportedSuite,
    /// Bytes of the handshake that matter are not in the capture.
    GapInHandshake,
    /// The capture began behind its handshake.
    JoinedMidstream,
    /// There was no room for what waited for its secrets.
    HoldFull,
    /// The secrets do not open its records.
    BadMac,
}

impl Reason {
    /// As in the record's field `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::UnsupportedSuite => "unsupported_suite",
            Self::GapInHandshake => "gap_in_handshake",
            Self::JoinedMidstream => "joined_midstream",
            Self::HoldFull => "hold_full",
            Self::BadMac => "bad_mac",
        }
    }
}

//! Key log files in the NSS format → secrets by client random: `LABEL client-random secret`, in hex, one a line
//! (draft-ietf-tls-keylogfile §2).

use zeroize::Zeroizing;

use super::schedule::{SECRET_BYTES_MAX, Secret};

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// The master secret of TLS 1.0 to 1.2.
    Master,
    ClientEarly,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
}

/// All labels, in the order of their numbers.
pub(super) const LABELS_ALL: [Label; LABELS] = [
    Label::Master,
    Label::ClientEarly,
    Label::ClientHandshake,
    Label::ServerHandshake,
    Label::ClientTraffic,
    Label::ServerTraffic,
];

/// Number of labels.
pub(super) const LABELS: usize = 6;

/// One line.
pub(super) struct Entry {
    pub(super) label: Label,
    pub(super) random: [u8; 32],
    pub(super) secret: Secret,
}

/// Why a line can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It has not three parts.
    Parts,
    /// The client random is not 32 bytes in hex.
    Random,
    /// The secret is not 32 to 48 bytes in hex.
    Secret,
    /// It is longer than any line of a key log.
    TooLong,
}

impl Broken {
    /// As it is said to a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parts => "not LABEL, client random and secret",
            Self::Random => "the client random is not 64 hex digits",
            Self::Secret => "the secret is not 64 to 96 hex digits",
            Self::TooLong => "longer than any line of one",
        }
    }
}

/// Reads one line. `None`: it is a comment, empty, or of a label that is of no use here.
pub(super) fn line(line: &[u8]) -> Option<Result<Entry, Broken>> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let mut parts = line.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let (Some(label), Some(random), Some(secret), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(Err(Broken::Parts));
    };
    let label = match label {
        b"CLIENT_RANDOM" => Label::Master,
        b"CLIENT_EARLY_TRAFFIC_SECRET" => Label::ClientEarly,
        b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshake,
        b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshake,
        b"CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic,
        b"SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic,
        other if other.iter().all(|byte| byte.is_ascii_uppercase() || b"_0123456789".contains(byte)) => {
            return None;
        }
        _ => return Some(Err(Broken::Parts)),
    };
    let mut client_random = [0; 32];
    if decode(random, &mut client_random) != Some(32) {
        return Some(Err(Broken::Random));
    }
    let mut bytes = Zeroizing::new([0; SECRET_BYTES_MAX]);
    match decode(secret, &mut *bytes) {
        Some(length @ 32..) => {
            let secret = Secret::new(bytes.get(..length).unwrap_or_default());
            Some(Ok(Entry { label, random: client_random, secret }))
        }
        _ => Some(Err(Broken::Secret)),
    }
}

/// Decodes hex; the number of bytes, unless it is none, or too long.
fn decode(hex: &[u8], out: &mut [u8]) -> Option<usize> {
    if !hex.len().is_multiple_of(2) || hex.len() > 2 * out.len() {
        return None;
    }
    for (pair, byte) in hex.chunks_exact(2).zip(out.iter_mut()) {
        let digit = |index: usize| (*pair.get(index)? as char).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(hex.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_secrets_or_nothing_or_broken() {
        let random = "ab".repeat(32);
        let read = |text: &str| line(text.as_bytes()).map(|read| read.map(|entry| entry.label));
        let good = format!("CLIENT_RANDOM {random} {}", "0F".repeat(48));
        assert_eq!(read(&good), Some(Ok(Label::Master)));
        assert_eq!(read(&format!("  {}\r", good.replace(' ', "  "))), Some(Ok(Label::Master)));
        let traffic = format!("SERVER_TRAFFIC_SECRET_0 {random} {}", "00".repeat(32));
        assert_eq!(read(&traffic), Some(Ok(Label::ServerTraffic)));
        for nothing in ["", "   ", "# SSL/TLS secrets log file", &format!("EXPORTER_SECRET {random} 00")] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        for (broken, why) in [
            (&good[..20], Broken::Parts),
            (&format!("CLIENT_RANDOM {random}"), Broken::Parts),
            (&format!("CLIENT_RANDOM {} 00", &random[2..]), Broken::Random),
            (&good.replace("ab", "zz"), Broken::Random),
            (&good[..good.len() - 1], Broken::Secret),
            (&format!("{good}00"), Broken::Secret),
            (&format!("CLIENT_RANDOM {random} 0011"), Broken::Secret),
            ("\u{0}\u{1}\u{2} a b", Broken::Parts),
        ] {
            assert_eq!(read(broken), Some(Err(why)), "{broken}");
        }
    }
}

//! What is known of a master secret.

use super::schedule::Secret;

/// The master secret of the handshake in hand, up to TLS 1.2.
#[derive(Debug, Default)]
pub(super) enum Master {
    /// It is not known.
    #[default]
    Unknown,
    /// The client is going to send it encrypted, perhaps for a key that is known.
    Expected,
    /// It could be known, but something that it is made of lies in a hole.
    Hidden,
    /// What should be it. No record has opened with it yet.
    Assumed(Secret),
    /// A record has opened with it.
    Proven(Secret),
}

impl Master {
    pub(super) const fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Unknown | Self::Expected | Self::Hidden => None,
            Self::Assumed(secret) | Self::Proven(secret) => Some(secret),
        }
    }
}

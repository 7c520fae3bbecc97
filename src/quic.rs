//! QUIC that is named, not read: what the first packets of a connection show of it (RFC 9000, RFC 9001, RFC 9369).
//!
//! Initial packets are protected with keys that derive from a connection id which stands in them, so whoever sees them can
//! open them: the client's first message names the server and the protocols, the server's the suite. What follows is
//! encrypted with secrets and is counted. Other packets with a long header only show that a flow is QUIC.

mod arbitrary;
mod crypto;
mod flows;
mod packet;
#[cfg(test)]
mod tests;

use crate::limits::{QUIC_CRYPTO_BYTES_MAX, QUIC_CRYPTO_RANGES_MAX, QUIC_DERIVATIONS_MAX};
use crate::tls::{Hello, Session};
use crate::wire::Direction;
use crypto::Keys;
use packet::{Kind, Long, Version};

pub use arbitrary::read_arbitrary;
pub use flows::{Counters, Flows};

/// What the datagrams of one connection show.
#[derive(Debug, Default)]
pub struct Shown {
    version: Option<Version>,
    client: Option<Direction>,
    session: Session,
    /// Until both ends' first messages were read.
    opening: Option<Box<Opening>>,
    /// How often keys were derived.
    derivations: u32,
    /// The server asked for another first packet.
    retried: bool,
}

/// The connection id that a client makes up for the server is no shorter (RFC 9000 §7.2).
const FIRST_ID_BYTES_MIN: usize = 8;

/// Initial packets while they are read.
#[derive(Debug)]
struct Opening {
    keys: Keys,
    /// Where they come from: the version and the connection id.
    origin: (Version, Vec<u8>),
    /// What came of each end's first message.
    messages: [Crypto; 2],
    /// The largest packet number of each end.
    largest: [u64; 2],
}

/// A stream of handshake bytes that come in any order (RFC 9000 §19.6), from its beginning.
#[derive(Debug, Default)]
struct Crypto {
    bytes: Vec<u8>,
    /// Which of them came, in order, none touching another.
    ranges: Vec<(usize, usize)>,
    is_read: bool,
}

impl Shown {
    /// A datagram; whether it shows that the flow is QUIC.
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8]) -> bool {
        let (mut rest, mut is_quic) = (bytes, false);
        let derivations_max = (self.derivations + 1).min(QUIC_DERIVATIONS_MAX);
        while let Some((packet, behind)) = Long::read(rest) {
            is_quic = true;
            rest = behind;
            self.version = Some(packet.version);
            match packet.kind {
                Kind::Initial => self.initial(direction, &packet, derivations_max),
                Kind::Retry => {
                    self.retried = true;
                    self.client = self.client.or(Some(direction.reverse()));
                }
                Kind::ZeroRtt => self.client = self.client.or(Some(direction)),
                Kind::Handshake => {}
            }
        }
        is_quic
    }

    /// Who began, as far as it was seen.
    #[must_use]
    pub const fn client(&self) -> Option<Direction> {
        self.client
    }

    /// The version, in words.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.version.map(Version::name)
    }

    /// What was seen of the handshake.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.has_client_hello.then_some(&self.session)
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.opening.as_ref().map_or(0, |opening| {
            size_of::<Opening>() + opening.messages.iter().map(|one| one.bytes.capacity()).sum::<usize>()
        })
    }

    /// Initial packets are still being read, so something is kept of them.
    #[must_use]
    pub const fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Reads no further.
    pub fn give_up(&mut self) {
        self.opening = None;
    }

    /// Keys are derived until that was done `derivations_max` times: once for the packets of a datagram, which belong to one
    /// connection (RFC 9000 §12.2).
    fn initial(&mut self, direction: Direction, packet: &Long<'_>, derivations_max: u32) {
        if self.session.has_client_hello && self.opening.is_none() || !packet.has_sample() {
            return;
        }
        let sender = |client: Direction| usize::from(direction != client);
        if let (Some(client), Some(opening)) = (self.client, &mut self.opening)
            && (packet.version == opening.origin.0 || self.derivations < derivations_max)
            && let Some(payload) = opening.open(sender(client), packet, &mut self.derivations)
        {
            opening.take(sender(client), &payload, &mut self.session);
            if opening.is_read() {
                self.opening = None;
            }
            return;
        }
        // the client's first packet, or its first one behind a Retry (RFC 9001 §5.2)
        let is_of_server = self.client.is_some_and(|client| client != direction);
        let is_short = packet.target.len() < FIRST_ID_BYTES_MIN && !self.retried;
        if is_of_server || is_short || self.derivations >= derivations_max {
            return;
        }
        self.derivations += 1;
        let Some(keys) = Keys::of_initial(packet.version, packet.target) else { return };
        let origin = (packet.version, packet.target.to_vec());
        let mut opening =
            Box::new(Opening { keys, origin, messages: <[Crypto; 2]>::default(), largest: [0; 2] });
        if let Some(payload) = opening.open(0, packet, &mut self.derivations) {
            self.client = Some(direction);
            opening.take(0, &payload, &mut self.session);
            self.opening = Some(opening);
        }
    }
}

impl Opening {
    fn open(&mut self, sender: usize, packet: &Long<'_>, derivations: &mut u32) -> Option<Vec<u8>> {
        let (version, id) = &self.origin;
        if packet.version != *version {
            // the server chose another one that goes with it (RFC 9368 §2.3)
            *derivations += 1;
            self.keys = Keys::of_initial(packet.version, id)?;
            self.origin.0 = packet.version;
        }
        let largest = self.largest.get_mut(sender)?;
        let (number, payload) = self.keys.open(sender, packet, *largest)?;
        *largest = (*largest).max(number);
        Some(payload)
    }

    /// Reads the frames of an opened packet.
    fn take(&mut self, sender: usize, payload: &[u8], session: &mut Session) {
        let Some(crypto) = self.messages.get_mut(sender) else { return };
        packet::each_crypto(payload, |offset, bytes| crypto.put(offset, bytes));
        if crypto.is_read {
            return;
        }
        let hello = if sender == 0 { Hello::Client } else { Hello::Server };
        if session.take_quic(hello, crypto.front()) {
            *crypto = Crypto { is_read: true, ..Crypto::default() };
        }
    }

    fn is_read(&self) -> bool {
        self.messages.iter().all(|crypto| crypto.is_read)
    }
}

impl Crypto {
    /// Bytes at a place of the stream; those beyond a bound are left out.
    fn put(&mut self, offset: u64, bytes: &[u8]) {
        let Ok(start) = usize::try_from(offset) else { return };
        let end = start.saturating_add(bytes.len());
        let is_full = end > QUIC_CRYPTO_BYTES_MAX || self.ranges.len() >= QUIC_CRYPTO_RANGES_MAX;
        if self.is_read || bytes.is_empty() || is_full {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
        let (mut start, mut end) = (start, end);
        self.ranges.retain(|&(from, to)| {
            let touches = from <= end && to >= start;
            if touches {
                (start, end) = (start.min(from), end.max(to));
            }
            !touches
        });
        self.ranges.push((start, end));
    }

    /// What is there from the beginning on.
    fn front(&self) -> &[u8] {
        let end = self.ranges.iter().find(|(start, _)| *start == 0).map_or(0, |(_, end)| *end);
        self.bytes.get(..end).unwrap_or_default()
    }
}

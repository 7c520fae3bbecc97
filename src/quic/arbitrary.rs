//! The entry of the fuzz target `quic` and of the stored inputs: any datagrams of a few flows, and any payloads of Initial
//! packets, which no made-up packet would get past its tag.

use super::packet::Version;
use super::{Crypto, Flows, Keys, Opening};
use crate::flow::Stamp;
use crate::limits::{QUIC_CRYPTO_BYTES_MAX, QUIC_CRYPTO_RANGES_MAX};
use crate::time::Timestamp;
use crate::tls::Session;
use crate::wire::{Direction, FlowKey, Segment, TcpFlags, Transport};

/// Reads any bytes as datagrams, and tells how many were of QUIC. Each is counted once and by name, all that is counted is
/// told, and what is kept of a handshake is bounded.
///
/// ```text
/// | what | length: 2 bytes, LE | bytes … |
///
/// what: 1 bit for a payload instead of a datagram, 4 bits for tens of seconds since the one before, 2 bits for the port,
///       1 bit for the direction
/// ```
///
/// # Panics
/// If one of these promises is broken.
#[must_use]
pub fn read_arbitrary(input: &[u8]) -> u64 {
    let (mut tap, mut rest, mut clock) = (Tap::default(), input, Timestamp::ZERO);
    let mut opened = Opened::new();
    while let Some((&[what, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        rest = behind;
        let direction = if what & 1 == 0 { Direction::Up } else { Direction::Down };
        if what & 0x80 != 0 {
            opened.take(direction, bytes);
            continue;
        }
        clock = clock.plus(u64::from(what >> 3 & 0xf) * TEN_SECONDS_NS);
        tap.push(clock, u16::from(what >> 1 & 3), direction, bytes);
    }
    tap.finish()
}

const TEN_SECONDS_NS: u64 = 10_000_000_000;

#[derive(Default)]
struct Tap {
    flows: Flows,
    /// Bytes of datagrams that were counted as QUIC.
    bytes: u64,
    /// Packets and bytes that were told.
    told: [u64; 2],
}

impl Tap {
    fn push(&mut self, clock: Timestamp, port: u16, direction: Direction, payload: &[u8]) {
        let (client, server) = (([10, 0, 0, 1], 1000 + port).into(), ([10, 0, 0, 2], 443).into());
        let (from, to) = if direction == Direction::Up { (client, server) } else { (server, client) };
        let (flow, direction) = FlowKey::new(from, to, None);
        let datagram = Segment {
            transport: Transport::Udp,
            flow,
            direction,
            seq: 0,
            ack: 0,
            flags: TcpFlags::default(),
            payload,
            missing: 0,
            reassembled: false,
        };
        let Self { flows, bytes, told } = self;
        let mut note = |packets: [u64; 2], bytes: [u64; 2]| {
            told[0] += packets.iter().sum::<u64>();
            told[1] += bytes.iter().sum::<u64>();
        };
        let before = flows.counters().datagrams_quic;
        // either is how an idle flow ends
        if port.is_multiple_of(2) {
            flows.advance(clock, |_, _, one| note(one.packets, one.bytes));
        }
        flows.push(Stamp { time: clock, clock }, 0, &datagram, |_, _, one| note(one.packets, one.bytes));
        if flows.counters().datagrams_quic > before {
            *bytes += payload.len() as u64;
        }
    }

    fn finish(self) -> u64 {
        let Self { mut flows, bytes, mut told } = self;
        flows.finish(|_, one| {
            told[0] += one.packets.iter().sum::<u64>();
            told[1] += one.bytes.iter().sum::<u64>();
        });
        let counters = flows.counters();
        let named = counters.datagrams_quic + counters.datagrams_other + counters.datagrams_beyond_flows_max;
        assert_eq!(named, counters.datagrams, "each datagram has one name");
        assert_eq!(told, [counters.datagrams_quic, bytes], "what is counted is told");
        counters.datagrams_quic
    }
}

/// A handshake of which the packets are open.
struct Opened {
    opening: Option<Opening>,
    session: Session,
}

impl Opened {
    fn new() -> Self {
        let origin = (Version::V1, Vec::new());
        let opening = Keys::of_initial(Version::V1, &[]).map(|keys| Opening {
            keys,
            origin,
            messages: <[Crypto; 2]>::default(),
            largest: [0; 2],
        });
        Self { opening, session: Session::default() }
    }

    fn take(&mut self, direction: Direction, payload: &[u8]) {
        let Some(opening) = &mut self.opening else { return };
        opening.take(direction.index(), payload, &mut self.session);
        for Crypto { bytes, ranges, is_read } in &opening.messages {
            assert!(bytes.len() <= QUIC_CRYPTO_BYTES_MAX && ranges.len() <= QUIC_CRYPTO_RANGES_MAX);
            assert!(!is_read || bytes.is_empty() && ranges.is_empty(), "what was read is not kept");
            for (at, (start, end)) in ranges.iter().enumerate() {
                assert!(start < end && *end <= bytes.len());
                let mut others = ranges.iter().skip(at + 1);
                assert!(others.all(|(from, to)| to < start || end < from), "no range touches another");
            }
        }
        let [client, _] = &opening.messages;
        assert!(client.is_read || !self.session.has_client_hello, "what is known of the client was read");
    }
}

//! The flows of QUIC: counted from their first packet with a long header on, told as connections when nothing has come for
//! a while.

use std::collections::{BTreeSet, HashMap};

use xxhash_rust::xxh3::xxh3_128;

use super::Shown;
use crate::call::{Anomalies, Connection, Roles};
use crate::flow::Stamp;
use crate::limits::{QUIC_FLOWS_MAX, QUIC_IDLE_NS, QUIC_OPENING_MAX};
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey, Segment};

crate::counters! {
    /// What became of datagrams. Equation: those that came = the sum of the others named `datagrams_…`.
    pub struct Counters {
        /// Datagrams of UDP that came in.
        datagrams,
        /// Datagrams of flows that are QUIC.
        datagrams_quic,
        /// Datagrams of which nothing shows that they are QUIC.
        datagrams_other,
        /// Datagrams that began a flow of QUIC for which there was no room.
        datagrams_beyond_flows_max,
        /// Flows of QUIC whose first packets were not opened because too many were being opened.
        quic_not_opened,
    }
}

/// The flows of one worker.
#[derive(Default)]
pub struct Flows {
    flows: HashMap<FlowKey, Box<Flow>>,
    /// When each has to be looked at: at its deadline or before.
    queue: BTreeSet<(Timestamp, FlowKey)>,
    /// Flows whose first packets are being opened.
    opening: usize,
    counters: Counters,
}

struct Flow {
    id: u128,
    interface: u32,
    first: Timestamp,
    last: Timestamp,
    /// The capture clock at the last datagram.
    clock: Timestamp,
    packets: [u64; 2],
    bytes: [u64; 2],
    shown: Shown,
}

impl Flow {
    const fn due(&self) -> Timestamp {
        self.clock.plus(QUIC_IDLE_NS)
    }
}

impl Flows {
    /// What became of the datagrams.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes a datagram in. `tell` gets a connection whose time ran out before, with the capture clock of that moment.
    pub fn push(
        &mut self,
        stamp: Stamp,
        interface: u32,
        datagram: &Segment<'_>,
        tell: impl FnOnce(Timestamp, &FlowKey, &Connection),
    ) {
        self.counters.datagrams += 1;
        let key = &datagram.flow;
        if let Some(due) = self.flows.get(key).map(|flow| flow.due()).filter(|due| *due <= stamp.clock)
            && let Some(flow) = self.remove(key)
        {
            tell(due, key, &connection(key, &flow));
        }
        let is_known = self.flows.contains_key(key);
        let mut shown = Shown::default();
        if !is_known && !shown.datagram(datagram.direction, datagram.payload) {
            self.counters.datagrams_other += 1;
            return;
        }
        if !is_known && self.flows.len() >= QUIC_FLOWS_MAX {
            self.counters.datagrams_beyond_flows_max += 1;
            return;
        }
        self.counters.datagrams_quic += 1;
        let flow = self.flows.entry(*key).or_insert_with(|| {
            let flow = Flow {
                id: id(key, stamp.time),
                interface,
                first: stamp.time,
                last: stamp.time,
                clock: stamp.clock,
                packets: [0; 2],
                bytes: [0; 2],
                shown,
            };
            self.queue.insert((flow.due(), *key));
            self.opening += usize::from(flow.shown.is_opening());
            Box::new(flow)
        });
        if is_known {
            let was_opening = flow.shown.is_opening();
            flow.shown.datagram(datagram.direction, datagram.payload);
            self.opening += usize::from(flow.shown.is_opening());
            self.opening -= usize::from(was_opening);
        }
        if flow.shown.is_opening() && self.opening > QUIC_OPENING_MAX {
            flow.shown.give_up();
            self.opening -= 1;
            self.counters.quic_not_opened += 1;
        }
        flow.count(stamp, datagram);
    }

    /// Tells the connections whose time has run out, each with the capture clock of that moment.
    pub fn advance(&mut self, clock: Timestamp, mut tell: impl FnMut(Timestamp, &FlowKey, &Connection)) {
        while let Some(&(at, key)) = self.queue.first()
            && at <= clock
        {
            self.queue.pop_first();
            let Some(due) = self.flows.get(&key).map(|flow| flow.due()) else { continue };
            if due > clock {
                self.queue.insert((due, key));
            } else if let Some(flow) = self.remove(&key) {
                tell(due, &key, &connection(&key, &flow));
            }
        }
    }

    /// The input has ended: tells all that are left, in the order of their keys.
    pub fn finish(&mut self, mut tell: impl FnMut(&FlowKey, &Connection)) {
        let mut keys: Vec<FlowKey> = self.flows.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            if let Some(flow) = self.remove(&key) {
                tell(&key, &connection(&key, &flow));
            }
        }
        self.queue.clear();
    }

    /// The sensor failed on a flow: it is not told.
    pub fn forget(&mut self, key: &FlowKey) {
        self.flows.remove(key);
        self.opening = self.flows.values().filter(|flow| flow.shown.is_opening()).count();
    }

    fn remove(&mut self, key: &FlowKey) -> Option<Box<Flow>> {
        let flow = self.flows.remove(key)?;
        self.opening -= usize::from(flow.shown.is_opening());
        Some(flow)
    }
}

impl Flow {
    fn count(&mut self, stamp: Stamp, datagram: &Segment<'_>) {
        let index = datagram.direction.index();
        if let (Some(packets), Some(bytes)) = (self.packets.get_mut(index), self.bytes.get_mut(index)) {
            *packets += 1;
            *bytes += datagram.payload.len() as u64;
        }
        self.last = self.last.max(stamp.time);
        self.clock = self.clock.max(stamp.clock);
    }
}

/// A connection's id: as that of a connection of TCP between the same ends, and yet another one.
fn id(key: &FlowKey, first: Timestamp) -> u128 {
    xxh3_128(&[&key.to_bytes()[..], &first.as_nanos().to_be_bytes(), b"quic"].concat())
}

fn connection(key: &FlowKey, flow: &Flow) -> Connection {
    let (client, roles) = match flow.shown.client() {
        Some(client) => (client, Roles::Content),
        None => (key.client_by_ports(), Roles::Ports),
    };
    let ordered = |pair: [u64; 2]| if client == Direction::Up { pair } else { [pair[1], pair[0]] };
    Connection {
        id: flow.id,
        interface: flow.interface,
        vni: key.vni(),
        client: key.sender(client),
        server: key.sender(client.reverse()),
        roles,
        time: flow.first,
        duration_ns: flow.last.since(flow.first),
        protocol: "quic",
        reason: "not_read",
        packets: ordered(flow.packets),
        bytes: ordered(flow.bytes),
        calls: 0,
        tls: flow.shown.session().cloned(),
        quic_version: flow.shown.version(),
        anomalies: Anomalies::EMPTY,
    }
}

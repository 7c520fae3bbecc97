//! Two honest hosts, the network between them, and a tap that sees their packets badly.
//!
//! Each host sends what it has, acknowledges what it got and repeats what was not acknowledged, cut in other places.
//! The tap reorders within bounds, doubles, loses, cuts off.

use std::collections::VecDeque;

use super::*;

/// Packets on their way in one direction.
const IN_FLIGHT: usize = 6;
/// A repetition comes at most so many packets after the first copy.
const REPEAT_WITHIN: usize = 20;
/// Places that the tap may move a packet.
const DISPLACED: usize = 10;

/// What the tap does, in percent of the packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tapped {
    pub(super) lost: u8,
    pub(super) doubled: u8,
    pub(super) displaced: u8,
    pub(super) cut: u8,
    /// Repetitions by the sender.
    pub(super) repeated: u8,
    /// Repetitions that bring other bytes.
    pub(super) forged: u8,
    /// The capture begins behind so many packets.
    pub(super) begins: usize,
}

/// A packet, with positions counted from the first byte of its direction.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) direction: Direction,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) start: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) missing: usize,
    /// Bytes of the other direction that are acknowledged, its FIN with them; none in the first SYN.
    pub(super) ack: Option<usize>,
}

impl Packet {
    pub(super) fn end(&self) -> usize {
        self.start + self.bytes.len() + self.missing
    }
}

struct Host {
    direction: Direction,
    stream: Vec<u8>,
    sent: usize,
    sent_at: Vec<usize>,
    fin_sent: bool,
    known_acked: usize,
    got: Vec<bool>,
    fin_got: Option<usize>,
}

impl Host {
    fn new(direction: Direction, random: &mut fastrand::Rng) -> Self {
        let len = random.usize(1..600);
        let stream = std::iter::repeat_with(|| random.u8(..)).take(len).collect();
        let (sent_at, got) = (Vec::new(), Vec::new());
        Self { direction, stream, sent: 0, sent_at, fin_sent: false, known_acked: 0, got, fin_got: None }
    }

    /// What it acknowledges: all before the first byte that it has not got, and the FIN behind them.
    fn ack(&self) -> usize {
        let whole = self.got.iter().take_while(|got| **got).count();
        whole + usize::from(self.fin_got == Some(whole))
    }

    fn packet(&self, range: std::ops::Range<usize>) -> Packet {
        Packet {
            direction: self.direction,
            syn: false,
            fin: self.fin_sent && range.end == self.stream.len(),
            start: range.start,
            bytes: self.stream[range].to_vec(),
            missing: 0,
            ack: Some(self.ack()),
        }
    }

    fn send(&mut self, now: usize, tapped: Tapped, random: &mut fastrand::Rng) -> Packet {
        let from = self.sent_at.partition_point(|at| at + REPEAT_WITHIN < now).max(self.known_acked);
        if random.u8(..100) < tapped.repeated && from < self.sent {
            let start = random.usize(from..self.sent);
            let end = random.usize(start + 1..=self.sent);
            let mut packet = self.packet(start..end);
            if random.u8(..100) < tapped.forged {
                packet.bytes.iter_mut().for_each(|byte| *byte ^= u8::from(random.bool()));
            }
            return packet;
        }
        let len =
            if random.u8(..4) == 0 { 0 } else { random.usize(0..=40).min(self.stream.len() - self.sent) };
        let range = self.sent..self.sent + len;
        self.sent = range.end;
        self.sent_at.resize(self.sent, now);
        self.fin_sent |= self.sent == self.stream.len() && random.u8(..3) == 0;
        self.packet(range)
    }

    fn receive(&mut self, packet: &Packet) {
        self.known_acked = self.known_acked.max(packet.ack.unwrap_or_default());
        if self.got.len() < packet.end() {
            self.got.resize(packet.end(), false);
        }
        self.got[packet.start..packet.end()].fill(true);
        if packet.fin {
            self.fin_got = Some(packet.end());
        }
    }
}

/// All packets of a connection, as they pass the place of the tap.
pub(super) fn packets(tapped: Tapped, random: &mut fastrand::Rng) -> Vec<Packet> {
    let mut hosts = [Host::new(Direction::Up, random), Host::new(Direction::Down, random)];
    let mut wires: [VecDeque<Packet>; 2] = Default::default();
    let syn = |direction, ack| Packet {
        direction,
        syn: true,
        fin: false,
        start: 0,
        bytes: Vec::new(),
        missing: 0,
        ack,
    };
    let mut passed = vec![syn(Direction::Up, None), syn(Direction::Down, Some(0))];
    let closes = random.bool();
    loop {
        let turn = random.usize(..2);
        let host = &mut hosts[turn];
        if random.bool() && wires[turn].len() < IN_FLIGHT {
            if host.fin_sent && !closes && host.sent_at.len() == host.stream.len() && random.u8(..8) != 0 {
                continue;
            }
            let packet = host.send(passed.len(), tapped, random);
            passed.push(packet.clone());
            wires[turn].push_back(packet);
        } else if let Some(packet) = wires[1 - turn].pop_front() {
            hosts[turn].receive(&packet);
        }
        if hosts.iter().all(|host| host.sent == host.stream.len() && (host.fin_sent || !closes)) {
            return passed;
        }
    }
}

/// What the tap shows of them.
pub(super) fn tap(mut packets: Vec<Packet>, tapped: Tapped, random: &mut fastrand::Rng) -> Vec<Packet> {
    let mut placed: Vec<(usize, Packet)> = Vec::new();
    for (place, packet) in packets.drain(..).enumerate() {
        if random.u8(..100) < tapped.lost && !packet.syn {
            continue;
        }
        let copies = 1 + usize::from(random.u8(..100) < tapped.doubled);
        for _ in 0..copies {
            let moved = if random.u8(..100) < tapped.displaced { random.usize(..=DISPLACED) } else { 0 };
            let mut copy = packet.clone();
            if random.u8(..100) < tapped.cut {
                let keep = random.usize(..=copy.bytes.len());
                copy.missing = copy.bytes.len() - keep;
                copy.bytes.truncate(keep);
            }
            placed.push((place + moved, copy));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, packet)| packet).skip(tapped.begins).collect()
}

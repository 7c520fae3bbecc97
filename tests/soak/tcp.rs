//! One connection of TCP as both ends had it, what a mirror port makes of it, and which bytes are left then.

use fastrand::Rng;

use crate::harness::pcap;
use crate::plan::Plan;

/// Payload of a full segment.
pub(crate) const SEGMENT_BYTES_MAX: usize = 1448;

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// Which end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client,
    Server,
}

impl End {
    pub(crate) const BOTH: [Self; 2] = [Self::Client, Self::Server];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Address and port.
    const fn socket(self) -> ([u8; 4], u16) {
        match self {
            Self::Client => ([10, 0, 0, 1], 40_000),
            Self::Server => ([10, 0, 0, 2], 8080),
        }
    }
}

/// One packet as it was sent.
#[derive(Clone, Debug)]
struct Packet {
    from: End,
    /// Where its payload stands among all that its sender says.
    start: usize,
    end: usize,
    flags: u8,
    /// What its sender had heard.
    heard: usize,
}

/// Both ends' bytes, and the packets that carried them.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) streams: [Vec<u8>; 2],
    sent: [usize; 2],
    first_numbers: [u32; 2],
    packets: Vec<Packet>,
}

impl Wire {
    /// The handshake; sequence numbers begin anywhere, now and then shortly before they wrap.
    pub(crate) fn open(random: &mut Rng) -> Self {
        let first_numbers = [(); 2]
            .map(|()| if random.u8(..8) == 0 { u32::MAX - random.u32(..50_000) } else { random.u32(..) });
        let (streams, packets) = (<[Vec<u8>; 2]>::default(), Vec::new());
        let mut wire = Self { streams, sent: [0; 2], first_numbers, packets };
        wire.packet(End::Client, 0, SYN);
        wire.packet(End::Server, 0, SYN | ACK);
        wire.packet(End::Client, 0, ACK);
        wire
    }

    /// What was not sent goes into segments.
    pub(crate) fn flush(&mut self, from: End) {
        let unsent = |wire: &Self| wire.streams[from.index()].len() - wire.sent[from.index()];
        while unsent(self) > 0 {
            self.packet(from, unsent(self).min(SEGMENT_BYTES_MAX), ACK);
        }
    }

    /// Says what was heard, and nothing else.
    pub(crate) fn acknowledge(&mut self, from: End) {
        self.packet(from, 0, ACK);
    }

    pub(crate) fn close(&mut self) {
        self.packet(End::Client, 0, FIN | ACK);
        self.packet(End::Server, 0, FIN | ACK);
        self.packet(End::Client, 0, ACK);
    }

    fn packet(&mut self, from: End, bytes: usize, flags: u8) {
        let start = self.sent[from.index()];
        let end = start + bytes;
        self.packets.push(Packet { from, start, end, flags, heard: self.sent[from.other().index()] });
        self.sent[from.index()] = end;
    }

    /// Ethernet, IPv4 and TCP.
    fn frame(&self, packet: &Packet) -> Vec<u8> {
        let payload = &self.streams[packet.from.index()][packet.start..packet.end];
        let ((source, port), (target, to_port)) = (packet.from.socket(), packet.from.other().socket());
        let [own, other] = [packet.from, packet.from.other()].map(|end| self.first_numbers[end.index()]);
        let number = own.wrapping_add(packet.start as u32 + u32::from(packet.flags & SYN == 0));
        let heard = if packet.flags & ACK == 0 { 0 } else { other.wrapping_add(packet.heard as u32 + 1) };
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        frame.extend([0x45, 0]);
        frame.extend((40 + payload.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend(source.iter().chain(&target));
        frame.extend([port, to_port].iter().flat_map(|port| port.to_be_bytes()));
        frame.extend([number, heard].iter().flat_map(|number| number.to_be_bytes()));
        frame.extend([0x50, packet.flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend_from_slice(payload);
        frame
    }

    /// The capture of a mirror port that treats the packets as the plan says, and what is left in it of both directions.
    pub(crate) fn capture(&self, plan: &Plan, random: &mut Rng) -> (Vec<u8>, [Left; 2]) {
        let mut kept: Vec<(f64, &Packet)> = Vec::new();
        for packet in self.packets.iter().skip(plan.skip) {
            if random.f64() < plan.loss {
                continue;
            }
            let mut place = kept.len() as f64;
            if random.f64() < plan.reorder {
                place += f64::from(random.u8(2..8)) + 0.5;
            }
            kept.push((place, packet));
            if random.f64() < plan.duplicate {
                kept.push((place + f64::from(random.u8(..4)) + 0.25, packet));
            }
        }
        kept.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (mut capture, mut left) = (pcap::HEADER.to_vec(), <[Left; 2]>::default());
        for (milliseconds, (_, packet)) in (0_u32..).zip(kept) {
            let frame = self.frame(packet);
            let (seconds, micros) = (1_700_000_000 + milliseconds / 1000, milliseconds % 1000 * 1000);
            let length = frame.len() as u32;
            capture.extend([seconds, micros, length, length].iter().flat_map(|word| word.to_le_bytes()));
            capture.extend(frame);
            left[packet.from.index()].note(packet);
            if packet.flags & ACK != 0 {
                left[packet.from.other().index()].reached(packet.heard);
            }
        }
        (capture, left)
    }
}

/// What is left of one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    /// From where to where bytes are there, in order, none touching another.
    parts: Vec<(usize, usize)>,
    /// Its SYN is there.
    pub(crate) opened: bool,
    /// That so many bytes were sent is certain: bytes behind them are there, or somebody heard them.
    pub(crate) reached: usize,
}

impl Left {
    /// Everything is.
    pub(crate) fn all(bytes: usize) -> Self {
        Self { parts: vec![(0, bytes)], opened: true, reached: bytes }
    }

    /// These bytes are not.
    pub(crate) fn without(mut self, from: usize, to: usize) -> Self {
        let cut = |&(start, end): &(usize, usize)| [(start, end.min(from)), (start.max(to), end)];
        self.parts = self.parts.iter().flat_map(cut).filter(|(start, end)| start < end).collect();
        self
    }

    fn note(&mut self, packet: &Packet) {
        self.opened |= packet.flags & SYN != 0;
        self.reached(packet.end);
        let (mut start, mut end) = (packet.start, packet.end);
        if start == end {
            return;
        }
        self.parts.retain(|&(from, to)| {
            let touches = from <= end && start <= to;
            if touches {
                (start, end) = (start.min(from), end.max(to));
            }
            !touches
        });
        self.parts.push((start, end));
    }

    fn reached(&mut self, bytes: usize) {
        self.reached = self.reached.max(bytes);
    }

    /// All of these bytes are there.
    pub(crate) fn has(&self, start: usize, end: usize) -> bool {
        self.until(start, end) == end
    }

    /// Where those from `start` on first break off, at `end` at the latest.
    pub(crate) fn until(&self, start: usize, end: usize) -> usize {
        let part = self.parts.iter().find(|(from, to)| (*from..*to).contains(&start));
        part.map_or(start, |(_, to)| (*to).min(end).max(start))
    }

    /// From where on all bytes up to that one are there.
    pub(crate) fn since(&self, end: usize) -> usize {
        self.parts.iter().find(|(from, to)| (*from..*to).contains(&end)).map_or(end, |(from, _)| *from)
    }

    /// One of these bytes at least is there.
    pub(crate) fn any(&self, start: usize, end: usize) -> bool {
        self.parts.iter().any(|(from, to)| *from < end && start < *to)
    }
}

//! The flow against a twin that sees all packets at once: what must be told follows from the set of packets alone.
//!
//! The twin knows no hold, no deadline and no state: a byte that lies in a packet is told, once; a byte before the
//! end that lies in none is a gap; nothing is told before what its packet acknowledges.

use super::network::{Packet, Tapped, packets, tap};
use super::*;

/// What is said of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Byte(u8),
    Gap,
}

/// What one direction said: byte for byte, and the end.
#[derive(Debug, Default)]
struct Heard {
    known: bool,
    first: Option<u32>,
    next: u64,
    told: Vec<Told>,
    end: Option<EndReason>,
}

struct Run {
    packets: Vec<Packet>,
    isn: [u32; 2],
    heard: [Heard; 2],
    rewritten: u32,
    /// Nothing is told before what its packet acknowledges. Where first copies are lost, what was repeated may
    /// acknowledge each other in a circle.
    causal: bool,
    counters: Counters,
}

/// Pushes the packets through a flow and notes what it tells; every chunk is checked against the ones before it.
fn run(packets: Vec<Packet>, isn: [u32; 2], causal: bool) -> Run {
    let mut flow = Flow::default();
    let (heard, counters) = (<[Heard; 2]>::default(), Counters::default());
    let mut run = Run { packets, isn, heard, rewritten: 0, causal, counters };
    let mut counters = Counters::default();
    for (index, packet) in run.packets.clone().into_iter().enumerate() {
        let (this, other) = (packet.direction.index(), packet.direction.reverse().index());
        let letters = ["", "S", "F", "SF"][usize::from(packet.syn) + 2 * usize::from(packet.fin)];
        let number = |isn: u32, position: usize| isn.wrapping_add(1).wrapping_add(position as u32);
        let segment = Segment {
            flow: key(1),
            direction: packet.direction,
            seq: number(isn[this], packet.start).wrapping_sub(u32::from(packet.syn)),
            ack: packet.ack.map_or(0, |ack| number(isn[other], ack)),
            flags: flags(&format!("{letters}{}", if packet.ack.is_some() { "A" } else { "" })),
            payload: &packet.bytes,
            missing: packet.missing as u32,
            reassembled: false,
            transport: crate::wire::Transport::Tcp,
        };
        let now = Timestamp::from_nanos(1_000 * (index as u64 + 1));
        let stamp = Stamp { time: now, clock: now };
        flow.push(stamp, &segment, &mut counters, &mut |direction, chunk| run.hear(direction, chunk));
    }
    let last = Timestamp::from_nanos(1_000_000_000);
    flow.finish(EndReason::InputEnded, last, &mut counters, &mut |direction, chunk| {
        run.hear(direction, chunk)
    });
    assert!(counters.balances(), "{counters:?}");
    assert_eq!(flow.held_bytes(), 0);
    run.counters = counters;
    run
}

impl Run {
    fn hear(&mut self, direction: Direction, chunk: Chunk<'_>) {
        let [up, down] = &mut self.heard;
        let (this, other) = if direction == Direction::Up { (up, down) } else { (down, up) };
        match chunk {
            Chunk::Start(start) => {
                assert_eq!(this.first.replace(start.offset as u32), None, "a start comes once");
                (this.next, this.known) = (start.offset, start.known);
            }
            Chunk::Data(data) => {
                this.go_on(data.offset, data.bytes.len() as u64);
                this.told.extend(data.bytes.iter().map(|byte| Told::Byte(*byte)));
                // cause before effect
                if let Some(ack) = data.ack.filter(|_| other.end.is_none() && self.causal) {
                    let told = other.first.map_or(0, |_| other.next);
                    assert!(told >= ack || other.first.is_none(), "{ack} was acknowledged, {told} told");
                }
            }
            Chunk::Gap(gap) => {
                this.go_on(gap.offset, gap.len);
                this.told.extend((0..gap.len).map(|_| Told::Gap));
            }
            Chunk::Rewritten => self.rewritten += 1,
            Chunk::End(end) => {
                this.go_on(end.offset, 0);
                assert_eq!(this.end.replace(end.reason), None, "an end comes once");
            }
        }
    }

    /// The twin: compares what was heard of a direction with what its packets hold.
    fn check(&self, direction: Direction, from: Option<usize>) {
        let heard = &self.heard[direction.index()];
        let isn = self.isn[direction.index()];
        let Some(first) = heard.first else { panic!("every direction starts, if only to end") };
        let first = first.wrapping_sub(isn).wrapping_sub(1) as usize;
        if let Some(from) = from {
            assert_eq!(first, from, "where it starts");
        }
        let sent = || self.packets.iter().filter(move |packet| packet.direction == direction);
        let acked = self.packets.iter().filter(|packet| packet.direction != direction);
        let fin = sent().filter(|packet| packet.fin).map(Packet::end).max();
        let seen =
            sent().filter(|packet| packet.end() > packet.start).map(Packet::end).max().unwrap_or_default();
        let acked = acked.filter_map(|packet| packet.ack).max().unwrap_or_default();
        let end = fin.unwrap_or(seen.max(acked)).max(first);
        assert_eq!(first + heard.told.len(), end, "where it ends");
        assert_eq!(heard.end == Some(EndReason::Fin), fin.is_some(), "how it ends");
        for (position, told) in (first..).zip(&heard.told) {
            let covers = |packet: &&Packet| (packet.start..packet.end()).contains(&position);
            let mut copies = sent().filter(covers).peekable();
            let in_cut_part = |packet: &Packet| position >= packet.start + packet.bytes.len();
            let cut_first = copies.peek().is_some_and(|packet| in_cut_part(packet));
            let byte = copies
                .find(|packet| !in_cut_part(packet))
                .map(|packet| packet.bytes[position - packet.start]);
            match (told, byte) {
                (Told::Byte(told), Some(byte)) => assert_eq!(*told, byte, "the first copy of {position}"),
                (Told::Byte(_), None) => panic!("byte {position} was made up"),
                (Told::Gap, Some(_)) => assert!(cut_first, "byte {position} was there"),
                (Told::Gap, None) => {}
            }
        }
    }

    /// Some byte came twice and differed.
    fn is_forged(&self) -> bool {
        self.packets.iter().enumerate().any(|(index, one)| {
            let later = self.packets.iter().skip(index + 1).filter(|two| two.direction == one.direction);
            later.into_iter().any(|two| {
                (one.start.max(two.start)..(one.start + one.bytes.len()).min(two.start + two.bytes.len()))
                    .any(|at| one.bytes[at - one.start] != two.bytes[at - two.start])
            })
        })
    }
}

impl Heard {
    fn go_on(&mut self, offset: u64, len: u64) {
        assert!(self.end.is_none(), "nothing follows an end");
        assert_eq!(offset, self.next, "each chunk begins where the one before it ended");
        self.next += len;
    }
}

fn isn(random: &mut fastrand::Rng) -> u32 {
    if random.bool() { u32::MAX - random.u32(..400) } else { random.u32(..) }
}

/// Many seeds; the seed of a failure is told.
fn each_seed(count: u64, mut case: impl FnMut(&mut fastrand::Rng)) {
    for seed in 0..count {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            case(&mut fastrand::Rng::with_seed(seed));
        }));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

fn tapped(random: &mut fastrand::Rng) -> Tapped {
    let mut some = |most: u8| if random.bool() { random.u8(..most) } else { 0 };
    Tapped {
        lost: some(30),
        doubled: some(30),
        displaced: some(100),
        repeated: some(50),
        ..Tapped::default()
    }
}

fn seen(tapped: Tapped, random: &mut fastrand::Rng) -> Run {
    let sent = packets(tapped, random);
    let shown = tap(sent, tapped, random);
    let mut isn = [isn(random), isn(random)];
    // an acknowledgement of number 0 is taken for none
    let is_zero = |isn: [u32; 2], packet: &Packet| {
        let of_other = isn[packet.direction.reverse().index()].wrapping_add(1);
        packet.ack.is_some_and(|ack| of_other.wrapping_add(ack as u32) == 0)
    };
    while shown.iter().any(|packet| is_zero(isn, packet)) {
        isn = isn.map(|isn| isn.wrapping_sub(1));
    }
    run(shown, isn, tapped.repeated == 0)
}

#[test]
fn each_byte_once_in_order_with_gaps_where_no_packet_is() {
    each_seed(4_000, |random| {
        let run = seen(tapped(random), random);
        for direction in [Direction::Up, Direction::Down] {
            assert!(run.heard[direction.index()].known);
            run.check(direction, Some(0));
        }
        assert_eq!(run.rewritten, 0, "all copies are alike");
        let gaps: usize =
            run.heard.iter().map(|heard| heard.told.iter().filter(|told| **told == Told::Gap).count()).sum();
        assert_eq!(run.counters.gap_bytes, gaps as u64);
    });
}

#[test]
fn bytes_that_the_snap_length_cut_are_gaps() {
    each_seed(2_000, |random| {
        let run = seen(Tapped { cut: random.u8(..60), ..tapped(random) }, random);
        for direction in [Direction::Up, Direction::Down] {
            run.check(direction, Some(0));
        }
        assert_eq!(run.rewritten, 0, "what was cut off differs from nothing");
    });
}

#[test]
fn of_differing_copies_the_first_one_wins() {
    let mut told = 0;
    each_seed(2_000, |random| {
        let run = seen(Tapped { forged: 50, repeated: 40, ..tapped(random) }, random);
        for direction in [Direction::Up, Direction::Down] {
            run.check(direction, Some(0));
        }
        assert!(run.rewritten == 0 || run.is_forged(), "told of a difference that there is not");
        told += run.rewritten;
    });
    assert!(told > 1_000, "differences are told: {told}");
}

#[test]
fn a_connection_that_is_joined_starts_at_its_earliest_byte() {
    each_seed(3_000, |random| {
        let begins = random.usize(3..60);
        let run = seen(Tapped { begins, ..tapped(random) }, random);
        if run.packets.is_empty() || run.packets.iter().any(|packet| packet.syn) {
            return;
        }
        for direction in [Direction::Up, Direction::Down] {
            if run.heard[direction.index()].first.is_none() {
                continue;
            }
            assert!(!run.heard[direction.index()].known);
            run.check(direction, start_of(&run.packets, direction));
        }
    });
}

/// Where a direction that was joined starts: at the first position that a packet names, or at an earlier byte that
/// comes soon.
fn start_of(packets: &[Packet], direction: Direction) -> Option<usize> {
    let named = packets
        .iter()
        .find_map(|packet| if packet.direction == direction { Some(packet.start) } else { packet.ack })?;
    let soon = packets.iter().take(crate::limits::JOIN_FRAMES as usize - 1);
    let earliest = soon
        .filter(|packet| packet.direction == direction && (packet.fin || packet.end() > packet.start))
        .map(|packet| packet.start)
        .min();
    Some(earliest.map_or(named, |earliest| earliest.min(named)))
}

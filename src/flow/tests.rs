//! Tests of the stage: one for each corner of TCP, a model of everything at once, and the table of flows.

mod corners;
mod joined;
mod model;
mod network;
mod table;

use std::net::SocketAddr;

use super::*;
use crate::wire::FlowKey;

fn key(port: u16) -> FlowKey {
    let (client, server): (SocketAddr, SocketAddr) =
        (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 80).into());
    FlowKey::new(client, server, None).0
}

/// Flags by their first letters.
fn flags(letters: &str) -> TcpFlags {
    letters.chars().fold(TcpFlags(0), |flags, letter| {
        let flag = match letter {
            'S' => TcpFlags::SYN,
            'A' => TcpFlags::ACK,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            _ => TcpFlags::PSH,
        };
        TcpFlags(flags.0 | flag.0)
    })
}

/// What a chunk says, in one line. Positions are shown as sequence numbers.
fn said(direction: Direction, chunk: Chunk<'_>) -> String {
    let side = if direction == Direction::Up { "up" } else { "down" };
    match chunk {
        Chunk::Start(start) => {
            format!("{side} start {}{}", start.offset as u32, if start.known { "" } else { " midstream" })
        }
        Chunk::Data(data) => {
            format!("{side} {} {}", data.offset as u32, String::from_utf8_lossy(data.bytes))
        }
        Chunk::Gap(gap) => {
            let cause = if gap.cause == GapCause::Lost { "lost" } else { "cut" };
            format!("{side} {} {cause} {}", gap.offset as u32, gap.len)
        }
        Chunk::Rewritten => format!("{side} rewritten"),
        Chunk::End(end) => format!("{side} {} end {:?}", end.offset as u32, end.reason),
    }
}

/// One flow, and what it said.
#[derive(Default)]
struct Tap {
    flow: Flow,
    counters: Counters,
    clock: u64,
    log: Vec<String>,
}

impl Tap {
    /// A flow of which both SYNs were seen; the next numbers are 1000 up and 5000 down.
    fn connected() -> Self {
        let mut tap = Self::default();
        tap.up("S", 999, 0, "").down("SA", 4999, 1000, "").up("A", 1000, 5000, "");
        assert!(tap.log.is_empty(), "{:?}", tap.log);
        tap
    }

    fn up(&mut self, letters: &str, seq: u32, ack: u32, payload: &str) -> &mut Self {
        self.push(Direction::Up, letters, seq, ack, payload, 0)
    }

    fn down(&mut self, letters: &str, seq: u32, ack: u32, payload: &str) -> &mut Self {
        self.push(Direction::Down, letters, seq, ack, payload, 0)
    }

    fn push(
        &mut self,
        direction: Direction,
        letters: &str,
        seq: u32,
        ack: u32,
        payload: &str,
        missing: u32,
    ) -> &mut Self {
        let segment = Segment {
            flow: key(40_000),
            direction,
            seq,
            ack,
            flags: flags(letters),
            payload: payload.as_bytes(),
            missing,
            reassembled: false,
            transport: crate::wire::Transport::Tcp,
        };
        self.clock += 1_000;
        let now = Timestamp::from_nanos(self.clock);
        let Self { flow, counters, log, .. } = self;
        let stamp = Stamp { time: now, clock: now };
        flow.push(stamp, &segment, counters, &mut |direction, chunk| log.push(said(direction, chunk)));
        self
    }

    /// Lets time pass; what is due fires.
    fn wait(&mut self, nanos: u64) -> &mut Self {
        self.clock += nanos;
        let Self { flow, counters, log, .. } = self;
        while flow.deadline().as_nanos() <= self.clock {
            let at = flow.deadline();
            flow.fire(at, counters, &mut |direction, chunk| log.push(said(direction, chunk)));
            assert!(flow.deadline() > at, "a deadline that fired is over");
        }
        self
    }

    /// Pure acknowledgements that say nothing new.
    fn chatter(&mut self, frames: u32, direction: Direction, seq: u32, ack: u32) -> &mut Self {
        for _ in 0..frames {
            self.push(direction, "A", seq, ack, "", 0);
        }
        self
    }

    /// What was said since the last time.
    fn says(&mut self, expected: &[&str]) -> &mut Self {
        assert_eq!(self.log, expected);
        self.log.clear();
        self
    }

    /// The input ends; what is said then, and the books.
    fn finish(&mut self, expected: &[&str]) -> Counters {
        let now = Timestamp::from_nanos(self.clock);
        let Self { flow, counters, log, .. } = self;
        flow.finish(EndReason::InputEnded, now, counters, &mut |direction, chunk| {
            log.push(said(direction, chunk));
        });
        self.says(expected);
        assert!(self.counters.balances(), "{:?}", self.counters);
        self.counters
    }
}

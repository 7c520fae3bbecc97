//! Workers and the merge behind them: the same output for any number of workers, and a failure that stays in its flow.

mod failure;
mod seam;

use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::analysis::Settings;
use crate::capture::file::Block;
use crate::credential::Fingerprinter;
use crate::flow::Stamp;
use crate::record::{Redaction, Writer};
use crate::wire::{FlowKey, TcpFlags};
use crate::worker::{Counters, Duties, Line, Packed, Segments, Worker};

/// A segment, and the payload that goes with it.
#[derive(Clone)]
struct Frame {
    packed: Packed,
    payload: Vec<u8>,
}

fn duties() -> Duties {
    Duties { analysis: true, calls: true, connections: true, memory_max: 1 << 24, part_ns: 300_000_000_000 }
}

fn worker(redaction: Redaction) -> Worker {
    worker_for(duties(), redaction)
}

fn worker_for(duties: Duties, redaction: Redaction) -> Worker {
    let fingerprinter = Fingerprinter::new(&[7; 32]);
    Worker::new(Writer::new("test", redaction, fingerprinter.clone(), None), fingerprinter, duties)
}

fn analysis() -> Analysis {
    Analysis::new(Settings { sensor: "test".to_owned(), strict: false, seed: 1, live: false })
}

/// A connection of one client port: a handshake, then calls.
struct Talk {
    port: u16,
    next: [u32; 2],
    frames: Vec<Frame>,
}

impl Talk {
    fn new(port: u16) -> Self {
        let mut talk = Self { port, next: [1000, 5000], frames: Vec::new() };
        talk.send('>', TcpFlags::SYN, "");
        talk.next[0] += 1;
        talk.send('<', TcpFlags(TcpFlags::SYN.0 | TcpFlags::ACK.0), "");
        talk.next[1] += 1;
        talk
    }

    fn send(&mut self, who: char, flags: TcpFlags, payload: &str) {
        let (client, server): (SocketAddr, SocketAddr) =
            (([10, 0, 0, 1], self.port).into(), ([10, 0, 0, 2], 80).into());
        let (from, to) = if who == '>' { (client, server) } else { (server, client) };
        let (flow, direction) = FlowKey::new(from, to, None);
        let sender = usize::from(who == '<');
        let packed = Packed {
            stamp: Stamp::default(),
            ordinal: 0,
            hash: flow.hash(9),
            transport: crate::wire::Transport::Tcp,
            flow,
            direction,
            flags,
            block: 0,
            seq: self.next[sender],
            ack: if flags == TcpFlags::SYN { 0 } else { self.next[1 - sender] },
            missing: 0,
            interface: 0,
            start: 0,
            len: payload.len() as u32,
        };
        self.frames.push(Frame { packed, payload: payload.into() });
        self.next[sender] += payload.len() as u32;
    }

    fn call(&mut self, target: &str, body: &str) {
        self.ask(target);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.send('<', TcpFlags::ACK, &answer);
    }

    fn ask(&mut self, target: &str) {
        self.send('>', TcpFlags::ACK, &format!("GET {target} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
    }

    fn close(&mut self) {
        self.send('>', TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0), "");
        self.next[0] += 1;
        self.send('<', TcpFlags(TcpFlags::FIN.0 | TcpFlags::ACK.0), "");
    }
}

/// Frames of several connections, mixed; `step` says how much later each comes.
fn mix(
    talks: Vec<Talk>,
    random: &mut fastrand::Rng,
    mut step: impl FnMut(&mut fastrand::Rng) -> u64,
) -> Vec<Frame> {
    let mut waiting: Vec<_> = talks.into_iter().map(|talk| talk.frames.into_iter().peekable()).collect();
    let (mut mixed, mut clock) = (Vec::new(), 1_700_000_000_000_000_000);
    loop {
        waiting.retain_mut(|frames| frames.peek().is_some());
        if waiting.is_empty() {
            return mixed;
        }
        let choice = random.usize(..waiting.len());
        let Some(mut frame) = waiting[choice].next() else { continue };
        clock += step(random);
        let now = Timestamp::from_nanos(clock);
        frame.packed.stamp = Stamp { time: now, clock: now };
        frame.packed.ordinal = mixed.len() as u64 + 1;
        mixed.push(frame);
    }
}

/// Dispatches frames to workers in rounds, as the reader does. What came out, round by round.
fn rounds(workers: &mut [Worker], frames: &[Frame], frames_in_round: usize) -> Vec<Vec<Lines>> {
    let mut answers = Vec::new();
    for (round, frames_of_round) in frames.chunks(frames_in_round).enumerate() {
        let mut batches: Vec<Segments> = workers.iter().map(|_| Segments::default()).collect();
        for frame in frames_of_round {
            let owner = (((frame.packed.hash >> 32) * batches.len() as u64) >> 32) as usize;
            let block = batches[owner].blocks.len() as u16;
            batches[owner].blocks.push(Arc::new(Block::from_vec(frame.payload.clone())));
            batches[owner].segments.push(Packed { block, ..frame.packed });
        }
        let clock = frames_of_round.last().map_or(Timestamp::ZERO, |frame| frame.packed.stamp.clock);
        let last = (round + 1) * frames_in_round >= frames.len();
        let answer = workers
            .iter_mut()
            .zip(batches)
            .map(|(worker, batch)| worker.round(&Segments { clock, last, ..batch }, Lines::default()));
        answers.push(answer.collect());
    }
    answers
}

/// The lines of a round in their order, with their labels.
fn text(merged: &Merged) -> Vec<u8> {
    let mut text = Vec::new();
    for place in &merged.order {
        let batch = &merged.batches[place.worker];
        text.extend_from_slice(&batch.text[batch.lines[place.line].range.clone()]);
        text.extend_from_slice(format!("{:?}\n", place.labels).as_bytes());
    }
    text
}

/// All that comes out of the merge.
fn merged(workers: &mut [Worker], frames: &[Frame]) -> (Vec<u8>, String) {
    let mut merge = Merge::new(Some(analysis()));
    let answers = rounds(workers, frames, 64);
    let (count, mut all, mut emitted) = (answers.len(), Vec::new(), String::new());
    for (round, batches) in answers.into_iter().enumerate() {
        let clock = frames[((round + 1) * 64).min(frames.len()) - 1].packed.stamp.clock;
        let merged = merge.round(batches, clock, round + 1 == count);
        all.extend(text(&merged));
        emitted.push_str(&format!("{:?}", merged.emitted));
    }
    (all, emitted)
}

/// The sums over all workers, and that they balance.
fn books(workers: &[Worker]) -> (Counters, crate::flow::Counters) {
    let (mut calls, mut bytes) = (Counters::default(), crate::flow::Counters::default());
    for worker in workers {
        calls.add(worker.counters().0);
        bytes.add(worker.counters().1);
    }
    assert_eq!(calls.calls_opened, calls.calls_complete + calls.calls_partial);
    assert!(bytes.balances(), "{bytes:?}");
    (calls, bytes)
}

fn talks(count: u16, random: &mut fastrand::Rng) -> Vec<Talk> {
    let talk = |number: u16| {
        let mut talk = Talk::new(20_000 + number);
        for call in 0..random.u16(1..6) {
            talk.call(&format!("/items/{number}/{call}?key=AKIAIOSFODNN7EXAMPLE"), "{\"id\": 1}");
        }
        match number % 4 {
            0 => talk.close(),
            1 => talk.ask("/unanswered"),
            2 => talk.send('>', TcpFlags::ACK, "\x7fnot http"),
            _ => {}
        }
        talk
    };
    (0..count).map(talk).collect()
}

#[test]
fn any_number_of_workers_tells_the_same() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let talks = talks(60, &mut random);
        // steps of hours let idle flows expire, and holes grow old, between the frames of others
        let frames = mix(talks, &mut random, |random| match random.u8(..40) {
            0 if seed % 2 == 0 => random.u64(..7_200_000_000_000),
            1 => random.u64(..40_000_000_000),
            _ => random.u64(..1_000_000),
        });
        let frames: Vec<Frame> = frames.into_iter().filter(|_| seed < 3 || random.u8(..12) != 0).collect();
        let mut one = [worker(Redaction::Standard)];
        let expected = merged(&mut one, &frames);
        let sums = books(&one);
        assert!(!expected.0.is_empty() && sums.0.calls_opened > 100);
        assert!(seed % 2 == 1 || sums.1.flows_expired > 0);
        for count in 2..=5 {
            let mut workers: Vec<Worker> = (0..count).map(|_| worker(Redaction::Standard)).collect();
            let told = merged(&mut workers, &frames);
            assert!(told == expected, "seed {seed}: {count} workers tell something else");
            assert_eq!(books(&workers), sums, "seed {seed}");
        }
    }
}

#[test]
fn one_by_one_the_segments_tell_the_same_as_in_batches() {
    let mut random = fastrand::Rng::with_seed(1);
    let talks = talks(10, &mut random);
    let frames = mix(talks, &mut random, |_| 1_000_000);
    let mut batched = [worker(Redaction::None)];
    let mut expected = Lines::default();
    for answer in rounds(&mut batched, &frames, 32).into_iter().flatten() {
        expected.append(answer);
    }
    let mut live = worker(Redaction::None);
    let mut told = Lines::default();
    for (index, frame) in frames.iter().enumerate() {
        live.live_segment(&frame.packed, &frame.payload);
        if index % 7 == 0 {
            told.append(live.swap_lines(Lines::default()));
        }
    }
    live.close_round(frames[frames.len() - 1].packed.stamp.clock, true);
    told.append(live.swap_lines(Lines::default()));
    assert_eq!(told.text, expected.text);
    assert_eq!(told.lines.len(), expected.lines.len());
    for (mine, theirs) in told.lines.iter().zip(&expected.lines) {
        assert_eq!((mine.id, &mine.range), (theirs.id, &theirs.range));
        let observation =
            |lines: &Lines, line: &Line| line.observation.map(|at| lines.observations[at as usize].clone());
        assert_eq!(observation(&told, mine), observation(&expected, theirs));
    }
}

#[test]
fn where_calls_go_nowhere_the_analysis_sees_the_same_and_nothing_is_written() {
    let mut random = fastrand::Rng::with_seed(3);
    let talks = talks(20, &mut random);
    let frames = mix(talks, &mut random, |_| 1_000_000);
    let [written, unwritten] = [true, false].map(|calls| {
        let duties = Duties { calls, connections: false, ..duties() };
        let mut lines = Lines::default();
        for answer in
            rounds(&mut [worker_for(duties, Redaction::Standard)], &frames, 32).into_iter().flatten()
        {
            lines.append(answer);
        }
        lines
    });
    assert!(!written.text.is_empty() && !written.observations.is_empty());
    assert_eq!(unwritten.text, b"");
    assert_eq!(unwritten.observations, written.observations);
    let places = |lines: &Lines| lines.lines.iter().map(|line| (line.emission, line.id)).collect::<Vec<_>>();
    assert_eq!(places(&unwritten), places(&written));
}

#[test]
fn what_a_connection_remembers_of_its_values_is_in_the_memory_books() {
    let cookie = "c".repeat(1500);
    let mut talk = Talk::new(20_000);
    let head = format!("GET / HTTP/1.1\r\nHost: api.test\r\nCookie: session={cookie}\r\n\r\n");
    talk.send('>', TcpFlags::ACK, &head);
    talk.send('<', TcpFlags::ACK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let frames = mix(vec![talk], &mut fastrand::Rng::with_seed(4), |_| 1_000_000);
    let [remembering, forgetful] = [true, false].map(|calls| {
        // without an analysis and without records of calls nothing is looked into
        let mut worker = worker_for(Duties { analysis: false, calls, ..duties() }, Redaction::Standard);
        for frame in &frames {
            worker.live_segment(&frame.packed, &frame.payload);
        }
        worker.memory()
    });
    assert!(remembering >= forgetful + cookie.len(), "{remembering} {forgetful}");
}

#[test]
fn a_live_round_that_is_behind_is_told_without_labels() {
    let mut random = fastrand::Rng::with_seed(2);
    let talks = talks(4, &mut random);
    let frames = mix(talks, &mut random, |_| 1_000_000);
    let mut merge = Merge::new(Some(analysis()));
    let mut behind = true;
    for batches in rounds(&mut [worker(Redaction::None)], &frames, 16) {
        let merged = merge.live_round(batches, frames[0].packed.stamp.clock, behind);
        let calls = merged
            .order
            .iter()
            .filter(|place| merged.batches[place.worker].lines[place.line].observation.is_some());
        for place in calls {
            assert_eq!(place.labels.is_none(), behind);
        }
        behind = !behind;
    }
}

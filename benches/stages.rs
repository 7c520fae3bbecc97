//! What each stage costs alone, and all of them in one thread, over a generated capture in memory.
//!
//! Short by default, for a look; `cargo bench --bench stages -- --measurement-time 10` for figures to rely on.

#[path = "traffic/made.rs"]
#[allow(dead_code, reason = "connections that are idle are for the whole program")]
mod made;
mod shared;

use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use eaves::capture::file::{Block, Files, Located};
use eaves::credential::Fingerprinter;
use eaves::exchange::{Context, Desk, Exchange};
use eaves::flow::table::{Host, Table};
use eaves::flow::{Chunk, Data, EndReason, Stamp};
use eaves::http::Expect;
use eaves::http::h1::Side;
use eaves::http::h1::head::Kind;
use eaves::limits::FRAGMENT_BYTES_MAX;
use eaves::record::{Redaction, Writer};
use eaves::time::Timestamp;
use eaves::wire::{Direction, FlowKey, Segment, Wire};
use eaves::worker::{Duties, Lines, Packed, Worker};
use fastrand::Rng;
use shared::{by_turns, timed};

const CALLS: u64 = 5_000;
const NOISE_BYTES: u64 = 20_000_000;
const MEMORY_MAX: usize = 256 << 20;

fn capture() -> Vec<u8> {
    let mut bytes = Vec::new();
    made::calls(&mut bytes, CALLS).expect("memory takes every byte");
    bytes
}

/// All frames of a capture, with the blocks that they lie in.
fn frames(capture: &[u8]) -> Vec<(Located, Arc<Block>)> {
    let mut files = Files::from_stream(Cursor::new(capture.to_vec()));
    let mut frames = Vec::new();
    while let Some((located, block)) = files.next() {
        frames.push((located, Arc::clone(block)));
    }
    frames
}

/// All segments of the frames, with the hashes of their flows.
fn segments(frames: &[(Located, Arc<Block>)]) -> Vec<(Stamp, u64, Segment<'_>)> {
    let mut wire = Wire::new(FRAGMENT_BYTES_MAX);
    let mut segments = Vec::new();
    for (located, block) in frames {
        let stamp = Stamp { time: located.time, clock: located.time };
        let frame = located.frame(block);
        let bytes = frame.bytes;
        wire.push(frame.time, &frame, |segment| {
            // The payload is the end of the frame: take it from there, since the segment lives only in here.
            let payload = &bytes[bytes.len() - segment.payload.len()..];
            segments.push((stamp, segment.flow.hash(1), Segment { payload, ..segment }));
        });
    }
    segments
}

fn capture_file(criterion: &mut Criterion) {
    let capture = capture();
    let mut group = criterion.benchmark_group("capture/file");
    group.throughput(Throughput::Bytes(capture.len() as u64));
    group.bench_function("frames of a pcap", |bencher| {
        bencher.iter(|| {
            let mut files = Files::from_stream(Cursor::new(capture.clone()));
            let mut bytes = 0;
            while let Some((located, _)) = files.next() {
                bytes += u64::from(located.len);
            }
            black_box(bytes)
        });
    });
    group.finish();
}

fn wire(criterion: &mut Criterion) {
    let frames = frames(&capture());
    let mut group = criterion.benchmark_group("wire");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("Ethernet, IPv4, TCP", |bencher| {
        let mut wire = Wire::new(FRAGMENT_BYTES_MAX);
        bencher.iter(|| {
            for (located, block) in &frames {
                let frame = located.frame(block);
                wire.push(frame.time, &frame, |segment| {
                    black_box(segment);
                });
            }
        });
    });
    group.finish();
}

/// Counts what the flows say.
#[derive(Default)]
struct Listener {
    bytes: u64,
}

impl Host for Listener {
    type Beside = ();

    fn open(&mut self, _: &FlowKey, _: Stamp, _: &Segment<'_>) {}

    fn deadline(&mut self, _: Timestamp) {}

    fn segment(&mut self, _: &mut (), _: Stamp, _: &Segment<'_>) {}

    fn chunk(&mut self, _: &FlowKey, _: &mut (), _: Direction, chunk: Chunk<'_>) {
        if let Chunk::Data(data) = chunk {
            self.bytes += black_box(data.bytes).len() as u64;
        }
    }

    fn close(&mut self, _: &FlowKey, _: &mut (), _: EndReason, _: Timestamp) {}

    fn has_given_up(&self, _: &()) -> bool {
        false
    }

    fn memory(&self, _: &()) -> usize {
        0
    }
}

fn flow(criterion: &mut Criterion) {
    let frames = frames(&capture());
    let segments = segments(&frames);
    let mut group = criterion.benchmark_group("flow");
    group.throughput(Throughput::Elements(segments.len() as u64));
    group.bench_function("segments in order", |bencher| {
        bencher.iter(|| {
            let (mut table, mut listener) = (Table::new(MEMORY_MAX), Listener::default());
            for (stamp, hash, segment) in &segments {
                table.push(&mut listener, *hash, *stamp, segment);
            }
            table.finish(&mut listener, segments.last().map_or(Timestamp::ZERO, |(stamp, ..)| stamp.clock));
            black_box(listener.bytes)
        });
    });
    group.finish();
}

fn data(bytes: &[u8], offset: u64, ack: u64) -> Data<'_> {
    Data { offset, bytes, time: Timestamp::from_nanos(1), ack: Some(ack), boundary: true }
}

fn http(criterion: &mut Criterion) {
    let mut random = Rng::with_seed(1);
    let (request, response) = (made::request(&mut random, 7, 8), made::response(&mut random, 8));
    let mut group = criterion.benchmark_group("http");
    group.throughput(Throughput::Elements(1));
    for (name, kind, message) in
        [("request", Kind::Request, &request), ("response", Kind::Response, &response)]
    {
        group.bench_function(format!("h1/{name}"), |bencher| {
            let (mut side, mut offset) = (Side::new(kind, true), 0);
            bencher.iter(|| {
                side.data(&data(message.as_bytes(), offset, 0), &mut |event| {
                    black_box(event);
                    Expect::Framing
                });
                offset += message.len() as u64;
            });
        });
    }
    let client = ([10, 0, 0, 9], 40_000).into();
    let (key, direction) = FlowKey::new(client, ([10, 0, 0, 2], 80).into(), None);
    let context = Context { connection: 1, key, interface: 0, client: direction, tls: None };
    group.bench_function("exchange/call with its heads", |bencher| {
        let (mut asks, mut answers) = (Side::new(Kind::Request, true), Side::new(Kind::Response, true));
        let (mut exchange, mut desk) = (Exchange::new(None, true), Desk::new(None, u64::MAX));
        let (mut asked, mut answered, mut calls) = (0, 0, 0_u64);
        bencher.iter(|| {
            asks.data(&data(request.as_bytes(), asked, answered), &mut |event| {
                exchange.request(&context, &mut desk, event, &mut |_| calls += 1)
            });
            asked += request.len() as u64;
            answers.data(&data(response.as_bytes(), answered, asked), &mut |event| {
                exchange.response(&context, &mut desk, event, &mut |_| calls += 1)
            });
            answered += response.len() as u64;
        });
        assert_eq!(exchange.calls(), calls, "every call ends with its answer");
        assert!(calls > 0, "calls end");
    });
    group.finish();
}

/// Frames to lines in this thread, as a worker of a live capture does it.
fn whole(capture: &[u8], analysis: bool) -> u64 {
    let fingerprinter = Fingerprinter::new(&[7; 32]);
    let writer = Writer::new("bench", Redaction::Standard, fingerprinter.clone(), None);
    let duties =
        Duties { analysis, calls: true, connections: true, memory_max: MEMORY_MAX, part_ns: u64::MAX };
    let mut worker = Worker::new(writer, fingerprinter, duties);
    let (mut wire, mut clock, mut ordinal, mut lines) =
        (Wire::new(FRAGMENT_BYTES_MAX), Timestamp::ZERO, 0, Lines::default());
    let mut files = Files::from_stream(Cursor::new(capture.to_vec()));
    let mut calls = 0;
    while let Some((located, block)) = files.next() {
        let frame = located.frame(block);
        (clock, ordinal) = (clock.max(frame.time), ordinal + 1);
        wire.push(clock, &frame, |segment| {
            let Segment { transport, flow, direction, flags, seq, ack, missing, payload, .. } = segment;
            let stamp = Stamp { time: frame.time, clock };
            let (hash, len) = (flow.hash(1), payload.len() as u32);
            let (interface, block, start) = (frame.interface, 0, 0);
            let packed = Packed {
                stamp,
                ordinal,
                hash,
                flow,
                direction,
                transport,
                flags,
                block,
                seq,
                ack,
                missing,
                interface,
                start,
                len,
            };
            worker.segment(&packed, payload);
        });
        if ordinal % 2_048 == 0 {
            lines = worker.swap_lines(lines);
            calls += lines.lines.len() as u64;
            lines.clear();
        }
    }
    worker.close_round(clock, true);
    calls + worker.swap_lines(lines).lines.len() as u64
}

fn replay(criterion: &mut Criterion) {
    let capture = capture();
    let mut group = criterion.benchmark_group("replay, one thread");
    group.throughput(Throughput::Elements(CALLS));
    for (name, analysis) in [("calls", false), ("calls and what the analysis sees", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(whole(&capture, analysis), CALLS));
        });
    }
    let mut streams = Vec::new();
    made::calls_h2(&mut streams, CALLS).expect("memory takes every byte");
    group.bench_function("calls over HTTP/2", |bencher| {
        bencher.iter(|| assert_eq!(whole(&streams, false), CALLS));
    });
    let mut noise = Vec::new();
    made::noise(&mut noise, NOISE_BYTES).expect("memory takes every byte");
    group.throughput(Throughput::Bytes(noise.len() as u64));
    group.bench_function("traffic that is not HTTP", |bencher| {
        bencher.iter(|| black_box(whole(&noise, false)));
    });
    group.finish();
    let replayed = |bytes: &[u8]| timed(|| assert_eq!(whole(bytes, false), CALLS));
    by_turns("calls over HTTP/2, as fast as over HTTP/1", || replayed(&streams), || replayed(&capture));
}

criterion_group! {
    name = benches;
    config = shared::short();
    targets = capture_file, wire, flow, http, replay
}
criterion_main!(benches);

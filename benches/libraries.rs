//! Header blocks and TLS records beside the libraries that read the same as endpoints: the same bytes, in one run.

#[path = "traffic/made.rs"]
#[allow(dead_code, reason = "of the generator, a conversation is needed here")]
mod made;
mod shared;

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, HKDF_SHA384, Prk};
use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eaves::flow::{Chunk, Data};
use eaves::http::h2::hpack::{Fields, Table, decode};
use eaves::time::Timestamp;
use eaves::tls::{Bench, Event, Keys, Tls};
use eaves::wire::Direction;
use fastrand::Rng;
use h2::frame::{Head, Headers, Kind};
use shared::{by_turns, timed};

const CALLS: u64 = 1_000;
const PREFACE_BYTES: usize = 24;
const FRAME_HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 4;

const RECORD_BYTES: usize = 16 << 10;
/// A record with its header, its type and its tag (RFC 8446 §5.2).
const SEALED_BYTES: usize = 5 + RECORD_BYTES + 1 + 16;
/// As many as the caches hold beside all else: what comes from the wire was written just now.
const RECORDS: u64 = 32;
/// What a frame of the capture brings: as on the wire, and put together by the host or its card (RFC 9293 §3.7.1 bounds the one,
/// the length of an IP packet the other).
const SEGMENT_BYTES: [(&str, usize); 2] =
    [("in segments of 1448 bytes", 1448), ("in segments of 64 KiB", 65_160)];

/// The header blocks that both ends of one connection send.
fn blocks() -> [Vec<Vec<u8>>; 2] {
    let written = made::h2::conversation(&mut Rng::with_seed(5), 7, 0, CALLS).expect("both ends agree");
    [0, 1].map(|end| {
        let bytes: Vec<u8> = written
            .iter()
            .filter(|part| part.end == end)
            .flat_map(|part| part.bytes.iter().copied())
            .collect();
        let mut rest = &bytes[if end == 0 { PREFACE_BYTES } else { 0 }..];
        let mut blocks = Vec::new();
        while let Some((&[a, b, c, kind, flags, ..], _)) = rest.split_first_chunk::<FRAME_HEAD_BYTES>() {
            let end = FRAME_HEAD_BYTES + u32::from_be_bytes([0, a, b, c]) as usize;
            if kind == HEADERS {
                assert!(flags & !1 == END_HEADERS, "neither padding nor priority");
                blocks.push(rest[FRAME_HEAD_BYTES..end].to_vec());
            }
            rest = &rest[end..];
        }
        assert_eq!(blocks.len() as u64, CALLS);
        blocks
    })
}

/// The blocks of one end, read by ours.
fn read_by_ours(blocks: &[Vec<u8>], fields: &mut Fields) {
    let mut table = Table::default();
    for block in blocks {
        fields.clear();
        decode(&mut table, block, fields).expect("a whole block");
        black_box(&*fields);
    }
}

fn read_by_h2(blocks: Vec<BytesMut>) {
    let mut decoder = Default::default();
    for block in blocks {
        let head = Head::new(Kind::Headers, END_HEADERS, 1.into());
        let (mut headers, mut block) = Headers::load(head, block).expect("a HEADERS frame");
        headers.load_hpack(&mut block, usize::MAX, &mut decoder).expect("a whole block");
        black_box(headers);
    }
}

fn hpack(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hpack");
    let mut turns = Vec::new();
    for (name, blocks) in ["requests", "responses"].into_iter().zip(blocks()) {
        group.throughput(Throughput::Elements(CALLS));
        let mut fields = Fields::default();
        group.bench_function(format!("{name}/eaves"), |bencher| {
            bencher.iter(|| read_by_ours(&blocks, &mut fields));
        });
        let copied = || blocks.iter().map(|block| BytesMut::from(&block[..])).collect::<Vec<_>>();
        group.bench_function(format!("{name}/h2"), |bencher| {
            bencher.iter_batched(copied, read_by_h2, BatchSize::LargeInput);
        });
        turns.push((name, blocks));
    }
    group.finish();
    for (name, blocks) in turns {
        let mut fields = Fields::default();
        by_turns(
            &format!("hpack, {name}, as fast as the h2 crate"),
            || timed(|| read_by_ours(&blocks, &mut fields)),
            || {
                let copied = blocks.iter().map(|block| BytesMut::from(&block[..])).collect();
                timed(|| read_by_h2(copied))
            },
        );
    }
}

/// The server's side of a connection of TLS 1.3, of whose handshake the hellos alone were seen: records of full size.
struct Traffic {
    hellos: [Vec<u8>; 2],
    records: Vec<u8>,
    keys: Keys,
    key: LessSafeKey,
    iv: [u8; 12],
}

/// A cipher suite (RFC 8446 §B.4) and what it stands for.
struct Suite {
    name: &'static str,
    code: u8,
    cipher: &'static Algorithm,
    hash: aws_lc_rs::hkdf::Algorithm,
    secret_bytes: usize,
}

impl Suite {
    /// RFC 8446 §7.1, without context.
    fn expand_label(&self, secret: &[u8], label: &[u8], out: &mut [u8]) {
        let label = [b"tls13 ", label].concat();
        let info = [&[0, out.len() as u8, label.len() as u8], &label[..], &[0]].concat();
        let info = [&info[..]];
        let secret = Prk::new_less_safe(self.hash, secret);
        let filled = secret.expand(&info, Len(out.len())).and_then(|filled| filled.fill(out));
        filled.expect("a short key");
    }
}

struct Len(usize);

impl aws_lc_rs::hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (body.len() as u32).to_be_bytes();
    let message = [&[kind, a, b, c], body].concat();
    [&[22, 3, 3][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

fn traffic(suite: &Suite) -> Traffic {
    let client = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0x13, suite.code, 1, 0, 0, 0]].concat();
    let server = [&[3, 3][..], &[2; 32], &[0, 0x13, suite.code, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
    let secret = vec![7; suite.secret_bytes];
    let mut keys = Keys::default();
    let log = format!("SERVER_TRAFFIC_SECRET_0 {} {}", "01".repeat(32), "07".repeat(suite.secret_bytes));
    assert_eq!(keys.take(log.as_bytes()).secrets, 1);
    let (mut key, mut iv) = (vec![0; suite.cipher.key_len()], [0; 12]);
    suite.expand_label(&secret, b"key", &mut key);
    suite.expand_label(&secret, b"iv", &mut iv);
    let key = LessSafeKey::new(UnboundKey::new(suite.cipher, &key).expect("a key of the right length"));
    let mut records = Vec::new();
    for sequence in 0..=RECORDS {
        let mut plaintext = vec![b'x'; RECORD_BYTES];
        plaintext.push(23);
        let [high, low] = (plaintext.len() as u16 + 16).to_be_bytes();
        let header = [23, 3, 3, high, low];
        key.seal_in_place_append_tag(nonce(iv, sequence), Aad::from(header), &mut plaintext).expect("sealed");
        records.extend(header);
        records.extend(plaintext);
    }
    Traffic { hellos: [handshake(1, &client), handshake(2, &server)], records, keys, key, iv }
}

fn nonce(mut iv: [u8; 12], sequence: u64) -> Nonce {
    iv[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
    Nonce::assume_unique_for_key(iv)
}

/// A connection of ours that has seen the hellos and the first record, and so has its keys.
struct Opening {
    tls: Tls,
    at: [u64; 2],
}

impl Opening {
    fn begin(traffic: &Traffic, bench: &mut Bench) -> Self {
        let mut this = Self { tls: Tls::new(Direction::Up, None), at: [1000, 2000] };
        this.push(bench, Direction::Up, &traffic.hellos[0]);
        this.push(bench, Direction::Down, &traffic.hellos[1]);
        assert_eq!(this.push(bench, Direction::Down, &traffic.records[..SEALED_BYTES]), RECORD_BYTES);
        this
    }

    /// All records behind the first.
    fn read(&mut self, traffic: &Traffic, bench: &mut Bench, segment_bytes: usize) {
        let records = &traffic.records[SEALED_BYTES..];
        let opened: usize =
            records.chunks(segment_bytes).map(|segment| self.push(bench, Direction::Down, segment)).sum();
        assert_eq!(opened, RECORDS as usize * RECORD_BYTES);
    }

    /// Plaintext that came out.
    fn push(&mut self, bench: &mut Bench, direction: Direction, data: &[u8]) -> usize {
        let mut bytes = 0;
        let at = &mut self.at[direction.index()];
        let chunk = Data { offset: *at, bytes: data, time: Timestamp::ZERO, ack: Some(1000), boundary: true };
        *at += data.len() as u64;
        self.tls.push(direction, &Chunk::Data(chunk), bench, &mut |event: Event<'_>| {
            if let Event::Chunk(_, Chunk::Data(data)) = event {
                bytes += black_box(data.bytes).len();
            }
        });
        bytes
    }
}

fn library_alone(traffic: &Traffic, out: &mut [u8]) {
    for (sequence, record) in (0..).zip(traffic.records.chunks(SEALED_BYTES)).skip(1) {
        let (sealed, tag) = record[5..].split_at(RECORD_BYTES + 1);
        let (nonce, data) = (nonce(traffic.iv, sequence), Aad::from(&record[..5]));
        traffic.key.open_separate_gather(nonce, data, sealed, tag, out).expect("a true record");
        black_box(&out);
    }
}

fn tls(criterion: &mut Criterion) {
    let suites = [
        Suite { name: "AES-128-GCM", code: 1, cipher: &AES_128_GCM, hash: HKDF_SHA256, secret_bytes: 32 },
        Suite { name: "AES-256-GCM", code: 2, cipher: &AES_256_GCM, hash: HKDF_SHA384, secret_bytes: 48 },
    ];
    let mut group = criterion.benchmark_group("tls, records of 16 KiB");
    group.throughput(Throughput::Bytes(RECORDS * RECORD_BYTES as u64));
    let mut turns = Vec::new();
    for suite in suites {
        let mut traffic = traffic(&suite);
        let mut bench = Bench::default();
        bench.keys = Some(Arc::new(std::mem::take(&mut traffic.keys)));
        for (how, segment_bytes) in SEGMENT_BYTES {
            group.bench_function(format!("{}/eaves, {how}", suite.name), |bencher| {
                let mut begin = Bench::default();
                begin.keys = bench.keys.clone();
                bencher.iter_batched_ref(
                    || Opening::begin(&traffic, &mut begin),
                    |opening| opening.read(&traffic, &mut bench, segment_bytes),
                    BatchSize::SmallInput,
                );
            });
        }
        let mut out = vec![0; RECORD_BYTES + 1];
        group.bench_function(format!("{}/aws-lc-rs", suite.name), |bencher| {
            bencher.iter(|| library_alone(&traffic, &mut out));
        });
        turns.push((suite.name, traffic, bench));
    }
    group.finish();
    for (suite, traffic, mut bench) in turns {
        let mut out = vec![0; RECORD_BYTES + 1];
        for (how, segment_bytes) in SEGMENT_BYTES {
            by_turns(
                &format!("tls, {suite} {how}, as fast as aws-lc-rs"),
                || {
                    let mut opening = Opening::begin(&traffic, &mut bench);
                    timed(|| opening.read(&traffic, &mut bench, segment_bytes))
                },
                || timed(|| library_alone(&traffic, &mut out)),
            );
        }
    }
}

criterion_group! {
    name = benches;
    config = shared::short();
    targets = hpack, tls
}
criterion_main!(benches);

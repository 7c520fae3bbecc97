//! How much of the library's own speed is left.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::*;
use crate::tls::schedule::{Hash, expand_label};

const RECORD_BYTES: usize = 16 << 10;
const RECORDS: usize = 512;
const SEGMENT_BYTES: usize = 1448;

/// The server's side of a connection of TLS 1.3 after a handshake of which the hellos alone were seen: records of full size.
struct Traffic {
    hellos: [Vec<u8>; 2],
    records: Vec<u8>,
    keys: Keys,
    key: LessSafeKey,
    iv: [u8; 12],
}

fn traffic() -> Traffic {
    let message = |kind: u8, body: &[u8]| {
        let [_, a, b, c] = (body.len() as u32).to_be_bytes();
        let message = [&[kind, a, b, c], body].concat();
        [&[22, 3, 3][..], &(message.len() as u16).to_be_bytes(), &message].concat()
    };
    let client = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0x13, 1, 1, 0, 0, 0]].concat();
    let server = [&[3, 3][..], &[2; 32], &[0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
    let mut keys = Keys::default();
    let log = format!("SERVER_TRAFFIC_SECRET_0 {} {}", "01".repeat(32), "07".repeat(32));
    assert_eq!(keys.take(log.as_bytes()).secrets, 1);
    let (mut key, mut iv) = ([0; 16], [0; 12]);
    expand_label(Hash::Sha256, &[7; 32], b"key", &mut key);
    expand_label(Hash::Sha256, &[7; 32], b"iv", &mut iv);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
    let mut records = Vec::new();
    for sequence in 0..RECORDS as u64 {
        let mut plaintext = vec![b'x'; RECORD_BYTES];
        plaintext.push(23);
        let [high, low] = (plaintext.len() as u16 + 16).to_be_bytes();
        let header = [23, 3, 3, high, low];
        let nonce = nonce(iv, sequence);
        key.seal_in_place_append_tag(nonce, Aad::from(header), &mut plaintext).unwrap();
        records.extend(header);
        records.extend(plaintext);
    }
    Traffic { hellos: [message(1, &client), message(2, &server)], records, keys, key, iv }
}

fn nonce(mut iv: [u8; 12], sequence: u64) -> Nonce {
    iv[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
    Nonce::assume_unique_for_key(iv)
}

/// The best of several runs, in GB/s.
fn best(mut run: impl FnMut() -> usize) -> f64 {
    let measure = |_| {
        #[expect(clippy::disallowed_methods, reason = "a measurement")]
        let start = std::time::Instant::now();
        let bytes = run();
        bytes as f64 / start.elapsed().as_nanos() as f64
    };
    (0..20).map(measure).fold(0.0, f64::max)
}

fn opened_bytes(traffic: &Traffic, bench: &mut Bench) -> usize {
    let mut tls = Tls::new(Direction::Up, None);
    let mut bytes = 0;
    let mut hear = |event: Event<'_>| {
        if let Event::Chunk(_, Chunk::Data(data)) = event {
            bytes += black_box(data.bytes).len();
        }
    };
    let mut at = [1000, 2000];
    let mut push = |direction: Direction, data: &[u8]| {
        let at = &mut at[direction.index()];
        let chunk = Data { offset: *at, bytes: data, time: Timestamp::ZERO, ack: Some(1000), boundary: true };
        *at += data.len() as u64;
        tls.push(direction, &Chunk::Data(chunk), bench, &mut hear);
    };
    push(Direction::Up, &traffic.hellos[0]);
    push(Direction::Down, &traffic.hellos[1]);
    traffic.records.chunks(SEGMENT_BYTES).for_each(|segment| push(Direction::Down, segment));
    bytes
}

#[test]
fn records_of_full_size_are_opened() {
    let traffic = traffic();
    let mut bench = bench(Some(traffic.keys.clone()), false);
    assert_eq!(opened_bytes(&traffic, &mut bench), RECORDS * RECORD_BYTES);
}

#[test]
#[ignore = "measures; says something only with optimisation on a quiet machine"]
fn bulk_speed() {
    let traffic = traffic();
    let mut bench = bench(Some(traffic.keys.clone()), false);
    let ours = best(|| opened_bytes(&traffic, &mut bench));
    let mut out = vec![0; RECORD_BYTES + 1];
    let alone = best(|| {
        let mut bytes = 0;
        for (sequence, record) in (0..).zip(traffic.records.chunks(5 + RECORD_BYTES + 17)) {
            let (sealed, tag) = record[5..].split_at(RECORD_BYTES + 1);
            let (nonce, data) = (nonce(traffic.iv, sequence), Aad::from(&record[..5]));
            traffic.key.open_separate_gather(nonce, data, sealed, tag, &mut out).unwrap();
            bytes += black_box(&out).len() - 1;
        }
        bytes
    });
    println!("records {ours:.2} GB/s, the library alone {alone:.2} GB/s: {:.0} %", 100.0 * ours / alone);
}

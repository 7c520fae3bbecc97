//! Tests of the whole reader: every variant of the formats, damage at every byte, several inputs as one.

mod corpus;
mod damage;
mod order;

use std::io::Cursor;

use super::decode::Order;
use super::sample::{self, Dribble, Seen, Writer};
use super::{Fault, Files, Secrets};

fn frame(time: u64, interface: u32, link: u32, original: u32, bytes: &[u8]) -> Seen {
    Seen { time, interface, link, original, bytes: bytes.to_vec() }
}

#[test]
fn every_variant_of_pcap_gives_the_same_frames() {
    for order in [Order::Little, Order::Big] {
        for (magic, unit) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1), (0xa1b2_cd34, 1_000)] {
            let mut writer = Writer::pcap(order, magic, 0x2400_0001);
            for (fraction, bytes) in [(7, &b"first"[..]), (1_999_999, b""), (0, &[9; 3_000])] {
                writer.words(&[1, fraction, bytes.len() as u32, 4_000]);
                if magic == 0xa1b2_cd34 {
                    writer.words(&[3, 0x0800_0001]);
                }
                writer.bytes.extend_from_slice(bytes);
            }
            let second = 1_000_000_000;
            let expected = [
                frame(second + 7 * unit, 0, 1, 4_000, b"first"),
                frame(second + 1_999_999 * unit, 0, 1, 4_000, b""),
                frame(second, 0, 1, 4_000, &[9; 3_000]),
            ];
            let (seen, problems, counters) = sample::read(&writer.bytes);
            assert_eq!((seen.as_slice(), problems), (&expected[..], vec![]), "{magic:x} {order:?}");
            assert_eq!((counters.frames, counters.bytes, counters.steps_back), (3, 3_005, 1));
        }
    }
}

#[test]
fn pcapng_in_both_orders_with_blocks_of_every_kind() {
    let frames = sample::frames(70);
    for order in [Order::Little, Order::Big] {
        let (seen, problems, counters) = sample::read(&sample::pcapng(&frames, order));
        assert_eq!((seen, problems), (frames.clone(), vec![]));
        assert_eq!((counters.name_blocks, counters.statistics_blocks), (10, 10));
        assert_eq!((counters.custom_blocks, counters.other_blocks, counters.secrets_blocks), (10, 10, 10));
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let mut writer = Writer { bytes: Vec::new(), order: Order::Little };
    writer.section(Order::Little);
    writer.interface(1, 96, 6);
    writer.interface(101, 0, 0x80 | 1);
    writer.enhanced(1, 5, 4, b"raw!");
    writer.enhanced(0, 2_000_001, 1_000, b"ether");
    writer.block(3, &[200], &[7; 96]);
    writer.section(Order::Big);
    writer.interface(113, 0, 9);
    // The obsolete packet block: interface 0, 65535 packets dropped before it.
    writer.block(2, &[0x0000_ffff, 0, 9, 3, 3], b"old");
    writer.enhanced(1, 1, 1, b"?");
    writer.enhanced(0, 11, 4, b"last");
    let (seen, problems, counters) = sample::read(&writer.bytes);
    let expected = [
        frame(2_500_000_000, 1, 101, 4, b"raw!"),
        frame(2_000_001_000, 0, 1, 1_000, b"ether"),
        frame(2_000_001_000, 0, 1, 200, &[7; 96]),
        frame(9, 0, 113, 3, b"old"),
        frame(11, 0, 113, 4, b"last"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        problems.iter().map(|problem| problem.what.clone()).collect::<Vec<_>>(),
        [Fault::Interface(1)]
    );
    assert_eq!((counters.unplaced, counters.frames), (1, 5));
}

#[test]
fn a_length_without_padding_is_rounded_up() {
    let mut writer = Writer { bytes: Vec::new(), order: Order::Little };
    writer.section(Order::Little);
    writer.interface(1, 0, 9);
    for (kind, text) in [(6, b"five."), (2, b"again")] {
        writer.words(&[kind, 37, 0, 0, 8, 5, 5]);
        writer.bytes.extend_from_slice(text);
        writer.bytes.extend([0; 3]);
        writer.words(&[37]);
    }
    writer.enhanced(0, 9, 4, b"last");
    let (seen, problems, _) = sample::read(&writer.bytes);
    let expected = [frame(8, 0, 1, 5, b"five."), frame(8, 0, 1, 5, b"again"), frame(9, 0, 1, 4, b"last")];
    assert_eq!((seen.as_slice(), problems), (&expected[..], vec![]));
}

#[test]
fn any_split_of_the_input_reads_gives_the_same_frames() {
    let frames = sample::frames(300);
    for bytes in [sample::pcap(&frames), sample::pcapng(&frames, Order::Big)] {
        let zstd = zstd::encode_all(&bytes[..], 1).unwrap();
        for (seed, packed) in [bytes.clone(), sample::gzip(&bytes), zstd].into_iter().enumerate() {
            for most in [1, 7, 300, 100_000] {
                let random = fastrand::Rng::with_seed(seed as u64);
                let mut files =
                    Files::from_stream(Dribble { bytes: Cursor::new(packed.clone()), random, most });
                assert_eq!(sample::drain(&mut files), frames);
                assert_eq!(files.problems(), []);
            }
        }
    }
}

#[test]
fn frames_across_blocks_and_longer_than_blocks() {
    let mut random = fastrand::Rng::with_seed(1);
    let lens = [100_000, 400_000, 3 << 20, 16 << 20, 0, 524_288, 524_264, 1, 262_144].repeat(2);
    let mut writer = Writer::pcap(Order::Little, 0xa1b2_c3d4, 1);
    writer.bytes[16..20].fill(0); // no snap length
    let mut expected = Vec::new();
    for (index, len) in (0..).zip(lens) {
        let bytes = vec![random.u8(..); len];
        writer.packet(index, 0, len as u32, &bytes);
        expected.push(frame(u64::from(index) * 1_000_000_000, 0, 1, len as u32, &bytes));
    }
    let mut files = Files::from_stream(Cursor::new(writer.bytes));
    let (mut held, mut seen) = (Vec::new(), Vec::new());
    while let Some((located, block)) = files.next() {
        held.push((located, block.clone()));
    }
    for (located, block) in &held {
        let bytes = located.frame(block).bytes.to_vec();
        seen.push(frame(located.time.as_nanos(), 0, 1, located.original_len, &bytes));
    }
    assert!(seen == expected, "blocks that are held stay as they are");
    assert_eq!(files.problems(), []);
}

#[test]
fn secrets_come_with_the_frame_that_they_stand_before() {
    let mut writer = Writer { bytes: Vec::new(), order: Order::Big };
    writer.section(Order::Big);
    writer.interface(1, 0, 9);
    writer.block(10, &[0x544c_534b, 3], b"one");
    writer.enhanced(0, 1, 1, b"a");
    writer.enhanced(0, 2, 1, b"b");
    writer.block(10, &[0x544c_534b, 3], b"two");
    let mut files = Files::from_stream(Cursor::new(writer.bytes));
    let mut given = Vec::new();
    for _ in 0..3 {
        let time = files.next().map(|(located, _)| located.time.as_nanos());
        given.extend(files.secrets().map(|Secrets { ordinal, kind, bytes }| (time, ordinal, kind, bytes)));
    }
    let tls = 0x544c_534b;
    assert_eq!(given, [(Some(1), 0, tls, b"one".to_vec()), (None, 2, tls, b"two".to_vec())]);
}

#[test]
fn secrets_beyond_the_limit_are_left_out_and_said() {
    let mut writer = Writer { bytes: Vec::new(), order: Order::Little };
    writer.section(Order::Little);
    let half = vec![0; 40 << 20];
    for _ in 0..3 {
        writer.block(10, &[1, half.len() as u32], &half);
    }
    let mut files = Files::from_stream(Cursor::new(writer.bytes));
    assert!(files.next().is_none());
    assert_eq!(files.secrets().count(), 1);
    assert_eq!((files.counters.secrets_blocks, files.counters.secrets_left_out), (3, 2));
    assert_eq!(files.problems().iter().map(|problem| &problem.what).collect::<Vec<_>>(), [&Fault::Secrets]);
}

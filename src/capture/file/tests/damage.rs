//! Damaged input: each fault is named with its byte, and everything before it is read.

use crate::capture::file::decode::Order;
use crate::capture::file::problem::{Fault, Part};
use crate::capture::file::sample::{self, Writer};
use crate::capture::file::{Problem, read_arbitrary};

/// The one problem of a capture: its byte, whether that counts unpacked bytes, and what it is.
fn only(problems: Vec<Problem>) -> (Option<u64>, bool, Fault) {
    let [Problem { offset, unpacked, what, .. }] = <[Problem; 1]>::try_from(problems).unwrap();
    (offset, unpacked, what)
}

#[test]
fn a_pcap_cut_at_any_byte() {
    let frames = sample::frames(12);
    let whole = sample::pcap(&frames);
    let mut ends = vec![24];
    ends.extend(frames.iter().scan(24, |end, frame| {
        *end += 16 + frame.bytes.len();
        Some(*end)
    }));
    for cut in 0..whole.len() {
        let (seen, problems, _) = sample::read(&whole[..cut]);
        let complete = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        assert_eq!(seen, frames[..complete], "{cut}");
        if ends.contains(&cut) {
            assert_eq!(problems, [], "{cut}");
            continue;
        }
        let (start, have) = (ends[complete] as u64, (cut - ends[complete].min(cut)) as u64);
        let expected = match cut {
            0 => (Some(0), false, Fault::Empty),
            1..4 => (Some(0), false, Fault::NotACapture),
            4..24 => {
                let (inside, have) = (Part::FileHeader, cut as u64);
                (Some(0), false, Fault::Cut { inside, have, need: 24 })
            }
            _ if have < 16 => (Some(start), false, Fault::Cut { inside: Part::PacketHeader, have, need: 16 }),
            _ => {
                let need = (ends[complete + 1] - ends[complete]) as u64;
                (Some(start), false, Fault::Cut { inside: Part::Packet, have, need })
            }
        };
        assert_eq!(only(problems), expected, "{cut}");
    }
}

#[test]
fn a_pcapng_cut_at_any_byte_keeps_what_stands_before() {
    let frames = sample::frames(9);
    let whole = sample::pcapng(&frames, Order::Big);
    let mut clean = 0;
    for cut in 4..=whole.len() {
        let (seen, problems, _) = sample::read(&whole[..cut]);
        assert_eq!(seen, frames[..seen.len()]);
        match problems.as_slice() {
            [] => clean += 1,
            [problem] => assert!(matches!(problem.what, Fault::Cut { .. }), "{cut}: {problem}"),
            more => panic!("{cut}: {more:?}"),
        }
    }
    // Section, interface, 9 packets, and the 6 other blocks between them.
    assert_eq!(clean, 1 + 1 + 9 + 6);
    assert_eq!(sample::read(&whole).0, frames);
}

#[test]
fn a_packed_stream_cut_anywhere_gives_the_frames_before() {
    let frames = sample::frames(8_000);
    let whole = sample::pcap(&frames);
    for (packed, step) in [(sample::gzip(&whole), 40_009), (zstd::encode_all(&whole[..], 1).unwrap(), 70_001)]
    {
        let mut most = 0;
        for cut in (20..packed.len()).step_by(step) {
            let (seen, problems, _) = sample::read(&packed[..cut]);
            assert_eq!(seen, frames[..seen.len()]);
            let (offset, unpacked, what) = only(problems);
            assert_eq!((unpacked, what), (true, Fault::CutCompressed), "{cut}");
            assert!(offset.is_some_and(|offset| offset <= whole.len() as u64));
            most = most.max(seen.len());
        }
        assert!(most > 5_000, "{most} at steps of {step}");
    }
    // RFC 1952 §2.3.1: the checksum stands in the last eight bytes.
    let mut broken = sample::gzip(&whole);
    let checksum = broken.len() - 8;
    broken[checksum] ^= 1;
    let (seen, problems, _) = sample::read(&broken);
    assert_eq!(seen, frames);
    assert_eq!(only(problems), (Some(whole.len() as u64), true, Fault::DamagedCompressed));
}

#[test]
fn lengths_that_cannot_be_true() {
    let good = |writer: &mut Writer| {
        writer.section(Order::Little);
        writer.interface(1, 0, 9);
        writer.enhanced(0, 1, 4, b"good");
        writer.bytes.len() as u64
    };
    let new = || Writer { bytes: Vec::new(), order: Order::Little };
    let length = |of, says| Fault::Length { of, says };
    for (words, expected) in [
        (&[6, 8, 0][..], length(Part::Block, 8)),
        (&[6, 12, 12], length(Part::Block, 12)),
        (&[6, 0x7fff_fffc, 0], length(Part::Block, 0x7fff_fffc)),
        (&[6, 36, 0, 0, 0, 5, 5, 0, 36], length(Part::Packet, 5)),
        (&[6, 36, 0, 0, 0, 4, 4, 0, 40], Fault::Lengths { before: 36, behind: 40 }),
        (&[4, 16, 0, 20], Fault::Lengths { before: 16, behind: 20 }),
        (&[10, 20, 1, 5, 20], length(Part::Block, 5)),
        (&[1, 12, 12], length(Part::Block, 12)),
        (&[6, u32::MAX, 0], length(Part::Block, u32::MAX.into())),
        (&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 0x0007_0002, 0, 0, 28], Fault::Version { major: 2, minor: 7 }),
        (&[0x0a0d_0d0a, 28, 7, 0, 0, 0, 28], Fault::ByteOrder),
        (&[0x0a0d_0d0a, 24, 0x1a2b_3c4d, 0, 0, 24], length(Part::Block, 24)),
        (&[0x7777, 0x00ff_fffc, 0], Fault::Cut { inside: Part::Block, have: 12, need: 0x00ff_fffc }),
    ] {
        let mut writer = new();
        let at = good(&mut writer);
        writer.words(words);
        let (seen, problems, _) = sample::read(&writer.bytes);
        assert_eq!(seen.len(), 1, "{words:x?}");
        assert_eq!(only(problems), (Some(at), false, expected), "{words:x?}");
    }
}

#[test]
fn what_is_no_capture_is_said() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"hi", &[0; 100], b"\xff\xd8\xff\xe0"] {
        let (seen, problems, _) = sample::read(bytes);
        assert_eq!((seen, only(problems)), (vec![], (Some(0), false, Fault::NotACapture)));
    }
    let (_, problems, _) = sample::read(&sample::gzip(b"a text that somebody packed"));
    assert_eq!(only(problems), (Some(0), true, Fault::NotACapture));
    let (_, problems, _) = sample::read(&sample::gzip(b""));
    assert_eq!(only(problems), (Some(0), true, Fault::Empty));
}

#[test]
fn a_long_unknown_block_is_skipped_by_its_length() {
    let mut writer = Writer { bytes: Vec::new(), order: Order::Little };
    writer.section(Order::Little);
    writer.interface(1, 0, 9);
    writer.block(0x4000_0bad, &[1], &vec![0xaa; 3 << 20]);
    writer.enhanced(0, 1, 4, b"good");
    let (seen, problems, counters) = sample::read(&writer.bytes);
    assert_eq!((seen.len(), problems, counters.custom_blocks), (1, vec![], 1));
}

#[test]
fn mutated_captures_never_panic() {
    let frames = sample::frames(20);
    let mut modified = Writer::pcap(Order::Big, 0xa1b2_cd34, 113);
    modified.words(&[1, 2, 8, 8, 0, 0, 3, 4]);
    let seeds = [
        sample::pcap(&frames),
        sample::pcapng(&frames, Order::Little),
        sample::pcapng(&frames, Order::Big),
        modified.bytes,
        sample::gzip(&sample::pcap(&frames)),
        zstd::encode_all(&sample::pcapng(&frames, Order::Big)[..], 1).unwrap(),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut frames_read = 0;
    for round in 0..900 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            match random.u8(..5) {
                0 => bytes[at] ^= 1 << random.u8(..8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.usize(..5)],
                2 => bytes.truncate(at + 1),
                3 => drop(bytes.splice(at..at, [0xff; 4])),
                _ => drop(bytes.drain(at..(at + 3).min(bytes.len() - 1).max(at))),
            }
        }
        frames_read += read_arbitrary(&bytes).frames;
    }
    assert!(frames_read > 1_000, "{frames_read}");
}

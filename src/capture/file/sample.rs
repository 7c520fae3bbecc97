//! Captures made for tests: the same frames in every variant of the formats.

use std::io::{Cursor, Read, Write};

use super::decode::Order;
use super::{Counters, Files, Problem};

/// A frame as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) time: u64,
    pub(super) interface: u32,
    pub(super) link: u32,
    pub(super) original: u32,
    pub(super) bytes: Vec<u8>,
}

/// Writes pcap or pcapng, number by number.
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    pub(super) order: Order,
}

impl Writer {
    pub(super) fn words(&mut self, words: &[u32]) {
        for word in words {
            self.bytes.extend(self.order.bytes(*word));
        }
    }

    /// A pcap header.
    pub(super) fn pcap(order: Order, magic: u32, link: u32) -> Self {
        let mut writer = Self { bytes: Vec::new(), order };
        let version = if order == Order::Little { 0x0004_0002 } else { 0x0002_0004 };
        writer.words(&[magic, version, 0, 0, 65_535, link]);
        writer
    }

    /// A pcap packet.
    pub(super) fn packet(&mut self, seconds: u32, fraction: u32, original: u32, bytes: &[u8]) {
        self.words(&[seconds, fraction, bytes.len() as u32, original]);
        self.bytes.extend_from_slice(bytes);
    }

    /// A pcapng block around a body.
    pub(super) fn block(&mut self, kind: u32, words: &[u32], bytes: &[u8]) {
        let len = (12 + 4 * words.len() + bytes.len().next_multiple_of(4)) as u32;
        self.words(&[kind, len]);
        self.words(words);
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.words(&[len]);
    }

    /// A pcapng section header; what follows is in `order`.
    pub(super) fn section(&mut self, order: Order) {
        self.order = order;
        let version = if order == Order::Little { 1 } else { 1 << 16 };
        self.block(0x0a0d_0d0a, &[0x1a2b_3c4d, version, u32::MAX, u32::MAX], &[]);
    }

    /// An interface whose unit of time is told by `resolution`.
    pub(super) fn interface(&mut self, link: u32, snaplen: u32, resolution: u8) {
        let link = if self.order == Order::Little { link } else { link << 16 };
        let mut option =
            self.order.bytes(if self.order == Order::Little { 0x0001_0009 } else { 0x0009_0001 }).to_vec();
        option.extend([resolution, 0, 0, 0, 0, 0, 0, 0]);
        self.block(1, &[link, snaplen], &option);
    }

    /// An enhanced packet block.
    pub(super) fn enhanced(&mut self, interface: u32, units: u64, original: u32, bytes: &[u8]) {
        let (high, low) = ((units >> 32) as u32, units as u32);
        self.block(6, &[interface, high, low, bytes.len() as u32, original], bytes);
    }
}

/// Frames of many lengths, with times that mostly grow.
pub(super) fn frames(count: u32) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(u64::from(count));
    let mut time = 1_700_000_000_000_000_000_u64;
    let frame = |_| {
        time += random.u64(0..3) * 1_000;
        let bytes: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
        let original = bytes.len() as u32 + random.u32(0..2) * 100;
        Seen { time, interface: 0, link: 1, original, bytes }
    };
    (0..count).map(frame).collect()
}

/// The frames as a plain pcap: little-endian, nanoseconds.
pub(super) fn pcap(frames: &[Seen]) -> Vec<u8> {
    let mut writer = Writer::pcap(Order::Little, 0xa1b2_3c4d, 1);
    for Seen { time, original, bytes, .. } in frames {
        writer.packet((time / 1_000_000_000) as u32, (time % 1_000_000_000) as u32, *original, bytes);
    }
    writer.bytes
}

/// The frames as pcapng with nanoseconds: names, statistics, vendors' and unknown blocks and secrets between them.
pub(super) fn pcapng(frames: &[Seen], order: Order) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::new(), order };
    writer.section(order);
    writer.interface(1, 0, 9);
    for (index, Seen { time, original, bytes, .. }) in frames.iter().enumerate() {
        match index % 7 {
            1 => writer.block(4, &[], b"names"),
            2 => writer.block(5, &[0], b"statistics"),
            3 => writer.block(0x0bad, &[32_473], b"custom"),
            4 => writer.block(0x7777, &[], &[0; 999]),
            5 => writer.block(10, &[0x544c_534b, 5], b"CLIENT"),
            _ => {}
        }
        writer.enhanced(0, *time, *original, bytes);
    }
    writer.bytes
}

/// All that a reader gives.
pub(super) fn drain(files: &mut Files) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some((located, block)) = files.next() {
        let frame = located.frame(block);
        assert_eq!(frame.bytes.len(), located.len as usize);
        let (time, link) = (frame.time.as_nanos(), frame.link.0);
        let (interface, original, bytes) = (frame.interface, frame.original_len, frame.bytes.to_vec());
        seen.push(Seen { time, interface, link, original, bytes });
    }
    seen
}

/// Frames, problems and counters of a capture in memory.
pub(super) fn read(bytes: &[u8]) -> (Vec<Seen>, Vec<Problem>, Counters) {
    let mut files = Files::from_stream(Cursor::new(bytes.to_vec()));
    let seen = drain(&mut files);
    (seen, files.problems().to_vec(), files.counters)
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A stream that gives as few bytes at a time as it likes.
pub(super) struct Dribble {
    pub(super) bytes: Cursor<Vec<u8>>,
    pub(super) random: fastrand::Rng,
    pub(super) most: usize,
}

impl Read for Dribble {
    fn read(&mut self, space: &mut [u8]) -> Result<usize, std::io::Error> {
        if self.random.u8(..) == 0 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let most = self.random.usize(1..=self.most).min(space.len());
        self.bytes.read(&mut space[..most])
    }
}

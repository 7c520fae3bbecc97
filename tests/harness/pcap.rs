//! As much of the pcap format as is needed to take a capture apart and put it together again.

use std::fs;
use std::path::{Path, PathBuf};

/// A file header: little-endian, microseconds, Ethernet.
pub(crate) const HEADER: [u8; 24] =
    [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];

/// The records of a capture, each with its header.
pub(crate) fn frames(capture: &[u8]) -> Vec<&[u8]> {
    assert_eq!(capture[..4], HEADER[..4], "little-endian, microseconds");
    let mut rest = &capture[24..];
    let mut frames = Vec::new();
    while let Some(size) = rest.get(8..12) {
        let len = 16 + u32::from_le_bytes(size.try_into().expect("four bytes")) as usize;
        frames.push(&rest[..len]);
        rest = &rest[len..];
    }
    frames
}

/// A capture of these records.
pub(crate) fn capture<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    frames.into_iter().for_each(|frame| bytes.extend_from_slice(frame));
    bytes
}

/// The capture as pcapng, with a key log as decryption secrets behind the first `at` frames.
pub(crate) fn with_secrets(capture_bytes: &[u8], keylog: &[u8], at: usize) -> Vec<u8> {
    with_secret_blocks(capture_bytes, &[(at, keylog)])
}

/// The same with several blocks of secrets, each behind so many frames.
pub(crate) fn with_secret_blocks(capture_bytes: &[u8], blocks: &[(usize, &[u8])]) -> Vec<u8> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let mut out = Vec::new();
    let mut block = |kind: u32, parts: &[&[u8]]| {
        let body: usize = parts.iter().map(|part| part.len()).sum();
        let len = (12 + body.next_multiple_of(4)) as u32;
        out.extend([kind, len].iter().flat_map(|word| word.to_le_bytes()));
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(len.to_le_bytes());
    };
    block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0], &[0xff; 8]]);
    block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0]]);
    let all = frames(capture_bytes);
    for index in 0..=all.len() {
        for (_, keylog) in blocks.iter().filter(|(at, _)| *at == index) {
            block(10, &[b"KSLT", &(keylog.len() as u32).to_le_bytes(), keylog]);
        }
        if let Some(frame) = all.get(index) {
            let micros = u64::from(word(&frame[..4])) * 1_000_000 + u64::from(word(&frame[4..8]));
            let (high, low) = ((micros >> 32) as u32, micros as u32);
            block(6, &[&[0; 4], &high.to_le_bytes(), &low.to_le_bytes(), &frame[8..16], &frame[16..]]);
        }
    }
    out
}

/// Leaves out a share of the frames; which follows from the seed.
pub(crate) fn with_loss(capture_bytes: &[u8], share: f64, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    capture(frames(capture_bytes).into_iter().filter(|_| random.f64() >= share))
}

/// Cuts a capture into `count` files of consecutive frames.
pub(crate) fn split(capture_bytes: &[u8], count: usize, folder: &Path) -> Vec<PathBuf> {
    let all = frames(capture_bytes);
    let chunks = all.chunks(all.len().div_ceil(count));
    let files = chunks.enumerate().map(|(n, chunk)| {
        let path = folder.join(format!("part{n}.pcap"));
        fs::write(&path, capture(chunk.iter().copied())).expect("the scratch folder can be written");
        path
    });
    files.collect()
}

//! Several inputs as one stream, and the file system: splits, taps, directories, filters.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::capture::file::decode::Order;
use crate::capture::file::problem::Fault;
use crate::capture::file::sample::{self, Seen, Writer};
use crate::capture::file::{Files, OpenError, Options};

/// Captures in a folder of their own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_path_buf()
    }
}

fn open(inputs: &[PathBuf]) -> Files {
    Files::open(inputs, &Options::default()).unwrap()
}

/// Frames of one byte each, with these times; the byte numbers them.
fn timed(first: u8, times: &[u64]) -> Vec<Seen> {
    let numbered = (first..).zip(times);
    numbered
        .map(|(byte, time)| Seen { time: *time, interface: 0, link: 1, original: 1, bytes: vec![byte] })
        .collect()
}

fn bytes(frames: &[Seen]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.bytes.clone()).collect()
}

#[test]
fn ten_pieces_in_any_order_read_as_the_whole() {
    let frames = sample::frames(1_000);
    assert!(frames.windows(2).filter(|pair| pair[0].time == pair[1].time).count() > 200, "equal times");
    let (folder, mut random) = (Folder::new(), fastrand::Rng::with_seed(3));
    for round in 0..5 {
        let piece = |(index, part): (usize, &[Seen])| {
            let packed = match index % 3 {
                0 => sample::pcap(part),
                1 => sample::gzip(&sample::pcapng(part, Order::Big)),
                _ => zstd::encode_all(&sample::pcap(part)[..], 1).unwrap(),
            };
            folder.write(&format!("{round}-{}", random.u32(..)), &packed)
        };
        let mut pieces: Vec<_> = frames.chunks(100).enumerate().map(piece).collect();
        random.shuffle(&mut pieces);
        // Pieces whose first packets have the same time come in the order in which they are named.
        let mut files = open(&pieces);
        let seen = sample::drain(&mut files);
        assert_eq!((files.opened(), files.problems().len(), files.counters.steps_back), (10, 0, 0));
        assert_eq!(seen, frames);
        assert_eq!(files.total_bytes(), Some(files.position_bytes()));
    }
}

#[test]
fn overlapping_taps_merge_by_time_and_ties_by_first_packet() {
    let folder = Folder::new();
    let a = folder.write("a", &sample::pcap(&timed(0, &[20, 30, 30, 50])));
    let b = folder.write("b", &sample::pcap(&timed(10, &[10, 30, 40, 60])));
    let c = folder.write("c", &sample::pcap(&timed(20, &[10, 30, 70])));
    for inputs in [[a.clone(), b.clone(), c.clone()], [b, c, a]] {
        let seen = bytes(&sample::drain(&mut open(&inputs)));
        assert_eq!(seen, [10, 20, 0, 11, 21, 1, 2, 12, 3, 13, 22]);
    }
}

#[test]
fn a_step_back_within_a_piece_does_not_let_the_next_overtake() {
    let folder = Folder::new();
    // One stray time stamp in the first piece, a small step in the second.
    let times = [10, 20, 9_000, 30, 40, 50, 49, 60, 70, 65, 80, 90];
    for (pieces, name) in [(&[5, 7][..], "x"), (&[3, 9], "y"), (&[4, 4, 4], "z")] {
        let mut from = 0;
        let mut paths = Vec::new();
        for (index, len) in pieces.iter().enumerate() {
            let part = timed(from as u8, &times[from..from + len]);
            let order = if index == 0 { sample::pcapng(&part, Order::Little) } else { sample::pcap(&part) };
            paths.push(folder.write(&format!("{name}{index}"), &order));
            from += len;
        }
        let seen = bytes(&sample::drain(&mut open(&paths)));
        let whole: Vec<u8> = (0..times.len() as u8).collect();
        // If the border itself steps back, as after 9,000 in `y`, just the frame before it changes its place.
        let expected = if name == "y" { vec![0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2] } else { whole };
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn many_inputs_are_not_open_at_once() {
    let folder = Folder::new();
    let count = 3_000_u64;
    let paths: Vec<_> = (0..count)
        .map(|index| {
            folder.write(&format!("{index:05}"), &sample::pcap(&timed(1, &[index * 10, index * 10 + 5])))
        })
        .collect();
    let mut files = open(&paths);
    let mut most = 0;
    while files.next().is_some() {
        most = most.max(fs::read_dir("/proc/self/fd").map_or(0, Iterator::count));
    }
    assert_eq!((files.counters.frames, files.counters.steps_back), (2 * count, 0));
    assert!(most < 200, "{most} files open");
}

#[test]
fn what_cannot_be_read_does_not_stop_the_others() {
    let folder = Folder::new();
    let good = sample::frames(10);
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::create_dir(folder.path().join("none")).unwrap();
    folder.write("in/good.pcap", &sample::pcap(&good));
    let text = folder.write("in/notes.txt", b"not a capture");
    let whole = sample::pcap(&sample::frames(3));
    let cut = folder.write("cut.pcap.gz", &sample::gzip(&whole[..whole.len() - 1]));
    let (missing, none) = (folder.path().join("missing"), folder.path().join("none"));
    let mut files = open(&[missing.clone(), folder.path().join("in"), none.clone(), cut.clone()]);
    assert_eq!(sample::drain(&mut files).len(), 10 + 2);
    assert_eq!(files.opened(), 2);
    let mut problems: Vec<_> = files
        .problems()
        .iter()
        .map(|problem| (problem.input.clone(), problem.offset, problem.unpacked))
        .collect();
    problems.sort();
    let last = 24 + sample::frames(3)[..2].iter().map(|frame| 16 + frame.bytes.len() as u64).sum::<u64>();
    let mut expected =
        [(missing, None, false), (text, Some(0), false), (none, None, false), (cut, Some(last), true)];
    expected.sort();
    assert_eq!(problems, expected);
    let whats: Vec<_> = files.problems().iter().map(|problem| problem.what.clone()).collect();
    for what in [Fault::Missing, Fault::NotACapture, Fault::NoCaptures] {
        assert!(whats.contains(&what), "{whats:?}");
    }
}

#[test]
fn nothing_readable_is_told_from_nothing_inside() {
    let folder = Folder::new();
    let empty = folder.write("empty", b"");
    let bare = folder.write("bare", &sample::pcap(&[]));
    let version = folder.write("version", &[&sample::pcapng(&[], Order::Big)[..12], &[9; 100]].concat());
    for (input, opened, problems) in
        [(empty, 0, 1), (version, 0, 1), (bare, 1, 0), (folder.path().join("no"), 0, 1)]
    {
        let mut files = open(&[input]);
        assert!(files.next().is_none());
        assert_eq!((files.opened(), files.problems().len()), (opened, problems));
    }
}

#[test]
fn a_named_pipe_is_read_once() {
    let folder = Folder::new();
    let (path, frames) = (folder.path().join("pipe"), sample::frames(50));
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let (bytes, target) = (sample::gzip(&sample::pcap(&frames)), path.clone());
    let writer = std::thread::spawn(move || fs::write(target, bytes).unwrap());
    let mut files = open(&[path]);
    assert_eq!((sample::drain(&mut files), files.total_bytes()), (frames, None));
    writer.join().unwrap();
}

#[test]
fn a_filter_leaves_out_and_counts() {
    let folder = Folder::new();
    let mut ethernet = Writer::pcap(Order::Little, 0xa1b2_c3d4, 1);
    let frame = |kind: [u8; 2]| [&[0; 12][..], &kind, &[0; 50]].concat();
    ethernet.packet(1, 0, 64, &frame([8, 6]));
    ethernet.packet(2, 0, 64, &frame([8, 0]));
    ethernet.packet(3, 0, 64, &frame([8, 6]));
    let mut raw = Writer::pcap(Order::Little, 0xa1b2_c3d4, 101);
    raw.packet(4, 0, 20, &[0x45; 20]);
    raw.packet(5, 0, 20, &[0x45; 20]);
    let inputs = [folder.write("e", &ethernet.bytes), folder.write("r", &raw.bytes)];
    let options = |text: &str| Options { filter: Some(text.to_owned()) };
    let mut files = Files::open(&inputs, &options("ether proto 0x806")).unwrap();
    assert_eq!(sample::drain(&mut files).len(), 2);
    assert_eq!((files.counters.frames, files.counters.filtered, files.problems().len()), (2, 3, 1));
    assert!(matches!(files.problems()[0].what, Fault::Filter { .. }), "{}", files.problems()[0]);
    let Err(OpenError::Filter { expression, message }) = Files::open(&inputs, &options("tcp prot 80")) else {
        panic!("a wrong expression");
    };
    assert_eq!((expression.as_str(), message.contains("syntax error")), ("tcp prot 80", true));
}

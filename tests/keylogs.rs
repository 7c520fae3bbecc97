//! Keys that come late and in every way in which key logs are written: all calls are decrypted, each is told once, and what is
//! wrong with a log is said. The capture tests need root, and say that they are skipped where a mirror port can't be made.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]
#![expect(clippy::disallowed_methods, reason = "what never comes is waited for until a time on the clock")]

mod harness;
#[allow(dead_code, reason = "each test binary uses its part")]
mod mirror;

#[path = "keylogs/live.rs"]
mod live;

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use harness::pcap::{capture, frames, with_secret_blocks};
use harness::truth::{all_equal, truth};
use harness::{Outcome, eaves, fixture, replay, unbalanced};
use serde_json::Value;

/// The key log of tls.pcap.
fn keylog() -> String {
    fs::read_to_string(fixture("tls.pcap.keylog")).unwrap()
}

/// A file that nobody else can read.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg("-m600").arg(path).status().unwrap().success());
}

/// Waits until something is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(30);
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// All calls of tls.pcap, each once, and books that close.
fn assert_decrypted(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.code, 0, "{what}: {}", outcome.stderr);
    assert_eq!(all_equal(&truth("tls"), &outcome.records("calls")), Vec::<String>::new(), "{what}");
    assert_eq!(outcome.records("connections"), Vec::<Value>::new(), "{what}");
    assert_eq!(unbalanced(&outcome.sensor()), Vec::<String>::new(), "{what}");
}

fn count(outcome: &Outcome, name: &str) -> u64 {
    outcome.sensor()["counters"]["keylogs"][name].as_u64().unwrap_or_else(|| panic!("no {name}"))
}

/// A frame of ARP at that time, in microseconds.
fn quiet_frame(micros: u64) -> Vec<u8> {
    let mut record = Vec::new();
    for word in [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, 60, 60] {
        record.extend(word.to_le_bytes());
    }
    let mut frame = [0; 60];
    frame[12..20].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4]);
    record.extend(frame);
    record
}

fn micros(record: &[u8]) -> u64 {
    let word = |at: usize| u64::from(u32::from_le_bytes(record[at..at + 4].try_into().unwrap()));
    word(0) * 1_000_000 + word(4)
}

/// Whether the frame closes a connection.
fn closes(record: &[u8]) -> bool {
    let packet = &record[16 + 14..];
    let header = usize::from(packet[0] & 15) * 4;
    packet[9] == 6 && packet[header + 13] & 0b101 != 0
}

/// tls.pcap, and behind it frames of others for so many seconds: enough that a reader of rounds sees the time go by.
fn followed_by(seconds: u64, keep: impl Fn(&[u8]) -> bool) -> (Vec<u8>, usize) {
    const FRAMES: u64 = 3 * 2048;
    let whole = fs::read(fixture("tls.pcap")).unwrap();
    let mut all: Vec<Vec<u8>> =
        frames(&whole).into_iter().filter(|record| keep(record)).map(<[u8]>::to_vec).collect();
    let end = micros(all.last().unwrap());
    all.extend((1..=FRAMES).map(|frame| quiet_frame(end + seconds * 1_000_000 * frame / FRAMES)));
    let count = all.len();
    (capture(all.iter().map(Vec::as_slice)), count)
}

#[test]
fn secrets_that_come_half_a_minute_late_find_open_and_ended_connections() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.pcapng");
    let run = |seconds: u64, keep: fn(&[u8]) -> bool, workers: &str| {
        let (bytes, count) = followed_by(seconds, keep);
        fs::write(&path, with_secret_blocks(&bytes, &[(count, keylog().as_bytes())])).unwrap();
        replay(&["--redact", "none", "--workers", workers], &[&path])
    };
    for workers in ["1", "3"] {
        for seconds in [30, 55] {
            assert_decrypted(&run(seconds, |_| true, workers), &format!("ended, {seconds} s, {workers}"));
        }
        // an open connection waits for as long as it is open
        for seconds in [30, 600] {
            let outcome = run(seconds, |record| !closes(record), workers);
            assert_decrypted(&outcome, &format!("open, {seconds} s, {workers}"));
        }
        let too_late = run(70, |_| true, workers);
        assert_eq!(too_late.records("calls"), Vec::<Value>::new());
        let told = too_late.records("connections");
        assert!(!told.is_empty() && told.iter().all(|one| one["reason"] == "no_key"), "{told:?}");
    }
}

#[test]
fn secrets_in_many_blocks_are_as_good_as_in_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocks.pcapng");
    let bytes = fs::read(fixture("tls.pcap")).unwrap();
    let (text, last) = (keylog(), frames(&bytes).len());
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let share = |index: usize| index * last / lines.len();
    for (what, place) in [
        ("each somewhere", &share as &dyn Fn(usize) -> usize),
        ("each somewhere, from the end", &|index| last - share(index)),
        ("all behind", &|_| last),
    ] {
        let mut blocks: Vec<(usize, &[u8])> =
            lines.iter().enumerate().map(|(index, line)| (place(index), line.as_bytes())).collect();
        blocks.sort_by_key(|(at, _)| *at);
        fs::write(&path, with_secret_blocks(&bytes, &blocks)).unwrap();
        for workers in ["1", "2", "5"] {
            let outcome = replay(&["--redact", "none", "--workers", workers], &[&path]);
            assert_decrypted(&outcome, what);
            assert_eq!(count(&outcome, "keylog_lines"), lines.len() as u64);
        }
    }
    // what is wrong in a block is said with its number
    let blocks: [(usize, &[u8]); 2] = [(0, b"# nothing\nnonsense"), (last, text.as_bytes())];
    fs::write(&path, with_secret_blocks(&bytes, &blocks)).unwrap();
    let outcome = replay(&["--redact", "none"], &[&path]);
    assert_decrypted(&outcome, "a broken line");
    let named = "secrets block 1 of the capture: line 2 is no line of a key log";
    assert!(outcome.stderr.contains(named), "{}", outcome.stderr);
}

/// What one end said is not told alone: an answer would stand without what it answers.
#[test]
fn secrets_of_one_end_are_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let bytes = fs::read(fixture("tls.pcap")).unwrap();
    for end in ["CLIENT", "SERVER"] {
        let is_of_end = |line: &&str| line.starts_with(end) && !line.starts_with("CLIENT_RANDOM");
        let some: String = keylog().split_inclusive('\n').filter(is_of_end).collect();
        write_private(&file("keys.log"), &some);
        let log = file("keys.log");
        let first = replay(&["--keylog", log.to_str().unwrap()], &[fixture("tls.pcap")]);
        let blocks = [(frames(&bytes).len(), some.as_bytes())];
        fs::write(file("behind.pcapng"), with_secret_blocks(&bytes, &blocks)).unwrap();
        let behind = replay(&[], &[file("behind.pcapng")]);
        for outcome in [first, behind] {
            assert_eq!(outcome.records("calls"), Vec::<Value>::new());
            let told = outcome.records("connections");
            assert_eq!(told.len(), 3);
            assert!(told.iter().all(|one| one["reason"] == "no_key"), "{told:?}");
        }
    }
}

#[test]
fn broken_lines_are_named_and_counted_and_secrets_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.log");
    let text = keylog();
    let half = &text.lines().next().unwrap()[..120];
    let nonsense = "no key\n".repeat(6);
    let too_long = "A".repeat(100_000);
    write_private(&path, &format!("# keys\r\n{half}\n{too_long}\n\u{1}\u{7f}\n{text}{text}{nonsense}"));
    let outcome = replay(&["--redact", "none", "--keylog", path.to_str().unwrap()], &[fixture("tls.pcap")]);
    assert_decrypted(&outcome, "broken lines");
    let lines = text.lines().count();
    for said in [
        "line 2 is no line of a key log: the secret is not 64 to 96 hex digits".to_owned(),
        "line 3 is no line of a key log: longer than any line of one".to_owned(),
        "line 4 is no line of a key log: not LABEL, client random and secret".to_owned(),
        format!("line {} is no line of a key log: not LABEL, client random and secret", 5 + 2 * lines),
        "5 more lines are none".to_owned(),
    ] {
        let sentence = format!("eaves: {}: {said}\n", path.display());
        assert!(outcome.stderr.contains(&sentence), "{said}: {}", outcome.stderr);
    }
    assert_eq!(outcome.stderr.lines().count(), 5, "{}", outcome.stderr);
    assert_eq!(count(&outcome, "keylog_lines"), (4 + 2 * lines + 6) as u64);
    assert_eq!(count(&outcome, "keylog_lines_broken"), 9);
    // neither what was taken nor what could not be
    let secrets = text.lines().filter_map(|line| line.split(' ').nth(2)).chain([&half[97..]]);
    for secret in secrets {
        let shown = outcome.files.values().map(Vec::as_slice).chain([outcome.stderr.as_bytes()]);
        assert!(shown.map(String::from_utf8_lossy).all(|text| !text.contains(&secret[..20])), "{secret}");
    }
}

#[test]
fn wrong_keys_are_bad_mac_and_never_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.log");
    let turn =
        |line: &str| format!("{}{}\n", &line[..line.len() - 1], if line.ends_with('0') { 1 } else { 0 });
    write_private(&path, &keylog().lines().map(turn).collect::<String>());
    let outcome = replay(&["--redact", "none", "--keylog", path.to_str().unwrap()], &[fixture("tls.pcap")]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_eq!(outcome.records("calls"), Vec::<Value>::new());
    let told = outcome.records("connections");
    assert!(!told.is_empty() && told.iter().all(|one| one["reason"] == "bad_mac"), "{told:?}");
}

#[test]
fn a_replay_reads_files_directories_and_pipes_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let run = |logs: &[PathBuf]| {
        let options = logs.iter().flat_map(|log| ["--keylog", log.to_str().unwrap()]);
        replay(&["--redact", "none"].into_iter().chain(options).collect::<Vec<_>>(), &[fixture("tls.pcap")])
    };
    let text = keylog();
    let (first, second) = text.split_at(text.match_indices('\n').nth(4).unwrap().0 + 1);
    fs::create_dir(file("all")).unwrap();
    write_private(&file("all/1"), first);
    write_private(&file("all/2"), second.trim_end());
    let outcome = run(&[file("all"), file("all/1")]);
    assert_decrypted(&outcome, "a directory");
    assert_eq!((outcome.stderr.as_str(), count(&outcome, "keylog_lines")), ("", text.lines().count() as u64));

    make_pipe(&file("pipe"));
    let (into, second) = (file("pipe"), second.to_owned());
    let writer = thread::spawn(move || {
        OpenOptions::new().write(true).open(into).unwrap().write_all(second.as_bytes()).unwrap();
    });
    assert_decrypted(&run(&[file("pipe"), file("all/1"), file("pipe")]), "a pipe");
    writer.join().unwrap();

    fs::set_permissions(file("all/2"), Permissions::from_mode(0o644)).unwrap();
    let outcome = run(&[file("all")]);
    assert_decrypted(&outcome, "open to others");
    let warned =
        format!("eaves: {}: others can read these secrets (chmod go= helps)\n", file("all/2").display());
    assert_eq!(outcome.stderr, warned);
    let missing = run(&[file("none")]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("none"), "{}", missing.stderr);
}

#[test]
fn a_replay_that_waits_for_the_writer_of_a_pipe_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    make_pipe(&pipe);
    let mut child = eaves()
        .args(["replay", "--no-analysis", "--calls-out", "-", "--keylog"])
        .arg(&pipe)
        .arg(fixture("tls.pcap"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // that the pipe can be opened for writing without waiting says that somebody reads it
    use std::os::unix::fs::OpenOptionsExt;
    let writer = until("a reader of the pipe", || {
        OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&pipe).ok()
    });
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    until("the end", || child.try_wait().unwrap());
    drop(writer);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(said, "eaves: stopped before the key logs and private keys were read\n");
    assert_eq!(done.stdout, b"");
}

//! Live capture on a mirror port made of network namespaces: every frame once, both directions of a connection at one
//! worker, the same as tcpdump has beside it. Needs root; skipped, and said so, where it can't be set up.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod mirror;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use eaves::capture::LinkType;
use eaves::capture::live::{self, Options, ReadError, Socket, Stats};
use mirror::{Mirror, Running, TRAFFIC, has, run, settle, settled};

/// A frame that was read: time in nanoseconds, bytes.
type Seen = (u64, Vec<u8>);

fn options(sockets: usize) -> Options {
    Options { snaplen_bytes: 262_144, ring_bytes: 16 << 20, promiscuous: true, filter: None, sockets }
}

/// Reads all sockets, each in a thread of its own, while `traffic` runs, and until nothing comes any more.
fn read_while(sockets: &mut [Socket], traffic: impl FnOnce()) -> Vec<(Vec<Seen>, Stats)> {
    let stop = AtomicBool::new(false);
    let read_out = |socket: &mut Socket, seen: &mut Vec<Seen>| {
        let mut idle = 0;
        while idle < 3 {
            let round =
                socket.round(|frame| seen.push((frame.time.as_nanos(), frame.bytes.to_vec()))).unwrap();
            assert_eq!(round.newest.is_some(), round.frames > 0);
            idle = if round.frames == 0 && stop.load(Ordering::Relaxed) { idle + 1 } else { 0 };
        }
        socket.stats().unwrap()
    };
    let read = |socket: &mut Socket| {
        let mut seen = Vec::new();
        let mut stats = read_out(socket, &mut seen);
        // A frame of the hosts' own may be counted already and still lie in a block that is not full.
        for _ in 0..20 {
            if stats.received == seen.len() as u64 + stats.dropped {
                break;
            }
            stats = read_out(socket, &mut seen);
        }
        (seen, stats)
    };
    thread::scope(|scope| {
        let readers: Vec<_> = sockets.iter_mut().map(|socket| scope.spawn(|| read(socket))).collect();
        traffic();
        settle();
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    })
}

fn http(mirror: &Mirror, connections: usize, calls: usize) {
    let (connections, calls) = (connections.to_string(), calls.to_string());
    run(mirror.client(&["python3", TRAFFIC, "call", &connections, &calls]));
}

/// The two sockets of a TCP frame without tags, the lower first.
fn flow(frame: &[u8]) -> Option<[(Vec<u8>, u16); 2]> {
    let (addresses, transport) = match frame.get(12..14)? {
        [8, 0] if frame.get(23) == Some(&6) => (26..34, 34),
        [0x86, 0xdd] if frame.get(20) == Some(&6) => (22..54, 54),
        _ => return None,
    };
    let addresses = frame.get(addresses)?;
    let (from, to) = addresses.split_at(addresses.len() / 2);
    let port = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let mut ends = [(from.to_vec(), port(transport)?), (to.to_vec(), port(transport + 2)?)];
    ends.sort();
    Some(ends)
}

/// Neighbour discovery and ARP, which the hosts send when they like: tcpdump began earlier and ended later.
fn is_chatter(frame: &[u8]) -> bool {
    let icmpv6 = frame[12..14] == [0x86, 0xdd] && (frame[20] == 58 || frame[20] == 0 && frame[54] == 58);
    icmpv6 || frame[12..14] == [8, 6]
}

fn frames_of(file: &std::path::Path) -> Vec<Vec<u8>> {
    let mut capture = pcap::Capture::from_file(file).unwrap();
    let mut frames = Vec::new();
    while let Ok(packet) = capture.next_packet() {
        if !is_chatter(packet.data) {
            frames.push(packet.data.to_vec());
        }
    }
    frames.sort();
    frames
}

#[test]
fn every_frame_once_and_both_directions_together() {
    if !has("tcpdump") || !has("python3") {
        return;
    }
    let Some(mirror) = Mirror::up("eva") else { return };
    let server = Running::until(mirror.server(&["python3", TRAFFIC, "serve"]), "ready");
    let folder = tempfile::tempdir().unwrap();
    for workers in [1, 2, 5] {
        let file = folder.path().join(format!("{workers}.pcap"));
        let tcpdump = Running::tcpdump(&mirror.tap, &file);
        let mut sockets = live::open(&mirror.tap, &options(workers)).unwrap();
        assert!(sockets.iter().all(|socket| socket.link() == LinkType(1)));
        let fanout = sockets[0].fanout();
        let read = read_while(&mut sockets, || {
            http(&mirror, 40, 3);
            let words = ["python3", TRAFFIC, "frames", &mirror.behind_tap(), &workers.to_string(), "2000"];
            run(mirror.server(&words));
        });
        settled(&file);
        tcpdump.end();

        let mut flows = BTreeMap::new();
        let mut together = Vec::new();
        for (worker, (seen, stats)) in read.iter().enumerate() {
            assert_eq!(stats.received, seen.len() as u64);
            assert_eq!(stats.dropped, 0);
            assert!(seen.len() > 100, "worker {worker} of {workers} had {} frames", seen.len());
            for (_, bytes) in seen {
                assert_eq!(fanout.owner(LinkType(1), bytes, workers), worker, "{bytes:02x?}");
                if let Some(flow) = flow(bytes).filter(|[a, b]| a.1 == 80 || b.1 == 80) {
                    assert_eq!(*flows.entry(flow).or_insert(worker), worker);
                }
            }
            // Two processors may fill one ring, so neighbours may stand in the wrong order, but not by much.
            let mut newest = 0;
            for (time, _) in seen {
                newest = newest.max(*time);
                assert!(newest - time < 100_000_000);
            }
            together.extend(seen.iter().map(|(_, bytes)| bytes.clone()).filter(|frame| !is_chatter(frame)));
        }
        assert!(flows.len() >= 40);
        assert!(together.len() > 2_000 + 40 * 3 * 2);
        // The kernel stamps a frame once for each socket, so the times differ a little and are not compared.
        together.sort();
        let beside = frames_of(&file);
        assert_eq!(together.len(), beside.len());
        assert!(together == beside, "the same number, but not the same frames");
    }
    server.end();
}

/// A socket gets every frame until it has joined the group: nothing of that may come through.
#[test]
fn a_start_in_full_traffic_brings_no_frame_twice() {
    if !has("python3") {
        return;
    }
    let Some(mirror) = Mirror::up("eve") else { return };
    for seed in ["21", "22", "23"] {
        let words = ["python3", TRAFFIC, "frames", &mirror.behind_tap(), seed, "60000"];
        let traffic = Running::until(mirror.server(&words), "sending");
        let mut sockets = live::open(&mirror.tap, &options(3)).unwrap();
        let fanout = sockets[0].fanout();
        let read = read_while(&mut sockets, || traffic.finish());
        let mut together = Vec::new();
        for (worker, (seen, stats)) in read.iter().enumerate() {
            assert_eq!(stats.received, seen.len() as u64 + stats.dropped);
            assert!(seen.iter().all(|(_, bytes)| fanout.owner(LinkType(1), bytes, 3) == worker));
            together.extend(seen.iter().map(|(_, bytes)| bytes).filter(|frame| !is_chatter(frame)));
        }
        let frames = together.len();
        assert!((1_000..60_000).contains(&frames), "opened in the middle of it: {frames}");
        together.sort();
        together.dedup();
        assert_eq!(together.len(), frames);
    }
}

#[test]
fn the_filter_is_the_kernels() {
    if !has("python3") {
        return;
    }
    let Some(mirror) = Mirror::up("evb") else { return };
    let server = Running::until(mirror.server(&["python3", TRAFFIC, "serve"]), "ready");
    let filter = Some("tcp src port 80 and ip6".to_owned());
    let mut sockets = live::open(&mirror.tap, &Options { filter, ..options(2) }).unwrap();
    let read = read_while(&mut sockets, || http(&mirror, 20, 2));
    let frames: Vec<_> = read.iter().flat_map(|(seen, _)| seen).collect();
    assert!(frames.len() >= 40);
    assert!(frames.iter().all(|(_, bytes)| bytes[12..14] == [0x86, 0xdd] && bytes[54..56] == [0, 80]));
    let received: u64 = read.iter().map(|(_, stats)| stats.received).sum();
    assert_eq!(received, frames.len() as u64);
    server.end();

    let refused = live::open(&mirror.tap, &Options { filter: Some("tcp and and".to_owned()), ..options(2) });
    let sentence = refused.err().unwrap().to_string();
    assert!(
        sentence.starts_with("filter 'tcp and and': ") && sentence.contains("syntax error"),
        "{sentence}"
    );
}

#[test]
fn frames_that_nobody_reads_are_counted() {
    if !has("python3") {
        return;
    }
    let Some(mirror) = Mirror::up("evc") else { return };
    let mut sockets = live::open(&mirror.tap, &Options { ring_bytes: 1 << 20, ..options(1) }).unwrap();
    let count = 30_000;
    run(mirror.server(&["python3", TRAFFIC, "frames", &mirror.behind_tap(), "9", &count.to_string()]));
    settle();
    let read = read_while(&mut sockets, || ());
    let (seen, stats) = &read[0];
    assert!(stats.dropped > 0, "{stats:?}");
    assert!(stats.received >= count);
    assert_eq!(stats.received, seen.len() as u64 + stats.dropped);
}

#[test]
fn down_is_survived_and_removed_is_said() {
    if !has("python3") {
        return;
    }
    let Some(mirror) = Mirror::up("evd") else { return };
    let ip = |words: &[&str]| {
        let mut command = std::process::Command::new("ip");
        command.args(words);
        run(command);
    };
    let frames = || run(mirror.server(&["python3", TRAFFIC, "frames", &mirror.behind_tap(), "9", "50"]));
    let mut sockets = live::open(&mirror.tap, &options(2)).unwrap();
    ip(&["link", "set", &mirror.tap, "down"]);
    settle();
    for socket in &mut sockets {
        let mut rounds = (0..5).map(|_| socket.round(|_| ()).unwrap());
        assert!(rounds.any(|round| round.down));
    }
    assert!(
        live::open(&mirror.tap, &options(1)).err().unwrap().to_string().contains("is down: `ip link set")
    );
    ip(&["link", "set", &mirror.tap, "up"]);
    let fanout = sockets[0].fanout();
    let read = read_while(&mut sockets, frames);
    let owned = |worker: usize, seen: &[Seen]| {
        seen.iter().all(|(_, bytes)| fanout.owner(LinkType(1), bytes, 2) == worker)
    };
    assert!(read.iter().enumerate().all(|(worker, (seen, _))| owned(worker, seen)));
    assert!(read.iter().map(|(seen, _)| seen.len()).sum::<usize>() >= 50);
    assert!(!sockets[0].round(|_| ()).unwrap().down);

    let other = format!("{}r", &mirror.tap[..mirror.tap.len() - 1]);
    ip(&["link", "set", &mirror.tap, "down"]);
    ip(&["link", "set", &mirror.tap, "name", &other]);
    for socket in &mut sockets {
        let error = (0..5).find_map(|_| socket.round(|_| ()).err()).unwrap();
        assert_eq!(
            error.to_string(),
            format!("{}: the interface was renamed to {other} while it was down", mirror.tap)
        );
    }

    ip(&["link", "delete", &other]);
    for socket in &mut sockets {
        let error = (0..5).find_map(|_| socket.round(|_| ()).err()).unwrap();
        assert!(matches!(error, ReadError::Removed { .. }), "{error}");
        assert_eq!(error.to_string(), format!("{}: the interface was removed", mirror.tap));
    }
}

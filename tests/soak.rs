//! Calls of HTTP/2 under loss, against what can be known of them: for random traffic and random damage no record is false, none
//! is missing, and none says less or more than the packets that are left determine.
//!
//! `SOAK_SEEDS` seeds are tried, from `SOAK_FROM` on; `make soak` takes a thousand. Where `SOAK_KEEP` names a folder, the captures
//! and their calls stay there.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

#[path = "soak/doctored.rs"]
mod doctored;
#[path = "soak/faults.rs"]
mod faults;
mod harness;
#[path = "soak/hpack.rs"]
mod hpack;
#[path = "soak/observer.rs"]
mod observer;
#[path = "soak/plan.rs"]
mod plan;
#[path = "soak/tcp.rs"]
mod tcp;
#[path = "soak/traffic.rs"]
mod traffic;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use harness::{eaves, records};
use plan::Plan;
use traffic::Traffic;

/// A minute is for the slowest machine.
const SECONDS_MAX: u32 = 60;
/// More captures with faults are not looked for.
const FAULTY_MAX: usize = 20;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
        Err(_) => default,
    }
}

/// Plays one seed; the faults, each a line.
fn play(plan: &Plan, out: &Path, is_kept: bool) -> Vec<String> {
    let traffic = Traffic::of(plan);
    let (capture, left) = traffic.wire.capture(plan, &mut Rng::with_seed(plan.seed.wrapping_mul(2)));
    let known = observer::known(&traffic.calls, &traffic.said, &left);
    let [input, calls] = ["pcap", "ndjson"].map(|end| out.join(format!("{}.{end}", plan.seed)));
    fs::write(&input, capture).unwrap();
    let program = eaves();
    let mut command = std::process::Command::new("timeout");
    command.arg(SECONDS_MAX.to_string()).arg(program.get_program());
    command.args(["replay", "--redact", "none", "--no-analysis", "--calls-out"]).arg(&calls).arg(&input);
    command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let done = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    // what is lost in the capture is no fault of the sensor; books that do not balance are
    if done.status.code() != Some(0) || !stderr.is_empty() {
        return vec![format!("{}: {stderr}", done.status)];
    }
    let records = records(&fs::read(&calls).unwrap());
    if !is_kept {
        [input, calls].iter().for_each(|file| fs::remove_file(file).unwrap());
    }
    faults::faults(&known, &records).iter().map(ToString::to_string).collect()
}

/// Plays seeds on all cores; of each that has faults, how to play it again, and the faults.
fn play_all(test: &str, seeds: std::ops::Range<u64>) -> Vec<String> {
    let (scratch, kept) = (tempfile::tempdir().unwrap(), std::env::var_os("SOAK_KEEP"));
    // two tests may play one seed at once
    let out = kept.as_deref().map_or(scratch.path().to_owned(), |kept| Path::new(kept).join(test));
    fs::create_dir_all(&out).unwrap();
    let (next, faulty) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || faulty.lock().unwrap().len() >= FAULTY_MAX {
                return;
            }
            let plan = Plan::of(seed);
            let found = play(&plan, &out, kept.is_some());
            if !found.is_empty() {
                let again = format!("SOAK_FROM={seed} SOAK_SEEDS=1 cargo test --test soak");
                faulty.lock().unwrap().push((seed, format!("{again}\n  {plan:?}\n  {}", found.join("\n  "))));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut faulty = faulty.into_inner().unwrap();
    faulty.sort();
    faulty.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn what_can_be_known_is_told_and_no_more() {
    let from = setting("SOAK_FROM", 1);
    let seeds = setting("SOAK_SEEDS", 50);
    let faulty = play_all("seeds", from..from + seeds);
    assert!(faulty.is_empty(), "{} captures of {seeds} have faults:\n{}", faulty.len(), faulty.join("\n"));
}

/// What each of these showed was put right, and is part of no other test that is as near to what a mirror delivers.
#[test]
fn seeds_that_once_went_wrong() {
    let seeds: [(&str, &[u64]); 4] = [
        ("the size of an answer whose head came behind an interim answer and a hole", &[11, 323, 388]),
        ("an acknowledgement before its bytes, from a client that had been silent", &[622]),
        ("padded frames between two holes", &[19, 129, 248, 401, 478, 496]),
        ("a request that was looked for when its answer showed who the client is", &[1611, 3379, 3760]),
    ];
    let play = |what: &str, seed: &u64| {
        let faulty = play_all("once_wrong", *seed..*seed + 1);
        faulty.into_iter().map(|fault| format!("{what}:\n{fault}")).collect::<Vec<_>>()
    };
    let faulty: Vec<String> =
        seeds.iter().flat_map(|(what, seeds)| seeds.iter().flat_map(|seed| play(what, seed))).collect();
    assert!(faulty.is_empty(), "{}", faulty.join("\n"));
}

//! Real clients and servers of many makes, met in a network namespace of the test's own: every record of Eaves is held
//! against what the client itself says that it saw, with the version and the suite of TLS that were agreed on.
//!
//! One tcpdump records all; each combination has a port of its own, and its replay is filtered by it. With a part of a
//! name in `PEERS_ONLY`, those alone are played whose name has it; where something is wrong, the capture stays.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod harness;

#[path = "peers/curl.rs"]
mod curl;
#[path = "peers/foreign.rs"]
mod foreign;
#[path = "peers/hyper.rs"]
mod hyper_peer;
#[path = "peers/lab.rs"]
mod lab;
#[path = "peers/nghttp2.rs"]
mod nghttp2;
#[path = "peers/nginx.rs"]
mod nginx;
#[path = "peers/openssl.rs"]
mod openssl;
#[path = "peers/saw.rs"]
mod saw;
#[path = "peers/tunnel.rs"]
mod tunnel;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use harness::{replay, say};
use lab::{Entered, Lab};
use saw::{Case, Saw};

/// So many combinations are played at a time: most of them wait for a process to start.
const AT_ONCE: usize = 3;

/// All of them, by client and server.
fn cases() -> Vec<Case> {
    [
        nginx::cases(),
        openssl::cases(),
        nghttp2::cases(),
        tunnel::cases(),
        hyper_peer::cases(),
        foreign::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn records_are_what_the_clients_saw() {
    match lab::enter("records_are_what_the_clients_saw") {
        Entered::Outside => {}
        Entered::Inside => play_all(),
    }
}

/// Plays every combination that can be played here, then reads the capture.
fn play_all() {
    let lab = Lab::new();
    let only = std::env::var("PEERS_ONLY").unwrap_or_default();
    let (mut ready, mut skipped) = (Vec::new(), Vec::new());
    for case in cases().into_iter().filter(|case| case.name.contains(&only)) {
        match case.lacks {
            None => ready.push(case),
            Some(lack) => skipped.push((case.name, lack)),
        }
    }
    let run = ready.len();
    assert!(run + skipped.len() > 0, "no combination is named like {only}");
    let played = lab.record(|| each(ready, |case| (case.name.clone(), attempt(|| (case.play)(&lab)))));
    let capture = lab.scratch().join("all.pcap");
    let faults = each(played, |(name, saw)| {
        let faults = match saw {
            Ok(saw) => faults(&capture, saw),
            Err(reason) => vec![format!("could not be played: {reason}")],
        };
        faults.into_iter().map(|fault| format!("{name}: {fault}")).collect::<Vec<_>>()
    });
    let faults = faults.concat();
    report(run, &skipped);
    if !faults.is_empty() {
        lab.keep();
        panic!("{} faults, the capture is {}:\n{}", faults.len(), capture.display(), faults.join("\n"));
    }
}

/// Does the same with each, a few at a time.
fn each<T: Send, R: Send>(all: Vec<T>, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (queue, done) = (Mutex::new(all), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().pop();
                    let Some(one) = next else { break };
                    let result = work(&one);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// A combination that panics does not take the others with it.
fn attempt<R>(play: impl Fn() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(play)).map_err(|payload| match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().copied().unwrap_or("a panic").to_owned(),
    })
}

/// What Eaves tells otherwise than the client.
fn faults(capture: &Path, saw: &Saw) -> Vec<String> {
    let filter = format!("tcp port {}", saw.port);
    let mut options = vec!["--redact", "none", "--filter", &filter];
    if let Some((option, file)) = saw.secrets.option() {
        options.extend([option, file]);
    }
    saw.faults(&replay(&options, &[capture]))
}

fn report(run: usize, skipped: &[(String, String)]) {
    let mut lacks: Vec<_> = skipped.iter().map(|(_, lack)| lack.as_str()).collect();
    lacks.sort_unstable();
    lacks.dedup();
    let names: Vec<_> = skipped.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        say(&format!("peers: SKIPPED: {}", names.join(", ")));
    }
    let why = if lacks.is_empty() { String::new() } else { format!(" ({})", lacks.join(", ")) };
    say(&format!("peers: {} combinations, {run} run, {} skipped{why}", run + skipped.len(), skipped.len()));
}

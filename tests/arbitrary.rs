//! Stored inputs of the fuzz targets, each through the same function of the library as the target calls, and each
//! cut short and changed a little.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::fs;
use std::path::Path;

/// Runs every stored input of a target, its beginnings, and some variants of it.
fn each_input(target: &str, read: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    paths.sort();
    assert!(!paths.is_empty(), "{target}: nothing is stored");
    let mut random = fastrand::Rng::with_seed(1);
    for path in paths {
        let input = fs::read(&path).unwrap();
        read(&input);
        for cut in (0..input.len()).step_by(1 + input.len() / 50) {
            read(&input[..cut]);
        }
        for _ in 0..50 {
            let mut changed = input.clone();
            for _ in 0..random.usize(1..8) {
                if let Some(at) = changed.len().checked_sub(1).map(|last| random.usize(..=last)) {
                    changed[at] = random.u8(..);
                }
            }
            read(&changed);
        }
    }
}

#[test]
fn capture_file() {
    each_input("capture_file", |bytes| {
        let _ = eaves::capture::file::read_arbitrary(bytes);
    });
}

#[test]
fn wire() {
    each_input("wire", |bytes| {
        let balance = eaves::wire::read_arbitrary(bytes).balance();
        assert!(balance.holds(), "{balance:?}");
    });
}

#[test]
fn flow() {
    each_input("flow", |bytes| assert!(eaves::flow::read_arbitrary(bytes).balances()));
}

#[test]
fn tls() {
    each_input("tls", |bytes| {
        let _ = eaves::tls::read_arbitrary(bytes);
    });
}

#[test]
fn h1() {
    each_input("h1", |bytes| {
        let _ = eaves::connection::read_arbitrary(bytes);
    });
}

#[test]
fn hpack() {
    each_input("hpack", |bytes| {
        let _ = eaves::http::h2::hpack::read_arbitrary(bytes);
    });
}

#[test]
fn h2() {
    each_input("h2", |bytes| {
        let _ = eaves::http::h2::read_arbitrary(bytes);
    });
}

#[test]
fn grpc() {
    each_input("grpc", |bytes| {
        let _ = eaves::http::grpc::read_arbitrary(bytes);
    });
}

#[test]
fn websocket() {
    each_input("websocket", |bytes| {
        let _ = eaves::http::websocket::read_arbitrary(bytes);
    });
}

#[test]
fn quic() {
    each_input("quic", |bytes| {
        let _ = eaves::quic::read_arbitrary(bytes);
    });
}

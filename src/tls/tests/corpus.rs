//! Captures of other projects, where they are at hand: the plaintext is what tshark finds.

use std::path::PathBuf;

use super::*;
use sha2::{Digest, Sha256};

fn shared() -> PathBuf {
    std::env::var_os("EAVES_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

fn corpus() -> Option<PathBuf> {
    Some(shared().join("corpus")).filter(|corpus| corpus.join("manifest.json").exists())
}

/// All connections of a capture, with a share of its frames left out.
fn heard(path: &Path, share: f64, seed: u64) -> Vec<Heard> {
    let keys = keys_of(&PathBuf::from(format!("{}.keylog", path.display())));
    let mut listener = Listener { bench: bench(keys, false), ..Listener::default() };
    let random = std::cell::RefCell::new(fastrand::Rng::with_seed(seed));
    // what comes first carries the hellos
    listen(path, &mut listener, |number| number > 12 && random.borrow_mut().f64() < share);
    listener.heard.into_values().flatten().collect()
}

#[test]
fn random_loss_gives_no_wrong_byte_and_reading_goes_on() {
    let mut captures: Vec<PathBuf> = std::fs::read_dir(shared().join("lab"))
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".pcap") && path.to_string_lossy().contains("-tls1"))
        .filter(|path| PathBuf::from(format!("{}.keylog", path.display())).exists())
        .collect();
    captures.sort();
    if captures.is_empty() {
        println!("skipped: there are no captures");
    }
    let (mut told_of_all, mut bytes_of_all) = (0, 0);
    for path in captures {
        let whole = heard(&path, 0.0, 0);
        let all: usize = whole.iter().flat_map(|one| &one.said).map(|said| said.bytes.len()).sum();
        let mut told = 0;
        for seed in 0..5 {
            for part in heard(&path, 0.03, seed).iter().flat_map(|one| &one.said) {
                told += part.bytes.len();
                let found = part.bytes.is_empty()
                    || whole
                        .iter()
                        .flat_map(|one| &one.said)
                        .any(|said| captures::is_part(part, &said.bytes));
                assert!(found, "{} seed {seed}", path.display());
            }
        }
        let share = 100 * told / (5 * all.max(1));
        println!("{}: {share} % of {all} bytes", path.display());
        assert!(all > 0, "{}: nothing is told without loss", path.display());
        // three frames in a hundred are lost: a record that lost one is lost whole, and a connection that lost a hello
        assert!(share >= 25, "{}: only {share} % of {all} bytes are told", path.display());
        (told_of_all, bytes_of_all) = (told_of_all + told, bytes_of_all + 5 * all);
    }
    assert!(10 * told_of_all >= 6 * bytes_of_all, "only {told_of_all} of {bytes_of_all} bytes are told");
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn plaintext_is_what_others_find() {
    let Some(corpus) = corpus() else {
        println!("skipped: there is no corpus");
        return;
    };
    let mut names: Vec<PathBuf> = std::fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".truth.json"))
        .collect();
    names.sort();
    let (mut equal, mut wrong) = (0, Vec::new());
    for truth in names {
        let name = truth.file_name().unwrap().to_string_lossy().replace(".truth.json", "");
        let truth: serde_json::Value = serde_json::from_slice(&std::fs::read(&truth).unwrap()).unwrap();
        let streams = truth["tls_streams"].as_array().cloned().unwrap_or_default();
        if !streams.iter().any(|stream| stream["decrypted"] == true) {
            continue;
        }
        let keys = keys_of(&corpus.join(format!("{name}.keylog")));
        let mut listener = Listener { bench: bench(keys, true), ..Listener::default() };
        listen(&corpus.join(&name), &mut listener, |_| false);
        let said: Vec<(String, usize, String)> = listener
            .heard
            .iter()
            .flat_map(|((up, down), all)| {
                all.iter().flat_map(move |heard| {
                    [up, down]
                        .into_iter()
                        .zip(&heard.said)
                        .map(|(from, said)| (from.to_string(), said.bytes.len(), digest(&said.bytes)))
                })
            })
            .collect();
        // RC4, DES, 3DES, Camellia, ARIA and other suites are told as what they are
        let is_read = |stream: &&serde_json::Value| {
            let number = stream["cipher"].as_str().and_then(|text| text.strip_prefix("0x"));
            let number = number.and_then(|digits| u16::from_str_radix(digits, 16).ok());
            stream["decrypted"] == true && number.and_then(Suite::of).is_some()
        };
        for stream in streams.iter().filter(is_read) {
            for side in stream["plaintext"].as_array().into_iter().flatten() {
                let from = side["from"].as_str().unwrap_or_default();
                let bytes = side["bytes"].as_u64().unwrap_or_default();
                let sha = side["sha256"].as_str().unwrap_or_default();
                if bytes == 0 || said.iter().any(|(_, _, digest)| digest == sha) {
                    equal += 1;
                    continue;
                }
                let ours: Vec<_> = said.iter().filter(|one| one.0 == from).map(|one| one.1).collect();
                let why: Vec<_> = listener
                    .heard
                    .iter()
                    .filter(|((up, down), _)| from == up.to_string() || from == down.to_string())
                    .flat_map(|(_, all)| {
                        all.iter().map(|heard| (heard.reason, heard.session.version.clone()))
                    })
                    .collect();
                wrong.push(format!(
                    "{name} {} {} from {from}: {bytes} bytes, ours {ours:?} {why:?}",
                    stream["version"], stream["cipher"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{equal} equal, {} not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(equal > 100, "only {equal} streams");
}

//! Real captures, where they are at hand: as many frames as the corpus says, and the same in pieces.

use std::path::{Path, PathBuf};

use crate::capture::file::{Files, Options};

/// Captures of which the corpus, whose counts are tshark's, does not know the frames: why, and how many there are.
const EXCEPTIONS: [(&str, u64); 1] = [
    // tshark does not know link type 281 and reads nothing; libpcap reads 15 packets.
    ("libpcap__filter_brcm-tag.pcap", 15),
];

/// The folder with the corpus, if it is there.
fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("EAVES_SHARED").map_or_else(beside, PathBuf::from);
    Some(shared.join("corpus")).filter(|folder| folder.join("manifest.json").is_file())
}

#[test]
fn real_captures_have_as_many_frames_as_the_corpus_says() {
    let Some(folder) = corpus() else {
        println!("skipped: no corpus here; EAVES_SHARED names the folder around it");
        return;
    };
    let text = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let captures = manifest.as_array().unwrap();
    for capture in captures {
        let name = capture["file"].as_str().unwrap();
        let exception = EXCEPTIONS.iter().find(|(file, _)| *file == name);
        let expected = exception.map_or_else(|| capture["frames"].as_u64().unwrap(), |(_, frames)| *frames);
        let mut files = Files::open(&[folder.join(name)], &Options::default()).unwrap();
        while files.next().is_some() {}
        assert_eq!(files.counters.frames, expected, "{name}: {:?}", files.problems());
    }
    assert!(captures.len() > 400);
}

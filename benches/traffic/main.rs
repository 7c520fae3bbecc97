//! Writes a capture to measure the whole program with. BENCHMARKS.md says how.
//!
//! ```text
//! cargo run --release --example traffic -- calls 200000 calls.pcap
//! cargo run --release --example traffic -- calls-h2 200000 calls-h2.pcap
//! cargo run --release --example traffic -- noise 1000000000 noise.pcap
//! ```

mod made;

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: traffic calls|calls-h2 COUNT FILE | traffic noise BYTES FILE";

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [kind, size, path] = words.as_slice() else { return refuse(USAGE) };
    let Ok(size) = size.parse::<u64>() else { return refuse(USAGE) };
    let write: fn(&mut dyn Write, u64) -> Result<()> = match kind.as_str() {
        "calls" => made::calls,
        "calls-h2" => made::calls_h2,
        "noise" => made::noise,
        _ => return refuse(USAGE),
    };
    let written = File::create(path).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        write(&mut file, size)?;
        file.flush()
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&format!("{path}: {error}")),
    }
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}

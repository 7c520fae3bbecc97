//! Writes a capture to measure the whole program with. BENCHMARKS.md says how.
//!
//! ```text
//! cargo run --release --example traffic -- calls 200000 calls.pcap
//! cargo run --release --example traffic -- calls-h2 200000 calls-h2.pcap
//! cargo run --release --example traffic -- idle 10000 idle.pcap        and its key log, idle.pcap.keylog
//! cargo run --release --example traffic -- noise 1000000000 noise.pcap
//! ```

mod made;

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: traffic calls|calls-h2|idle COUNT FILE | traffic noise BYTES FILE";

/// Calls of a connection before it is idle.
const IDLE_CALLS: u64 = 10;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [kind, size, path] = words.as_slice() else { return refuse(USAGE) };
    let Ok(size) = size.parse::<u64>() else { return refuse(USAGE) };
    match write(kind, size, path) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => refuse(USAGE),
        Err(error) => refuse(&format!("{path}: {error}")),
    }
}

/// Returns whether there is such a kind.
fn write(kind: &str, size: u64, path: &str) -> Result<bool> {
    let make: fn(&mut dyn Write, u64, &str) -> Result<()> = match kind {
        "calls" => |file, size, _| made::calls(file, size),
        "calls-h2" => |file, size, _| made::calls_h2(file, size),
        "idle" => |file, size, path| {
            let key_log = made::idle(file, size, IDLE_CALLS)?;
            std::fs::write(format!("{path}.keylog"), key_log)
        },
        "noise" => |file, size, _| made::noise(file, size),
        _ => return Ok(false),
    };
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    make(&mut file, size, path)?;
    file.flush()?;
    Ok(true)
}

fn refuse(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}

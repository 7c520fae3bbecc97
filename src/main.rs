//! The binary: what was typed → what is meant → what happened.

use std::process::ExitCode;

fn main() -> ExitCode {
    match eaves::config::resolve(eaves::cli::Typed::parse()) {
        Ok(task) => eaves::sensor::run(&task),
        Err(error) => {
            eprintln!("eaves: {error}");
            ExitCode::from(2)
        }
    }
}

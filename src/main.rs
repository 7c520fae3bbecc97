//! The binary: what was typed → what is meant → what happened.

use std::process::ExitCode;

use clap::Parser as _;
use eaves::cli::Typed;

fn main() -> ExitCode {
    match eaves::config::resolve(Typed::parse().command) {
        Ok(task) => eaves::sensor::run(&task),
        Err(error) => {
            eprintln!("eaves: {error}");
            ExitCode::from(2)
        }
    }
}

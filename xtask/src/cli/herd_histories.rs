//! `cargo xtask herd-histories`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::{process, step};

const HELP: &str = "\
Plays random histories against herd's state machine: commands of operators, starts
that fail, exits, time-outs, clients of sockets, reloads of changed definitions, clocks
that are set, shut-downs, and deaths of herd itself. After every step there may be one
instance of a service at most, and nothing may be started, signalled or cleaned up that
is not there. `cargo test -p herd` does 256 of them.

Usage: cargo xtask herd-histories [OPTIONS]

  --runs N   so many histories, of up to 120 steps each (100000)
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut runs: u32 = 100_000;
    while let Some(arg) = args.next()? {
        match arg {
            Long("runs") => runs = args.value()?.parse()?,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    step::timed(&format!("Playing {runs} histories, two ways"), || {
        let mut cargo = process::tool("cargo")?;
        cargo.args(["test", "-q", "--profile", "fuzz", "-p", "herd", "--lib"]);
        cargo.args(["machine::properties", "--", "--nocapture"]);
        cargo.env("PROPTEST_CASES", runs.to_string());
        process::run(&mut cargo)
    })?;
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask fuzz-ssh`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::process::tool;
use xtask::{paths, step};

const HELP: &str = "\
Talks to the SSH engine on this host in dialogues that go wrong: messages that
clients send, changed by a generator. The same seed is the same dialogue.

Usage: cargo xtask fuzz-ssh [OPTIONS]

  --runs N   so many dialogues (1000000)
  --seed S   beginning with this one (0)
  --jobs N   so many at once (2)
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut runs, mut seed, mut jobs) = (1_000_000_u64, 0_u64, 2_u64);
    while let Some(arg) = args.next()? {
        match arg {
            Long("runs") => runs = args.value()?.parse()?,
            Long("seed") => seed = args.value()?.parse()?,
            Long("jobs") => jobs = args.value()?.parse()?,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    step::step(&format!("{runs} dialogues from seed {seed}"));
    let mut cargo = tool("cargo")?;
    cargo.args(["run", "-q", "--profile", "fuzz", "-p", "paddock-ssh"]);
    cargo.args(["--features", "fuzzing", "--example", "fuzz", "--"]);
    cargo.args([runs, seed, jobs].map(|number| number.to_string()));
    match cargo.current_dir(paths::workspace()).status()?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("a dialogue went wrong; its seed is above"),
    }
}

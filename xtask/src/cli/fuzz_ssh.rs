//! `cargo xtask fuzz-ssh`.

use super::dialogues::{self, Dialogues};
use anyhow::Result;
use std::process::ExitCode;
use xtask::process::tool;

const HELP: &str = "\
Talks to the SSH engine on this host in dialogues that go wrong: messages that
clients send, changed by a generator. The same seed is the same dialogue.

Usage: cargo xtask fuzz-ssh [OPTIONS]

  --runs N   so many dialogues (1000000)
  --seed S   beginning with this one (0)
  --jobs N   so many at once (2)
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let defaults = Dialogues {
        runs: 1_000_000,
        seed: 0,
        jobs: 2,
    };
    let Some(Dialogues { runs, seed, jobs }) = defaults.parse(args)? else {
        return super::help(HELP);
    };
    let mut cargo = tool("cargo")?;
    cargo.args(["run", "-q", "--profile", "fuzz", "-p", "paddock-ssh"]);
    cargo.args(["--features", "fuzzing", "--example", "fuzz", "--"]);
    cargo.args([runs, seed, jobs].map(|number| number.to_string()));
    dialogues::run(cargo)
}

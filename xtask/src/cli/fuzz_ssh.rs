//! `cargo xtask fuzz-ssh`.

use super::dialogues::{self, Dialogues};
use super::guided::Guided;
use anyhow::Result;
use std::process::ExitCode;
use xtask::paths;
use xtask::process::{run, tool};

const HELP: &str = "\
Talks to the SSH engine on this host in dialogues that go wrong: messages that
clients send, changed by a generator. The same seed is the same dialogue.

With `--coverage` libFuzzer makes them, guided by what of the engine they reach,
until it was so many; those that reached something new are kept in
target/paddock/fuzz-ssh, and one that goes wrong is written there.

Usage: cargo xtask fuzz-ssh [OPTIONS]

  --runs N     so many dialogues (1000000)
  --seed S     beginning with this one (0)
  --jobs N     so many at once (2)
  --coverage   made by libFuzzer (which is built first)
";

/// Dialogues to begin with.
const FIRST: u64 = 2_000;

const GUIDED: Guided = Guided {
    package: "crates/ssh/fuzz",
    program: "dialogue",
    corpus: "fuzz-ssh",
    longest: 16 << 10,
};

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let defaults = Dialogues {
        runs: 1_000_000,
        seed: 0,
        jobs: 2,
        coverage: false,
    };
    let Some(Dialogues {
        runs,
        seed,
        jobs,
        coverage,
    }) = defaults.parse(args)?
    else {
        return super::help(HELP);
    };
    if coverage {
        return guided(runs, seed, jobs);
    }
    let mut cargo = tool("cargo")?;
    cargo.args(["run", "-q", "--profile", "fuzz", "-p", "paddock-ssh"]);
    cargo.args(["--features", "fuzzing", "--example", "fuzz", "--"]);
    cargo.args([runs, seed, jobs].map(|number| number.to_string()));
    dialogues::run(cargo)
}

fn guided(runs: u64, seed: u64, jobs: u64) -> Result<ExitCode> {
    let mut cargo = tool("cargo")?;
    cargo.args(["run", "-q", "--profile", "fuzz", "-p", "paddock-ssh"]);
    cargo.args(["--features", "fuzzing", "--example", "inputs", "--"]);
    cargo
        .arg(GUIDED.corpus())
        .args([seed, FIRST].map(|number| number.to_string()));
    run(cargo.current_dir(paths::workspace()))?;
    GUIDED.run(runs, seed, jobs)
}

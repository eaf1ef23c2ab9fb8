//! `cargo xtask fuzz-inet`.

use super::dialogues::{self, Dialogues};
use super::guided::Guided;
use anyhow::Result;
use std::process::ExitCode;
use xtask::process::tool;

const HELP: &str = "\
Sends the stack of programs' sockets on this host frames that nobody should
send: those of connections, datagrams and neighbours, changed by a generator. The
same seed is the same dialogue.

With `--coverage` libFuzzer makes the dialogues, of up to some hundred frames each,
guided by what of the stack they reach; those that reached something new are kept in
target/paddock/fuzz-inet, and one that goes wrong is written there.

Usage: cargo xtask fuzz-inet [OPTIONS]

  --runs N     so many dialogues, of about 900 frames each (100000)
  --seed S     beginning with this one (1)
  --jobs N     so many at once (2)
  --coverage   made by libFuzzer (which is built first)
";

const GUIDED: Guided = Guided {
    package: "crates/inet/fuzz",
    program: "frames",
    corpus: "fuzz-inet",
    longest: 1 << 10,
};

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let defaults = Dialogues {
        runs: 100_000,
        seed: 1,
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
        return GUIDED.run(runs, seed, jobs);
    }
    let mut cargo = tool("cargo")?;
    cargo.args(["test", "-q", "--profile", "fuzz", "-p", "paddock-inet"]);
    cargo.args(["--test", "fuzz", "--", "--nocapture"]);
    let all = [("", runs), ("_FIRST", seed), ("_JOBS", jobs)];
    cargo.envs(all.map(|(name, number)| (format!("INET_FUZZ{name}"), number.to_string())));
    dialogues::run(cargo)
}

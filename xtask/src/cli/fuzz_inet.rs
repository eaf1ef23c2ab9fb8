//! `cargo xtask fuzz-inet`.

use super::dialogues::{self, Dialogues};
use anyhow::Result;
use std::process::ExitCode;
use xtask::process::tool;

const HELP: &str = "\
Sends the stack of programs' sockets on this host frames that nobody should
send: those of connections, datagrams and neighbours, changed by a generator. The
same seed is the same dialogue.

Usage: cargo xtask fuzz-inet [OPTIONS]

  --runs N   so many dialogues, of about 900 frames each (100000)
  --seed S   beginning with this one (1)
  --jobs N   so many at once (2)
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let defaults = Dialogues {
        runs: 100_000,
        seed: 1,
        jobs: 2,
        coverage: None,
    };
    let Some(Dialogues {
        runs, seed, jobs, ..
    }) = defaults.parse(args)?
    else {
        return super::help(HELP);
    };
    let mut cargo = tool("cargo")?;
    cargo.args(["test", "-q", "--profile", "fuzz", "-p", "paddock-inet"]);
    cargo.args(["--test", "fuzz", "--", "--nocapture"]);
    let all = [("", runs), ("_FIRST", seed), ("_JOBS", jobs)];
    cargo.envs(all.map(|(name, number)| (format!("INET_FUZZ{name}"), number.to_string())));
    dialogues::run(cargo)
}

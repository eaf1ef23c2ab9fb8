//! `cargo xtask fuzz-inet`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::process::tool;
use xtask::{paths, step};

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
    let (mut runs, mut seed, mut jobs) = (100_000_u64, 1_u64, 2_u64);
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
    cargo.args(["test", "-q", "--profile", "fuzz", "-p", "paddock-inet"]);
    cargo.args(["--test", "fuzz", "--", "--nocapture"]);
    let all = [("", runs), ("_FIRST", seed), ("_JOBS", jobs)];
    cargo.envs(all.map(|(name, number)| (format!("INET_FUZZ{name}"), number.to_string())));
    match cargo.current_dir(paths::workspace()).status()?.success() {
        true => Ok(ExitCode::SUCCESS),
        false => bail!("a dialogue went wrong; its seed is above"),
    }
}

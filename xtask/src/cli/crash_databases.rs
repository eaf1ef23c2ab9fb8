//! `cargo xtask crash-databases`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::crash_databases::{self, Plan};

const HELP: &str = "\
Has Debian's databases make transactions on a machine whose disk is recorded by QEMU:
sqlite3 with a log written ahead and with journals that are deleted, cut and kept, redis
with an append-only file that is written anew, LMDB, LevelDB. The power goes after any
request: what came after the last flush is there or not, sector by sector. Each disk is
mended by e2fsck, which must find nothing but a log to replay, and each database read
here: all that was acknowledged must be there. A disk that ignores flushes must be found
out.

Usage: cargo xtask crash-databases [OPTIONS]

  --cuts N          power cuts (200)
  --transactions N  of each database (60)
  --seed S          what the cuts are chosen by (1)
  --no-build        with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut plan = Plan {
        transactions: 60,
        cuts: 200,
        seed: 1,
    };
    let mut build = true;
    while let Some(arg) = args.next()? {
        match arg {
            Long("cuts") => plan.cuts = args.value()?.parse()?,
            Long("transactions") => plan.transactions = args.value()?.parse()?,
            Long("seed") => plan.seed = args.value()?.parse()?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    let outcome = crash_databases::run(&plan)?;
    println!(
        "{} requests, {} of them flushes; {} transactions acknowledged",
        outcome.events, outcome.flushes, outcome.acknowledged
    );
    println!(
        "{} power cuts, {} databases read, nothing lost",
        outcome.cuts, outcome.databases
    );
    let (runs, found_out) = outcome.control;
    println!("a disk that ignores flushes: found out {found_out} times of {runs}");
    Ok(ExitCode::SUCCESS)
}

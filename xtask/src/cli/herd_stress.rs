//! `cargo xtask herd-stress`.

use anyhow::Result;
use std::process::ExitCode;
use xtask::{process, step};

const HELP: &str = "\
Does to herd, on this host, what goes wrong all at once, more of it than every build
does: 10,000 orphans, 200 crash loops for 20 s with commands answered within a second,
log disks that are full, read-only or gone, and 100 deaths of herd in every phase. As
root, so that disks can be had.

Usage: cargo xtask herd-stress
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    if args.next()?.is_some() {
        return super::help(HELP);
    }
    step::timed("One after the other", || {
        let mut cargo = process::tool("cargo")?;
        cargo.args(["test", "--release", "-p", "herd", "--test", "stress", "--"]);
        cargo.args(["--test-threads", "1"]);
        process::run(cargo.env("HERD_STRESS", "1"))
    })?;
    Ok(ExitCode::SUCCESS)
}

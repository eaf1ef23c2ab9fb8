//! `cargo xtask contracts`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::contracts::{self, Case};
use xtask::step;

const HELP: &str = "\
Runs every case of paddock-test, each line of which is a contract of Linux's: a call
or a rule, and what a program sees of it. With `--linux` Debian's kernel for arm64 is
fetched and runs the same program in the same QEMU, and both must say the same.

Usage: cargo xtask contracts [--linux] [--no-build]

  --linux     on both kernels, and compares
  --no-build  with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut linux, mut build) = (false, true);
    while let Some(arg) = args.next()? {
        match arg {
            Long("linux") => linux = true,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    step::step("Running the cases on Paddock");
    let here = contracts::on_paddock()?;
    let failed = failures(&here);
    println!("Paddock: {}", counted(&here));
    failed.iter().for_each(|line| println!("  {line}"));
    if !linux {
        return Ok(status(failed.is_empty()));
    }
    let there = contracts::on_linux()?;
    println!("Linux: {}", counted(&there));
    failures(&there)
        .iter()
        .for_each(|line| println!("  {line}"));
    let different = contracts::differences(&here, &there);
    println!("{} are not the same", different.len());
    different.iter().for_each(|line| println!("  {line}"));
    Ok(status(failed.is_empty() && different.is_empty()))
}

fn counted(cases: &[Case]) -> String {
    let contracts: usize = cases.iter().map(|case| case.contracts.len()).sum();
    format!("{contracts} contracts in {} cases", cases.len())
}

fn failures(cases: &[Case]) -> Vec<String> {
    let of = |case: &Case| {
        let failed = case
            .contracts
            .iter()
            .filter(|line| line.starts_with("FAIL"));
        failed
            .map(|line| format!("{}: {line}", case.name))
            .collect::<Vec<_>>()
    };
    cases.iter().flat_map(of).collect()
}

fn status(good: bool) -> ExitCode {
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

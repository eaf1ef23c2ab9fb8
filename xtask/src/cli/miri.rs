//! `cargo xtask miri`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::{Command, ExitCode};
use std::time::Duration;
use xtask::{paths, process, step};

const HELP: &str = "\
Runs tests of the libraries under Miri, which interprets them and finds what the
compiler's rules forbid: pointers to what is gone, races, values that no type
has. Slow: some minutes. It needs a nightly compiler with Miri:

  rustup toolchain install nightly --component miri,rust-src

Usage: cargo xtask miri [PACKAGE]...

  PACKAGE   paddock-sync, for one; without any, those with unsafe code and the
            scheduler
";

/// What has unsafe code, or states that several CPUs change at once.
const PACKAGES: &[&str] = &["paddock-sync", "paddock-sched", "paddock-mem"];

/// Tests read the host's clock; contexts are kept as addresses in atomics, and
/// the wakers of threads that have ended are never freed on the host.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-permissive-provenance -Zmiri-ignore-leaks";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut packages = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Value(name) => packages.push(name.string()?),
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    if packages.is_empty() {
        packages.extend(PACKAGES.iter().map(|name| (*name).to_owned()));
    }
    let mut probe = cargo_miri();
    if !process::succeeds_within(probe.arg("--version"), Duration::from_secs(60)) {
        bail!(
            "there is no nightly compiler with Miri; `cargo xtask miri --help` says how to get it"
        );
    }
    for package in packages {
        step::step(&format!("Interpreting the tests of {package}"));
        let mut tests = cargo_miri();
        tests.args(["test", "--lib", "--no-fail-fast", "--package", &package]);
        tests.env("MIRIFLAGS", FLAGS);
        // Few cases of each property: each takes a thousand times as long.
        tests.env("PROPTEST_CASES", "3");
        process::run(&mut tests)?;
    }
    step::step("Nothing that is forbidden was done");
    Ok(ExitCode::SUCCESS)
}

fn cargo_miri() -> Command {
    let mut cargo = Command::new("cargo");
    // Set by the cargo that has started this tool: its compiler, not that one.
    for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTC_WRAPPER"] {
        cargo.env_remove(variable);
    }
    cargo.args(["+nightly", "miri"]);
    cargo.env("CARGO_TARGET_DIR", paths::workspace().join("target/miri"));
    cargo.current_dir(paths::workspace());
    cargo
}

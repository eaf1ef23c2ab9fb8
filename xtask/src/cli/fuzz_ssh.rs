//! `cargo xtask fuzz-ssh`.

use super::dialogues::{self, Dialogues};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::process::{run, tool};
use xtask::{paths, step, toolchain};

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

/// What rustc is told, so that libFuzzer learns where a run has been.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1 --cfg fuzzing";

/// Dialogues to begin with.
const FIRST: u64 = 2_000;

/// The longest input, in bytes.
const LONGEST: u64 = 16 << 10;

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let defaults = Dialogues {
        runs: 1_000_000,
        seed: 0,
        jobs: 2,
        coverage: Some(false),
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
    if coverage == Some(true) {
        return guided(runs, seed, jobs);
    }
    let mut cargo = tool("cargo")?;
    cargo.args(["run", "-q", "--profile", "fuzz", "-p", "paddock-ssh"]);
    cargo.args(["--features", "fuzzing", "--example", "fuzz", "--"]);
    cargo.args([runs, seed, jobs].map(|number| number.to_string()));
    dialogues::run(cargo)
}

/// Where libFuzzer keeps what it has found.
fn corpus() -> PathBuf {
    paths::out().join("fuzz-ssh")
}

fn guided(runs: u64, seed: u64, jobs: u64) -> Result<ExitCode> {
    let corpus = corpus();
    let mut cargo = tool("cargo")?;
    cargo.args(["run", "-q", "--profile", "fuzz", "-p", "paddock-ssh"]);
    cargo.args(["--features", "fuzzing", "--example", "inputs", "--"]);
    cargo
        .arg(&corpus)
        .args([seed, FIRST].map(|number| number.to_string()));
    run(cargo.current_dir(paths::workspace()))?;
    step::step("Building the engine with coverage");
    let mut cargo = tool("cargo")?;
    cargo.args(["build", "-q", "--release", "--locked", "--manifest-path"]);
    cargo.arg(paths::workspace().join("crates/ssh/fuzz/Cargo.toml"));
    // Named, so that the flags are not for build scripts and macros too.
    let host = toolchain::host()?;
    cargo.args(["--target", &host]);
    let target = paths::out().join("coverage");
    cargo
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", COVERAGE);
    run(&mut cargo)?;
    step::step(&format!("{runs} dialogues from {}", corpus.display()));
    let program = target.join(&host).join("release/dialogue");
    let each = runs.div_ceil(jobs.max(1));
    let mut children = Vec::new();
    for job in 0..jobs.max(1) {
        let mut fuzzer = std::process::Command::new(&program);
        fuzzer.arg(&corpus).arg(format!("-runs={each}"));
        fuzzer.arg(format!("-seed={}", seed + job + 1));
        fuzzer.arg(format!("-max_len={LONGEST}"));
        fuzzer.arg(format!("-artifact_prefix={}/wrong-", corpus.display()));
        // What the others find is read again; the last lines have the figures.
        fuzzer.args(["-reload=1", "-print_final_stats=1", "-verbosity=1"]);
        children.push(fuzzer.spawn()?);
    }
    let mut good = true;
    for mut child in children {
        good &= child.wait()?.success();
    }
    anyhow::ensure!(good, "a dialogue went wrong; it is in {}", corpus.display());
    Ok(ExitCode::SUCCESS)
}

//! Fuzzing that is guided by coverage: libFuzzer, built for this host.

use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use xtask::process::{run, tool};
use xtask::{paths, step, toolchain};

/// What rustc is told, so that libFuzzer learns where a run has been.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1 --cfg fuzzing";

/// What is fuzzed.
pub struct Guided {
    /// The crate of the fuzzer, below the workspace.
    pub package: &'static str,
    /// Its program.
    pub program: &'static str,
    /// Where the inputs are kept that reached something new, below target/paddock.
    pub corpus: &'static str,
    /// The longest input, in bytes.
    pub longest: u64,
}

impl Guided {
    /// Where libFuzzer keeps what it has found.
    pub fn corpus(&self) -> PathBuf {
        paths::out().join(self.corpus)
    }

    /// Builds it and makes `runs` inputs, by so many `jobs` at once.
    ///
    /// # Errors
    /// An input that went wrong.
    pub fn run(&self, runs: u64, seed: u64, jobs: u64) -> Result<ExitCode> {
        let corpus = self.corpus();
        std::fs::create_dir_all(&corpus)?;
        let program = self.build()?;
        step::step(&format!("{runs} inputs from {}", corpus.display()));
        let jobs = jobs.max(1);
        let mut children = Vec::new();
        for job in 0..jobs {
            let mut fuzzer = Command::new(&program);
            fuzzer.arg(&corpus);
            fuzzer.arg(format!("-runs={}", runs.div_ceil(jobs)));
            fuzzer.arg(format!("-seed={}", seed + job + 1));
            fuzzer.arg(format!("-max_len={}", self.longest));
            fuzzer.arg(format!("-artifact_prefix={}/wrong-", corpus.display()));
            // What the others find is read again; the last lines have the figures.
            fuzzer.args(["-reload=1", "-print_final_stats=1", "-verbosity=1"]);
            // Long ones from the beginning: what comes first makes what follows matter.
            fuzzer.arg("-len_control=0");
            children.push(fuzzer.spawn()?);
        }
        let mut good = true;
        for mut child in children {
            good &= child.wait()?.success();
        }
        ensure!(good, "an input went wrong; it is in {}", corpus.display());
        Ok(ExitCode::SUCCESS)
    }

    fn build(&self) -> Result<PathBuf> {
        step::step("Building the fuzzer with coverage");
        let mut cargo = tool("cargo")?;
        cargo.args(["build", "-q", "--release", "--locked", "--manifest-path"]);
        cargo.arg(paths::workspace().join(self.package).join("Cargo.toml"));
        // Named, so that the flags are not for build scripts and macros too.
        let host = toolchain::host()?;
        cargo.args(["--target", &host]);
        let target = paths::out().join("coverage");
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", COVERAGE);
        run(&mut cargo)?;
        Ok(target.join(&host).join("release").join(self.program))
    }
}

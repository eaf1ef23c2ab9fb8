//! `cargo xtask check`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::{Command, ExitCode};
use xtask::toolchain::{Toolchain, host_cargo};
use xtask::{paths, process, setup, step};

const HELP: &str = "\
Checks formatting, and lints: what runs on the host with the host's compiler,
the kernel for its own target.

Usage: cargo xtask check
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    if let Some(arg) = args.next()? {
        return match arg {
            Long("help") | Short('h') => super::help(HELP),
            other => Err(other.unexpected().into()),
        };
    }
    let mut failed = 0;
    for check in all()? {
        if let Err(error) = check.run() {
            eprintln!("{error:#}");
            failed += 1;
        }
    }
    match failed {
        0 => step::step("All checks passed"),
        count => step::step(&format!("{count} checks failed")),
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// One check of the sources.
pub struct Check {
    name: &'static str,
    command: Command,
}

impl Check {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it. The program run explains a failure on the terminal.
    pub fn run(mut self) -> Result<()> {
        step::step(&format!("Checking {}", self.name));
        process::run(&mut self.command)
    }
}

/// All checks that this machine has the tools for; says which it has not.
pub fn all() -> Result<Vec<Check>> {
    let toolchain = setup::ensure()?;
    let mut checks = Vec::new();
    let mut format = host_cargo();
    format.args(["fmt", "--all", "--check"]);
    add(&mut checks, "the formatting", "rustfmt", format);
    let mut host = host_cargo();
    host.args([
        "clippy",
        "--workspace",
        "--exclude",
        "paddock-kernel",
        "--all-targets",
    ]);
    host.args(["--", "-Dwarnings"]);
    add(&mut checks, "lints on the host", "cargo-clippy", host);
    add(
        &mut checks,
        "lints of the kernel",
        "cargo-clippy",
        kernel(toolchain, &[])?,
    );
    add(
        &mut checks,
        "lints of the kernels for tests",
        "cargo-clippy",
        kernel(toolchain, &["--features", "test-kernel,fuzz-sched"])?,
    );
    Ok(checks)
}

fn kernel(toolchain: Toolchain, features: &[&str]) -> Result<Command> {
    if toolchain == Toolchain::Debian {
        setup::ensure_clippy()?;
    }
    let mut cargo = toolchain.clippy_for_kernel();
    cargo.args(["--package", "paddock-kernel"]).args(features);
    if toolchain == Toolchain::Rustup {
        cargo.args(["--", "-Dwarnings"]);
    }
    Ok(cargo)
}

fn add(checks: &mut Vec<Check>, name: &'static str, tool: &str, mut command: Command) {
    if process::find(tool).is_none() {
        step::warn(&format!(
            "{name}: not checked, for there is no {tool}; `rustup component add` gets it"
        ));
        return;
    }
    command.current_dir(paths::workspace());
    checks.push(Check { name, command });
}

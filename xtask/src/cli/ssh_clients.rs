//! `cargo xtask ssh-clients`.

use anyhow::{Context, Result};
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::machine::machine;
use xtask::process::{run, tool};
use xtask::qemu::cpus;
use xtask::{keys, paths, step};

const HELP: &str = "\
Boots a machine and has clients talk to its SSH server that are not OpenSSH's:
logins, commands and their ends, signals, terminals, channels, 64 MiB each way
with new keys, connections both ways and files. Each is built first, from its
release. docs/SSH.md has the table of all that were tried.

Clients: russh (tests/russh)

Usage: cargo xtask ssh-clients [OPTIONS]

  --smp N     CPUs, 1 to 8 (1)
  --no-build  with the machine that was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut smp, mut build) = (1, true);
    while let Some(arg) = args.next()? {
        match arg {
            Long("smp") => smp = cpus(&args.value()?.string()?)?,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    super::test::prepare(build)?;
    step::step("Building the client with russh");
    let manifest = paths::workspace().join("tests/russh/Cargo.toml");
    let mut cargo = tool("cargo")?;
    cargo.args(["build", "--release", "--locked", "--manifest-path"]);
    cargo.arg(&manifest);
    // A folder of its own: it is not of this workspace.
    let target = paths::out().join("clients");
    cargo.env("CARGO_TARGET_DIR", &target);
    run(&mut cargo)?;
    let machine = machine("ssh-clients").smp(smp).alone().up()?;
    machine.sh("i=0; until herd status httpd | grep -q running; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done")?;
    step::step("russh");
    let mut client = std::process::Command::new(target.join("release/russh-client"));
    client
        .arg(machine.ssh_port().to_string())
        .arg(keys::own_key());
    run(&mut client).context("a client that is made with russh")?;
    machine.done()?;
    Ok(ExitCode::SUCCESS)
}

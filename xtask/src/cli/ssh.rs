//! `cargo xtask ssh`.

use anyhow::{Context, Result};
use lexopt::prelude::*;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use xtask::machine::ssh;
use xtask::paths;

const HELP: &str = "\
Logs in to the machine that `cargo xtask run` started, or runs a command there.

Usage: cargo xtask ssh [--port PORT] [COMMAND...]

  --port PORT      the host's port that leads to the guest's SSH server; by
                   default that of the machine started last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut port = last_port();
    let mut rest: Vec<OsString> = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Long("port") | Short('p') => port = args.value()?.parse()?,
            Long("help") | Short('h') => return super::help(HELP),
            Value(word) => {
                rest.push(word);
                rest.extend(args.raw_args()?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let mut command = ssh::command(port)?;
    Err(command.args(rest).exec()).context("cannot start ssh")
}

/// The port of the machine that was started last.
pub fn last_port() -> u16 {
    let noted = std::fs::read_to_string(paths::out().join("ssh-port"));
    noted
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(super::run::SSH_PORT)
}

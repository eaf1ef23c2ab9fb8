//! `cargo xtask setup`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::{busybox, paths, setup, step};

const HELP: &str = "\
Installs what building, running and testing Paddock need, and nothing that is
there already. Debian's packages are installed through apt-get, with sudo
unless root.

Usage: cargo xtask setup

PADDOCK_TOOLCHAIN=rustup|debian decides which compiler builds for AArch64;
otherwise it is rustup's if it can get the targets, else Debian's.
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    if let Some(arg) = args.next()? {
        return match arg {
            Long("help") | Short('h') => super::help(HELP),
            other => Err(other.unexpected().into()),
        };
    }
    let _lock = paths::lock_out()?;
    setup::ensure()?;
    busybox::ensure()?;
    step::step("Ready: `cargo xtask run` boots, `cargo xtask test` tests");
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask gdb`.

use anyhow::{Context, Result};
use lexopt::prelude::*;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use xtask::{paths, process, setup};

const HELP: &str = "\
A debugger, with the kernel's symbols, on a machine that was started with
`cargo xtask run --gdb` in another terminal. The machine waits for it.

Usage: cargo xtask gdb [--port PORT]

  --port PORT      where the machine listens for the debugger (1234)
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut port = super::run::GDB_PORT;
    while let Some(arg) = args.next()? {
        match arg {
            Long("port") => port = args.value()?.parse()?,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    setup::ensure_gdb()?;
    let mut gdb = process::tool("gdb-multiarch")?;
    gdb.arg("-q").arg(paths::kernel_elf());
    gdb.args([
        "-ex",
        "set architecture aarch64",
        "-ex",
        &format!("target remote 127.0.0.1:{port}"),
    ]);
    Err(gdb.exec()).context("cannot start gdb")
}

//! `cargo xtask gdb`.

use anyhow::{Context, Result};
use lexopt::prelude::*;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use xtask::build::Kernel;
use xtask::gdb;

const HELP: &str = "\
A debugger, with the kernel's symbols, on a machine that was started with
`cargo xtask run --gdb` in another terminal. The machine waits for it.

Usage: cargo xtask gdb [--port PORT] [--test-kernel]

  --port PORT      where the machine listens for the debugger (1234)
  --test-kernel    the machine runs the test kernel

Commands for the stopped machine, besides gdb's own:

  paddock threads  every thread, its state, what it waits for, where it is
  paddock bt ID    the back-trace of a thread, with what was inlined
  paddock locks    the locks that are held, by whom, and who waits for them
  paddock cpus     each CPU: its thread, place, interrupt mask, timer
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut port = super::run::GDB_PORT;
    let mut elf = Kernel::Shipped.elf();
    while let Some(arg) = args.next()? {
        match arg {
            Long("port") => port = args.value()?.parse()?,
            Long("test-kernel") => elf = Kernel::Test.elf(),
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    Err(gdb::command(&elf, port)?.exec()).context("cannot start gdb")
}

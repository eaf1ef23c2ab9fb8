//! The debugger, with the kernel's symbols and commands of its own.

use crate::process::tool;
use crate::{paths, setup};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// What gdb is given to read: `paddock threads` and so on.
const COMMANDS: &str = "xtask/gdb/paddock.py";

/// A debugger for the kernel `elf` on the machine that listens at this port of
/// the host. Installs it if it is missing.
pub fn command(elf: &Path, port: u16) -> Result<Command> {
    setup::ensure_gdb()?;
    let mut gdb = tool("gdb-multiarch")?;
    gdb.args(["-q", "-nx"]).arg(elf);
    gdb.args(["-ex", "set architecture aarch64", "-ex"]);
    gdb.arg(format!("target remote 127.0.0.1:{port}"));
    gdb.arg("-x").arg(paths::workspace().join(COMMANDS));
    Ok(gdb)
}

//! `cargo xtask bench`.

use anyhow::Result;
use std::process::ExitCode;

pub fn main(_args: &mut lexopt::Parser) -> Result<ExitCode> {
    anyhow::bail!("not yet")
}

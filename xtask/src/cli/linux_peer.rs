//! `cargo xtask linux-peer`.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::linux_peer::{exchange, in_namespace, missing, tell};
use xtask::process::run;

const HELP: &str = "\
Boots the machine that tests boot behind a TAP device of a network namespace, so that
this host's own kernel is at the other end of its wire: files of all sizes there and
back over IPv4 and IPv6, by TCP of programs and by SSH. All must come back as they were
sent; how fast they went is told.

Usage: cargo xtask linux-peer [OPTIONS]

  --megabytes N  so large are the largest (32)

Wants /dev/net/tun, unshare(1) and ip(8), and network namespaces for users. Run `cargo
xtask test --only e2e linux` once before, which makes the machine.
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut megabytes, mut inside) = (32usize, false);
    while let Some(arg) = args.next()? {
        match arg {
            Long("help") | Short('h') => return super::help(HELP),
            Long("megabytes") => megabytes = args.value()?.parse()?,
            Long("inside") => inside = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if !(1..=1024).contains(&megabytes) {
        bail!("--megabytes may be 1 to 1024");
    }
    if inside {
        tell(&exchange(megabytes)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = missing() {
        bail!("Linux cannot be the peer here: {why}");
    }
    let mut command = in_namespace(std::env::current_exe()?)?;
    command.args([
        "linux-peer",
        "--inside",
        "--megabytes",
        &megabytes.to_string(),
    ]);
    run(&mut command)?;
    Ok(ExitCode::SUCCESS)
}

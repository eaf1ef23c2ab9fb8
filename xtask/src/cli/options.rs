//! Options that describe a machine, shared by the commands that start one.

use anyhow::{Result, bail};
use lexopt::prelude::*;
use xtask::qemu::{Config, cpus};

/// Help for the options of [`machine_option`].
pub const HELP: &str = "\
  --smp N          CPUs, 1 to 8 (1)
  --mem SIZE       memory, as QEMU writes it (256M)
  --cpu KIND       cortex-a53, cortex-a72 (default) or max
  --gic 2|3        version of the interrupt controller (2)
  --append TEXT    words for the kernel's command line, such as loglevel=debug
  --icount         guest time counts instructions: figures repeat exactly
  --legacy-virtio  virtio as before version 1.0
";

/// Takes one option if it describes the machine. Gives whether it did.
pub fn machine_option(name: &str, args: &mut lexopt::Parser, config: &mut Config) -> Result<bool> {
    match name {
        "smp" => config.smp = cpus(&args.value()?.string()?)?,
        "mem" => config.mem = args.value()?.string()?,
        "cpu" => config.cpu = args.value()?.string()?,
        "gic" => config.gic = gic(&args.value()?.string()?)?,
        "append" => config.append.push(args.value()?.string()?),
        "icount" => config.icount = true,
        "legacy-virtio" => config.legacy_virtio = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn gic(text: &str) -> Result<u32> {
    match text {
        "2" => Ok(2),
        "3" => Ok(3),
        _ => bail!("--gic may be 2 or 3"),
    }
}

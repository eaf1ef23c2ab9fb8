//! `cargo xtask build`.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::build::{self, DiskPolicy, Kernel};
use xtask::{paths, step};

const HELP: &str = "\
Builds the kernel, the guest's programs and the disk. In target/paddock:

  Image        the kernel, bootable with `qemu-system-aarch64 -kernel`
  kernel.elf   the kernel with its symbols
  disk.img     ext4 without a partition table; kept if it is there already

Usage: cargo xtask build [OPTIONS]

  --fresh        makes the disk anew: what was written to it is lost
  --no-disk      only the kernel and the programs
  --test-kernel  only Image-test and kernel-test.elf: the kernel in which tests
                 put mistakes back (paddock.mistake=NAME)
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut policy = DiskPolicy::Keep;
    let mut disk = true;
    let mut test_kernel = false;
    while let Some(arg) = args.next()? {
        match arg {
            Long("fresh") => policy = DiskPolicy::Fresh,
            Long("no-disk") => disk = false,
            Long("test-kernel") => test_kernel = true,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    if test_kernel {
        build::other_kernel(Kernel::Test)?;
    } else if disk {
        build::all(policy)?;
    } else {
        build::programs()?;
    }
    step::step(&format!("Built: see {}", paths::out().display()));
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask beside`.

use super::image::addition;
use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use xtask::disk::{self, Contents};
use xtask::machine::{test_folder, test_programs};
use xtask::qemu::cpus;
use xtask::rows::Kernels;
use xtask::{linux, step};

const HELP: &str = "\
Runs a command on Paddock and on Debian's kernel for arm64, in the same QEMU with a copy
of the same disk, and shows what each printed: Linux is the oracle. Its exit status comes
last.

Usage: cargo xtask beside [OPTIONS] [--] COMMAND...

  --add HOST:GUEST  a file or folder for the disk, and where it goes; may be repeated
  --disk FILE       another disk, as made by `cargo xtask image`
  --mem SIZE        memory, as QEMU writes it (512M)
  --smp N           CPUs, 1 to 8 (1)
  --icount          time counts instructions
  --only WHICH      paddock or linux alone
  --minutes N       how long it may take (10)
  --no-build        with what was built last

The words are joined and given to a shell.
";

struct Plan {
    add: Vec<(PathBuf, PathBuf)>,
    disk: Option<PathBuf>,
    mem: String,
    smp: u32,
    icount: bool,
    limit: Duration,
    words: Vec<String>,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut plan = Plan {
        add: Vec::new(),
        disk: None,
        mem: "512M".to_owned(),
        smp: 1,
        icount: false,
        limit: Duration::from_secs(600),
        words: Vec::new(),
    };
    let (mut which, mut build) = (Kernels::Both, true);
    while let Some(arg) = args.next()? {
        match arg {
            Long("add") => plan.add.push(addition(&args.value()?.string()?)?),
            Long("disk") => plan.disk = Some(args.value()?.into()),
            Long("mem") => plan.mem = args.value()?.string()?,
            Long("smp") => plan.smp = cpus(&args.value()?.string()?)?,
            Long("icount") => plan.icount = true,
            Long("only") => which = args.value()?.string()?.parse()?,
            Long("minutes") => plan.limit = Duration::from_secs(60 * args.value()?.parse::<u64>()?),
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            Value(word) => plan.words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    if plan.words.is_empty() {
        bail!("what is to be run? See `cargo xtask beside --help`");
    }
    super::test::prepare(build)?;
    let disk = plan.disk()?;
    let run = linux::Run {
        name: "beside",
        disk: &disk,
        mem: &plan.mem,
        smp: plan.smp,
        icount: plan.icount,
        script: &plan.script(),
        limit: plan.limit,
    };
    if which.has_paddock() {
        step::step("On Paddock");
        print!("{}", run.on_paddock()?.text());
    }
    if which.has_linux() {
        step::step("On Linux");
        print!("{}", run.on_linux()?.text());
    }
    Ok(ExitCode::SUCCESS)
}

impl Plan {
    fn disk(&self) -> Result<PathBuf> {
        if let Some(disk) = &self.disk {
            if !self.add.is_empty() {
                bail!("--add is for the default disk: `cargo xtask image --add` makes others");
            }
            return Ok(disk.clone());
        }
        let image = test_folder().join("beside.img");
        let contents = Contents {
            add: self.add.clone(),
            size: 2 << 30,
            features: disk::DEBIAN_FEATURES,
            ..Contents::default()
        };
        disk::make(&image, &contents, &test_programs()?)?;
        Ok(image)
    }

    /// The command, which says how it ended.
    fn script(&self) -> String {
        format!(
            "cd /root; {} 2>&1; echo \"status $?\"",
            self.words.join(" ")
        )
    }
}

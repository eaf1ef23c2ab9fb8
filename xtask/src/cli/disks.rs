//! `cargo xtask crash-images`, `fuzz-images` and `disk-turns`: the tests from seeds of
//! `crates/ext4`, more of them than every build does.

use anyhow::Result;
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::{process, step};

/// Tests of `crates/ext4` that take seeds.
pub struct FromSeeds {
    help: &'static str,
    /// The test's name.
    test: &'static str,
    /// The environment variable that says how many; with `_FIRST` behind it, from which
    /// seed on.
    variable: &'static str,
    default: u64,
    doing: &'static str,
}

/// Power cuts.
pub const CRASHES: FromSeeds = FromSeeds {
    help: "\
Records what workloads write to a disk in memory (files of all kinds, and what databases
do: a log written ahead, one by which changes are taken back, one to which all is
appended), and has the power go after any of it: what came after the last flush is there
or not, sector by sector. What was acknowledged must be there, nothing of others may show
through, and e2fsck must find nothing. With 1 KiB and 4 KiB blocks, with and without
checksums of metadata and of the log. `cargo test -p paddock-ext4` does 5,000, and has a
disk that ignores flushes found out.

Usage: cargo xtask crash-images [OPTIONS]

  --runs N   so many power cuts, 50 in each recorded workload (50000)
  --seed S   beginning with this workload (1)
",
    test: "power_cuts_lose_nothing_that_was_acknowledged",
    variable: "EXT4_CRASHES",
    default: 50_000,
    doing: "Cutting the power",
};

/// Changed images.
pub const VARIANTS: FromSeeds = FromSeeds {
    help: "\
Changes images of five kinds, whose logs are to be replayed, in up to six places: numbers
of superblocks, groups, inodes, names, extents and of the log, with the checksums that
are then needed in most. Each is mounted, looked at, changed and unmounted: nothing may
panic or go on for ever. `cargo test -p paddock-ext4` does 1,000.

Usage: cargo xtask fuzz-images [OPTIONS]

  --runs N   so many images (100000)
  --seed S   beginning with this one (1)
",
    test: "changed_images_are_survived",
    variable: "EXT4_VARIANTS",
    default: 100_000,
    doing: "Changing images",
};

/// Disks that are changed in turns.
pub const TURNS: FromSeeds = FromSeeds {
    help: "\
Has a disk changed in turns by Paddock's ext4 and by debugfs of e2fsprogs: files,
directories, links, holes. After each turn both must find on it what a model says, and
e2fsck nothing. With the features of Debian 12's and 13's mke2fs, and with few.
`cargo test -p paddock-ext4` does 6.

Usage: cargo xtask disk-turns [OPTIONS]

  --runs N   so many disks, of 14 turns each (500)
  --seed S   beginning with this one (1)
",
    test: "debugfs_and_paddock_find_what_the_other_has_changed",
    variable: "EXT4_TURNS",
    default: 500,
    doing: "Changing disks in turns",
};

impl FromSeeds {
    /// Runs them as the command line says.
    ///
    /// # Errors
    /// A seed that goes wrong.
    pub fn main(&self, args: &mut lexopt::Parser) -> Result<ExitCode> {
        let (mut runs, mut seed) = (self.default, 1_u64);
        while let Some(arg) = args.next()? {
            match arg {
                Long("runs") => runs = args.value()?.parse()?,
                Long("seed") => seed = args.value()?.parse()?,
                Long("help") | Short('h') => return super::help(self.help),
                other => return Err(other.unexpected().into()),
            }
        }
        step::timed(
            &format!("{} {runs} times, from seed {seed}", self.doing),
            || {
                let mut cargo = process::tool("cargo")?;
                cargo.args([
                    "test",
                    "-q",
                    "--profile",
                    "fuzz",
                    "-p",
                    "paddock-ext4",
                    "--lib",
                ]);
                cargo.args([self.test, "--", "--nocapture"]);
                cargo.env(self.variable, runs.to_string());
                cargo.env(format!("{}_FIRST", self.variable), seed.to_string());
                process::run(&mut cargo)
            },
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

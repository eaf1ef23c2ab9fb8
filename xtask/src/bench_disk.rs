//! Files on a disk, on Paddock and on Debian's kernel for arm64: the same program in the
//! same QEMU, with a copy of the same disk.

use crate::disk::{self, Contents};
use crate::machine::{Reply, test_folder, test_programs};
use crate::rows::{self, Row};
use crate::{debian, linux};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::time::Duration;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(1200);
/// What is measured, and on what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Memory, in QEMU's notation.
    pub mem: String,
    /// CPUs.
    pub smp: u32,
    /// Of the large file, in MiB.
    pub size: u32,
    /// In one folder.
    pub files: u32,
    /// The parts to measure; none: all.
    pub parts: Vec<String>,
    /// Time counts instructions.
    pub icount: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            mem: "512M".to_owned(),
            smp: 1,
            size: 256,
            files: 100_000,
            parts: Vec::new(),
            icount: false,
        }
    }
}

impl Plan {
    fn image() -> PathBuf {
        test_folder().join("bench-disk.img")
    }

    /// Makes the disk of which each run gets a copy.
    ///
    /// # Errors
    /// Whatever mke2fs says.
    pub fn make_disk(&self) -> Result<()> {
        let sqlite = debian::ensure("sqlite", &["sqlite3"])?;
        let contents = Contents {
            add: vec![(sqlite, "/".into())],
            size: 2 << 30,
            features: disk::DEBIAN_FEATURES,
            ..Contents::default()
        };
        disk::make(&Self::image(), &contents, &test_programs()?)
    }

    fn command(&self) -> String {
        let (size, files, parts) = (self.size, self.files, self.parts.join(" "));
        format!("paddock-test bench-disk /root {size} {files} {parts}")
    }

    /// Has one of the kernels run it.
    fn run(&self, on: impl FnOnce(&linux::Run<'_>) -> Result<Reply>) -> Result<Reply> {
        on(&linux::Run {
            name: "bench-disk",
            disk: &Self::image(),
            mem: &self.mem,
            smp: self.smp,
            icount: self.icount,
            script: &self.command(),
            limit: PATIENCE,
        })
    }

    /// Runs it on Paddock.
    ///
    /// # Errors
    /// As [`linux::Run::on_paddock`]; a program that fails.
    pub fn on_paddock(&self) -> Result<Vec<Row>> {
        let reply = self.run(|run| run.on_paddock())?;
        ensure!(reply.status.success(), "{reply}");
        Ok(rows::read(&reply.text()))
    }

    /// Runs it on Debian's kernel.
    ///
    /// # Errors
    /// As [`linux::Run::on_linux`]; a program that measures nothing.
    pub fn on_linux(&self) -> Result<Vec<Row>> {
        let reply = self.run(|run| run.on_linux())?;
        let rows = rows::read(&reply.text());
        ensure!(
            !rows.is_empty(),
            "Linux has measured nothing; its console:\n{reply}"
        );
        Ok(rows)
    }
}

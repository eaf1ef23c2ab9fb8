//! Files on a disk, on Paddock and on Debian's kernel for arm64: the same program in the
//! same QEMU, with a copy of the same disk.

use crate::contracts::{kernel_in, linux_package};
use crate::disk::{self, Contents};
use crate::machine::{LIMIT, machine, run_limited, test_folder, test_programs};
use crate::process::{find, tool};
use crate::qemu::Config;
use crate::{busybox, debian, initrd};
use anyhow::{Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(1200);
/// What Linux needs for the disk and its filesystem, each after those that it needs
/// itself. Those that are part of the kernel are not there as files.
const MODULES: &[&str] = &[
    "virtio",
    "virtio_ring",
    "virtio_mmio",
    "virtio_blk",
    "crc16",
    "crc32c_generic",
    "libcrc32c",
    "mbcache",
    "jbd2",
    "ext4",
];

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Of what.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of which unit.
    pub unit: String,
}

impl Row {
    fn parse(line: &str) -> Option<Row> {
        let (what, figure) = line.trim().strip_prefix("row ")?.rsplit_once(": ")?;
        let (value, unit) = figure.split_once(' ')?;
        Some(Row {
            what: what.to_owned(),
            value: value.parse().ok()?,
            unit: unit.to_owned(),
        })
    }

    /// The figure with its unit.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{:.1} {}", self.value, self.unit)
    }

    /// How many times longer this takes than `other`, of the same kind.
    #[must_use]
    pub fn times_slower(&self, other: &Row) -> f64 {
        match self.unit.ends_with("/s") {
            true => other.value / self.value,
            false => self.value / other.value,
        }
    }
}

/// The rows in what `paddock-test bench-disk` has said.
#[must_use]
pub fn read(text: &str) -> Vec<Row> {
    text.lines().filter_map(Row::parse).collect()
}

/// The median of each row of several runs.
#[must_use]
pub fn medians(runs: &[Vec<Row>]) -> Vec<Row> {
    let first = runs.first().map_or(&[][..], Vec::as_slice);
    let median = |row: &Row| {
        let same = |other: &&Row| other.what == row.what;
        let mut values: Vec<f64> = runs
            .iter()
            .flatten()
            .filter(same)
            .map(|row| row.value)
            .collect();
        values.sort_by(f64::total_cmp);
        Row {
            value: values[values.len() / 2],
            ..row.clone()
        }
    };
    first.iter().map(median).collect()
}

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
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            mem: "512M".to_owned(),
            smp: 1,
            size: 256,
            files: 100_000,
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
        format!("paddock-test bench-disk /root {} {}", self.size, self.files)
    }

    /// Runs it on Paddock.
    ///
    /// # Errors
    /// A machine that does not come up, or a program that fails.
    pub fn on_paddock(&self) -> Result<Vec<Row>> {
        let described = machine("bench-disk").alone().disk(&Self::image());
        let described = described.smp(self.smp);
        let machine = described
            .with(|config| config.mem.clone_from(&self.mem))
            .up()?;
        let mut ssh = machine.ssh_command(&[])?;
        let reply = run_limited(ssh.arg(self.command()), Vec::new(), PATIENCE)?;
        ensure!(reply.status.success(), "{reply}");
        machine.off()?;
        Ok(read(&reply.text()))
    }

    /// Runs it on Debian's kernel, which is fetched if it is not there yet.
    ///
    /// # Errors
    /// No network for that; a kernel that does not boot.
    pub fn on_linux(&self) -> Result<Vec<Row>> {
        let package = linux_package()?;
        let archive = test_folder().join("bench-disk.cpio");
        self.make_archive(&package, &archive)?;
        let disk = test_folder().join("bench-disk-linux.img");
        disk::copy(&Self::image(), &disk)?;
        let mut config = Config::new(&kernel_in(&package)?);
        config.mem.clone_from(&self.mem);
        config.smp = self.smp;
        config.disk = Some(disk.clone());
        config.append = ["console=ttyAMA0", "rdinit=/init", "panic=-1", "quiet"]
            .map(Into::into)
            .into();
        config.extra = vec!["-no-reboot".into(), "-initrd".into(), archive.into()];
        let reply = run_limited(&mut config.command()?, Vec::new(), PATIENCE + LIMIT)?;
        fs::remove_file(disk)?;
        let rows = read(&reply.text());
        ensure!(
            !rows.is_empty(),
            "Linux has measured nothing; its console:\n{reply}"
        );
        Ok(rows)
    }

    /// What Linux boots into: a script that mounts the disk, and runs the program there.
    fn make_archive(&self, package: &Path, archive: &Path) -> Result<()> {
        let modules = modules(package)?;
        let load: String = modules
            .iter()
            .map(|(name, _)| format!("insmod /{name}\n"))
            .collect();
        let init = format!(
            "#!/bin/busybox sh\n\
             /bin/busybox --install -s /bin\n\
             export PATH=/bin HOME=/root\n\
             mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
             {load}\
             mount -t ext4 -o noinit_itable /dev/vda /root\n\
             mount -t proc proc /root/proc; mount -t devtmpfs dev /root/dev\n\
             chroot /root /bin/{}\n\
             umount /root/proc; umount /root/dev; umount /root; poweroff -f\n",
            self.command()
        );
        let busybox = fs::read(busybox::ensure()?)?;
        let mut files: Vec<(&str, &[u8])> =
            vec![("init", init.as_bytes()), ("bin/busybox", &busybox)];
        files.extend(
            modules
                .iter()
                .map(|(name, data)| (name.as_str(), &data[..])),
        );
        let folders = ["bin", "dev", "proc", "root", "sys", "tmp"];
        initrd::make_with(archive, &folders, &files)
    }
}

/// The modules that Linux needs, as far as they are files, unpacked.
fn modules(package: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    gather(&package.join("lib/modules"), &mut found)
        .or_else(|_| gather(&package.join("usr/lib/modules"), &mut found))?;
    let mut modules = Vec::new();
    for name in MODULES {
        let is_it = |path: &&PathBuf| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.split('.').next() == Some(name)
        };
        if let Some(path) = found.iter().find(is_it) {
            modules.push((format!("{name}.ko"), unpacked(path)?));
        }
    }
    match modules.is_empty() {
        true => bail!("the kernel's package has no modules"),
        false => Ok(modules),
    }
}

fn gather(folder: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() && !path.is_symlink() {
            true => gather(&path, out)?,
            false => out.push(path),
        }
    }
    Ok(())
}

/// A module, which may be packed by xz(1).
fn unpacked(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|end| end != "xz") {
        return Ok(fs::read(path)?);
    }
    ensure!(
        find("xz").is_some(),
        "xz(1) is needed to unpack {}",
        path.display()
    );
    let output = tool("xz")?.arg("-dc").arg(path).output()?;
    ensure!(output.status.success(), "xz: {}", path.display());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_compared() {
        let text = "boot\nrow cold read: 12.5 MiB/s\r\nrow a: b: 30 us\nrow broken\n";
        let rows = read(text);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].what.as_str(), rows[1].value), ("a: b", 30.0));
        let faster = read("row cold read: 25.0 MiB/s\nrow a: b: 10 us\n");
        assert!((rows[0].times_slower(&faster[0]) - 2.0).abs() < 1e-9);
        assert!((rows[1].times_slower(&faster[1]) - 3.0).abs() < 1e-9);
        let runs = [
            read("row a: 3 us"),
            read("row a: 1 us"),
            read("row a: 2 us"),
        ];
        assert_eq!(medians(&runs), read("row a: 2 us"));
    }
}

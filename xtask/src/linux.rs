//! Debian's kernel for arm64 in the same QEMU, with a copy of a disk of Paddock's as its
//! root: what a program does, or costs, on Linux; and the same on Paddock.

use crate::machine::{LIMIT, Reply, machine, run_limited, test_folder};
use crate::process::{find, tool};
use crate::qemu::{Config, Net, free_port};
use crate::{busybox, debian, disk, initrd};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the disk, its filesystem, FUSE and the network need, each after what it needs itself.
/// Those that are part of the kernel are not there as files.
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
    "fuse",
    "failover",
    "net_failover",
    "virtio_net",
];

/// What is to be run, and on what.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// A name for its files, of its own.
    pub name: &'a str,
    /// The disk of which it gets a copy.
    pub disk: &'a Path,
    /// Memory, in QEMU's notation.
    pub mem: &'a str,
    /// CPUs.
    pub smp: u32,
    /// Its time counts instructions.
    pub icount: bool,
    /// Lines of a shell, on a machine that is made as Paddock's is.
    pub script: &'a str,
    /// How long it may take.
    pub limit: Duration,
}

impl Run<'_> {
    /// Boots Paddock, runs the script there by ssh, and gives what came of it.
    ///
    /// # Errors
    /// A machine that does not come up, or has something to complain of at its end.
    pub fn on_paddock(&self) -> Result<Reply> {
        let described = machine(self.name).alone().disk(self.disk).smp(self.smp);
        let machine = described
            .with(|config| {
                config.mem = self.mem.to_owned();
                config.icount = self.icount;
            })
            .up()?;
        let mut ssh = machine.ssh_command(&[])?;
        let reply = run_limited(ssh.arg(self.script), Vec::new(), self.limit)?;
        machine.off()?;
        Ok(reply)
    }

    /// Boots Debian's kernel, which is fetched if it is not there yet, runs the script,
    /// and gives what came on the console.
    ///
    /// # Errors
    /// No network for that; no room for the disk.
    pub fn on_linux(&self) -> Result<Reply> {
        let package = debian::ensure("linux", &["linux-image-arm64"])?;
        let archive = test_folder().join(format!("{}.cpio", self.name));
        self.make_archive(&package, &archive)?;
        let disk = test_folder().join(format!("{}-linux.img", self.name));
        disk::copy(self.disk, &disk)?;
        let mut config = Config::new(&kernel_in(&package)?);
        config.mem = self.mem.to_owned();
        config.smp = self.smp;
        config.icount = self.icount;
        config.disk = Some(disk.clone());
        config.net = Some(Net {
            ssh_port: free_port()?,
            http_port: free_port()?,
        });
        config.append = ["console=ttyAMA0", "rdinit=/init", "panic=-1", "quiet"]
            .map(Into::into)
            .into();
        config.extra = vec!["-no-reboot".into(), "-initrd".into(), archive.into()];
        let reply = run_limited(&mut config.command()?, Vec::new(), self.limit + LIMIT);
        fs::remove_file(disk)?;
        reply
    }

    /// What Linux boots into: what mounts the disk and goes there, where another script
    /// makes the machine as Paddock's is and goes on with this one.
    fn make_archive(&self, package: &Path, archive: &Path) -> Result<()> {
        let modules = modules(package)?;
        let load: String = modules
            .iter()
            .map(|(name, _)| format!("$b insmod /{name}\n"))
            .collect();
        let first = format!(
            "#!/bin/busybox sh\n\
             b=/bin/busybox\n\
             {load}\
             $b mount -t devtmpfs dev /dev\n\
             i=0; until [ -b /dev/vda ] || [ $i = 100 ]; do $b sleep 0.1; i=$((i+1)); done\n\
             $b mount -t ext4 -o noinit_itable /dev/vda /root\n\
             $b cp /script /root/script; $b umount /dev\n\
             exec $b switch_root /root /script\n"
        );
        let second = format!(
            "#!/bin/busybox sh\n\
             export PATH=/bin:/sbin:/usr/bin HOME=/root\n\
             mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
             mkdir -p /dev/pts /dev/shm /dev/mqueue; mount -t devpts devpts /dev/pts\n\
             mount -t tmpfs -o mode=1777 tmpfs /dev/shm\n\
             mount -o bind /tmp /tmp; mount -o remount,bind,nosuid,nodev /tmp; chmod 1777 /tmp\n\
             mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
             mount -t mqueue mqueue /dev/mqueue; hostname paddock\n\
             ln -s /proc/self/fd /dev/fd\n\
             ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0\n\
             ip route add default via 10.0.2.2\n\
             {}\n\
             sync; poweroff -f\n",
            self.script
        );
        let busybox = fs::read(busybox::ensure()?)?;
        let mut files: Vec<(&str, &[u8])> = vec![
            ("init", first.as_bytes()),
            ("script", second.as_bytes()),
            ("bin/busybox", &busybox),
        ];
        files.extend(
            modules
                .iter()
                .map(|(name, data)| (name.as_str(), &data[..])),
        );
        initrd::make_with(archive, &["bin", "dev", "root"], &files)
    }
}

/// The kernel of an unpacked package.
fn kernel_in(package: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(package.join("boot")).context("the kernel's package has no /boot")?;
    for entry in files {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"vmlinuz") {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("the kernel's package has no kernel")
}

/// The modules that are needed, as far as they are files, unpacked.
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
    ensure!(!modules.is_empty(), "the kernel's package has no modules");
    Ok(modules)
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

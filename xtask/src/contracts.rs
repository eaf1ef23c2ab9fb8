//! The same program on two kernels: the cases of `paddock-test` on Paddock and on
//! Debian's kernel for arm64, in the same QEMU. Each line of a case is a contract.

use crate::machine::{LIMIT, Machine, machine, run_limited, test_folder};
use crate::qemu::Config;
use crate::{busybox, debian, disk, initrd, step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long Linux may take for all cases.
const LINUX_LIMIT: Duration = Duration::from_secs(1800);
/// Cases that are tools of other tests, or about Paddock alone.
const LEFT_OUT: &[&str] = &[
    "fault",
    "sleep",
    "oom",
    "figures",
    "data-errors",
    "probe",
    "herd-root",
    "supervise",
    "filtered",
    "listen-fds",
    "ask",
    "title",
    "name-server",
];
/// What comes before the output of each case.
const MARK: &str = "== case ";

/// One case: its name, and what it said of each of its contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// `ok …` or `FAIL …`, in its order.
    pub contracts: Vec<String>,
}

/// The cases in what was written by [`script`].
#[must_use]
pub fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if let Some((_, name)) = line.split_once(MARK) {
            cases.push(Case {
                name: name.to_owned(),
                contracts: Vec::new(),
            });
        } else if let Some(case) = cases.last_mut()
            && (line.starts_with("ok ") || line.starts_with("FAIL "))
            && line != format!("FAIL {}", case.name)
        {
            case.contracts.push(line.to_owned());
        }
    }
    cases.retain(|case| !case.contracts.is_empty());
    cases
}

/// What is not the same in two runs: a line for each.
#[must_use]
pub fn differences(here: &[Case], there: &[Case]) -> Vec<String> {
    let mut found = Vec::new();
    for case in here {
        let Some(other) = there.iter().find(|other| other.name == case.name) else {
            found.push(format!("{}: only on Paddock", case.name));
            continue;
        };
        let missing = |of: &[String], from: &[String]| -> Vec<String> {
            of.iter()
                .filter(|line| !from.contains(line))
                .cloned()
                .collect()
        };
        for line in missing(&case.contracts, &other.contracts) {
            found.push(format!("{}: only on Paddock: {line}", case.name));
        }
        for line in missing(&other.contracts, &case.contracts) {
            found.push(format!("{}: only on Linux: {line}", case.name));
        }
    }
    let unknown = |case: &&Case| !here.iter().any(|other| other.name == case.name);
    found.extend(
        there
            .iter()
            .filter(unknown)
            .map(|case| format!("{}: only on Linux", case.name)),
    );
    found
}

/// A shell's loop over all cases.
fn script() -> String {
    let left_out = LEFT_OUT.join("|");
    format!(
        "for case in $(paddock-test list); do case $case in {left_out}) continue;; esac; \
         echo '{MARK}'$case; (cd /tmp; paddock-test $case < /dev/null 2>&1); done"
    )
}

/// Runs the cases on Paddock.
///
/// # Errors
/// A machine that does not come up, or complains.
pub fn on_paddock() -> Result<Vec<Case>> {
    let machine: Machine = machine("contracts").alone().up()?;
    let mut ssh = machine.ssh_command(&[])?;
    ssh.arg(script());
    let reply = run_limited(&mut ssh, Vec::new(), 10 * LIMIT)?;
    machine.done()?;
    Ok(read(&reply.text()))
}

/// Modules of Debian's kernel for the disk, each after those that it needs.
const MODULES: &[&str] = &[
    "drivers/virtio/virtio_mmio",
    "drivers/block/virtio_blk",
    "crypto/crc32c_generic",
    "lib/crc16",
    "fs/mbcache",
    "fs/jbd2/jbd2",
    "fs/ext4/ext4",
];

/// Runs the cases on Debian's kernel, which is fetched if it is not there yet, with a
/// disk of the same content.
///
/// # Errors
/// No network for that; a kernel that does not boot.
pub fn on_linux() -> Result<Vec<Case>> {
    let tree = linux_package()?;
    let kernel = kernel_in(&tree)?;
    step::step(&format!(
        "Booting {}",
        kernel.file_name().unwrap_or_default().display()
    ));
    let archive = test_folder().join("contracts.cpio");
    archive_for_linux(&archive, &tree)?;
    let mut config = Config::new(&kernel);
    let disk = test_folder().join("contracts.img");
    disk::copy(&test_folder().join("disk.img"), &disk)?;
    config.disk = Some(disk);
    config.mem = "1G".to_owned();
    config.append = ["console=ttyAMA0", "rdinit=/init", "panic=-1", "quiet"]
        .map(Into::into)
        .into();
    config.extra = vec!["-no-reboot".into(), "-initrd".into(), archive.into()];
    let reply = run_limited(&mut config.command()?, Vec::new(), LINUX_LIMIT)?;
    let cases = read(&reply.text());
    if cases.is_empty() {
        bail!("Linux has run no case; its console:\n{reply}");
    }
    Ok(cases)
}

/// Debian's kernel and its modules, fetched if they are not there yet.
pub(crate) fn linux_package() -> Result<PathBuf> {
    debian::ensure("linux", &["linux-image-arm64"])
}

/// The kernel of an unpacked package.
pub(crate) fn kernel_in(tree: &Path) -> Result<PathBuf> {
    let images = fs::read_dir(tree.join("boot")).context("the kernel's package has no /boot")?;
    let images: Vec<_> = images
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    let is_kernel = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(b"vmlinuz")
    };
    images
        .iter()
        .find(is_kernel)
        .cloned()
        .context("the kernel's package has no kernel")
}

/// The only file or folder of a folder whose name begins so.
fn one_of(folder: &Path, begins: &str) -> Result<PathBuf> {
    let shown = folder.display();
    for entry in fs::read_dir(folder).with_context(|| format!("there is no {shown}"))? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(begins.as_bytes())
        {
            return Ok(entry.path());
        }
    }
    bail!("the kernel's package has no {begins} in {shown}")
}

/// What Linux boots into: what mounts the disk and goes there, where a script makes the
/// machine as Paddock's is and runs the cases.
fn archive_for_linux(archive: &Path, tree: &Path) -> Result<()> {
    let libraries = [tree.join("lib/modules"), tree.join("usr/lib/modules")];
    let libraries = libraries.iter().find(|it| it.is_dir());
    let libraries = libraries.context("the kernel's package has no modules")?;
    let modules = one_of(libraries, "")?.join("kernel");
    let first = format!(
        "#!/bin/busybox sh\n\
         b=/bin/busybox\n\
         for m in {}; do $b insmod /lib/${{m##*/}}.ko; done\n\
         $b mount -t devtmpfs dev /dev\n\
         i=0; until [ -b /dev/vda ] || [ $i = 100 ]; do $b sleep 0.1; i=$((i+1)); done\n\
         $b mount -t ext4 /dev/vda /root\n\
         $b cp /cases /root/cases; $b umount /dev\n\
         exec $b switch_root /root /cases\n",
        MODULES.join(" ")
    );
    let second = format!(
        "#!/bin/busybox sh\n\
         export PATH=/bin:/sbin HOME=/root\n\
         mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
         mkdir -p /dev/pts /dev/shm /dev/mqueue; mount -t devpts devpts /dev/pts\n\
         mount -t tmpfs -o mode=1777 tmpfs /dev/shm\n\
         mount -o bind /tmp /tmp; mount -o remount,bind,nosuid,nodev /tmp; chmod 1777 /tmp\n\
         mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
         mount -t mqueue mqueue /dev/mqueue; ip link set lo up; hostname paddock\n\
         ln -s /proc/self/fd /dev/fd\n\
         {}\n\
         poweroff -f\n",
        script()
    );
    let busybox = fs::read(busybox::ensure()?)?;
    let mut files = vec![
        ("init".to_owned(), first.into_bytes()),
        ("cases".to_owned(), second.into_bytes()),
        ("bin/busybox".to_owned(), busybox),
    ];
    for module in MODULES {
        let path = modules.join(format!("{module}.ko"));
        let bytes = fs::read(&path).with_context(|| format!("no module {}", path.display()))?;
        let name = module.rsplit('/').next().unwrap_or(module);
        files.push((format!("lib/{name}.ko"), bytes));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(name, it)| (name.as_str(), it.as_slice()))
        .collect();
    let folders = ["bin", "dev", "lib", "root"];
    initrd::make_with(archive, &folders, &files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "boot words\n== case a\nok one\nFAIL two: 3\nFAIL a\r\n== case none\nusage\n== case b\r\nok x\r\n";

    #[test]
    fn cases_are_read() {
        let cases = read(TEXT);
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[0].contracts, ["ok one", "FAIL two: 3"]);
        assert_eq!((cases[1].name.as_str(), cases[1].contracts.len()), ("b", 1));
    }

    #[test]
    fn what_is_not_the_same_is_told() {
        let here = read("== case a\nok one\nok two\n== case here\nok x\n");
        let there = read("== case a\nok one\nFAIL two: 3\n== case there\nok x\n");
        assert_eq!(differences(&here, &here), [""; 0]);
        assert_eq!(
            differences(&here, &there),
            [
                "a: only on Paddock: ok two",
                "a: only on Linux: FAIL two: 3",
                "here: only on Paddock",
                "there: only on Linux"
            ]
        );
    }
}

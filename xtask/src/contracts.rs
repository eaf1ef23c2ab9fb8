//! The same program on two kernels: the cases of `paddock-test` on Paddock and on
//! Debian's kernel for arm64, in the same QEMU. Each line of a case is a contract.

use crate::machine::{LIMIT, Machine, machine, run_limited, test_folder, test_programs};
use crate::qemu::Config;
use crate::{busybox, debian, initrd, step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long Linux may take for all cases.
const LINUX_LIMIT: Duration = Duration::from_secs(1800);
/// Cases that are tools of other tests, or about Paddock alone.
const LEFT_OUT: &[&str] = &["fault", "sleep", "oom", "figures", "data-errors"];
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

/// Runs the cases on Debian's kernel, which is fetched if it is not there yet.
///
/// # Errors
/// No network for that; a kernel that does not boot.
pub fn on_linux() -> Result<Vec<Case>> {
    let kernel = linux()?;
    step::step(&format!(
        "Booting {}",
        kernel.file_name().unwrap_or_default().display()
    ));
    let archive = test_folder().join("contracts.cpio");
    archive_for_linux(&archive)?;
    let mut config = Config::new(&kernel);
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

/// Debian's kernel as QEMU loads it.
fn linux() -> Result<PathBuf> {
    kernel_in(&linux_package()?)
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

/// What Linux boots into: the programs, and a script that mounts what they expect.
fn archive_for_linux(archive: &Path) -> Result<()> {
    let init = format!(
        "#!/bin/busybox sh\n\
         /bin/busybox --install -s /bin\n\
         export PATH=/bin HOME=/root\n\
         mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev\n\
         mkdir -p /dev/pts /dev/shm /dev/mqueue; mount -t devpts devpts /dev/pts\n\
         for at in /tmp /root /var /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs $at; done\n\
         mkdir -p /var/tmp; mount -t cgroup2 cgroup2 /sys/fs/cgroup\n\
         mount -t mqueue mqueue /dev/mqueue; ip link set lo up; hostname paddock\n\
         ln -s /proc/self/fd /dev/fd\n\
         echo root:x:0:0:root:/root:/bin/sh > /etc/passwd; echo root:x:0: > /etc/group\n\
         {}\n\
         poweroff -f\n",
        script()
    );
    let busybox = fs::read(busybox::ensure()?)?;
    let programs = test_programs()?;
    let (_, program) = programs
        .iter()
        .find(|(name, _)| *name == "paddock-test")
        .context("paddock-test is not built")?;
    let program = fs::read(program)?;
    let folders = ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"];
    initrd::make_with(
        archive,
        &folders,
        &[
            ("init", init.as_bytes()),
            ("bin/busybox", &busybox),
            ("bin/paddock-test", &program),
        ],
    )
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

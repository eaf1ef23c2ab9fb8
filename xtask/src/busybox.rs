//! Debian's unmodified arm64 BusyBox, fetched without touching the system's
//! own package lists.

use crate::process::{find, run};
use crate::step::{note, step};
use crate::{debian, paths};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "busybox-static";

/// The program, fetched if it is not there yet.
pub fn ensure() -> Result<PathBuf> {
    let dir = paths::out().join("debian");
    let program = dir.join(PACKAGE).join("bin/busybox");
    if !program.exists() {
        step("Fetching Debian's BusyBox for arm64");
        let package = download(&dir)?;
        note(&format!("unpacking {}", package.display()));
        run(Command::new("dpkg")
            .arg("-x")
            .arg(&package)
            .arg(dir.join(PACKAGE)))?;
    }
    if !program.exists() {
        bail!("the package {PACKAGE} has no bin/busybox");
    }
    Ok(program)
}

fn download(dir: &Path) -> Result<PathBuf> {
    if find("apt-get").is_none() {
        bail!(
            "BusyBox is taken from Debian's packages, and this machine has no apt-get; put a static \
             arm64 busybox at {}",
            dir.join(PACKAGE).join("bin/busybox").display()
        );
    }
    if let Some(package) = downloaded(dir)? {
        return Ok(package);
    }
    let apt = debian::Apt::new(dir)?;
    apt.update()?;
    apt.get(&["download", PACKAGE])?;
    downloaded(dir)?.ok_or_else(|| anyhow!("apt-get downloaded nothing"))
}

fn downloaded(dir: &Path) -> Result<Option<PathBuf>> {
    if !dir.exists() {
        return Ok(None);
    }
    let entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.into_iter().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(PACKAGE) && name.ends_with("_arm64.deb")
    }))
}

/// The names of the applets in a BusyBox program, in the program's order.
pub fn applets(program: &[u8]) -> Result<Vec<String>> {
    let first = b"\0[\0[[\0";
    let start = program
        .windows(first.len())
        .position(|window| window == first)
        .context("no table of applets in the program")?;
    let names = program[start + 1..]
        .split(|&byte| byte == 0)
        .take_while(|name| !name.is_empty());
    Ok(names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// The folder where an applet's link belongs, by custom.
pub fn folder_of(applet: &str) -> &'static str {
    let listed = |list: &str| list.split_whitespace().any(|name| name == applet);
    if listed(include_str!("applets/bin")) {
        "bin"
    } else if listed(include_str!("applets/sbin")) {
        "sbin"
    } else if listed(include_str!("applets/usr-sbin")) {
        "usr/sbin"
    } else {
        "usr/bin"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_applets_is_found() {
        let names = applets(b"junk\0[\0[[\0acpid\0zcip\0\0more\0").unwrap();
        assert_eq!(names, ["[", "[[", "acpid", "zcip"]);
        assert!(applets(b"no table").is_err());
    }

    #[test]
    fn links_go_where_scripts_look() {
        assert_eq!(folder_of("sh"), "bin");
        assert_eq!(folder_of("reboot"), "sbin");
        assert_eq!(folder_of("httpd"), "usr/sbin");
        assert_eq!(folder_of("awk"), "usr/bin");
    }
}

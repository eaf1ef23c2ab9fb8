//! Debian's unmodified arm64 BusyBox, fetched without touching the system's
//! own package lists.

use crate::debian;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

const PACKAGE: &str = "busybox-static";

/// The program, fetched if it is not there yet.
pub fn ensure() -> Result<PathBuf> {
    let program = debian::tree_of(PACKAGE).join("bin/busybox");
    if program.exists() {
        return Ok(program);
    }
    debian::ensure(PACKAGE, &[PACKAGE])
        .with_context(|| format!("or put a static arm64 busybox at {}", program.display()))?;
    ensure!(program.exists(), "the package {PACKAGE} has no bin/busybox");
    Ok(program)
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

//! Debian packages: what is there, and installing what is not.

use crate::process::{find, run, succeeds_within, text_of};
use crate::step::{note, warn};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A package and the reason to want it.
pub struct Package {
    /// Its name in Debian 12.
    pub name: &'static str,
    /// What Paddock does with it.
    pub why: &'static str,
    /// A file whose presence is as good as the package.
    pub provides: Provides,
}

/// How to see that a package, or something like it, is there.
pub enum Provides {
    /// A program in `PATH` or in the system's folders.
    Program(&'static str),
    /// A file or folder.
    Path(&'static str),
}

impl Package {
    /// Whether what the package is wanted for is there.
    pub fn is_there(&self) -> bool {
        match self.provides {
            Provides::Program(name) => find(name).is_some(),
            Provides::Path(path) => Path::new(path).exists(),
        }
    }
}

/// Installs those of `packages` that are missing. Says what and why.
pub fn ensure(packages: &[&Package]) -> Result<()> {
    let missing: Vec<_> = packages
        .iter()
        .filter(|package| !package.is_there())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        note(&format!("missing: {:<24} {}", package.name, package.why));
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    install(&names)?;
    let still: Vec<_> = missing
        .iter()
        .filter(|p| !p.is_there())
        .map(|p| p.name)
        .collect();
    if !still.is_empty() {
        bail!("installed, yet not where expected: {}", still.join(", "));
    }
    Ok(())
}

fn install(names: &[&str]) -> Result<()> {
    if find("apt-get").is_none() {
        bail!(
            "this machine has no apt-get; install by its own means what Debian calls: {}",
            names.join(" ")
        );
    }
    if !all_installable(names)? {
        note("refreshing the package lists: they are missing or too old");
        run(apt()?.arg("update"))?;
    }
    note(&format!("installing {}", names.join(" ")));
    let mut command = apt()?;
    command
        .args(["install", "--yes", "--no-install-recommends"])
        .args(names);
    if run(&mut command).is_ok() {
        return Ok(());
    }
    warn("the first try failed; refreshing the package lists and trying once more");
    run(apt()?.arg("update"))?;
    let mut command = apt()?;
    command
        .args(["install", "--yes", "--no-install-recommends"])
        .args(names);
    run(&mut command)
        .context("see what apt-get says above; without these packages nothing can be built")
}

/// Whether the package lists on this machine know every name.
fn all_installable(names: &[&str]) -> Result<bool> {
    for name in names {
        let policy = text_of(
            Command::new("apt-cache")
                .env("LC_ALL", "C")
                .args(["policy", name]),
        )?;
        let known = policy.lines().any(|line| {
            line.trim()
                .strip_prefix("Candidate:")
                .is_some_and(|version| version.trim() != "(none)")
        });
        if !known {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `apt-get` with the right to install: as root, or through sudo.
fn apt() -> Result<Command> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else if find("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    } else {
        bail!("installing packages needs root: run as root, or install sudo");
    };
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "-o", "DPkg::Lock::Timeout=600"]);
    Ok(command)
}

fn is_root() -> bool {
    succeeds_within(
        Command::new("sh").args(["-c", "[ $(id -u) = 0 ]"]),
        Duration::from_secs(5),
    )
}

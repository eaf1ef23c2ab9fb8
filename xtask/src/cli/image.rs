//! `cargo xtask image`.

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use xtask::disk::{self, Contents};
use xtask::{build, debian, oci, step};

const HELP: &str = "\
Makes a disk: the default one, with additions.

Usage: cargo xtask image --out FILE [OPTIONS]

  --out FILE               where the disk goes
  --add HOST:GUEST         a file or folder, and where it goes; may be repeated
  --authorized-key FILE    a public key that may log in; may be repeated
  --leave-out GUEST        a path of the default tree to leave out
  --debian NAME[,NAME...]  Debian's packages and all that they need
  --oci FILE               the image of a container, in an archive of
                           `docker save`, `podman save` or `skopeo copy`: its
                           files, and a service that runs its program
  --size SIZE              bytes, or with K, M or G (256M, or more as needed)
  --block-size BYTES       1024, 2048 or 4096 (4096)

It boots with `cargo xtask run --disk FILE`.
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut out = None;
    let mut contents = Contents::default();
    let mut packages = Vec::new();
    let mut oci = None;
    while let Some(arg) = args.next()? {
        match arg {
            Long("out") => out = Some(PathBuf::from(args.value()?)),
            Long("add") => contents.add.push(addition(&args.value()?.string()?)?),
            Long("authorized-key") => contents.authorized_keys.push(args.value()?.into()),
            Long("leave-out") => contents.leave_out.push(args.value()?.into()),
            Long("debian") => packages.extend(names(&args.value()?.string()?)),
            Long("oci") => oci = Some(PathBuf::from(args.value()?)),
            Long("size") => contents.size = size(&args.value()?.string()?)?,
            Long("block-size") => contents.block_size = args.value()?.parse()?,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    let out = out.context("where to? Say --out FILE")?;
    if ![1024, 2048, 4096].contains(&contents.block_size) {
        bail!("--block-size may be 1024, 2048 or 4096");
    }
    let system = System::of(packages, oci)?;
    let built = build::programs()?;
    if let Some(system) = system {
        system.add(&mut contents)?;
    }
    disk::make(&out, &contents, &built.programs)?;
    step::step(&format!(
        "Boot it with: cargo xtask run --disk {}",
        out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What a disk has below the default tree.
#[derive(Debug, PartialEq, Eq)]
pub enum System {
    /// Debian's packages of these names.
    Debian(Vec<String>),
    /// The image of a container, in this archive.
    Oci(PathBuf),
}

impl System {
    /// What `--debian` and `--oci` say.
    ///
    /// # Errors
    /// Both say something.
    pub fn of(packages: Vec<String>, oci: Option<PathBuf>) -> Result<Option<System>> {
        match (packages.is_empty(), oci) {
            (true, None) => Ok(None),
            (false, None) => Ok(Some(System::Debian(packages))),
            (true, Some(file)) => Ok(Some(System::Oci(file))),
            (false, Some(_)) => bail!("--debian and --oci each make a system: say one of them"),
        }
    }

    /// Adds it to what goes onto a disk.
    pub fn add(&self, contents: &mut Contents) -> Result<()> {
        match self {
            System::Debian(packages) => debian::add(contents, packages),
            System::Oci(file) => oci::add(contents, file),
        }
    }

    /// Where the disk with it is that `cargo xtask run` makes.
    pub fn image(&self) -> PathBuf {
        match self {
            System::Debian(packages) => debian::image_of(packages),
            System::Oci(file) => oci::image_of(file),
        }
    }
}

/// The names in a list with commas.
pub fn names(text: &str) -> impl Iterator<Item = String> {
    let names = text.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned)
}

/// `HOST:GUEST`, as of `--add`.
pub fn addition(text: &str) -> Result<(PathBuf, PathBuf)> {
    let (host, guest) = text.split_once(':').context("--add takes HOST:GUEST")?;
    if host.is_empty() || !guest.starts_with('/') {
        bail!("--add takes HOST:GUEST, where GUEST begins with `/`; not `{text}`");
    }
    Ok((host.into(), guest.into()))
}

/// A size in bytes, of a disk.
pub fn size(text: &str) -> Result<u64> {
    let (digits, shift) = match text.chars().last() {
        Some('K' | 'k') => (&text[..text.len() - 1], 10),
        Some('M' | 'm') => (&text[..text.len() - 1], 20),
        Some('G' | 'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits
        .parse()
        .with_context(|| format!("`{text}` is not a size"))?;
    number
        .checked_mul(1 << shift)
        .filter(|size| *size >= 16 << 20)
        .context("a disk needs 16M at least")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("64M").unwrap(), 64 << 20);
        assert_eq!(size("16777216").unwrap(), 16 << 20);
        assert!(size("1K").is_err() && size("big").is_err() && size("99999999999G").is_err());
    }

    #[test]
    fn additions() {
        assert_eq!(addition("a/b:/c").unwrap(), ("a/b".into(), "/c".into()));
        assert!(addition("a").is_err() && addition(":/c").is_err() && addition("a:c").is_err());
    }
}

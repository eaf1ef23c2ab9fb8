//! What entries of tar archives say of files that go onto a disk.

use crate::disk::Attributes;
use anyhow::{Context, Result, bail};
use std::path::{Component, Path, PathBuf};

/// Whose a file is to be, and with which permissions.
pub fn attributes(header: &tar::Header) -> Result<Attributes> {
    let number = |id: u64| u32::try_from(id).context("an owner's number");
    Ok(Attributes {
        mode: header.mode()? & 0o7777,
        uid: number(header.uid()?)?,
        gid: number(header.gid()?)?,
    })
}

/// `./usr/bin` and `/usr/bin` as `usr/bin`.
///
/// # Errors
/// A path with `..` in it.
pub fn relative(path: &Path) -> Result<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir | Component::RootDir => {}
            Component::Normal(name) => plain.push(name),
            _ => bail!("{} leaves the archive", path.display()),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        assert_eq!(
            relative(Path::new("./usr/bin")).unwrap(),
            Path::new("usr/bin")
        );
        assert!(relative(Path::new("./../etc")).is_err());
    }
}

//! Files that come on top of a disk's tree: a folder that is added to it.

use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Such a folder.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a>(pub &'a Path);

impl Overlay<'_> {
    /// Writes a file, whose path is relative to the disk's root.
    pub fn write(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().context("a path without folder")?)?;
        fs::write(&path, text)?;
        Ok(fs::set_permissions(&path, Permissions::from_mode(mode))?)
    }

    /// Defines a service of herd's, and enables it.
    pub fn define(&self, name: &str, text: &str) -> Result<()> {
        self.write(&format!("etc/herd/available/{name}.conf"), text, 0o644)?;
        let enabled = self.0.join("etc/herd/enabled");
        fs::create_dir_all(&enabled)?;
        Ok(symlink(
            format!("../available/{name}.conf"),
            enabled.join(format!("{name}.conf")),
        )?)
    }
}

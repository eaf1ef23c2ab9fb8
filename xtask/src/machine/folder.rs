//! A folder for one machine under test.

use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Stays, for someone to look into, unless it is spent.
pub struct Folder {
    path: PathBuf,
    spent: bool,
}

impl Folder {
    /// Makes a folder that nobody else uses.
    pub fn new(name: &str) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{name}-{}-{number}", std::process::id());
        let path = paths::out().join("machines").join(unique);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path, spent: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is to be removed when dropped.
    pub fn spend(&mut self) {
        self.spent = true;
    }

    /// Whether it is to be removed.
    pub fn is_spent(&self) -> bool {
        self.spent
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.spent {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

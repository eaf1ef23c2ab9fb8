//! Debian's unmodified arm64 packages: fetched, unpacked without root, and laid
//! out as a system on which dpkg goes on.

mod apt;
mod database;
mod package;
mod system;

use crate::disk::AttributesOf;
use crate::paths;
use crate::step::step;
use anyhow::Result;
use apt::Apt;
use std::fs;
use std::path::PathBuf;

pub use system::{add, image_of};

fn folder_of(name: &str) -> PathBuf {
    paths::out().join("debian").join(name)
}

/// Where the packages of a set are unpacked by [`ensure`].
pub fn tree_of(name: &str) -> PathBuf {
    folder_of(name).join("root")
}

/// A folder with these packages and all that they need, unpacked; fetched
/// unless it is there. `name` names the set.
pub fn ensure(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let dir = folder_of(name);
    let (tree, done) = (tree_of(name), dir.join("done"));
    let wanted = packages.join(" ");
    if fs::read_to_string(&done).is_ok_and(|done| done == wanted) {
        return Ok(tree);
    }
    step(&format!("Fetching Debian's {wanted} for arm64"));
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&tree)?;
    let apt = Apt::shared()?;
    apt.update()?;
    let mut attributes = AttributesOf::new();
    for deb in apt.fetch(packages)? {
        package::unpack(&deb, &tree, &mut attributes)?;
    }
    fs::write(done, wanted)?;
    Ok(tree)
}

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
use std::fs;
use std::path::PathBuf;

pub use apt::Apt;
pub use system::{add, image_of};

/// A folder with these packages and all that they need, unpacked; fetched
/// unless it is there. `name` names the set.
pub fn ensure(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let dir = paths::out().join("debian").join(name);
    let (tree, done) = (dir.join("root"), dir.join("done"));
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

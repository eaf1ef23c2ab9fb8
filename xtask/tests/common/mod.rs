//! The sources that tests look at.

use std::fs;
use std::path::{Path, PathBuf};

/// A source itself, or all that are below a folder.
pub fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|it| it == "rs") {
        found.push(path.to_owned());
    }
}

//! Finds the definitions on the disk. One bad file never hides another.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{ConfigError, Loaded, Service, valid_name};
use crate::files;
use crate::paths::Paths;

/// A definition is a page of text; anything longer is a mistake. In bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads every definition in `available` and `enabled`.
///
/// # Errors
/// A folder that exists but cannot be listed; a missing folder is empty.
pub(crate) fn load(paths: &Paths) -> io::Result<Vec<Loaded>> {
    Ok(files(paths)?.into_iter().map(loaded).collect())
}

/// The names of all definitions, without reading them.
///
/// # Errors
/// As [`load`].
pub(crate) fn names(paths: &Paths) -> io::Result<Vec<String>> {
    Ok(files(paths)?.into_keys().collect())
}

/// The file of each definition, and whether it is enabled.
fn files(paths: &Paths) -> io::Result<BTreeMap<String, (bool, PathBuf)>> {
    let mut files = BTreeMap::new();
    for (folder, enabled) in [(paths.available(), false), (paths.enabled(), true)] {
        for file in conf_files(&folder)? {
            if let Some(name) = file.file_stem().and_then(|stem| stem.to_str()) {
                files.insert(name.to_owned(), (enabled, file.clone()));
            }
        }
    }
    Ok(files)
}

fn loaded((name, (enabled, file)): (String, (bool, PathBuf))) -> Loaded {
    let definition = if valid_name(&name) {
        load_one(&file)
    } else {
        Err(ConfigError::new(
            &file,
            "the file's name is not a service name (letters, digits, '_', '-', '.')",
        ))
    };
    Loaded {
        name,
        enabled,
        definition,
    }
}

/// Reads one definition.
pub(crate) fn load_one(file: &Path) -> Result<Service, ConfigError> {
    let text = files::read_text(file, MAX_BYTES).map_err(|error| {
        let target = fs::read_link(file).ok();
        match (error.kind(), target) {
            (io::ErrorKind::NotFound, Some(target)) => ConfigError::new(
                file,
                format!("is a link to {}, which is not there", target.display()),
            ),
            _ => ConfigError::new(file, error.to_string()),
        }
    })?;
    Service::parse(file, &text)
}

fn conf_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|end| end == "conf") {
            files.push(path);
        }
    }
    Ok(files)
}

//! Finds the definitions on the disk. One bad file never hides another.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ConfigError, Loaded, Service, Shared, valid_name};
use crate::files;
use crate::paths::Paths;

/// A definition is a page of text; anything longer is a mistake. In bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads every definition in `available` and `enabled`.
///
/// # Errors
/// A folder that exists but cannot be listed; a missing folder is empty.
pub(crate) fn load(paths: &Paths) -> io::Result<Vec<Loaded>> {
    let mut shared = Shared::default();
    let files = files(paths)?.into_iter();
    Ok(files.map(|file| loaded(file, &mut shared)).collect())
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
            let name = file.file_stem().and_then(|stem| stem.to_str());
            // A template is none; its instances are.
            if let Some(name) = name.filter(|name| !name.ends_with('@')) {
                files.insert(name.to_owned(), (enabled, file.clone()));
            }
        }
    }
    Ok(files)
}

fn loaded((name, (enabled, file)): (String, (bool, PathBuf)), shared: &mut Shared) -> Loaded {
    let definition = if valid_name(&name) {
        let read = load_one(&file, &name);
        read.map(|service| Arc::new(shared.share(service)))
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

/// Reads the definition of `name`.
pub(crate) fn load_one(file: &Path, name: &str) -> Result<Service, ConfigError> {
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
    match name.split_once('@') {
        Some((_, instance)) => Service::parse(file, &of_instance(&text, instance)),
        None => Service::parse(file, &text),
    }
}

/// The text of a template for one instance: `%i` is its name, `%%` a `%`. What may be
/// in a name means nothing in TOML.
fn of_instance(text: &str, instance: &str) -> String {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        whole.push_str(before);
        (whole, rest) = match after.as_bytes().first() {
            Some(b'i') => (whole + instance, &after[1..]),
            Some(b'%') => (whole + "%", &after[1..]),
            _ => (whole + "%", after),
        };
    }
    whole + rest
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_instance_is_its_template_with_its_name() {
        assert_eq!(of_instance("a %i %%i %d %", "x"), "a x %i %d %");
        let root = std::env::temp_dir().join(format!("herd-template-{}", std::process::id()));
        let paths = Paths::new(&root);
        fs::create_dir_all(paths.available()).unwrap();
        fs::create_dir_all(paths.enabled()).unwrap();
        let text = "command = ['server', '--port', '%i']\n";
        fs::write(paths.available_file("web@"), text).unwrap();
        for port in ["80", "81"] {
            let name = format!("web@{port}");
            assert_eq!(paths.definition_file(&name), paths.available_file("web@"));
            symlink("../available/web@.conf", paths.enabled_file(&name)).unwrap();
        }
        let all = load(&paths).unwrap();
        fs::remove_dir_all(root).unwrap();
        let told: Vec<_> = all
            .iter()
            .map(|found| {
                (
                    found.name.as_str(),
                    found.definition.as_ref().unwrap().command.0[2].as_str(),
                )
            })
            .collect();
        assert_eq!(told, [("web@80", "80"), ("web@81", "81")]);
    }
}

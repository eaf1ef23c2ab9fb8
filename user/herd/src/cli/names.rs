//! The services that words of a command line name.

use std::io;

use glob::Pattern;

use super::{Failure, client};
use crate::config;
use crate::near::did_you_mean;
use crate::paths::Paths;

/// The services that `words` name, each once, in the order of the words; those
/// that a pattern matches by name. A word that is no pattern is not looked up.
/// Patterns are for what the daemon knows; without it, for what is on the disk.
pub(super) fn expand(paths: &Paths, words: &[String]) -> Result<Vec<String>, Failure> {
    let mut known: Option<Vec<String>> = None;
    let mut names: Vec<String> = Vec::new();
    for word in words {
        if !is_pattern(word) {
            names.push(checked(word)?);
            continue;
        }
        let pattern = Pattern::new(word)
            .map_err(|error| Failure::Usage(format!("{word:?} is not a pattern: {error}")))?;
        let known = match &mut known {
            Some(known) => known,
            None => known.insert(all(paths)?),
        };
        let before = names.len();
        names.extend(known.iter().filter(|name| pattern.matches(name)).cloned());
        if names.len() == before {
            return Err(Failure::Unknown(format!("no service matches {word}")));
        }
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// Every service that has a log, whether or not it still has a definition, by name.
pub(super) fn with_logs(paths: &Paths) -> Vec<String> {
    let entries = std::fs::read_dir(paths.logs()).into_iter().flatten();
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = files
        .filter_map(|file| file.strip_suffix(".log").map(str::to_owned))
        .filter(|name| config::valid_name(name))
        .collect();
    names.sort_unstable();
    names
}

/// That no definition on the disk has this name, and which is near it.
pub(super) fn on_disk(paths: &Paths, name: &str) -> Failure {
    let near = config::names(paths)
        .map(|names| did_you_mean(name, names.iter().map(String::as_str)))
        .unwrap_or_default();
    Failure::Unknown(format!(
        "no service is called {name}{near}; `herd status` lists them"
    ))
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

/// A name that can be part of a path.
pub(super) fn checked(name: &str) -> Result<String, Failure> {
    match config::valid_name(name) {
        true => Ok(name.to_owned()),
        false => Err(Failure::Unknown(format!("{name:?} is not a service name"))),
    }
}

fn all(paths: &Paths) -> Result<Vec<String>, Failure> {
    match client::services(paths, None) {
        Ok(services) => Ok(services.into_iter().map(|service| service.name).collect()),
        Err(Failure::NoDaemon(_)) => config::names(paths).map_err(|error: io::Error| {
            Failure::Failed(format!("{}: {error}", paths.root().display()))
        }),
        Err(failure) => Err(failure),
    }
}

//! Who may start and stop now, by the `after` lists.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::entry::{Entry, State};
use crate::config::{ConfigError, Loaded};

/// Names whose turn to start has come: they wait, and nothing they are
/// `after` is still to be started.
pub(super) fn may_start(entries: &BTreeMap<String, Entry>) -> Vec<String> {
    let blocks = |name: &String| {
        entries.get(name).is_some_and(|other| {
            other.usable.is_some() && matches!(other.state, State::Waiting | State::Starting(_))
        })
    };
    let ready = |entry: &Entry| match (&entry.state, &entry.usable) {
        (State::Waiting, Some(service)) => !service.after.0.iter().any(blocks),
        _ => false,
    };
    names(entries, ready)
}

/// Names whose turn to stop has come in a shutdown: nothing that lives is
/// `after` them.
pub(super) fn may_stop(entries: &BTreeMap<String, Entry>) -> Vec<String> {
    let held: Vec<&String> = entries
        .values()
        .filter(|entry| entry.is_live())
        .filter_map(|entry| entry.usable.as_ref())
        .flat_map(|service| &service.after.0)
        .collect();
    entries
        .iter()
        .filter(|(name, entry)| !entry.is_live() || !held.contains(name))
        .map(|(name, _)| name.clone())
        .collect()
}

fn names(entries: &BTreeMap<String, Entry>, keep: impl Fn(&Entry) -> bool) -> Vec<String> {
    entries
        .iter()
        .filter(|(_, entry)| keep(entry))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Turns every definition that is `after` itself, directly or by others,
/// into a mistake, so that no service waits for ever.
pub(super) fn refuse_cycles(loaded: Vec<Loaded>) -> Vec<Loaded> {
    let after: HashMap<String, Vec<String>> = loaded
        .iter()
        .filter_map(|found| {
            let service = found.definition.as_ref().ok()?;
            Some((found.name.clone(), service.after.0.clone()))
        })
        .collect();
    loaded
        .into_iter()
        .map(|found| match cycle(&after, &found.name) {
            Some(path) if found.definition.is_ok() => Loaded {
                definition: Err(ConfigError {
                    file: PathBuf::from(format!("{}.conf", found.name)),
                    line: None,
                    message: format!("after: waits for itself: {}", path.join(" -> ")),
                }),
                ..found
            },
            _ => found,
        })
        .collect()
}

/// A shortest way from `name` back to itself.
fn cycle(after: &HashMap<String, Vec<String>>, name: &str) -> Option<Vec<String>> {
    let mut paths = vec![vec![name.to_owned()]];
    let mut seen: Vec<&str> = Vec::new();
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        let Some(others) = path.last().and_then(|last| after.get(last)) else {
            continue;
        };
        for other in others {
            let mut longer = path.clone();
            longer.push(other.clone());
            if other == name {
                return Some(longer);
            }
            if !seen.contains(&other.as_str()) {
                seen.push(other);
                paths.push(longer);
            }
        }
    }
    None
}

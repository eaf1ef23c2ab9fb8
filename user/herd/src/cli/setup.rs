//! `enable`, `disable` and `config`: what is on the disk. They work without
//! the daemon; with it, it follows.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Failure, Outcome, client, names, show};
use crate::config::{self, Listen, Loaded};
use crate::machine::refuse_cycles;
use crate::near::did_you_mean;
use crate::paths::Paths;
use crate::proto::Request;
use crate::sys;

pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::Failed(format!("{}: {error}", path.display()))
}

pub(super) fn enable(paths: &Paths, name: &str) -> Outcome {
    let definition = paths.definition_file(name);
    if !definition.exists() {
        return Err(Failure::Unknown(format!(
            "{} is not there: write the definition first",
            definition.display()
        )));
    }
    config::load_one(&definition, name).map_err(|error| Failure::Invalid(error.to_string()))?;
    let link = paths.enabled_file(name);
    fs::create_dir_all(paths.enabled()).map_err(failed(&link))?;
    let target = Path::new("../available").join(definition.file_name().unwrap_or_default());
    match symlink(target, &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(&link)(error));
        }
        _ => {}
    }
    let start = Request::Enable {
        name: name.to_owned(),
    };
    follow_up(paths, &start, &format!("{name} is enabled"))
}

pub(super) fn disable(paths: &Paths, name: &str) -> Outcome {
    let link = paths.enabled_file(name);
    match fs::remove_file(&link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !paths.definition_file(name).exists() {
                return Err(names::on_disk(paths, name));
            }
        }
        Err(error) => return Err(failed(&link)(error)),
        Ok(()) => {}
    }
    let stop = Request::Stop {
        name: name.to_owned(),
    };
    follow_up(paths, &stop, &format!("{name} is disabled"))
}

/// Has a running daemon read the change and act on it.
fn follow_up(paths: &Paths, request: &Request, text: &str) -> Outcome {
    match client::done(paths, &Request::Reload) {
        Ok(_) => {
            let then = match client::done(paths, request) {
                // What has gone entirely has stopped, too.
                Err(Failure::Unknown(_)) if matches!(request, Request::Stop { .. }) => {
                    "it is gone".to_owned()
                }
                other => other?,
            };
            show::print(&format!("{text}; {then}\n"));
            Ok(())
        }
        Err(Failure::NoDaemon(_)) => {
            show::print(&format!("{text}; herd does not run now\n"));
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// Shows one definition with every default filled in.
pub(super) fn show_config(paths: &Paths, name: &str, json: bool) -> Outcome {
    let enabled = paths.enabled_file(name);
    let file = if enabled.symlink_metadata().is_ok() {
        enabled
    } else {
        paths.definition_file(name)
    };
    if file.symlink_metadata().is_err() {
        return Err(Failure::Unknown(format!("{} is not there", file.display())));
    }
    let service =
        config::load_one(&file, name).map_err(|error| Failure::Invalid(error.to_string()))?;
    if json {
        show::print_json(&service);
        return Ok(());
    }
    show::print(&format!(
        "# {}\n{}",
        file.display(),
        show::definition(&service)
    ));
    Ok(())
}

/// All that is wrong with a definition, as things are now.
fn mistakes(found: &Loaded, names: &[&str]) -> Vec<String> {
    let service = match &found.definition {
        Ok(service) => service,
        Err(error) => return vec![error.to_string()],
    };
    let mut mistakes = sys::missing(service);
    let lists = [
        ("after", &service.after),
        ("wants", &service.wants),
        ("needs", &service.needs),
    ];
    let others = lists
        .iter()
        .flat_map(|(key, list)| list.0.iter().map(move |name| (key, name)));
    for (key, other) in others {
        if names.binary_search(&other.as_str()).is_err() {
            let near = did_you_mean(other, names.iter().copied());
            mistakes.push(format!("{key}: no service is called {other}{near}"));
        }
    }
    mistakes
}

/// Sockets that several services are to have, said to each but the first.
fn shared_sockets(loaded: &[Loaded]) -> HashMap<String, Vec<String>> {
    let mut first: HashMap<&Listen, &str> = HashMap::new();
    let mut shared: HashMap<String, Vec<String>> = HashMap::new();
    for found in loaded {
        let sockets = found.definition.iter().flat_map(|it| &it.sockets);
        for socket in sockets {
            let listen = &socket.listen;
            let other = first.entry(listen).or_insert(&found.name);
            if *other != found.name {
                let text = format!("sockets: {listen} is that of {other}");
                shared.entry(found.name.clone()).or_default().push(text);
            }
        }
    }
    shared
}

/// What `check` says of one definition.
#[derive(serde::Serialize)]
struct Checked<'a> {
    name: &'a str,
    enabled: bool,
    mistakes: Vec<String>,
}

impl Checked<'_> {
    fn print(&self) {
        let enabled = if self.enabled { "enabled" } else { "disabled" };
        let state = match self.mistakes.is_empty() {
            true => "good",
            false => "invalid",
        };
        show::print(&format!("{}: {state}, {enabled}\n", self.name));
        for mistake in &self.mistakes {
            show::print(&format!("  {mistake}\n"));
        }
    }
}

/// Checks every definition, and what they need.
pub(super) fn check_all(paths: &Paths, json: bool) -> Outcome {
    let loaded = refuse_cycles(config::load(paths).map_err(failed(paths.root()))?);
    let names: Vec<&str> = loaded.iter().map(|found| found.name.as_str()).collect();
    let mut wrong = 0;
    let mut checked = Vec::new();
    let shared = shared_sockets(&loaded);
    for found in &loaded {
        let mut mistakes = mistakes(found, &names);
        let twice = shared.get(&found.name);
        mistakes.extend(twice.into_iter().flatten().cloned());
        wrong += usize::from(!mistakes.is_empty());
        checked.push(Checked {
            name: &found.name,
            enabled: found.enabled,
            mistakes,
        });
    }
    match json {
        true => show::print_json(&checked),
        false => checked.iter().for_each(Checked::print),
    }
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::Invalid(format!(
            "{wrong} of {} definitions have a mistake",
            loaded.len()
        ))),
    }
}

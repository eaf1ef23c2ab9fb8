//! `new`: a definition from a command.

use std::fs::{self, File};
use std::io::{self, Write};

use super::{Failure, Outcome, client, show};
use crate::config::Service;
use crate::paths::Paths;
use crate::proto::Request;
use crate::sys;

/// Writes the definition of `name`, which runs `command`. One that is there
/// already is left alone.
pub(super) fn new(paths: &Paths, name: &str, command: &[String]) -> Outcome {
    write_definition(paths, name, &definition(command))
}

/// Writes the definition of `name`. One that is there already is left alone.
pub(super) fn write_definition(paths: &Paths, name: &str, text: &str) -> Outcome {
    let service = write_quietly(paths, name, text)?;
    let shown = paths.available_file(name);
    show::print(&format!(
        "{name} is defined in {}; `herd enable {name}` runs it\n",
        shown.display()
    ));
    for mistake in sys::missing(&service) {
        show::print(&format!("  {mistake}\n"));
    }
    match client::done(paths, &Request::Reload) {
        Ok(_) | Err(Failure::NoDaemon(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The same without a word, and without telling herd.
pub(super) fn write_quietly(paths: &Paths, name: &str, text: &str) -> Result<Service, Failure> {
    let file = paths.available_file(name);
    let service =
        Service::parse(&file, text).map_err(|error| Failure::Invalid(error.to_string()))?;
    let shown = file.display();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Failed(format!("{shown} is there already")),
        _ => Failure::Failed(format!("{shown}: {error}")),
    };
    fs::create_dir_all(paths.available()).map_err(failed)?;
    let written = File::create_new(&file).map_err(failed)?;
    if let Err(error) = fill(written, text) {
        // Half a definition is worse than none.
        let _ = fs::remove_file(&file);
        return Err(failed(error));
    }
    Ok(service)
}

pub(super) fn definition(command: &[String]) -> String {
    let words = command.iter().cloned().map(toml::Value::String).collect();
    format!("command = {}\n", toml::Value::Array(words))
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the words are, the service gets them as they were given.
        #[test]
        fn a_definition_says_the_words(words in prop::collection::vec("[^\0]*", 1..5)) {
            let text = definition(&words);
            let table: toml::Table = text.parse().unwrap();
            let told: Vec<&str> = table["command"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word.as_str().unwrap())
                .collect();
            prop_assert_eq!(told, words);
        }
    }

    #[test]
    fn what_is_no_command_is_no_definition() {
        let parsed = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Service::parse(Path::new("x.conf"), &definition(&words))
        };
        assert!(parsed(&["sh", "-c", "echo \"'\n"]).is_ok());
        assert!(parsed(&[""]).is_err());
    }
}

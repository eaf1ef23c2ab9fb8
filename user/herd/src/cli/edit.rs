//! `edit`: a definition in the operator's editor. What stands on the disk is replaced
//! when the new one is whole, and not before.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::setup::failed;
use super::{Failure, Outcome, client, names, show};
use crate::config;
use crate::files;
use crate::paths::Paths;
use crate::proto::Request;

/// More than this is no definition, in bytes.
const LIMIT: u64 = 1 << 20;

/// Has the operator edit the definition of `name`, or of its template.
pub(super) fn edit(paths: &Paths, name: &str) -> Outcome {
    let file = paths.definition_file(name);
    if !file.exists() {
        return Err(names::on_disk(paths, name));
    }
    let old = files::read_text(&file, LIMIT).map_err(failed(&file))?;
    let draft = draft_of(&file);
    // One that was left is gone on with.
    if !draft.exists() {
        fs::copy(&file, &draft).map_err(failed(&draft))?;
    }
    let new = until_it_is_whole(name, &draft)?;
    if new == old {
        fs::remove_file(&draft).map_err(failed(&draft))?;
        show::print(&format!("{name} is as it was\n"));
        return Ok(());
    }
    fs::rename(&draft, &file).map_err(failed(&file))?;
    let then = match client::done(paths, &Request::Reload) {
        Ok(_) if runs_with_another(paths, name) => format!("; `herd restart {name}` makes it so"),
        Ok(_) | Err(Failure::NoDaemon(_)) => String::new(),
        Err(failure) => return Err(failure),
    };
    show::print(&format!("{} is changed{then}\n", file.display()));
    Ok(())
}

/// The text of the draft, when nothing is wrong with it.
fn until_it_is_whole(name: &str, draft: &Path) -> Result<String, Failure> {
    loop {
        run_editor(draft)?;
        match config::load_one(draft, name) {
            Ok(_) => return files::read_text(draft, LIMIT).map_err(failed(draft)),
            Err(error) if asks_again(&error.to_string()) => {}
            Err(error) => {
                return Err(Failure::Invalid(format!(
                    "{error}\n{name} is as it was; `herd edit {name}` goes on with {}",
                    draft.display()
                )));
            }
        }
    }
}

/// Where a definition is edited: beside it, under a name that is no definition's.
fn draft_of(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.edit"))
}

fn runs_with_another(paths: &Paths, name: &str) -> bool {
    let services = client::services(paths, Some(name)).unwrap_or_default();
    services.iter().any(|service| service.changed)
}

/// `VISUAL`, `EDITOR` or vi, which may be a program with arguments.
fn run_editor(draft: &Path) -> Outcome {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|words| !words.trim().is_empty());
    let words = named.unwrap_or_else(|| "vi".to_owned());
    let split = shlex::split(&words).unwrap_or_default();
    let Some((program, arguments)) = split.split_first() else {
        return Err(Failure::Usage(format!("{words:?} is no editor")));
    };
    let ended = Command::new(program).args(arguments).arg(draft).status();
    let ended = ended.map_err(|error| Failure::Failed(format!("{program}: {error}")))?;
    match ended.success() {
        true => Ok(()),
        false => Err(Failure::Failed(format!(
            "{program}: {ended}; nothing is changed, and the draft is {}",
            draft.display()
        ))),
    }
}

/// Shows what is wrong, and asks whether it is to be edited again, where someone is
/// there to answer.
fn asks_again(error: &str) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    let _ = write!(io::stderr(), "{error}\nedit it again? [Y/n] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok_and(|count| count > 0) && !answer.trim().to_lowercase().starts_with('n')
}

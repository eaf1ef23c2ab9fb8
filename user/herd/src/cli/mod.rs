//! What an operator types.
#![forbid(unsafe_code)]

mod args;
mod blame;
mod client;
mod completion;
mod edit;
mod events;
mod help;
mod import;
mod lines;
mod logs;
mod names;
mod new;
mod run;
mod setup;
mod show;
mod tell;
mod top;
mod tree;

use std::process::ExitCode;

use crate::daemon;
use crate::paths::Paths;
use crate::proto::{Fault, Status};
use crate::sys;
use args::{Args, Verb};

/// Why a command failed; the kind chooses the exit status.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// It could not be done.
    Failed(String),
    /// The command line is wrong.
    Usage(String),
    /// The service does not run. Told by `status`, not an error.
    NotRunning,
    /// No service of that name.
    Unknown(String),
    /// The daemon cannot be reached.
    NoDaemon(String),
    /// The definition has a mistake.
    Invalid(String),
    /// It was not done in the time that was given.
    TimedOut(String),
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Failed(_) | Failure::NotRunning | Failure::NoDaemon(_) => 1,
            Failure::Usage(_) | Failure::Unknown(_) | Failure::Invalid(_) => 2,
            Failure::TimedOut(_) => 3,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Failure::NotRunning => None,
            Failure::Failed(text)
            | Failure::Usage(text)
            | Failure::Unknown(text)
            | Failure::NoDaemon(text)
            | Failure::Invalid(text)
            | Failure::TimedOut(text) => Some(text),
        }
    }

    fn tell(&self) {
        if let Some(text) = self.text() {
            eprintln!("herd: {text}");
        }
    }
}

type Outcome = Result<(), Failure>;

pub(crate) fn main() -> ExitCode {
    let root = std::env::var_os("HERD_ROOT").unwrap_or_else(|| "/".into());
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let outcome = if std::process::id() == 1 {
        // Whatever the kernel passed: process 1 supervises.
        supervise(Paths::new(root))
    } else {
        args::parse(&words)
            .map_err(Failure::Usage)
            .and_then(|args| {
                let root = args.root.clone().map_or(root, Into::into);
                act(args, Paths::new(root))
            })
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.status())
        }
    }
}

fn supervise(paths: Paths) -> Outcome {
    daemon::run(paths).map_err(Failure::Failed)
}

fn act(args: Args, paths: Paths) -> Outcome {
    match args.verb {
        Verb::Help => {
            show::print(help::HELP);
            Ok(())
        }
        Verb::Version => {
            show::print(concat!("herd ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(())
        }
        Verb::Daemon => supervise(paths),
        Verb::Keeper => sys::keep(),
        Verb::Status { names, json } => status(&paths, &names, json),
        Verb::Log {
            names,
            lines,
            follow,
            json,
        } => {
            let names = names::expand(&paths, &names)?;
            logs::show(&paths, &names, lines, follow, json)
        }
        Verb::Events {
            names,
            lines,
            follow,
            json,
        } => events::show(&paths, &names, lines, follow, json),
        Verb::Run { command } => run::run(&paths, &command),
        Verb::Why { name, json } => why(&paths, &names::checked(&name)?, json),
        Verb::New { name, command } => new::new(&paths, &names::checked(&name)?, &command),
        Verb::Import { file } => import::import(&paths, &file),
        Verb::Edit { name } => edit::edit(&paths, &names::checked(&name)?),
        Verb::Blame { form } => blame::show(&paths, form),
        Verb::Top => top::show(&paths),
        Verb::Tree { json } => tree::show(&paths, json),
        Verb::Completion { shell } => {
            show::print(&completion::script(&shell)?);
            Ok(())
        }
        Verb::Enable { names } => on_each(&paths, &names, setup::enable),
        Verb::Disable { names } => on_each(&paths, &names, setup::disable),
        Verb::Each { act, names, limit } => {
            let names = names::expand(&paths, &names)?;
            tell::each(&paths, act, names, limit)
        }
        Verb::Config { name, json } => match name {
            Some(name) => setup::show_config(&paths, &names::checked(&name)?, json),
            None => setup::check_all(&paths, json),
        },
        Verb::Tell(request) => {
            let text = client::done(&paths, &request)?;
            if !text.is_empty() {
                show::print(&format!("{text}\n"));
            }
            Ok(())
        }
    }
}

/// Does something to each service that the words name.
fn on_each(paths: &Paths, words: &[String], act: fn(&Paths, &str) -> Outcome) -> Outcome {
    let mut worst = Ok(());
    for name in names::expand(paths, words)? {
        worst = tell::worse(worst, act(paths, &name));
    }
    worst
}

fn status(paths: &Paths, words: &[String], json: bool) -> Outcome {
    let mut shown = Vec::new();
    let mut outcome = Ok(());
    if words.is_empty() {
        shown = client::services(paths, None)?;
    }
    for name in names::expand(paths, words)? {
        match client::services(paths, Some(&name)) {
            Ok(found) => shown.extend(found),
            Err(failure @ Failure::Unknown(_)) => outcome = tell::worse(outcome, Err(failure)),
            Err(failure) => return Err(failure),
        }
    }
    if !words.is_empty() && shown.iter().any(|service| service.pid.is_none()) {
        outcome = tell::worse(outcome, Err(Failure::NotRunning));
    }
    match shown.as_slice() {
        shown if json => show::print_json(&shown),
        // What is unknown was all there was.
        [] if !words.is_empty() => {}
        [service] if words.len() == 1 => show::print(&show::one(service)),
        shown => show::print(&show::table(shown)),
    }
    outcome
}

/// Lines of its log that say why something is as it is.
const WHY_LINES: usize = 15;

/// `herd why --json`.
#[derive(serde::Serialize)]
struct Why<'a> {
    service: &'a Status,
    log: Vec<lines::Line>,
}

fn why(paths: &Paths, name: &str, json: bool) -> Outcome {
    let log = || match logs::last(paths, name, WHY_LINES) {
        // It never ran: its state has said all.
        Err(Failure::Failed(_)) => Ok(Vec::new()),
        log => log,
    };
    for service in &client::services(paths, Some(name))? {
        if json {
            let log = lines::parse(name, &log()?);
            show::print_json(&Why { service, log });
        } else {
            show::print(&format!("{}\n", show::one(service)));
            logs::write_out(&log()?)?;
        }
    }
    Ok(())
}

impl From<(Fault, String)> for Failure {
    fn from((fault, text): (Fault, String)) -> Self {
        match fault {
            Fault::Failed => Failure::Failed(text),
            Fault::Unknown => Failure::Unknown(text),
            Fault::Invalid => Failure::Invalid(text),
        }
    }
}

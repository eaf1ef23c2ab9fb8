//! What an operator types.
#![forbid(unsafe_code)]

mod args;
mod client;
mod logs;
mod setup;
mod show;

use std::process::ExitCode;

use crate::paths::Paths;
use crate::proto::{Answer, Fault, Request};
use crate::{config, daemon};
use args::{Args, Verb};

/// Why a command failed; each kind has an exit status of its own.
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
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::NotRunning => 3,
            Failure::Unknown(_) => 4,
            Failure::NoDaemon(_) => 5,
            Failure::Invalid(_) => 6,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Failure::NotRunning => None,
            Failure::Failed(text)
            | Failure::Usage(text)
            | Failure::Unknown(text)
            | Failure::NoDaemon(text)
            | Failure::Invalid(text) => Some(text),
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
            if let Some(text) = failure.text() {
                eprintln!("herd: {text}");
            }
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
            show::print(args::HELP);
            Ok(())
        }
        Verb::Version => {
            show::print(concat!("herd ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(())
        }
        Verb::Daemon => supervise(paths),
        Verb::Status { name, json } => status(&paths, name, json),
        Verb::Log {
            name,
            lines,
            follow,
        } => logs::show(&paths, &known(name)?, lines, follow),
        Verb::Why { name } => why(&paths, known(name)?),
        Verb::Enable { name } => setup::enable(&paths, &known(name)?),
        Verb::Disable { name } => setup::disable(&paths, &known(name)?),
        Verb::Config { name } => match name {
            Some(name) => setup::show_config(&paths, &known(name)?),
            None => setup::check_all(&paths),
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

/// A name that can be part of a path.
fn known(name: String) -> Result<String, Failure> {
    if config::valid_name(&name) {
        Ok(name)
    } else {
        Err(Failure::Unknown(format!("{name:?} is not a service name")))
    }
}

fn status(paths: &Paths, name: Option<String>, json: bool) -> Outcome {
    let single = name.is_some();
    let services = match client::ask(paths, &Request::Status { name })? {
        Answer::Services { services } => services,
        other => return Err(client::unexpected(other)),
    };
    if json {
        show::print_json(&services);
    } else if let (true, [service]) = (single, services.as_slice()) {
        show::print(&show::one(service));
    } else {
        show::print(&show::table(&services));
    }
    match services.as_slice() {
        [service] if single && service.pid.is_none() => Err(Failure::NotRunning),
        _ => Ok(()),
    }
}

/// Lines of its log that say why something is as it is.
const WHY_LINES: usize = 15;

fn why(paths: &Paths, name: String) -> Outcome {
    let request = Request::Status {
        name: Some(name.clone()),
    };
    let services = match client::ask(paths, &request)? {
        Answer::Services { services } => services,
        other => return Err(client::unexpected(other)),
    };
    for service in &services {
        show::print(&show::one(service));
    }
    show::print("\n");
    match logs::show(paths, &name, Some(WHY_LINES), false) {
        // It never ran: its state has said all.
        Err(Failure::Failed(_)) => Ok(()),
        shown => shown,
    }
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

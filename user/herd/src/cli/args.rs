//! The command line.

use std::time::Duration;

use super::help::{OPTIONS, VERBS};
use super::tell::Act;
use crate::config::Millis;
use crate::near::did_you_mean;
use crate::proto::Request;
use crate::sys;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Args {
    pub(super) root: Option<String>,
    pub(super) verb: Verb,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Help,
    Version,
    Daemon,
    /// Keeps sockets: herd's own doing.
    Keeper,
    Status {
        /// Empty: all.
        names: Vec<String>,
        json: bool,
    },
    Log {
        names: Vec<String>,
        /// `None`: all.
        lines: Option<usize>,
        follow: bool,
        json: bool,
    },
    /// What herd says of services.
    Events {
        names: Vec<String>,
        /// `None`: all.
        lines: Option<usize>,
        follow: bool,
        json: bool,
    },
    /// A command, once, as a service.
    Run {
        command: Vec<String>,
    },
    Why {
        name: String,
        json: bool,
    },
    New {
        name: String,
        command: Vec<String>,
    },
    /// A definition from a unit of systemd's.
    Import {
        file: String,
    },
    Tree {
        json: bool,
    },
    Completion {
        shell: String,
    },
    Enable {
        names: Vec<String>,
    },
    Disable {
        names: Vec<String>,
    },
    /// Has something done to each of them.
    Each {
        act: Act,
        names: Vec<String>,
        /// How long it is waited for.
        limit: Option<Duration>,
    },
    Config {
        name: Option<String>,
        json: bool,
    },
    /// Only passed on to the daemon.
    Tell(Request),
}

/// What was found on the command line, before it is given a meaning.
#[derive(Default)]
struct Found {
    root: Option<String>,
    json: bool,
    follow: bool,
    lines: Option<String>,
    timeout: Option<String>,
    help: bool,
    version: bool,
    words: Vec<String>,
    /// What is behind `--`.
    command: Option<Vec<String>>,
}

pub(super) fn parse(words: &[String]) -> Result<Args, String> {
    let found = sort(words)?;
    let verb = if found.help {
        Verb::Help
    } else if found.version {
        Verb::Version
    } else {
        verb(&found)?
    };
    Ok(Args {
        root: found.root,
        verb,
    })
}

fn sort(words: &[String]) -> Result<Found, String> {
    let mut found = Found::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let (key, joined) = match word.split_once('=') {
            Some((key, value)) if key.starts_with("--") => (key, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || {
            joined
                .clone()
                .or_else(|| rest.next().cloned())
                .ok_or_else(|| format!("{key} needs a value"))
        };
        match key {
            "--" => {
                found.command = Some(rest.as_slice().to_vec());
                break;
            }
            "--root" => found.root = Some(value()?),
            "-n" | "--lines" => found.lines = Some(value()?),
            "-f" | "--follow" => found.follow = true,
            "--json" => found.json = true,
            "--timeout" => found.timeout = Some(value()?),
            "-h" | "--help" | "help" => found.help = true,
            "-V" | "--version" => found.version = true,
            _ if key.starts_with('-') => {
                let near = did_you_mean(key, OPTIONS);
                return Err(format!("unknown option {word}{near}; see herd --help"));
            }
            _ => found.words.push(word.clone()),
        }
    }
    Ok(found)
}

fn verb(found: &Found) -> Result<Verb, String> {
    let (verb, names) = found
        .words
        .split_first()
        .ok_or("a command is missing; see herd --help")?;
    let no_name = || match names {
        [] => Ok(()),
        _ => Err(format!("{verb} takes no name")),
    };
    let maybe_name = || match names {
        [] => Ok(None),
        [name] => Ok(Some(name.clone())),
        _ => Err(format!("{verb} takes one name at most")),
    };
    let one = |what: &str| match names {
        [one] => Ok(one.clone()),
        _ => Err(format!("usage: herd {verb} {what}")),
    };
    let some = || match names {
        [] => Err(format!("usage: herd {verb} NAME...")),
        names => Ok(names.to_vec()),
    };
    belongs(verb, found)?;
    let each = |act| {
        Ok(Verb::Each {
            act,
            names: some()?,
            limit: limit(found.timeout.as_deref())?,
        })
    };
    let tell = |request| Ok(Verb::Tell(request));
    match verb.as_str() {
        "daemon" => no_name().map(|()| Verb::Daemon),
        sys::KEEPER => no_name().map(|()| Verb::Keeper),
        "status" => Ok(Verb::Status {
            names: names.to_vec(),
            json: found.json,
        }),
        "log" => Ok(Verb::Log {
            names: some()?,
            lines: lines(found.lines.as_deref())?,
            follow: found.follow,
            json: found.json,
        }),
        "events" => Ok(Verb::Events {
            names: names.to_vec(),
            lines: lines(found.lines.as_deref())?,
            follow: found.follow,
            json: found.json,
        }),
        "run" => match (names, found.command.as_deref()) {
            ([], Some(command @ [_, ..])) => Ok(Verb::Run {
                command: command.to_vec(),
            }),
            _ => Err("usage: herd run -- COMMAND...".to_owned()),
        },
        "why" => Ok(Verb::Why {
            name: one("NAME")?,
            json: found.json,
        }),
        "new" => match (names, found.command.as_deref()) {
            ([name], Some(command @ [_, ..])) => Ok(Verb::New {
                name: name.clone(),
                command: command.to_vec(),
            }),
            _ => Err("usage: herd new NAME -- COMMAND...".to_owned()),
        },
        "import" => Ok(Verb::Import {
            file: one("FILE.service")?,
        }),
        "tree" => no_name().map(|()| Verb::Tree { json: found.json }),
        "completion" => Ok(Verb::Completion {
            shell: one("bash|zsh")?,
        }),
        "enable" => Ok(Verb::Enable { names: some()? }),
        "disable" => Ok(Verb::Disable { names: some()? }),
        "check" => no_name().map(|()| Verb::Config {
            name: None,
            json: found.json,
        }),
        "config" => Ok(Verb::Config {
            name: maybe_name()?,
            json: found.json,
        }),
        "start" => each(Act::Start),
        "stop" => each(Act::Stop),
        "restart" => each(Act::Restart),
        "reload" if names.is_empty() => tell(Request::Reload),
        "reload" => each(Act::Refresh),
        "upgrade" => no_name().and_then(|()| tell(Request::Upgrade)),
        "poweroff" => no_name().and_then(|()| tell(Request::Poweroff)),
        "reboot" => no_name().and_then(|()| tell(Request::Reboot)),
        "halt" => no_name().and_then(|()| tell(Request::Halt)),
        _ => Err(format!(
            "unknown command {verb}{}; see herd --help",
            did_you_mean(verb, VERBS)
        )),
    }
}

/// Refuses options that mean nothing to a command.
fn belongs(verb: &str, found: &Found) -> Result<(), String> {
    let options: [(bool, &str, &[&str]); 4] = [
        (found.command.is_some(), "-- COMMAND", &["new", "run"]),
        (
            found.follow || found.lines.is_some(),
            "-n and -f",
            &["log", "events"],
        ),
        (
            found.json,
            "--json",
            &["status", "why", "log", "events", "tree", "check", "config"],
        ),
        (
            found.timeout.is_some(),
            "--timeout",
            &["start", "stop", "restart"],
        ),
    ];
    for (given, option, verbs) in options {
        if given && !verbs.contains(&verb) {
            let verbs = verbs.join(", ");
            return Err(format!("{verb} has no {option}; only {verbs}"));
        }
    }
    Ok(())
}

fn limit(text: Option<&str>) -> Result<Option<Duration>, String> {
    text.map(|text| Millis::read(text).map(|time| Duration::from_millis(time.0)))
        .transpose()
        .map_err(|error| format!("--timeout: {error}"))
}

fn lines(text: Option<&str>) -> Result<Option<usize>, String> {
    match text {
        None => Ok(Some(50)),
        Some("all") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| format!("-n {text}: a number of lines, or \"all\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::help::HELP;
    use super::*;

    fn parsed(line: &str) -> Result<Verb, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).map(|args| args.verb)
    }

    #[test]
    fn commands_are_understood() {
        let log = |lines, follow| Verb::Log {
            names: vec!["web".to_owned()],
            lines,
            follow,
            json: false,
        };
        assert_eq!(parsed("log web"), Ok(log(Some(50), false)));
        assert_eq!(parsed("log -n 3 -f web"), Ok(log(Some(3), true)));
        assert_eq!(parsed("log web --lines=all"), Ok(log(None, false)));
        assert_eq!(parsed("status --help"), Ok(Verb::Help));
        assert_eq!(parsed("reload"), Ok(Verb::Tell(Request::Reload)));
        let new = Verb::New {
            name: "web".to_owned(),
            command: ["x", "--json", "--"].map(str::to_owned).to_vec(),
        };
        assert_eq!(parsed("new web -- x --json --"), Ok(new));
        let args = parse(&["--root".to_owned(), "/x".to_owned(), "daemon".to_owned()]).unwrap();
        assert_eq!(
            (args.root.as_deref(), args.verb),
            (Some("/x"), Verb::Daemon)
        );
    }

    #[test]
    fn every_command_that_is_suggested_is_one() {
        for verb in VERBS {
            let found = ["", " x", " x -- y", " -- y"].map(|rest| parsed(&format!("{verb}{rest}")));
            assert!(found.iter().any(Result::is_ok), "{verb}: {found:?}");
            assert!(HELP.contains(verb) || verb == "help");
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (line, word) in [
            ("", "--help"),
            ("strat web", "strat, did you mean \"start\"?"),
            ("start", "NAME"),
            ("why a b", "NAME"),
            ("start a --timeout 5x", "--timeout: \"5x\" is not a time"),
            ("status --timeout 5s", "start, stop, restart"),
            ("new web", "new NAME -- COMMAND"),
            ("new web --", "new NAME -- COMMAND"),
            ("stop web -- x", "stop has no -- COMMAND"),
            ("log web -n x", "-n x"),
            ("log web -n", "needs a value"),
            ("start web -f", "log"),
            ("reload --json", "status"),
            ("status --jsno", "--jsno, did you mean \"--json\"?"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}

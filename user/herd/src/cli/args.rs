//! The command line.

use std::time::Duration;

use super::blame;
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
    /// A definition in the operator's editor.
    Edit {
        name: String,
    },
    /// What the starts took.
    Blame {
        form: blame::Form,
    },
    /// What runs, again and again.
    Top,
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
    svg: bool,
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
            "--svg" => found.svg = true,
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

/// A command and its words.
struct Words<'a> {
    verb: &'a str,
    names: &'a [String],
    found: &'a Found,
}

impl Words<'_> {
    fn no_name(&self) -> Result<(), String> {
        match self.names {
            [] => Ok(()),
            _ => Err(format!("{} takes no name", self.verb)),
        }
    }

    fn maybe_name(&self) -> Result<Option<String>, String> {
        match self.names {
            [] => Ok(None),
            [name] => Ok(Some(name.clone())),
            _ => Err(format!("{} takes one name at most", self.verb)),
        }
    }

    fn one(&self, what: &str) -> Result<String, String> {
        match self.names {
            [one] => Ok(one.clone()),
            _ => Err(format!("usage: herd {} {what}", self.verb)),
        }
    }

    fn some(&self) -> Result<Vec<String>, String> {
        match self.names {
            [] => Err(format!("usage: herd {} NAME...", self.verb)),
            names => Ok(names.to_vec()),
        }
    }

    /// What is behind `--`.
    fn command(&self) -> Option<Vec<String>> {
        let command = self.found.command.as_deref();
        command.filter(|words| !words.is_empty()).map(<[_]>::to_vec)
    }

    fn each(&self, act: Act) -> Result<Verb, String> {
        Ok(Verb::Each {
            act,
            names: self.some()?,
            limit: limit(self.found.timeout.as_deref())?,
        })
    }

    fn tell(&self, request: Request) -> Result<Verb, String> {
        self.no_name().map(|()| Verb::Tell(request))
    }

    /// Those that show something; `None` if it is none of them.
    fn showing(&self) -> Option<Result<Verb, String>> {
        let json = self.found.json;
        let names = self.names.to_vec();
        Some(match self.verb {
            "status" => Ok(Verb::Status { names, json }),
            "log" => self.log(),
            "events" => lines(self.found.lines.as_deref()).map(|lines| Verb::Events {
                names,
                lines,
                follow: self.found.follow,
                json,
            }),
            "why" => self.one("NAME").map(|name| Verb::Why { name, json }),
            "tree" => self.no_name().map(|()| Verb::Tree { json }),
            "blame" => self.no_name().map(|()| Verb::Blame {
                form: match (json, self.found.svg) {
                    (_, true) => blame::Form::Svg,
                    (true, false) => blame::Form::Json,
                    (false, false) => blame::Form::Text,
                },
            }),
            "top" => self.no_name().map(|()| Verb::Top),
            "completion" => self.one("bash|zsh").map(|shell| Verb::Completion { shell }),
            "check" => self.no_name().map(|()| Verb::Config { name: None, json }),
            "config" => self.maybe_name().map(|name| Verb::Config { name, json }),
            _ => return None,
        })
    }

    fn log(&self) -> Result<Verb, String> {
        Ok(Verb::Log {
            names: self.some()?,
            lines: lines(self.found.lines.as_deref())?,
            follow: self.found.follow,
            json: self.found.json,
        })
    }

    /// Those that change what is on the disk; `None` if it is none of them.
    fn defining(&self) -> Option<Result<Verb, String>> {
        Some(match self.verb {
            "new" => match (self.names, self.command()) {
                ([name], Some(command)) => Ok(Verb::New {
                    name: name.clone(),
                    command,
                }),
                _ => Err("usage: herd new NAME -- COMMAND...".to_owned()),
            },
            "edit" => self.one("NAME").map(|name| Verb::Edit { name }),
            "import" => self.one("FILE.service").map(|file| Verb::Import { file }),
            "enable" => self.some().map(|names| Verb::Enable { names }),
            "disable" => self.some().map(|names| Verb::Disable { names }),
            _ => return None,
        })
    }

    /// Those that have something done; `None` if it is none of them.
    fn doing(&self) -> Option<Result<Verb, String>> {
        Some(match self.verb {
            "daemon" => self.no_name().map(|()| Verb::Daemon),
            sys::KEEPER => self.no_name().map(|()| Verb::Keeper),
            "run" => match (self.names, self.command()) {
                ([], Some(command)) => Ok(Verb::Run { command }),
                _ => Err("usage: herd run -- COMMAND...".to_owned()),
            },
            "start" => self.each(Act::Start),
            "stop" => self.each(Act::Stop),
            "restart" => self.each(Act::Restart),
            "reload" if self.names.is_empty() => self.tell(Request::Reload),
            "reload" => self.each(Act::Refresh),
            "upgrade" => self.tell(Request::Upgrade),
            "poweroff" => self.tell(Request::Poweroff),
            "reboot" => self.tell(Request::Reboot),
            "halt" => self.tell(Request::Halt),
            _ => return None,
        })
    }
}

fn verb(found: &Found) -> Result<Verb, String> {
    let (verb, names) = found
        .words
        .split_first()
        .ok_or("a command is missing; see herd --help")?;
    belongs(verb, found)?;
    let words = Words { verb, names, found };
    let known = words
        .showing()
        .or_else(|| words.defining())
        .or_else(|| words.doing());
    known.unwrap_or_else(|| {
        let near = did_you_mean(verb, VERBS);
        Err(format!("unknown command {verb}{near}; see herd --help"))
    })
}

/// Refuses options that mean nothing to a command.
fn belongs(verb: &str, found: &Found) -> Result<(), String> {
    let options: [(bool, &str, &[&str]); 5] = [
        (found.svg, "--svg", &["blame"]),
        (found.command.is_some(), "-- COMMAND", &["new", "run"]),
        (
            found.follow || found.lines.is_some(),
            "-n and -f",
            &["log", "events"],
        ),
        (
            found.json,
            "--json",
            &[
                "status", "why", "log", "events", "tree", "blame", "check", "config",
            ],
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

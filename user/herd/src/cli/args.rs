//! The command line.

use crate::near::did_you_mean;
use crate::proto::Request;

pub(super) const HELP: &str = "\
herd keeps services running and keeps their logs.

usage: herd [--root DIR] COMMAND

  daemon                 supervise (process 1 does so by itself)
  status [NAME] [--json] what runs; with NAME, status 3 if it does not
  why NAME               what is with it: its state, and the end of its log
  log NAME [-n N] [-f]   the last N lines (50, or \"all\"); -f: and what follows
  enable NAME            run it now and whenever herd starts
  disable NAME           stop it, and do not start it with herd
  start NAME             run it now
  stop NAME              stop it until it is started again
  restart NAME           stop it, then start it
  reload [NAME]          read the definitions again; start what is newly enabled;
                         with NAME, have that read its own configuration again
  upgrade                run herd's program anew; services go on
  check                  say all that is wrong with the definitions
  config NAME            show one with its defaults
  poweroff, reboot, halt stop everything and end the machine's run

Definitions are /etc/herd/available/NAME.conf, logs /var/log/herd/NAME.log.
--root DIR (or HERD_ROOT) puts these, and /run/herd, below DIR.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 not running (status NAME),
4 no such service, 5 herd does not run, 6 mistake in a definition.
";

const VERBS: [&str; 17] = [
    "why", "upgrade", "check", "daemon", "status", "log", "enable", "disable", "start", "stop",
    "restart", "reload", "config", "poweroff", "reboot", "halt", "help",
];

const OPTIONS: [&str; 6] = [
    "--root",
    "--lines",
    "--follow",
    "--json",
    "--help",
    "--version",
];

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
    Status {
        name: Option<String>,
        json: bool,
    },
    Log {
        name: String,
        /// `None`: all.
        lines: Option<usize>,
        follow: bool,
    },
    Why {
        name: String,
    },
    Enable {
        name: String,
    },
    Disable {
        name: String,
    },
    Config {
        name: Option<String>,
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
    help: bool,
    version: bool,
    words: Vec<String>,
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
            "--root" => found.root = Some(value()?),
            "-n" | "--lines" => found.lines = Some(value()?),
            "-f" | "--follow" => found.follow = true,
            "--json" => found.json = true,
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
    let name = || match names {
        [name] => Ok(name.clone()),
        _ => Err(format!("usage: herd {verb} NAME")),
    };
    let log = verb == "log";
    if (found.follow || found.lines.is_some()) && !log {
        return Err("-n and -f belong to herd log".to_owned());
    }
    if found.json && verb != "status" {
        return Err("--json belongs to herd status".to_owned());
    }
    let tell = |request| Ok(Verb::Tell(request));
    match verb.as_str() {
        "daemon" => no_name().map(|()| Verb::Daemon),
        "status" => Ok(Verb::Status {
            name: maybe_name()?,
            json: found.json,
        }),
        "log" => Ok(Verb::Log {
            name: name()?,
            lines: lines(found.lines.as_deref())?,
            follow: found.follow,
        }),
        "why" => Ok(Verb::Why { name: name()? }),
        "enable" => Ok(Verb::Enable { name: name()? }),
        "disable" => Ok(Verb::Disable { name: name()? }),
        "check" => no_name().map(|()| Verb::Config { name: None }),
        "config" => Ok(Verb::Config {
            name: maybe_name()?,
        }),
        "start" => tell(Request::Start { name: name()? }),
        "stop" => tell(Request::Stop { name: name()? }),
        "restart" => tell(Request::Restart { name: name()? }),
        "reload" => match maybe_name()? {
            Some(name) => tell(Request::Refresh { name }),
            None => tell(Request::Reload),
        },
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
    use super::*;

    fn parsed(line: &str) -> Result<Verb, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).map(|args| args.verb)
    }

    #[test]
    fn commands_are_understood() {
        let log = |lines, follow| Verb::Log {
            name: "web".to_owned(),
            lines,
            follow,
        };
        assert_eq!(parsed("log web"), Ok(log(Some(50), false)));
        assert_eq!(parsed("log -n 3 -f web"), Ok(log(Some(3), true)));
        assert_eq!(parsed("log web --lines=all"), Ok(log(None, false)));
        assert_eq!(parsed("status --help"), Ok(Verb::Help));
        assert_eq!(parsed("reload"), Ok(Verb::Tell(Request::Reload)));
        let args = parse(&["--root".to_owned(), "/x".to_owned(), "daemon".to_owned()]).unwrap();
        assert_eq!(
            (args.root.as_deref(), args.verb),
            (Some("/x"), Verb::Daemon)
        );
    }

    #[test]
    fn every_command_that_is_suggested_is_one() {
        for verb in VERBS {
            let found = [verb.to_owned(), format!("{verb} x")].map(|line| parsed(&line));
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
            ("start a b", "NAME"),
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

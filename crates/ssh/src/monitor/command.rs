//! What can be asked of the monitor.

use alloc::format;
use alloc::string::String;

use crate::near::DidYouMean;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// What there is.
    Help,
    /// The machine at a glance.
    Status,
    /// The last messages of the kernel's log; so many, or all.
    Dmesg(Option<usize>),
    /// The sleeping locks that are held, and who waits for them.
    Locks,
    /// All threads.
    Threads,
    /// All processes.
    Processes,
    /// Who has the memory.
    Memory,
    /// What has become of the supervisor.
    Herd,
    /// Ends the supervisor and its services and starts it anew.
    RestartHerd,
    /// Sends a signal to a process.
    Kill {
        /// The process.
        pid: u32,
        /// The signal.
        signal: u32,
    },
    /// Writes everything to the disk.
    Sync,
    /// Starts the machine anew.
    Reboot {
        /// Without writing anything to the disk before.
        at_once: bool,
    },
    /// Leaves the monitor.
    Exit,
}

/// Names, arguments and what they do.
const HELP: &[(&str, &str, &str)] = &[
    ("status", "", "the machine at a glance"),
    ("dmesg", "[LINES]", "the kernel's log, or its last LINES"),
    ("locks", "", "locks that are held, and who waits for them"),
    ("threads", "", "all threads, and what they wait for"),
    ("ps", "", "all processes"),
    ("memory", "", "who has the memory"),
    (
        "herd",
        "[restart]",
        "the supervisor: its state; end it and its services, and start it",
    ),
    (
        "kill",
        "PID [SIGNAL]",
        "send a signal, TERM if none is named",
    ),
    ("sync", "", "write everything to the disk"),
    (
        "reboot",
        "[now]",
        "write to the disk for at most 10 s, then start anew; `now`: at once",
    ),
    ("help", "", "this list"),
    ("exit", "", "leave"),
];

/// The list of commands, line by line.
pub(super) fn help() -> impl Iterator<Item = String> {
    HELP.iter()
        .map(|(name, arguments, text)| format!("{:<20} {text}\n", format!("{name} {arguments}")))
}

/// Signals by their names, as kill(1) has them on AArch64.
const SIGNALS: &[(&str, u32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("USR1", 10),
    ("USR2", 12),
    ("TERM", 15),
    ("CONT", 18),
    ("STOP", 19),
];
const TERM: u32 = 15;
/// The largest number of a signal.
const LAST_SIGNAL: u32 = 64;

/// Reads a line; `None` if it is empty.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(line: &str) -> Result<Option<Command>, String> {
    let mut words = line.split_ascii_whitespace();
    let Some(name) = words.next() else {
        return Ok(None);
    };
    let command = match name {
        "help" | "?" => Command::Help,
        "status" => Command::Status,
        "dmesg" => Command::Dmesg(words.next().map(|word| number(word, "LINES")).transpose()?),
        "locks" => Command::Locks,
        "threads" => Command::Threads,
        "ps" => Command::Processes,
        "memory" => Command::Memory,
        "herd" => match words.next() {
            None | Some("status") => Command::Herd,
            Some("restart") => Command::RestartHerd,
            Some(other) => return Err(unknown("herd's command", &["status", "restart"], other)),
        },
        "restart" => match words.next() {
            Some("herd") => Command::RestartHerd,
            _ => return Err("only herd can be restarted: `herd restart`".into()),
        },
        "kill" => kill(&mut words)?,
        "sync" => Command::Sync,
        "reboot" => match words.next() {
            None => Command::Reboot { at_once: false },
            Some("now") => Command::Reboot { at_once: true },
            Some(other) => return Err(unknown("reboot's argument", &["now"], other)),
        },
        "exit" | "quit" | "logout" => Command::Exit,
        other => {
            let near = DidYouMean::among(HELP.iter().map(|(name, ..)| *name), other);
            return Err(format!(
                "this is no shell, and no command is called {other}{near} (try `help`)"
            ));
        }
    };
    match words.next() {
        Some(more) => Err(format!("nothing may follow here: {more}")),
        None => Ok(Some(command)),
    }
}

fn unknown(what: &str, known: &[&str], word: &str) -> String {
    let near = DidYouMean::among(known.iter().copied(), word);
    format!("{what} is not {word}{near}")
}

fn number<N: core::str::FromStr>(word: &str, what: &str) -> Result<N, String> {
    word.parse()
        .map_err(|_| format!("{what} is not a number: {word}"))
}

fn kill<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Command, String> {
    let mut words = words.map(|word| match word.strip_prefix('-') {
        Some(option) => (true, option),
        None => (false, word),
    });
    let usage = "kill needs a process: kill PID [SIGNAL]";
    let (mut pid, mut named) = (None, None);
    for (is_option, word) in &mut words {
        match pid {
            None if !is_option => pid = Some(number(word, "PID")?),
            _ if named.is_none() => named = Some(signal(word)?),
            _ => return Err(usage.into()),
        }
    }
    match pid {
        Some(0) | None => Err(usage.into()),
        Some(pid) => Ok(Command::Kill {
            pid,
            signal: named.unwrap_or(TERM),
        }),
    }
}

fn signal(word: &str) -> Result<u32, String> {
    if let Ok(number @ 1..=LAST_SIGNAL) = word.parse() {
        return Ok(number);
    }
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = SIGNALS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number).ok_or_else(|| {
        let near = DidYouMean::among(SIGNALS.iter().map(|(known, _)| *known), name);
        format!("no signal is called {word}{near}")
    })
}

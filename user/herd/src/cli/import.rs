//! `import`: a definition from a systemd unit (systemd.service(5), systemd.exec(5)),
//! and what cannot be carried over.

mod socket;
mod unit;

use std::io::ErrorKind;
use std::path::Path;

use toml::{Table, Value};

use super::new::write_definition;
use super::{Failure, Outcome, names, show};
use crate::config::{Signal, valid_name};
use crate::files;
use crate::paths::Paths;
use unit::Entry;

/// No unit is longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// Writes the definition that says what a unit does.
pub(super) fn import(paths: &Paths, file: &str) -> Outcome {
    let path = Path::new(file);
    let stem = path
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.strip_suffix(".service"));
    let name =
        stem.ok_or_else(|| Failure::Usage(format!("{file}: only NAME.service can be imported")))?;
    let name = names::checked(name)?;
    let text = files::read_text(path, LONGEST)
        .map_err(|error| Failure::Failed(format!("{file}: {error}")))?;
    let mut imported =
        Imported::of(&text).map_err(|error| Failure::Invalid(format!("{file}: {error}")))?;
    // One that starts it for its clients stands beside it.
    let socket = path.with_extension("socket");
    match files::read_text(&socket, LONGEST) {
        Ok(text) => imported.take_socket(&text),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::Failed(format!("{}: {error}", socket.display()))),
    }
    write_definition(paths, &name, &imported.text(file))?;
    for left in &imported.left {
        show::print(&format!("  not carried over: {left}\n"));
    }
    Ok(())
}

/// What a unit comes to.
#[derive(Debug, Default)]
struct Imported {
    table: Table,
    /// Settings that have no counterpart, or lose something by it.
    left: Vec<String>,
}

impl Imported {
    fn of(text: &str) -> Result<Imported, String> {
        let mut imported = Imported::default();
        // The other way round than here: systemd restarts nothing unless told so.
        imported.set("restart", "never");
        for entry in unit::entries(text) {
            if let Err(why) = imported.take(&entry) {
                imported.left.push(plain(&format!("{entry} ({why})")));
            }
        }
        match imported.table.contains_key("command") {
            true => Ok(imported),
            false => Err("there is no ExecStart that could be carried over".to_owned()),
        }
    }

    /// The definition, with what it lacks at its beginning.
    fn text(&self, file: &str) -> String {
        let mut text = format!("# From {}.\n", plain(file));
        for left in &self.left {
            text.push_str(&format!("# Not carried over: {left}\n"));
        }
        text.push_str(&self.table.to_string());
        text
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.table.insert(key.to_owned(), value.into());
    }

    /// Appends to a list.
    fn add(&mut self, key: &str, words: Vec<String>) {
        let list = self
            .table
            .entry(key)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.extend(words.into_iter().map(Value::String));
        }
    }

    /// Sets what can be there once only.
    fn once(&mut self, key: &str, value: impl Into<Value>) -> Result<(), String> {
        match self.table.contains_key(key) {
            true => Err("only one of them can be had".to_owned()),
            false => {
                self.set(key, value);
                Ok(())
            }
        }
    }

    /// Gives a setting its counterpart; why there is none.
    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        let value = entry.value.as_str();
        match (entry.section.as_str(), entry.key.as_str()) {
            // What is only said to people, or follows from `enable`.
            ("Unit", "Description" | "Documentation") | ("Install", "WantedBy") => Ok(()),
            ("Unit", "After") => self.services("after", value),
            ("Unit", "Wants") => self.services("wants", value),
            ("Unit", "Requires" | "BindsTo" | "Requisite") => self.services("needs", value),
            ("Unit", "Conflicts") => self.services("conflicts", value),
            ("Service", key) => self.take_of_service(key, value),
            _ => Err("there is nothing like it".to_owned()),
        }
    }

    fn take_of_service(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "Type" => self.kind(value),
            "ExecStart" => self.command("command", value),
            "ExecStartPre" => self.command("pre_start", value),
            "ExecStopPost" => self.command("post_stop", value),
            "ExecReload" => self.reload(value),
            "Restart" => self.restart(value),
            "RestartSec" => {
                let first = time(value)?;
                self.set("backoff", format!("{first}ms..{}ms", first.max(60_000)));
                Ok(())
            }
            "TimeoutStartSec" => self.time("start_timeout", value),
            "TimeoutStopSec" => self.time("stop_timeout", value),
            "TimeoutSec" => {
                self.time("start_timeout", value)?;
                self.time("stop_timeout", value)
            }
            "WatchdogSec" => self.time("watchdog", value),
            "KillSignal" => {
                let signal = signal(value)?;
                self.set("stop_signal", signal.name());
                Ok(())
            }
            "WorkingDirectory" => self.path("cwd", value),
            "User" => self.plain("user", value),
            "Group" => self.plain("group", value),
            "SupplementaryGroups" => {
                self.add("groups", words(value)?);
                Ok(())
            }
            "UMask" => {
                let mask = u32::from_str_radix(value, 8).map_err(|error| error.to_string())?;
                self.set("umask", format!("{mask:03o}"));
                Ok(())
            }
            "LimitNOFILE" => self.number("nofile", value.split(':').next().unwrap_or(value)),
            "TasksMax" => self.number("pids_max", value),
            "CPUWeight" => self.number("cpu_weight", value),
            "MemoryMax" => self.memory(value),
            "NoNewPrivileges" => {
                let on = matches!(value, "yes" | "true" | "on" | "1");
                self.set("no_new_privs", on);
                Ok(())
            }
            "Environment" => self.environment(value),
            "EnvironmentFile" => self.once("env_file", value.trim_start_matches('-')),
            "SuccessExitStatus" => self.success(value),
            _ => Err("there is nothing like it".to_owned()),
        }
    }

    fn kind(&mut self, value: &str) -> Result<(), String> {
        match value {
            "simple" | "exec" | "idle" => Ok(()),
            "oneshot" => {
                self.set("type", "oneshot");
                Ok(())
            }
            "notify" | "notify-reload" => {
                self.set("ready", "notify");
                Ok(())
            }
            "forking" => {
                Err("the program has to stay in the foreground: see its options".to_owned())
            }
            _ => Err("there is nothing like it".to_owned()),
        }
    }

    /// Services among the units named; others are told of.
    fn services(&mut self, key: &str, value: &str) -> Result<(), String> {
        let (mut services, mut others) = (Vec::new(), Vec::new());
        for unit in value.split_whitespace() {
            match unit
                .strip_suffix(".service")
                .filter(|name| valid_name(name))
            {
                Some(name) => services.push(name.to_owned()),
                None => others.push(unit),
            }
        }
        if !services.is_empty() {
            self.add(key, services);
        }
        match others.as_slice() {
            [] => Ok(()),
            others => Err(format!("no service: {}", others.join(" "))),
        }
    }

    fn command(&mut self, key: &str, value: &str) -> Result<(), String> {
        let bare = value.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        let prefix = &value[..value.len() - bare.len()];
        let words = words(bare)?;
        if words.first().is_none_or(String::is_empty) {
            return Err("it names no program".to_owned());
        }
        let list = words.iter().cloned().map(Value::String).collect();
        self.once(key, Value::Array(list))?;
        let expands = |word: &String| word.contains('$') || word.contains('%');
        if words.iter().any(expands) {
            return Err(
                "carried over, but $ and % mean nothing here: write out what they stand for"
                    .to_owned(),
            );
        }
        match prefix {
            "" | ":" => Ok(()),
            prefix => Err(format!("carried over without {prefix:?}")),
        }
    }

    fn reload(&mut self, value: &str) -> Result<(), String> {
        let all = words(value)?;
        if let [program, sent, "$MAINPID" | "${MAINPID}"] =
            all.iter().map(String::as_str).collect::<Vec<_>>()[..]
            && program.rsplit('/').next() == Some("kill")
        {
            let name = sent.trim_start_matches('-');
            return self.once("reload", signal(name)?.name());
        }
        self.command("reload", value)
    }

    fn restart(&mut self, value: &str) -> Result<(), String> {
        let (restart, exact) = match value {
            "no" => ("never", true),
            "always" => ("always", true),
            "on-failure" => ("on-failure", true),
            "on-abnormal" | "on-abort" | "on-watchdog" => ("on-failure", false),
            _ => return Err("there is nothing like it".to_owned()),
        };
        self.set("restart", restart);
        match exact {
            true => Ok(()),
            false => Err("carried over as \"on-failure\"".to_owned()),
        }
    }

    fn time(&mut self, key: &str, value: &str) -> Result<(), String> {
        let time = time(value)?;
        self.set(key, format!("{time}ms"));
        Ok(())
    }

    fn plain(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.set(key, value);
        Ok(())
    }

    fn path(&mut self, key: &str, value: &str) -> Result<(), String> {
        match value.starts_with('/') {
            true => self.plain(key, value),
            false => Err("only a folder that begins with / can be given".to_owned()),
        }
    }

    fn number(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number: i64 = value
            .parse()
            .map_err(|_| "only a number can be given".to_owned())?;
        self.set(key, number);
        Ok(())
    }

    fn memory(&mut self, value: &str) -> Result<(), String> {
        let (number, unit) =
            value.split_at(value.len() - usize::from(value.ends_with(['K', 'M', 'G'])));
        let number: u64 = number
            .parse()
            .map_err(|_| "only a number of bytes can be given".to_owned())?;
        self.set("memory_max", format!("{number}{unit}"));
        Ok(())
    }

    fn environment(&mut self, value: &str) -> Result<(), String> {
        let env = self
            .table
            .entry("env")
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(env) = env else {
            return Err("it stands twice".to_owned());
        };
        for word in words(value)? {
            let (name, value) = word.split_once('=').ok_or("a variable has no value")?;
            env.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        Ok(())
    }

    fn success(&mut self, value: &str) -> Result<(), String> {
        for word in value.split_whitespace() {
            let end = match word.parse::<u8>() {
                Ok(status) => Value::Integer(status.into()),
                Err(_) => Value::String(signal(word)?.name()),
            };
            let list = self
                .table
                .entry("success_exit")
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(end);
            }
        }
        Ok(())
    }
}

/// On one line, and without what a terminal would act on.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    plain
}

fn signal(text: &str) -> Result<Signal, String> {
    Signal::try_from(text.to_owned())
}

fn words(text: &str) -> Result<Vec<String>, String> {
    shlex::split(text).ok_or_else(|| "a quote is not closed".to_owned())
}

/// A time as systemd.time(7) writes it, in milliseconds.
fn time(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no time that can be had here");
    let mut sum = 0u64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = match unit {
            "ms" | "msec" => 1,
            "" | "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(factor).ok_or_else(wrong)?;
        sum = sum.checked_add(part).ok_or_else(wrong)?;
        rest = after.trim_start();
    }
    match sum {
        0 => Err(wrong()),
        sum => Ok(sum),
    }
}

#[cfg(test)]
mod tests;

//! What a service's process is to become, from its definition.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::NotSpawned;
use super::descriptors::OpenFiles;
use super::fork::{Image, LISTEN_PID, Program};
use super::job::SERVICE;
use super::{listen, users};
use crate::config::{Command, Probe, Ready, Reload, Service};
use crate::files;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// No file of variables is longer, in bytes.
const VARIABLES_LIMIT: u64 = 1 << 20;

/// The image of `service`, which is called `name`; `open_files` is how many
/// descriptors it may have if it does not say.
///
/// # Errors
/// What it needs and is not there.
pub(super) fn image(
    name: &str,
    service: &Service,
    open_files: Option<OpenFiles>,
) -> Result<Image, NotSpawned> {
    let account = users::account(service)?;
    let home = account.as_ref().and_then(|account| account.home.as_deref());
    let variables = variables(name, service, home)?;
    let path = variables.iter().find(|(key, _)| key == "PATH");
    let path = path.map_or(PATH, |(_, value)| value.as_str());
    let first = service.pre_start.as_ref();
    Ok(Image {
        program: program(&service.command, path)?,
        first: first.map(|command| program(command, path)).transpose()?,
        variables: variables
            .iter()
            .map(|(key, value)| c_text(&format!("{key}={value}")))
            .collect::<Result<_, _>>()?,
        folder: c_text(&service.cwd.to_string_lossy())?,
        ids: account.map(|account| account.ids),
        umask: service.umask.map(|mask| mask.0),
        no_new_privs: service.no_new_privs,
        open_files: service.nofile.map(OpenFiles::exactly).or(open_files),
        record: None,
        group: None,
        listens: false,
    })
}

impl Image {
    /// User and group of files that are made for it.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        let ids = self.ids.as_ref()?;
        Some((ids.user?, ids.group))
    }

    /// Adds a variable, which it has not yet.
    pub(super) fn add(&mut self, key: &str, value: &str) -> Result<(), String> {
        let prefix = format!("{key}=");
        let is_it = |variable: &CString| variable.as_bytes().starts_with(prefix.as_bytes());
        self.variables.retain(|variable| !is_it(variable));
        self.variables.push(c_text(&format!("{prefix}{value}"))?);
        Ok(())
    }

    /// Tells it of sockets, by their names, as sd_listen_fds(3) has it.
    pub(super) fn add_sockets(&mut self, names: &[&str]) -> Result<(), String> {
        if names.is_empty() {
            return Ok(());
        }
        self.add("LISTEN_FDS", &names.len().to_string())?;
        self.add("LISTEN_FDNAMES", &names.join(":"))?;
        // Its number is only known when it is there.
        self.add(LISTEN_PID, "")?;
        self.listens = true;
        Ok(())
    }

    /// Has it become `command` and nothing else.
    pub(super) fn becomes_only(
        &mut self,
        command: &Command,
        service: &Service,
    ) -> Result<(), String> {
        let path = service.env.get("PATH").map_or(PATH, String::as_str);
        self.program = program(command, path)?;
        self.first = None;
        Ok(())
    }
}

/// Each once; the definition's own come before those of its file, and those
/// before herd's.
fn variables(
    name: &str,
    service: &Service,
    home: Option<&str>,
) -> Result<Vec<(String, String)>, NotSpawned> {
    let mut all = vec![(SERVICE.to_owned(), name.to_owned())];
    let mut add = |key: &str, value: &str| {
        if !all.iter().any(|(known, _)| known == key) {
            all.push((key.to_owned(), value.to_owned()));
        }
    };
    for (key, value) in &service.env {
        add(key, value);
    }
    if let Some(file) = &service.env_file {
        for (key, value) in read_variables(file)? {
            add(&key, &value);
        }
    }
    add("PATH", PATH);
    add("HOME", home.unwrap_or("/root"));
    if let Some(user) = &service.user {
        add("USER", user);
    }
    Ok(all)
}

/// The variables in `file`: `NAME=VALUE` on each line, the value in quotes or
/// not; empty lines and those with `#` in front do not count. What stands
/// last in the file comes first.
fn read_variables(file: &Path) -> Result<Vec<(String, String)>, NotSpawned> {
    let wrong = |what: String| NotSpawned {
        error: format!("env_file: {}{what}", file.display()),
        lasting: true,
    };
    let text = files::read_text(file, VARIABLES_LIMIT).map_err(|e| wrong(format!(": {e}")))?;
    let mut variables = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = variable(line).ok_or_else(|| {
            let text = format!(":{number}: is not NAME=VALUE");
            wrong(text)
        })?;
        variables.push((key.to_owned(), value.to_owned()));
    }
    variables.reverse();
    Ok(variables)
}

fn variable(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty() || !key.chars().all(is_name) || value.contains('\0') {
        return None;
    }
    let inside = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = inside('"').or_else(|| inside('\'')).unwrap_or(value);
    Some((key, value))
}

/// What `service` needs and is not there now: all of it.
pub(crate) fn missing(service: &Service) -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(error) = users::account(service) {
        missing.push(error.error);
    }
    if let Some(file) = &service.env_file
        && let Err(error) = read_variables(file)
    {
        missing.push(error.error);
    }
    for socket in &service.sockets {
        if let Err(error) = listen::owner(socket) {
            missing.push(format!("sockets: {}: {error}", socket.listen));
        }
    }
    if !service.cwd.is_dir() {
        missing.push(format!("cwd: {} is no folder", service.cwd.display()));
    }
    for (key, command) in commands(service) {
        if !is_there(command, service) {
            let program = command.0.first().map_or("", String::as_str);
            missing.push(format!("{key}: {program} is no program"));
        }
    }
    missing
}

/// All commands of `service`, with their keys.
fn commands(service: &Service) -> impl Iterator<Item = (&'static str, &Command)> {
    let reload = match &service.reload {
        Some(Reload::Command(command)) => Some(command),
        _ => None,
    };
    let ready = match service.ready.as_deref() {
        Some(Ready::Probe(Probe::Exec(command))) => Some(command),
        _ => None,
    };
    let health = service.health.as_ref().map(|health| &health.probe);
    let health = match health {
        Some(Probe::Exec(command)) => Some(command),
        _ => None,
    };
    let all = [
        ("pre_start", service.pre_start.as_ref()),
        ("command", Some(&service.command)),
        ("post_stop", service.post_stop.as_ref()),
        ("reload", reload),
        ("ready", ready),
        ("health", health),
    ];
    all.into_iter()
        .filter_map(|(key, command)| Some((key, command?)))
}

fn is_there(command: &Command, service: &Service) -> bool {
    let path = service.env.get("PATH").map_or(PATH, String::as_str);
    let is_program = |text: &CString| {
        let file = service.cwd.join(text.to_string_lossy().into_owned());
        fs::metadata(file).is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0)
    };
    program(command, path).is_ok_and(|program| program.paths.iter().any(is_program))
}

pub(super) fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} contains a NUL byte"))
}

fn program(command: &Command, path: &str) -> Result<Program, String> {
    let words = &command.0;
    let program = words.first().ok_or("the command is empty".to_owned())?;
    let arguments = words.iter().map(|word| c_text(word));
    Ok(Program {
        paths: candidates(program, path)?,
        arguments: arguments.collect::<Result<_, _>>()?,
    })
}

/// Where the program may be: as given if it has a `/`, else in each folder
/// of `path`.
fn candidates(program: &str, path: &str) -> Result<Vec<CString>, String> {
    if program.contains('/') {
        return Ok(vec![c_text(program)?]);
    }
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    let inside = |folder| c_text(&Path::new(folder).join(program).to_string_lossy());
    folders.map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_from_lines() {
        assert_eq!(variable("A=b c"), Some(("A", "b c")));
        assert_eq!(variable("A_1=\"b 'c\""), Some(("A_1", "b 'c")));
        assert_eq!(variable("A='='"), Some(("A", "=")));
        assert_eq!(variable("A="), Some(("A", "")));
        for bad in ["A", "=b", "export A=b", "A B=c"] {
            assert_eq!(variable(bad), None, "{bad}");
        }
    }
}

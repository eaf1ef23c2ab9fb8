//! Starting a service's process.
//!
//! Rust's library forks (`clone` with SIGCHLD) and executes, as herd has
//! something to do in between; a close-on-exec pipe brings back the error if
//! the program cannot be executed.

use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::raw;
use crate::config::Service;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A process that was started, and the reading ends of its outputs, which do
/// not block.
pub(crate) struct Spawned {
    pub(crate) pid: u32,
    pub(crate) out: PipeReader,
    pub(crate) err: PipeReader,
}

/// Starts `service` in a session and process group of its own.
///
/// # Errors
/// A text that says which part of the definition could not be followed.
pub(crate) fn spawn(name: &str, service: &Service) -> Result<Spawned, String> {
    let [program, arguments @ ..] = service.command.0.as_slice() else {
        return Err("the command is empty".to_owned());
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.env("PATH", PATH).env("HERD_SERVICE", name);
    identity(&mut command, service)?;
    command.envs(&service.env);
    check_folder(service)?;
    command.current_dir(&service.cwd).stdin(Stdio::null());
    raw::in_new_session(&mut command);

    let pipes = |error: io::Error| format!("a pipe for its output: {error}");
    let (out, out_end) = io::pipe().map_err(pipes)?;
    let (err, err_end) = io::pipe().map_err(pipes)?;
    raw::set_nonblocking(out.as_fd()).map_err(pipes)?;
    raw::set_nonblocking(err.as_fd()).map_err(pipes)?;
    command.stdout(out_end).stderr(err_end);
    // The child is collected by its number when it ends; dropping the handle
    // leaves it alone. Dropping `command` closes the writing ends here.
    let child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    Ok(Spawned {
        pid: child.id(),
        out,
        err,
    })
}

fn check_folder(service: &Service) -> Result<(), String> {
    match std::fs::metadata(&service.cwd) {
        Ok(data) if data.is_dir() => Ok(()),
        Ok(_) => Err(format!("cwd: {} is not a folder", service.cwd.display())),
        Err(error) => Err(format!("cwd: {}: {error}", service.cwd.display())),
    }
}

/// Sets user, group and HOME. Without `user`, herd's own remain.
fn identity(command: &mut Command, service: &Service) -> Result<(), String> {
    let Some(user) = &service.user else {
        command.env("HOME", "/root");
        return Ok(());
    };
    let (uid, gid, home) = look_up(user)?;
    command.env("HOME", home).env("USER", user);
    command.uid(uid).gid(gid);
    Ok(())
}

/// The numbers and home of a user, by name or number, from `/etc/passwd`.
/// A number that is not listed is its own group.
fn look_up(user: &str) -> Result<(u32, u32, String), String> {
    let list = std::fs::read_to_string("/etc/passwd")
        .map_err(|error| format!("user {user}: /etc/passwd: {error}"))?;
    for line in list.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields.as_slice() else {
            continue;
        };
        if (*name == user || *uid == user)
            && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
        {
            return Ok((uid, gid, (*home).to_owned()));
        }
    }
    match user.parse() {
        Ok(number) => Ok((number, number, "/".to_owned())),
        Err(_) => Err(format!("user {user}: not listed in /etc/passwd")),
    }
}

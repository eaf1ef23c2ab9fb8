//! The processes that a service's instance has left: those that made
//! themselves independent of it come to herd when their parents end.

use std::fs;
use std::io;
use std::path::Path;

use rustix::param::clock_ticks_per_second;
use rustix::process::{getpid, set_child_subreaper};

use super::raw;
use crate::config::Signal;
use crate::files;
use crate::machine::Time;

/// The variable that names the service to all its processes.
pub(super) const SERVICE: &str = "HERD_SERVICE";

/// No environment is longer, in bytes.
const ENVIRONMENT_LIMIT: u64 = 4 << 20;

/// No command line is longer, in bytes.
const WORDS_LIMIT: u64 = 4 << 20;

/// Has orphans among the descendants of herd become its children, as those of
/// everyone do with process 1.
///
/// # Errors
/// Those of `prctl(2)`.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// All children of herd.
///
/// # Errors
/// Those of reading `/proc`.
pub(crate) fn children() -> io::Result<Vec<u32>> {
    let pid = getpid().as_raw_nonzero();
    let file = format!("/proc/self/task/{pid}/children");
    // Its length is not told before it is read.
    match fs::read_to_string(file) {
        Ok(text) => Ok(numbers(&text)),
        // A kernel without that file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => all_with_parent(pid.get()),
        Err(error) => Err(error),
    }
}

fn numbers(text: &str) -> Vec<u32> {
    let words = text.split_ascii_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

fn all_with_parent(parent: i32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && stat(pid).is_some_and(|stat| stat.parent == parent)
        {
            children.push(pid);
        }
    }
    Ok(children)
}

/// What is needed of `/proc/PID/stat`.
pub(crate) struct Stat {
    pub(crate) parent: i32,
    session: u32,
    pub(crate) has_ended: bool,
    /// When it was started, in milliseconds of herd's clock, to a clock tick.
    pub(crate) since: Time,
    /// Where its environment begins and ends, if it has become its program: only then
    /// Linux knows where that program is. 0 where that is not told.
    environment: Option<(u64, u64)>,
}

/// A clock tick at most, in milliseconds.
pub(crate) const TICK: Time = 10;

/// What there is to know of a process; `None` if there is none.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let (_, rest) = text.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next()?;
    let parent = words.next()?.parse().ok()?;
    let session = words.nth(1)?.parse().ok()?;
    // Field 22; the session is field 6.
    let ticks: Time = words.nth(15)?.parse().ok()?;
    // Fields 26, 50 and 51.
    let mut number = |skip| words.nth(skip).and_then(|word| word.parse().ok());
    let code: u64 = number(3).unwrap_or(0);
    let (begin, end) = (number(23).unwrap_or(0), number(0).unwrap_or(0));
    Some(Stat {
        parent,
        session,
        has_ended: matches!(state, "Z" | "X"),
        since: ticks.saturating_mul(1_000) / clock_ticks_per_second(),
        environment: (code > 0).then_some((begin, end)),
    })
}

/// Whether a process is one of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// It is.
    Yes,
    /// It is not, or it has ended.
    No,
    /// That cannot be told now: it is becoming another program, whose environment is
    /// not there yet.
    Unsure,
}

/// Whether process `pid`, no instance's first, is one of service `name`, whose
/// first process was `first`: it is in the session of that, or its environment
/// names the service. One that has ended is nobody's.
pub(crate) fn belongs(pid: u32, name: &str, first: u32) -> Belongs {
    let Some(stat) = stat(pid).filter(|stat| !stat.has_ended) else {
        return Belongs::No;
    };
    // A session whose leader is in another PID namespace is shown as 0.
    if first != 0 && stat.session == first {
        return Belongs::Yes;
    }
    let file = format!("/proc/{pid}/environ");
    let text = files::read_bytes(Path::new(&file), ENVIRONMENT_LIMIT);
    match text {
        // What may not be read is another user's, or gone.
        Err(_) => Belongs::No,
        Ok(text) if names_service(&text, name) => Belongs::Yes,
        Ok(text) => match is_whole(pid, text.len()) {
            true => Belongs::No,
            false => Belongs::Unsure,
        },
    }
}

fn names_service(environment: &[u8], name: &str) -> bool {
    let wanted = format!("{SERVICE}={name}");
    environment
        .split(|byte| *byte == 0)
        .any(|variable| variable == wanted.as_bytes())
}

/// Whether what was read of a process's environment, so many bytes, is all of it. In
/// the middle of `execve(2)` it is empty, or torn if that came between two reads,
/// whatever it comes to be.
fn is_whole(pid: u32, length: usize) -> bool {
    let Some(stat) = stat(pid).filter(|stat| !stat.has_ended) else {
        return true;
    };
    match stat.environment {
        None | Some((0, _) | (_, 0)) => false,
        Some((begin, end)) => end.checked_sub(begin) == Some(length as u64),
    }
}

/// Whether process `pid` runs herd's own program with herd's own words: it was being
/// started, and is not yet what it was to become. Another's `herd status` has others.
pub(crate) fn is_this_program(pid: u32) -> bool {
    let program = |who: &str| fs::read_link(format!("/proc/{who}/exe")).ok();
    let own = program("self");
    let words = |who: &str| {
        let file = format!("/proc/{who}/cmdline");
        files::read_bytes(Path::new(&file), WORDS_LIMIT).ok()
    };
    let other = pid.to_string();
    own.is_some() && own == program(&other) && words("self") == words(&other)
}

/// Kills one process.
pub(crate) fn kill(pid: u32) {
    if let Ok(pid) = i32::try_from(pid)
        && pid > 1
    {
        // One that has ended by itself is as good.
        let _ = raw::kill(pid, Signal::KILL.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn children_are_found_and_told_apart() {
        let child = |name: &str| {
            // The leader of a session of its own: one of another PID namespace has
            // no number here.
            Command::new("setsid")
                .args(["sleep", "1000"])
                .env(SERVICE, name)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let mut web = child("web");
        let mut other = child("web2");
        // Where tests have threads, the children are those of one of them.
        let parent = getpid().as_raw_nonzero().get();
        // Each has become its program, of which the words tell: until then its
        // environment is that of nobody, or of this program.
        for child in [&web, &other] {
            let words = format!("/proc/{}/cmdline", child.id());
            while fs::read(&words).unwrap() != b"sleep\x001000\0" {
                std::thread::yield_now();
            }
        }
        let all = all_with_parent(parent).unwrap();
        assert!(all.contains(&web.id()) && all.contains(&other.id()));
        assert_eq!(belongs(web.id(), "web", 0), Belongs::Yes);
        assert_eq!(belongs(other.id(), "web", 0), Belongs::No);
        assert_eq!(belongs(other.id(), "web2", 0), Belongs::Yes);
        let since = stat(web.id()).unwrap().since;
        let now = crate::sys::now();
        assert!(since <= now && now - since < 600_000, "{since} {now}");
        assert_eq!(belongs(other.id(), "web", other.id()), Belongs::Yes);
        kill(web.id());
        kill(other.id());
        web.wait().unwrap();
        other.wait().unwrap();
        assert_eq!(belongs(web.id(), "web", 0), Belongs::No);
        assert_eq!(numbers("12 7 9 "), [12, 7, 9]);
    }

    /// One that becomes another program all the time has no environment now and then.
    /// It is never taken for another's.
    #[test]
    fn one_that_is_becoming_a_program_is_not_taken_for_anothers() {
        let file = std::env::temp_dir().join(format!("herd-exec-{}", std::process::id()));
        fs::write(&file, "exec /bin/sh \"$0\"\n").unwrap();
        let mut child = Command::new("setsid")
            .args(["/bin/sh".as_ref(), file.as_os_str()])
            .env(SERVICE, "web")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let words = format!("/proc/{}/cmdline", child.id());
        // Until then its environment is that of this program.
        while !String::from_utf8_lossy(&fs::read(&words).unwrap()).contains("herd-exec") {
            std::thread::yield_now();
        }
        let looks: Vec<Belongs> = (0..2_000).map(|_| belongs(child.id(), "web", 0)).collect();
        kill(child.id());
        child.wait().unwrap();
        fs::remove_file(file).unwrap();
        let unsure = looks.iter().filter(|look| **look == Belongs::Unsure);
        println!("unsure {} times", unsure.count());
        assert!(!looks.contains(&Belongs::No));
        assert!(looks.contains(&Belongs::Yes));
    }

    #[test]
    fn one_with_no_environment_at_all_is_nobodys() {
        let mut child = Command::new("setsid")
            .args(["env", "-i", "/bin/sleep", "1000"])
            .env(SERVICE, "web")
            .spawn()
            .unwrap();
        while belongs(child.id(), "web", 0) != Belongs::No {
            std::thread::yield_now();
        }
        let words = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        assert_eq!(words, b"/bin/sleep\x001000\0");
        kill(child.id());
        child.wait().unwrap();
    }
}

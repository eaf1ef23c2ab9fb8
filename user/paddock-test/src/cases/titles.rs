//! What `/proc/PID/cmdline` and `environ` tell is in the process's own memory
//! (proc(5), setproctitle(3bsd)), and the process says where (`PR_SET_MM`).

use std::fs;
use std::process::Command;

use super::Outcome;
use crate::report::Report;
use crate::sys::{Errno, Map, call};

/// What [`titled`] is started with.
const WORDS: [&str; 1] = ["title"];
const VARIABLE: (&str, &str) = ("SOME", "thing of some length");
/// Fields of `/proc/PID/stat`, counted behind the name, where the first is the third.
const ARGUMENTS: usize = 48 - 3;
const ENVIRONMENT: usize = 50 - 3;
/// From linux/prctl.h.
const ARG_START: u64 = 8;
const ARG_END: u64 = 9;
const ENV_START: u64 = 10;
const ENV_END: u64 = 11;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let (name, value) = VARIABLE;
    let mut command = Command::new(program);
    command.args(WORDS).env_clear().env(name, value);
    let status = command.status().map_err(|error| error.to_string())?;
    report.check("a program with a title", status.success());
    Ok(())
}

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("/proc/self/{name}")).unwrap_or_default()
}

/// A field of `/proc/self/stat`, an address here.
fn field(index: usize) -> u64 {
    let text = String::from_utf8_lossy(&file("stat")).into_owned();
    let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let word = rest.split(' ').nth(index).and_then(|it| it.parse().ok());
    word.unwrap_or(0)
}

/// Writes over the program's strings.
fn put(at: u64, bytes: &[u8]) {
    // SAFETY: the stack's strings, which nothing else reads from here on.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) }
}

fn set(what: u64, to: u64) -> Result<i32, Errno> {
    call!(libc::prctl(libc::PR_SET_MM, what, to, 0, 0))
}

/// What [`run`] starts.
pub fn titled(report: &mut Report, _: &[String]) -> Outcome {
    let (begin, end) = (field(ARGUMENTS), field(ARGUMENTS + 1));
    let (environment, environment_end) = (field(ENVIRONMENT), field(ENVIRONMENT + 1));
    let line = file("cmdline");
    report.check("words of the line", line.ends_with(b"\0title\0"));
    report.same("as long as is said", line.len() as u64, end - begin);
    let variable = b"SOME=thing of some length\0";
    report.same("environ", file("environ"), variable.to_vec());
    report.same("environ is next", environment, end);
    report.same(
        "its length",
        environment_end - environment,
        variable.len() as u64,
    );
    put(begin, b"#");
    report.same(
        "a byte written",
        file("cmdline").first().copied(),
        Some(b'#'),
    );
    let long = vec![b'x'; (end - begin) as usize];
    put(begin, &long);
    put(environment, b"yz\0");
    let title = [long.as_slice(), b"yz\0"].concat();
    report.same("a title that goes on", file("cmdline"), title);
    put(begin, b"short\0");
    report.same("a short title", file("cmdline"), b"short\0".to_vec());
    let environ = file("environ");
    report.check(
        "environ is written over",
        environ.starts_with(b"yz\0E=thing"),
    );
    said(report)
}

/// Whether this process has CAP_SYS_RESOURCE, by `/proc/self/status`.
fn may_say_so() -> bool {
    let text = String::from_utf8_lossy(&file("status")).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> 24 & 1 == 1)
}

/// `PR_SET_MM` of another place.
fn said(report: &mut Report) -> Outcome {
    let map = Map::memory(4096)?;
    let at = map.start as u64;
    put(at, b"one\0two\0A=b\0");
    if !may_say_so() {
        report.refused("without the right", set(ARG_START, at), libc::EPERM);
        return Ok(());
    }
    report.refused("no address", set(ARG_START, 0), libc::EINVAL);
    report.refused("a kernel's address", set(ARG_START, 1 << 60), libc::EINVAL);
    let more = call!(libc::prctl(libc::PR_SET_MM, ARG_START, at, 1, 0));
    report.refused("more words", more, libc::EINVAL);
    report.refused("an unknown one", set(99, at), libc::EINVAL);
    let end = field(ARGUMENTS + 1);
    // The map is below the stack: first the beginning goes there, then the end.
    report.works("the arguments' beginning", set(ARG_START, at));
    report.works("their end", set(ARG_END, at + 8));
    report.same("the line", file("cmdline"), b"one\0two\0".to_vec());
    report.refused("an end before it", set(ARG_END, at - 1), libc::EINVAL);
    report.works("the environment's beginning", set(ENV_START, at + 8));
    report.works("its end", set(ENV_END, at + 12));
    report.same("environ", file("environ"), b"A=b\0".to_vec());
    report.check("stat says so", field(ARGUMENTS) == at && end > at);
    drop(map);
    report.same("nothing there", file("cmdline"), Vec::new());
    Ok(())
}

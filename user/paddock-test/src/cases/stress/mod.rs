//! Everything at once, for some time: processes, threads, files, sockets,
//! pipes, epolls and signals, each in a process of its own that checks what it
//! does. `stress SECONDS [FOLDER [WORKER...]]`.

mod files;
mod memory;
mod processes;
mod signals;
mod sockets;
mod streams;

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, End};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a worker needs to know.
pub struct Job {
    end: Instant,
    folder: PathBuf,
}

impl Job {
    /// Whether there is time for another round.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// A folder on the disk for this worker alone.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Does rounds until the time is over; how many.
type Worker = fn(&Job) -> Result<u64, String>;

const WORKERS: &[(&str, Worker)] = &[
    ("processes", processes::run),
    ("threads", memory::run),
    ("execs", processes::run_execs),
    ("files", files::run),
    ("signals", signals::run),
    ("tcp", sockets::run_tcp),
    ("unix", sockets::run_unix),
    ("pipes", streams::run_pipes),
    ("epolls", streams::run_epolls),
];

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let seconds = number(words, 0, 10)?;
    let base = words.get(1).map_or("/tmp", String::as_str);
    let folder = Path::new(base).join(format!("stress-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut workers = Vec::new();
    let chosen = words.get(2..).unwrap_or(&[]);
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|word| word == name);
    for (name, worker) in WORKERS.iter().filter(|(name, _)| is_chosen(name)) {
        let job = Job {
            end,
            folder: folder.join(name),
        };
        let pid = sys::fork(|| work(name, *worker, &job))?;
        workers.push((*name, pid));
    }
    for (name, pid) in workers {
        let end = sys::wait(pid)?;
        if end != End::Exited(0) {
            report.fail(name, &format!("{end:?}"));
        }
    }
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// The life of a worker: prints its count, or what went wrong.
fn work(name: &str, worker: Worker, job: &Job) -> i32 {
    let (line, status) = match worker(job) {
        Ok(count) => (format!("{name}={count}\n"), 0),
        Err(error) => (format!("FAIL {name}: {error}\n"), 1),
    };
    // One write, so that the lines of several workers do not mix.
    let _ = std::io::stdout().write_all(line.as_bytes());
    status
}

/// An error unless something is so.
fn ensure(good: bool, what: &str) -> Result<(), String> {
    match good {
        true => Ok(()),
        false => Err(format!("{what} is not so")),
    }
}

/// An error unless a child ended like this.
fn expect_end(pid: i32, expected: End) -> Result<(), String> {
    let found = sys::wait(pid)?;
    match found == expected {
        true => Ok(()),
        false => Err(format!(
            "a child ended with {found:?}, expected {expected:?}"
        )),
    }
}

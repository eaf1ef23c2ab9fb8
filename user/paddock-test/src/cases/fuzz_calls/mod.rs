//! Calls of every number with arguments of every kind, from a seed: what becomes of
//! each does not matter, but the machine goes on. `SEED FIRST COUNT [trace]` makes
//! the rounds from `FIRST` on, several at once, every other as `nobody`; `SEED FIRST
//! COUNT show` prints their calls and makes none.

mod kinds;
mod stage;
mod table;
mod values;
mod worker;

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, End, Map, call};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use worker::{Calls, ROUND};

/// Rounds at once.
const AT_ONCE: usize = 4;
/// Whoever makes no progress for so long is sent a signal.
const PATIENCE: Duration = Duration::from_millis(4);
/// After so many signals it is killed.
const SIGNALS: u32 = 25;
/// Where the folders of rounds are: on the disk.
const BASE: &str = "/root";

/// A round under way.
struct Running {
    round: u64,
    pid: i32,
    folder: PathBuf,
    slot: usize,
    /// Calls when it was last looked at, and how often in a row it was the same.
    seen: u64,
    stuck: u32,
}

pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let seed = number(words, 0, 1)?;
    let first = number(words, 1, 0)?;
    let count: u64 = number(words, 2, 4)?;
    let how = words.get(3).map_or("", String::as_str);
    if how == "show" {
        stage::memory()?;
        (first..first + count).for_each(|round| show(seed, round));
        return Ok(());
    }
    if !cfg!(target_arch = "aarch64") {
        return Err("the numbers are those of arm64".into());
    }
    call!(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
    have_signals_of_files()?;
    let mut supervisor = Supervisor::new(seed, how == "trace")?;
    let outcome = supervisor.run(first, first + count);
    supervisor.end();
    let made = outcome?;
    println!("{made} calls in {count} rounds");
    report.check("all that was begun has ended", sys::wait(-1).is_err());
    Ok(())
}

/// Asks once for signals of a file: who sends them is there from then on, and no
/// leak.
fn have_signals_of_files() -> Outcome {
    let ends = sys::pipe()?;
    call!(libc::fcntl(ends[0], libc::F_SETFL, libc::O_ASYNC))?;
    super::close(&ends)
}

/// Prints the calls of a round.
fn show(seed: u64, round: u64) {
    let mut calls = Calls::new(seed, round);
    // The first is for a child.
    calls.next();
    for at in 1..=ROUND {
        println!("{round} {at} {}", calls.next().shown());
    }
}

struct Supervisor {
    seed: u64,
    traced: bool,
    /// A counter for each that runs, which it shares.
    progress: Map,
    running: Vec<Running>,
    made: u64,
}

impl Supervisor {
    fn new(seed: u64, traced: bool) -> Result<Self, String> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let progress = Map::new(4096, libc::PROT_READ | libc::PROT_WRITE, flags, -1)?;
        Ok(Supervisor {
            seed,
            traced,
            progress,
            running: Vec::new(),
            made: 0,
        })
    }

    /// Makes the rounds; how many calls those were.
    fn run(&mut self, first: u64, end: u64) -> Result<u64, String> {
        let mut next = first;
        while next < end || !self.running.is_empty() {
            while next < end && self.running.len() < AT_ONCE {
                self.begin(next)?;
                next += 1;
            }
            std::thread::sleep(PATIENCE);
            self.look()?;
        }
        stage::remove_objects();
        self.restore();
        Ok(self.made)
    }

    /// Ends what still runs after something went wrong.
    fn end(&mut self) {
        for running in self.running.drain(..) {
            let _ = sys::kill(running.pid, libc::SIGKILL);
            let _ = sys::wait(running.pid);
        }
        let _ = self.end_orphans();
    }

    fn counter(&self, slot: usize) -> &'static AtomicU64 {
        // SAFETY: the mapping is as long as the supervisor, which outlives the use
        // of it here, and a worker has it until it ends.
        unsafe { &*self.progress.start.add(64 * slot).cast::<AtomicU64>() }
    }

    fn begin(&mut self, round: u64) -> Outcome {
        let taken = |slot: &usize| !self.running.iter().any(|it| it.slot == *slot);
        let slot = (0..AT_ONCE).find(taken).ok_or("no room")?;
        let folder = PathBuf::from(BASE).join(format!("fuzz-calls-{}-{round}", std::process::id()));
        stage::make(&folder)?;
        let counter = self.counter(slot);
        counter.store(0, Ordering::Relaxed);
        println!("round {round}");
        let (seed, traced) = (self.seed, self.traced);
        let pid = sys::fork(|| {
            let told = traced.then(|| {
                // SAFETY: takes no memory.
                unsafe { libc::fcntl(1, libc::F_DUPFD, 900) }
            });
            match stage::enter(&folder, round % 2 == 1) {
                Ok(()) => worker::work(seed, round, counter, told),
                Err(error) => {
                    println!("FAIL round {round}: {error}");
                    1
                }
            }
        })?;
        self.running.push(Running {
            round,
            pid,
            folder,
            slot,
            seen: 0,
            stuck: 0,
        });
        Ok(())
    }

    /// Who has ended is cleared up after; who waits for long is woken, and killed.
    fn look(&mut self) -> Outcome {
        while let Ok((pid @ 1.., end)) = sys::wait_with(-1, libc::WNOHANG) {
            if let End::Stopped(_) = end {
                // One that had itself traced, by this process.
                let _ = sys::kill(pid, libc::SIGKILL);
                continue;
            }
            if let Some(at) = self.running.iter().position(|it| it.pid == pid) {
                let ended = self.running.swap_remove(at);
                self.close(&ended)?;
            }
        }
        for running in &mut self.running {
            // SAFETY: as in `counter`.
            let counter = unsafe {
                &*self
                    .progress
                    .start
                    .add(64 * running.slot)
                    .cast::<AtomicU64>()
            };
            let now = counter.load(Ordering::Relaxed);
            running.stuck = if now == running.seen {
                running.stuck + 1
            } else {
                0
            };
            running.seen = now;
            let signal = match running.stuck {
                0 => continue,
                SIGNALS.. => libc::SIGKILL,
                _ => libc::SIGALRM,
            };
            let _ = sys::kill(running.pid, signal);
        }
        Ok(())
    }

    /// Ends what a round has left, and takes its folder away.
    fn close(&mut self, ended: &Running) -> Outcome {
        self.made += self.counter(ended.slot).load(Ordering::Relaxed);
        let began = Instant::now();
        while self.end_orphans()? > 0 {
            if began.elapsed() > Duration::from_secs(20) {
                return Err(format!("what round {} has begun does not end", ended.round));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // The machine's one log of processes may be in that folder.
        // SAFETY: takes no memory.
        unsafe { libc::acct(std::ptr::null()) };
        stage::remove(&ended.folder)
    }

    /// Kills the children that are no rounds; how many there were.
    fn end_orphans(&self) -> Result<usize, String> {
        let own = std::process::id();
        let mut found = 0;
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let children = match children {
            Ok(text) => text
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect(),
            Err(_) => children_by_stat(own)?,
        };
        for pid in children {
            if self.running.iter().any(|it| it.pid == pid) {
                continue;
            }
            found += 1;
            let _ = sys::kill(pid, libc::SIGKILL);
            let _ = sys::wait_with(pid, libc::WNOHANG);
        }
        Ok(found)
    }

    /// What belongs to the machine.
    fn restore(&self) {
        // SAFETY: texts that live for the calls.
        unsafe {
            libc::sethostname(c"paddock".as_ptr(), 7);
            libc::setdomainname(c"(none)".as_ptr(), 6);
        }
    }
}

/// The children of a process, by what each says of its parent.
fn children_by_stat(of: u32) -> Result<Vec<i32>, String> {
    let entries = fs::read_dir("/proc").map_err(|error| error.to_string())?;
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(of)
    };
    Ok(numbers.filter(is_child).collect())
}

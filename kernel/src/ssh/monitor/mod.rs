//! The machine behind the monitor (`paddock_ssh::monitor`). All of this runs
//! in a task of the main loop, but for what may sleep, which has a thread of
//! its own (`work.rs`).

mod show;
mod work;

use crate::console::log_ring::{self, Cursor};
use crate::fs::proc::paddock::{locks, threads};
use crate::power;
use crate::process::{Process, tree};
use crate::thread::{self, Thread};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use embassy_time::Timer;
use paddock_abi::Errno;
use paddock_abi::signal::Siginfo;
use paddock_ssh::monitor::{Command, Machine, Step, Text};
use paddock_sync::try_box;

use super::watched::Watched;
pub use show::{DiskWaits, disk_is_stalled};
use work::Work;

/// The most bytes of a log's message that are shown.
const MESSAGE: usize = 400;
/// What a line of the log needs beside the message.
const STAMP: usize = 40;
/// How long a command waits for work that may sleep, in milliseconds.
const PATIENCE_MS: u64 = 15_000;
/// How long the last words have to reach the client, in milliseconds.
const LAST_WORDS_MS: u64 = 500;

/// What is left of the command.
enum Task {
    None,
    /// A text that fits into one step.
    Show(fn(&mut Text<'_>) -> core::fmt::Result),
    Log(Cursor),
    Threads(Vec<Arc<Thread>>, usize),
    Locks(Vec<Arc<Thread>>, usize),
    /// The number of the last process that was shown.
    Processes(u32),
    Failed(Errno),
    Kill(u32, u32),
    Work(Box<Waiting>),
    /// The machine starts anew when the time is up.
    Reset(Box<Timer>),
}

/// Work that goes on in a thread, and until when it is waited for.
struct Waiting {
    work: Watched<Work>,
    limit: Timer,
}

/// The machine, for one monitor.
pub struct System {
    task: Task,
}

impl System {
    /// With nothing to do.
    pub fn new() -> Self {
        System { task: Task::None }
    }
}

impl Machine for System {
    fn begin(&mut self, command: Command) {
        let all_threads = |task: fn(Vec<Arc<Thread>>, usize) -> Task| match thread::snapshot() {
            Ok(all) => task(all, 0),
            Err(error) => Task::Failed(error),
        };
        self.task = match command {
            Command::Help | Command::Exit => Task::None,
            Command::Status => Task::Show(show::status),
            Command::Memory => Task::Show(show::memory),
            Command::Herd => Task::Show(show::herd),
            Command::Dmesg(lines) => Task::Log(log_ring::last(lines)),
            Command::Threads => all_threads(Task::Threads),
            Command::Locks => all_threads(Task::Locks),
            Command::Processes => Task::Processes(0),
            Command::Kill { pid, signal } => Task::Kill(pid, signal),
            Command::Sync => begin_work(Work::sync()),
            Command::RestartHerd => begin_work(Work::restart_herd()),
            Command::Reboot { at_once: false } => match Work::reboot() {
                Ok(work) => begin_work(Ok(work)),
                // Without memory for a thread nothing can be written.
                Err(_) => reset(),
            },
            Command::Reboot { at_once: true } => reset(),
        };
    }

    fn step(&mut self, cx: &mut Context<'_>, out: &mut Text<'_>) -> Poll<Step> {
        Poll::Ready(match &mut self.task {
            Task::None => Step::Done(0),
            Task::Show(show) => {
                let _ = show(out);
                Step::Done(0)
            }
            Task::Failed(error) => failed(out, *error),
            Task::Log(cursor) => log_lines(cursor, out),
            Task::Threads(all, next) => {
                if *next == 0 {
                    out.bytes(threads::HEADER.as_bytes());
                }
                each(all, next, |thread| threads::line(out, thread))
            }
            Task::Locks(all, next) => {
                let members = all.as_slice();
                each(members, next, |thread| locks::held_by(out, members, thread))
            }
            Task::Processes(last) => processes(last, out),
            Task::Kill(pid, signal) => kill(*pid, *signal, out),
            Task::Work(waiting) => return waiting.step(cx, out),
            Task::Reset(timer) => {
                if Pin::new(&mut **timer).poll(cx).is_ready() {
                    log::warn!("reboot: asked for in the monitor");
                    power::reset();
                }
                return Poll::Pending;
            }
        })
    }
}

fn begin_work(work: paddock_abi::Result<Arc<Work>>) -> Task {
    let waiting = work.and_then(|work| {
        try_box(Waiting {
            work: Watched::new(work),
            limit: Timer::after_millis(PATIENCE_MS),
        })
    });
    match waiting {
        Ok(waiting) => Task::Work(waiting),
        Err(error) => Task::Failed(error),
    }
}

fn reset() -> Task {
    match try_box(Timer::after_millis(LAST_WORDS_MS)) {
        Ok(timer) => Task::Reset(timer),
        Err(_) => power::reset(),
    }
}

fn failed(out: &mut Text<'_>, error: Errno) -> Step {
    let _ = writeln!(out, "it cannot be done: {}", error.describe());
    Step::Done(1)
}

/// Shows the next one of several.
fn each(
    all: &[Arc<Thread>],
    next: &mut usize,
    show: impl FnOnce(&Thread) -> core::fmt::Result,
) -> Step {
    let Some(thread) = all.get(*next) else {
        return Step::Done(0);
    };
    *next += 1;
    let _ = show(thread);
    Step::More
}

fn log_lines(cursor: &mut Cursor, out: &mut Text<'_>) -> Step {
    let mut text = [0; MESSAGE];
    while out.room() > MESSAGE + STAMP {
        let Some(record) = log_ring::read(cursor, &mut text) else {
            return Step::Done(0);
        };
        let micros = record.time / 1_000;
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let _ = write!(out, "[{seconds:5}.{rest:06}] ");
        out.bytes(text.get(..record.length).unwrap_or(&text));
        out.bytes(b"\n");
    }
    Step::More
}

/// The process with the next higher number.
fn next_after(pid: u32) -> Option<Arc<Process>> {
    let tree = tree().lock();
    tree.get(tree.next_pid(pid.checked_add(1)?)?)
}

fn processes(last: &mut u32, out: &mut Text<'_>) -> Step {
    if *last == 0 {
        out.bytes(b"  PID  PPID   UID S THREADS NAME\n");
    }
    let Some(process) = next_after(*last) else {
        return Step::Done(0);
    };
    *last = process.pid;
    let (parent, uid, state) = {
        let tree = tree().lock();
        let pid = process.pid;
        (
            tree.parent(pid).unwrap_or(0),
            tree.uid(pid).unwrap_or(0),
            tree.state_letter(pid).unwrap_or('?'),
        )
    };
    let count = process.threads.lock().len();
    let pid = process.pid;
    let _ = write!(out, "{pid:5} {parent:5} {uid:5} {state} {count:7} ");
    out.bytes(process.names.lock().comm.as_bytes());
    out.bytes(b"\n");
    Step::More
}

fn kill(pid: u32, signal: u32, out: &mut Text<'_>) -> Step {
    let Some(process) = tree().lock().get(pid) else {
        let _ = writeln!(out, "there is no process {pid}");
        return Step::Done(1);
    };
    if pid == 1 {
        out.bytes(b"process 1 takes only the signals that it asks for; `herd restart` ends it\n");
    }
    log::warn!("monitor: signal {signal} for process {pid}");
    match crate::process::send_to_process(&process, &Siginfo::kernel(signal)) {
        Ok(()) => Step::Done(0),
        Err(error) => failed(out, error),
    }
}

impl Waiting {
    fn step(&mut self, cx: &mut Context<'_>, out: &mut Text<'_>) -> Poll<Step> {
        self.work.watch(cx.waker());
        if let Some(outcome) = self.work.object.outcome() {
            return Poll::Ready(match outcome {
                Ok(()) => {
                    out.bytes(b"done\n");
                    Step::Done(0)
                }
                Err(error) => failed(out, error),
            });
        }
        if Pin::new(&mut self.limit).poll(cx).is_pending() {
            return Poll::Pending;
        }
        let _ = writeln!(
            out,
            "it is not done after {} s and goes on by itself{}",
            PATIENCE_MS / 1000,
            show::DiskWaits
        );
        Poll::Ready(Step::Done(1))
    }
}

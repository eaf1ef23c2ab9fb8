//! `/proc/paddock`: the kernel about itself.

#[cfg(feature = "test-kernel")]
mod fail_alloc;
pub mod locks;
mod profile;
pub mod threads;

use super::text::{Text, file};
use crate::process::{accounts, tree};
use crate::{main_loop, memory, violations, watchdog};
use alloc::vec::Vec;
use paddock_abi::Result;
use paddock_sync::{Mutex, Rank};
use paddock_vfs::PAGE_SIZE;
use paddock_vfs::proc_fs::{ProcNode, StaticDir};

/// Files of rooms above this one, until the directory is made.
static MORE: Mutex<Vec<(&str, ProcNode)>> = Mutex::new(Rank::LeafMutex, Vec::new());

/// Adds a file to the directory. Before the root is mounted; may sleep.
pub fn add(name: &'static str, file: ProcNode) {
    let mut more = MORE.lock();
    if more.try_reserve(1).is_ok() {
        more.push((name, file));
    }
}

pub fn directory() -> StaticDir {
    let directory = StaticDir::new();
    #[cfg(feature = "test-kernel")]
    let directory = directory.with("fail_alloc", fail_alloc::file());
    let directory = directory
        .with("frames", file(frames))
        .with("heap", file(heap))
        .with("locks", file(locks::show))
        .with("profile", profile::file())
        .with("steps", file(steps))
        .with("threads", file(threads::show))
        .with("users", file(users).with_mode(0o400))
        .with(
            "violations",
            file(|out| out.put(format_args!("{}\n", violations::count()))),
        )
        .with("watchdog", watchdog::file());
    let more = core::mem::take(&mut *MORE.lock());
    more.into_iter().fold(directory, |directory, (name, file)| {
        directory.with(name, file)
    })
}

/// Physical memory in bytes.
fn frames(out: &mut Text<'_>) -> Result<()> {
    let (total, free, fewest) = memory::frames::counts();
    let bytes = |frames: usize| frames * PAGE_SIZE;
    out.put(format_args!(
        "total {}\nfree {}\n",
        bytes(total),
        bytes(free)
    ))?;
    out.put(format_args!("fewest_free {}\n", bytes(fewest)))
}

/// What each user has: tasks, bytes that the kernel keeps and the most it may,
/// pages that pipes may come to hold.
fn users(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"uid tasks bytes limit pipe_pages\n")?;
    for (uid, account) in accounts::all()? {
        let tasks = tree().lock().tasks_of(uid);
        out.put(format_args!(
            "{uid} {tasks} {} {} {}\n",
            account.bytes(),
            Limit(account.limit()),
            account.pipe_pages()
        ))?;
    }
    Ok(())
}

/// A limit as getrlimit(2)'s tools write it.
struct Limit(usize);

impl core::fmt::Display for Limit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            usize::MAX => f.write_str("unlimited"),
            bytes => bytes.fmt(f),
        }
    }
}

/// The kernel's heap in bytes.
fn heap(out: &mut Text<'_>) -> Result<()> {
    let (claimed, used) = memory::heap::bytes();
    out.put(format_args!("claimed {claimed}\nused {used}\n"))
}

/// The main loop: its step, and how often it has gone around.
fn steps(out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "step {:?}\nrounds {}\n",
        main_loop::current_step(),
        main_loop::rounds()
    ))
}

//! [`Tasks`]: what groups have to be told of who runs, and what is done for who reads.

use crate::{Errno, OpenFile, OpenFlags, Path, Result};
use alloc::sync::{Arc, Weak};
use core::any::Any;
use paddock_sync::{OnceCell, WaitQueue};

/// A process, as long as it is there.
pub type Process = Weak<dyn Any + Send + Sync>;

/// Who does something, by the kernel's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The number of its process.
    pub process: u32,
    /// Its own.
    pub thread: u32,
}

/// What fanotify(7) has to do with tasks, and does not know itself: the kernel's side.
pub trait Tasks: Send + Sync {
    /// Who runs; `None` for one of the kernel's own threads. Never sleeps.
    fn current(&self) -> Option<Actor>;

    /// The process that runs. Never sleeps.
    fn process(&self) -> Option<Process>;

    /// The number that the running program knows a task by; 0 if it does not.
    fn known(&self, id: u32) -> u32;

    /// Waits on a queue until `done`; false if who runs has to end first, or needs no
    /// leave as it is the kernel itself. Sleeps.
    fn wait(&self, queue: &WaitQueue, done: &dyn Fn() -> bool) -> bool;

    /// Opens a file for the running program such that nobody hears of it. May sleep.
    /// The errors of open(2).
    fn open(&self, at: &Path, flags: OpenFlags) -> Result<Arc<OpenFile>>;

    /// Gives the running program a descriptor. May sleep. `EMFILE`, `ENOMEM`.
    fn install(&self, file: Arc<OpenFile>, close_on_exec: bool) -> Result<i32>;

    /// Takes one back that it could not be told of. May sleep.
    fn take_back(&self, descriptor: i32);

    /// Gives it a descriptor of a process: `None` if that has ended. May sleep.
    /// `EMFILE`, `ENOMEM`.
    fn install_process(&self, process: &Process) -> Option<Result<i32>>;
}

static TASKS: OnceCell<&'static dyn Tasks> = OnceCell::new();

/// Sets what knows tasks. Once; false if it was set before.
pub fn set_tasks(tasks: &'static dyn Tasks) -> bool {
    TASKS.set(tasks).is_ok()
}

/// What knows tasks. `ENOSYS` before it is there.
pub fn tasks() -> Result<&'static dyn Tasks> {
    TASKS.get().copied().ok_or(Errno::ENOSYS)
}

//! [`Host`]: what is needed of the rest of the kernel.

use alloc::sync::Arc;
use paddock_charge::Account;
use paddock_cred::Cred;
use paddock_sync::WaitQueue;
use paddock_vfs::cache::PageCache;

/// Who asks for something.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub cred: Arc<Cred>,
    /// The thread.
    pub thread: u32,
    /// The mode bits that its new files do not get.
    pub umask: u32,
    /// Its process ends: it asks for nothing that it would wait for.
    pub is_ending: bool,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// It is done.
    Done,
    /// A signal is to be handled.
    Interrupted,
    /// The waiting process ends.
    Doomed,
}

/// The rest of the kernel.
pub trait Host: Send + Sync {
    /// The running thread of a program; `None` for one of the kernel's own, which waits for
    /// no program.
    fn caller(&self) -> Option<Caller>;

    /// Waits on `queue` until `done`, or until the thread's process ends; or, if it is
    /// `interruptible`, until it has to handle a signal. Sleeps.
    fn wait(&self, queue: &WaitQueue, interruptible: bool, done: &dyn Fn() -> bool) -> Woken;

    /// Who pays for what the running thread has the kernel keep. Never sleeps.
    fn account(&self) -> Arc<Account>;

    /// Nanoseconds on a clock that is never set. Never sleeps.
    fn now(&self) -> u64;

    /// Mounts that are out of the tree may be in use no more: some seconds from now somebody
    /// looks. Never sleeps.
    fn look_for_unused(&self);

    /// Where pages of files are kept that are mapped.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn page_cache(&self) -> paddock_abi::Result<Arc<PageCache>>;
}

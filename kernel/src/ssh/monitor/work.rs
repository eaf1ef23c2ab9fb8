//! What the monitor has done that may sleep: each in a kernel thread of its
//! own, as the workers for files may all wait for the disk.

use crate::process::vfs::namespace;
use crate::{init, power, thread};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, Rank, Ready, SpinLock, WaitQueue, try_arc};

/// How long a reboot waits for the disk, in milliseconds.
const DISK_MS: u64 = 10_000;
/// How often that is looked at, in milliseconds.
const LOOK_MS: u64 = 20;

/// One of a kind at a time: another one would only wait for the first.
static SYNCS: AtomicBool = AtomicBool::new(false);
static RESTARTS: AtomicBool = AtomicBool::new(false);

/// Work in a thread, and what has become of it.
pub struct Work {
    outcome: SpinLock<Option<Result<()>>>,
    changed: WaitQueue,
}

impl Pollable for Work {
    fn ready(&self) -> Ready {
        match self.outcome() {
            Some(_) => Ready::IN,
            None => Ready::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

impl Work {
    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Result<()>> {
        *self.outcome.lock()
    }

    fn start(
        name: &str,
        busy: Option<&'static AtomicBool>,
        body: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<Arc<Work>> {
        let work = try_arc(Work {
            outcome: SpinLock::new(Rank::Leaf, None),
            changed: WaitQueue::new(),
        })?;
        if busy.is_some_and(|busy| busy.swap(true, Ordering::Acquire)) {
            return Err(Errno::EALREADY);
        }
        let release = move || {
            if let Some(busy) = busy {
                busy.store(false, Ordering::Release);
            }
        };
        let shared = work.clone();
        let started = thread::spawn(name, move || {
            let outcome = body();
            release();
            *shared.outcome.lock() = Some(outcome);
            shared.changed.wake_all();
        });
        started.inspect_err(|_| release())?;
        Ok(work)
    }

    /// Writes everything to the disk.
    pub fn sync() -> Result<Arc<Work>> {
        Self::start("monitor-sync", Some(&SYNCS), || namespace().sync())
    }

    /// Ends process 1 and its services, and starts it anew.
    pub fn restart_herd() -> Result<Arc<Work>> {
        Self::start("monitor-herd", Some(&RESTARTS), || {
            log::warn!("monitor: process 1 is started anew");
            let done = init::restart();
            if let Err(error) = done {
                log::error!("monitor: process 1 was not started anew: {error}");
            }
            done
        })
    }

    /// Unmounts everything, or tries to for a while, and starts the machine
    /// anew.
    pub fn reboot() -> Result<Arc<Work>> {
        let unmount = Self::start("monitor-umount", None, || {
            power::shut_down();
            Ok(())
        })?;
        Self::start("monitor-reboot", None, move || {
            log::warn!("reboot: asked for in the monitor");
            for _ in 0..DISK_MS / LOOK_MS {
                if unmount.outcome().is_some() {
                    break;
                }
                thread::sleep_ms(LOOK_MS);
            }
            power::reset()
        })
    }
}

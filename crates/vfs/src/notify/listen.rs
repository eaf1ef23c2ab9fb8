//! [`Listening`]: who in the kernel hears of a folder (fcntl(2), `F_NOTIFY`).

use super::{Events, Receiver, Watch, add, remove};
use crate::{Inode, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32};
use paddock_sync::try_arc;

/// `/proc/sys/fs/dir-notify-enable` (proc_sys_fs(5)): whether anybody can ask for that.
pub static FOLDERS_TELL: AtomicBool = AtomicBool::new(true);

/// Who hears of what happens to an inode, and in it if it is a folder.
pub trait Listener: Send + Sync {
    /// That has happened; whether it is to hear of more. No lock is held; may sleep.
    fn hear(&self, events: Events) -> bool;
}

/// Somebody hears for as long as this is there.
pub struct Listening(Arc<Watch>);

impl Listening {
    /// `listener` hears of `inode` from now on. `ENOMEM`.
    pub fn new(inode: &Arc<dyn Inode>, listener: Arc<dyn Listener>) -> Result<Listening> {
        let watch = try_arc(Watch {
            number: 0,
            to: Receiver::Listener(listener),
            mask: AtomicU32::new(0),
            inode: inode.clone(),
            _counted: None,
        })?;
        add(watch.clone())?;
        Ok(Listening(watch))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

//! Fifos: which pipe stands behind which inode.

use crate::process::accounts::with_pipe_payer;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_process::Fifo;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};
use paddock_vfs::dev_fs::Device;
use paddock_vfs::{File, Inode, OpenFlags};

struct Known {
    /// As long as this is held, even weakly, its address is no other inode's.
    inode: Weak<dyn Inode>,
    fifo: Arc<Fifo>,
}

/// The fifos whose inodes are in use. Whoever has a fifo open holds its inode
/// by the path it was opened by.
pub struct Fifos(SpinLock<Vec<Known>, PreemptOff>);

impl Fifos {
    /// None.
    pub fn new() -> Fifos {
        Fifos(SpinLock::new(Rank::Leaf, Vec::new()))
    }

    fn find(&self, inode: &Arc<dyn Inode>) -> Option<Arc<Fifo>> {
        let wanted = Arc::as_ptr(inode).cast::<()>();
        let known = self.0.lock();
        let mut known = known.iter();
        let found = known.find(|known| core::ptr::eq(known.inode.as_ptr().cast::<()>(), wanted));
        found.map(|known| known.fifo.clone())
    }

    fn forget_unused(&self) {
        let mut gone = Vec::new();
        let mut known = self.0.lock();
        let mut at = 0;
        while let Some(entry) = known.get(at) {
            if entry.inode.strong_count() > 0 || gone.try_reserve(1).is_err() {
                at += 1;
            } else {
                gone.push(known.swap_remove(at));
            }
        }
        drop(known);
        drop(gone);
    }

    /// The fifo behind `inode`. `ENOMEM`.
    fn fifo(&self, inode: &Arc<dyn Inode>) -> Result<Arc<Fifo>> {
        if let Some(fifo) = self.find(inode) {
            return Ok(fifo);
        }
        self.forget_unused();
        let fifo = try_arc(with_pipe_payer(Fifo::new)?)?;
        let entry = Known {
            inode: Arc::downgrade(inode),
            fifo: fifo.clone(),
        };
        let mut known = self.0.lock();
        known.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        known.push(entry);
        drop(known);
        // Two that came at the same time both take the one that came first.
        Ok(self.find(inode).unwrap_or(fifo))
    }
}

impl Device for Fifos {
    fn open(&self, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        let metadata = inode.metadata()?;
        let end = self.fifo(inode)?.open(flags, metadata)?;
        Ok(try_arc(end)?)
    }
}

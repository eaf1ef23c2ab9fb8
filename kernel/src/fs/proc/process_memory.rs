//! `/proc/PID/mem` (proc_pid_mem(5)): a process's memory, by its addresses.

use crate::process::Process;
use crate::process::identity::may_inspect;
use crate::process::memory::Memory;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use paddock_abi::{Errno, Result};
use paddock_mem::PAGE_SIZE;
use paddock_sync::{Pollable, Ready, WaitQueue, try_arc};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::proc_fs::{ProcNode, ProcRaw};
use paddock_vfs::{File, Inode, Metadata, OpenFlags};

/// `mem`.
pub fn mem(process: Arc<Process>) -> ProcNode {
    ProcNode::raw(Mem(process))
}

struct Mem(Arc<Process>);

impl ProcRaw for Mem {
    /// Of the memory that the process has now, whatever it runs later. `EACCES` for those
    /// who may not trace it, `ENOMEM`.
    fn open(&self, inode: Arc<dyn Inode>, _: OpenFlags) -> Result<Arc<dyn File>> {
        may_inspect(&self.0)?;
        let memory = self.0.memory();
        let memory = memory.map_or_else(|_| Weak::new(), |memory| Arc::downgrade(&memory));
        Ok(try_arc(MemFile { inode, memory })?)
    }
}

struct MemFile {
    inode: Arc<dyn Inode>,
    /// It reads as empty once nobody runs in it.
    memory: Weak<Memory>,
}

impl MemFile {
    /// Moves up to `left` bytes from address `pos` on, no more at once than are in a page,
    /// until `step` fails; how many it was.
    ///
    /// # Errors
    /// That of the first step.
    fn in_pages(
        &self,
        pos: &mut u64,
        left: usize,
        mut step: impl FnMut(&Memory, u64, usize) -> Result<usize>,
    ) -> Result<usize> {
        let Some(memory) = self.memory.upgrade() else {
            return Ok(0);
        };
        let mut done = 0;
        while done < left {
            let in_page = (PAGE_SIZE - *pos % PAGE_SIZE) as usize;
            let count = in_page.min(left - done);
            match step(&memory, *pos, count) {
                Ok(moved) => {
                    done += moved;
                    *pos = pos.wrapping_add(moved as u64);
                    if moved < count {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

impl Pollable for MemFile {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for MemFile {
    fn seekable(&self) -> bool {
        true
    }

    fn read(&self, pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        self.in_pages(pos, to.left(), |memory, at, count| {
            to.with_buffer(count, |bytes| {
                let read = memory.space.lock().read_bytes(at, bytes);
                read.map_err(|_| Errno::EIO).map(|()| bytes.len())
            })
        })
    }

    /// Whatever the protection, of private memory.
    fn write(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        self.in_pages(pos, from.left(), |memory, at, count| {
            from.with_bytes(count, |bytes| {
                let mut space = memory.space.lock();
                let written = space
                    .place_code(at, bytes)
                    .or_else(|_| space.write_bytes(at, bytes));
                written.map_err(|_| Errno::EIO).map(|()| bytes.len())
            })
        })
    }

    /// There is no end to count from. `EINVAL`.
    fn seek_end(&self) -> Result<u64> {
        Err(Errno::EINVAL)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

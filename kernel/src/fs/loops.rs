//! Loop devices (loop(4)), and filesystems on them.
//!
//! A filesystem calls its disk with locks of its own held, and the file of a loop device
//! is in another filesystem with locks of the same ranks. So a thread for each mounted
//! device does what is asked, as a disk would.

use crate::process::{self, accounts};
use crate::thread;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::stat::make_device;
use paddock_abi::{Errno, Result};
use paddock_charge::Account;
use paddock_sync::{OnceCell, PreemptOff, Rank, SpinLock, WaitQueue, try_arc, try_copy};
use paddock_vfs::dev_fs::loops::{
    Host, LOOP_MAJOR, LOOPS, Loop, LoopControl, LoopDisk, LoopNode, Use,
};
use paddock_vfs::dev_fs::{Devices, NodeSpec};
use paddock_vfs::{BlockDevice, FileKind, MountNamespace, OpenFile, PathContext};

/// The node that tells which device is free.
pub const CONTROL: NodeSpec = ("loop-control", 0o660, 10, 237);
/// Bytes that are moved at once.
const PIECE: usize = 65_536;

static ALL: OnceCell<Arc<Vec<Arc<Loop>>>> = OnceCell::new();

struct Caller;

impl Host for Caller {
    fn open_file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let thread = process::current().ok_or(Errno::EBADF)?;
        thread.process.files().lock().get(fd)
    }

    fn account(&self) -> Arc<Account> {
        accounts::paying()
    }
}

/// Has the devices answer for their nodes.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn register(devices: &Devices) {
    let all: Result<Vec<_>> = (0..LOOPS).map(Loop::new).collect();
    let Ok(all) = all.map(Arc::new) else {
        return log::error!("loop: no memory for the devices");
    };
    let host: Arc<dyn Host> = Arc::new(Caller);
    for device in all.iter() {
        let node = LoopNode {
            device: device.clone(),
            host: host.clone(),
        };
        let number = device.device_number();
        devices.register(FileKind::BlockDevice, number, Arc::new(node));
    }
    let (_, _, major, minor) = CONTROL;
    devices.register_char(major, minor, Arc::new(LoopControl(all.clone())));
    let _ = ALL.set(all);
}

/// All of them, by their numbers. Any context.
pub fn all() -> &'static [Arc<Loop>] {
    ALL.get().map_or(&[], |all| all)
}

/// Makes the nodes, in the folder that `inside` starts from.
///
/// # Errors
/// `ENOSPC`, `EEXIST`.
pub fn fill(namespace: &MountNamespace, inside: &PathContext) -> Result<()> {
    let inside = PathContext {
        umask: 0,
        ..inside.clone()
    };
    for number in 0..LOOPS {
        let name = alloc::format!("loop{number}");
        let device = make_device(LOOP_MAJOR, number);
        let kind = FileKind::BlockDevice;
        namespace.mknod(&inside, name.as_bytes(), kind, 0o660, device)?;
    }
    Ok(())
}

/// The loop device of that number, for a filesystem.
///
/// # Errors
/// `ENXIO` for one that is none or has no file, `EBUSY` if another filesystem has it,
/// `ENOMEM`, `EAGAIN` for too many threads.
pub fn disk(device: u64) -> Result<Arc<dyn BlockDevice>> {
    let all = ALL.get().ok_or(Errno::ENXIO)?;
    let found = all.iter().find(|other| other.device_number() == device);
    let (disk, usage) = found.ok_or(Errno::ENXIO)?.disk()?;
    let queue = try_arc(Queue {
        state: SpinLock::new(Rank::Leaf, QueueState::default()),
        came: WaitQueue::new(),
    })?;
    let queued = try_arc(QueuedDisk {
        blocks: disk.blocks(),
        block_size: disk.block_size(),
        queue: queue.clone(),
        _usage: usage,
    })?;
    thread::spawn("loop", move || serve(&queue, &disk))?;
    Ok(queued)
}

enum Work {
    /// Fill it, whatever is in it, from that block on.
    Read(u64, Vec<u8>),
    Write(u64, Vec<u8>),
    Flush,
}

/// Something that is asked for.
struct Request {
    work: SpinLock<Option<Work>, PreemptOff>,
    /// What became of it, with what was read.
    done: SpinLock<Option<Result<Vec<u8>>>, PreemptOff>,
    told: WaitQueue,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Arc<Request>>,
    has_ended: bool,
}

struct Queue {
    state: SpinLock<QueueState, PreemptOff>,
    came: WaitQueue,
}

/// The disk, as its filesystem has it.
struct QueuedDisk {
    blocks: u64,
    block_size: usize,
    queue: Arc<Queue>,
    _usage: Use,
}

impl Drop for QueuedDisk {
    fn drop(&mut self) {
        self.queue.state.lock().has_ended = true;
        self.queue.came.wake_all();
    }
}

/// Does what is asked for until nobody has the disk any more.
fn serve(queue: &Queue, disk: &LoopDisk) {
    let next = || {
        let mut state = queue.state.lock();
        match state.waiting.pop_front() {
            Some(request) => Some(Some(request)),
            None => state.has_ended.then_some(None),
        }
    };
    while let Some(request) = queue.came.wait_until(next) {
        let work = request.work.lock().take();
        let result = match work {
            Some(Work::Read(block, mut bytes)) => disk.read(block, &mut bytes).map(|()| bytes),
            Some(Work::Write(block, bytes)) => disk.write(block, &bytes).map(|()| bytes),
            Some(Work::Flush) => disk.flush().map(|()| Vec::new()),
            None => Err(Errno::EIO),
        };
        *request.done.lock() = Some(result);
        request.told.wake_all();
    }
}

impl QueuedDisk {
    /// Has it done, and waits.
    fn ask(&self, work: Work) -> Result<Vec<u8>> {
        let request = try_arc(Request {
            work: SpinLock::new(Rank::Leaf, Some(work)),
            done: SpinLock::new(Rank::Leaf, None),
            told: WaitQueue::new(),
        })?;
        let mut state = self.queue.state.lock();
        state.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        state.waiting.push_back(request.clone());
        drop(state);
        self.queue.came.wake_all();
        request.told.wait_until(|| request.done.lock().take())
    }

    fn next(&self, block: u64, piece: usize) -> u64 {
        block + (piece * PIECE / self.block_size) as u64
    }
}

impl BlockDevice for QueuedDisk {
    fn name(&self) -> &str {
        "loop"
    }

    fn block_size(&self) -> usize {
        self.block_size
    }

    fn blocks(&self) -> u64 {
        self.blocks
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        for (piece, part) in buf.chunks_mut(PIECE).enumerate() {
            let bytes = try_copy(part)?;
            let read = self.ask(Work::Read(self.next(block, piece), bytes))?;
            part.copy_from_slice(&read);
        }
        Ok(())
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        for (piece, part) in buf.chunks(PIECE).enumerate() {
            let bytes = try_copy(part)?;
            self.ask(Work::Write(self.next(block, piece), bytes))?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.ask(Work::Flush).map(drop)
    }
}

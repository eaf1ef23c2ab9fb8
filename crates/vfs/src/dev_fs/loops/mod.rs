//! Loop devices (loop(4)): block devices whose bytes are a file's.

mod control;
mod file;
mod info;
#[cfg(test)]
mod tests;

pub use control::LoopControl;
pub use file::LoopNode;

use crate::{BlockDevice, Errno, FileKind, OpenFile, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use info::{AUTOCLEAR, Info, READ_ONLY};
use paddock_abi::stat::make_device;
use paddock_charge::{Account, Charge};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};

/// The major number of loop devices.
pub const LOOP_MAJOR: u32 = 7;
/// How many there are.
pub const LOOPS: u32 = 16;
/// Bytes of a sector, and of the smallest block.
const SECTOR: u64 = 512;
/// What an attached file is charged for, in bytes, besides itself.
const COST: usize = 1024;

/// What loop devices have to ask the kernel.
pub trait Host: Send + Sync {
    /// The open file of a descriptor of the caller's. `EBADF`.
    fn open_file(&self, fd: i32) -> Result<Arc<OpenFile>>;

    /// Who pays for what the caller attaches.
    fn account(&self) -> Arc<Account>;
}

/// What is set of an attached file.
#[derive(Clone)]
struct Settings {
    info: Info,
    block_size: u32,
}

/// A file that is attached.
struct Backing {
    file: SpinLock<Arc<OpenFile>, PreemptOff>,
    settings: SpinLock<Settings, PreemptOff>,
    /// Bytes of the device.
    size: AtomicU64,
    _charge: Charge,
}

impl Backing {
    fn file(&self) -> Arc<OpenFile> {
        self.file.lock().clone()
    }

    fn info(&self) -> Info {
        self.settings.lock().info.clone()
    }

    fn is_read_only(&self) -> bool {
        self.settings.lock().info.flags & READ_ONLY != 0
    }

    fn size(&self) -> u64 {
        self.size.load(Relaxed)
    }

    /// Has the device be as long as the file is now.
    fn measure(&self) -> Result<()> {
        let info = self.info();
        let length = self.file().metadata()?.size.saturating_sub(info.offset);
        let length = match info.size_limit {
            0 => length,
            limit => length.min(limit),
        };
        self.size.store(length / SECTOR * SECTOR, Relaxed);
        Ok(())
    }

    /// Where a byte is in the file.
    fn place(&self, at: u64) -> u64 {
        self.settings.lock().info.offset + at
    }

    fn read(&self, at: u64, buf: &mut [u8]) -> Result<()> {
        let (file, mut place) = (self.file(), self.place(at));
        let mut left = buf;
        while !left.is_empty() {
            let count = file.pread(place, &mut (&mut *left).into())?;
            if count == 0 {
                // The file has become shorter.
                return Err(Errno::EIO);
            }
            place += count as u64;
            left = &mut left[count..];
        }
        Ok(())
    }

    fn write(&self, at: u64, buf: &[u8]) -> Result<()> {
        let (file, mut place) = (self.file(), self.place(at));
        let mut left = buf;
        while !left.is_empty() {
            let count = file.pwrite(place, &mut left.into())?;
            if count == 0 {
                return Err(Errno::EIO);
            }
            place += count as u64;
            left = &left[count..];
        }
        Ok(())
    }
}

#[derive(Default)]
struct State {
    backing: Option<Arc<Backing>>,
    /// Who has the device open, or has its filesystem mounted.
    users: usize,
    mounts: usize,
}

/// What there is to tell of a device with a file.
pub struct Attached {
    /// The file.
    pub file: Arc<OpenFile>,
    /// The byte of the file at which the device begins.
    pub offset: u64,
    /// Bytes that it has at most; 0 for as many as the file.
    pub size_limit: u64,
    /// Bytes of the device.
    pub size: u64,
    /// Bytes of a block.
    pub block_size: u32,
    /// Whether nothing can be written.
    pub is_read_only: bool,
    /// Whether the last user's close lets go of the file.
    pub clears: bool,
}

/// One loop device.
pub struct Loop {
    number: u32,
    state: SpinLock<State, PreemptOff>,
}

/// A device is in use for as long as this is there.
pub struct Use {
    device: Arc<Loop>,
    mounts: bool,
}

impl Use {
    fn new(device: &Arc<Loop>) -> Use {
        device.state.lock().users += 1;
        Use {
            device: device.clone(),
            mounts: false,
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut state = self.device.state.lock();
        state.users -= 1;
        state.mounts -= usize::from(self.mounts);
        let clears = |backing: &Arc<Backing>| backing.info().flags & AUTOCLEAR != 0;
        let gone = match state.users == 0 && state.backing.as_ref().is_some_and(clears) {
            true => state.backing.take(),
            false => None,
        };
        drop(state);
        drop(gone);
    }
}

impl Loop {
    /// The device of that number, without a file. `ENOMEM`.
    pub fn new(number: u32) -> Result<Arc<Loop>> {
        try_arc(Loop {
            number,
            state: SpinLock::new(Rank::Leaf, State::default()),
        })
    }

    /// Its device number.
    pub fn device_number(&self) -> u64 {
        make_device(LOOP_MAJOR, self.number)
    }

    /// Whether a file is attached.
    pub fn is_attached(&self) -> bool {
        self.state.lock().backing.is_some()
    }

    /// What there is to tell of it, if a file is attached.
    pub fn attached(&self) -> Option<Attached> {
        let backing = self.backing().ok()?;
        let Settings { info, block_size } = backing.settings.lock().clone();
        Some(Attached {
            file: backing.file(),
            offset: info.offset,
            size_limit: info.size_limit,
            size: backing.size(),
            block_size,
            is_read_only: info.flags & READ_ONLY != 0,
            clears: info.flags & AUTOCLEAR != 0,
        })
    }

    /// What is attached. `ENXIO`.
    fn backing(&self) -> Result<Arc<Backing>> {
        self.state.lock().backing.clone().ok_or(Errno::ENXIO)
    }

    /// Attaches a file. `EBUSY` if one is, `EINVAL` for what is no file with bytes of its
    /// own.
    fn attach(
        &self,
        file: Arc<OpenFile>,
        settings: Settings,
        account: &Arc<Account>,
    ) -> Result<()> {
        if self.is_attached() {
            return Err(Errno::EBUSY);
        }
        let kind = file.metadata()?.kind;
        if kind != FileKind::Regular || !file.flags().readable() {
            return Err(Errno::EINVAL);
        }
        let backing = try_arc(Backing {
            file: SpinLock::new(Rank::Leaf, file),
            settings: SpinLock::new(Rank::Leaf, settings),
            size: AtomicU64::new(0),
            _charge: Charge::new(account, COST)?,
        })?;
        backing.measure()?;
        let mut state = self.state.lock();
        if state.backing.is_some() {
            drop(state);
            return Err(Errno::EBUSY);
        }
        state.backing = Some(backing);
        Ok(())
    }

    /// Lets go of the file, or as soon as only the caller uses the device. `ENXIO`.
    fn detach(&self) -> Result<()> {
        let mut state = self.state.lock();
        let backing = state.backing.clone().ok_or(Errno::ENXIO)?;
        let gone = match state.users > 1 {
            true => {
                backing.settings.lock().info.flags |= AUTOCLEAR;
                None
            }
            false => state.backing.take(),
        };
        drop(state);
        drop((gone, backing));
        Ok(())
    }

    /// The device for a filesystem, which has it as long as it keeps the second part.
    /// `ENXIO` if no file is attached, `EBUSY` if another filesystem has it.
    pub fn disk(self: &Arc<Self>) -> Result<(LoopDisk, Use)> {
        let mut state = self.state.lock();
        let backing = state.backing.clone().ok_or(Errno::ENXIO)?;
        if state.mounts > 0 {
            drop(state);
            return Err(Errno::EBUSY);
        }
        (state.users, state.mounts) = (state.users + 1, 1);
        drop(state);
        let usage = Use {
            device: self.clone(),
            mounts: true,
        };
        Ok((LoopDisk { backing }, usage))
    }

    fn is_mounted(&self) -> bool {
        self.state.lock().mounts > 0
    }
}

/// A loop device as a filesystem has it. Its calls take locks of the file's filesystem.
pub struct LoopDisk {
    backing: Arc<Backing>,
}

impl LoopDisk {
    fn check(&self, block: u64, length: usize) -> Result<u64> {
        let start = block.checked_mul(SECTOR).ok_or(Errno::EIO)?;
        let end = start.checked_add(length as u64).ok_or(Errno::EIO)?;
        match end <= self.backing.size() {
            true => Ok(start),
            false => Err(Errno::EIO),
        }
    }
}

impl BlockDevice for LoopDisk {
    fn name(&self) -> &str {
        "loop"
    }

    fn block_size(&self) -> usize {
        SECTOR as usize
    }

    fn blocks(&self) -> u64 {
        self.backing.size() / SECTOR
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        self.backing.read(self.check(block, buf.len())?, buf)
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let at = self.check(block, buf.len())?;
        match self.backing.is_read_only() {
            true => Err(Errno::EROFS),
            false => self.backing.write(at, buf),
        }
    }

    fn flush(&self) -> Result<()> {
        self.backing.file().sync_data()
    }
}

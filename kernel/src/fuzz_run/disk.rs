//! A disk in memory: what the boot loader has put there as initial RAM disk. A
//! request is answered by a thread that stands for the device, after as long as
//! the generator says; whoever asked sleeps meanwhile.

use crate::machine::CommandLine;
use crate::schedule_fuzz::{chance, draw, enabled};
use crate::thread;
use alloc::ffi::CString;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_sync::{OnceCell, Rank, SpinLock, WaitQueue, might_sleep, platform, try_arc};
use paddock_vfs::BlockDevice;
use semihosting::fs::File;
use semihosting::io::Write;

/// The value of `root=` that asks for it.
pub const NAME: &str = "/dev/ram0";
/// `paddock.mistake=` with this: whether anybody waits is looked at before the
/// answer is there. Who begins to wait in between is not woken.
const WAKE_IF_WAITED_FOR: &str = "wake-if-waited-for";

const SECTOR: usize = 512;
/// Requests at once.
const SLOTS: usize = 4;
/// Bytes that are moved at once; between such pieces others may come first.
const PIECE: usize = 4096;
/// An answer comes at once this seldom.
const AT_ONCE_ONE_IN: u64 = 4;
/// The longest time (ns) to an answer.
const LONGEST: u64 = 200_000;

static DISK: OnceCell<Arc<RamDisk>> = OnceCell::new();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    Asked,
    Answered,
}

/// The disk.
pub struct RamDisk {
    sectors: u64,
    memory: SpinLock<&'static mut [u8]>,
    slots: SpinLock<[Slot; SLOTS]>,
    asked: WaitQueue,
    freed: WaitQueue,
    answered: [WaitQueue; SLOTS],
    wakes_if_waited_for: bool,
}

/// The disk in what `initrd` gives, if the command line wants it as root and there is
/// a seed. Once, in a thread.
///
/// # Panics
/// Without the memory for it: then there is nothing to run.
pub fn start(
    command_line: &CommandLine<'_>,
    initrd: fn() -> Option<*mut [u8]>,
) -> Option<Arc<dyn BlockDevice>> {
    if !enabled() || command_line.root != Some(NAME) {
        return None;
    }
    // SAFETY: the region lies in memory, which the direct map covers, and is
    // reserved for good; with this root nobody else looks at it, and this is
    // called once.
    let memory = unsafe { &mut *initrd()? };
    let disk = RamDisk {
        sectors: (memory.len() / SECTOR) as u64,
        memory: SpinLock::new(Rank::Virtio, memory),
        slots: SpinLock::new(Rank::Virtio, [Slot::Free; SLOTS]),
        asked: WaitQueue::new(),
        freed: WaitQueue::new(),
        answered: [const { WaitQueue::new() }; SLOTS],
        wakes_if_waited_for: command_line.value("paddock.mistake") == Some(WAKE_IF_WAITED_FOR),
    };
    let disk = match try_arc(disk) {
        Ok(disk) => disk,
        Err(error) => panic!("no memory for a disk: {error}"),
    };
    let _ = DISK.set(disk.clone());
    let device = disk.clone();
    if let Err(error) = thread::spawn("ram-disk", move || device.serve()) {
        panic!("no thread for a disk: {error}");
    }
    Some(disk)
}

/// Writes all that the disk holds to the host's file `name`, relative to where
/// QEMU runs. Nobody may use the disk any more.
pub fn dump(name: &str) -> bool {
    let (Some(disk), Ok(name)) = (DISK.get(), CString::new(name)) else {
        return false;
    };
    let memory = disk.memory.lock();
    File::create(name).is_ok_and(|mut file| file.write_all(&memory).is_ok())
}

impl RamDisk {
    /// The device: answers requests in any order. Never returns.
    fn serve(&self) {
        loop {
            self.asked.wait_until(|| self.choose());
            if !chance(AT_ONCE_ONE_IN) {
                thread::sleep_until(platform::now() + draw() % LONGEST);
            }
            if let Some(slot) = self.choose() {
                self.answer(slot);
            }
        }
    }

    /// Any of the requests without an answer.
    fn choose(&self) -> Option<usize> {
        let slots = self.slots.lock();
        let first = draw() as usize % SLOTS;
        (0..SLOTS)
            .map(|number| (first + number) % SLOTS)
            .find(|&slot| slots[slot] == Slot::Asked)
    }

    fn answer(&self, slot: usize) {
        let waited_for = !self.wakes_if_waited_for || self.answered[slot].has_waiters();
        self.slots.lock()[slot] = Slot::Answered;
        if waited_for {
            self.answered[slot].wake_all();
        }
    }

    /// Sleeps as a request does, from the call to the answer.
    fn request(&self) {
        let slot = self.freed.wait_until(|| self.take_free());
        self.asked.wake_one();
        self.answered[slot].wait_until(|| self.take_answer(slot));
        self.freed.wake_one();
    }

    fn take_free(&self) -> Option<usize> {
        let mut slots = self.slots.lock();
        let slot = slots.iter().position(|slot| *slot == Slot::Free)?;
        slots[slot] = Slot::Asked;
        Some(slot)
    }

    fn take_answer(&self, slot: usize) -> Option<()> {
        let mut slots = self.slots.lock();
        (slots[slot] == Slot::Answered).then(|| slots[slot] = Slot::Free)
    }

    /// A request with the bytes moved at its begin or at its end: a device may
    /// do so at any time between.
    fn transfer(&self, sector: u64, length: usize, mut copy: impl FnMut()) -> Result<()> {
        might_sleep();
        let count = (length / SECTOR) as u64;
        let end = sector.checked_add(count).ok_or(Errno::EIO)?;
        if !length.is_multiple_of(SECTOR) || end > self.sectors {
            return Err(Errno::EIO);
        }
        let at_begin = chance(2);
        if at_begin {
            copy();
        }
        self.request();
        if !at_begin {
            copy();
        }
        Ok(())
    }
}

impl BlockDevice for RamDisk {
    fn block_size(&self) -> usize {
        SECTOR
    }

    fn blocks(&self) -> u64 {
        self.sectors
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        let start = block as usize * SECTOR;
        self.transfer(block, buf.len(), || {
            for (number, piece) in buf.chunks_mut(PIECE).enumerate() {
                let at = start + number * PIECE;
                piece.copy_from_slice(&self.memory.lock()[at..][..piece.len()]);
            }
        })
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let start = block as usize * SECTOR;
        self.transfer(block, buf.len(), || {
            for (number, piece) in buf.chunks(PIECE).enumerate() {
                let at = start + number * PIECE;
                self.memory.lock()[at..][..piece.len()].copy_from_slice(piece);
            }
        })
    }

    fn flush(&self) -> Result<()> {
        might_sleep();
        self.request();
        Ok(())
    }
}

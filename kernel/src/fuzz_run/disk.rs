//! A disk in memory: what the boot loader has put there as initial RAM disk. A
//! request is answered by a thread that stands for the device, after as long as
//! the generator says; whoever asked sleeps meanwhile.

use super::end;
use super::medium::Medium;
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
/// With this: a flush makes nothing last, which shows when the power goes.
const FLUSH_NOTHING: &str = "flush-nothing";

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
    medium: SpinLock<Medium>,
    slots: SpinLock<[Slot; SLOTS]>,
    asked: WaitQueue,
    freed: WaitQueue,
    answered: [WaitQueue; SLOTS],
    wakes_if_waited_for: bool,
    flushes_nothing: bool,
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
    let makes = |mistake| command_line.value("paddock.mistake") == Some(mistake);
    let power = command_line.value("paddock.fuzz_power");
    let disk = RamDisk {
        sectors: (memory.len() / SECTOR) as u64,
        medium: SpinLock::new(
            Rank::Virtio,
            Medium::new(memory, power.and_then(|pieces| pieces.parse().ok())),
        ),
        slots: SpinLock::new(Rank::Virtio, [Slot::Free; SLOTS]),
        asked: WaitQueue::new(),
        freed: WaitQueue::new(),
        answered: [const { WaitQueue::new() }; SLOTS],
        wakes_if_waited_for: makes(WAKE_IF_WAITED_FOR),
        flushes_nothing: makes(FLUSH_NOTHING),
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
    DISK.get()
        .is_some_and(|disk| write_file(name, disk.medium.lock().bytes))
}

/// The same of what is left of it when the power goes, which it does.
pub fn dump_cut(name: &str) -> bool {
    DISK.get().is_some_and(|disk| {
        let mut medium = disk.medium.lock();
        medium.cut();
        write_file(name, medium.bytes)
    })
}

fn write_file(name: &str, bytes: &[u8]) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    File::create(name).is_ok_and(|mut file| file.write_all(bytes).is_ok())
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
                piece.copy_from_slice(&self.medium.lock().bytes[at..][..piece.len()]);
            }
        })
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let start = block as usize * SECTOR;
        let mut written = Ok(());
        self.transfer(block, buf.len(), || {
            let mut pieces = buf.chunks(PIECE).enumerate();
            written = pieces.try_for_each(|(number, piece)| {
                let power_goes = self.medium.lock().write(start + number * PIECE, piece)?;
                if power_goes {
                    end::power_goes();
                }
                Ok(())
            });
        })?;
        written
    }

    fn flush(&self) -> Result<()> {
        might_sleep();
        let written = self.medium.lock().written();
        self.request();
        if !self.flushes_nothing {
            self.medium.lock().flushed(written);
        }
        Ok(())
    }
}

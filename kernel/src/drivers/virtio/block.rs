//! Disks (virtio 1.2, 5.2): several requests in flight, completed by
//! interrupt; threads sleep meanwhile.

mod pieces;
mod queue;
mod slots;
mod window;

use super::is_shareable;
use super::transport::{self, DeviceType, Found};
use crate::interrupts::{self, Handler};
use crate::thread;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{OnceCell, might_sleep, try_box};
use paddock_vfs::{BlockDevice, PAGE_SIZE, PageRef};
use pieces::{Pieces, is_within_reach};
use queue::{Answer, Look, RequestQueue};
pub use slots::Statistics;
use slots::{Command, PIECES};
use window::Window;

/// Bytes of a sector, the unit of all of virtio's block addresses.
pub const SECTOR: usize = 512;
/// Most bytes of one request; longer transfers become several.
const MAX_REQUEST: usize = 512 * 1024;
/// Bytes copied at a time for callers whose memory the device cannot reach.
const BOUNCE: usize = 64 * 1024;
/// How long the first request may take, in nanoseconds: as long as a host with
/// much else to do needs to read a sector.
const FIRST_REQUEST_NS: u64 = 30_000_000_000;

/// What disks are called, in the order in which they are found.
const NAMES: [&str; 8] = ["vda", "vdb", "vdc", "vdd", "vde", "vdf", "vdg", "vdh"];

/// A disk.
pub struct Disk {
    name: &'static str,
    queue: RequestQueue,
    sectors: u64,
    read_only: bool,
}

static DISKS: OnceCell<Vec<Arc<Disk>>> = OnceCell::new();

/// All disks, "vda" first. Empty before [`init`].
pub fn disks() -> &'static [Arc<Disk>] {
    DISKS.get().map_or(&[], Vec::as_slice)
}

/// The disk with this name: "vda", or with "/dev/" in front.
pub fn by_name(name: &str) -> Option<&'static Arc<Disk>> {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    disks().iter().find(|disk| disk.name == name)
}

/// Starts all disks. Once, in a thread; sleeps.
pub fn init() {
    let mut disks = Vec::new();
    if disks.try_reserve_exact(NAMES.len()).is_ok() {
        for name in NAMES {
            let Some(found) = transport::take(DeviceType::Block) else {
                break;
            };
            match start(name, found) {
                Ok(disk) => disks.push(disk),
                Err(error) => log::error!("{name}: the disk does not work: {error}"),
            }
        }
    }
    let _ = DISKS.set(disks);
}

#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn start(name: &'static str, found: Found) -> Result<Arc<Disk>> {
    let interrupt = found.interrupt;
    let (queue, config) = RequestQueue::new(found.transport, name, interrupt.number)?;
    let disk = Arc::new(Disk {
        name,
        queue,
        sectors: config.sectors,
        read_only: config.read_only,
    });
    // The handler's reference is never given back: interrupts outlive all.
    let shared = disk.clone();
    let handler = Box::leak(try_box(move || shared.queue.on_interrupt())?);
    let handler = Handler::with(name, handler).triggered(interrupt.trigger);
    interrupts::register(interrupt.number, handler)?;
    disk.check_interrupt()?;
    let mode = if disk.read_only { ", read-only" } else { "" };
    log::info!("{name}: {} KiB{mode}", disk.sectors / 2);
    Ok(disk)
}

impl Disk {
    /// The disk's name, such as "vda".
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it refuses writes.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// What it has done by now. Never sleeps.
    pub fn statistics(&self) -> Statistics {
        self.queue.statistics()
    }

    /// For how long (ns) its oldest request has been without an answer; zero
    /// if there is none. Never sleeps.
    pub fn oldest_wait(&self) -> u64 {
        self.queue.oldest_wait()
    }

    /// Reads the first sector and sees whether the answer comes by interrupt.
    fn check_interrupt(&self) -> Result<()> {
        if self.sectors == 0 {
            return Ok(());
        }
        let mut sector = bounce_buffer(SECTOR)?;
        let ticket = self
            .queue
            .submit(Command::Read, 0, &[&raw mut sector[..]])?;
        let mut look = Look::new();
        while look.waited() < FIRST_REQUEST_NS {
            match self.queue.wait_and_look(&ticket, &mut look) {
                Answer::Complete(result) => return result,
                Answer::Missed => break,
                Answer::Nothing => {}
            }
        }
        self.queue.stop();
        Err(Errno::EIO)
    }

    fn check(&self, sector: u64, length: usize) -> Result<()> {
        might_sleep();
        let count = (length / SECTOR) as u64;
        let end = sector.checked_add(count).ok_or(Errno::EIO)?;
        if !length.is_multiple_of(SECTOR) || end > self.sectors {
            return Err(Errno::EIO);
        }
        Ok(())
    }

    /// Moves `buffer`, which the device can reach, in requests of at most
    /// [`MAX_REQUEST`], several in flight. All are complete when this
    /// returns, failed or not; the first failure is the result.
    fn transfer(&self, command: Command, sector: u64, buffer: *mut [u8]) -> Result<()> {
        let mut window = Window::new(&self.queue);
        for offset in (0..buffer.len()).step_by(MAX_REQUEST) {
            let length = MAX_REQUEST.min(buffer.len() - offset);
            let start = buffer.cast::<u8>().wrapping_add(offset);
            let part = core::ptr::slice_from_raw_parts_mut(start, length);
            window.submit(command, sector + (offset / SECTOR) as u64, &[part])?;
        }
        window.finish()
    }

    /// Reads into pages that the device can reach, several requests in flight.
    fn read_reachable(&self, sector: u64, pages: &[PageRef]) -> Result<()> {
        let mut window = Window::new(&self.queue);
        for (index, part) in pages.chunks(PIECES).enumerate() {
            let mut pieces = Pieces::new();
            part.iter().for_each(|page| pieces.add(page));
            let sector = sector + (index * PIECES * PAGE_SIZE / SECTOR) as u64;
            window.submit(Command::Read, sector, pieces.as_slice())?;
        }
        window.finish()
    }
}

/// Heap memory, which the device can reach.
fn bounce_buffer(length: usize) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer
        .try_reserve_exact(length)
        .map_err(|_| Errno::ENOMEM)?;
    buffer.resize(length, 0);
    Ok(buffer)
}

impl BlockDevice for Disk {
    fn name(&self) -> &str {
        self.name
    }

    fn block_size(&self) -> usize {
        SECTOR
    }

    fn blocks(&self) -> u64 {
        self.sectors
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        self.check(block, buf.len())?;
        thread::current().count_blocks_read((buf.len() / SECTOR) as u64);
        if is_shareable(buf) {
            return self.transfer(Command::Read, block, &raw mut *buf);
        }
        let mut bounce = bounce_buffer(buf.len().min(BOUNCE))?;
        for (index, chunk) in buf.chunks_mut(BOUNCE).enumerate() {
            let sector = block + (index * BOUNCE / SECTOR) as u64;
            let part = &mut bounce[..chunk.len()];
            self.transfer(Command::Read, sector, &raw mut *part)?;
            chunk.copy_from_slice(part);
        }
        Ok(())
    }

    fn read_pages(&self, block: u64, pages: &[PageRef]) -> Result<()> {
        let length = pages.len() * PAGE_SIZE;
        self.check(block, length)?;
        thread::current().count_blocks_read((length / SECTOR) as u64);
        if pages.iter().all(is_within_reach) {
            return self.read_reachable(block, pages);
        }
        let mut bounce = bounce_buffer(PAGE_SIZE)?;
        for (index, page) in pages.iter().enumerate() {
            let sector = block + (index * PAGE_SIZE / SECTOR) as u64;
            self.transfer(Command::Read, sector, &raw mut bounce[..])?;
            page.write(0, &bounce);
        }
        Ok(())
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        self.check(block, buf.len())?;
        if self.read_only {
            return Err(Errno::EROFS);
        }
        if is_shareable(buf) {
            // The device only reads it.
            return self.transfer(Command::Write, block, (&raw const *buf).cast_mut());
        }
        let mut bounce = bounce_buffer(buf.len().min(BOUNCE))?;
        for (index, chunk) in buf.chunks(BOUNCE).enumerate() {
            let sector = block + (index * BOUNCE / SECTOR) as u64;
            let part = &mut bounce[..chunk.len()];
            part.copy_from_slice(chunk);
            self.transfer(Command::Write, sector, &raw mut *part)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        might_sleep();
        if !self.queue.can_flush() {
            return Ok(());
        }
        let ticket = self.queue.submit(Command::Flush, 0, &[])?;
        self.queue.wait(&ticket)
    }
}

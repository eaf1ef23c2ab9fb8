//! A disk in memory that remembers what was done to it.

use core::ops::Range;
use paddock_vfs::{BlockDevice, Errno, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const BLOCK: usize = 512;

#[derive(Clone)]
pub(super) enum Event {
    Write(usize, Vec<u8>),
    Flush,
}

pub(super) struct MemDisk {
    data: Mutex<Vec<u8>>,
    log: Mutex<Option<Vec<Event>>>,
    /// Bytes that cannot be read, and those that cannot be written.
    bad: Mutex<[Vec<Range<usize>>; 2]>,
    /// Whether a write from a byte on fails.
    refuses: Mutex<Option<Refusal>>,
    /// Flushes fail.
    no_flush: AtomicBool,
    /// Requests to read.
    reads: AtomicUsize,
}

/// Which writes, by their first byte and their content, fail.
pub(super) type Refusal = Box<dyn Fn(usize, &[u8]) -> bool + Send>;

/// What fails.
#[derive(Clone, Copy)]
pub(super) enum Fail {
    Reads = 0,
    Writes = 1,
}

impl MemDisk {
    pub fn new(data: Vec<u8>) -> MemDisk {
        MemDisk {
            data: Mutex::new(data),
            log: Mutex::new(None),
            bad: Mutex::default(),
            refuses: Mutex::new(None),
            no_flush: AtomicBool::new(false),
            reads: AtomicUsize::new(0),
        }
    }

    pub fn image(&self) -> Vec<u8> {
        self.data.lock().unwrap().clone()
    }

    /// Lets reads or writes of these bytes fail from now on.
    pub fn fail(&self, what: Fail, bytes: Range<usize>) {
        self.bad.lock().unwrap()[what as usize].push(bytes);
    }

    /// Lets some writes fail from now on.
    pub fn refuse(&self, refusal: Refusal) {
        *self.refuses.lock().unwrap() = Some(refusal);
    }

    /// Lets flushes fail from now on.
    pub fn refuse_flushes(&self) {
        self.no_flush.store(true, Ordering::Relaxed);
    }

    /// How often it was read from.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Changes a byte, as no write does.
    pub fn flip(&self, at: usize) {
        self.data.lock().unwrap()[at] ^= 0x11;
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        *self.refuses.lock().unwrap() = None;
        self.no_flush.store(false, Ordering::Relaxed);
        *self.bad.lock().unwrap() = Default::default();
    }

    fn check(&self, what: Fail, range: &Range<usize>) -> Result<()> {
        let bad = self.bad.lock().unwrap();
        let hit = |bad: &Range<usize>| bad.start < range.end && range.start < bad.end;
        match bad[what as usize].iter().any(hit) {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }

    /// Records what is done from now on.
    pub fn start_log(&self) {
        *self.log.lock().unwrap() = Some(Vec::new());
    }

    pub fn log_len(&self) -> usize {
        self.log.lock().unwrap().as_ref().map_or(0, Vec::len)
    }

    pub fn take_log(&self) -> Vec<Event> {
        self.log.lock().unwrap().take().unwrap_or_default()
    }

    fn range(&self, block: u64, len: usize) -> Result<Range<usize>> {
        let start = block as usize * BLOCK;
        match len.is_multiple_of(BLOCK) && start + len <= self.data.lock().unwrap().len() {
            true => Ok(start..start + len),
            false => Err(Errno::EIO),
        }
    }
}

impl BlockDevice for MemDisk {
    fn block_size(&self) -> usize {
        BLOCK
    }

    fn blocks(&self) -> u64 {
        (self.data.lock().unwrap().len() / BLOCK) as u64
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        let range = self.range(block, buf.len())?;
        self.check(Fail::Reads, &range)?;
        self.reads.fetch_add(1, Ordering::Relaxed);
        buf.copy_from_slice(&self.data.lock().unwrap()[range]);
        Ok(())
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let range = self.range(block, buf.len())?;
        self.check(Fail::Writes, &range)?;
        let refuses = self.refuses.lock().unwrap();
        if refuses
            .as_ref()
            .is_some_and(|refuses| refuses(range.start, buf))
        {
            return Err(Errno::EIO);
        }
        if let Some(log) = self.log.lock().unwrap().as_mut() {
            log.push(Event::Write(range.start, buf.to_vec()));
        }
        self.data.lock().unwrap()[range].copy_from_slice(buf);
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        if self.no_flush.load(Ordering::Relaxed) {
            return Err(Errno::EIO);
        }
        if let Some(log) = self.log.lock().unwrap().as_mut() {
            log.push(Event::Flush);
        }
        Ok(())
    }
}

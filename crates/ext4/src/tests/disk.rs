//! A disk in memory that remembers what was done to it.

use paddock_vfs::{BlockDevice, Errno, Result};
use std::sync::Mutex;

const BLOCK: usize = 512;

#[derive(Clone)]
pub(super) enum Event {
    Write(usize, Vec<u8>),
    Flush,
}

pub(super) struct MemDisk {
    data: Mutex<Vec<u8>>,
    log: Mutex<Option<Vec<Event>>>,
}

impl MemDisk {
    pub fn new(data: Vec<u8>) -> MemDisk {
        MemDisk {
            data: Mutex::new(data),
            log: Mutex::new(None),
        }
    }

    pub fn image(&self) -> Vec<u8> {
        self.data.lock().unwrap().clone()
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

    fn range(&self, block: u64, len: usize) -> Result<core::ops::Range<usize>> {
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
        buf.copy_from_slice(&self.data.lock().unwrap()[range]);
        Ok(())
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        let range = self.range(block, buf.len())?;
        if let Some(log) = self.log.lock().unwrap().as_mut() {
            log.push(Event::Write(range.start, buf.to_vec()));
        }
        self.data.lock().unwrap()[range].copy_from_slice(buf);
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        if let Some(log) = self.log.lock().unwrap().as_mut() {
            log.push(Event::Flush);
        }
        Ok(())
    }
}

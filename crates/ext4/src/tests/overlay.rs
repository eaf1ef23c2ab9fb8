//! A disk whose first content is shared by many; and what the tests from seeds have in
//! common.

use super::*;
use paddock_vfs::{BlockDevice, Errno};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

const SECTOR: usize = 512;

/// A disk of which only what was written is kept apart from the image below. It counts
/// its requests: who makes too many does not come to an end.
pub(super) struct Overlay {
    below: Arc<Vec<u8>>,
    written: Mutex<Vec<Option<Box<[u8; SECTOR]>>>>,
    requests: AtomicU64,
    most: u64,
}

impl Overlay {
    /// A disk that may be asked `most` times.
    pub fn new(below: Arc<Vec<u8>>, most: u64) -> Overlay {
        let sectors = below.len() / SECTOR;
        Overlay {
            below,
            written: Mutex::new((0..sectors).map(|_| None).collect()),
            requests: AtomicU64::new(0),
            most,
        }
    }

    /// Puts bytes there that no request has written: whole sectors.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        let _ = self.write((at / SECTOR) as u64, bytes);
    }

    /// All of it.
    pub fn image(&self) -> Vec<u8> {
        let mut image = (*self.below).clone();
        let written = self.written.lock().unwrap();
        for (part, data) in image.chunks_exact_mut(SECTOR).zip(&*written) {
            if let Some(data) = data {
                part.copy_from_slice(&data[..]);
            }
        }
        image
    }

    /// Mounts it, with a cache of so many pages.
    pub fn mount(self: &Arc<Self>, pages: usize) -> Result<Arc<Ext4>> {
        let cache = Arc::new(PageCache::new(Arc::new(HeapPages), pages));
        Ext4::mount(crate::Kind::Ext4, self.clone(), clock(), cache, 8, false)
    }

    fn count(&self, block: u64, len: usize) -> Result<()> {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        assert!(count < self.most, "it goes on for ever");
        match block as usize * SECTOR + len <= self.below.len() {
            true => Ok(()),
            false => Err(Errno::EIO),
        }
    }
}

impl BlockDevice for Overlay {
    fn block_size(&self) -> usize {
        SECTOR
    }

    fn blocks(&self) -> u64 {
        (self.below.len() / SECTOR) as u64
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<()> {
        self.count(block, buf.len())?;
        let at = block as usize * SECTOR;
        buf.copy_from_slice(&self.below[at..at + buf.len()]);
        let written = self.written.lock().unwrap();
        let written = &written[block as usize..];
        for (part, data) in buf.chunks_exact_mut(SECTOR).zip(written) {
            if let Some(data) = data {
                part.copy_from_slice(&data[..]);
            }
        }
        Ok(())
    }

    fn write(&self, block: u64, buf: &[u8]) -> Result<()> {
        self.count(block, buf.len())?;
        let mut written = self.written.lock().unwrap();
        let written = &mut written[block as usize..];
        for (part, data) in buf.chunks_exact(SECTOR).zip(written) {
            data.get_or_insert_with(|| Box::new([0; SECTOR]))
                .copy_from_slice(part);
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }
}

/// Numbers from a seed (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of a list; `None` of an empty one.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        (!list.is_empty()).then(|| self.one_of(list))
    }

    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// A number that the environment gives, or this one.
pub(super) fn number(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect(name))
}

/// How long one seed may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs seeds from `first` on, on as many threads as the host has processors. Panics with
/// the seed of one that fails, and ends the process for one that hangs.
pub(super) fn for_seeds(what: &str, first: u64, count: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let begun: Vec<AtomicU64> = (0..jobs).map(|_| AtomicU64::new(0)).collect();
    let start = std::time::Instant::now();
    let millis = || start.elapsed().as_millis() as u64 + 1;
    let running = AtomicU64::new(jobs as u64);
    std::thread::scope(|scope| {
        for begun in &begun {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    begun.store(millis(), Ordering::Relaxed);
                    let caught =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
                    if caught.is_err() {
                        eprintln!("{what}: seed {seed} goes wrong");
                        failed.store(true, Ordering::Relaxed);
                    }
                }
                begun.store(0, Ordering::Relaxed);
                running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
            for begun in &begun {
                let since = begun.load(Ordering::Relaxed);
                if since > 0 && millis() - since > PATIENCE.as_millis() as u64 {
                    eprintln!("{what}: a seed of the last {jobs} below {next:?} hangs");
                    std::process::abort();
                }
            }
        }
    });
    assert!(!failed.load(Ordering::Relaxed), "{what}");
    println!("{what}: {count} in {:?}", start.elapsed());
}

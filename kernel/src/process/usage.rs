//! What processes have used: time, memory, faults, switches.

use super::memory::Memory;
use super::object::{Process, UserThread};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use paddock_mem::PAGE_SIZE;
use paddock_process::{CpuTimes, Usage};

impl Process {
    /// What all its threads have used by now, but for memory.
    pub fn usage(&self) -> Usage {
        let threads = self.threads.lock();
        let mut usage = *self.ended.lock();
        for thread in threads.iter() {
            usage.add(&thread.usage());
        }
        usage
    }

    /// CPU time of all its threads by now.
    pub fn cpu_times(&self) -> CpuTimes {
        let threads = self.threads.lock();
        let Usage {
            user_ns: mut user,
            system_ns: mut system,
            ..
        } = *self.ended.lock();
        for thread in threads.iter().filter_map(|thread| thread.kernel_thread()) {
            let times = thread.cpu_times();
            user += times.user;
            system += times.system;
        }
        CpuTimes { user, system }
    }

    /// The most memory it has had, in KiB. May sleep.
    pub fn max_rss_kib(&self) -> u64 {
        let now = self.memory().map(|memory| memory.counters().resident_peak);
        let past = self.peak_pages.load(Ordering::Relaxed);
        past.max(now.unwrap_or(0)) * (PAGE_SIZE / 1024)
    }

    /// It gives this memory up. May sleep.
    pub fn note_peak(&self, memory: &Memory) {
        self.peak_pages
            .fetch_max(memory.counters().resident_peak, Ordering::Relaxed);
    }

    /// Takes a thread that ends out; whether it was the last. What it has used
    /// by then stays counted.
    pub fn remove_thread(&self, thread: &Arc<UserThread>) -> bool {
        let mut threads = self.threads.lock();
        let position = threads.iter().position(|other| Arc::ptr_eq(other, thread));
        let removed = position.map(|position| threads.swap_remove(position));
        let used = thread.usage();
        *thread.counted.lock() = used;
        self.ended.lock().add(&used);
        let last = threads.is_empty();
        drop(threads);
        drop(removed);
        self.files().remove_thread();
        last
    }

    /// Counts what its last thread, which runs and was taken out, has used
    /// since.
    pub fn count_rest(&self, thread: &UserThread) {
        let mut counted = thread.counted.lock();
        let now = thread.usage();
        self.ended.lock().add(&now.since(&counted));
        *counted = now;
    }
}

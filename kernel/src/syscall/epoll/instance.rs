//! An epoll and its list of entries.

use super::entry::{Entry, MODES, ready_bits};
use super::epoll_of;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_sync::{Pollable, PreemptOff, Ready, SpinLock, WaitQueue};
use paddock_vfs::OpenFile;

/// An epoll instance.
pub struct Epoll {
    pub entries: SpinLock<Vec<Arc<Entry>>, PreemptOff>,
    pub changed: WaitQueue,
    /// Counts changes of entries' places: whoever goes through the list by
    /// index may have missed one.
    pub moves: AtomicUsize,
}

impl Epoll {
    /// The entry at a place in the list.
    pub fn entry(&self, index: usize) -> Option<Arc<Entry>> {
        self.entries.lock().get(index).cloned()
    }

    /// The entry of a descriptor and its file.
    pub fn find(&self, fd: i32, file: &Arc<OpenFile>) -> Option<Arc<Entry>> {
        let entries = self.entries.lock();
        entries
            .iter()
            .find(|entry| entry.fd == fd && Arc::ptr_eq(&entry.file, file))
            .cloned()
    }

    /// `EEXIST` if the descriptor and its file are there, `ENOMEM`.
    pub fn add(&self, entry: Arc<Entry>) -> Result<()> {
        let mut entries = self.entries.lock();
        let same =
            |other: &Arc<Entry>| other.fd == entry.fd && Arc::ptr_eq(&other.file, &entry.file);
        if entries.iter().any(same) {
            return Err(Errno::EEXIST);
        }
        entries.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        entries.push(entry);
        Ok(())
    }

    /// Takes one entry out that `matches`; the caller drops it.
    pub fn take(&self, matches: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let mut entries = self.entries.lock();
        let at = entries.iter().position(|entry| matches(entry))?;
        self.moves.fetch_add(1, Ordering::Relaxed);
        Some(entries.swap_remove(at))
    }

    /// Moves an entry that was reported to the end, so that a short list of
    /// events does not starve the others.
    fn rotate(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries.lock();
        if let Some(at) = entries.iter().position(|other| Arc::ptr_eq(other, entry)) {
            self.moves.fetch_add(1, Ordering::Relaxed);
            let entry = entries.remove(at);
            entries.push(entry);
        }
    }

    /// Does `pass`, which goes through the list, until the list stays as it is
    /// meanwhile or the pass has found something.
    fn pass_until_still<T>(&self, mut pass: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let before = self.moves.load(Ordering::Relaxed);
            let found = pass();
            // The list's lock orders this after the moves that it has seen.
            if found.is_some() || self.moves.load(Ordering::Relaxed) == before {
                return found;
            }
        }
    }

    /// Collects events, no more than `events` has room for without growing.
    pub fn collect(&self, events: &mut Vec<EpollEvent>) {
        self.pass_until_still(|| {
            self.collect_once(events);
            (!events.is_empty()).then_some(())
        });
    }

    fn collect_once(&self, events: &mut Vec<EpollEvent>) {
        let mut index = 0;
        let mut reported: Option<Arc<Entry>> = None;
        while events.len() < events.capacity() {
            let Some(entry) = self.entry(index) else {
                return;
            };
            if let Some(event) = entry.take_events() {
                events.push(event);
                reported = Some(entry);
            }
            index += 1;
        }
        if let Some(entry) = reported {
            self.rotate(&entry);
        }
    }

    /// Whether it watches `other` itself.
    pub fn watches(&self, other: &Arc<Epoll>) -> bool {
        let entries = self.entries.lock();
        let inner = |entry: &Arc<Entry>| {
            epoll_of(&entry.file).is_some_and(|inner| Arc::ptr_eq(inner, other))
        };
        entries.iter().any(inner)
    }

    /// Whether it watches `other` through at most `limit` others.
    pub fn reaches(&self, other: &Arc<Epoll>, limit: usize) -> bool {
        let mut index = 0;
        while let Some(entry) = self.entry(index).filter(|_| limit > 0) {
            let through =
                |inner: &Arc<Epoll>| Arc::ptr_eq(inner, other) || inner.reaches(other, limit - 1);
            if epoll_of(&entry.file).is_some_and(through) {
                return true;
            }
            index += 1;
        }
        false
    }

    /// How deep the epolls that it watches are nested.
    pub fn depth(&self, limit: usize) -> usize {
        let mut deepest = 0;
        let mut index = 0;
        while let Some(entry) = self.entry(index).filter(|_| limit > 0) {
            if let Some(inner) = epoll_of(&entry.file) {
                deepest = deepest.max(1 + inner.depth(limit - 1));
            }
            index += 1;
        }
        deepest
    }
}

impl Pollable for Epoll {
    fn ready(&self) -> Ready {
        self.pass_until_still(|| self.ready_entry())
            .map_or(Ready::empty(), |()| Ready::IN)
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

impl Epoll {
    /// Whether an entry is ready.
    fn ready_entry(&self) -> Option<()> {
        let mut index = 0;
        while let Some(entry) = self.entry(index) {
            let wanted = entry.interest.lock().events | POLLERR | POLLHUP;
            let news = entry.note.news.load(Ordering::Acquire);
            if news && ready_bits(&entry.file) & wanted & !MODES != 0 {
                return Some(());
            }
            index += 1;
        }
        None
    }
}

//! An epoll and its list of entries.

use super::entry::{Entry, MODES, ready_bits};
use super::epoll_of;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_process::{Listed, Membership};
use paddock_sync::{Pollable, PreemptOff, Ready, SpinLock, WaitQueue};
use paddock_vfs::OpenFile;

/// An epoll instance.
pub struct Epoll {
    pub entries: SpinLock<Vec<Arc<Entry>>, PreemptOff>,
    pub changed: WaitQueue,
    /// Counts changes of entries' places: whoever goes through the list by
    /// index may have missed one.
    pub moves: AtomicUsize,
    pub membership: Membership<Epoll>,
}

impl Listed for Epoll {
    fn membership(&self) -> &Membership<Epoll> {
        &self.membership
    }
}

impl Epoll {
    /// The entry at a place in the list.
    pub fn entry(&self, index: usize) -> Option<Arc<Entry>> {
        self.entries.lock().get(index).cloned()
    }

    /// The entry of a descriptor and its file.
    pub fn find(&self, fd: i32, file: &Arc<OpenFile>) -> Option<Arc<Entry>> {
        let entries = self.entries.lock();
        entries.iter().find(|entry| entry.is_of(fd, file)).cloned()
    }

    /// `EEXIST` if the descriptor and its file are there, `ENOMEM`.
    pub fn add(&self, entry: Arc<Entry>) -> Result<()> {
        let mut entries = self.entries.lock();
        if entries
            .iter()
            .any(|other| other.is_of(entry.fd, &entry.file))
        {
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

    /// What `look` finds in one of the epolls that it watches. None that stays
    /// is missed.
    fn find_inner<T>(&self, mut look: impl FnMut(&Arc<Epoll>) -> Option<T>) -> Option<T> {
        self.pass_until_still(|| {
            let mut entries = (0..).map_while(|index| self.entry(index));
            entries.find_map(|entry| epoll_of(&entry.file).and_then(&mut look))
        })
    }

    /// Whether it watches `other` itself.
    pub fn watches(&self, other: &Arc<Epoll>) -> bool {
        let is_other = |inner: &Arc<Epoll>| Arc::ptr_eq(inner, other).then_some(());
        self.find_inner(is_other).is_some()
    }

    /// Whether it is `other`, or watches it through at most `limit` epolls,
    /// itself included.
    pub fn reaches(self: &Arc<Self>, other: &Arc<Epoll>, limit: usize) -> bool {
        let leads_there = |inner: &Arc<Epoll>| inner.reaches(other, limit - 1).then_some(());
        Arc::ptr_eq(self, other) || limit > 0 && self.find_inner(leads_there).is_some()
    }

    /// How deep the epolls that it watches are nested; at most `limit`.
    pub fn depth(&self, limit: usize) -> usize {
        let mut deepest = 0;
        if limit > 0 {
            self.find_inner(|inner| {
                deepest = deepest.max(1 + inner.depth(limit - 1));
                None::<()>
            });
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

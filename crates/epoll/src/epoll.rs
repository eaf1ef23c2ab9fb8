//! [`Epoll`]: an epoll instance.

use crate::inbox::Inbox;
use crate::nest::Mark;
use crate::ready_list::Then;
use crate::{Entry, Interest, Source, nest};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Bound;
use paddock_abi::uio::EpollEvent;
use paddock_abi::{Errno, Result};
use paddock_sync::{
    Deadline, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitError, WaitQueue, try_arc,
    try_insert,
};

/// The entries, by open file and descriptor, and by their place in the ready
/// list.
struct Table<S: Source> {
    by_key: BTreeMap<(usize, i32), Arc<Entry<S>>>,
    by_place: Vec<Option<Arc<Entry<S>>>>,
    /// Those of epolls, by number.
    nested: BTreeMap<u64, Arc<Entry<S>>>,
}

/// An epoll instance.
pub struct Epoll<S: Source> {
    inbox: Arc<Inbox>,
    table: SpinLock<Table<S>, PreemptOff>,
    /// Entries of other epolls that watch this one, by number.
    watched_by: SpinLock<BTreeMap<u64, Weak<Entry<S>>>, PreemptOff>,
    pub(crate) mark: Mark,
}

impl<S: Source> Epoll<S> {
    /// One that watches nothing. `ENOMEM`.
    pub fn new() -> Result<Arc<Epoll<S>>> {
        let table = Table {
            by_key: BTreeMap::new(),
            by_place: Vec::new(),
            nested: BTreeMap::new(),
        };
        try_arc(Epoll {
            inbox: try_arc(Inbox::new())?,
            table: SpinLock::new(Rank::Leaf, table),
            watched_by: SpinLock::new(Rank::Leaf, BTreeMap::new()),
            mark: Mark::default(),
        })
    }

    /// Watches an open file by a descriptor. For an epoll the caller holds one
    /// lock that is the same for all epolls, so that no two at once form a
    /// circle.
    ///
    /// # Errors
    /// `EEXIST` if it is watched already, `ELOOP` for epolls in a circle or
    /// nested too deep, `EINVAL` for too many ways up, `ENOMEM`.
    pub fn add(self: &Arc<Self>, fd: i32, source: S, interest: Interest) -> Result<()> {
        let entry = self.enter_new(fd, source, interest)?;
        entry.tell_if_ready();
        Ok(())
    }

    /// The same, telling nothing of what there is already.
    pub fn add_for_news(self: &Arc<Self>, fd: i32, source: S, interest: Interest) -> Result<()> {
        let entry = self.enter_new(fd, source, interest)?;
        // Some objects announce only what they were asked for.
        let _ = entry.look();
        Ok(())
    }

    fn enter_new(
        self: &Arc<Self>,
        fd: i32,
        source: S,
        interest: Interest,
    ) -> Result<Arc<Entry<S>>> {
        let key = (source.id(), fd);
        if self.find(key).is_some() {
            return Err(Errno::EEXIST);
        }
        nest::check(self, &source)?;
        let ticket = self.inbox.allot()?;
        Entry::new(self, &self.inbox, ticket, (fd, source), interest)
            .and_then(|entry| self.enter(&entry).map(|()| entry))
            .inspect_err(|_| self.inbox.retire(ticket))
    }

    fn enter(&self, entry: &Arc<Entry<S>>) -> Result<()> {
        if let Some(inner) = entry.source.epoll() {
            let mut watched_by = inner.watched_by.lock();
            try_insert(&mut watched_by, entry.number, Arc::downgrade(entry))?;
        }
        entry.source.attach(entry.number, Arc::downgrade(entry))?;
        let place = entry.ticket.place as usize;
        let mut table = self.table.lock();
        if table.by_key.contains_key(&entry.key()) {
            return Err(Errno::EEXIST);
        }
        let missing = (place + 1).saturating_sub(table.by_place.len());
        table
            .by_place
            .try_reserve(missing)
            .map_err(|_| Errno::ENOMEM)?;
        if entry.source.epoll().is_some() {
            try_insert(&mut table.nested, entry.number, entry.clone())?;
        }
        if let Err(error) = try_insert(&mut table.by_key, entry.key(), entry.clone()) {
            table.nested.remove(&entry.number);
            return Err(error);
        }
        if missing > 0 {
            table.by_place.resize_with(place + 1, || None);
        }
        table.by_place[place] = Some(entry.clone());
        Ok(())
    }

    fn find(&self, key: (usize, i32)) -> Option<Arc<Entry<S>>> {
        self.table.lock().by_key.get(&key).cloned()
    }

    /// Awaits something else of what it watches.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` if the old or new interest is exclusive.
    pub fn modify(&self, fd: i32, source: &S, interest: Interest) -> Result<()> {
        let entry = self.find((source.id(), fd)).ok_or(Errno::ENOENT)?;
        if interest.is_exclusive() || entry.interest().is_exclusive() {
            return Err(Errno::EINVAL);
        }
        entry.change(interest);
        entry.tell_if_ready();
        Ok(())
    }

    /// Watches an open file no longer by this descriptor. `ENOENT`.
    pub fn remove(&self, fd: i32, source: &S) -> Result<()> {
        let entry = self.find((source.id(), fd)).ok_or(Errno::ENOENT)?;
        match self.forget(&entry) {
            true => Ok(()),
            false => Err(Errno::ENOENT),
        }
    }

    /// Watches an open file no longer; whether it did.
    pub(crate) fn forget(&self, entry: &Entry<S>) -> bool {
        let mut table = self.table.lock();
        let key = entry.key();
        let is_it = |other: &Arc<Entry<S>>| other.number == entry.number;
        if !table.by_key.get(&key).is_some_and(is_it) {
            return false;
        }
        let gone = table.by_key.remove(&key);
        let place = entry.ticket.place as usize;
        let placed = table.by_place.get_mut(place).and_then(Option::take);
        let nested = table.nested.remove(&entry.number);
        drop(table);
        self.inbox.retire(entry.ticket);
        drop((gone, placed, nested));
        true
    }

    /// Whether it watches nothing.
    pub fn is_empty(&self) -> bool {
        self.table.lock().by_key.is_empty()
    }

    /// The next of what it watches behind this key (what [`Source::id`] says, and the
    /// descriptor), and what is awaited of it.
    pub fn next_watched(&self, behind: Option<(usize, i32)>) -> Option<((usize, i32), Interest)> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let table = self.table.lock();
        let (&key, entry) = table.by_key.range((from, Bound::Unbounded)).next()?;
        Some((key, entry.interest()))
    }

    /// How many of its files may have something to tell.
    pub fn listed(&self) -> usize {
        self.inbox.len()
    }

    fn at(&self, place: u32) -> Option<Arc<Entry<S>>> {
        let table = self.table.lock();
        table.by_place.get(place as usize).cloned().flatten()
    }

    /// Waits until there is something to tell, and puts it into `events`, no
    /// more than that has room for without growing. Sleeps. The errors of
    /// [`WaitQueue::wait_interruptible`].
    pub fn wait(
        &self,
        events: &mut Vec<EpollEvent>,
        deadline: Deadline,
    ) -> core::result::Result<(), WaitError> {
        loop {
            self.collect(events);
            if !events.is_empty() {
                // What stays on the list is for whoever comes next.
                self.inbox.pass_on();
                return Ok(());
            }
            self.inbox.wait(deadline)?;
        }
    }

    /// What there is to tell now. An entry that has more goes behind the
    /// others, so that a short list of events starves none.
    pub fn collect(&self, events: &mut Vec<EpollEvent>) {
        for _ in 0..self.inbox.len() {
            if events.len() == events.capacity() {
                return;
            }
            let Some(sight) = self.inbox.claim() else {
                return;
            };
            let mut then = Then::Leave;
            if let Some(entry) = self.at(sight.ticket.place)
                && entry.ticket == sight.ticket
            {
                let (told, interest) = entry.take();
                if told != 0 {
                    events.push(EpollEvent {
                        events: told,
                        pad: 0,
                        data: interest.data,
                    });
                }
                if told != 0 && interest.is_lasting() {
                    then = Then::Stay;
                }
            }
            self.inbox.finish(sight, then);
        }
    }

    /// The first entry with a number above `number` of another epoll that
    /// watches this one.
    pub(crate) fn watcher_after(&self, number: u64) -> Option<(u64, Option<Arc<Entry<S>>>)> {
        let watched_by = self.watched_by.lock();
        let (&number, entry) = watched_by.range(number + 1..).next()?;
        Some((number, entry.upgrade()))
    }

    /// The first entry with a number above `number` that is for an epoll.
    pub(crate) fn nested_after(&self, number: u64) -> Option<(u64, Arc<Entry<S>>)> {
        let table = self.table.lock();
        let (&number, entry) = table.nested.range(number + 1..).next()?;
        Some((number, entry.clone()))
    }

    pub(crate) fn not_watched(&self, number: u64) {
        let gone = self.watched_by.lock().remove(&number);
        drop(gone);
    }
}

impl<S: Source> Pollable for Epoll<S> {
    fn ready(&self) -> Ready {
        let mut next = self.inbox.first();
        while let Some(sight) = next {
            let entry = self.at(sight.ticket.place);
            let entry = entry.filter(|entry| entry.ticket == sight.ticket);
            if entry.is_some_and(|entry| entry.look() != 0) {
                return Ready::IN;
            }
            next = self.inbox.pass_over(sight);
        }
        Ready::empty()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.inbox.pollers)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

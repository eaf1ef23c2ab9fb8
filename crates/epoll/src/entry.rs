//! [`Entry`]: a watched descriptor.

use crate::inbox::{Inbox, Note};
use crate::ready_list::Ticket;
use crate::{Epoll, Interest};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::Result;
use paddock_sync::{
    OwnedRegistration, Pollable, PreemptOff, Rank, Ready, SpinLock, Watch, try_arc,
};

/// A reference to an open file, as an epoll needs it.
pub trait Source: Send + Sync + Sized + 'static {
    /// What stands behind it.
    type Object: Pollable + ?Sized;

    /// What stands behind it.
    fn object(&self) -> &Arc<Self::Object>;

    /// The same for all references to one open file, and no other's meanwhile.
    fn id(&self) -> usize;

    /// The epoll behind it, if it is one.
    fn epoll(&self) -> Option<&Arc<Epoll<Self>>>;

    /// Has [`Entry::closed`] called when the open file's last descriptor goes,
    /// until it is [detached](Self::detach). `ENOMEM`.
    fn attach(&self, number: u64, entry: Weak<Entry<Self>>) -> Result<()>;

    /// Undoes that; nothing if it has been called.
    fn detach(&self, number: u64);
}

/// The numbers of entries: none comes twice.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A watched descriptor.
pub struct Entry<S: Source> {
    pub(crate) fd: i32,
    pub(crate) number: u64,
    pub(crate) ticket: Ticket,
    epoll: Weak<Epoll<S>>,
    interest: SpinLock<Interest, PreemptOff>,
    note: Arc<dyn Watch>,
    registration: Option<OwnedRegistration<S::Object>>,
    pub(crate) source: S,
}

impl<S: Source> Entry<S> {
    /// One that awaits events and tells `inbox`. It must be entered in its
    /// epoll, or else `ticket` retired. `ENOMEM`.
    pub(crate) fn new(
        epoll: &Arc<Epoll<S>>,
        inbox: &Arc<Inbox>,
        ticket: Ticket,
        (fd, source): (i32, S),
        interest: Interest,
    ) -> Result<Arc<Entry<S>>> {
        let note: Arc<dyn Watch> = try_arc(Note {
            inbox: inbox.clone(),
            ticket,
        })?;
        let object = source.object().clone();
        let (awaited, exclusive) = (interest.awaited(), interest.is_exclusive());
        let registration = OwnedRegistration::watching(object, note.clone(), awaited, exclusive)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        try_arc(Entry {
            fd,
            number,
            ticket,
            epoll: Arc::downgrade(epoll),
            interest: SpinLock::new(Rank::Leaf, interest),
            note,
            registration,
            source,
        })
    }

    /// The open file's last descriptor is gone: the epoll lets go of it.
    pub fn closed(&self) {
        if let Some(epoll) = self.epoll.upgrade() {
            epoll.forget(self);
        }
    }

    pub(crate) fn key(&self) -> (usize, i32) {
        (self.source.id(), self.fd)
    }

    pub(crate) fn interest(&self) -> Interest {
        *self.interest.lock()
    }

    pub(crate) fn epoll(&self) -> Option<Arc<Epoll<S>>> {
        self.epoll.upgrade()
    }

    /// Awaits something else from now on.
    pub(crate) fn change(&self, interest: Interest) {
        let mut held = self.interest.lock();
        *held = interest;
        self.await_more(interest);
    }

    /// Joins the file's queue. Under the lock of the interest, so that it joins
    /// for what it says.
    fn await_more(&self, interest: Interest) {
        if let Some(registration) = &self.registration
            && !interest.is_spent()
        {
            registration.watch_again(&self.note, interest.awaited());
        }
    }

    fn ready(&self) -> Ready {
        self.source.object().ready()
    }

    /// What the file is ready for. What happens after this puts the entry on
    /// the ready list again.
    fn look_again(&self) -> Ready {
        let interest = self.interest.lock();
        self.await_more(*interest);
        drop(interest);
        self.ready()
    }

    /// What there is to tell now, and stays.
    pub(crate) fn look(&self) -> u32 {
        let ready = self.look_again();
        self.interest().told_of(ready)
    }

    /// What there is to tell now, and the interest that it is told for. A
    /// one-shot interest is spent by it.
    pub(crate) fn take(&self) -> (u32, Interest) {
        let ready = self.look_again();
        let mut interest = self.interest.lock();
        let was = *interest;
        let told = was.told_of(ready);
        if told != 0 && was.is_one_shot() {
            *interest = was.spent();
        }
        (told, was)
    }

    /// Tells of what there is already.
    pub(crate) fn tell_if_ready(&self) {
        if self.interest().told_of(self.ready()) != 0 {
            self.note.notify();
        }
    }
}

impl<S: Source> Drop for Entry<S> {
    fn drop(&mut self) {
        self.source.detach(self.number);
        if let Some(inner) = self.source.epoll() {
            inner.not_watched(self.number);
        }
    }
}

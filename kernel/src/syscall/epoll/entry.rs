//! A watched descriptor.

use super::instance::Epoll;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::Waker;
use paddock_abi::Result;
use paddock_abi::uio::*;
use paddock_sync::{PreemptOff, Rank, Registration, SpinLock, try_arc};
use paddock_vfs::OpenFile;

/// Flags that say how to report, not what.
pub const MODES: u32 = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;

/// What may stand beside `EPOLLEXCLUSIVE`.
const BESIDE_EXCLUSIVE: u32 =
    POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/// What is awaited of a file, and what the program calls it.
#[derive(Clone, Copy)]
pub struct Interest {
    pub events: u32,
    pub data: u64,
}

impl Interest {
    /// Whether it is for one of several epolls.
    pub fn is_exclusive(self) -> bool {
        self.events & EPOLLEXCLUSIVE != 0
    }

    /// Whether `EPOLLEXCLUSIVE` stands beside what it cannot.
    pub fn is_confused(self) -> bool {
        self.is_exclusive() && self.events & !BESIDE_EXCLUSIVE != 0
    }
}

/// What the waker of an entry touches.
pub struct Note {
    pub news: AtomicBool,
    epoll: Weak<Epoll>,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        self.news.store(true, Ordering::Release);
        if let Some(epoll) = self.epoll.upgrade() {
            epoll.changed.wake_all();
        }
    }
}

/// A watched descriptor.
pub struct Entry {
    pub fd: i32,
    pub interest: SpinLock<Interest, PreemptOff>,
    pub note: Arc<Note>,
    waker: Waker,
    // Before `file`: it refers to the file's queue.
    registration: SpinLock<Option<Registration<'static>>, PreemptOff>,
    pub file: Arc<OpenFile>,
}

/// How many entries there are in all epolls, so that closing a file is
/// cheap while nobody uses any.
pub static ENTRIES: AtomicUsize = AtomicUsize::new(0);
impl Entry {
    pub fn new(
        epoll: &Arc<Epoll>,
        fd: i32,
        file: Arc<OpenFile>,
        interest: Interest,
    ) -> Result<Arc<Entry>> {
        let note = try_arc(Note {
            news: AtomicBool::new(true),
            epoll: Arc::downgrade(epoll),
        })?;
        let waker = Waker::from(note.clone());
        let registration = match file.file().wait_queue() {
            Some(queue) => Some(queue.register(&waker)?),
            None => None,
        };
        // SAFETY: the queue belongs to `file`, which the entry holds for as
        // long as the registration: fields are dropped in order.
        let registration = registration.map(|registration| unsafe {
            core::mem::transmute::<Registration<'_>, Registration<'static>>(registration)
        });
        let interest = SpinLock::new(Rank::Leaf, interest);
        let registration = SpinLock::new(Rank::Leaf, registration);
        ENTRIES.fetch_add(1, Ordering::SeqCst);
        try_arc(Entry {
            fd,
            interest,
            note,
            waker,
            registration,
            file,
        })
    }

    /// Whether it is the one of this descriptor and file.
    pub fn is_of(&self, fd: i32, file: &Arc<OpenFile>) -> bool {
        self.fd == fd && Arc::ptr_eq(&self.file, file)
    }

    /// What to report, if there is news. Takes the note; leaves it where the
    /// next wait must look again.
    pub fn take_events(&self) -> Option<EpollEvent> {
        if !self.note.news.swap(false, Ordering::AcqRel) {
            return None;
        }
        if let Some(registration) = &*self.registration.lock() {
            registration.renew(&self.waker);
        }
        let interest = *self.interest.lock();
        let found = ready_bits(&self.file) & (interest.events | POLLERR | POLLHUP) & !MODES;
        // Switched off after a one-shot report: nothing is awaited any more.
        if found == 0 || interest.events & !MODES == 0 && interest.events & EPOLLONESHOT != 0 {
            return None;
        }
        if interest.events & EPOLLONESHOT != 0 {
            self.interest.lock().events &= MODES;
        } else if interest.events & EPOLLET == 0 {
            self.note.news.store(true, Ordering::Release);
        }
        Some(EpollEvent {
            events: found,
            pad: 0,
            data: interest.data,
        })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        ENTRIES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a file is ready for, in poll(2)'s bits.
pub fn ready_bits(file: &OpenFile) -> u32 {
    let mut ready = file.file().ready().bits();
    ready |= if ready & POLLIN != 0 { POLLRDNORM } else { 0 };
    ready | if ready & POLLOUT != 0 { POLLWRNORM } else { 0 }
}

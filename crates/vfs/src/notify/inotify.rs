//! [`Inotify`]: an instance of inotify(7), as an open file.

use super::{Events, Receiver, Told, Watch, WatchFlags};
use crate::{Errno, File, Inode, IoctlArg, Metadata, Result, stays_at_start};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::ops::Bound;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use paddock_abi::termios::FIONREAD;
use paddock_charge::{Account, Charge, Countable, Counted};
use paddock_sync::{
    Mutex, Pollable, PreemptOff, Rank, Ready, SpinLock, WaitQueue, try_arc, try_copy, try_insert,
};
use paddock_user_io::UserWriter;

/// Events that wait at the most (`max_queued_events`).
pub const MAX_EVENTS: usize = 16_384;
/// The most watches of a user (`fs.inotify.max_user_watches`, inotify(7)).
pub static MAX_WATCHES: AtomicU32 = AtomicU32::new(65_536);
/// The most instances of a user (`fs.inotify.max_user_instances`).
pub static MAX_INSTANCES: AtomicU32 = AtomicU32::new(128);
/// What a watch counts for, in bytes.
const WATCH_BYTES: usize = 512;
/// What an event counts for besides its name.
const EVENT_BYTES: usize = 64;
/// Bytes of `struct inotify_event` before the name.
const HEAD: usize = 16;

/// One event that waits.
#[derive(PartialEq, Eq)]
struct Record {
    watch: i32,
    events: u32,
    cookie: u32,
    name: Box<[u8]>,
}

impl Record {
    /// Bytes of its name with the zeros after it.
    fn padded(&self) -> usize {
        match self.name.len() {
            0 => 0,
            length => (length + 1).next_multiple_of(HEAD),
        }
    }

    fn bytes(&self) -> usize {
        HEAD + self.padded()
    }
}

struct State {
    records: VecDeque<Record>,
    watches: BTreeMap<i32, Arc<Watch>>,
    next: i32,
    charge: Charge,
}

/// What an instance is told, and what it watches.
pub(super) struct Queue {
    state: SpinLock<State, PreemptOff>,
    changed: WaitQueue,
}

impl Queue {
    /// Tells of an event, if the watch is for it.
    pub fn deliver(&self, watch: &Arc<Watch>, told: &Told<'_>) {
        let mask = watch.mask.load(Relaxed);
        let wanted = told.events.intersection(Events::WATCHED);
        let flags = WatchFlags::from_bits_truncate(mask);
        let unwanted = told.is_removed && flags.contains(WatchFlags::EXCL_UNLINK);
        if wanted.bits() & mask != 0 && !unwanted {
            self.push(watch.number, told.events, told.cookie, told.name);
            if flags.contains(WatchFlags::ONESHOT) {
                self.drop_watch(watch.number);
            }
        }
        if told.events.contains(Events::DELETE_SELF) {
            self.drop_watch(watch.number);
        }
    }

    /// The watch with the next number.
    fn watch_behind(&self, number: i32) -> Option<Arc<Watch>> {
        let behind = (Bound::Excluded(number), Bound::Unbounded);
        let state = self.state.lock();
        state.watches.range(behind).next().map(|it| it.1.clone())
    }

    fn push(&self, watch: i32, events: Events, cookie: u32, name: &[u8]) {
        let mut state = self.state.lock();
        let record = match Record::new(&mut state, watch, events, cookie, name) {
            Some(record) => record,
            None if state.is_overflowing() => return,
            // This has a place besides.
            None => Record {
                watch: -1,
                events: Events::Q_OVERFLOW.bits(),
                cookie: 0,
                name: Box::default(),
            },
        };
        if state.records.back() == Some(&record) {
            let charged = EVENT_BYTES + record.name.len();
            state.refund(charged);
            return;
        }
        state.records.push_back(record);
        drop(state);
        self.changed.wake(Ready::IN);
    }

    /// The watch of that number goes, and that is told; whether there was one.
    fn drop_watch(&self, number: i32) -> bool {
        let watch = {
            let mut state = self.state.lock();
            let watch = state.watches.remove(&number);
            if watch.is_some() {
                state.refund(WATCH_BYTES);
            }
            watch
        };
        let Some(watch) = watch else {
            return false;
        };
        super::remove(&watch);
        self.push(number, Events::IGNORED, 0, b"");
        true
    }
}

impl State {
    fn refund(&mut self, bytes: usize) {
        // Less always succeeds.
        let _ = self
            .charge
            .resize(self.charge.bytes().saturating_sub(bytes));
    }

    fn is_overflowing(&self) -> bool {
        let last = self.records.back();
        last.is_some_and(|record| record.events == Events::Q_OVERFLOW.bits())
    }
}

impl Record {
    /// `None` if there is no room, or nobody who pays.
    fn new(
        state: &mut State,
        watch: i32,
        events: Events,
        cookie: u32,
        name: &[u8],
    ) -> Option<Record> {
        if state.records.len() >= MAX_EVENTS {
            return None;
        }
        let copy = try_copy(name).ok()?;
        // One more for what tells that events were lost.
        state.records.try_reserve(2).ok()?;
        let bytes = state.charge.bytes() + EVENT_BYTES + name.len();
        state.charge.resize(bytes).ok()?;
        Some(Record {
            watch,
            events: events.bits(),
            cookie,
            name: copy.into_boxed_slice(),
        })
    }
}

/// An instance: closing it ends its watches.
pub struct Inotify {
    queue: Arc<Queue>,
    /// So that no inode comes to have two watches.
    adding: Mutex<()>,
    _counted: Counted,
}

impl Inotify {
    /// One without watches, for which `account` pays. `EMFILE` for too many of its user's,
    /// `ENOMEM`.
    pub fn new(account: &Arc<Account>) -> Result<Inotify> {
        let most = MAX_INSTANCES.load(Relaxed) as usize;
        let counted = Counted::new(account, Countable::InotifyInstance, most);
        let counted = counted.ok_or(Errno::EMFILE)?;
        let mut records = VecDeque::new();
        records.try_reserve(2).map_err(|_| Errno::ENOMEM)?;
        let state = State {
            records,
            watches: BTreeMap::new(),
            next: 1,
            charge: Charge::new(account, WATCH_BYTES)?,
        };
        let queue = try_arc(Queue {
            state: SpinLock::new(Rank::Leaf, state),
            changed: WaitQueue::new(),
        })?;
        Ok(Inotify {
            queue,
            adding: Mutex::new(Rank::LeafMutex, ()),
            _counted: counted,
        })
    }

    /// Watches an inode, or changes what is watched of it; the watch's number.
    ///
    /// # Errors
    /// `EEXIST` with `MASK_CREATE`, `ENOSPC` for too many, `ENOMEM`.
    pub fn watch(&self, inode: &Arc<dyn Inode>, events: Events, flags: WatchFlags) -> Result<i32> {
        let mask = events.bits() | flags.bits();
        let _one_at_a_time = self.adding.lock();
        if let Some(watch) = super::find(inode, &self.queue) {
            if flags.contains(WatchFlags::MASK_CREATE) {
                return Err(Errno::EEXIST);
            }
            match flags.contains(WatchFlags::MASK_ADD) {
                true => watch.mask.fetch_or(mask, Relaxed),
                false => watch.mask.swap(mask, Relaxed),
            };
            return Ok(watch.number);
        }
        let mut state = self.queue.state.lock();
        let most = MAX_WATCHES.load(Relaxed) as usize;
        let account = state.charge.account();
        let counted = Counted::new(account, Countable::InotifyWatch, most);
        let counted = counted.ok_or(Errno::ENOSPC)?;
        let charged = state.charge.bytes() + WATCH_BYTES;
        state.charge.resize(charged)?;
        let number = state.next;
        state.next = number.checked_add(1).unwrap_or(1);
        drop(state);
        let added = self.add(number, mask, inode, counted);
        if added.is_err() {
            self.queue.state.lock().refund(WATCH_BYTES);
        }
        added.map(|()| number)
    }

    fn add(&self, number: i32, mask: u32, inode: &Arc<dyn Inode>, counted: Counted) -> Result<()> {
        let watch = try_arc(Watch {
            number,
            to: Receiver::Queue(Arc::downgrade(&self.queue)),
            mask: AtomicU32::new(mask),
            inode: inode.clone(),
            _counted: Some(counted),
        })?;
        super::add(watch.clone())?;
        let listed = try_insert(&mut self.queue.state.lock().watches, number, watch.clone());
        if let Err(error) = listed {
            super::remove(&watch);
            return Err(error);
        }
        Ok(())
    }

    /// Ends a watch. `EINVAL` if there is none of that number.
    pub fn unwatch(&self, number: i32) -> Result<()> {
        match self.queue.drop_watch(number) {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        }
    }

    /// Takes the first event out, if it fits in `room` bytes.
    fn take(&self, room: usize) -> Option<Record> {
        let mut state = self.queue.state.lock();
        let first = state
            .records
            .front()
            .filter(|record| record.bytes() <= room)?;
        let charged = match first.events == Events::Q_OVERFLOW.bits() {
            true => 0,
            false => EVENT_BYTES + first.name.len(),
        };
        state.refund(charged);
        state.records.pop_front()
    }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let watches = core::mem::take(&mut self.queue.state.lock().watches);
        for watch in watches.values() {
            super::remove(watch);
        }
    }
}

impl Pollable for Inotify {
    fn ready(&self) -> Ready {
        match self.queue.state.lock().records.is_empty() {
            true => Ready::empty(),
            false => Ready::IN,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue.changed)
    }
}

impl File for Inotify {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let mut count = 0;
        loop {
            let first = self.queue.state.lock().records.front().map(Record::bytes);
            let Some(bytes) = first else {
                break;
            };
            if to.left() < bytes {
                return match count {
                    0 => Err(Errno::EINVAL),
                    count => Ok(count),
                };
            }
            // Before an event is taken that would then be lost.
            match to.fault_in(bytes) {
                Err(error) if count == 0 => return Err(error),
                Err(_) => return Ok(count),
                Ok(()) => {}
            }
            let Some(record) = self.take(to.left()) else {
                break;
            };
            count += copy_out(&record, to)?;
        }
        match count {
            0 => Err(Errno::EAGAIN),
            count => Ok(count),
        }
    }

    fn seek(&self, _: i64, whence: u32) -> Result<u64> {
        stays_at_start(whence)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            FIONREAD => {
                let state = self.queue.state.lock();
                let bytes: usize = state.records.iter().map(Record::bytes).sum();
                drop(state);
                arg.write_i32(i32::try_from(bytes).unwrap_or(i32::MAX))?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("inotify")
    }

    fn info(&self, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
        let mut behind = i32::MIN;
        while let Some(watch) = self.queue.watch_behind(behind) {
            let metadata = watch.inode.metadata()?;
            let events = Events::from_bits_truncate(watch.mask.load(Relaxed));
            put(format_args!(
                "inotify wd:{:x} ino:{:x} sdev:{:x} mask:{:x} ignored_mask:0\n",
                watch.number,
                metadata.ino,
                metadata.device,
                events.intersection(Events::WATCHED).bits(),
            ))?;
            behind = watch.number;
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn copy_out(record: &Record, to: &mut UserWriter<'_>) -> Result<usize> {
    let padded = record.padded();
    let mut head = [0; HEAD];
    let words = [
        record.watch as u32,
        record.events,
        record.cookie,
        padded as u32,
    ];
    for (place, word) in head.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let mut count = to.copy_out(&head)?;
    count += to.copy_out(&record.name)?;
    count += to.copy_out(&[0; 2 * HEAD][..padded - record.name.len()])?;
    Ok(count)
}

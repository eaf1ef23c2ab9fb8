//! epoll(7): the system calls, and an open file as [`paddock_epoll`] sees it.

use super::Call;
use super::poll::with_mask;
use crate::time;
use crate::user_memory::UserPtr;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use paddock_abi::time::Timespec;
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_epoll::{Entry, Interest, Source};
use paddock_sync::{
    Deadline, Mutex, NO_DEADLINE, Pollable, Rank, Ready, WaitError, WaitQueue, try_arc, try_box,
};
use paddock_vfs::{CloseObserver, File, Metadata, OpenFile, OpenFlags, stays_at_start};

/// The most events that one wait gives, unless more are there when it begins.
const MAX_EVENTS: usize = 1024;
/// The most events that may be asked for: their bytes are counted in an `int`.
const MOST_EVENTS: usize = i32::MAX as usize / size_of::<EpollEvent>();
/// Held while an epoll begins to watch another: no two may form a circle at
/// once.
static NESTING: Mutex<()> = Mutex::new(Rank::LeafMutex, ());

/// An epoll of open files.
pub type Epoll = paddock_epoll::Epoll<Watched>;

/// A watched open file.
pub struct Watched(Arc<OpenFile>);

impl Watched {
    /// `file`, to be watched.
    pub fn new(file: &Arc<OpenFile>) -> Watched {
        Watched(file.clone())
    }
}

impl Source for Watched {
    type Object = dyn File;

    fn object(&self) -> &Arc<dyn File> {
        self.0.file()
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn epoll(&self) -> Option<&Arc<Epoll>> {
        epoll_of(&self.0)
    }

    fn attach(&self, number: u64, entry: Weak<Entry<Watched>>) -> Result<()> {
        self.0.observe(number, try_box(OnClose(entry))?)
    }

    fn detach(&self, number: u64) {
        self.0.forget_observer(number);
    }
}

/// Ends an entry when its file is closed.
struct OnClose(Weak<Entry<Watched>>);

impl CloseObserver for OnClose {
    fn closed(&self) {
        if let Some(entry) = self.0.upgrade() {
            entry.closed();
        }
    }
}

/// The file in front of an epoll.
struct EpollFile(Arc<Epoll>);

impl Pollable for EpollFile {
    fn ready(&self) -> Ready {
        self.0.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.0.wait_queue()
    }
}

impl File for EpollFile {
    fn seek(&self, _: i64, whence: u32) -> Result<u64> {
        stays_at_start(whence)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[eventpoll]")
    }

    fn info(&self, put: &mut dyn FnMut(fmt::Arguments<'_>) -> Result<()>) -> Result<()> {
        let mut behind = None;
        while let Some((key, interest)) = self.0.next_watched(behind) {
            let Interest { events, data } = interest;
            let fd = key.1;
            put(format_args!(
                "tfd: {fd:8} events: {events:8x} data: {data:16x}\n"
            ))?;
            behind = Some(key);
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn epoll_of(file: &OpenFile) -> Option<&Arc<Epoll>> {
    file.file()
        .as_any()
        .downcast_ref::<EpollFile>()
        .map(|file| &file.0)
}

/// epoll_create1(2).
pub fn epoll_create1(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) & !EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let flags = OpenFlags::from_bits_truncate(call.uint(0)) | OpenFlags::RDWR;
    let file = OpenFile::new(try_arc(EpollFile(Epoll::new()?))?, None, flags)?;
    Ok(call.install(file, flags)? as u64)
}

/// epoll_ctl(2).
pub fn epoll_ctl(call: &mut Call<'_>) -> Result<u64> {
    let operation = call.uint(1);
    let interest = match operation {
        EPOLL_CTL_DEL => Interest::default(),
        _ => call.pointer::<EpollEvent>(3).read().map(|event| Interest {
            events: event.events,
            data: event.data,
        })?,
    };
    let (holder, file, fd) = (call.file(0)?, call.file(2)?, call.int(2));
    if file.file().wait_queue().is_none() {
        // Regular files and directories are always ready: Linux says so too.
        return Err(Errno::EPERM);
    }
    let epoll = epoll_of(&holder).ok_or(Errno::EINVAL)?;
    if Arc::ptr_eq(&holder, &file) {
        return Err(Errno::EINVAL);
    }
    let adding = operation == EPOLL_CTL_ADD && epoll_of(&file).is_none();
    if interest.is_exclusive() && !adding || interest.is_confused() {
        return Err(Errno::EINVAL);
    }
    match operation {
        EPOLL_CTL_ADD => add(epoll, fd, file, interest)?,
        EPOLL_CTL_DEL => epoll.remove(fd, &Watched(file))?,
        EPOLL_CTL_MOD => epoll.modify(fd, &Watched(file), interest)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

fn add(epoll: &Arc<Epoll>, fd: i32, file: Arc<OpenFile>, interest: Interest) -> Result<()> {
    let _nesting = epoll_of(&file).map(|_| NESTING.lock());
    epoll.add(fd, Watched(file.clone()), interest)?;
    if !file.has_descriptors() {
        // Closed by another thread, which has looked before the entry was
        // there, or else has removed it.
        let _ = epoll.remove(fd, &Watched(file));
    }
    Ok(())
}

/// epoll_pwait(2).
pub fn epoll_pwait(call: &mut Call<'_>) -> Result<u64> {
    let deadline = match call.int(3) {
        timeout if timeout < 0 => NO_DEADLINE,
        timeout => time::now() + timeout as u64 * 1_000_000,
    };
    wait(call, deadline)
}

/// epoll_pwait2(2).
pub fn epoll_pwait2(call: &mut Call<'_>) -> Result<u64> {
    let deadline = match call.pointer::<Timespec>(3).non_null() {
        Some(timeout) => time::now().saturating_add(timeout.read()?.to_nanos()?),
        None => NO_DEADLINE,
    };
    wait(call, deadline)
}

fn wait(call: &Call<'_>, deadline: Deadline) -> Result<u64> {
    let count = usize::try_from(call.int(2))
        .ok()
        .filter(|count| (1..=MOST_EVENTS).contains(count))
        .ok_or(Errno::EINVAL)?;
    let holder = call.file(0)?;
    let epoll = epoll_of(&holder).ok_or(Errno::EINVAL)?;
    let mut events = Vec::new();
    events
        .try_reserve_exact(count.min(epoll.listed().max(MAX_EVENTS)))
        .map_err(|_| Errno::ENOMEM)?;
    with_mask(call, call.pointer(4), call.word(5), || {
        match epoll.wait(&mut events, deadline) {
            Ok(()) | Err(WaitError::TimedOut) => Ok(()),
            Err(WaitError::Interrupted) => Err(Errno::EINTR),
        }
    })?;
    let array: UserPtr<EpollEvent> = call.pointer(1);
    for (index, event) in events.iter().take(count).enumerate() {
        array.at(index)?.write(event)?;
    }
    Ok(events.len().min(count) as u64)
}

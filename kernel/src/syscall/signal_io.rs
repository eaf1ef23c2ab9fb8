//! Signal-driven I/O: `O_ASYNC`, and whom fcntl(2) has told of events.
//!
//! One thread waits for all such files in an epoll of the kernel's own, for
//! edges, and sends the signals: whatever announces an event sends none itself,
//! so that it may do so in any context.

use super::Call;
use super::epoll::{Epoll, Watched};
use crate::process::locks::Owner;
use crate::process::{Process, Targets, send_to_process, send_to_thread, tree};
use crate::thread;
use crate::user_memory::UserPtr;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::fcntl::*;
use paddock_abi::signal::{SIGIO, SIGMAX, Siginfo};
use paddock_abi::uio::*;
use paddock_abi::{Errno, Result};
use paddock_epoll::Interest;
use paddock_process::{IoOwner, IoSignal};
use paddock_sync::{Mutex, NO_DEADLINE, OnceCell, PreemptOff, Rank, SpinLock, try_box, try_insert};
use paddock_tty::{PtyMaster, TtyFile};
use paddock_vfs::{CloseObserver, FileKind, OpenFile, OpenFlags};

/// What is set for open files, by their address, until they are closed.
static SIGNALS: SpinLock<BTreeMap<usize, IoSignal>, PreemptOff> =
    SpinLock::new(Rank::Leaf, BTreeMap::new());
/// The epoll, and whether its thread is there.
static WATCH: OnceCell<Arc<Epoll>> = OnceCell::new();
static STARTING: Mutex<()> = Mutex::new(Rank::LeafMutex, ());
/// The number of a file's observer here: entries of epolls have others.
const OBSERVER: u64 = u64::MAX;
/// The descriptor that stands for none.
const NO_FD: i32 = -1;
/// What is told.
const EVENTS: u32 = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | EPOLLET;
/// The same of terminals, whose output always has room soon.
const TERMINAL_EVENTS: u32 = POLLIN | POLLPRI | EPOLLET;
/// How many events are taken at once.
const BATCH: usize = 32;

fn id(file: &Arc<OpenFile>) -> usize {
    Arc::as_ptr(file).addr()
}

/// Forgets what is set for a file once that is closed.
struct Forget(usize);

impl CloseObserver for Forget {
    fn closed(&self) {
        SIGNALS.lock().remove(&self.0);
    }
}

fn get(file: &Arc<OpenFile>) -> IoSignal {
    SIGNALS.lock().get(&id(file)).copied().unwrap_or_default()
}

/// Changes what is set for a file. `ENOMEM`.
fn change(file: &Arc<OpenFile>, change: impl FnOnce(&mut IoSignal)) -> Result<()> {
    let known = SIGNALS.lock().contains_key(&id(file));
    if !known {
        file.observe(OBSERVER, try_box(Forget(id(file)))?)?;
    }
    let mut signals = SIGNALS.lock();
    let mut signal = signals.get(&id(file)).copied().unwrap_or_default();
    change(&mut signal);
    try_insert(&mut signals, id(file), signal)?;
    drop(signals);
    if !file.has_descriptors() {
        // Closed by another thread meanwhile.
        SIGNALS.lock().remove(&id(file));
    }
    Ok(())
}

/// The commands of fcntl(2) that are about this; `None` for others.
pub fn fcntl(call: &Call<'_>, file: &Arc<OpenFile>, command: u32) -> Option<Result<u64>> {
    let pair = call.pointer::<[i32; 2]>(2);
    Some(match command {
        F_GETOWN => Ok(shown_owner(call, file).number() as i64 as u64),
        F_SETOWN => set_number(call, file, call.int(2)),
        F_GETOWN_EX => pair.write(&shown_owner(call, file).pair()).map(|()| 0),
        F_SETOWN_EX => pair
            .read()
            .and_then(IoOwner::from_pair)
            .and_then(|owner| set_given_owner(call, file, owner)),
        F_GETSIG => Ok(u64::from(get(file).signal)),
        F_SETSIG => match call.uint(2) {
            signal if signal <= SIGMAX => change(file, |set| set.signal = signal).map(|()| 0),
            _ => Err(Errno::EINVAL),
        },
        _ => return None,
    })
}

/// The ioctls of sockets that are about this; `None` for others.
pub fn ioctl(call: &Call<'_>, file: &Arc<OpenFile>, command: u32) -> Option<Result<u64>> {
    let number = UserPtr::<i32>::new(call.word(2));
    Some(match command {
        FIOASYNC => number.read().and_then(|on| {
            let wanted = on != 0;
            if wanted != file.flags().contains(OpenFlags::ASYNC) {
                if !can_signal(file) {
                    return Err(Errno::ENOTTY);
                }
                set_async(call, file, call.int(0), wanted)?;
            }
            Ok(0)
        }),
        FIOSETOWN | SIOCSPGRP if is_socket(file) => number
            .read()
            .and_then(|owner| set_number(call, file, owner)),
        FIOGETOWN | SIOCGPGRP if is_socket(file) => {
            let owner = shown_owner(call, file).number();
            number.write(&owner).map(|()| 0)
        }
        _ => return None,
    })
}

fn set_number(call: &Call<'_>, file: &Arc<OpenFile>, number: i32) -> Result<u64> {
    IoOwner::from_number(number).and_then(|owner| set_given_owner(call, file, owner))
}

/// One by a number that the caller gives.
fn set_given_owner(call: &Call<'_>, file: &Arc<OpenFile>, given: IoOwner) -> Result<u64> {
    let owner = given.renumbered(|number| call.find_number(number));
    match given != IoOwner::Nobody && owner == IoOwner::Nobody {
        true => Err(Errno::ESRCH),
        false => set_owner(call, file, owner),
    }
}

/// The owner as the caller knows it; nobody for one that it does not.
fn shown_owner(call: &Call<'_>, file: &Arc<OpenFile>) -> IoOwner {
    let known = |id| Some(call.known(id)).filter(|&number| number != 0);
    owner(file).renumbered(known)
}

fn set_owner(call: &Call<'_>, file: &Arc<OpenFile>, owner: IoOwner) -> Result<u64> {
    if owner != IoOwner::Nobody && !is_there(owner) {
        return Err(Errno::ESRCH);
    }
    let user = call
        .thread
        .with_cred(|cred| (cred.uid.real, cred.uid.effective));
    change(file, |signal| (signal.owner, signal.user) = (owner, user))?;
    Ok(0)
}

fn is_there(owner: IoOwner) -> bool {
    let tree = tree().lock();
    match owner {
        IoOwner::Nobody => false,
        IoOwner::Thread(tid) => tree.process_of(tid).is_some(),
        IoOwner::Process(pid) => tree.get(pid).is_some(),
        IoOwner::Group(group) => tree.for_each_in_group(group, |_| ()),
    }
}

/// The owner; nobody once it has ended.
fn owner(file: &Arc<OpenFile>) -> IoOwner {
    let owner = get(file).owner;
    match is_there(owner) {
        true => owner,
        false => IoOwner::Nobody,
    }
}

fn is_socket(file: &OpenFile) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.kind == FileKind::Socket)
}

fn is_terminal(file: &OpenFile) -> bool {
    let any = file.file().as_any();
    any.is::<TtyFile>() || any.is::<PtyMaster>()
}

/// Whether a file tells of its events by signals: sockets, pipes, terminals.
pub fn can_signal(file: &OpenFile) -> bool {
    let kind = file.metadata().map(|metadata| metadata.kind);
    is_terminal(file) || matches!(kind, Ok(FileKind::Socket | FileKind::Fifo))
}

/// Turns `O_ASYNC` on or off, for a file that can have it; `fd` is told as a
/// detail. `ENOMEM`.
pub fn set_async(call: &Call<'_>, file: &Arc<OpenFile>, fd: i32, on: bool) -> Result<()> {
    let watched = Watched::new(file);
    if on {
        if get(file).owner == IoOwner::Nobody && file.file().as_any().is::<TtyFile>() {
            // A terminal's signals are for whoever turns them on.
            set_owner(call, file, IoOwner::Process(call.process().pid))?;
        }
        change(file, |signal| signal.fd = fd)?;
        let interest = Interest {
            events: match is_terminal(file) {
                true => TERMINAL_EVENTS,
                false => EVENTS,
            },
            data: id(file) as u64,
        };
        match watch()?.add_for_news(NO_FD, watched, interest) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error),
        }
        if !file.has_descriptors() {
            let _ = watch()?.remove(NO_FD, &Watched::new(file));
        }
        file.set_flags(file.flags() | OpenFlags::ASYNC);
    } else {
        let _ = watch()?.remove(NO_FD, &watched);
        file.set_flags(file.flags() - OpenFlags::ASYNC);
    }
    Ok(())
}

/// The epoll; its thread is there once somebody needs it.
fn watch() -> Result<&'static Arc<Epoll>> {
    if let Some(epoll) = WATCH.get() {
        return Ok(epoll);
    }
    let _starting = STARTING.lock();
    if WATCH.get().is_none() {
        let epoll = Epoll::new()?;
        let mut events = Vec::new();
        events.try_reserve_exact(BATCH).map_err(|_| Errno::ENOMEM)?;
        let waited = epoll.clone();
        thread::spawn("sigio", move || send_signals(&waited, events))?;
        let _ = WATCH.set(epoll);
    }
    WATCH.get().ok_or(Errno::ENOMEM)
}

fn send_signals(epoll: &Epoll, mut events: Vec<EpollEvent>) {
    loop {
        // Nothing interrupts a thread of the kernel.
        let _ = epoll.wait(&mut events, NO_DEADLINE);
        for event in events.drain(..) {
            send(event.data as usize, event.events);
        }
    }
}

/// A lease that the caller gets by this descriptor is told to it, unless fcntl(2) has been
/// told of somebody else. `ENOMEM`.
pub fn tell_caller(call: &Call<'_>, file: &Arc<OpenFile>, fd: i32) -> Result<()> {
    own(call, file)?;
    change(file, |signal| signal.fd = fd)
}

/// What happens in a folder is told to the caller, unless fcntl(2) has been told of
/// somebody else. `ENOMEM`.
pub fn own(call: &Call<'_>, file: &Arc<OpenFile>) -> Result<()> {
    if get(file).owner == IoOwner::Nobody {
        set_owner(call, file, IoOwner::Process(call.process().pid))?;
    }
    Ok(())
}

/// Tells of the folder that the open file at an address is of, by a descriptor.
pub fn tell_folder(file: usize, fd: i32) {
    let signal = SIGNALS.lock().get(&file).copied();
    if let Some(signal) = signal {
        let signal = IoSignal { fd, ..signal };
        send_info(&signal, &signal.info_of_message());
    }
}

/// Tells that the lease of an open file is broken.
pub fn tell_lease(holder: Owner) {
    let signal = holder
        .address()
        .and_then(|file| SIGNALS.lock().get(&file).copied());
    if let Some(signal) = signal {
        send_info(&signal, &signal.info_of_message());
    }
}

fn send(file: usize, events: u32) {
    let signal = SIGNALS.lock().get(&file).copied();
    if let Some(signal) = signal {
        send_info(&signal, &signal.info(events));
    }
}

fn send_info(signal: &IoSignal, info: &Siginfo) {
    match signal.owner {
        IoOwner::Nobody => {}
        IoOwner::Thread(tid) => {
            let process = tree().lock().process_of(tid);
            send_one(
                signal,
                process,
                |process, info| send_to_thread(process, tid, info),
                info,
            );
        }
        IoOwner::Process(pid) => {
            let process = tree().lock().get(pid);
            send_one(signal, process, send_to_process, info);
        }
        IoOwner::Group(group) => {
            if let Ok((members, _)) = Targets::of_group(group) {
                for process in members.processes() {
                    send_one(signal, Some(process.clone()), send_to_process, info);
                }
            }
        }
    }
}

/// Sends to one process; `SIGIO` where there are too many of the signal that
/// was chosen.
fn send_one(
    signal: &IoSignal,
    process: Option<Arc<Process>>,
    send: impl Fn(&Process, &Siginfo) -> Result<()>,
    info: &Siginfo,
) {
    let Some(process) = process.filter(|process| signal.may_signal(&process.cred())) else {
        return;
    };
    if send(&process, info) == Err(Errno::EAGAIN) {
        let _ = send(&process, &Siginfo::kernel(SIGIO));
    }
}

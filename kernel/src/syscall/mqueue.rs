//! POSIX message queues: mq_open(2) and its kin (mq_overview(7)).

use super::Call;
use crate::arch::user_access::copy_to_user;
use crate::net::netlink::NetlinkSocket;
use crate::process::numbers::{known, known_to};
use crate::process::object::RLIMIT_MSGQUEUE;
use crate::process::{Process, accounts, ipc, send_to_process};
use crate::time;
use crate::user_memory::{read_bytes, read_string};
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::ipc::{MQ_PRIO_MAX, MqAttr};
use paddock_abi::signal::{SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGMAX, Sigevent, Siginfo};
use paddock_abi::time::Timespec;
use paddock_abi::{Errno, Result};
use paddock_cred::Access;
use paddock_ipc::mq::{Message, Names, Open, Queue};
use paddock_sync::{Deadline, NO_DEADLINE, Pollable, Ready, WaitQueue, try_arc};
use paddock_user_io::UserWriter;
use paddock_vfs::{File, Metadata, OpenFile, OpenFlags};

/// The queues that have a name, in the caller's IPC namespace. `ENOMEM`.
fn names() -> Result<Arc<Names<Registered>>> {
    let ipc = ipc::own();
    let names = match ipc.names.get() {
        Some(names) => names.clone(),
        None => {
            let new = try_arc(Names::<Registered>::new())?;
            // Whoever was first has made them.
            let _ = ipc.names.set(new);
            ipc.names.get().ok_or(Errno::ENOMEM)?.clone()
        }
    };
    names.downcast().map_err(|_| Errno::EINVAL)
}

/// The longest path that is looked at.
const PATH_MAX: usize = 4096;
/// Bytes that the C library's thread waits for (`SIGEV_THREAD`).
const COOKIE: usize = 32;
/// Their last one, when there is a message, and when there will be none.
const WOKEN: u8 = 1;
const REMOVED: u8 = 2;

/// How a process is told.
enum How {
    Nothing,
    Signal {
        signal: u32,
        value: u64,
    },
    /// By a datagram.
    Socket {
        socket: Arc<OpenFile>,
        cookie: [u8; COOKIE],
    },
}

/// A process that is to be told of a message (mq_notify(2)).
struct Registered {
    process: Weak<Process>,
    pid: u32,
    how: How,
}

impl Registered {
    /// There is a message, sent by the calling process.
    fn tell(&self, call: &Call<'_>) {
        match &self.how {
            How::Nothing => {}
            How::Signal { signal: 0, .. } => {}
            How::Signal { signal, value } => {
                let uid = call.thread.with_cred(|cred| cred.uid.real);
                if let Some(process) = self.process.upgrade() {
                    let uid = process.cred().user_namespace.shown_uid(uid);
                    let number = known_to(&process.space, call.process().pid).get();
                    let info = Siginfo::message_queue(*signal, number, uid, *value);
                    let _ = send_to_process(&process, &info);
                }
            }
            How::Socket { socket, cookie } => deliver(socket, cookie, WOKEN),
        }
    }

    /// There will be none.
    fn removed(&self) {
        if let How::Socket { socket, cookie } = &self.how {
            deliver(socket, cookie, REMOVED);
        }
    }
}

/// The socket of a registration. `EINVAL`.
fn netlink(file: &OpenFile) -> Result<&NetlinkSocket> {
    let any = file.file().as_any();
    any.downcast_ref::<NetlinkSocket>().ok_or(Errno::EINVAL)
}

fn deliver(socket: &OpenFile, cookie: &[u8; COOKIE], what: u8) {
    let mut bytes = Vec::new();
    if let Ok(socket) = netlink(socket)
        && bytes.try_reserve_exact(COOKIE).is_ok()
    {
        bytes.extend_from_slice(&cookie[..COOKIE - 1]);
        bytes.push(what);
        socket.deliver(bytes);
    }
}

/// A descriptor's queue.
struct QueueFile(Arc<Queue<Registered>>);

impl Pollable for QueueFile {
    fn ready(&self) -> Ready {
        self.0.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.0.wait_queue()
    }
}

impl File for QueueFile {
    fn seekable(&self) -> bool {
        true
    }

    /// What mq_overview(7) says of the files in `/dev/mqueue`.
    fn read(&self, pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let told = self.0.registered(|one| {
            let (notify, signal) = match one.how {
                How::Signal { signal, .. } => (SIGEV_SIGNAL, signal),
                How::Nothing => (SIGEV_NONE, 0),
                How::Socket { .. } => (SIGEV_THREAD, 0),
            };
            (notify, signal, one.pid)
        });
        let (notify, signal, pid) = told.unwrap_or((0, 0, 0));
        let pid = known(pid).get();
        let text = format!(
            "QSIZE:{:<10} NOTIFY:{notify:<5} SIGNO:{signal:<5} NOTIFY_PID:{pid:<6}\n",
            self.0.bytes()
        );
        let from = usize::try_from(*pos).unwrap_or(usize::MAX);
        let count = to.copy_out(text.as_bytes().get(from..).unwrap_or_default())?;
        *pos += count as u64;
        Ok(count)
    }

    fn metadata(&self) -> Result<Metadata> {
        let rights = self.0.rights;
        Ok(Metadata {
            mode: rights.mode,
            uid: rights.uid,
            gid: rights.gid,
            size: 80,
            ..Metadata::anonymous()
        })
    }

    /// The process is told of no message of that queue any more.
    fn descriptor_closed(&self, process: u32) -> Result<()> {
        if let Some(old) = self.0.unregister(|one| one.pid == process) {
            old.removed();
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The queue of a descriptor that is open. `EBADF`.
fn queue_of(file: &OpenFile) -> Result<&Arc<Queue<Registered>>> {
    let any = file.file().as_any();
    let queue = any.downcast_ref::<QueueFile>().ok_or(Errno::EBADF)?;
    Ok(&queue.0)
}

/// mq_open(2): the descriptor is closed on execve.
pub fn mq_open(call: &mut Call<'_>) -> Result<u64> {
    let flags = OpenFlags::from_bits_retain(call.uint(1));
    let attr = match call.pointer::<MqAttr>(3).non_null() {
        Some(place) => Some(place.read()?),
        None => None,
    };
    let name = read_string(call.word(0), PATH_MAX, Errno::ENAMETOOLONG)?;
    let mut access = Access::empty();
    access.set(Access::READ, flags.readable());
    access.set(Access::WRITE, flags.writable());
    if access.is_empty() {
        return Err(Errno::EINVAL);
    }
    let umask = call.process().paths.lock().umask;
    let how = Open {
        create: flags.contains(OpenFlags::CREAT),
        exclusive: flags.contains(OpenFlags::EXCL),
        access,
        mode: call.uint(2) & !umask,
        attr: attr.as_ref(),
        limit: call.process().limit(RLIMIT_MSGQUEUE),
    };
    let account = accounts::paying();
    let names = names()?;
    let queue = call.ipc(|caller| names.open(caller, name, &how, account.user()))?;
    let kept = (OpenFlags::WRONLY | OpenFlags::RDWR | OpenFlags::NONBLOCK) & flags;
    let file = OpenFile::new(try_arc(QueueFile(queue))?, None, kept)?;
    Ok(call.install(file, kept | OpenFlags::CLOEXEC)? as u64)
}

/// mq_unlink(2).
pub fn mq_unlink(call: &mut Call<'_>) -> Result<u64> {
    let name = read_string(call.word(0), PATH_MAX, Errno::ENAMETOOLONG)?;
    let names = names()?;
    call.ipc(|caller| names.unlink(caller, &name)).map(|()| 0)
}

/// When a call ends that has a time of the wall clock. `EFAULT`, `EINVAL`.
fn deadline(call: &Call<'_>) -> Result<Deadline> {
    let Some(place) = call.pointer::<Timespec>(4).non_null() else {
        return Ok(NO_DEADLINE);
    };
    let until = place.read()?.to_nanos()?;
    Ok(time::now().saturating_add(until.saturating_sub(time::wall())))
}

/// mq_timedsend(2).
pub fn mq_timedsend(call: &mut Call<'_>) -> Result<u64> {
    let deadline = deadline(call)?;
    let priority = call.uint(3);
    if priority >= MQ_PRIO_MAX {
        return Err(Errno::EINVAL);
    }
    let file = call.usable_file(0)?;
    let queue = queue_of(&file)?;
    if !file.flags().writable() {
        return Err(Errno::EBADF);
    }
    if call.word(2) > queue.size.bytes {
        return Err(Errno::EMSGSIZE);
    }
    let text = read_bytes(call.word(1), call.word(2) as usize)?;
    let message = Message { priority, text };
    if let Some(told) = queue.send(message, file.nonblocking(), deadline)? {
        told.tell(call);
    }
    Ok(0)
}

/// mq_timedreceive(2).
pub fn mq_timedreceive(call: &mut Call<'_>) -> Result<u64> {
    let deadline = deadline(call)?;
    let file = call.usable_file(0)?;
    let queue = queue_of(&file)?;
    if !file.flags().readable() {
        return Err(Errno::EBADF);
    }
    let message = queue.receive(call.word(2), file.nonblocking(), deadline)?;
    if let Some(place) = call.pointer::<u32>(3).non_null() {
        place.write(&message.priority)?;
    }
    copy_to_user(call.word(1), &message.text)?;
    Ok(message.text.len() as u64)
}

/// What mq_notify(2) asks for. `EINVAL`, `EFAULT`, `EBADF`.
fn how(call: &Call<'_>, event: &Sigevent) -> Result<How> {
    match event.notify {
        SIGEV_NONE => Ok(How::Nothing),
        SIGEV_SIGNAL if (0..=SIGMAX as i32).contains(&event.signal) => Ok(How::Signal {
            signal: event.signal as u32,
            value: event.value,
        }),
        SIGEV_THREAD => {
            let mut cookie = [0; COOKIE];
            cookie.copy_from_slice(&read_bytes(event.value, COOKIE)?);
            let socket = call.file_of(event.signal)?;
            netlink(&socket)?;
            Ok(How::Socket { socket, cookie })
        }
        _ => Err(Errno::EINVAL),
    }
}

/// A process that has ended is not told of anything.
fn forget_ended(queue: &Queue<Registered>) {
    let Some(process) = queue.registered(|one| one.process.clone()) else {
        return;
    };
    let lives = process
        .upgrade()
        .is_some_and(|process| process.memory().is_ok());
    if !lives {
        drop(queue.unregister(|one| one.process.ptr_eq(&process)));
    }
}

/// mq_notify(2).
pub fn mq_notify(call: &mut Call<'_>) -> Result<u64> {
    let how = match call.pointer::<Sigevent>(1).non_null() {
        Some(place) => Some(how(call, &place.read()?)?),
        None => None,
    };
    let file = call.usable_file(0)?;
    let queue = queue_of(&file)?;
    let (process, pid) = (call.process(), call.process().pid);
    let Some(how) = how else {
        if let Some(old) = queue.unregister(|one| one.pid == pid) {
            old.removed();
        }
        return Ok(0);
    };
    let new = Registered {
        process: Arc::downgrade(process),
        pid,
        how,
    };
    forget_ended(queue);
    queue.register(new)?;
    Ok(0)
}

/// mq_getsetattr(2).
pub fn mq_getsetattr(call: &mut Call<'_>) -> Result<u64> {
    let new = match call.pointer::<MqAttr>(1).non_null() {
        Some(place) => Some(place.read()?.mq_flags),
        None => None,
    };
    let nonblock = OpenFlags::NONBLOCK;
    let own = i64::from(nonblock.bits());
    if new.is_some_and(|flags| flags & !own != 0) {
        return Err(Errno::EINVAL);
    }
    let file = call.usable_file(0)?;
    let mut shown = queue_of(&file)?.attributes();
    let old = file.flags();
    shown.mq_flags = i64::from((old & nonblock).bits());
    if let Some(flags) = new {
        let mut wanted = old;
        wanted.set(nonblock, flags != 0);
        file.set_flags(wanted);
    }
    if let Some(place) = call.pointer::<MqAttr>(2).non_null() {
        place.write(&shown)?;
    }
    Ok(0)
}

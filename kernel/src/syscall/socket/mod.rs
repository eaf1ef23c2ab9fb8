//! Sockets: socket(2), bind(2), connect(2), accept(2) and their kin.

mod address;
mod message;
mod options;

pub use message::{recvfrom, recvmsg, sendmsg, sendto};
pub use options::{getsockopt, setsockopt};

use super::Call;
use super::block::{block_on, wait_ready};
use crate::net::tcp::TcpSocket;
use crate::user::vfs::namespace;
use address::Address;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_process::unix::{Kind, Name, Registry, UnixSocket};
use paddock_sync::{NO_DEADLINE, Pollable, Ready, WaitQueue, try_arc};
use paddock_vfs::{Access, File, FileKind, IoctlArg, Metadata, OpenFile, OpenFlags};

/// All bound local sockets.
static LOCAL: Registry = Registry::new();

/// A local socket as a file.
struct UnixFile(Arc<UnixSocket>);

impl Pollable for UnixFile {
    fn ready(&self) -> Ready {
        self.0.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.0.wait_queue()
    }
}

impl File for UnixFile {
    fn read(&self, pos: &mut u64, buf: &mut [u8]) -> Result<usize> {
        self.0.read(pos, buf)
    }

    fn write(&self, pos: &mut u64, buf: &[u8]) -> Result<usize> {
        self.0.write(pos, buf)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        self.0.ioctl(cmd, arg)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.0.metadata()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The socket behind an open file.
#[derive(Clone, Copy)]
enum Socket<'a> {
    Tcp(&'a TcpSocket),
    Unix(&'a Arc<UnixSocket>),
}

/// `ENOTSOCK` if it is none.
fn socket_of(file: &OpenFile) -> Result<Socket<'_>> {
    let any = file.file().as_any();
    if let Some(socket) = any.downcast_ref::<TcpSocket>() {
        return Ok(Socket::Tcp(socket));
    }
    let unix = any.downcast_ref::<UnixFile>().map(|file| Socket::Unix(&file.0));
    unix.ok_or(Errno::ENOTSOCK)
}

/// Who the calling process is, for the other end to know.
fn credentials(call: &Call<'_>) -> Ucred {
    let who = call.process().paths.lock().credentials.clone();
    Ucred { pid: call.process().pid as i32, uid: who.uid, gid: who.gid }
}

/// The open flags that a socket's type carries. `EINVAL` for others.
fn open_flags(kind: u32) -> Result<OpenFlags> {
    match kind & !(SOCK_NONBLOCK | SOCK_CLOEXEC) {
        0 => Ok(OpenFlags::from_bits_truncate(kind) | OpenFlags::RDWR),
        _ => Err(Errno::EINVAL),
    }
}

fn install(call: &Call<'_>, file: Arc<dyn File>, flags: OpenFlags) -> Result<i32> {
    call.install(OpenFile::new(file, None, flags)?, flags)
}

fn unix_kind(kind: u32, protocol: u32) -> Result<Kind> {
    match kind & SOCK_TYPE_MASK {
        _ if protocol > 1 => Err(Errno::EPROTONOSUPPORT),
        SOCK_STREAM => Ok(Kind::Stream),
        SOCK_DGRAM => Ok(Kind::Datagram),
        _ => Err(Errno::ESOCKTNOSUPPORT),
    }
}

/// socket(2): TCP over IPv4, and local streams and datagrams.
pub fn socket(call: &mut Call<'_>) -> Result<u64> {
    let (family, kind, protocol) = (call.uint(0), call.uint(1), call.uint(2));
    let flags = open_flags(kind & !SOCK_TYPE_MASK)?;
    let file: Arc<dyn File> = match u16::try_from(family) {
        Ok(AF_UNIX) => {
            let socket = UnixSocket::new(unix_kind(kind, protocol)?, credentials(call))?;
            try_arc(UnixFile(socket))?
        }
        Ok(AF_INET) => match (kind & SOCK_TYPE_MASK, protocol) {
            (SOCK_STREAM, 0 | IPPROTO_TCP) => TcpSocket::new()?,
            (SOCK_STREAM | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        },
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    Ok(install(call, file, flags)? as u64)
}

/// socketpair(2).
pub fn socketpair(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) != u32::from(AF_UNIX) {
        return Err(Errno::EOPNOTSUPP);
    }
    let kind = call.uint(1);
    let flags = open_flags(kind & !SOCK_TYPE_MASK)?;
    let (first, second) = UnixSocket::pair(unix_kind(kind, call.uint(2))?, credentials(call))?;
    let first = install(call, try_arc(UnixFile(first))?, flags)?;
    let second = install(call, try_arc(UnixFile(second))?, flags)
        .inspect_err(|_| drop(call.take_descriptor(first)))?;
    call.pointer::<[i32; 2]>(3).write(&[first, second])?;
    Ok(0)
}

/// bind(2).
pub fn bind(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let address = Address::read(call.word(1), call.uint(2))?;
    match (socket_of(&file)?, address) {
        (Socket::Tcp(socket), Address::Inet(endpoint)) => {
            socket.bind(address::specified(endpoint.addr), endpoint.port)?;
        }
        (Socket::Unix(socket), Address::Unix(name)) => bind_unix(call, socket, &name)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// A local socket gets its name: an inode of its own, or an abstract one.
fn bind_unix(call: &Call<'_>, socket: &Arc<UnixSocket>, name: &[u8]) -> Result<()> {
    if name.is_empty() || !socket.name().is_empty() {
        return Err(Errno::EINVAL);
    }
    let key = match address::path_of(name) {
        None => Name::Abstract(name.to_vec()),
        Some(path) => {
            let made = namespace().mknod(&call.context(), path, FileKind::Socket, 0o777, 0);
            let made = made.map_err(|error| match error {
                Errno::EEXIST => Errno::EADDRINUSE,
                other => other,
            })?;
            let metadata = made.inode().metadata()?;
            Name::Inode(metadata.device, metadata.ino)
        }
    };
    LOCAL.bind(key, socket)?;
    socket.set_name(name)
}

/// The local socket of a name. `ECONNREFUSED`, and the errors of a walk.
fn find_unix(call: &Call<'_>, name: &[u8]) -> Result<Arc<UnixSocket>> {
    let Some(path) = address::path_of(name) else {
        return LOCAL.find(&Name::Abstract(name.to_vec()));
    };
    let context = call.context();
    let at = namespace().resolve(&context, path, true)?;
    namespace().access(&context, &at, Access::WRITE)?;
    let metadata = at.inode().metadata()?;
    LOCAL.find(&Name::Inode(metadata.device, metadata.ino))
}

/// listen(2).
pub fn listen(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let backlog = call.uint(1).min(SOMAXCONN) as usize;
    match socket_of(&file)? {
        Socket::Tcp(socket) => socket.listen(backlog)?,
        Socket::Unix(socket) => socket.listen(backlog)?,
    }
    Ok(0)
}

/// connect(2).
pub fn connect(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let address = Address::read(call.word(1), call.uint(2))?;
    match (socket_of(&file)?, address) {
        (Socket::Tcp(socket), Address::Inet(endpoint)) => {
            let endpoint = address::reachable(endpoint);
            connect_tcp(&file, || socket.connect(endpoint))?;
        }
        (Socket::Unix(socket), Address::Unix(name)) => connect_unix(call, &file, socket, &name)?,
        (_, Address::Unspecified) => return Err(Errno::EINVAL),
        _ => return Err(Errno::EAFNOSUPPORT),
    }
    Ok(0)
}

fn connect_tcp(file: &OpenFile, connect: impl Fn() -> Result<()>) -> Result<()> {
    let mut waited = false;
    loop {
        match connect() {
            Err(Errno::EINPROGRESS | Errno::EALREADY) if !file.nonblocking() => {}
            Err(Errno::EISCONN) if waited => return Ok(()),
            result => return result,
        }
        wait_ready(&**file.file(), Ready::OUT, NO_DEADLINE)?;
        waited = true;
    }
}

/// A full backlog is waited for: on the listening socket.
fn connect_unix(call: &Call<'_>, file: &OpenFile, socket: &Arc<UnixSocket>, name: &[u8]) -> Result<()> {
    let target = find_unix(call, name)?;
    loop {
        match socket.connect(&target) {
            Err(Errno::EAGAIN) if !file.nonblocking() => {}
            result => return result,
        }
        let queue = target.wait_queue().ok_or(Errno::EAGAIN)?;
        let room = || target.has_backlog_room().then_some(());
        queue.wait_interruptible(NO_DEADLINE, room).map_err(|_| Errno::ERESTARTSYS)?;
    }
}

/// accept(2).
pub fn accept(call: &mut Call<'_>) -> Result<u64> {
    accept_with(call, 0)
}

/// accept4(2).
pub fn accept4(call: &mut Call<'_>) -> Result<u64> {
    accept_with(call, call.uint(3))
}

fn accept_with(call: &Call<'_>, kind: u32) -> Result<u64> {
    let flags = open_flags(kind)?;
    let file = call.file(0)?;
    let (accepted, peer): (Arc<dyn File>, Vec<u8>) = match socket_of(&file)? {
        Socket::Tcp(socket) => {
            let (accepted, peer) =
                block_on(&file, Ready::IN, file.nonblocking(), || socket.accept())?;
            (accepted, address::inet_bytes(peer))
        }
        Socket::Unix(socket) => {
            let accepted = block_on(&file, Ready::IN, file.nonblocking(), || socket.accept())?;
            let peer = address::unix_bytes(&accepted.peer_name()?);
            (try_arc(UnixFile(accepted))?, peer)
        }
    };
    let fd = install(call, accepted, flags)?;
    address::write(call.word(1), call.word(2), &peer)
        .inspect_err(|_| drop(call.take_descriptor(fd)))?;
    Ok(fd as u64)
}

/// getsockname(2).
pub fn getsockname(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let bytes = match socket_of(&file)? {
        Socket::Tcp(socket) => address::inet_bytes(socket.local()),
        Socket::Unix(socket) => address::unix_bytes(&socket.name()),
    };
    address::write(call.word(1), call.word(2), &bytes)?;
    Ok(0)
}

/// getpeername(2).
pub fn getpeername(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let bytes = match socket_of(&file)? {
        Socket::Tcp(socket) => address::inet_bytes(socket.remote()?),
        Socket::Unix(socket) => address::unix_bytes(&socket.peer_name()?),
    };
    address::write(call.word(1), call.word(2), &bytes)?;
    Ok(0)
}

/// shutdown(2).
pub fn shutdown(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let (read, write) = match call.uint(1) {
        SHUT_RD => (true, false),
        SHUT_WR => (false, true),
        SHUT_RDWR => (true, true),
        _ => return Err(Errno::EINVAL),
    };
    match socket_of(&file)? {
        Socket::Tcp(socket) => socket.shutdown(read, write)?,
        Socket::Unix(socket) => socket.shutdown(read, write)?,
    }
    Ok(0)
}

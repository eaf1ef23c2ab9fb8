//! Sockets: socket(2), bind(2), connect(2), accept(2) and their kin.

mod address;
mod message;
mod options;

pub use message::{recvfrom, recvmsg, sendmsg, sendto};
pub use options::{getsockopt, setsockopt};

use super::Call;
use super::block::{block_until, wait_ready};
use crate::net::tcp::TcpSocket;
use crate::time;
use crate::user::vfs::namespace;
use address::Address;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_sync::{Deadline, NO_DEADLINE, Pollable, Ready, WaitQueue, try_arc};
use paddock_unix_sockets::{Kind, Name, SocketOptions, Target, UnixSocket};
use paddock_vfs::{Access, File, FileKind, IoctlArg, Metadata, OpenFile, OpenFlags};

/// A TCP socket as a file, with what has been set of it.
struct TcpFile {
    socket: Arc<TcpSocket>,
    options: SocketOptions,
}

fn tcp_file(socket: Arc<TcpSocket>) -> Result<Arc<dyn File>> {
    Ok(try_arc(TcpFile { socket, options: SocketOptions::default() })?)
}

impl Pollable for TcpFile {
    fn ready(&self) -> Ready {
        self.socket.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.socket.wait_queue()
    }
}

impl File for TcpFile {
    fn read(&self, _: &mut u64, buf: &mut [u8]) -> Result<usize> {
        self.socket.receive(buf)
    }

    fn write(&self, _: &mut u64, buf: &[u8]) -> Result<usize> {
        self.socket.send(buf)
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        self.socket.ioctl(cmd, arg)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.socket.metadata()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The socket behind an open file.
#[derive(Clone, Copy)]
enum Socket<'a> {
    Tcp(&'a TcpFile),
    Unix(&'a UnixSocket),
}

impl<'a> Socket<'a> {
    fn options(self) -> &'a SocketOptions {
        match self {
            Socket::Tcp(file) => &file.options,
            Socket::Unix(socket) => socket.options(),
        }
    }
}

/// `ENOTSOCK` if it is none.
fn socket_of(file: &OpenFile) -> Result<Socket<'_>> {
    let any = file.file().as_any();
    if let Some(socket) = any.downcast_ref::<TcpFile>() {
        return Ok(Socket::Tcp(socket));
    }
    any.downcast_ref::<UnixSocket>().map(Socket::Unix).ok_or(Errno::ENOTSOCK)
}

fn after(timeout: u64) -> Deadline {
    if timeout == 0 { NO_DEADLINE } else { time::now().saturating_add(timeout) }
}

/// Until when reading from a file waits: `SO_RCVTIMEO` of a socket.
pub fn receive_deadline(file: &OpenFile) -> Deadline {
    socket_of(file).map_or(NO_DEADLINE, |socket| after(socket.options().receive_timeout()))
}

/// Until when writing to a file waits: `SO_SNDTIMEO` of a socket.
pub fn send_deadline(file: &OpenFile) -> Deadline {
    socket_of(file).map_or(NO_DEADLINE, |socket| after(socket.options().send_timeout()))
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
    match protocol {
        0 | 1 => Kind::from_type(kind & SOCK_TYPE_MASK),
        _ => Err(Errno::EPROTONOSUPPORT),
    }
}

/// socket(2): TCP over IPv4, and local sockets.
pub fn socket(call: &mut Call<'_>) -> Result<u64> {
    let (family, kind, protocol) = (call.uint(0), call.uint(1), call.uint(2));
    let flags = open_flags(kind & !SOCK_TYPE_MASK)?;
    let file: Arc<dyn File> = match u16::try_from(family) {
        Ok(AF_UNIX) => UnixSocket::new(unix_kind(kind, protocol)?, credentials(call))?,
        Ok(AF_INET) => match (kind & SOCK_TYPE_MASK, protocol) {
            (SOCK_STREAM, 0 | IPPROTO_TCP) => tcp_file(TcpSocket::new()?)?,
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
    let first = install(call, first, flags)?;
    let second = install(call, second, flags)
        .inspect_err(|_| drop(call.take_descriptor(first)))?;
    call.pointer::<[i32; 2]>(3).write(&[first, second])?;
    Ok(0)
}

/// bind(2).
pub fn bind(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let address = Address::read(call.word(1), call.uint(2))?;
    match (socket_of(&file)?, address) {
        (Socket::Tcp(file), Address::Inet(endpoint)) => {
            file.socket.bind(address::specified(endpoint.addr), endpoint.port)?;
        }
        (Socket::Unix(socket), Address::Unix(name)) => bind_unix(call, socket, name)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// A local socket gets its name: a file of its own, or an abstract one.
fn bind_unix(call: &Call<'_>, socket: &UnixSocket, name: Vec<u8>) -> Result<()> {
    if name.is_empty() {
        return socket.bind_anywhere();
    }
    let Some(path) = address::path_of(&name) else {
        return socket.bind(Name::abstract_name(name)?);
    };
    if socket.name().is_some() {
        return Err(Errno::EINVAL);
    }
    let context = call.context();
    let made = namespace().mknod(&context, path, FileKind::Socket, 0o777, 0);
    let made = made.map_err(|error| match error {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    })?;
    let bound = Name::path(path.to_vec(), made.inode().clone()).and_then(|name| socket.bind(name));
    bound.inspect_err(|_| {
        let _ = namespace().unlink(&context, path);
    })
}

/// The local socket of a name. `ECONNREFUSED`, and the errors of a walk.
fn find_unix(call: &Call<'_>, name: &[u8]) -> Result<Target> {
    let Some(path) = address::path_of(name) else {
        return Target::named(name);
    };
    let context = call.context();
    let at = namespace().resolve(&context, path, true)?;
    namespace().access(&context, &at, Access::WRITE)?;
    Target::at(at.inode())
}

/// listen(2).
pub fn listen(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    match socket_of(&file)? {
        Socket::Tcp(file) => file.socket.listen(call.uint(1).min(SOMAXCONN) as usize)?,
        Socket::Unix(socket) => socket.listen(call.int(1), credentials(call))?,
    }
    Ok(0)
}

/// connect(2).
pub fn connect(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let address = Address::read(call.word(1), call.uint(2))?;
    match (socket_of(&file)?, address) {
        (Socket::Tcp(tcp), Address::Inet(endpoint)) => {
            let endpoint = address::reachable(endpoint);
            connect_tcp(&file, || tcp.socket.connect(endpoint))?;
        }
        (Socket::Unix(socket), Address::Unix(name)) => {
            let (target, who) = (find_unix(call, &name)?, credentials(call));
            // A full backlog is waited for.
            block_until(&file, Ready::OUT, file.nonblocking(), send_deadline(&file), || {
                socket.connect(&target, who)
            })?;
        }
        (Socket::Unix(socket), Address::Unspecified) => socket.disconnect()?,
        (Socket::Tcp(_), Address::Unspecified) => return Err(Errno::EINVAL),
        _ => return Err(Errno::EAFNOSUPPORT),
    }
    Ok(0)
}

fn connect_tcp(file: &OpenFile, connect: impl Fn() -> Result<()>) -> Result<()> {
    let deadline = send_deadline(file);
    let mut waited = false;
    loop {
        match connect() {
            Err(Errno::EINPROGRESS | Errno::EALREADY) if !file.nonblocking() => {}
            Err(Errno::EISCONN) if waited => return Ok(()),
            result => return result,
        }
        let ready = wait_ready(&**file.file(), Ready::OUT, deadline);
        ready.map_err(|error| if error == Errno::EAGAIN { Errno::EINPROGRESS } else { error })?;
        waited = true;
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
    let (nonblocking, deadline) = (file.nonblocking(), receive_deadline(&file));
    let (accepted, peer): (Arc<dyn File>, Vec<u8>) = match socket_of(&file)? {
        Socket::Tcp(tcp) => {
            let accept = || tcp.socket.accept();
            let (accepted, peer) = block_until(&file, Ready::IN, nonblocking, deadline, accept)?;
            (tcp_file(accepted)?, address::inet_bytes(peer))
        }
        Socket::Unix(socket) => {
            let accept = || socket.accept();
            let accepted = block_until(&file, Ready::IN, nonblocking, deadline, accept)?;
            let peer = address::unix_bytes(accepted.peer_name().unwrap_or(None).as_deref());
            (accepted, peer)
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
        Socket::Tcp(file) => address::inet_bytes(file.socket.local()),
        Socket::Unix(socket) => address::unix_bytes(socket.name().as_deref()),
    };
    address::write(call.word(1), call.word(2), &bytes)?;
    Ok(0)
}

/// getpeername(2).
pub fn getpeername(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let bytes = match socket_of(&file)? {
        Socket::Tcp(file) => address::inet_bytes(file.socket.remote()?),
        Socket::Unix(socket) => address::unix_bytes(socket.peer_name()?.as_deref()),
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
        Socket::Tcp(file) => file.socket.shutdown(read, write)?,
        Socket::Unix(socket) => socket.shutdown(read, write)?,
    }
    Ok(0)
}

//! Sockets: socket(2), bind(2), connect(2), accept(2) and their kin.

mod address;
mod control;
mod datagram_info;
mod failures;
pub mod interfaces;
mod lite_options;
mod message;
mod options;
mod raw_options;
mod tcp_options;

pub use message::{recvfrom, recvmmsg, recvmsg, sendmmsg, sendmsg, sendto, write};
pub use options::{getsockopt, setsockopt};

use super::Call;
use super::block::{block_until, wait_ready};
use crate::net::netlink::{self, NetlinkSocket};
use crate::net::space::{self, NetSpace};
use crate::net::tcp::TcpSocket;
use crate::net::udp::{MAX_DATAGRAM, UdpSocket};
use crate::process::accounts::paying;
use crate::process::net_space::NetNamespace;
use crate::process::vfs::namespace;
use crate::time;
use address::Address;
use alloc::sync::Arc;
use alloc::vec::Vec;
use embassy_net::IpEndpoint;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{Deadline, NO_DEADLINE, Ready};
use paddock_unix_sockets::{Kind, Name, SocketOptions, Target, UnixSocket};
use paddock_vfs::{Access, File, FileKind, OpenFile, OpenFlags};

/// The socket behind an open file.
#[derive(Clone, Copy)]
enum Socket<'a> {
    Tcp(&'a TcpSocket),
    Udp(&'a UdpSocket),
    Unix(&'a UnixSocket),
    Netlink(&'a NetlinkSocket),
}

impl<'a> Socket<'a> {
    fn options(self) -> &'a SocketOptions {
        match self {
            Socket::Tcp(socket) => &socket.options,
            Socket::Udp(socket) => &socket.options,
            Socket::Unix(socket) => socket.options(),
            Socket::Netlink(socket) => &socket.options,
        }
    }

    fn family(self) -> u16 {
        match self {
            Socket::Tcp(socket) => socket.family,
            Socket::Udp(socket) => socket.family,
            Socket::Unix(_) => AF_UNIX,
            Socket::Netlink(_) => AF_NETLINK,
        }
    }

    /// The network namespace that it was made in, unless it is a local one.
    fn space(self) -> Option<&'a Arc<NetSpace>> {
        match self {
            Socket::Tcp(socket) => Some(&socket.space),
            Socket::Udp(socket) => Some(&socket.space),
            Socket::Netlink(socket) => Some(&socket.space),
            Socket::Unix(_) => None,
        }
    }

    /// The same, of a local one the caller's.
    fn space_or_own(self) -> Arc<NetSpace> {
        self.space().cloned().unwrap_or_else(space::own)
    }

    /// Until when receiving waits: `SO_RCVTIMEO`.
    fn receive_deadline(self) -> Deadline {
        after(self.options().receive_timeout())
    }

    /// Until when sending waits: `SO_SNDTIMEO`.
    fn send_deadline(self) -> Deadline {
        after(self.options().send_timeout())
    }

    /// The most bytes of one message; `None` if it carries a stream.
    fn message_limit(self) -> Option<usize> {
        match self {
            Socket::Tcp(_) => None,
            Socket::Udp(_) => Some(MAX_DATAGRAM),
            Socket::Netlink(_) => Some(netlink::MOST),
            Socket::Unix(socket) if socket.kind() == Kind::Stream => None,
            Socket::Unix(socket) => Some(socket.buffer_size()),
        }
    }
}

/// `ENOTSOCK` if it is none, `EBADF` for what is merely a place.
fn socket_of(file: &OpenFile) -> Result<Socket<'_>> {
    if file.flags().contains(OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    let any = file.file().as_any();
    let tcp = any.downcast_ref::<TcpSocket>().map(Socket::Tcp);
    let udp = || any.downcast_ref::<UdpSocket>().map(Socket::Udp);
    let unix = || any.downcast_ref::<UnixSocket>().map(Socket::Unix);
    let netlink = || any.downcast_ref::<NetlinkSocket>().map(Socket::Netlink);
    let inet = tcp.or_else(udp);
    inet.or_else(unix).or_else(netlink).ok_or(Errno::ENOTSOCK)
}

/// Whether each write to a file is a message of its own, sent whole.
pub fn carries_messages(file: &OpenFile) -> bool {
    socket_of(file).is_ok_and(|socket| socket.message_limit().is_some())
}

fn after(timeout: u64) -> Deadline {
    if timeout == 0 {
        NO_DEADLINE
    } else {
        time::now().saturating_add(timeout)
    }
}

/// Until when reading from a file waits: `SO_RCVTIMEO` of a socket.
pub fn receive_deadline(file: &OpenFile) -> Deadline {
    socket_of(file).map_or(NO_DEADLINE, Socket::receive_deadline)
}

/// Until when writing to a file waits: `SO_SNDTIMEO` of a socket.
pub fn send_deadline(file: &OpenFile) -> Deadline {
    socket_of(file).map_or(NO_DEADLINE, Socket::send_deadline)
}

/// Who the calling process is, for the other end to know.
fn credentials(call: &Call<'_>) -> Ucred {
    let (uid, gid) = call
        .thread
        .with_cred(|cred| (cred.uid.effective, cred.gid.effective));
    Ucred {
        pid: call.process().pid as i32,
        uid,
        gid,
    }
}

/// The same as the caller knows them.
fn known_credentials(call: &Call<'_>, who: Ucred) -> Ucred {
    let pid = call.known(who.pid as u32) as i32;
    call.thread.with_cred(|cred| Ucred {
        pid,
        uid: cred.user_namespace.shown_uid(who.uid),
        gid: cred.user_namespace.shown_gid(who.gid),
    })
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

/// socket(2): TCP and UDP, packets and echoes, local sockets, and NETLINK_ROUTE, which changes interfaces alone. Those of IPv6 for TCP and UDP also talk IPv4.
pub fn socket(call: &mut Call<'_>) -> Result<u64> {
    let (family, kind, protocol) = (call.uint(0), call.uint(1), call.uint(2));
    let flags = open_flags(kind & !SOCK_TYPE_MASK)?;
    if matches!(u16::try_from(family), Ok(AF_INET | AF_INET6)) && protocol >= IPPROTO_MAX {
        return Err(Errno::EINVAL);
    }
    let space = space::own();
    let file: Arc<dyn File> = match u16::try_from(family) {
        Ok(AF_UNIX) => {
            let (kind, maker) = (unix_kind(kind, protocol)?, credentials(call));
            UnixSocket::new(kind, maker, space.number(), &paying())?
        }
        Ok(family @ (AF_INET | AF_INET6)) => match (kind & SOCK_TYPE_MASK, protocol) {
            (SOCK_STREAM, 0 | IPPROTO_TCP) => TcpSocket::of_family(family, &space)?,
            (SOCK_DGRAM, 0 | IPPROTO_UDP) => UdpSocket::new(family, &space)?,
            (SOCK_DGRAM, IPPROTO_UDPLITE) => UdpSocket::lite(family, &space)?,
            (SOCK_DGRAM, protocol) if is_icmp(family, protocol) => {
                UdpSocket::for_echoes(family, &space)?
            }
            (SOCK_STREAM | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
            (SOCK_RAW, protocol) => raw(call, family, &space, protocol)?,
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        },
        Ok(AF_NETLINK) => match (kind & SOCK_TYPE_MASK, protocol) {
            (kind @ (SOCK_RAW | SOCK_DGRAM), NETLINK_ROUTE) => NetlinkSocket::new(kind, &space)?,
            (SOCK_RAW | SOCK_DGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        },
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    Ok(install(call, file, flags)? as u64)
}

fn is_icmp(family: u16, protocol: u32) -> bool {
    match family {
        AF_INET => protocol == IPPROTO_ICMP,
        _ => protocol == IPPROTO_ICMPV6,
    }
}

/// A socket for packets. `EPERM`, `EPROTONOSUPPORT` without a protocol, `EINVAL` for none
/// that there is.
fn raw(
    call: &Call<'_>,
    family: u16,
    space: &Arc<NetSpace>,
    protocol: u32,
) -> Result<Arc<UdpSocket>> {
    let protocol = u8::try_from(protocol).map_err(|_| Errno::EINVAL)?;
    if protocol == 0 {
        return Err(Errno::EPROTONOSUPPORT);
    }
    if !call.capable_in(space.owner(), Cap::CAP_NET_RAW) {
        return Err(Errno::EPERM);
    }
    UdpSocket::for_packets(family, space, protocol)
}

/// socketpair(2).
pub fn socketpair(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(0) != u32::from(AF_UNIX) {
        return Err(Errno::EOPNOTSUPP);
    }
    let kind = call.uint(1);
    let flags = open_flags(kind & !SOCK_TYPE_MASK)?;
    let (kind, maker) = (unix_kind(kind, call.uint(2))?, credentials(call));
    let (first, second) = UnixSocket::pair(kind, maker, space::own().number(), &paying())?;
    let first = install(call, first, flags)?;
    let second = install(call, second, flags).inspect_err(|_| drop(call.take_descriptor(first)))?;
    call.pointer::<[i32; 2]>(3).write(&[first, second])?;
    Ok(0)
}

/// bind(2).
pub fn bind(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let socket = socket_of(&file)?;
    let address = Address::read(socket.family(), call.word(1), call.uint(2))?;
    match (socket, address) {
        (Socket::Tcp(_) | Socket::Udp(_), Address::Inet(endpoint)) => {
            bind_inet(call, socket, endpoint)?
        }
        (Socket::Unix(socket), Address::Unix(name)) => bind_unix(call, socket, name)?,
        // Nobody is told of changes.
        (Socket::Netlink(_), Address::Netlink { groups: 1.., .. }) => {
            return Err(Errno::EOPNOTSUPP);
        }
        (Socket::Netlink(socket), Address::Netlink { port, .. }) => socket.bind(port)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `EADDRNOTAVAIL` for an address that is not this machine's, `EACCES` for a
/// port that is not the caller's to take, `EINVAL` for IPv4 with IPV6_V6ONLY.
fn bind_inet(call: &Call<'_>, socket: Socket<'_>, endpoint: IpEndpoint) -> Result<()> {
    let settings = match socket {
        Socket::Tcp(socket) => socket.settings(),
        Socket::Udp(socket) => socket.settings(),
        Socket::Unix(_) | Socket::Netlink(_) => return Err(Errno::EINVAL),
    };
    let space = socket.space().ok_or(Errno::EINVAL)?;
    let local = address::local(endpoint.addr, settings.any)?;
    if local.one().is_some_and(|address| !space.is_own(address)) {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let has_ports = !matches!(socket, Socket::Udp(socket) if !socket.has_ports());
    let is_privileged = has_ports && space.is_privileged(endpoint.port);
    if is_privileged && !call.capable_in(space.owner(), Cap::CAP_NET_BIND_SERVICE) {
        return Err(Errno::EACCES);
    }
    match socket {
        Socket::Tcp(socket) => socket.bind(local, endpoint.port),
        Socket::Udp(socket) => socket.bind(local, endpoint.port),
        Socket::Unix(_) | Socket::Netlink(_) => Err(Errno::EINVAL),
    }
}

/// A local socket gets its name: a file of its own, or an abstract one.
fn bind_unix(call: &Call<'_>, socket: &UnixSocket, name: Vec<u8>) -> Result<()> {
    if name.is_empty() {
        return socket.bind_anywhere();
    }
    let Some(path) = address::path_of(&name) else {
        return socket.bind(Name::abstract_name(name, socket.net())?);
    };
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
fn find_unix(call: &Call<'_>, socket: &UnixSocket, name: &[u8]) -> Result<Target> {
    let Some(path) = address::path_of(name) else {
        return Target::named(name, socket.net());
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
        Socket::Tcp(socket) => socket.listen(call.uint(1).min(SOMAXCONN) as usize)?,
        Socket::Udp(_) | Socket::Netlink(_) => return Err(Errno::EOPNOTSUPP),
        Socket::Unix(socket) => socket.listen(call.int(1), credentials(call))?,
    }
    Ok(0)
}

/// connect(2).
pub fn connect(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let socket = socket_of(&file)?;
    let address = Address::read(socket.family(), call.word(1), call.uint(2))?;
    match (socket, address) {
        (Socket::Tcp(tcp), Address::Inet(endpoint)) => {
            let endpoint = address::reachable(endpoint);
            connect_tcp(&file, || tcp.connect(endpoint))?;
        }
        (Socket::Udp(udp), Address::Inet(endpoint)) => {
            udp.connect(Some(address::reachable(endpoint)))?
        }
        (Socket::Udp(udp), Address::Unspecified) => udp.connect(None)?,
        (Socket::Unix(socket), Address::Unix(name)) => {
            let (target, who) = (find_unix(call, socket, &name)?, credentials(call));
            // A full backlog is waited for.
            block_until(
                &file,
                Ready::OUT,
                file.nonblocking(),
                || send_deadline(&file),
                || socket.connect(&target, who),
            )?;
        }
        (Socket::Unix(socket), Address::Unspecified) => socket.disconnect()?,
        (Socket::Netlink(_), Address::Netlink { port, groups }) => only_kernel(port, groups)?,
        (Socket::Tcp(_), Address::Unspecified) => return Err(Errno::EINVAL),
        _ => return Err(Errno::EAFNOSUPPORT),
    }
    Ok(0)
}

/// Netlink talks to the kernel alone. `EPERM`.
fn only_kernel(port: u32, groups: u32) -> Result<()> {
    match (port, groups) {
        (0, 0) => Ok(()),
        _ => Err(Errno::EPERM),
    }
}

fn connect_tcp(file: &OpenFile, connect: impl Fn() -> Result<()>) -> Result<()> {
    let deadline = send_deadline(file);
    loop {
        match connect() {
            Err(Errno::EINPROGRESS | Errno::EALREADY) if !file.nonblocking() => {}
            result => return result,
        }
        let ready = wait_ready(&**file.file(), Ready::OUT, deadline);
        ready.map_err(|error| {
            if error == Errno::EAGAIN {
                Errno::EINPROGRESS
            } else {
                error
            }
        })?;
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
            let accept = || tcp.accept();
            let (accepted, peer) = block_until(&file, Ready::IN, nonblocking, || deadline, accept)?;
            (accepted, address::inet_bytes(tcp.family, peer))
        }
        Socket::Udp(_) | Socket::Netlink(_) => return Err(Errno::EOPNOTSUPP),
        Socket::Unix(socket) => {
            let accept = || socket.accept();
            let accepted = block_until(&file, Ready::IN, nonblocking, || deadline, accept)?;
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
        Socket::Tcp(socket) => address::inet_bytes(socket.family, socket.local()),
        Socket::Udp(socket) => address::inet_bytes(socket.family, socket.local()),
        Socket::Unix(socket) => address::unix_bytes(socket.name().as_deref()),
        Socket::Netlink(socket) => address::netlink_bytes(socket.port()),
    };
    address::write(call.word(1), call.word(2), &bytes)?;
    Ok(0)
}

/// getpeername(2).
pub fn getpeername(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let bytes = match socket_of(&file)? {
        Socket::Tcp(socket) => address::inet_bytes(socket.family, socket.remote()?),
        Socket::Udp(socket) => address::inet_bytes(socket.family, socket.remote()?),
        Socket::Unix(socket) => address::unix_bytes(socket.peer_name()?.as_deref()),
        Socket::Netlink(_) => address::netlink_bytes(0),
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
        Socket::Udp(socket) => socket.shutdown(read, write)?,
        Socket::Unix(socket) => socket.shutdown(read, write),
        Socket::Netlink(_) => return Err(Errno::EOPNOTSUPP),
    }
    Ok(0)
}

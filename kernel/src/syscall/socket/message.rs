//! sendto(2), recvfrom(2), sendmsg(2), recvmsg(2) and those for several.

use super::address::{self, Address};
use super::control::{Attached, Control, attached};
use super::{
    Call, Socket, credentials, datagram_info, failures, find_unix, known_credentials, only_kernel,
    socket_of,
};
use crate::arch::user_access::copy_to_user;
use crate::net::netlink;
use crate::net::tcp::PIECE;
use crate::net::udp::{Arrival, MAX_DATAGRAM};
use crate::process::net_space::NetNamespace;
use crate::syscall::block::block_until;
use crate::syscall::buffers::UserBuffers;
use crate::syscall::io::{broken_pipe, write_with};
use crate::time;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use alloc::vec::Vec;
use embassy_net::IpEndpoint;
use paddock_abi::socket::*;
use paddock_abi::time::Timespec;
use paddock_abi::uio::IOV_MAX;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_sync::{NO_DEADLINE, Ready};
use paddock_unix_sockets::{Ancillary, Kind, Received, Switch, Target};
use paddock_user_io::{UserReader, UserWriter, with_buffer};
use paddock_vfs::{File, OpenFile};
use zerocopy::IntoBytes;

/// `MSG_WAITFORONE`: recvmmsg waits for its first message only.
const WAIT_FOR_ONE: u32 = 0x10000;

fn flags(bits: u32) -> Result<MsgFlags> {
    let flags = MsgFlags::from_bits_truncate(bits);
    if flags.contains(MsgFlags::OOB) {
        Err(Errno::EOPNOTSUPP)
    } else {
        Ok(flags)
    }
}

/// Whom a message is for, if that is said.
#[derive(Default)]
enum Destination {
    #[default]
    Peer,
    Unix(Target),
    Inet(IpEndpoint),
}

/// What is sent, but for the bytes.
#[derive(Default)]
struct Envelope {
    to: Destination,
    attached: Attached,
}

/// sendto(2).
pub fn sendto(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let to = destination(call, &file, call.word(4), call.uint(5))?;
    let buffers = UserBuffers::single(call.word(1), call.word(2));
    send(
        call,
        &file,
        buffers,
        flags(call.uint(3))?,
        Envelope {
            to,
            attached: Attached::default(),
        },
    )
}

/// write(2) and writev(2) to a socket of messages: one message.
pub fn write(call: &Call<'_>, file: &Arc<OpenFile>, buffers: UserBuffers) -> Result<u64> {
    if !file.flags().writable() {
        return Err(Errno::EBADF);
    }
    send(call, file, buffers, MsgFlags::empty(), Envelope::default())
}

/// The socket that a message is for. A TCP connection has one already.
fn destination(call: &Call<'_>, file: &OpenFile, pointer: u64, length: u32) -> Result<Destination> {
    let socket = socket_of(file)?;
    if pointer == 0 || length == 0 || matches!(socket, Socket::Tcp(_)) {
        return Ok(Destination::Peer);
    }
    if let Socket::Unix(socket) = socket {
        match (socket.kind(), socket.peer_credentials()) {
            (Kind::Stream, None) => return Err(Errno::EOPNOTSUPP),
            (Kind::Stream, Some(_)) => return Err(Errno::EISCONN),
            (Kind::SeqPacket, _) => return Ok(Destination::Peer),
            (Kind::Datagram, _) => {}
        }
    }
    match (socket, Address::read(socket.family(), pointer, length)?) {
        (Socket::Unix(socket), Address::Unix(name)) => {
            find_unix(call, socket, &name).map(Destination::Unix)
        }
        (Socket::Udp(_), Address::Inet(endpoint)) => {
            Ok(Destination::Inet(address::reachable(endpoint)))
        }
        (Socket::Udp(_), Address::Unspecified) => Ok(Destination::Peer),
        (Socket::Netlink(_), Address::Netlink { port, groups }) => {
            only_kernel(port, groups).map(|()| Destination::Peer)
        }
        _ => Err(Errno::EINVAL),
    }
}

fn send(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    buffers: UserBuffers,
    flags: MsgFlags,
    envelope: Envelope,
) -> Result<u64> {
    let nonblocking = file.nonblocking() || flags.contains(MsgFlags::DONTWAIT);
    let socket = socket_of(file)?;
    let deadline = socket.send_deadline();
    let Envelope { to, attached } = envelope;
    let chosen = attached.chosen;
    let mut ancillary = Ancillary {
        rights: attached.files,
        credentials: attached.credentials.unwrap_or_else(|| credentials(call)),
    };
    let mut send = |from: &mut UserReader<'_>| match (socket, &to) {
        (Socket::Tcp(socket), _) => socket.write(&mut 0, from),
        (Socket::Udp(socket), to) => {
            let to = match to {
                Destination::Inet(to) => Some(*to),
                _ => None,
            };
            from.with_bytes(usize::MAX, |bytes| socket.send(bytes, to, &chosen))
        }
        (Socket::Netlink(socket), _) => {
            let may_change = call.capable_in(socket.space.owner(), Cap::CAP_NET_ADMIN);
            from.with_bytes(usize::MAX, |bytes| socket.send(bytes, may_change))
        }
        (Socket::Unix(socket), to) => {
            let to = match to {
                Destination::Unix(to) => Some(to),
                _ => None,
            };
            from.in_passes(|from| socket.send_from(from, to, &mut ancillary))
        }
    };
    let result = match socket.message_limit() {
        None => {
            let mut from = buffers.reader();
            write_with(
                file,
                nonblocking,
                || deadline,
                &mut from,
                |from, _| send(from),
            )
        }
        Some(limit) => with_message(&buffers, limit, |message| {
            let send = || send(&mut message.into());
            block_until(file, Ready::OUT, nonblocking, || deadline, send).map(|count| count as u64)
        }),
    };
    if result == Err(Errno::EPIPE) && !flags.contains(MsgFlags::NOSIGNAL) {
        broken_pipe(call);
    }
    result
}

/// Calls `body` with all bytes of a message. `EMSGSIZE`, `ENOMEM`, `EFAULT`.
fn with_message(
    buffers: &UserBuffers,
    limit: usize,
    body: impl FnOnce(&[u8]) -> Result<u64>,
) -> Result<u64> {
    let length = buffers.length();
    if length > limit {
        return Err(Errno::EMSGSIZE);
    }
    with_buffer(length, |message| {
        if buffers.reader().copy_in(message)? != length {
            return Err(Errno::EFAULT);
        }
        body(message)
    })
}

/// What was received, and by whom it was sent.
#[derive(Default)]
struct Message {
    received: Received,
    /// How a datagram came.
    arrival: Option<Arrival>,
}

impl Message {
    fn new(count: usize, length: usize, arrival: Option<Arrival>) -> Message {
        let mut received = Received::default();
        (received.count, received.length) = (count, length);
        Message { received, arrival }
    }

    /// The length that the call returns: the whole message's with
    /// `MSG_TRUNC`.
    fn length(&self, flags: MsgFlags) -> u64 {
        let whole = flags.contains(MsgFlags::TRUNC);
        (if whole {
            self.received.length
        } else {
            self.received.count
        }) as u64
    }

    /// The sender's address as programs read it. Those of streams have none:
    /// they are known.
    fn sender(&self, family: u16) -> Vec<u8> {
        if family == AF_NETLINK {
            return address::netlink_bytes(0);
        }
        match (&self.arrival, self.received.from.as_deref()) {
            (Some(arrival), _) => address::inet_bytes(family, arrival.from),
            (None, Some(name)) => address::unix_bytes(Some(name)),
            (None, None) => Vec::new(),
        }
    }
}

/// recvfrom(2).
pub fn recvfrom(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let flags = flags(call.uint(3))?;
    let socket = socket_of(&file)?;
    let buffers = UserBuffers::single(call.word(1), call.word(2));
    if flags.contains(MsgFlags::ERRQUEUE) {
        let (failure, count) = failures::receive(socket, &buffers)?;
        let to = address::inet_bytes(socket.family(), failure.to);
        address::write(call.word(4), call.word(5), &to)?;
        return Ok(count as u64);
    }
    let message = receive(&file, socket, buffers, flags)?;
    if call.word(4) != 0 {
        let sender = message.sender(socket.family());
        address::write(call.word(4), call.word(5), &sender)?;
    }
    Ok(message.length(flags))
}

fn receive(
    file: &Arc<OpenFile>,
    socket: Socket<'_>,
    buffers: UserBuffers,
    flags: MsgFlags,
) -> Result<Message> {
    let peek = flags.contains(MsgFlags::PEEK);
    let nonblocking = file.nonblocking() || flags.contains(MsgFlags::DONTWAIT);
    let deadline = socket.receive_deadline();
    let stream = socket.message_limit().is_none();
    let whole = flags.contains(MsgFlags::WAITALL) && stream && !peek && !nonblocking;
    let mut to = buffers.writer();
    let mut all = Message::default();
    loop {
        let part = block_until(
            file,
            Ready::IN,
            nonblocking,
            || deadline,
            || receive_part(socket, &mut to, peek),
        );
        let mut part = match part {
            Ok(part) => part,
            Err(_) if all.received.count > 0 => return Ok(all),
            Err(error) => return Err(error),
        };
        let ended = part.received.count == 0;
        // The first part's count goes before this one's; all else is this
        // one's, as nothing is received together with files but once.
        part.received.count += all.received.count;
        part.received.length += all.received.length;
        all = part;
        if ended || !whole || to.is_full() || !all.received.rights.is_empty() {
            return Ok(all);
        }
    }
}

/// Receives what is there. For an address that is bad, nothing is taken.
fn receive_part(socket: Socket<'_>, to: &mut UserWriter<'_>, peek: bool) -> Result<Message> {
    match socket {
        Socket::Tcp(socket) => {
            let count = match peek {
                true => to.with_buffer(PIECE, |room| socket.peek(room))?,
                false => socket.read(&mut 0, to)?,
            };
            Ok(Message::new(count, count, None))
        }
        Socket::Udp(socket) => {
            let mut message = Message::default();
            to.with_buffer(MAX_DATAGRAM, |room| {
                let arrived = socket.receive(room, peek)?;
                message = Message::new(arrived.count, arrived.length, arrived.arrival);
                Ok(arrived.count)
            })?;
            Ok(message)
        }
        Socket::Netlink(socket) => {
            let mut message = Message::default();
            to.with_buffer(netlink::MOST, |room| {
                let (count, length) = socket.receive(room, peek)?;
                message = Message::new(count, length, None);
                Ok(count)
            })?;
            Ok(message)
        }
        Socket::Unix(socket) => {
            to.fault_in(socket.buffer_size())?;
            Ok(Message {
                received: socket.receive_to(to, peek)?,
                arrival: None,
            })
        }
    }
}

/// sendmsg(2).
pub fn sendmsg(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let header = call.pointer::<Msghdr>(1).read()?;
    send_header(call, &file, &header, flags(call.uint(2))?)
}

fn send_header(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    header: &Msghdr,
    flags: MsgFlags,
) -> Result<u64> {
    let to = destination(call, file, header.msg_name, header.msg_namelen)?;
    let attached = attached(call, socket_of(file)?, header)?;
    let buffers = pieces(header)?;
    send(call, file, buffers, flags, Envelope { to, attached })
}

/// What a message is sent from or comes to. `EMSGSIZE` for too many pieces.
fn pieces(header: &Msghdr) -> Result<UserBuffers> {
    match header.msg_iovlen > IOV_MAX as u64 {
        true => Err(Errno::EMSGSIZE),
        false => UserBuffers::vector(UserPtr::new(header.msg_iov), header.msg_iovlen),
    }
}

/// sendmmsg(2).
pub fn sendmmsg(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let (array, flags) = (call.pointer::<Mmsghdr>(1), flags(call.uint(3))?);
    let mut done = 0;
    for index in 0..(call.uint(2) as usize).min(IOV_MAX) {
        let sent = array.at(index).and_then(|place| {
            let mut entry = place.read()?;
            entry.msg_len = send_header(call, &file, &entry.msg_hdr, flags)? as u32;
            place.write(&entry)
        });
        match sent {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// recvmsg(2).
pub fn recvmsg(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let place = call.pointer::<Msghdr>(1);
    let mut header = place.read()?;
    let count = receive_header(call, &file, &mut header, flags(call.uint(2))?)?;
    place.write(&header)?;
    Ok(count)
}

fn receive_header(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    header: &mut Msghdr,
    flags: MsgFlags,
) -> Result<u64> {
    let buffers = pieces(header)?;
    let socket = socket_of(file)?;
    if flags.contains(MsgFlags::ERRQUEUE) {
        return failures::receive_header(socket, &buffers, header);
    }
    let mut message = receive(file, socket, buffers, flags)?;
    let mut result = flags & MsgFlags::CMSG_CLOEXEC;
    result.set(
        MsgFlags::TRUNC,
        message.received.length > message.received.count,
    );
    if header.msg_name != 0 {
        let from = message.sender(socket.family());
        let room = from.len().min(header.msg_namelen as usize);
        copy_to_user(header.msg_name, &from[..room])?;
        header.msg_namelen = from.len() as u32;
    }
    let mut control = Control::new(header);
    if socket.options().is_on(Switch::PassCredentials) {
        let who = known_credentials(call, message.received.credentials);
        control.put(SCM_CREDENTIALS, who.as_bytes())?;
    }
    if let (Some(arrival), Socket::Udp(socket)) = (&message.arrival, socket) {
        datagram_info::put(&mut control, socket, arrival)?;
    }
    control.deliver_files(call, &mut message.received, flags)?;
    result.set(MsgFlags::CTRUNC, control.cut);
    header.msg_controllen = control.used as u64;
    header.msg_flags = result.bits();
    Ok(message.length(flags))
}

/// recvmmsg(2).
pub fn recvmmsg(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let (array, mut given) = (call.pointer::<Mmsghdr>(1), flags(call.uint(3))?);
    let until = match call.pointer::<Timespec>(4).non_null() {
        Some(timeout) => time::now().saturating_add(timeout.read()?.to_nanos()?),
        None => NO_DEADLINE,
    };
    let mut done = 0;
    for index in 0..(call.uint(2) as usize).min(IOV_MAX) {
        let received = array.at(index).and_then(|place| {
            let mut entry = place.read()?;
            entry.msg_len = receive_header(call, &file, &mut entry.msg_hdr, given)? as u32;
            place.write(&entry)
        });
        match received {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
        if time::now() >= until {
            break;
        }
        given.set(
            MsgFlags::DONTWAIT,
            given.contains(MsgFlags::DONTWAIT) || call.uint(3) & WAIT_FOR_ONE != 0,
        );
    }
    Ok(done)
}

//! sendto(2), recvfrom(2), sendmsg(2), recvmsg(2).

use super::address::{self, Address};
use super::{Call, Socket, credentials, find_unix, receive_deadline, send_deadline, socket_of};
use crate::syscall::block::block_until;
use crate::syscall::buffers::{UserBuffers, with_chunk};
use crate::syscall::io::{broken_pipe, write_with};
use crate::user_memory::{UserPtr, read_bytes};
use crate::arch::user_access::copy_to_user;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_sync::Ready;
use paddock_unix_sockets::{Ancillary, Received, Switch, Target};
use paddock_vfs::{OpenFile, OpenFlags};
use zerocopy::IntoBytes;

/// The most control data that one message carries, in bytes.
const MAX_CONTROL: u64 = 4096;
/// The most files that one message carries.
const MAX_FILES: usize = 253;
const CMSG_HEADER: usize = size_of::<Cmsghdr>();

fn flags(bits: u32) -> Result<MsgFlags> {
    let flags = MsgFlags::from_bits_truncate(bits);
    if flags.contains(MsgFlags::OOB) { Err(Errno::EOPNOTSUPP) } else { Ok(flags) }
}

/// sendto(2).
pub fn sendto(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let to = destination(call, &file, call.word(4), call.uint(5))?;
    let buffers = UserBuffers::single(call.word(1), call.word(2));
    send(call, &file, buffers, flags(call.uint(3))?, to, Vec::new())
}

/// The socket that a message is for. A connected stream has one already.
fn destination(call: &Call<'_>, file: &OpenFile, pointer: u64, length: u32) -> Result<Option<Target>> {
    if pointer == 0 || length == 0 {
        return Ok(None);
    }
    match (socket_of(file)?, Address::read(pointer, length)?) {
        (Socket::Unix(_), Address::Unix(name)) => find_unix(call, &name).map(Some),
        (Socket::Tcp(_), _) => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

fn send(
    call: &Call<'_>,
    file: &Arc<OpenFile>,
    buffers: UserBuffers,
    flags: MsgFlags,
    to: Option<Target>,
    rights: Vec<Arc<OpenFile>>,
) -> Result<u64> {
    let nonblocking = file.nonblocking() || flags.contains(MsgFlags::DONTWAIT);
    let socket = socket_of(file)?;
    let mut ancillary = Ancillary { rights, credentials: credentials(call) };
    let deadline = send_deadline(file);
    let result = write_with(file, nonblocking, deadline, buffers, |bytes, _| match socket {
        Socket::Tcp(tcp) => tcp.socket.send(bytes),
        Socket::Unix(socket) => socket.send(bytes, to.as_ref(), &mut ancillary),
    });
    if result == Err(Errno::EPIPE) && !flags.contains(MsgFlags::NOSIGNAL) {
        broken_pipe(call);
    }
    result
}

/// recvfrom(2).
pub fn recvfrom(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let flags = flags(call.uint(3))?;
    let received = receive(&file, UserBuffers::single(call.word(1), call.word(2)), flags)?;
    address::write(call.word(4), call.word(5), &sender(&file, &received)?)?;
    Ok(length(&received, flags))
}

/// The length that the call returns: the whole message's with `MSG_TRUNC`.
fn length(received: &Received, flags: MsgFlags) -> u64 {
    let whole = flags.contains(MsgFlags::TRUNC);
    (if whole { received.length } else { received.count }) as u64
}

/// Who sent what was received.
fn sender(file: &OpenFile, received: &Received) -> Result<Vec<u8>> {
    match socket_of(file)? {
        // A stream's sender is known: no address.
        Socket::Tcp(_) => Ok(Vec::new()),
        Socket::Unix(_) => Ok(match received.from.as_deref() {
            Some(name) => address::unix_bytes(Some(name)),
            None => Vec::new(),
        }),
    }
}

fn receive(file: &Arc<OpenFile>, mut buffers: UserBuffers, flags: MsgFlags) -> Result<Received> {
    let peek = flags.contains(MsgFlags::PEEK);
    let nonblocking = file.nonblocking() || flags.contains(MsgFlags::DONTWAIT);
    let whole = flags.contains(MsgFlags::WAITALL) && !peek && !nonblocking;
    let (socket, deadline) = (socket_of(file)?, receive_deadline(file));
    with_chunk(buffers.left(), |chunk| {
        let mut all = Received::default();
        loop {
            let want = buffers.left().min(chunk.len() as u64) as usize;
            let part = block_until(file, Ready::IN, nonblocking, deadline, || match socket {
                Socket::Tcp(_) if peek => Err(Errno::EOPNOTSUPP),
                Socket::Tcp(tcp) => tcp.socket.receive(&mut chunk[..want]).map(plain),
                Socket::Unix(socket) => socket.receive(&mut chunk[..want], peek),
            });
            let mut part = match part {
                Ok(part) => part,
                Err(_) if all.count > 0 => return Ok(all),
                Err(error) => return Err(error),
            };
            buffers.copy_out(&chunk[..part.count])?;
            let ended = part.count == 0;
            // The first part's count goes before this one's; all else is this
            // one's, as nothing is received together with files but once.
            part.count += all.count;
            part.length += all.length;
            all = part;
            if ended || !whole || buffers.left() == 0 || !all.rights.is_empty() {
                return Ok(all);
            }
        }
    })
}

fn plain(count: usize) -> Received {
    let mut received = Received::default();
    (received.count, received.length) = (count, count);
    received
}

/// sendmsg(2).
pub fn sendmsg(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let header = call.pointer::<Msghdr>(1).read()?;
    let to = destination(call, &file, header.msg_name, header.msg_namelen)?;
    let files = attached_files(call, &header)?;
    let buffers = UserBuffers::vector(UserPtr::new(header.msg_iov), header.msg_iovlen)?;
    send(call, &file, buffers, flags(call.uint(2))?, to, files)
}

/// The files of `SCM_RIGHTS`. `EINVAL` for control data that makes no sense
/// or is not supported, `EBADF`.
fn attached_files(call: &Call<'_>, header: &Msghdr) -> Result<Vec<Arc<OpenFile>>> {
    let mut files = Vec::new();
    if header.msg_control == 0 || header.msg_controllen == 0 {
        return Ok(files);
    }
    if header.msg_controllen > MAX_CONTROL {
        return Err(Errno::ENOBUFS);
    }
    let control = read_bytes(header.msg_control, header.msg_controllen as usize)?;
    let mut rest = &control[..];
    while rest.len() >= CMSG_HEADER {
        let field = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let (length, level, kind) = (field(0) as usize, field(8), field(12));
        if length < CMSG_HEADER || length > rest.len() || field(4) != 0 {
            return Err(Errno::EINVAL);
        }
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => take_files(call, &rest[CMSG_HEADER..length], &mut files)?,
            // The kernel says who sends, whatever a program says.
            (SOL_SOCKET, SCM_CREDENTIALS) => {}
            _ => return Err(Errno::EINVAL),
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(files)
}

fn take_files(call: &Call<'_>, data: &[u8], files: &mut Vec<Arc<OpenFile>>) -> Result<()> {
    for number in data.chunks_exact(4) {
        let fd = i32::from_le_bytes([number[0], number[1], number[2], number[3]]);
        if files.len() == MAX_FILES {
            return Err(Errno::EINVAL);
        }
        files.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        files.push(call.file_of(fd)?);
    }
    Ok(())
}

/// recvmsg(2).
pub fn recvmsg(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let place = call.pointer::<Msghdr>(1);
    let mut header = place.read()?;
    let given = flags(call.uint(2))?;
    let buffers = UserBuffers::vector(UserPtr::new(header.msg_iov), header.msg_iovlen)?;
    let mut received = receive(&file, buffers, given)?;
    let mut result = MsgFlags::empty();
    result.set(MsgFlags::TRUNC, received.length > received.count);
    if header.msg_name != 0 {
        let from = sender(&file, &received)?;
        let room = from.len().min(header.msg_namelen as usize);
        copy_to_user(header.msg_name, &from[..room])?;
        header.msg_namelen = from.len() as u32;
    }
    let mut control = Control::new(&header);
    if socket_of(&file)?.options().is_on(Switch::PassCredentials) {
        control.put(SCM_CREDENTIALS, received.credentials.as_bytes())?;
    }
    control.deliver_files(call, &mut received, given)?;
    result.set(MsgFlags::CTRUNC, control.cut);
    header.msg_controllen = control.used as u64;
    header.msg_flags = result.bits();
    place.write(&header)?;
    Ok(length(&received, given))
}

/// The control data of a received message, as it is put together.
struct Control {
    address: u64,
    room: usize,
    used: usize,
    /// Something did not fit.
    cut: bool,
}

impl Control {
    fn new(header: &Msghdr) -> Control {
        let room = if header.msg_control == 0 { 0 } else { header.msg_controllen.min(MAX_CONTROL) };
        Control { address: header.msg_control, room: room as usize, used: 0, cut: false }
    }

    /// Bytes of data that the next piece may have.
    fn data_room(&self) -> usize {
        (self.room - self.used).saturating_sub(CMSG_HEADER)
    }

    fn put(&mut self, kind: u32, data: &[u8]) -> Result<()> {
        if data.len() > self.data_room() {
            self.cut = true;
            return Ok(());
        }
        let length = CMSG_HEADER + data.len();
        let cmsg = Cmsghdr { cmsg_len: length as u64, cmsg_level: SOL_SOCKET, cmsg_type: kind };
        let at = self.address.checked_add(self.used as u64).ok_or(Errno::EFAULT)?;
        copy_to_user(at, cmsg.as_bytes())?;
        copy_to_user(at + CMSG_HEADER as u64, data)?;
        self.used = (self.used + length.next_multiple_of(8)).min(self.room);
        Ok(())
    }

    /// Gives received files descriptors, as many as there is room to tell of.
    fn deliver_files(&mut self, call: &Call<'_>, received: &mut Received, flags: MsgFlags) -> Result<()> {
        if received.rights.is_empty() {
            return Ok(());
        }
        let fitting = self.data_room() / 4;
        self.cut |= fitting < received.rights.len();
        let mut open = OpenFlags::empty();
        open.set(OpenFlags::CLOEXEC, flags.contains(MsgFlags::CMSG_CLOEXEC));
        let mut data = Vec::new();
        let taken = fitting.min(received.rights.len());
        for file in received.rights.drain(..taken) {
            data.extend_from_slice(&call.install(file, open)?.to_le_bytes());
        }
        if data.is_empty() { Ok(()) } else { self.put(SCM_RIGHTS, &data) }
    }
}

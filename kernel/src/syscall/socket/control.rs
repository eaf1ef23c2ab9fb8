//! Control data of messages: passed files and identities (cmsg(3)).

use super::{Call, Socket, datagram_info};
use crate::arch::user_access::copy_to_user;
use crate::net::udp::Chosen;
use crate::process::tree;
use crate::user_memory::read_bytes;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, IdKind, Ids};
use paddock_unix_sockets::Received;
use paddock_vfs::{OpenFile, OpenFlags};
use zerocopy::{FromBytes, IntoBytes};

/// The most control data that one message carries, in bytes.
const MAX_CONTROL: u64 = 4096;
/// The most files that one message carries.
const MAX_FILES: usize = 253;
const CMSG_HEADER: usize = size_of::<Cmsghdr>();

/// What is sent together with a message's bytes.
#[derive(Default)]
pub struct Attached {
    /// The files of `SCM_RIGHTS`.
    pub files: Vec<Arc<OpenFile>>,
    /// Who sends, if a program says so: by the kernel's numbers.
    pub credentials: Option<Ucred>,
    /// Of a datagram.
    pub chosen: Chosen,
}

/// Reads control data. `EINVAL` for what makes no sense or is not supported, `EBADF`,
/// `ENODEV`.
pub fn attached(call: &Call<'_>, socket: Socket<'_>, header: &Msghdr) -> Result<Attached> {
    let mut attached = Attached::default();
    if header.msg_control == 0 || header.msg_controllen == 0 {
        return Ok(attached);
    }
    if header.msg_controllen > MAX_CONTROL {
        return Err(Errno::ENOBUFS);
    }
    let control = read_bytes(header.msg_control, header.msg_controllen as usize)?;
    let mut rest = &control[..];
    while rest.len() >= CMSG_HEADER {
        let field =
            |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
        let (length, level, kind) = (field(0) as usize, field(8), field(12));
        if length < CMSG_HEADER || length > rest.len() || field(4) != 0 {
            return Err(Errno::EINVAL);
        }
        let data = &rest[CMSG_HEADER..length];
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => take_files(call, data, &mut attached.files)?,
            (SOL_SOCKET, SCM_CREDENTIALS) => {
                if let Socket::Unix(_) = socket {
                    attached.credentials = Some(given_credentials(call, data)?);
                }
            }
            (SOL_SOCKET, _) => return Err(Errno::EINVAL),
            _ => {
                if let Socket::Udp(socket) = socket {
                    let chosen = &mut attached.chosen;
                    datagram_info::choose(chosen, socket.family, level, kind, data)?;
                }
            }
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(attached)
}

/// What a program says of who sends (unix(7)), by the numbers of its namespaces: of itself
/// any of its ids, of others with a right. `EINVAL`, also for who is nobody there; `EPERM`,
/// `ESRCH`.
fn given_credentials(call: &Call<'_>, data: &[u8]) -> Result<Ucred> {
    let given = Ucred::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
    let process = call.process();
    let own = process.number.get();
    let is_one = |id: u32, ids: &Ids| [ids.real, ids.effective, ids.saved].contains(&id);
    let (uid, gid) = call.thread.with_cred(|cred| {
        let known = |kind, id| cred.user_namespace.given(kind, id).ok_or(Errno::EINVAL);
        let uid = known(IdKind::User, given.uid)?;
        let gid = known(IdKind::Group, given.gid)?;
        let may = (given.pid == own as i32
            || cred.capable_in(process.space.owner(), Cap::CAP_SYS_ADMIN))
            && (is_one(uid, &cred.uid) || cred.capable_here(Cap::CAP_SETUID))
            && (is_one(gid, &cred.gid) || cred.capable_here(Cap::CAP_SETGID));
        may.then_some((uid, gid)).ok_or(Errno::EPERM)
    })?;
    let pid = call.find_number(given.pid as u32).ok_or(Errno::ESRCH)?;
    if tree().lock().process_of(pid).is_none() {
        return Err(Errno::ESRCH);
    }
    let pid = pid as i32;
    Ok(Ucred { pid, uid, gid })
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

/// The control data of a received message, as it is put together.
pub struct Control {
    address: u64,
    room: usize,
    /// Bytes that have been stored.
    pub used: usize,
    /// Something did not fit.
    pub cut: bool,
}

impl Control {
    /// Nothing yet, for a header that says where it goes.
    pub fn new(header: &Msghdr) -> Control {
        let room = if header.msg_control == 0 {
            0
        } else {
            header.msg_controllen.min(MAX_CONTROL)
        };
        Control {
            address: header.msg_control,
            room: room as usize,
            used: 0,
            cut: false,
        }
    }

    /// Bytes of data that the next piece may have.
    fn data_room(&self) -> usize {
        (self.room - self.used).saturating_sub(CMSG_HEADER)
    }

    /// Adds a piece of `SOL_SOCKET`, if it fits. `EFAULT`.
    pub fn put(&mut self, kind: u32, data: &[u8]) -> Result<()> {
        self.put_of(SOL_SOCKET, kind, data)
    }

    /// Adds a piece of a level, if it fits. `EFAULT`.
    pub fn put_of(&mut self, level: u32, kind: u32, data: &[u8]) -> Result<()> {
        if data.len() > self.data_room() {
            self.cut = true;
            return Ok(());
        }
        let length = CMSG_HEADER + data.len();
        let cmsg = Cmsghdr {
            cmsg_len: length as u64,
            cmsg_level: level,
            cmsg_type: kind,
        };
        let at = self
            .address
            .checked_add(self.used as u64)
            .ok_or(Errno::EFAULT)?;
        copy_to_user(at, cmsg.as_bytes())?;
        copy_to_user(at + CMSG_HEADER as u64, data)?;
        self.used = (self.used + length.next_multiple_of(8)).min(self.room);
        Ok(())
    }

    /// Gives received files descriptors, as many as there is room to tell of.
    pub fn deliver_files(
        &mut self,
        call: &Call<'_>,
        received: &mut Received,
        flags: MsgFlags,
    ) -> Result<()> {
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
        if data.is_empty() {
            Ok(())
        } else {
            self.put(SCM_RIGHTS, &data)
        }
    }
}

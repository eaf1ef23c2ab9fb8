//! Sockets as files.

use crate::endpoint::Role;
use crate::inbox::LIMIT;
use crate::metadata::socket_metadata;
use crate::socket::{Kind, UnixSocket};
use crate::transfer::Ancillary;
use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::Result;
use paddock_abi::termios::FIONREAD;
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::{UserReader, UserWriter};
use paddock_vfs::{Errno, File, IoctlArg, Metadata};

impl Pollable for UnixSocket {
    fn ready(&self) -> Ready {
        self.0.ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.changed)
    }
}

impl File for UnixSocket {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        match self.kind() {
            Kind::Stream => to.in_passes(|to| Ok(self.receive_to(to, false)?.pass())),
            _ => to.with_buffer(LIMIT, |buffer| Ok(self.receive(buffer, false)?.count)),
        }
    }

    fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let mut ancillary = Ancillary {
            credentials: self.maker(),
            ..Ancillary::default()
        };
        match self.kind() {
            Kind::Stream => from.in_passes(|from| self.send_from(from, None, &mut ancillary)),
            _ => from.with_bytes(usize::MAX, |bytes| self.send(bytes, None, &mut ancillary)),
        }
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            FIONREAD => {
                let unread = i32::try_from(self.unread()?).unwrap_or(i32::MAX);
                arg.write_i32(unread)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(socket_metadata(self.ino()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A bound socket, for /proc/net/unix.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The network namespace that it was made in.
    pub net: u64,
    /// Its inode number.
    pub ino: u64,
    /// `SOCK_*`.
    pub kind: u32,
    /// Whether it takes connections.
    pub listening: bool,
    /// Whether it has a peer.
    pub connected: bool,
    /// What it is bound to.
    pub name: Arc<crate::Name>,
}

/// Calls `each` for every socket that is bound.
pub fn for_each_bound(mut each: impl FnMut(Listed)) {
    crate::name::for_each(|name, endpoint| {
        let (listening, connected) = match endpoint.state.lock().role {
            Role::Listening { .. } => (true, false),
            Role::Connected(_) => (false, true),
            Role::Idle => (false, false),
        };
        each(Listed {
            net: endpoint.net,
            ino: endpoint.ino,
            kind: endpoint.kind.to_type(),
            listening,
            connected,
            name: name.clone(),
        });
    });
}

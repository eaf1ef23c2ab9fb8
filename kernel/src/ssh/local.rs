//! Local sockets for clients: all of this with the user's own rights.

use super::accounts;
use crate::net::space;
use crate::process::accounts::paying;
use crate::process::net_space::NetNamespace;
use crate::process::vfs::namespace;
use crate::random;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::Ucred;
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;
use paddock_unix_sockets::{Kind, Name, Target, UnixSocket};
use paddock_vfs::{Access, FileKind, PathContext};

/// Where the folders of agents' sockets are made.
const AGENTS: &str = "/tmp";

/// A user's rights and credentials.
fn identity(user: &str) -> Result<(PathContext, Ucred)> {
    let mut context = PathContext::root_at(namespace().root());
    let account = accounts::find(&context, user)?;
    context.cred = try_arc(accounts::cred(&context, &account)?)?;
    let credentials = Ucred {
        pid: 0,
        uid: account.uid,
        gid: account.gid,
    };
    Ok((context, credentials))
}

/// Connects to a socket. Sleeps.
///
/// # Errors
/// Those of connect(2).
pub fn connect(user: &str, path: &[u8]) -> Result<Arc<UnixSocket>> {
    let (context, credentials) = identity(user)?;
    let at = namespace().resolve(&context, path, true)?;
    namespace().access(&context, &at, Access::WRITE)?;
    let socket = stream(credentials)?;
    socket.connect(&Target::at(at.inode())?, credentials)?;
    Ok(socket)
}

/// A socket that listens, and the files that go with it.
pub struct Bound {
    /// The socket.
    pub socket: Arc<UnixSocket>,
    /// Its path.
    pub path: Vec<u8>,
    /// The folder that was made for it.
    folder: Option<Vec<u8>>,
    context: PathContext,
}

impl Bound {
    /// Removes the files. Sleeps.
    pub fn remove(self) {
        // What is gone already needs no removing.
        let _ = namespace().unlink(&self.context, &self.path);
        if let Some(folder) = &self.folder {
            let _ = namespace().rmdir(&self.context, folder);
        }
    }
}

/// Listens at a path, for its user alone. Sleeps.
///
/// # Errors
/// `EADDRINUSE` if there is something; those of bind(2) and listen(2).
pub fn listen(user: &str, path: Vec<u8>) -> Result<Bound> {
    let (context, credentials) = identity(user)?;
    listen_as(context, credentials, path, None)
}

/// Listens at a path that nobody can guess. Sleeps.
///
/// # Errors
/// Those of mkdir(2), bind(2) and listen(2).
pub fn listen_for_agent(user: &str) -> Result<Bound> {
    let (context, credentials) = identity(user)?;
    let folder: String = format!("{AGENTS}/ssh-{:016x}", random::next_u64());
    namespace().mkdir(&context, folder.as_bytes(), 0o700)?;
    let path = format!("{folder}/agent").into_bytes();
    let folder = folder.into_bytes();
    listen_as(context.clone(), credentials, path, Some(folder.clone())).inspect_err(|_| {
        let _ = namespace().rmdir(&context, &folder);
    })
}

fn listen_as(
    context: PathContext,
    credentials: Ucred,
    path: Vec<u8>,
    folder: Option<Vec<u8>>,
) -> Result<Bound> {
    let made = namespace().mknod(&context, &path, FileKind::Socket, 0o600, 0);
    let made = made.map_err(|error| match error {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    })?;
    let bind = || -> Result<_> {
        let socket = stream(credentials)?;
        socket.bind(Name::path(path.clone(), made.inode().clone())?)?;
        socket.listen(-1, credentials)?;
        Ok(socket)
    };
    let socket = bind().inspect_err(|_| {
        let _ = namespace().unlink(&context, &path);
    })?;
    Ok(Bound {
        socket,
        path,
        folder,
        context,
    })
}

/// A fresh socket. `ENOMEM`.
fn stream(credentials: Ucred) -> Result<Arc<UnixSocket>> {
    let net = space::initial().number();
    UnixSocket::new(Kind::Stream, credentials, net, &paying())
}

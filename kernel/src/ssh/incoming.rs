//! Places where connections for clients are awaited (`ssh -R`, agents).

use super::accounts;
use super::local;
use super::served::Served;
use super::stream::Stream;
use super::watched::Watched;
use crate::async_fs;
use crate::net::{space, tcp::TcpSocket};
use crate::process::vfs::namespace;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};
use core::task::{Context, Poll};
use paddock_abi::{Errno, Result};
use paddock_inet::Local;
use paddock_ssh::{Arrival, Bound, IoError, ListenRequest, Listener, Place};
use paddock_unix_sockets::UnixSocket;
use paddock_vfs::PathContext;

/// How many connections may wait.
const BACKLOG: usize = 4;

enum Socket {
    Tcp(Watched<TcpSocket>),
    /// The files go with it.
    Local(Watched<UnixSocket>, Option<local::Bound>),
}

/// A place. Dropping it ends the listening.
pub struct Incoming {
    socket: Socket,
    bound: Bound,
}

/// Listens where a client wants it. Ports are this machine's own only
/// (sshd_config(5), "GatewayPorts no").
///
/// # Errors
/// `EACCES` for a privileged port, unless for user 0; those of bind(2) and
/// listen(2).
pub async fn listen(request: ListenRequest) -> Result<Incoming> {
    let ListenRequest { user, at } = request;
    match at {
        Place::Tcp { port, .. } => {
            if space::initial().is_privileged(port) {
                async_fs::run(move || superuser(&user)).await??;
            }
            listen_tcp(port)
        }
        Place::Local(path) => {
            listen_local(async_fs::run(move || local::listen(&user, path)).await??)
        }
        Place::Agent => listen_local(async_fs::run(move || local::listen_for_agent(&user)).await??),
    }
}

/// Insists on user 0.
fn superuser(user: &str) -> Result<()> {
    let root = PathContext::root_at(namespace().root());
    match accounts::find(&root, user)?.uid {
        0 => Ok(()),
        _ => Err(Errno::EACCES),
    }
}

fn listen_tcp(port: u16) -> Result<Incoming> {
    let socket = TcpSocket::new()?;
    socket.bind(Local::One(IpAddr::from(Ipv4Addr::LOCALHOST).into()), port)?;
    socket.listen(BACKLOG)?;
    let port = socket.local().port;
    Ok(Incoming {
        socket: Socket::Tcp(Watched::new(socket)),
        bound: Bound {
            port,
            path: String::new(),
        },
    })
}

fn listen_local(bound: local::Bound) -> Result<Incoming> {
    let path = String::from_utf8_lossy(&bound.path).into_owned();
    Ok(Incoming {
        socket: Socket::Local(Watched::new(bound.socket.clone()), Some(bound)),
        bound: Bound { port: 0, path },
    })
}

impl Incoming {
    fn accept(&mut self, cx: &Context<'_>) -> Result<(Served, Arrival)> {
        match &mut self.socket {
            Socket::Tcp(socket) => {
                socket.watch(cx.waker());
                let (accepted, peer) = socket.object.accept()?;
                let address = alloc::format!("{}", IpAddr::from(peer.addr));
                let port = peer.port;
                Ok((
                    Served::Tcp(Stream::new(accepted)),
                    Arrival { address, port },
                ))
            }
            Socket::Local(socket, _) => {
                socket.watch(cx.waker());
                let accepted = socket.object.accept()?;
                Ok((Served::Local(Stream::new(accepted)), Arrival::default()))
            }
        }
    }
}

impl Listener<Served> for Incoming {
    fn bound(&self) -> &Bound {
        &self.bound
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<core::result::Result<(Served, Arrival), IoError>> {
        match self.accept(cx) {
            Ok(arrived) => Poll::Ready(Ok(arrived)),
            Err(Errno::EAGAIN) => Poll::Pending,
            Err(_) => Poll::Ready(Err(IoError)),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Socket::Local(_, bound) = &mut self.socket
            && let Some(bound) = bound.take()
        {
            // In the main loop: the files are a worker's business.
            let _ = async_fs::run_alone(move || bound.remove());
        }
    }
}

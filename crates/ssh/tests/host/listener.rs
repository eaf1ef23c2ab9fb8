//! Places where connections for a client are awaited.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use paddock_ssh::{Arrival, Bound, IoError, ListenRequest, Listener, Place};

use super::process::HostProcess;
use super::reactor;

enum Socket {
    Tcp(TcpListener),
    Local(UnixListener, PathBuf),
}

pub struct HostListener {
    socket: Socket,
    bound: Bound,
}

impl HostListener {
    pub fn new(request: &ListenRequest) -> std::io::Result<Self> {
        let mut bound = Bound::default();
        let socket = match &request.at {
            Place::Tcp { port, .. } => {
                let listener = TcpListener::bind(("127.0.0.1", *port))?;
                listener.set_nonblocking(true)?;
                bound.port = listener.local_addr()?.port();
                Socket::Tcp(listener)
            }
            Place::Local(path) => local(OsString::from_vec(path.clone()).into())?,
            Place::Agent => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("pssh-agent-{}-{number}", std::process::id());
                let path = std::env::temp_dir().join(name);
                bound.path = path.display().to_string();
                local(path)?
            }
        };
        Ok(Self { socket, bound })
    }

    fn accept(&self) -> std::io::Result<(OwnedFd, Arrival)> {
        Ok(match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                let (address, port) = (peer.ip().to_string(), peer.port());
                (stream.into(), Arrival { address, port })
            }
            Socket::Local(listener, _) => (listener.accept()?.0.into(), Arrival::default()),
        })
    }

    fn fd(&self) -> RawFd {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_raw_fd(),
            Socket::Local(listener, _) => listener.as_raw_fd(),
        }
    }
}

fn local(path: PathBuf) -> std::io::Result<Socket> {
    let listener = UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    Ok(Socket::Local(listener, path))
}

impl Drop for HostListener {
    fn drop(&mut self) {
        if let Socket::Local(_, path) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listener<HostProcess> for HostListener {
    fn bound(&self) -> &Bound {
        &self.bound
    }

    fn poll_accept(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<(HostProcess, Arrival), IoError>> {
        match self.accept() {
            Ok((socket, arrival)) => Poll::Ready(match HostProcess::socket(socket) {
                Ok(process) => Ok((process, arrival)),
                Err(_) => Err(IoError),
            }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                reactor::wait_for(self.fd(), libc::POLLIN);
                Poll::Pending
            }
            Err(_) => Poll::Ready(Err(IoError)),
        }
    }
}

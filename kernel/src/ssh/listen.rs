//! Accepts connections and serves each in a task of its own.

use super::CONFIG;
use super::backend::{System, new_rng};
use crate::config::{SSH_CONNECTIONS, SSH_PORT};
use crate::net::tcp::TcpSocket;
use alloc::sync::Arc;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};
use embassy_executor::Spawner;
use paddock_abi::{Errno, Result};
use paddock_ssh::{ByteStream, IoError, serve};
use paddock_sync::OwnedRegistration;

/// How many connections may wait to be accepted.
const BACKLOG: usize = 8;

/// Starts the server. In the main loop's thread, after [`super::prepare`].
pub fn start(spawner: Spawner) {
    assert!(
        super::is_initialized(),
        "the SSH server has no host key yet"
    );
    match accept_all(spawner) {
        Ok(token) => spawner.spawn(token),
        Err(_) => log::error!("ssh: the server has no task"),
    }
}

/// A socket with the registration of the task that waits for it.
struct Stream {
    socket: Arc<TcpSocket>,
    registration: Option<OwnedRegistration<TcpSocket>>,
}

impl Stream {
    fn new(socket: Arc<TcpSocket>) -> Self {
        Stream {
            socket,
            registration: None,
        }
    }

    /// Has the waker woken at the next change. Before looking.
    fn watch(&mut self, waker: &Waker) {
        match &self.registration {
            Some(registration) => registration.renew(waker),
            None => match OwnedRegistration::new(self.socket.clone(), waker) {
                Ok(registration) => self.registration = registration,
                Err(_) => waker.wake_by_ref(),
            },
        }
    }
}

fn polled(result: Result<usize>) -> Poll<core::result::Result<usize, IoError>> {
    match result {
        Ok(count) => Poll::Ready(Ok(count)),
        Err(Errno::EAGAIN) => Poll::Pending,
        Err(_) => Poll::Ready(Err(IoError)),
    }
}

impl ByteStream for Stream {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        self.watch(cx.waker());
        polled(self.socket.receive(buffer))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        self.watch(cx.waker());
        polled(self.socket.send(bytes))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<core::result::Result<(), IoError>> {
        // What was written and the end go out even after the socket is gone.
        let closed = self.socket.shutdown(false, true);
        Poll::Ready(closed.map_err(|_| IoError))
    }
}

#[embassy_executor::task]
async fn accept_all(spawner: Spawner) {
    let listening = TcpSocket::new().and_then(|socket| {
        socket.bind(None, SSH_PORT)?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    });
    let mut listener = match listening {
        Ok(socket) => Stream::new(socket),
        Err(error) => {
            log::error!("ssh: cannot listen on port {SSH_PORT}: {error}");
            return;
        }
    };
    log::info!("ssh: listening on port {SSH_PORT}");
    loop {
        let accepted = poll_fn(|cx| {
            listener.watch(cx.waker());
            match listener.socket.accept() {
                Err(Errno::EAGAIN) => Poll::Pending,
                result => Poll::Ready(result),
            }
        })
        .await;
        match accepted {
            Ok((socket, peer)) => {
                let peer = SocketAddr::new(peer.addr.into(), peer.port);
                match session(socket, peer) {
                    Ok(token) => spawner.spawn(token),
                    Err(_) => {
                        log::warn!("ssh: {peer}: refused, {SSH_CONNECTIONS} connections are open")
                    }
                }
            }
            Err(error) => log::warn!("ssh: a connection could not be accepted: {error}"),
        }
    }
}

#[embassy_executor::task(pool_size = SSH_CONNECTIONS)]
async fn session(socket: Arc<TcpSocket>, peer: SocketAddr) {
    let Some(config) = CONFIG.get() else {
        return;
    };
    serve(
        Stream::new(socket),
        System { peer },
        config.clone(),
        new_rng(),
    )
    .await;
}

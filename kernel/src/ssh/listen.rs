//! Accepts connections and serves each in a task of its own.

use super::backend::{System, log_stranger, new_rng};
use super::door::{self, Visit};
use super::settings::{self, InForce};
use super::watched::Watched;
use crate::memory::frames;
use crate::net::service::TcpSocket;
use crate::power;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use embassy_executor::Spawner;
use embassy_net::IpEndpoint;
use embassy_time::{Duration, with_timeout};
use paddock_abi::{Errno, Result};
use paddock_ssh::settings::{MAX_SESSIONS, MAX_UNAUTHENTICATED};
use paddock_ssh::{ByteStream, IoError, serve};
use paddock_sync::{OnceCell, Pollable, Ready, WaitQueue, try_arc, try_box};

/// How many connections may wait to be accepted, at the least and at the most: each has
/// its buffers from the start.
const BACKLOG: (usize, usize) = (2, 8);
/// Pages of the machine for each of them: 8 MiB.
const PAGES_PER_WAITING: usize = 2048;
/// How long a connection without a login may take to be closed by the client
/// once all has been said.
const LINGER: Duration = Duration::from_secs(1);

fn backlog() -> usize {
    let (least, most) = BACKLOG;
    (frames::total() / PAGES_PER_WAITING).clamp(least, most)
}

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
    power::before_end(close);
}

/// Listens no longer and ends all connections, as the machine is about to go.
/// Thread context; sleeps for a moment.
fn close() {
    door::close(settings_changed);
}

fn polled(result: Result<usize>) -> Poll<core::result::Result<usize, IoError>> {
    match result {
        Ok(count) => Poll::Ready(Ok(count)),
        Err(Errno::EAGAIN) => Poll::Pending,
        Err(_) => Poll::Ready(Err(IoError)),
    }
}

impl ByteStream for Watched<TcpSocket> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        self.watch(cx.waker());
        polled(self.object.receive(buffer))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        self.watch(cx.waker());
        polled(self.object.send(bytes))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<core::result::Result<(), IoError>> {
        // What was written and the end go out even after the socket is gone.
        let closed = self.object.close_writing();
        Poll::Ready(closed.map_err(|_| IoError))
    }
}

/// A port that is listened on.
struct Listener {
    port: u16,
    socket: Watched<TcpSocket>,
}

impl Listener {
    fn open(port: u16) -> Result<Self> {
        let socket = TcpSocket::new()?;
        socket.bind(None, port)?;
        socket.listen(backlog())?;
        Ok(Listener {
            port,
            socket: Watched::new(socket),
        })
    }
}

/// That there are new settings, for the task that listens.
struct Changes {
    count: AtomicUsize,
    changed: WaitQueue,
}

static CHANGES: OnceCell<Arc<Changes>> = OnceCell::new();

impl Pollable for Changes {
    fn ready(&self) -> Ready {
        Ready::empty()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

/// Tells the task that listens of new settings. May sleep.
pub fn settings_changed() {
    if let Some(changes) = CHANGES.get() {
        changes.count.fetch_add(1, Ordering::Release);
        changes.changed.wake_all();
    }
}

#[embassy_executor::task]
async fn accept_all(spawner: Spawner) {
    let changes = try_arc(Changes {
        count: AtomicUsize::new(1),
        changed: WaitQueue::new(),
    });
    let Ok(changes) = changes else {
        log::error!("ssh: no memory to listen");
        return;
    };
    let _ = CHANGES.set(changes.clone());
    let mut changes = Watched::new(changes);
    let (mut listeners, mut seen) = (Vec::new(), 0);
    loop {
        let accepted = poll_fn(|cx| {
            changes.watch(cx.waker());
            let count = changes.object.count.load(Ordering::Acquire);
            if core::mem::replace(&mut seen, count) != count {
                match door::is_closed() {
                    true => listeners.clear(),
                    false => listen_on_ports(&mut listeners),
                }
            }
            accept_one(&mut listeners, cx)
        })
        .await;
        match accepted {
            Ok((socket, peer)) => begin(spawner, socket, address(peer)),
            Err(error) => log::warn!("ssh: a connection could not be accepted: {error}"),
        }
    }
}

/// Opens the ports of the settings that are not open, then closes the others;
/// none if all of the new ones cannot be had.
fn listen_on_ports(listeners: &mut Vec<Listener>) {
    let Some(in_force) = settings::in_force() else {
        return;
    };
    let ports = &in_force.settings.ports;
    for &port in ports {
        if listeners.iter().any(|listener| listener.port == port) {
            continue;
        }
        match Listener::open(port) {
            Ok(listener) => {
                listeners.push(listener);
                log::info!("ssh: listening on port {port}");
            }
            Err(error) => log::error!("ssh: cannot listen on port {port}: {error}"),
        }
    }
    let is_wanted = |listener: &Listener| ports.contains(&listener.port);
    if listeners.iter().any(is_wanted) {
        listeners.retain(|listener| {
            if !is_wanted(listener) {
                log::info!("ssh: no longer listening on port {}", listener.port);
            }
            is_wanted(listener)
        });
    }
}

fn accept_one(
    listeners: &mut [Listener],
    cx: &mut Context<'_>,
) -> Poll<Result<(Arc<TcpSocket>, IpEndpoint)>> {
    for listener in listeners {
        listener.socket.watch(cx.waker());
        match listener.socket.object.accept() {
            Err(Errno::EAGAIN) => {}
            result => return Poll::Ready(result),
        }
    }
    Poll::Pending
}

fn address(endpoint: IpEndpoint) -> SocketAddr {
    SocketAddr::new(endpoint.addr.into(), endpoint.port)
}

/// Has a connection served, unless there are too many.
fn begin(spawner: Spawner, socket: Arc<TcpSocket>, peer: SocketAddr) {
    let local = address(socket.local());
    let is_served = |in_force: Arc<InForce>| in_force.settings.serves(local.ip());
    if !settings::in_force().is_some_and(is_served) {
        socket.reset();
        return;
    }
    let task = door::enter(peer, local).map(|visit| session(socket.clone(), visit));
    match task {
        Some(Ok(token)) => spawner.spawn(token),
        Some(Err(_)) | None => {
            log_stranger(peer, format_args!("turned away: too many connections"));
            socket.reset();
        }
    }
}

/// As many tasks as there may be connections. What each needs is allocated
/// when it begins.
const TASKS: usize = MAX_UNAUTHENTICATED + MAX_SESSIONS;

#[embassy_executor::task(pool_size = TASKS)]
async fn session(socket: Arc<TcpSocket>, visit: Arc<Visit>) {
    match unless_evicted(&visit, serve_client(socket.clone(), visit.clone())).await {
        Some(Ok(())) => {}
        Some(Err(error)) => log::warn!("ssh: {}: not served: {error}", visit.peer),
        None if door::is_closed() => {}
        None => log_stranger(visit.peer, format_args!("made room for another connection")),
    }
    if !visit.has_logged_in() {
        // The other side could keep it for a minute.
        socket.reset();
    }
}

async fn serve_client(socket: Arc<TcpSocket>, visit: Arc<Visit>) -> Result<()> {
    let Some(in_force) = settings::in_force() else {
        return Ok(());
    };
    let config = in_force.config.clone();
    drop(in_force);
    let system = System {
        visit: visit.clone(),
    };
    let stream = Watched::new(socket.clone());
    let serving = serve(stream, system, config, new_rng());
    Box::into_pin(try_box(serving)?).await;
    if !visit.has_logged_in() {
        linger(&socket).await;
    }
    Ok(())
}

/// Gives the client time to read what was said, and to close.
async fn linger(socket: &Arc<TcpSocket>) {
    let mut stream = Watched::new(socket.clone());
    let end = poll_fn(|cx| {
        let mut buffer = [0; 256];
        loop {
            match stream.poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    let _ = with_timeout(LINGER, end).await;
}

/// Runs a future until its connection has to make room for another one: then
/// it is dropped, and there is no result.
async fn unless_evicted<F: Future>(visit: &Arc<Visit>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut visit = Watched::new(visit.clone());
    poll_fn(|cx| {
        visit.watch(cx.waker());
        if visit.object.has_to_go() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

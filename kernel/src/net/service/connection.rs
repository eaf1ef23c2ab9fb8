//! One TCP connection of a stack, with its buffers.

use super::notifier::Wakers;
use crate::net::stack::NetStack;
use crate::process::accounts::paying;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::task::{Context, Poll};
use embassy_net::tcp::{Error, State, TcpSocket};
use embassy_net::{IpEndpoint, IpListenEndpoint};
use embassy_time::Duration;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;

/// Bytes of each of a connection's buffers.
const BUFFER: usize = 64 * 1024;
/// How long an unanswered connection lives.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How many connections there are, those that listen or are orphans included.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// How many connections there are, in both stacks: also those that only
/// listen, and those that nobody has open any more.
pub fn count() -> usize {
    CONNECTIONS.load(Relaxed)
}

/// What has come to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Bytes that have not been read.
    pub unread: usize,
    /// Where the connection is.
    pub state: State,
}

impl Incoming {
    /// Whether the peer may still send.
    pub fn is_open(self) -> bool {
        matches!(
            self.state,
            State::Established | State::FinWait1 | State::FinWait2
        )
    }
}

/// A connection, or a socket that listens for one.
pub struct Connection {
    /// Borrows the buffers below, hence dropped first, and in a section.
    socket: ManuallyDrop<TcpSocket<'static>>,
    stack: &'static NetStack,
    wakers: Wakers,
    /// This side's address and the other's, once connected.
    ends: Option<(IpEndpoint, IpEndpoint)>,
    _receive: Box<[u8]>,
    _send: Box<[u8]>,
    _charge: Charge,
}

// SAFETY: the socket is a handle into the stack, touched only in sections.
unsafe impl Send for Connection {}
// SAFETY: as above.
unsafe impl Sync for Connection {}

fn buffer() -> Result<Box<[u8]>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(BUFFER).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(BUFFER, 0);
    Ok(bytes.into_boxed_slice())
}

/// What a transfer has come to: `EAGAIN` if it cannot be made now, `reset` if
/// the connection was reset.
fn outcome(polled: Poll<core::result::Result<usize, Error>>, reset: Errno) -> Result<usize> {
    match polled {
        Poll::Ready(Ok(count)) => Ok(count),
        Poll::Ready(Err(Error::ConnectionReset)) => Err(reset),
        Poll::Pending => Err(Errno::EAGAIN),
    }
}

impl Connection {
    /// A socket that is not connected. Never sleeps.
    ///
    /// # Errors
    /// `ENFILE`, `ENOMEM`.
    pub fn new(stack: &'static NetStack, wakers: Wakers) -> Result<Self> {
        let charge = Charge::new(&paying(), 2 * BUFFER)?;
        let (mut receive, mut send) = (buffer()?, buffer()?);
        stack.reserve_socket()?;
        // SAFETY: the boxes' memory stays where it is until `drop` has
        // removed the socket from the stack.
        let (rx, tx): (&'static mut [u8], &'static mut [u8]) = unsafe {
            (
                core::slice::from_raw_parts_mut(receive.as_mut_ptr(), BUFFER),
                core::slice::from_raw_parts_mut(send.as_mut_ptr(), BUFFER),
            )
        };
        let socket = stack.section(|stack| {
            let mut socket = TcpSocket::new(stack, rx, tx);
            socket.set_nagle_enabled(false);
            socket.set_timeout(Some(TIMEOUT));
            socket.set_keep_alive(Some(Duration::from_secs(20)));
            socket
        });
        CONNECTIONS.fetch_add(1, Relaxed);
        Ok(Connection {
            socket: ManuallyDrop::new(socket),
            stack,
            wakers,
            ends: None,
            _receive: receive,
            _send: send,
            _charge: charge,
        })
    }

    /// Another object is to be woken from now on.
    pub fn set_wakers(&mut self, wakers: Wakers) {
        self.wakers = wakers;
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn listen(&mut self, endpoint: IpListenEndpoint) -> Result<()> {
        let mut cx = Context::from_waker(&self.wakers.outgoing);
        let socket = &mut self.socket;
        let polled = self
            .stack
            .section(|_| pin!(socket.accept(endpoint)).poll(&mut cx));
        match polled {
            Poll::Pending | Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(_)) => Err(Errno::EINVAL),
        }
    }

    /// The TCP state.
    pub fn state(&self) -> State {
        self.stack.section(|_| self.socket.state())
    }

    /// What has come; the waker is armed for more if all of it was read.
    pub fn incoming(&self) -> Incoming {
        let mut cx = Context::from_waker(&self.wakers.incoming);
        self.stack.section(|_| {
            let _ = pin!(self.socket.wait_read_ready()).poll(&mut cx);
            self.arrived()
        })
    }

    /// The same without arming the waker, which would have the stack polled.
    pub fn glance(&self) -> Incoming {
        self.stack.section(|_| self.arrived())
    }

    fn arrived(&self) -> Incoming {
        Incoming {
            unread: self.socket.recv_queue(),
            state: self.socket.state(),
        }
    }

    /// Whether there is room to write, and whether this side may still send;
    /// the waker is armed for a change.
    pub fn send_state(&self) -> (bool, bool) {
        let mut cx = Context::from_waker(&self.wakers.outgoing);
        self.stack.section(|_| {
            let _ = pin!(self.socket.wait_write_ready()).poll(&mut cx);
            (self.socket.can_send(), self.socket.may_send())
        })
    }

    /// Reads what is there; 0 at the end. The waker is armed once all is read:
    /// whoever has got less than he asked for may wait for more without asking
    /// again (epoll(7), edge-triggered).
    ///
    /// # Errors
    /// `EAGAIN`, `ECONNRESET`.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut cx = Context::from_waker(&self.wakers.incoming);
        let socket = &mut self.socket;
        let result = self.stack.section(|_| {
            let result = pin!(socket.read(buffer)).poll(&mut cx);
            if result.is_ready() && !socket.can_recv() {
                let _ = pin!(socket.wait_read_ready()).poll(&mut cx);
            }
            result
        });
        outcome(result, Errno::ECONNRESET)
    }

    /// Bytes that have come and not been read, and bytes that the other side
    /// has not acknowledged.
    pub fn queues(&self) -> (usize, usize) {
        self.stack
            .section(|_| (self.socket.recv_queue(), self.socket.send_queue()))
    }

    /// Writes what there is room for. The waker is armed once there is none,
    /// as for [`Self::read`].
    ///
    /// # Errors
    /// `EAGAIN`, `EPIPE`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut cx = Context::from_waker(&self.wakers.outgoing);
        let socket = &mut self.socket;
        let result = self.stack.section(|_| {
            let result = pin!(socket.write(bytes)).poll(&mut cx);
            if result.is_ready() && !socket.can_send() {
                let _ = pin!(socket.wait_write_ready()).poll(&mut cx);
            }
            result
        });
        outcome(result, Errno::EPIPE)
    }

    /// Sends the end after all that was written.
    pub fn close(&mut self) {
        let socket = &mut self.socket;
        self.stack.section(|_| socket.close());
    }

    /// Resets the connection.
    pub fn abort(&mut self) {
        let socket = &mut self.socket;
        self.stack.section(|_| socket.abort());
    }

    /// Whether the peer had sent its end when the connection, now closed, was
    /// over; `None` while unread data hides it.
    pub fn peer_has_ended(&mut self) -> Option<bool> {
        let mut cx = Context::from_waker(&self.wakers.incoming);
        let socket = &mut self.socket;
        self.stack.section(|_| {
            let known = !socket.can_recv();
            // Reads nothing: the stack says whether this is an end or a reset.
            let polled = pin!(socket.read(&mut [])).poll(&mut cx);
            known.then_some(matches!(polled, Poll::Ready(Ok(_))))
        })
    }

    /// Notes the addresses of both sides if there is a connection: the stack
    /// forgets them when it is reset.
    pub fn note_ends(&mut self) {
        let socket = &self.socket;
        let ends = self.stack.section(|_| match socket.state() {
            State::Closed | State::Listen | State::SynSent | State::SynReceived => None,
            _ => socket.local_endpoint().zip(socket.remote_endpoint()),
        });
        self.ends = ends.or(self.ends);
    }

    /// This side's address.
    pub fn local(&self) -> Option<IpEndpoint> {
        let known = self.ends.map(|(local, _)| local);
        known.or_else(|| self.stack.section(|_| self.socket.local_endpoint()))
    }

    /// The other side's address. `None` if there has been no connection.
    pub fn remote(&self) -> Option<IpEndpoint> {
        self.ends.map(|(_, remote)| remote)
    }

    /// The stack it belongs to.
    pub fn stack(&self) -> &'static NetStack {
        self.stack
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let socket = &mut self.socket;
        // SAFETY: dropped here and nowhere else; in a section, as its drop
        // touches the stack.
        self.stack
            .section(|_| unsafe { ManuallyDrop::drop(socket) });
        self.stack.release_socket();
        CONNECTIONS.fetch_sub(1, Relaxed);
    }
}

//! One UDP socket of a stack, with its buffers.

use super::notifier::{Notifier, Wakers};
use super::stack::NetStack;
use crate::user::accounts::paying;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::pin;
use core::task::{Context, Poll};
use embassy_net::udp::{PacketMetadata, SendError, UdpSocket};
use embassy_net::{IpAddress, IpEndpoint, IpListenEndpoint};
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;

/// Bytes that wait to be received.
const RECEIVE: usize = 32 * 1024;
/// Bytes that wait to be sent: one datagram of the largest size and some more.
const SEND: usize = 20 * 1024;
/// Datagrams that wait, in each direction.
const PACKETS: usize = 32;

/// A datagram that has come.
pub struct Datagram {
    /// Who sent it.
    pub from: IpEndpoint,
    /// What it says.
    pub data: Vec<u8>,
}

/// A UDP socket of one stack.
pub struct Datagrams {
    /// Borrows the buffers below, hence dropped first, and in a section.
    socket: ManuallyDrop<UdpSocket<'static>>,
    stack: &'static NetStack,
    wakers: Wakers,
    _packets: [Box<[PacketMetadata]>; 2],
    _bytes: [Box<[u8]>; 2],
    _charge: Charge,
}

// SAFETY: the socket is a handle into the stack, touched only in sections.
unsafe impl Send for Datagrams {}
// SAFETY: as above.
unsafe impl Sync for Datagrams {}

fn filled<T: Clone>(value: T, count: usize) -> Result<Box<[T]>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    values.resize(count, value);
    Ok(values.into_boxed_slice())
}

/// # Safety
/// The result must not be used after `values` is freed, nor `values` as long
/// as the result is.
unsafe fn lend<T>(values: &mut [T]) -> &'static mut [T] {
    // SAFETY: the caller's promise; a box's memory does not move with it.
    unsafe { core::slice::from_raw_parts_mut(values.as_mut_ptr(), values.len()) }
}

impl Datagrams {
    /// A socket bound to a port, of one address or any. Never sleeps.
    ///
    /// # Errors
    /// `ENFILE`, `ENOMEM`, `EADDRNOTAVAIL`.
    pub fn bind(
        stack: &'static NetStack,
        notifier: &Arc<Notifier>,
        address: Option<IpAddress>,
        port: u16,
    ) -> Result<Datagrams> {
        let charge = Charge::new(&paying(), RECEIVE + SEND)?;
        let mut packets = [
            filled(PacketMetadata::EMPTY, PACKETS)?,
            filled(PacketMetadata::EMPTY, PACKETS)?,
        ];
        let mut bytes = [filled(0, RECEIVE)?, filled(0, SEND)?];
        stack.reserve_socket()?;
        let ([receive_packets, send_packets], [receive, send]) = (&mut packets, &mut bytes);
        // SAFETY: the boxes go along with the socket, whose drop removes it
        // from the stack before they are freed; nobody else uses them.
        let (a, b, c, d) = unsafe {
            (
                lend(receive_packets),
                lend(receive),
                lend(send_packets),
                lend(send),
            )
        };
        let socket = stack.section(|stack| UdpSocket::new(stack, a, b, c, d));
        let mut datagrams = Datagrams {
            socket: ManuallyDrop::new(socket),
            stack,
            wakers: notifier.wakers()?,
            _packets: packets,
            _bytes: bytes,
            _charge: charge,
        };
        let socket = &mut datagrams.socket;
        let bound = stack.section(|_| {
            socket.bind(IpListenEndpoint {
                addr: address,
                port,
            })
        });
        bound.map_err(|_| Errno::EADDRNOTAVAIL)?;
        Ok(datagrams)
    }

    /// The stack it belongs to.
    pub fn stack(&self) -> &'static NetStack {
        self.stack
    }

    /// The next datagram. `EAGAIN`, with the waker armed; `ENOMEM`, which
    /// loses it.
    pub fn receive(&mut self) -> Result<Datagram> {
        let mut cx = Context::from_waker(&self.wakers.incoming);
        let socket = &mut self.socket;
        let copy = |bytes: &[u8], from| {
            let mut data = Vec::new();
            data.try_reserve_exact(bytes.len())
                .map_err(|_| Errno::ENOMEM)?;
            data.extend_from_slice(bytes);
            Ok(Datagram { from, data })
        };
        let taken = self.stack.section(|_| {
            pin!(socket.recv_from_with(|bytes, meta| copy(bytes, meta.endpoint))).poll(&mut cx)
        });
        match taken {
            Poll::Ready(datagram) => datagram,
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }

    /// Sends a datagram. `EAGAIN`, with the waker armed; `EMSGSIZE`,
    /// `ENETUNREACH`.
    pub fn send(&self, data: &[u8], to: IpEndpoint) -> Result<()> {
        let mut cx = Context::from_waker(&self.wakers.outgoing);
        match self
            .stack
            .section(|_| self.socket.poll_send_to(data, to, &mut cx))
        {
            Poll::Ready(Ok(())) => Ok(()),
            Poll::Ready(Err(SendError::PacketTooLarge)) => Err(Errno::EMSGSIZE),
            Poll::Ready(Err(_)) => Err(Errno::ENETUNREACH),
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }

    /// Whether there is room to send; the waker is armed if there is none.
    pub fn can_send(&self) -> bool {
        let mut cx = Context::from_waker(&self.wakers.outgoing);
        self.stack
            .section(|_| self.socket.poll_send_ready(&mut cx).is_ready())
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        let socket = &mut self.socket;
        // SAFETY: dropped here and nowhere else; in a section, as its drop
        // touches the stack.
        self.stack
            .section(|_| unsafe { ManuallyDrop::drop(socket) });
        self.stack.release_socket();
    }
}

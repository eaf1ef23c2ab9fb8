//! The loopback interface: what is sent comes back.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::{Context, Waker};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

/// Bytes of an IP packet.
const MTU: usize = 16384;
/// Packets on their way at once.
const QUEUE: usize = 64;

/// A driver that receives what it sends, on the IP medium. Used only inside
/// its stack's section, so it needs no lock of its own.
pub struct Loopback {
    packets: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
}

impl Loopback {
    /// A quiet interface.
    pub const fn new() -> Self {
        Loopback {
            packets: VecDeque::new(),
            waker: None,
        }
    }
}

/// A packet that came back.
pub struct Returned(Vec<u8>);

impl RxToken for Returned {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

/// Room for a packet.
pub struct Outgoing<'a>(&'a mut Loopback);

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut packet = Vec::new();
        if packet.try_reserve_exact(length).is_err() || self.0.packets.try_reserve(1).is_err() {
            // A packet lost for want of memory is a packet lost: TCP repeats
            // it. The small buffer only serves to go through the motions.
            let mut scratch = [0; 128];
            let end = length.min(scratch.len());
            return f(&mut scratch[..end]);
        }
        packet.resize(length, 0);
        let result = f(&mut packet);
        self.0.packets.push_back(packet);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
        result
    }
}

impl Driver for Loopback {
    type RxToken<'a> = Returned;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Returned, Outgoing<'_>)> {
        match self.packets.pop_front() {
            Some(packet) => Some((Returned(packet), Outgoing(self))),
            None => {
                self.waker = Some(cx.waker().clone());
                None
            }
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Outgoing<'_>> {
        if self.packets.len() >= QUEUE {
            self.waker = Some(cx.waker().clone());
            return None;
        }
        Some(Outgoing(self))
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

//! The loopback interface: what is sent comes back.

use crate::segment_size;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::{Context, Waker};
use embassy_net_driver::{
    Capabilities, Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken,
};
use paddock_abi::{Errno, Result};

/// Bytes of an IP packet: the most there can be.
const MTU: usize = 65535;
/// Bytes of a TCP segment.
///
/// Reno begins with a window of 2048 bytes. A receiver acknowledges at once
/// what is more than one segment, and a single segment after 10 ms. With
/// segments shorter than the first window a sender that waits has always sent
/// more than one: no transfer waits for the 10 ms.
const SEGMENT: u16 = 1960;
/// Packets on their way at once: two full windows and their answers.
const QUEUE: usize = 160;
/// The most bytes that wait in the queue.
const QUEUE_BYTES: usize = 512 << 10;

/// A driver that receives what it sends, on the IP medium. Used only inside
/// its stack's section, so it needs no lock of its own.
pub struct Loopback {
    packets: VecDeque<Vec<u8>>,
    /// Bytes of the packets.
    queued: usize,
    /// Written when there is no memory for a packet, which is then lost.
    scratch: Vec<u8>,
    waker: Option<Waker>,
    counts: Counts,
}

/// What went through an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Packets lost for want of memory.
    pub dropped: u64,
}

impl Loopback {
    /// A quiet interface. `ENOMEM`.
    pub fn new() -> Result<Self> {
        let mut scratch = Vec::new();
        scratch.try_reserve_exact(MTU).map_err(|_| Errno::ENOMEM)?;
        scratch.resize(MTU, 0);
        let mut packets = VecDeque::new();
        packets
            .try_reserve_exact(QUEUE + 1)
            .map_err(|_| Errno::ENOMEM)?;
        Ok(Loopback {
            packets,
            queued: 0,
            scratch,
            waker: None,
            counts: Counts::default(),
        })
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
        let interface = self.0;
        let mut packet = Vec::new();
        if packet.try_reserve_exact(length).is_err() {
            // Lost, like a packet on a wire: TCP sends it again.
            interface.counts.dropped += 1;
            return f(interface.scratch.get_mut(..length).unwrap_or_default());
        }
        packet.resize(length, 0);
        let result = f(&mut packet);
        segment_size::clamp(&mut packet, SEGMENT);
        interface.queued += length;
        interface.counts.packets += 1;
        interface.counts.bytes += length as u64;
        interface.packets.push_back(packet);
        if let Some(waker) = interface.waker.take() {
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
            Some(packet) => {
                self.queued -= packet.len();
                Some((Returned(packet), Outgoing(self)))
            }
            None => {
                self.waker = Some(cx.waker().clone());
                None
            }
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Outgoing<'_>> {
        if self.packets.len() >= QUEUE || self.queued >= QUEUE_BYTES {
            // The packets in the queue have woken the runner already, and
            // its next poll makes room.
            cx.waker().wake_by_ref();
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
        // Memory does not garble what is copied through it.
        capabilities.checksum.ipv4 = Checksum::None;
        capabilities.checksum.tcp = Checksum::None;
        capabilities.checksum.udp = Checksum::None;
        capabilities.checksum.icmpv4 = Checksum::None;
        capabilities.checksum.icmpv6 = Checksum::None;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

//! The loopback interface of embassy-net's stack: what is sent comes back,
//! unless it is for a program. Programs reach each other within
//! [`super::space`]; what they send to a service of the kernel comes in here.

use super::demux;
use crate::drivers::virtio::net::Traffic;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::{Context, Waker};
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Bytes of an IP packet.
const MTU: usize = 16384;
/// Packets on their way at once.
const QUEUE: usize = 64;

struct Queue {
    packets: VecDeque<Vec<u8>>,
    /// What has come in since the start.
    traffic: Traffic,
    waker: Option<Waker>,
}

/// Packets that are about to come in.
static QUEUE_IN: SpinLock<Queue, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Queue {
        packets: VecDeque::new(),
        traffic: Traffic {
            packets: 0,
            bytes: 0,
            lost: 0,
        },
        waker: None,
    },
);

/// Room for a packet. Nothing without memory: a packet that is lost is sent
/// again.
fn room(length: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    if packet.try_reserve_exact(length).is_ok() {
        packet.resize(length, 0);
    }
    packet
}

/// A packet comes in; one too many is lost.
fn push(packet: Vec<u8>) {
    let mut queue = QUEUE_IN.lock();
    if queue.packets.len() >= 2 * QUEUE || queue.packets.try_reserve(1).is_err() {
        queue.traffic.lost += 1;
        return;
    }
    queue.traffic.count(packet.len());
    queue.packets.push_back(packet);
    let waker = queue.waker.take();
    drop(queue);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// What has come in since the start.
pub fn traffic() -> Traffic {
    QUEUE_IN.lock().traffic
}

/// A packet of `length` bytes, which `fill` writes, comes in.
pub fn put(length: usize, fill: &mut dyn FnMut(&mut [u8])) {
    let mut packet = room(length);
    if packet.len() == length {
        fill(&mut packet);
        push(packet);
    }
}

/// A driver that receives what it sends, on the IP medium.
pub struct Loopback(());

impl Loopback {
    /// The interface. Once.
    pub const fn new() -> Self {
        Loopback(())
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
pub struct Outgoing(());

impl TxToken for Outgoing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut packet = room(length);
        if packet.len() < length {
            // The small buffer only serves to go through the motions.
            let mut scratch = [0; 128];
            let end = length.min(scratch.len());
            return f(&mut scratch[..end]);
        }
        let result = f(&mut packet);
        if !demux::on_looped(&packet) {
            push(packet);
        }
        result
    }
}

impl Driver for Loopback {
    type RxToken<'a> = Returned;
    type TxToken<'a> = Outgoing;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Returned, Outgoing)> {
        let mut queue = QUEUE_IN.lock();
        match queue.packets.pop_front() {
            Some(packet) => Some((Returned(packet), Outgoing(()))),
            None => {
                queue.waker = Some(cx.waker().clone());
                None
            }
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Outgoing> {
        let mut queue = QUEUE_IN.lock();
        if queue.packets.len() >= QUEUE {
            queue.waker = Some(cx.waker().clone());
            return None;
        }
        Some(Outgoing(()))
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

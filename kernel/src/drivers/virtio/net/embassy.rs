//! The card as embassy-net drives it: the frames that were left for it, and
//! room to send.

use super::frame::{Buffer, Frame};
use super::{BUFFER, Card, ETHERNET_HEADER, device};
use core::task::Context;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

/// A received frame.
pub struct Received(Option<Frame>);

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(frame) = self.0.take() {
            let mut device = device().lock();
            device.give_back(frame);
            device.tell_of_offers();
        }
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        match &mut self.0 {
            Some(frame) => f(frame.bytes_mut()),
            None => f(&mut []),
        }
    }
}

/// Room to send a frame.
pub struct Sendable {
    buffer: Option<Buffer>,
    header: usize,
}

impl Drop for Sendable {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            device().lock().keep(buffer);
        }
    }
}

impl TxToken for Sendable {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, length: usize, f: F) -> R {
        let Some(mut buffer) = self.buffer.take() else {
            return f(&mut []);
        };
        let end = (self.header + length).min(BUFFER);
        buffer[..self.header].fill(0);
        let result = f(&mut buffer[self.header..end]);
        device().lock().send(buffer, end);
        result
    }
}

impl Driver for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sendable;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Sendable)> {
        let mut device = device().lock();
        let header = device.header;
        if device.left.is_empty() {
            // The sorting may have ended before the ring was empty, by its limit
            // or for want of room: who finds no frame here waits for the next.
            let is_more = device.has_received(cx.waker());
            drop(device);
            if is_more {
                cx.waker().wake_by_ref();
            }
            return None;
        }
        let reply = device.sendable(cx.waker())?;
        let Some(frame) = device.left.pop_front() else {
            device.keep(reply);
            return None;
        };
        Some((
            Received(Some(frame)),
            Sendable {
                buffer: Some(reply),
                header,
            },
        ))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Sendable> {
        let mut device = device().lock();
        let header = device.header;
        let buffer = device.sendable(cx.waker())?;
        Some(Sendable {
            buffer: Some(buffer),
            header,
        })
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        // Without VIRTIO_NET_F_STATUS the link is taken to be up (5.1.4).
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = Card::MTU + ETHERNET_HEADER;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(device().lock().mac)
    }
}

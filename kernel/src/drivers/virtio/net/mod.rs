//! The network card (virtio 1.2, 5.1): full rings in both directions, sent
//! buffers taken back when there is need, everything else by interrupt.
//!
//! Frames that come are [sorted](Card::sort) first: those that nobody takes
//! there are embassy-net's, whose driver this is.

mod embassy;
mod traffic;
mod watch;

pub use traffic::Traffic;

use super::PaddockHal;
use super::transport::{self, DeviceType};
use crate::interrupts::{self, Handler};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::task::Waker;
use paddock_sync::{IrqOff, OnceCell, Rank, SpinLock, platform, try_box};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;
use watch::Interrupts;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const QUEUE_SIZE: usize = 64;
/// VIRTIO_NET_F_MAC.
const FEATURE_MAC: u64 = 1 << 5;
/// VIRTIO_F_VERSION_1.
const FEATURE_VERSION_1: u64 = 1 << 32;
/// Room for a header and the largest ethernet frame.
const BUFFER: usize = 2032;
const ETHERNET_HEADER: usize = 14;
/// Frames that may wait for embassy-net; they are not in the ring meanwhile.
const MOST_LEFT: usize = QUEUE_SIZE;
/// Frames that may wait for room in the ring.
const MOST_WAITING: usize = 1024;

type Buffer = Box<[u8; BUFFER]>;

struct Device {
    transport: MmioTransport<'static>,
    receive: VirtQueue<PaddockHal, QUEUE_SIZE>,
    transmit: VirtQueue<PaddockHal, QUEUE_SIZE>,
    /// Buffers that the device owns, by their token.
    receiving: [Option<Buffer>; QUEUE_SIZE],
    sending: [Option<(Buffer, usize)>; QUEUE_SIZE],
    /// Buffers for sending that are free.
    spare: Vec<Buffer>,
    /// Frames to be sent once there is room in the ring, with their length.
    waiting: VecDeque<(Buffer, usize)>,
    /// Frames for embassy-net, with their length.
    left: VecDeque<(Buffer, usize)>,
    header: usize,
    /// Frames that have come and gone.
    received: Traffic,
    sent: Traffic,
    mac: [u8; 6],
    waker: Option<Waker>,
    interrupts: Interrupts,
}

static DEVICE: OnceCell<SpinLock<Device, IrqOff>> = OnceCell::new();

/// The card, as embassy-net drives it.
#[derive(Debug)]
pub struct Card(());

/// Finds the card. Once, in a thread. `None` (and a log line) if there is none
/// or it does not work.
pub fn init() -> Option<Card> {
    let found = transport::take(DeviceType::Network)?;
    let Some(device) = start(found.transport, found.interrupt.number) else {
        log::error!("virtio-net: the device does not work");
        return None;
    };
    if DEVICE.set(SpinLock::new(Rank::NetDevice, device)).is_err() {
        return None;
    }
    let handler = Handler::new("virtio-net", on_interrupt).triggered(found.interrupt.trigger);
    if let Err(error) = interrupts::register(found.interrupt.number, handler) {
        log::error!("virtio-net: no interrupt: {error}");
        return None;
    }
    // A frame that came before has raised the line already: only once that is
    // acknowledged can the next one raise it again.
    on_interrupt();
    Some(Card(()))
}

fn start(mut transport: MmioTransport<'static>, interrupt: u32) -> Option<Device> {
    let features = super::begin(&mut transport, FEATURE_MAC | FEATURE_VERSION_1)?;
    let receive = VirtQueue::new(&mut transport, RECEIVE, false, false).ok()?;
    let transmit = VirtQueue::new(&mut transport, TRANSMIT, false, false).ok()?;
    let mut mac = [0; 6];
    for (index, byte) in mac.iter_mut().enumerate() {
        *byte = transport.read_config_space(index).ok()?;
    }
    transport.finish_init();
    let mut spare = Vec::new();
    spare.try_reserve_exact(QUEUE_SIZE).ok()?;
    for _ in 0..QUEUE_SIZE {
        spare.push(try_box([0; BUFFER]).ok()?);
    }
    let mut left = VecDeque::new();
    left.try_reserve_exact(MOST_LEFT).ok()?;
    let mut device = Device {
        transport,
        receive,
        transmit,
        receiving: [const { None }; QUEUE_SIZE],
        sending: [const { None }; QUEUE_SIZE],
        spare,
        waiting: VecDeque::new(),
        left,
        // The modern header has a count of buffers at its end.
        header: if features & FEATURE_VERSION_1 != 0 {
            12
        } else {
            10
        },
        received: Traffic::default(),
        sent: Traffic::default(),
        mac,
        waker: None,
        interrupts: Interrupts::new(interrupt),
    };
    for _ in 0..QUEUE_SIZE {
        device.offer(try_box([0; BUFFER]).ok()?);
    }
    Some(device)
}

fn device() -> &'static SpinLock<Device, IrqOff> {
    match DEVICE.get() {
        Some(device) => device,
        None => unreachable!("a card exists only once its device does"),
    }
}

fn on_interrupt() {
    let Some(device) = DEVICE.get() else {
        return;
    };
    let mut device = device.lock();
    device.transport.ack_interrupt();
    device.interrupts.came();
    let waker = device.waker.take();
    drop(device);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Device {
    /// Gives the device a buffer to receive into.
    fn offer(&mut self, mut buffer: Buffer) {
        let bytes: &mut [u8] = buffer.as_mut_slice();
        // SAFETY: the buffer is heap memory that is kept in `receiving`, and
        // not touched, until the device gives its token back.
        if let Ok(token) = unsafe { self.receive.add(&[], &mut [bytes]) } {
            self.receiving[usize::from(token)] = Some(buffer);
        }
        super::notify(&mut self.transport, &self.receive, RECEIVE);
    }

    /// A received frame: its buffer and how many bytes the device wrote.
    fn take_received(&mut self) -> Option<(Buffer, usize)> {
        let token = self.receive.peek_used()?;
        let mut buffer = self.receiving.get_mut(usize::from(token))?.take()?;
        let bytes: &mut [u8] = buffer.as_mut_slice();
        // SAFETY: this is the buffer that the token was given for.
        let length = unsafe { self.receive.pop_used(token, &[], &mut [bytes]) }.unwrap_or(0);
        Some((buffer, (length as usize).min(BUFFER)))
    }

    /// Takes sent buffers back.
    fn reclaim(&mut self) {
        while let Some(token) = self.transmit.peek_used() {
            let Some((buffer, length)) = self
                .sending
                .get_mut(usize::from(token))
                .and_then(Option::take)
            else {
                return;
            };
            // SAFETY: this is the buffer that the token was given for.
            let _ = unsafe { self.transmit.pop_used(token, &[&buffer[..length]], &mut []) };
            self.keep(buffer);
        }
    }

    /// Keeps a buffer for sending, as many as the ring has room for.
    fn keep(&mut self, buffer: Buffer) {
        if self.spare.len() < QUEUE_SIZE {
            self.spare.push(buffer);
        }
    }

    /// Sends what has waited for room.
    fn send_waiting(&mut self) {
        self.reclaim();
        while !self.waiting.is_empty() && self.transmit.available_desc() > 0 {
            if let Some((buffer, length)) = self.waiting.pop_front() {
                self.send(buffer, length);
            }
        }
    }

    /// Sends a frame behind those that wait; one too many is lost.
    fn send_in_turn(&mut self, buffer: Buffer, length: usize) {
        self.send_waiting();
        if self.waiting.is_empty() && self.transmit.available_desc() > 0 {
            self.send(buffer, length);
        } else if self.waiting.len() < MOST_WAITING && self.waiting.try_reserve(1).is_ok() {
            self.waiting.push_back((buffer, length));
        } else {
            self.sent.lost += 1;
        }
    }

    /// Whether a frame has come. If not, the waker is kept.
    fn has_received(&mut self, waker: &Waker) -> bool {
        if self.receive.peek_used().is_some() {
            return true;
        }
        self.interrupts.found_empty();
        self.waker = Some(waker.clone());
        // Looked at again: the interrupt may have come in between.
        self.receive.peek_used().is_some()
    }

    /// The next frame that has come. Without one the waker is kept.
    fn next_received(&mut self, waker: &Waker) -> Option<(Buffer, usize)> {
        if !self.has_received(waker) {
            return None;
        }
        self.interrupts.found_frame(platform::now());
        let (buffer, length) = self.take_received()?;
        self.received.count(length.saturating_sub(self.header));
        Some((buffer, length))
    }

    fn send(&mut self, buffer: Buffer, length: usize) {
        // SAFETY: the buffer is kept in `sending`, and not touched, until the
        // device gives its token back.
        match unsafe { self.transmit.add(&[&buffer[..length]], &mut []) } {
            Ok(token) => {
                self.sent.count(length.saturating_sub(self.header));
                self.sending[usize::from(token)] = Some((buffer, length));
            }
            Err(_) => self.keep(buffer),
        }
        super::notify(&mut self.transport, &self.transmit, TRANSMIT);
    }

    /// A buffer to send from; without one the waker is kept.
    fn sendable(&mut self, waker: &Waker) -> Option<Buffer> {
        self.send_waiting();
        let buffer = if self.transmit.available_desc() > 0 {
            self.spare.pop()
        } else {
            None
        };
        if buffer.is_none() {
            self.waker = Some(waker.clone());
        }
        buffer
    }
}

/// What becomes of a frame that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was dealt with.
    Taken,
    /// It is for embassy-net.
    Leave,
}

/// Frames that are sorted before others have their turn.
const SORTED_AT_ONCE: usize = QUEUE_SIZE;

impl Card {
    /// Bytes of the largest IP packet.
    pub const MTU: usize = 1500;

    /// Has frames that have come sorted, outside of every section, and sends
    /// what has waited. Then it is embassy-net's turn, whose last look keeps the
    /// waker, or calls it if there are more.
    pub fn sort(waker: &Waker, mut sorter: impl FnMut(&[u8]) -> Verdict) {
        device().lock().send_waiting();
        for _ in 0..SORTED_AT_ONCE {
            let mut device = device().lock();
            let header = device.header;
            if device.left.len() >= MOST_LEFT {
                // The rest waits in the ring until embassy-net takes some.
                return;
            }
            let Some((buffer, length)) = device.next_received(waker) else {
                return;
            };
            drop(device);
            let end = length.max(header);
            let verdict = sorter(&buffer[header..end]);
            let mut device = self::device().lock();
            match verdict {
                Verdict::Taken => device.offer(buffer),
                // There was room before it was taken.
                Verdict::Leave => device.left.push_back((buffer, length)),
            }
        }
    }

    /// Sends a frame of `length` bytes, which `fill` writes, or has it wait
    /// for room. One that there is no memory for is lost. Any context but an
    /// interrupt.
    pub fn send_frame(length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        let Some(device) = DEVICE.get() else {
            return;
        };
        let mut locked = device.lock();
        let (header, spare) = (locked.header, locked.spare.pop());
        drop(locked);
        let buffer = spare.map_or_else(|| try_box([0; BUFFER]), Ok);
        let end = header + length;
        let Some(mut buffer) = buffer.ok().filter(|_| end <= BUFFER) else {
            return;
        };
        buffer[..header].fill(0);
        fill(&mut buffer[header..end]);
        let mut locked = device.lock();
        locked.send_in_turn(buffer, end);
        // An answer whose interrupt is missing is found by the next frame.
        let waker = match locked.receive.peek_used() {
            Some(_) => locked.waker.take(),
            None => None,
        };
        drop(locked);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Frames that have come and gone, if there is a card.
    pub fn traffic() -> Option<(Traffic, Traffic)> {
        let device = DEVICE.get()?.lock();
        Some((device.received, device.sent))
    }

    /// The card's own address.
    pub fn hardware() -> [u8; 6] {
        device().lock().mac
    }
}

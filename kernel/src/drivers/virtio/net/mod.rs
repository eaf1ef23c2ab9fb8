//! The network card (virtio 1.2, 5.1): full rings in both directions, sent
//! buffers taken back when there is need, everything else by interrupt.
//!
//! Frames that come are [sorted](Card::sort) first: those that nobody takes
//! there are embassy-net's, whose driver this is.

mod embassy;
mod frame;
mod header;
mod sort;
mod traffic;
mod watch;

pub use sort::Verdict;
pub use traffic::Traffic;

use super::PaddockHal;
use super::transport::{self, DeviceType};
use crate::interrupts::{self, Handler};
use crate::memory::frames;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};
use core::task::Waker;
use frame::{Buffer, Frame, Held, buffer};
use header::Features;
use paddock_inet::{Offloads, Unfinished};
use paddock_sync::{IrqOff, OnceCell, Rank, SpinLock, platform};
use virtio_drivers::PAGE_SIZE;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;
use watch::Interrupts;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const QUEUE_SIZE: usize = 64;
/// Buffers to receive into, on the smallest machine.
const LEAST_OFFERED: usize = 16;
/// Room for a header and the largest ethernet frame.
const BUFFER: usize = 2032;
/// Room for a part of one that is larger than the wire's.
const PART: usize = 4096;
/// Room for a header and the largest frame that the card cuts.
const LARGE: usize = 32 << 10;
/// Of those so many are kept.
const LARGE_KEPT: usize = 4;
/// Buffers for sending that are kept: as many as wait for the card at once, but in a
/// burst.
const SPARE: usize = 16;
/// The largest frame that comes: an IP packet, and both headers.
const LARGEST: usize = 65_535 + ETHERNET_HEADER + 12;
const ETHERNET_HEADER: usize = 14;
/// Frames that may wait for embassy-net; they are not in the ring meanwhile. Of
/// those that came in several buffers so many.
const MOST_LEFT: usize = QUEUE_SIZE;
const LARGE_LEFT: usize = 4;
/// Bytes of buffers that may wait for room in the ring.
const MOST_WAITING: usize = 1024 * BUFFER;

struct Device {
    transport: MmioTransport<'static>,
    receive: VirtQueue<PaddockHal, QUEUE_SIZE>,
    transmit: VirtQueue<PaddockHal, QUEUE_SIZE>,
    /// Buffers that the device owns, by their token.
    receiving: [Option<Buffer>; QUEUE_SIZE],
    sending: [Option<(Buffer, usize)>; QUEUE_SIZE],
    /// Buffers for sending that are free, and large ones.
    spare: Vec<Buffer>,
    large: Vec<Buffer>,
    /// Frames to be sent once there is room in the ring, with their length; and
    /// how much memory they hold.
    waiting: VecDeque<(Buffer, usize)>,
    waiting_bytes: usize,
    /// Frames for embassy-net.
    left: VecDeque<Frame>,
    /// Memory for a frame that comes in several buffers, unless it is in use.
    gathered: Vec<u8>,
    features: Features,
    header: usize,
    /// Frames that have come and gone.
    received: Traffic,
    sent: Traffic,
    mac: [u8; 6],
    waker: Option<Waker>,
    /// Somebody waits for room in the ring of what is sent.
    is_room_wanted: bool,
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
    let choose = |offered| Features::of(offered).bits();
    let features = Features::of(super::begin(&mut transport, choose)?);
    let receive = VirtQueue::new(&mut transport, RECEIVE, false, false).ok()?;
    let transmit = VirtQueue::new(&mut transport, TRANSMIT, false, false).ok()?;
    let mut mac = [0; 6];
    for (index, byte) in mac.iter_mut().enumerate() {
        *byte = transport.read_config_space(index).ok()?;
    }
    transport.finish_init();
    let mut spare = Vec::new();
    spare.try_reserve_exact(SPARE).ok()?;
    for _ in 0..SPARE {
        spare.push(buffer(BUFFER)?);
    }
    let mut large = Vec::new();
    large.try_reserve_exact(LARGE_KEPT).ok()?;
    let mut left = VecDeque::new();
    left.try_reserve_exact(MOST_LEFT).ok()?;
    let mut device = Device {
        transport,
        receive,
        transmit,
        receiving: [const { None }; QUEUE_SIZE],
        sending: [const { None }; QUEUE_SIZE],
        spare,
        large,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        left,
        gathered: Vec::new(),
        features,
        header: features.header(),
        received: Traffic::default(),
        sent: Traffic::default(),
        mac,
        waker: None,
        is_room_wanted: false,
        interrupts: Interrupts::new(interrupt),
    };
    device.transmit.set_dev_notify(false);
    let size = match features.is_merged() {
        true => PART,
        false => BUFFER,
    };
    // A burst is worth a hundredth of memory.
    let affordable = frames::total() * PAGE_SIZE / 100 / size;
    for _ in 0..affordable.clamp(LEAST_OFFERED, QUEUE_SIZE) {
        device.offer(buffer(size)?);
    }
    device.tell_of_offers();
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
    // All that comes from now on is found before the ring is found empty.
    device.receive.set_dev_notify(false);
    device.is_room_wanted = false;
    let waker = device.waker.take();
    drop(device);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Device {
    /// Gives the device a buffer to receive into; [`Self::tell_of_offers`] is to
    /// follow.
    fn offer(&mut self, mut buffer: Buffer) {
        let bytes: &mut [u8] = &mut buffer;
        // SAFETY: the buffer is heap memory that is kept in `receiving`, and
        // not touched, until the device gives its token back.
        if let Ok(token) = unsafe { self.receive.add(&[], &mut [bytes]) } {
            self.receiving[usize::from(token)] = Some(buffer);
        }
    }

    /// Tells the device of buffers to receive into, if it waits for some: of all that
    /// there are at once, since it may wait again as soon as it has used the first.
    fn tell_of_offers(&mut self) {
        super::notify(&mut self.transport, &self.receive, RECEIVE);
    }

    /// A buffer with what was received, and how many bytes the device wrote.
    fn take_received(&mut self) -> Option<(Buffer, usize)> {
        let token = self.receive.peek_used()?;
        let mut buffer = self.receiving.get_mut(usize::from(token))?.take()?;
        let bytes: &mut [u8] = &mut buffer;
        // SAFETY: this is the buffer that the token was given for.
        let length = unsafe { self.receive.pop_used(token, &[], &mut [bytes]) }.unwrap_or(0);
        let length = (length as usize).min(buffer.len());
        Some((buffer, length))
    }

    /// A frame that begins with such a buffer. `None` if there is no memory for one
    /// in several, or not all of them have come.
    fn whole(&mut self, first: Buffer, length: usize) -> Option<Frame> {
        let count = match self.features.is_merged() && length >= self.header {
            true => header::buffers(&first[..self.header]),
            false => 1,
        };
        let held = match count {
            0 | 1 => Held::Buffer(first, length),
            _ => Held::Gathered(self.gather(first, length, count - 1)?),
        };
        Some(Frame::new(held, self.header))
    }

    /// Copies what is in a buffer and in so many that come next, and offers them
    /// again.
    fn gather(&mut self, first: Buffer, length: usize, more: usize) -> Option<Vec<u8>> {
        let mut whole = core::mem::take(&mut self.gathered);
        whole.clear();
        let mut fits = whole.try_reserve_exact(LARGEST).is_ok();
        let mut next = Some((first, length));
        for rest in (0..=more).rev() {
            let (part, length) = next.take()?;
            fits = fits && whole.len() + length <= LARGEST;
            if fits {
                whole.extend_from_slice(&part[..length]);
            }
            self.offer(part);
            if rest != 0 {
                next = self.take_received();
            }
        }
        self.tell_of_offers();
        fits.then_some(whole)
    }

    /// Leaves a frame to embassy-net: there was room before it was taken, but for
    /// large ones. [`Self::tell_of_offers`] is to follow.
    fn leave(&mut self, frame: Frame) {
        let large = || self.left.iter().filter(|frame| frame.is_gathered()).count();
        if frame.is_gathered() && large() >= LARGE_LEFT {
            self.received.lost += 1;
            self.give_back(frame);
        } else {
            self.left.push_back(frame);
        }
    }

    /// Takes a frame's memory back; [`Self::tell_of_offers`] is to follow.
    fn give_back(&mut self, frame: Frame) {
        match frame.into_held() {
            Held::Buffer(buffer, _) => self.offer(buffer),
            Held::Gathered(bytes) => self.gathered = bytes,
        }
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

    /// Keeps a buffer for sending, unless enough are kept.
    fn keep(&mut self, buffer: Buffer) {
        let (kept, most) = match buffer.len() {
            BUFFER => (&mut self.spare, SPARE),
            _ => (&mut self.large, LARGE_KEPT),
        };
        if kept.len() < most {
            kept.push(buffer);
        }
    }

    /// Sends what has waited for room, and has the device tell of more if that
    /// is not enough.
    fn send_waiting(&mut self) {
        self.send_while_there_is_room();
        if !self.waiting.is_empty() {
            self.want_room();
            self.send_while_there_is_room();
        }
        if self.waiting.is_empty() && !self.is_room_wanted {
            self.transmit.set_dev_notify(false);
        }
    }

    fn send_while_there_is_room(&mut self) {
        self.reclaim();
        while !self.waiting.is_empty() && self.transmit.available_desc() > 0 {
            if let Some((buffer, length)) = self.waiting.pop_front() {
                self.waiting_bytes -= buffer.len();
                self.send(buffer, length);
            }
        }
    }

    /// Has the device tell of what it has sent. There may be some already.
    fn want_room(&mut self) {
        self.transmit.set_dev_notify(true);
        // The wish is visible before the ring is looked at again.
        fence(Ordering::SeqCst);
    }

    /// Sends a frame behind those that wait; one too many is lost.
    fn send_in_turn(&mut self, buffer: Buffer, length: usize) {
        self.send_waiting();
        if self.waiting.is_empty() && self.transmit.available_desc() > 0 {
            self.send(buffer, length);
        } else if self.waiting_bytes + buffer.len() <= MOST_WAITING
            && self.waiting.try_reserve(1).is_ok()
        {
            self.waiting_bytes += buffer.len();
            self.waiting.push_back((buffer, length));
        } else {
            self.sent.lost += 1;
        }
    }

    /// Whether a frame has come. If not, the waker is kept, and the device tells
    /// of the next.
    fn has_received(&mut self, waker: &Waker) -> bool {
        if self.receive.peek_used().is_some() {
            return true;
        }
        self.waker = Some(waker.clone());
        self.receive.set_dev_notify(true);
        // The wish is visible before the ring is looked at again: of what came
        // before it nobody tells.
        fence(Ordering::SeqCst);
        if self.receive.peek_used().is_some() {
            self.receive.set_dev_notify(false);
            return true;
        }
        self.interrupts.found_empty();
        false
    }

    /// The next frame that has come. Without one the waker is kept.
    fn next_received(&mut self, waker: &Waker) -> Option<Result<Frame, Lost>> {
        if !self.has_received(waker) {
            return None;
        }
        self.interrupts.found_frame(platform::now());
        let (buffer, length) = self.take_received()?;
        let Some(frame) = self.whole(buffer, length) else {
            self.received.lost += 1;
            return Some(Err(Lost));
        };
        self.received.count(frame.bytes().len());
        Some(Ok(frame))
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
        if self.transmit.available_desc() == 0 {
            self.want_room();
            self.reclaim();
        }
        let buffer = if self.transmit.available_desc() > 0 {
            self.spare.pop().or_else(|| buffer(BUFFER))
        } else {
            None
        };
        if buffer.is_none() {
            self.want_room();
            self.is_room_wanted = true;
            self.waker = Some(waker.clone());
        }
        buffer
    }
}

/// A frame has come that there was no memory for.
struct Lost;

impl Card {
    /// Bytes of the largest IP packet.
    pub const MTU: usize = 1500;

    /// Sends a frame of `length` bytes, which `fill` writes and the card is to
    /// finish, or has it wait for room. One that there is no memory for is lost.
    /// Any context but an interrupt.
    pub fn send_frame(
        length: usize,
        unfinished: Option<Unfinished>,
        fill: &mut dyn FnMut(&mut [u8]),
    ) {
        let Some(device) = DEVICE.get() else {
            return;
        };
        let mut locked = device.lock();
        let header = locked.header;
        let end = header + length;
        let (kept, size) = match end <= BUFFER {
            true => (&mut locked.spare, BUFFER),
            false => (&mut locked.large, LARGE),
        };
        let kept = kept.pop();
        drop(locked);
        let found = kept.or_else(|| buffer(size));
        let Some(mut buffer) = found.filter(|buffer| end <= buffer.len()) else {
            device.lock().sent.lost += 1;
            return;
        };
        header::write(&mut buffer[..header], unfinished);
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

    /// What the card does to frames in place of the stack.
    pub fn offloads() -> Offloads {
        let device = device().lock();
        device.features.offloads(LARGE - device.header)
    }

    /// The card's own address.
    pub fn hardware() -> [u8; 6] {
        device().lock().mac
    }
}

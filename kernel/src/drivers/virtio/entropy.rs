//! The entropy device (virtio 1.2, 5.4): asked once at the start and again
//! when the generator wants more; each answer comes by interrupt.

use super::PaddockHal;
use super::transport::{self, DeviceType};
use crate::interrupts::{self, Handler};
use crate::random;
use alloc::boxed::Box;
use paddock_sync::{Deadline, IrqOff, OnceCell, Rank, SpinLock, WaitQueue, try_box};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;

const QUEUE: u16 = 0;
const QUEUE_SIZE: usize = 4;
/// VIRTIO_F_VERSION_1.
const FEATURES: u64 = 1 << 32;
const BYTES: usize = 64;

struct Device {
    transport: MmioTransport<'static>,
    queue: VirtQueue<PaddockHal, QUEUE_SIZE>,
    /// The device's while `token` is set.
    buffer: Box<[u8; BYTES]>,
    token: Option<u16>,
    /// Whether it has ever answered by interrupt.
    answered: bool,
}

static DEVICE: OnceCell<SpinLock<Device, IrqOff>> = OnceCell::new();
static ANSWERED: WaitQueue = WaitQueue::new();

/// Finds the device and asks it for a first seed. Once, in a thread.
pub fn init() {
    let Some(found) = transport::take(DeviceType::EntropySource) else {
        return;
    };
    let Some(device) = start(found.transport) else {
        log::warn!("virtio-rng: the device does not work");
        return;
    };
    let _ = DEVICE.set(SpinLock::new(Rank::Virtio, device));
    random::set_device(random::Device { request, wait });
    let handler = Handler::new("virtio-rng", on_interrupt).triggered(found.interrupt.trigger);
    if let Err(error) = interrupts::register(found.interrupt.number, handler) {
        log::warn!("virtio-rng: no interrupt: {error}");
        return;
    }
    request();
}

fn start(mut transport: MmioTransport<'static>) -> Option<Device> {
    super::begin(&mut transport, |offered| offered & FEATURES)?;
    let queue = VirtQueue::new(&mut transport, QUEUE, false, false).ok()?;
    transport.finish_init();
    Some(Device {
        transport,
        queue,
        buffer: try_box([0; BYTES]).ok()?,
        token: None,
        answered: false,
    })
}

/// Asks for entropy, unless an answer is on its way. Any context; does not
/// wait.
fn request() {
    let Some(device) = DEVICE.get() else {
        return;
    };
    let mut guard = device.lock();
    let device = &mut *guard;
    if device.token.is_some() {
        if device.queue.can_pop() {
            log::error!("virtio-rng: the device answers, but its interrupt never fires");
        }
        return;
    }
    let output: &mut [u8] = device.buffer.as_mut_slice();
    // SAFETY: the buffer is heap memory of this device's for good, and is not
    // touched until the answer with this token is taken.
    device.token = unsafe { device.queue.add(&[], &mut [output]) }.ok();
    super::notify(&mut device.transport, &device.queue, QUEUE);
}

fn on_interrupt() {
    let Some(device) = DEVICE.get() else {
        return;
    };
    let mut seed = [0; BYTES];
    let length = device.lock().take_answer(&mut seed);
    if let Some(seed) = seed.get(..length).filter(|seed| !seed.is_empty()) {
        random::add_entropy(seed);
    }
    ANSWERED.wake_all();
}

impl Device {
    /// Copies the answer out, if there is one; its length.
    fn take_answer(&mut self, seed: &mut [u8; BYTES]) -> usize {
        self.transport.ack_interrupt();
        let Some(token) = self.token else {
            return 0;
        };
        let output: &mut [u8] = self.buffer.as_mut_slice();
        // SAFETY: this is the buffer that the token was given for.
        let answer = unsafe { self.queue.pop_used(token, &[], &mut [output]) };
        let Ok(length) = answer else {
            return 0;
        };
        self.token = None;
        self.answered = true;
        *seed = core::mem::replace(&mut *self.buffer, [0; BYTES]);
        (length as usize).min(BYTES)
    }
}

/// Waits for the device's first answer, at most until `deadline`. In a
/// thread; sleeps.
fn wait(deadline: Deadline) {
    let Some(device) = DEVICE.get() else {
        return;
    };
    let answered = || device.lock().answered.then_some(());
    if ANSWERED.wait_deadline(deadline, answered).is_ok() {
        return;
    }
    log::warn!("virtio-rng: no answer yet");
    // Reports the cause if it is an interrupt that never fires.
    request();
}

//! The kernel's random generator: ChaCha20, seeded from the boot loader and
//! the entropy device, its key replaced after every use so that what was
//! given out cannot be found again.

use crate::arch::timers;
use crate::machine::Machine;
use crate::schedule_fuzz;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_sync::{Deadline, IrqOff, OnceCell, Rank, SpinLock};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const KEY: usize = 32;
/// Bytes given out between two looks at the lock.
const CHUNK: usize = 512;
/// How old the device's last contribution may become, in nanoseconds.
const RESEED_NS: u64 = 300_000_000_000;
/// How long the start waits for the entropy device, in nanoseconds.
const FIRST_SEED_NS: u64 = 1_000_000_000;
/// Timer readings mixed in where there is no better source.
const JITTER_ROUNDS: usize = 1024;

/// A source of entropy, which answers with [`add_entropy`].
#[derive(Debug)]
pub struct Device {
    /// Asks for more. Any context; does not wait.
    pub request: fn(),
    /// Waits for the first answer, until a deadline. Thread context; sleeps.
    pub wait: fn(Deadline),
}

static KEY_STATE: SpinLock<[u8; KEY], IrqOff> = SpinLock::new(Rank::Random, [0; KEY]);
/// What the driver has found.
static DEVICE: OnceCell<Device> = OnceCell::new();
static SEEDED: AtomicBool = AtomicBool::new(false);
static LAST_SEED: AtomicU64 = AtomicU64::new(0);

/// The machine has this source. Once, before [`init`].
pub fn set_device(device: Device) {
    // A second one would be as good; the first one stays.
    let _ = DEVICE.set(device);
}

/// Seeds the generator. Once, in a thread, after the entropy device was
/// looked for; may sleep.
pub fn init(machine: &Machine) {
    if !machine.rng_seed.is_empty() {
        mix(machine.rng_seed);
        SEEDED.store(true, Relaxed);
    }
    if let Some(seed) = schedule_fuzz::seed() {
        add_entropy(&seed.to_le_bytes());
    } else if DEVICE.get().is_none() {
        log::warn!("random: no entropy device; attach a virtio-rng device for a stronger seed");
    }
    if !is_seeded()
        && let Some(device) = DEVICE.get()
    {
        (device.wait)(timers::now() + FIRST_SEED_NS);
    }
    if !is_seeded() {
        jitter();
        log::warn!(
            "random: no entropy device and no seed from the boot loader; \
             keys made now rest on timer jitter and can be guessed"
        );
    }
}

/// Whether a real source has been mixed in.
pub fn is_seeded() -> bool {
    SEEDED.load(Relaxed)
}

/// Mixes bytes of a real source in. Any context.
pub fn add_entropy(bytes: &[u8]) {
    mix(bytes);
    LAST_SEED.store(timers::now(), Relaxed);
    SEEDED.store(true, Relaxed);
}

fn mix(bytes: &[u8]) {
    for chunk in bytes.chunks(KEY) {
        let mut key = KEY_STATE.lock();
        *key = next_key(*key);
        for (to, from) in key.iter_mut().zip(chunk) {
            *to ^= from;
        }
        *key = next_key(*key);
    }
}

fn next_key(key: [u8; KEY]) -> [u8; KEY] {
    let mut next = [0; KEY];
    ChaCha20Rng::from_seed(key).fill_bytes(&mut next);
    next
}

fn jitter() {
    for _ in 0..JITTER_ROUNDS / 4 {
        let mut readings = [0; KEY];
        for reading in readings.chunks_exact_mut(8) {
            reading.copy_from_slice(&timers::now().to_le_bytes());
        }
        mix(&readings);
    }
}

/// Fills `buffer` with random bytes. Any context.
pub fn fill(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(CHUNK) {
        let mut state = KEY_STATE.lock();
        let mut generator = ChaCha20Rng::from_seed(*state);
        generator.fill_bytes(&mut *state);
        drop(state);
        generator.fill_bytes(chunk);
    }
    reseed_when_due();
}

/// The `getrandom` crate's source, for crates that want their own numbers.
///
/// # Safety
/// `start` is valid for writes of `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    start: *mut u8,
    length: usize,
) -> core::result::Result<(), getrandom::Error> {
    // SAFETY: the caller's promise; zeroed first, so that it is initialised.
    let buffer = unsafe {
        start.write_bytes(0, length);
        core::slice::from_raw_parts_mut(start, length)
    };
    fill(buffer);
    Ok(())
}

/// A random number. Any context.
pub fn next_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// Asks the device for more now and then; its answer comes by interrupt.
fn reseed_when_due() {
    let last = LAST_SEED.load(Relaxed);
    let now = timers::now();
    if let Some(device) = DEVICE.get()
        && last != 0
        && now.saturating_sub(last) > RESEED_NS
        && LAST_SEED
            .compare_exchange(last, now, Relaxed, Relaxed)
            .is_ok()
    {
        (device.request)();
    }
}

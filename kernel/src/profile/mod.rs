//! The profiler: where every CPU is, many times a second, with the stacks of the
//! kernel and of programs.
//!
//! The scheduler's timer of each CPU hands over what it has interrupted, with
//! interrupts masked too where it comes as FIQ; otherwise such a section is charged
//! to where it ends. The sample goes into the CPU's ring. A thread counts equal
//! stacks; so does whoever ends a process or its program, while it is known which
//! files its addresses belong to.

mod sample;

use crate::cpus::{self, MAX_CPUS};
use crate::process::{self, Process, UserThread};
use crate::symbols;
use crate::thread;
use alloc::string::ToString;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_profile::{Frame, Name, Profile, Ring, Sample};
use paddock_sync::{Mutex, OnceCell, Rank};

/// Samples a second that are taken if nothing else is said: no divisor of what
/// programs do ten or a hundred times a second.
pub const DEFAULT_RATE: u32 = 997;
/// The most samples a second.
pub const MAX_RATE: u32 = 10_000;

/// Words of a CPU's ring: some 250 samples of the deepest stacks.
const RING_WORDS: usize = 16 << 10;
/// After so many samples the rings are emptied, or sooner.
const SAMPLES_BETWEEN: u64 = 100;
const LONGEST_BETWEEN_MS: u64 = 50;

/// Made when the profiler is first started, and kept: an interrupt may be using them.
static RINGS: [OnceCell<Ring>; MAX_CPUS] = [const { OnceCell::new() }; MAX_CPUS];
static PROFILE: Mutex<Option<Profile>> = Mutex::new(Rank::Profile, None);
/// Samples a second; zero if it does not run.
static RATE: AtomicU32 = AtomicU32::new(0);
/// Counts starts and stops, so that the thread of a run knows when that is over.
static RUNS: AtomicU32 = AtomicU32::new(0);

/// Joins it to the scheduler's timer and to the end of processes. Once, at boot.
pub fn init() {
    thread::set_sampler(sample::take);
    process::memory::observe_end(before_memory_goes);
}

/// Forgets what was counted and takes `rate` samples a second of each CPU that is not
/// idle. May sleep.
///
/// # Errors
/// `EINVAL` for a rate of 0 or above [`MAX_RATE`], `ENOMEM`, `EBUSY` if it runs.
pub fn start(rate: u32) -> Result<()> {
    if rate == 0 || rate > MAX_RATE {
        return Err(Errno::EINVAL);
    }
    let mut profile = PROFILE.lock();
    if RATE.load(Relaxed) != 0 {
        return Err(Errno::EBUSY);
    }
    for ring in &RINGS[..cpus::online()] {
        if ring.get().is_none() {
            let made = Ring::new(RING_WORDS).ok_or(Errno::ENOMEM)?;
            // Nobody else sets it: this is under the lock.
            let _ = ring.set(made);
        }
    }
    let fresh = Profile::new().ok_or(Errno::ENOMEM)?;
    discard();
    let between = (SAMPLES_BETWEEN * 1000 / u64::from(rate)).clamp(1, LONGEST_BETWEEN_MS);
    let run = RUNS.fetch_add(1, Relaxed) + 1;
    thread::spawn("profiler", move || empty_rings(run, between))?;
    *profile = Some(fresh);
    RATE.store(rate, Relaxed);
    thread::set_sample_period(1_000_000_000 / u64::from(rate));
    Ok(())
}

/// Forgets what is left of an earlier run.
fn discard() {
    for ring in RINGS.iter().filter_map(OnceCell::get) {
        while ring.take().is_some() {}
        ring.take_lost();
    }
}

/// Takes no more samples. What was counted stays until the next start. May sleep.
pub fn stop() {
    let mut profile = PROFILE.lock();
    thread::set_sample_period(0);
    if let Some(profile) = &mut *profile {
        drain(profile, None);
    }
    RATE.store(0, Relaxed);
    RUNS.fetch_add(1, Relaxed);
}

/// Writes the stacks that were counted so far, folded. May sleep.
///
/// # Errors
/// Those of `out`.
pub fn fold(out: &mut impl fmt::Write) -> fmt::Result {
    let mut profile = PROFILE.lock();
    let Some(profile) = &mut *profile else {
        return Ok(());
    };
    drain(profile, None);
    profile.fold(out, |address| symbols::function_at(address as usize))
}

/// Counts what is in the rings now and then, until this run is over.
fn empty_rings(run: u32, between: u64) {
    while RUNS.load(Relaxed) == run {
        thread::sleep_ms(between);
        if let Some(profile) = &mut *PROFILE.lock() {
            drain(profile, None);
        }
    }
}

fn before_memory_goes(process: &Process, thread: &UserThread) {
    if RATE.load(Relaxed) == 0 {
        return;
    }
    if let Some(profile) = &mut *PROFILE.lock() {
        drain(profile, Some((process, &thread.name())));
    }
}

/// Counts what is in the rings. A process that is `known` need not be in the table.
fn drain(profile: &mut Profile, known: Option<(&Process, &str)>) {
    for ring in RINGS.iter().filter_map(OnceCell::get) {
        while let Some(sample) = ring.take() {
            match known.filter(|(process, _)| process.pid == sample.pid) {
                Some((process, name)) => count(profile, &sample, Some(process), name),
                None => count_by_number(profile, &sample),
            }
        }
        profile.add_lost(ring.take_lost());
    }
}

fn count_by_number(profile: &mut Profile, sample: &Sample) {
    if sample.pid == 0 {
        return count(profile, sample, None, "[kernel]");
    }
    let process = process::tree().lock().get(sample.pid);
    let thread = process
        .as_ref()
        .and_then(|process| process.threads.lock().first().cloned());
    let name = thread.map_or_else(|| "[ended]".to_string(), |thread| thread.name());
    count(profile, sample, process.as_deref(), &name);
}

fn count(profile: &mut Profile, sample: &Sample, process: Option<&Process>, name: &str) {
    let program = profile.name(name);
    let mut user = [const { Frame::Kernel(0) }; paddock_profile::MAX_FRAMES];
    let user = &mut user[..sample.user().len()];
    for (frame, &address) in user.iter_mut().zip(sample.user()) {
        *frame = locate(profile, process, address);
    }
    let kernel = sample
        .kernel()
        .iter()
        .map(|&address| Frame::Kernel(address));
    profile.add(program, user.iter().copied().rev().chain(kernel.rev()));
}

/// The file and offset that `address` of a program belongs to.
fn locate(profile: &mut Profile, process: Option<&Process>, address: u64) -> Frame {
    let memory = process.and_then(|process| process.memory().ok());
    let found = memory.and_then(|memory| {
        let space = memory.space.lock();
        let (name, offset) = space.locate(address)?;
        Some((name.to_string(), offset))
    });
    match found {
        Some((name, offset)) => Frame::User(profile.name(file_or_memory(&name)), offset),
        None => Frame::User(Name::UNKNOWN, address),
    }
}

fn file_or_memory(name: &str) -> &str {
    match name {
        "" => "[anonymous]",
        name => name,
    }
}

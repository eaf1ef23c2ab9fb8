//! The back-trace of a thread that runs on another CPU, which is asked for it
//! by an interrupt.

use super::of_current;
use crate::cpus::{self, Ipi, MAX_CPUS};
use crate::thread::{self, Thread};
use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use paddock_watchdog::{MAX_FRAMES, Place};

/// How long (ns) an answer is waited for.
const PATIENCE_NS: u64 = 20_000_000;

/// In an encoded place: code was interrupted there. Instructions are aligned,
/// so the bit is free.
const INTERRUPTED: usize = 1;

/// Where a CPU answers.
struct Answer {
    /// The number of the last question to this CPU, and of the last answer.
    asked: AtomicU64,
    answered: AtomicU64,
    /// Who ran there.
    thread: AtomicPtr<Thread>,
    places: [AtomicUsize; MAX_FRAMES],
}

static ANSWERS: [Answer; MAX_CPUS] = [const {
    Answer {
        asked: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        thread: AtomicPtr::new(ptr::null_mut()),
        places: [const { AtomicUsize::new(0) }; MAX_FRAMES],
    }
}; MAX_CPUS];

/// The CPU did not answer, or another thread runs there by now.
#[derive(Debug)]
pub struct Silence;

/// Asks the CPU that `thread` runs on where it is. Waits for the answer, for
/// some milliseconds at most. Any context; what two callers ask of one CPU at
/// once may be mixed.
pub fn ask(thread: &Thread) -> Result<impl Iterator<Item = Place> + use<>, Silence> {
    let cpu = thread.cpu();
    let answer = ANSWERS.get(cpu).ok_or(Silence)?;
    let number = answer.asked.fetch_add(1, Release) + 1;
    cpus::send(cpu, Ipi::Report);
    let deadline = crate::time::now() + PATIENCE_NS;
    while answer.answered.load(Acquire) < number {
        if crate::time::now() > deadline {
            return Err(Silence);
        }
        crate::arch::cpu::relax();
    }
    if !ptr::eq(answer.thread.load(Relaxed), thread) {
        return Err(Silence);
    }
    let words = answer.places.iter().map(|word| word.load(Relaxed));
    Ok(words.take_while(|&word| word != 0).map(decode))
}

/// This CPU was asked. Interrupt context.
pub fn on_report_call() {
    answer();
}

/// Answers if this CPU was asked: also for one that waits with interrupts off.
/// Interrupt context.
#[inline(never)]
pub fn answer() {
    let answer = &ANSWERS[cpus::this_cpu()];
    let number = answer.asked.load(Acquire);
    if number == answer.answered.load(Relaxed) {
        return;
    }
    let places = of_current().map(encode);
    let ends = core::iter::repeat(0);
    for (to, word) in answer.places.iter().zip(places.chain(ends)) {
        to.store(word, Relaxed);
    }
    let running = ptr::from_ref(thread::current()).cast_mut();
    answer.thread.store(running, Relaxed);
    answer.answered.store(number, Release);
}

fn encode(place: Place) -> usize {
    match place {
        Place::Return(address) => address,
        Place::Interrupted(address) => address | INTERRUPTED,
    }
}

fn decode(word: usize) -> Place {
    match word & INTERRUPTED {
        0 => Place::Return(word),
        _ => Place::Interrupted(word & !INTERRUPTED),
    }
}

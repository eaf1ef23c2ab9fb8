//! The numbers that decide: SplitMix64, whose state is a counter, so that
//! every context of every CPU can draw without a lock.

use crate::machine::CommandLine;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// By how much the state of SplitMix64 grows with each number (its reference
/// implementation, Vigna 2015).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The intensities that seeds choose from: a switch at one point in so many.
const RARITIES: [u64; 4] = [8, 32, 128, 512];

static ENABLED: AtomicBool = AtomicBool::new(false);
static SEED: AtomicU64 = AtomicU64::new(0);
static STATE: AtomicU64 = AtomicU64::new(0);
static RARITY: AtomicU64 = AtomicU64::new(RARITIES[0]);
static KEEPS_ORDER: AtomicBool = AtomicBool::new(false);

/// Takes seed and intensity from the command line; whether there is a seed.
pub fn configure(command_line: &CommandLine<'_>) -> bool {
    let Some(word) = command_line.value("paddock.seed") else {
        return false;
    };
    let Ok(seed) = word.parse() else {
        log::error!("command line: paddock.seed: expected a number");
        return false;
    };
    SEED.store(seed, Relaxed);
    STATE.store(mix(seed), Relaxed);
    KEEPS_ORDER.store(draw().is_multiple_of(2), Relaxed);
    let chosen = RARITIES[(draw() % RARITIES.len() as u64) as usize];
    RARITY.store(asked_rarity(command_line).unwrap_or(chosen), Relaxed);
    log::info!(
        "fuzz: seed {seed}, a switch at one point in {}, {}",
        rarity(),
        if keeps_order() {
            "threads in an order for a while"
        } else {
            "any thread"
        }
    );
    ENABLED.store(true, Relaxed);
    true
}

/// `paddock.fuzz=1/N`: a switch at one point in N, from 2.
fn asked_rarity(command_line: &CommandLine<'_>) -> Option<u64> {
    let word = command_line.value("paddock.fuzz")?;
    let asked = word.strip_prefix("1/").and_then(|n| n.parse().ok());
    let asked = asked.filter(|&n| n >= 2);
    if asked.is_none() {
        log::error!("command line: paddock.fuzz: expected 1/N, N from 2");
    }
    asked
}

/// Whether the generator decides.
#[inline]
pub fn enabled() -> bool {
    ENABLED.load(Relaxed)
}

/// The generator is asked no more.
pub fn disable() {
    ENABLED.store(false, Relaxed);
}

/// The seed, once it is in force.
pub fn seed() -> Option<u64> {
    enabled().then(used_seed)
}

/// The seed of the run, over or not.
pub fn used_seed() -> u64 {
    SEED.load(Relaxed)
}

/// A switch comes at one point in so many.
pub fn rarity() -> u64 {
    RARITY.load(Relaxed)
}

/// Whether threads run in a random order that stays for a while, so that some
/// are left behind for long, or each choice is a new one.
pub fn keeps_order() -> bool {
    KEEPS_ORDER.load(Relaxed)
}

/// The next number. Any context.
pub fn draw() -> u64 {
    mix(STATE.fetch_add(STEP, Relaxed))
}

/// True once in `one_in` on the average.
pub fn chance(one_in: u64) -> bool {
    draw().is_multiple_of(one_in)
}

/// The number of this state.
pub fn mix(state: u64) -> u64 {
    SplitMix64::from_seed(state.to_le_bytes()).next_u64()
}

//! `/proc/loadavg`.
//!
//! An idle machine takes no timer interrupts, so nothing samples the run
//! queue. The averages here are of how busy the CPUs were, weighted over 1, 5
//! and 15 minutes as Linux weights its samples, and brought up to date when
//! somebody reads them. Threads that wait for the CPU add to them only while
//! they are read.

use super::cpu::count_threads;
use super::text::Text;
use crate::{cpus, process, thread, time};
use paddock_abi::Result;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Fixed point: 11 bits after the point.
const ONE: u64 = 1 << 11;
/// Weights of the past for one period: `e^(-5 s / 1 min)` and so on, in fixed
/// point.
const WEIGHTS: [u64; 3] = [1884, 2014, 2037];
const PERIOD_NS: u64 = 5_000_000_000;

struct Load {
    averages: [u64; 3],
    /// When they were last brought up to date, and the idle time until then.
    at: u64,
    idle: u64,
}

static LOAD: SpinLock<Load, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Load {
        averages: [0; 3],
        at: 0,
        idle: 0,
    },
);

/// `weight` to the power of `periods`.
fn power(weight: u64, periods: u64) -> u64 {
    let (mut result, mut base, mut exponent) = (ONE, weight, periods);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base / ONE;
        }
        base = base * base / ONE;
        exponent >>= 1;
    }
    result
}

impl Load {
    /// `idle` is the time until `now` that all of `cpus` were idle, together.
    fn update(&mut self, now: u64, idle: u64, cpus: u64) {
        let periods = now.saturating_sub(self.at) / PERIOD_NS;
        if periods == 0 {
            return;
        }
        let elapsed = now - self.at;
        let busy = (elapsed * cpus).saturating_sub(idle.saturating_sub(self.idle));
        let load = (u128::from(busy) * u128::from(ONE) / u128::from(elapsed)) as u64;
        for (average, weight) in self.averages.iter_mut().zip(WEIGHTS) {
            let past = power(weight, periods);
            *average = (*average * past + load * (ONE - past)) / ONE;
        }
        (self.at, self.idle) = (now, idle);
    }
}

/// `/proc/loadavg`.
pub fn averages(out: &mut Text<'_>) -> Result<()> {
    let averages = {
        let mut load = LOAD.lock();
        load.update(time::now(), thread::idle_time(), cpus::online() as u64);
        load.averages
    };
    for average in averages {
        let rounded = average + ONE / 200;
        out.put(format_args!(
            "{}.{:02} ",
            rounded / ONE,
            rounded % ONE * 100 / ONE
        ))?;
    }
    let (running, all) = count_threads();
    let newest = process::tree().lock().newest();
    out.put(format_args!("{running}/{all} {newest}\n"))
}

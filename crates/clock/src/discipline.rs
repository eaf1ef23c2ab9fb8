//! What steers the clock: an offset that is worked off second by second, a frequency
//! that is learnt from offsets, and the old adjtime(3). Amounts are nanoseconds a
//! second, with 32 bits of fraction.

use paddock_abi::timex::{Modes, Status, TIME_OK, Timex, USER_HZ};
use paddock_abi::{Errno, Result};

/// A nanosecond a second.
const UNIT: i64 = 1 << 32;
/// What a part per million with 16 bits of fraction is here.
const PPM: i64 = 1000 << 16;
/// The largest frequency offset: 500 parts per million.
const MOST_FREQUENCY: i64 = 500_000 * UNIT;
/// The largest offset, in nanoseconds.
const MOST_PHASE: i64 = 500_000_000;
/// The largest error, in microseconds: then the clock is not synchronised.
pub const MOST_ERROR: i64 = 16_000_000;
/// What an error grows by each second, in microseconds.
pub const ERROR_GROWTH: i64 = 500;
/// Microseconds that adjtime(3) changes in a second.
const MOST_SLEW: i64 = 500;
/// The largest time constant.
const MOST_CONSTANT: i64 = 10;
const SHIFT_PLL: i64 = 2;
const SHIFT_FLL: i64 = 2;
/// Offsets closer together than this (s) tell nothing of the frequency by themselves;
/// those further apart do so in any case.
const MIN_INTERVAL: i64 = 256;
const MAX_INTERVAL: i64 = 2048;
/// Microseconds between ticks.
const TICK: i64 = 1_000_000 / USER_HZ;
/// The most seconds that TAI may be ahead.
const MOST_TAI: i64 = 100_000;

/// The state of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Discipline {
    pub status: Status,
    /// One of `TIME_*`, but for [`paddock_abi::timex::TIME_ERROR`].
    pub state: i32,
    /// What is left to be worked off.
    offset: i64,
    frequency: i64,
    tick: i64,
    constant: i64,
    pub max_error: i64,
    estimated_error: i64,
    pub tai: i32,
    /// Microseconds that are left of adjtime(3).
    slew: i64,
    /// When the latest offset came, in seconds of the monotonic clock.
    reference: i64,
}

impl Discipline {
    /// As it is at boot.
    pub const fn new() -> Discipline {
        Discipline {
            status: Status::UNSYNC,
            state: TIME_OK,
            offset: 0,
            frequency: 0,
            tick: TICK,
            constant: 2,
            max_error: MOST_ERROR,
            estimated_error: MOST_ERROR,
            tai: 0,
            slew: 0,
            reference: 0,
        }
    }

    /// The clock was set: what was to be worked off has no sense any more.
    pub fn was_set(&mut self) {
        self.slew = 0;
        self.offset = 0;
        self.status.insert(Status::UNSYNC);
        self.max_error = MOST_ERROR;
        self.estimated_error = MOST_ERROR;
    }

    /// Whether the next second may be another than this one.
    pub fn changes(&self) -> bool {
        let leaps = self.status.intersects(Status::INS | Status::DEL);
        self.offset != 0 || self.slew != 0 || leaps || self.state != TIME_OK
    }

    /// What each second gains without offsets.
    pub fn base(&self) -> i64 {
        self.frequency + (self.tick - TICK) * USER_HZ * 1000 * UNIT
    }

    /// What the second that begins is to gain.
    pub fn next_second(&mut self) -> i64 {
        let part = match self.status.contains(Status::PLL) {
            // What is less than a nanosecond is done with.
            true if self.offset.abs() < UNIT => self.offset,
            true => self.offset >> (SHIFT_PLL + self.constant),
            false => self.offset,
        };
        self.offset -= part;
        let slew = self.slew.clamp(-MOST_SLEW, MOST_SLEW);
        self.slew -= slew;
        self.base() + part + slew * 1000 * UNIT
    }

    /// What is wrong with a request. `EINVAL`, `EPERM`.
    pub fn check(request: &Timex, may: bool) -> Result<()> {
        let modes = Modes::from_bits_retain(request.modes);
        let allowed = |condition: bool, errno| if condition { Ok(()) } else { Err(errno) };
        if modes.contains(Modes::ADJTIME) {
            allowed(modes.contains(Modes::OFFSET), Errno::EINVAL)?;
            allowed(may || modes.contains(Modes::NANO), Errno::EPERM)?;
        } else {
            allowed(may || modes.is_empty(), Errno::EPERM)?;
            let tick = TICK * 9 / 10..=TICK * 11 / 10;
            let fits = !modes.contains(Modes::TICK) || tick.contains(&request.tick);
            allowed(fits, Errno::EINVAL)?;
        }
        if modes.contains(Modes::SETOFFSET) {
            allowed(may, Errno::EPERM)?;
            let most = match modes.contains(Modes::NANO) {
                true => 1_000_000_000,
                false => 1_000_000,
            };
            allowed((0..most).contains(&request.fraction), Errno::EINVAL)?;
        }
        if modes.contains(Modes::FREQUENCY) {
            allowed(request.freq.checked_mul(PPM).is_some(), Errno::EINVAL)?;
        }
        Ok(())
    }

    /// Does what a request that was checked asks for, `second` seconds after boot.
    pub fn adjust(&mut self, request: &Timex, second: i64) {
        let modes = Modes::from_bits_retain(request.modes);
        if modes.contains(Modes::STATUS) {
            self.set_status(request.status, second);
        }
        if modes.contains(Modes::NANO) {
            self.status.insert(Status::NANO);
        }
        if modes.contains(Modes::MICRO) {
            self.status.remove(Status::NANO);
        }
        if modes.contains(Modes::FREQUENCY) {
            let frequency = request.freq.saturating_mul(PPM);
            self.frequency = frequency.clamp(-MOST_FREQUENCY, MOST_FREQUENCY);
        }
        if modes.contains(Modes::MAXERROR) {
            self.max_error = request.maxerror;
        }
        if modes.contains(Modes::ESTERROR) {
            self.estimated_error = request.esterror;
        }
        if modes.contains(Modes::TIMECONST) {
            let more = if self.status.contains(Status::NANO) {
                0
            } else {
                4
            };
            self.constant = request
                .constant
                .saturating_add(more)
                .clamp(0, MOST_CONSTANT);
        }
        if modes.contains(Modes::TAI) && (0..=MOST_TAI).contains(&request.constant) {
            self.tai = request.constant as i32;
        }
        if modes.contains(Modes::OFFSET) {
            self.set_offset(request.offset, second);
        }
        if modes.contains(Modes::TICK) {
            self.tick = request.tick;
        }
    }

    fn set_status(&mut self, wanted: i32, second: i64) {
        let wanted = Status::from_bits_retain(wanted);
        let had = self.status;
        if had.contains(Status::PLL) && !wanted.contains(Status::PLL) {
            self.state = TIME_OK;
            self.status = Status::UNSYNC;
        }
        if !had.contains(Status::PLL) && wanted.contains(Status::PLL) {
            self.reference = second;
        }
        self.status &= Status::READ_ONLY;
        self.status |= wanted - Status::READ_ONLY;
    }

    /// A new offset: it is worked off from now on, and tells of the frequency.
    fn set_offset(&mut self, offset: i64, second: i64) {
        if !self.status.contains(Status::PLL) {
            return;
        }
        let nanos = match self.status.contains(Status::NANO) {
            true => offset,
            false => offset.clamp(-1_000_000, 1_000_000) * 1000,
        };
        let nanos = nanos.clamp(-MOST_PHASE, MOST_PHASE);
        let mut passed = (second - self.reference).max(0);
        if self.status.contains(Status::FREQHOLD) {
            passed = 0;
        }
        self.reference = second;
        let learnt = self.learnt_by_frequency(nanos, passed);
        let passed = i128::from(passed.min(1 << (SHIFT_PLL + 1 + self.constant)));
        let shift = 32 - 2 * (SHIFT_PLL + 2 + self.constant);
        let product = i128::from(nanos) * passed;
        let by_phase = if shift >= 0 {
            product << shift
        } else {
            product >> -shift
        };
        let limits = (i128::from(-MOST_FREQUENCY), i128::from(MOST_FREQUENCY));
        let frequency = i128::from(self.frequency) + i128::from(learnt) + by_phase;
        self.frequency = frequency.clamp(limits.0, limits.1) as i64;
        self.offset = nanos * UNIT;
    }

    /// What an offset of so many nanoseconds after so many seconds says of the
    /// frequency.
    fn learnt_by_frequency(&mut self, nanos: i64, passed: i64) -> i64 {
        self.status.remove(Status::MODE);
        let far = passed > MAX_INTERVAL;
        if passed < MIN_INTERVAL || !self.status.contains(Status::FLL) && !far {
            return 0;
        }
        self.status.insert(Status::MODE);
        (nanos << (32 - SHIFT_FLL)) / passed
    }

    /// The old adjtime(3): what was left of it, in microseconds.
    pub fn adjtime(&mut self, request: &Timex) -> i64 {
        let left = self.slew;
        if !Modes::from_bits_retain(request.modes).contains(Modes::NANO) {
            self.slew = request.offset;
        }
        left
    }

    /// Tells how it is.
    pub fn tell(&self, to: &mut Timex) {
        let nanos = self.offset / UNIT;
        let in_nanos = self.status.contains(Status::NANO);
        to.offset = if in_nanos { nanos } else { nanos / 1000 };
        to.freq = rounded(self.frequency, PPM);
        to.maxerror = self.max_error;
        to.esterror = self.estimated_error;
        to.status = self.status.bits();
        to.constant = self.constant;
        to.precision = 1;
        to.tolerance = MOST_FREQUENCY / PPM;
        to.tick = self.tick;
        to.signal = [0; 8];
        to.tai = self.tai;
    }
}

/// To the nearest: what was set reads back.
fn rounded(value: i64, unit: i64) -> i64 {
    (value + value.signum() * unit / 2) / unit
}

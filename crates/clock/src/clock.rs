//! The clock as a whole.

use crate::discipline::{Discipline, ERROR_GROWTH, MOST_ERROR};
use crate::{Line, SECOND};
use paddock_abi::Result;
use paddock_abi::timex::{
    Modes, Status, TIME_DEL, TIME_ERROR, TIME_INS, TIME_OK, TIME_OOP, TIME_WAIT, Timex,
};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The wall clock. [`Self::line`] is what it reads until [`Self::deadline`].
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    line: Line,
    discipline: Discipline,
    /// What this second gains, in nanoseconds with 32 bits of fraction.
    gains: i64,
    /// Until when errors have grown.
    grown: u64,
    /// The second of the wall before which one is put in, or which is left out.
    leaps_at: u64,
}

impl Clock {
    /// At 1970, not steered.
    pub const fn new() -> Clock {
        Clock {
            line: Line {
                since: 0,
                wall: 0,
                rate: 0,
            },
            discipline: Discipline::new(),
            gains: 0,
            grown: 0,
            leaps_at: 0,
        }
    }

    /// What it reads until it is changed, or [`Self::on_time`] is due.
    pub fn line(&self) -> Line {
        self.line
    }

    /// When [`Self::on_time`] is due: at the wall's next second, if that may be
    /// another than this one.
    pub fn deadline(&self) -> Option<u64> {
        let left = SECOND - self.line.wall % SECOND;
        let changes = self.discipline.changes() || self.gains != self.discipline.base();
        changes.then(|| self.line.reaches(left))
    }

    /// A second has begun, if one has. What was read since its beginning stays true:
    /// a second that is begun late was longer.
    pub fn on_time(&mut self, now: u64) {
        if self.deadline().is_some_and(|at| at <= now) {
            self.begin_second(now);
        }
    }

    fn begin_second(&mut self, at: u64) {
        self.gains = self.discipline.next_second();
        self.bend(at);
        self.leap();
    }

    fn bend(&mut self, at: u64) {
        self.line = self.line.bent(at, self.gains / SECOND as i64);
    }

    /// Sees to a leap second (as RFC 5905 has the states): at the end of the day in
    /// which it was announced.
    fn leap(&mut self) {
        let status = self.discipline.status;
        let state = &mut self.discipline.state;
        // To the nearest: what was gained in the last second is nothing to a day.
        let second = (self.line.wall + SECOND / 2) / SECOND;
        let midnight = (second / DAY + 1) * DAY;
        *state = match *state {
            TIME_OK if status.contains(Status::INS) => {
                self.leaps_at = midnight;
                TIME_INS
            }
            TIME_OK if status.contains(Status::DEL) => {
                self.leaps_at = midnight - 1;
                TIME_DEL
            }
            TIME_INS if !status.contains(Status::INS) => TIME_OK,
            TIME_DEL if !status.contains(Status::DEL) => TIME_OK,
            TIME_INS if second >= self.leaps_at => {
                self.line.wall -= SECOND;
                self.discipline.tai += 1;
                TIME_OOP
            }
            TIME_DEL if second >= self.leaps_at => {
                self.line.wall += SECOND;
                self.discipline.tai -= 1;
                TIME_WAIT
            }
            TIME_OOP => TIME_WAIT,
            TIME_WAIT if !status.intersects(Status::INS | Status::DEL) => TIME_OK,
            other => other,
        };
    }

    /// Seconds that international atomic time is ahead of it.
    pub fn tai(&self) -> i32 {
        self.discipline.tai
    }

    /// Sets it to `wall` at `now`.
    pub fn set(&mut self, now: u64, wall: u64) {
        self.discipline.was_set();
        self.grown = now;
        self.gains = self.discipline.next_second();
        self.bend(now);
        self.line.wall = wall;
    }

    /// Lets errors grow, which nobody has corrected since.
    fn grow_errors(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.grown) / SECOND;
        self.grown += seconds * SECOND;
        let grown = (seconds as i64).saturating_mul(ERROR_GROWTH);
        let error = &mut self.discipline.max_error;
        *error = error.saturating_add(grown);
        if *error > MOST_ERROR {
            *error = MOST_ERROR;
            self.discipline.status.insert(Status::UNSYNC);
        }
    }

    /// adjtimex(2) at `now`, by somebody who `may` change the clock. The state of the
    /// clock is what it returns.
    ///
    /// # Errors
    /// `EPERM`, `EINVAL`.
    pub fn adjust(&mut self, now: u64, request: &mut Timex, may: bool) -> Result<i32> {
        Discipline::check(request, may)?;
        self.on_time(now);
        // Seconds that have passed are not begun once more.
        self.bend(now);
        self.grow_errors(now);
        let modes = Modes::from_bits_retain(request.modes);
        if modes.contains(Modes::SETOFFSET) {
            self.shift(now, request);
        }
        if modes.contains(Modes::ADJTIME) {
            let left = self.discipline.adjtime(request);
            self.discipline.tell(request);
            request.offset = left;
        } else {
            let base = self.discipline.base();
            self.discipline.adjust(request, (now / SECOND) as i64);
            let gains = self.gains - base + self.discipline.base();
            if gains != self.gains {
                self.gains = gains;
                self.bend(now);
            }
            self.discipline.tell(request);
        }
        self.tell_time(now, request);
        let status = self.discipline.status;
        Ok(match status.intersects(Status::UNSYNC | Status::CLOCKERR) {
            true => TIME_ERROR,
            false => self.discipline.state,
        })
    }

    /// Sets the clock ahead, or back, by what a request says.
    fn shift(&mut self, now: u64, request: &Timex) {
        let unit = match Modes::from_bits_retain(request.modes).contains(Modes::NANO) {
            true => 1,
            false => 1000,
        };
        let by = i128::from(request.sec) * i128::from(SECOND) + i128::from(request.fraction * unit);
        let wall = i128::from(self.line.at(now)) + by;
        self.set(now, wall.clamp(0, i128::from(i64::MAX)) as u64);
    }

    fn tell_time(&self, now: u64, request: &mut Timex) {
        let wall = self.line.at(now);
        let nanos = (wall % SECOND) as i64;
        request.sec = (wall / SECOND) as i64;
        request.fraction = match self.discipline.status.contains(Status::NANO) {
            true => nanos,
            false => nanos / 1000,
        };
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

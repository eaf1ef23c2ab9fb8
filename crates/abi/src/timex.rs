//! adjtimex(2): `struct timex` of 64-bit Linux, and its bits.

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct timex`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Timex {
    /// What is to be changed ([`Modes`]).
    pub modes: u32,
    /// Nothing.
    pub pad0: u32,
    /// Time offset, in microseconds, or nanoseconds with [`Status::NANO`].
    pub offset: i64,
    /// Frequency offset, in parts per million with 16 bits of fraction.
    pub freq: i64,
    /// Largest error, in microseconds.
    pub maxerror: i64,
    /// Estimated error, in microseconds.
    pub esterror: i64,
    /// [`Status`].
    pub status: i32,
    /// Nothing.
    pub pad1: u32,
    /// The time constant of the phase-locked loop; or the offset of TAI.
    pub constant: i64,
    /// The clock's precision, in microseconds.
    pub precision: i64,
    /// The largest frequency offset, as `freq`.
    pub tolerance: i64,
    /// The time, in seconds since 1970.
    pub sec: i64,
    /// Micro- or nanoseconds, as `offset`.
    pub fraction: i64,
    /// Microseconds between ticks of [`USER_HZ`].
    pub tick: i64,
    /// About a signal once a second, which there is none of: zeros.
    pub signal: [u64; 8],
    /// Seconds that TAI is ahead of UTC.
    pub tai: i32,
    /// Nothing.
    pub pad2: [u32; 11],
}

const _: () = assert!(size_of::<Timex>() == 208);

/// Ticks of a second, as [`Timex::tick`] counts them.
pub const USER_HZ: i64 = 100;

bitflags! {
    /// What is to be changed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Modes: u32 {
        /// A time offset, which is worked off.
        const OFFSET = 0x1;
        /// The frequency offset.
        const FREQUENCY = 0x2;
        /// The largest error.
        const MAXERROR = 0x4;
        /// The estimated error.
        const ESTERROR = 0x8;
        /// The status.
        const STATUS = 0x10;
        /// The time constant.
        const TIMECONST = 0x20;
        /// How far TAI is ahead.
        const TAI = 0x80;
        /// The time, by what is to be added.
        const SETOFFSET = 0x100;
        /// Offsets are microseconds from now on.
        const MICRO = 0x1000;
        /// Offsets are nanoseconds from now on.
        const NANO = 0x2000;
        /// The tick.
        const TICK = 0x4000;
        /// The old adjtime(3), with [`Modes::OFFSET`] alone; with
        /// [`Modes::NANO`] it is only read.
        const ADJTIME = 0x8000;
        const _ = !0;
    }
}

bitflags! {
    /// The state of the loop.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: i32 {
        /// Offsets are worked off, and tell of the frequency.
        const PLL = 0x1;
        /// The frequency is a signal's.
        const PPSFREQ = 0x2;
        /// The time is a signal's.
        const PPSTIME = 0x4;
        /// Offsets far apart tell of the frequency by themselves.
        const FLL = 0x8;
        /// A leap second is put in at the end of the day.
        const INS = 0x10;
        /// The last second of the day is left out.
        const DEL = 0x20;
        /// The clock is not synchronised.
        const UNSYNC = 0x40;
        /// Offsets tell nothing of the frequency.
        const FREQHOLD = 0x80;
        /// There is a signal.
        const PPSSIGNAL = 0x100;
        /// It jitters.
        const PPSJITTER = 0x200;
        /// It wanders.
        const PPSWANDER = 0x400;
        /// It is wrong.
        const PPSERROR = 0x800;
        /// The clock is broken.
        const CLOCKERR = 0x1000;
        /// Offsets are nanoseconds.
        const NANO = 0x2000;
        /// The frequency was told by an offset alone.
        const MODE = 0x4000;
        /// The clock that is read is another's.
        const CLK = 0x8000;
        const _ = !0;
    }
}

impl Status {
    /// What nobody can set.
    pub const READ_ONLY: Status = Status::PPSSIGNAL
        .union(Status::PPSJITTER)
        .union(Status::PPSWANDER)
        .union(Status::PPSERROR)
        .union(Status::CLOCKERR)
        .union(Status::NANO)
        .union(Status::MODE)
        .union(Status::CLK);
}

/// The clock is synchronised, no leap second is near.
pub const TIME_OK: i32 = 0;
/// A leap second comes at the end of the day.
pub const TIME_INS: i32 = 1;
/// The last second of the day is left out.
pub const TIME_DEL: i32 = 2;
/// The leap second is now.
pub const TIME_OOP: i32 = 3;
/// It has been.
pub const TIME_WAIT: i32 = 4;
/// The clock is not synchronised.
pub const TIME_ERROR: i32 = 5;

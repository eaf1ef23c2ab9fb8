//! The clock over hours, as adjtimex(2) steers it.

use paddock_abi::Errno;
use paddock_abi::timex::{
    Modes, Status, TIME_ERROR, TIME_INS, TIME_OK, TIME_OOP, TIME_WAIT, Timex,
};
use paddock_clock::Clock;
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
/// A day's last hour begins.
const EVENING: u64 = (20_000 * 86_400 - 3600) * SECOND;

fn clock() -> Clock {
    let mut clock = Clock::new();
    clock.set(SECOND, EVENING);
    clock
}

fn request(modes: Modes, change: impl FnOnce(&mut Timex)) -> Timex {
    let mut request = Timex {
        modes: modes.bits(),
        ..Timex::default()
    };
    change(&mut request);
    request
}

fn adjust(clock: &mut Clock, now: u64, mut request: Timex) -> Timex {
    clock.adjust(now, &mut request, true).unwrap();
    request
}

/// Whoever sees to seconds is on time.
fn read(clock: &mut Clock, now: u64) -> u64 {
    while let Some(at) = clock.deadline().filter(|&at| at <= now) {
        clock.on_time(at);
    }
    clock.line().at(now)
}

/// How far it is ahead of a clock that nobody steers, in nanoseconds.
fn ahead(clock: &mut Clock, now: u64) -> i64 {
    read(clock, now) as i64 - (EVENING + now - SECOND) as i64
}

fn synchronise(clock: &mut Clock, status: Status, now: u64) {
    let all = Modes::STATUS | Modes::MAXERROR | Modes::ESTERROR;
    adjust(clock, now, request(all, |it| it.status = status.bits()));
}

#[test]
fn a_frequency_adds_up() {
    let mut clock = clock();
    let faster = request(Modes::FREQUENCY, |it| it.freq = 100 << 16);
    let told = adjust(&mut clock, SECOND, faster);
    assert_eq!(told.freq, 100 << 16);
    let off = ahead(&mut clock, 1001 * SECOND) - 100 * MS as i64;
    assert!(off.abs() < 1000, "{off}");
    assert_eq!(clock.deadline(), None, "nobody is woken for it");
    let slow = request(Modes::FREQUENCY, |it| it.freq = -9_999 << 16);
    assert_eq!(adjust(&mut clock, 1001 * SECOND, slow).freq, -500 << 16);
    let off = ahead(&mut clock, 1201 * SECOND);
    assert!(off.abs() < 1000, "{off}");
}

#[test]
fn a_tick_adds_up() {
    let mut clock = clock();
    adjust(
        &mut clock,
        SECOND,
        request(Modes::TICK, |it| it.tick = 10_001),
    );
    let off = ahead(&mut clock, 101 * SECOND) - 10 * MS as i64;
    assert!(off.abs() < 1000, "{off}");
}

#[test]
fn adjtime_is_half_a_millisecond_a_second() {
    let mut clock = clock();
    let slew = Modes::ADJTIME | Modes::OFFSET;
    let told = adjust(&mut clock, SECOND, request(slew, |it| it.offset = -2_250));
    assert_eq!(told.offset, 0, "nothing was left before");
    assert!(clock.deadline().is_some());
    // It begins with the next second.
    assert!((ahead(&mut clock, 5 * SECOND + 1) + 1_500_000).abs() < 1000);
    let left = adjust(
        &mut clock,
        5 * SECOND + 1,
        request(slew | Modes::NANO, |_| {}),
    );
    assert_eq!(left.offset, -750, "what is under way is not left");
    // Half a millisecond a second of the wall, which is a little longer.
    assert!((ahead(&mut clock, 60 * SECOND) + 2_250_000).abs() < 2000);
    assert_eq!(clock.deadline(), None);
}

#[test]
fn an_offset_is_worked_off() {
    let mut clock = clock();
    synchronise(&mut clock, Status::PLL, SECOND);
    let modes = Modes::OFFSET | Modes::TIMECONST | Modes::NANO;
    let offset = request(modes, |it| (it.offset, it.constant) = (30 * MS as i64, 2));
    let told = adjust(&mut clock, SECOND, offset);
    assert_eq!(told.offset, 30 * MS as i64);
    let mut before = 0;
    for second in 2..400 {
        let now = ahead(&mut clock, second * SECOND);
        assert!(now >= before && now <= 30 * MS as i64 + 10_000, "{now}");
        before = now;
    }
    // The parts are of seconds of the wall, which are a little shorter.
    assert!((before - 30 * MS as i64).abs() < 50_000, "{before}");
    let told = adjust(&mut clock, 400 * SECOND, Timex::default());
    assert_eq!((told.offset, clock.deadline()), (0, None));
}

#[test]
fn offsets_tell_of_the_frequency() {
    let mut clock = clock();
    synchronise(&mut clock, Status::PLL, SECOND);
    // The true time goes on faster by 20 parts per million.
    let mut now = SECOND;
    for _ in 0..400 {
        now += 16 * SECOND;
        let truth = (now - SECOND) / 50_000;
        let off = truth as i64 - ahead(&mut clock, now);
        let offset = request(Modes::OFFSET | Modes::NANO, |it| it.offset = off);
        adjust(&mut clock, now, offset);
    }
    let told = adjust(&mut clock, now, Timex::default());
    let off = (told.freq - (20 << 16)).abs();
    assert!(off < 1 << 16, "{} ppm", told.freq as f64 / 65536.0);
    assert!(told.offset.abs() < MS as i64, "{} ns", told.offset);
}

#[test]
fn errors_grow_until_nobody_trusts_it() {
    let mut clock = clock();
    synchronise(&mut clock, Status::PLL, SECOND);
    let mut ask = Timex::default();
    assert_eq!(clock.adjust(11 * SECOND, &mut ask, false), Ok(TIME_OK));
    assert_eq!((ask.maxerror, ask.esterror), (5_000, 0));
    let late = 40_000 * SECOND;
    assert_eq!(clock.adjust(late, &mut ask, false), Ok(TIME_ERROR));
    assert_eq!(ask.maxerror, 16_000_000);
    assert!(Status::from_bits_retain(ask.status).contains(Status::UNSYNC));
}

#[test]
fn a_leap_second_is_there_twice() {
    let mut clock = clock();
    synchronise(&mut clock, Status::PLL | Status::INS, SECOND);
    let midnight = 3601 * SECOND;
    let mut state = |now| {
        read(&mut clock, now);
        let mut ask = Timex::default();
        let state = clock.adjust(now, &mut ask, false).unwrap();
        (state, ask.sec as u64 * SECOND, ask.tai)
    };
    let last = EVENING + 3599 * SECOND;
    assert_eq!(state(midnight - SECOND / 2), (TIME_INS, last, 0));
    assert_eq!(state(midnight + SECOND / 2), (TIME_OOP, last, 1));
    assert_eq!(
        state(midnight + 3 * SECOND / 2),
        (TIME_WAIT, last + SECOND, 1)
    );
    synchronise(&mut clock, Status::PLL, midnight + 2 * SECOND);
    let mut ask = Timex::default();
    read(&mut clock, midnight + 4 * SECOND);
    assert_eq!(
        clock.adjust(midnight + 4 * SECOND, &mut ask, false),
        Ok(TIME_OK)
    );
}

#[test]
fn a_second_can_be_left_out() {
    let mut clock = clock();
    synchronise(&mut clock, Status::PLL | Status::DEL, SECOND);
    assert_eq!(ahead(&mut clock, 3599 * SECOND), 0);
    assert_eq!(ahead(&mut clock, 3601 * SECOND), SECOND as i64);
}

#[test]
fn steps_end_what_was_under_way() {
    let mut clock = clock();
    synchronise(&mut clock, Status::PLL, SECOND);
    adjust(
        &mut clock,
        SECOND,
        request(Modes::OFFSET, |it| it.offset = 1000),
    );
    let step = request(Modes::SETOFFSET, |it| (it.sec, it.fraction) = (-2, 500_000));
    let told = adjust(&mut clock, 2 * SECOND, step);
    assert_eq!(told.offset, 0);
    assert!((ahead(&mut clock, 10 * SECOND) + 1_500_000_000).abs() < 1_000_000);
    let mut ask = Timex::default();
    assert_eq!(clock.adjust(10 * SECOND, &mut ask, false), Ok(TIME_ERROR));
}

#[test]
fn what_is_refused() {
    let cases = [
        (Modes::ADJTIME, 0, 0, Errno::EINVAL),
        (Modes::TICK, 8_999, 0, Errno::EINVAL),
        (Modes::TICK, 11_001, 0, Errno::EINVAL),
        (Modes::SETOFFSET, 0, -1, Errno::EINVAL),
        (Modes::SETOFFSET, 0, 1_000_000, Errno::EINVAL),
        (
            Modes::SETOFFSET | Modes::NANO,
            0,
            1_000_000_000,
            Errno::EINVAL,
        ),
    ];
    for (modes, tick, fraction, errno) in cases {
        let mut bad = request(modes, |it| (it.tick, it.fraction) = (tick, fraction));
        assert_eq!(
            clock().adjust(SECOND, &mut bad, true),
            Err(errno),
            "{modes:?}"
        );
    }
    let mut bad = request(Modes::FREQUENCY, |it| it.freq = i64::MAX / 1000);
    assert_eq!(clock().adjust(SECOND, &mut bad, true), Err(Errno::EINVAL));
    for modes in [Modes::OFFSET, Modes::STATUS, Modes::ADJTIME | Modes::OFFSET] {
        let mut bad = request(modes, |_| {});
        assert_eq!(clock().adjust(SECOND, &mut bad, false), Err(Errno::EPERM));
    }
    let mut reading = request(Modes::ADJTIME | Modes::OFFSET | Modes::NANO, |_| {});
    assert_eq!(clock().adjust(SECOND, &mut reading, false), Ok(TIME_ERROR));
}

proptest! {
    /// Whatever is asked for, but for setting it, the clock never goes back and never
    /// runs away.
    #[test]
    fn it_never_goes_back(
        requests in prop::collection::vec(
            (0u32..0xffff, any::<[i64; 4]>(), any::<i32>(), 0..5000u64), 1..40),
    ) {
        let mut clock = clock();
        let (mut now, mut before) = (SECOND, EVENING);
        for (modes, [offset, freq, tick, constant], status, wait) in requests {
            let leaps = (Status::INS | Status::DEL).bits();
            let mut request = Timex {
                modes: modes & !Modes::SETOFFSET.bits(),
                offset,
                freq,
                tick: tick.rem_euclid(20_000),
                constant,
                status: status & !leaps,
                maxerror: offset,
                esterror: freq,
                ..Timex::default()
            };
            let _ = clock.adjust(now, &mut request, true);
            now += wait * MS;
            // Sometimes late.
            let wall = clock.line().at(now);
            if wait % 3 != 0 {
                clock.on_time(now);
                prop_assert_eq!(clock.line().at(now), wall);
            }
            prop_assert!(wall >= before, "{before} {wall} {wait} {clock:?}");
            prop_assert!(wall - before <= 2 * wait * MS + 10, "{} {wait} {clock:?}", wall - before);
            before = wall;
        }
    }
}

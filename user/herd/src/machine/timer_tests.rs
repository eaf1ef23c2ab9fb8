//! Timers: when they run, and when they do not.

use super::tests::{found, starts};
use super::*;

const MINUTE: Time = 60_000;
const HOUR: Time = 60 * MINUTE;
/// A Thursday, 12:00.
const NOON: u64 = 20_783 * 24 * HOUR + 12 * HOUR;

fn timer(schedule: &str) -> Vec<Loaded> {
    let text = format!("type = 'timer'\nschedule = '{schedule}'");
    vec![found("a", true, &text)]
}

fn phase(machine: &Machine) -> Phase {
    machine.view("a").unwrap().phase
}

/// It runs for a second and ends with a status.
fn run(machine: &mut Machine, now: Time, generation: Generation, status: i32) {
    machine.event(now, "a", generation, Event::Started(10));
    let end = Event::Ended(End::Exited(status));
    machine.event(now + 1_000, "a", generation, end);
}

/// What starts at the next time, and when that is.
fn next(machine: &mut Machine) -> (Time, Vec<(String, Generation)>) {
    loop {
        let at = machine.deadline().unwrap();
        let started = starts(&machine.tick(at));
        if !started.is_empty() {
            return (at, started);
        }
    }
}

fn one(generation: Generation) -> Vec<(String, Generation)> {
    vec![("a".to_owned(), generation)]
}

#[test]
fn an_interval_counts_from_start_to_start() {
    let mut machine = Machine::new();
    assert_eq!(starts(&machine.load(0, timer("every 10m"))), one(1));
    run(&mut machine, 0, 1, 0);
    assert_eq!(phase(&machine), Phase::Scheduled);
    assert_eq!(machine.view("a").unwrap().due, Some(10 * MINUTE));
    assert_eq!(next(&mut machine), (10 * MINUTE, one(2)));
    // A failure changes nothing: it is no restart.
    run(&mut machine, 10 * MINUTE, 2, 1);
    assert_eq!(next(&mut machine), (20 * MINUTE, one(3)));
    assert_eq!(machine.view("a").unwrap().restarts, 0);
    // Two never run: one that took too long goes on at once.
    machine.event(20 * MINUTE, "a", 3, Event::Started(10));
    assert_eq!(starts(&machine.tick(35 * MINUTE)), []);
    let end = Event::Ended(End::Exited(0));
    machine.event(35 * MINUTE, "a", 3, end);
    assert_eq!(next(&mut machine), (35 * MINUTE, one(4)));
}

#[test]
fn times_of_the_day_follow_the_wall_clock() {
    let mut machine = Machine::new();
    machine.set_wall(0, NOON);
    assert_eq!(starts(&machine.load(0, timer("13:00"))), []);
    assert_eq!(machine.view("a").unwrap().due, Some(HOUR));
    assert_eq!(next(&mut machine), (HOUR, one(1)));
    run(&mut machine, HOUR, 1, 0);
    assert_eq!(machine.view("a").unwrap().due, Some(25 * HOUR));
    // It is looked at in between, and moves with the clock.
    let look = machine.deadline().unwrap();
    assert!(look <= HOUR + 1_000 + MINUTE);
    machine.set_wall(look, NOON + 24 * HOUR);
    assert_eq!(machine.view("a").unwrap().due, Some(look + HOUR));
    // What a clock that is set forward leaves out is not made up for.
    machine.set_wall(look, NOON + 28 * HOUR);
    assert_eq!(starts(&machine.tick(look)), []);
    assert_eq!(machine.view("a").unwrap().due, Some(look + 21 * HOUR));
}

#[test]
fn a_clock_that_lags_a_little_makes_nothing_run_twice() {
    let mut machine = Machine::new();
    machine.set_wall(0, NOON);
    machine.load(0, timer("*:30"));
    assert_eq!(next(&mut machine), (30 * MINUTE, one(1)));
    // At its end the wall clock says 12:29:59.9.
    machine.set_wall(30 * MINUTE, NOON + 30 * MINUTE - 900);
    machine.event(30 * MINUTE, "a", 1, Event::Started(10));
    let end = Event::Ended(End::Exited(0));
    machine.event(30 * MINUTE + 800, "a", 1, end);
    assert_eq!(machine.view("a").unwrap().due, Some(90 * MINUTE));
}

#[test]
fn an_operator_has_it_run_now_or_not_at_all() {
    let mut machine = Machine::new();
    machine.set_wall(0, NOON);
    machine.load(0, timer("13:00"));
    let started = machine.command(5, "a", Command::Start).unwrap();
    assert_eq!(starts(&started), one(1));
    run(&mut machine, 5, 1, 0);
    assert_eq!(phase(&machine), Phase::Scheduled);
    machine.command(2_000, "a", Command::Stop).unwrap();
    assert_eq!(phase(&machine), Phase::Stopped);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn another_schedule_counts_at_once_and_none_makes_it_run() {
    let mut machine = Machine::new();
    machine.load(0, timer("every 10m"));
    run(&mut machine, 0, 1, 0);
    machine.load(MINUTE, timer("every 20m"));
    assert_eq!(machine.view("a").unwrap().due, Some(21 * MINUTE));
    let started = machine.load(2 * MINUTE, vec![found("a", true, "")]);
    assert_eq!(starts(&started), one(2));
}

#[test]
fn the_next_herd_knows_when() {
    let mut machine = Machine::new();
    machine.load(0, timer("every 10m"));
    run(&mut machine, 0, 1, 0);
    let kept = machine.kept("a").unwrap();
    let service = machine.service("a").unwrap().clone();
    let mut machine = Machine::new();
    machine.adopt(5_000, "a", kept, Some(service), None);
    assert_eq!(starts(&machine.load(5_000, timer("every 10m"))), []);
    machine.tick(5_000);
    assert_eq!(machine.view("a").unwrap().due, Some(10 * MINUTE));
    assert_eq!(next(&mut machine), (10 * MINUTE, one(2)));
}

#[test]
fn a_time_from_before_a_reboot_is_kept() {
    let recalled = |schedule: &str, at: Time| {
        let mut machine = Machine::new();
        machine.recall_timer("a", at);
        machine.recall_timer("unknown", 5);
        let started = starts(&machine.load(1_000, timer(schedule)));
        (machine, started)
    };
    let (mut machine, started) = recalled("every 10m", 5 * MINUTE);
    assert_eq!((started, phase(&machine)), (vec![], Phase::Scheduled));
    assert_eq!(next(&mut machine), (5 * MINUTE, one(1)));
    run(&mut machine, 5 * MINUTE, 1, 0);
    assert_eq!(next(&mut machine), (15 * MINUTE, one(2)));
    // One that is over comes now.
    assert_eq!(next(&mut recalled("every 10m", 0).0), (1_000, one(1)));
    // A clock that was a year ahead has nobody wait for a year.
    let (mut machine, _) = recalled("every 10m", 365 * 24 * HOUR);
    assert_eq!(next(&mut machine), (1_000 + 10 * MINUTE, one(1)));
    // Who asks for it has it run at once.
    let (mut machine, _) = recalled("every 10m", 5 * MINUTE);
    let actions = machine.command(2_000, "a", Command::Start).unwrap();
    assert_eq!(starts(&actions), one(1));
    // It counts for the first load only.
    let (mut machine, _) = recalled("every 10m", 5 * MINUTE);
    machine.load(2_000, vec![]);
    assert_eq!(starts(&machine.load(3_000, timer("every 10m"))), one(1));
}

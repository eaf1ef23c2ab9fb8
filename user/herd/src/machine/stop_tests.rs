//! How services are made to stop, and what is told of those that do not stay.

use super::tests::{found, running, signals, starts};
use super::*;

#[test]
fn one_that_is_stopped_hears_that_it_is_to_end() {
    let mut machine = running("");
    let actions = machine.command(5, "a", Command::Stop).unwrap();
    let sent = |action: &Action| match action {
        Action::Signal { signal, .. } => Some(*signal),
        _ => None,
    };
    let sent: Vec<Signal> = actions.iter().filter_map(sent).collect();
    assert_eq!(sent, [Signal::TERM, Signal::CONT]);
}

#[test]
fn a_shutdown_ends_whatever_services_do() {
    let mut machine = Machine::new();
    let slow = "stop_timeout = '5m'";
    let loaded = vec![
        found("a", true, &format!("after = ['b']\n{slow}")),
        found("b", true, slow),
    ];
    machine.load(0, loaded);
    machine.event(0, "b", 1, Event::Started(20));
    machine.event(0, "a", 1, Event::Started(10));
    assert_eq!(signals(&machine.shut_down(1_000)), [(10, Signal::TERM)]);
    assert_eq!(machine.deadline(), Some(61_000));
    // A second request does not put it off.
    machine.shut_down(50_000);
    let killed = [(10, Signal::KILL), (20, Signal::KILL)];
    assert_eq!(signals(&machine.tick(61_000)), killed);
    machine.event(61_001, "a", 1, Event::Ended(End::Killed(Signal::KILL)));
    assert_eq!(signals(&machine.tick(63_000)), [(20, Signal::KILL)]);
    machine.event(63_001, "b", 1, Event::Ended(End::Killed(Signal::KILL)));
    assert!(machine.is_quiet());
    assert_eq!(machine.deadline(), None);
}

#[test]
fn a_crash_loop_is_told_once_and_ends_with_an_operator() {
    let mut machine = running("backoff = '10ms'");
    let mut told = 0;
    let mut now = 0;
    for generation in 1..9 {
        now += 20;
        machine.event(now, "a", generation, Event::Started(10));
        let end = Event::Ended(End::Exited(1));
        let actions = machine.event(now, "a", generation, end);
        let loops = |action: &Action| matches!(action, Action::Note { text, .. } if text.contains("crash loop"));
        told += actions.iter().filter(|action| loops(action)).count();
        assert_eq!(machine.view("a").unwrap().crash_loop, generation >= 5);
        now += 20;
        machine.tick(now);
    }
    assert_eq!(told, 1);
    machine.command(now, "a", Command::Restart).unwrap();
    assert!(!machine.view("a").unwrap().crash_loop);
}

#[test]
fn what_comes_before_the_program_is_ended_by_a_stop() {
    let mut machine = Machine::new();
    machine.load(0, vec![found("a", true, "pre_start = 'y'")]);
    let abort = Action::Abort {
        name: "a".to_owned(),
        generation: 1,
    };
    let not_started = || Event::NotStarted {
        error: "it was stopped".to_owned(),
        lasting: false,
    };
    let actions = machine.command(1, "a", Command::Restart).unwrap();
    assert_eq!(actions, std::slice::from_ref(&abort));
    // Once is enough.
    assert_eq!(machine.command(2, "a", Command::Stop).unwrap(), []);
    machine.command(3, "a", Command::Start).unwrap();
    let actions = machine.event(4, "a", 1, not_started());
    assert_eq!(starts(&actions), [("a".to_owned(), 2)]);
    machine.command(5, "a", Command::Stop).unwrap();
    machine.event(6, "a", 2, not_started());
    assert_eq!(machine.view("a").unwrap().phase, Phase::Stopped);
    // It was too late: the program runs and is stopped.
    machine.command(7, "a", Command::Start).unwrap();
    machine.command(8, "a", Command::Stop).unwrap();
    let actions = machine.event(9, "a", 3, Event::Started(12));
    assert_eq!(signals(&actions), [(12, Signal::TERM)]);
}

#[test]
fn restarts_in_a_row_have_a_limit() {
    let mut machine = running("max_retries = 2\nbackoff = '1ms'");
    let failed = || Event::Ended(End::Exited(1));
    machine.event(1, "a", 1, failed());
    for generation in [2, 3] {
        let at = machine.deadline().unwrap();
        machine.tick(at);
        machine.event(at, "a", generation, Event::Started(11));
        machine.event(at, "a", generation, failed());
    }
    assert_eq!(machine.view("a").unwrap().phase, Phase::Failed);
    assert_eq!(machine.deadline(), None);
    machine.command(100, "a", Command::Start).unwrap();
    machine.event(100, "a", 4, Event::Started(12));
    machine.event(60_100, "a", 4, failed());
    assert!(machine.view("a").unwrap().wanted);
}

#[test]
fn ends_that_are_meant_are_no_failures() {
    let mut machine = running("success_exit = [3, 'HUP']");
    machine.event(1, "a", 1, Event::Ended(End::Exited(3)));
    let view = machine.view("a").unwrap();
    assert_eq!((view.phase, view.ended_well), (Phase::Stopped, true));
    let mut machine = running("success_exit = [3, 'HUP']");
    machine.event(1, "a", 1, Event::Ended(End::Killed(Signal(1))));
    assert_eq!(machine.view("a").unwrap().phase, Phase::Stopped);
    let mut machine = running("success_exit = [3, 'HUP']");
    machine.event(1, "a", 1, Event::Ended(End::Exited(4)));
    assert_eq!(machine.view("a").unwrap().phase, Phase::Backoff);
}

#[test]
fn what_goes_down_takes_others_along_before_new_ones_start() {
    let (b, c) = (found("b", true, ""), found("c", true, "needs = ['b']"));
    let e = |enabled| found("e", enabled, "needs = ['c']");
    let mut machine = Machine::new();
    machine.load(0, vec![b, c.clone(), e(false)]);
    machine.event(0, "b", 1, Event::Started(10));
    machine.event(0, "c", 1, Event::Started(11));
    // `b` is gone, so that `c` goes down: `e` does not start for a moment.
    let actions = machine.load(1, vec![c, e(true)]);
    assert_eq!(starts(&actions), []);
    assert!(signals(&actions).iter().any(|(pid, _)| *pid == 11));
    assert_eq!(machine.view("e").unwrap().phase, Phase::Waiting);
}

//! How services are made to stop, and what is told of those that do not stay.

use super::tests::{found, running, signals};
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
    let slow = "stop_timeout = '10m'";
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
    let mut machine = running("restart_delay = 10\nrestart_delay_max = 10");
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

//! The machine, one story at a time.

use super::*;
use crate::config::{ConfigError, Millis, Restart, Signal};
use std::path::{Path, PathBuf};

fn service(extra: &str) -> Service {
    let text = format!("command = 'x'\n{extra}");
    Service::parse(Path::new("x.conf"), &text).unwrap()
}

fn found(name: &str, enabled: bool, extra: &str) -> Loaded {
    Loaded {
        name: name.to_owned(),
        enabled,
        definition: Ok(service(extra)),
    }
}

fn torn(name: &str) -> Loaded {
    Loaded {
        name: name.to_owned(),
        enabled: true,
        definition: Err(ConfigError {
            file: PathBuf::from("x.conf"),
            line: Some(3),
            message: "torn".to_owned(),
        }),
    }
}

fn starts(actions: &[Action]) -> Vec<(String, Generation)> {
    let start = |action: &Action| match action {
        Action::Start {
            name, generation, ..
        } => Some((name.clone(), *generation)),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

fn signals(actions: &[Action]) -> Vec<(u32, Signal)> {
    let signal = |action: &Action| match action {
        Action::Signal { pid, signal, .. } => Some((*pid, *signal)),
        _ => None,
    };
    actions.iter().filter_map(signal).collect()
}

/// A machine with service `a` running as pid 10, started at time 0.
fn running(extra: &str) -> Machine {
    let mut machine = Machine::new();
    let actions = machine.load(0, vec![found("a", true, extra)]);
    assert_eq!(starts(&actions), [("a".to_owned(), 1)]);
    machine.event(0, "a", 1, Event::Started(10));
    machine
}

fn phase(machine: &Machine) -> Phase {
    machine.view("a").unwrap().phase
}

#[test]
fn a_failure_is_restarted_after_a_delay() {
    let mut machine = running("");
    machine.event(50, "a", 1, Event::Ended(End::Exited(1)));
    assert_eq!(phase(&machine), Phase::Backoff);
    assert_eq!(machine.deadline(), Some(150));
    assert!(starts(&machine.tick(149)).is_empty());
    assert_eq!(starts(&machine.tick(150)), [("a".to_owned(), 2)]);
}

#[test]
fn quick_failures_wait_longer_and_a_healthy_run_resets() {
    let service = service("restart_delay_max = '1s'");
    let waits: Vec<u64> = (0..6).map(|n| entry::backoff(&service, n)).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    assert_eq!(entry::backoff(&service, 200), 1000);

    let mut machine = running("");
    machine.event(10, "a", 1, Event::Ended(End::Exited(1)));
    machine.tick(110);
    machine.event(110, "a", 2, Event::Started(11));
    machine.event(120, "a", 2, Event::Ended(End::Exited(1)));
    assert_eq!(machine.deadline(), Some(320));
    machine.tick(320);
    machine.event(320, "a", 3, Event::Started(12));
    machine.event(9_000, "a", 3, Event::Ended(End::Killed(Signal::KILL)));
    assert_eq!(machine.deadline(), Some(9_100));
}

#[test]
fn restart_rules_are_kept() {
    for (rule, end, again) in [
        ("always", End::Exited(0), true),
        ("on-failure", End::Exited(0), false),
        ("on-failure", End::Exited(3), true),
        ("on-failure", End::Killed(Signal::TERM), true),
        ("never", End::Exited(3), false),
    ] {
        let mut machine = running(&format!("restart = '{rule}'"));
        machine.event(5, "a", 1, Event::Ended(end));
        assert_eq!(machine.deadline().is_some(), again, "{rule} {end}");
    }
    assert_eq!(Restart::default(), Restart::Always);
}

#[test]
fn stop_does_not_restart() {
    let mut machine = running("");
    let actions = machine.command(5, "a", Command::Stop).unwrap();
    assert_eq!(signals(&actions), [(10, Signal::TERM)]);
    machine.event(6, "a", 1, Event::Ended(End::Killed(Signal::TERM)));
    assert_eq!(phase(&machine), Phase::Stopped);
    assert!(machine.tick(1_000_000).is_empty());
    assert!(machine.load(7, vec![found("a", true, "")]).is_empty());
    assert_eq!(phase(&machine), Phase::Stopped);
}

#[test]
fn a_stubborn_service_is_killed_once() {
    let mut machine = running("stop_timeout = '2s'");
    machine.command(5, "a", Command::Stop).unwrap();
    assert_eq!(machine.deadline(), Some(2_005));
    assert_eq!(signals(&machine.tick(2_005)), [(10, Signal::KILL)]);
    assert_eq!(machine.deadline(), None);
    assert!(machine.tick(9_000).is_empty());
}

#[test]
fn restart_waits_for_the_end_of_the_old_instance() {
    let mut machine = running("");
    let actions = machine.command(5, "a", Command::Restart).unwrap();
    assert!(starts(&actions).is_empty());
    let again = machine.command(6, "a", Command::Restart).unwrap();
    assert!(signals(&again).is_empty());
    let actions = machine.event(7, "a", 1, Event::Ended(End::Exited(0)));
    assert_eq!(starts(&actions), [("a".to_owned(), 2)]);
    assert_eq!(machine.view("a").unwrap().restarts, 0);
}

#[test]
fn a_stop_while_starting_stops_the_new_instance() {
    let mut machine = Machine::new();
    machine.load(0, vec![found("a", true, "")]);
    machine.command(0, "a", Command::Stop).unwrap();
    let actions = machine.event(1, "a", 1, Event::Started(10));
    assert_eq!(signals(&actions), [(10, Signal::TERM)]);
}

#[test]
fn events_of_an_older_instance_change_nothing() {
    let mut machine = running("");
    machine.event(5, "a", 1, Event::Ended(End::Exited(1)));
    machine.tick(105);
    machine.event(105, "a", 2, Event::Started(11));
    assert!(
        machine
            .event(106, "a", 1, Event::Ended(End::Exited(1)))
            .is_empty()
    );
    assert_eq!(phase(&machine), Phase::Running);
}

#[test]
fn reload_starts_what_is_newly_enabled_and_stops_what_is_not() {
    let mut machine = running("");
    let actions = machine.load(5, vec![found("a", true, ""), found("b", true, "")]);
    assert_eq!(starts(&actions), [("b".to_owned(), 1)]);
    let actions = machine.load(6, vec![found("a", false, ""), found("b", true, "")]);
    assert_eq!(signals(&actions), [(10, Signal::TERM)]);
    machine.event(7, "b", 1, Event::Started(11));
    let actions = machine.load(8, vec![found("a", false, "")]);
    assert_eq!(signals(&actions), [(11, Signal::TERM)]);
    machine.event(9, "b", 1, Event::Ended(End::Exited(0)));
    assert!(machine.view("b").is_none());
}

#[test]
fn a_torn_definition_harms_neither_itself_nor_others() {
    let mut machine = running("");
    machine.load(5, vec![torn("a"), found("b", true, "")]);
    let view = machine.view("a").unwrap();
    assert_eq!(view.phase, Phase::Running);
    assert_eq!(view.error.as_deref(), Some("x.conf:3: torn"));
    machine.event(6, "a", 1, Event::Ended(End::Exited(1)));
    assert_eq!(starts(&machine.tick(106)), [("a".to_owned(), 2)]);
}

#[test]
fn a_definition_that_becomes_valid_starts() {
    let mut machine = Machine::new();
    let actions = machine.load(0, vec![torn("a"), found("b", true, "after = ['a']")]);
    assert_eq!(starts(&actions), [("b".to_owned(), 1)]);
    assert_eq!(phase(&machine), Phase::Invalid);
    assert!(matches!(
        machine.command(1, "a", Command::Start),
        Err(Refusal::Invalid(_))
    ));
    let actions = machine.load(2, vec![found("a", true, ""), found("b", true, "")]);
    assert_eq!(starts(&actions), [("a".to_owned(), 1)]);
}

#[test]
fn a_failed_start_is_tried_again() {
    let mut machine = Machine::new();
    machine.load(0, vec![found("a", true, "")]);
    machine.event(0, "a", 1, Event::NotStarted("no such file".to_owned()));
    assert_eq!(phase(&machine), Phase::Backoff);
    assert_eq!(starts(&machine.tick(100)), [("a".to_owned(), 2)]);
}

#[test]
fn order_is_kept_when_starting_and_stopping() {
    let mut machine = Machine::new();
    let loaded = vec![found("a", true, "after = ['b']"), found("b", true, "")];
    assert_eq!(starts(&machine.load(0, loaded)), [("b".to_owned(), 1)]);
    let actions = machine.event(1, "b", 1, Event::Started(20));
    assert_eq!(starts(&actions), [("a".to_owned(), 1)]);
    machine.event(2, "a", 1, Event::Started(10));
    assert_eq!(signals(&machine.shut_down(3)), [(10, Signal::TERM)]);
    let actions = machine.event(4, "a", 1, Event::Ended(End::Exited(0)));
    assert_eq!(signals(&actions), [(20, Signal::TERM)]);
    machine.event(5, "b", 1, Event::Ended(End::Exited(0)));
    assert!(machine.is_quiet());
}

#[test]
fn cycles_are_mistakes() {
    let mut machine = Machine::new();
    let loaded = vec![
        found("a", true, "after = ['b']"),
        found("b", true, "after = ['c']"),
        found("c", true, "after = ['b']"),
    ];
    let actions = machine.load(0, loaded);
    assert_eq!(starts(&actions), [("a".to_owned(), 1)]);
    let error = machine.view("b").unwrap().error.unwrap();
    assert!(error.contains("b -> c -> b"), "{error}");
}

#[test]
fn nothing_starts_in_a_shutdown() {
    let mut machine = running("");
    machine.event(1, "a", 1, Event::Ended(End::Exited(1)));
    machine.shut_down(2);
    assert!(machine.is_quiet());
    assert_eq!(machine.deadline(), None);
    let refused = machine.command(3, "a", Command::Start);
    assert_eq!(refused, Err(Refusal::ShuttingDown));
    let reload = machine.load(4, vec![found("a", true, ""), found("b", true, "")]);
    assert!(starts(&reload).is_empty());
}

#[test]
fn changed_definitions_wait_for_the_next_start() {
    let mut machine = running("");
    machine.load(1, vec![found("a", true, "stop_timeout = '9s'")]);
    assert!(machine.view("a").unwrap().changed);
    machine.command(2, "a", Command::Restart).unwrap();
    machine.event(3, "a", 1, Event::Ended(End::Exited(0)));
    machine.event(4, "a", 2, Event::Started(11));
    assert!(!machine.view("a").unwrap().changed);
    assert_eq!(machine.service("a").unwrap().stop_timeout, Millis(9_000));
}

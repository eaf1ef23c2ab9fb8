//! The machine, one story at a time.

use super::*;
use crate::config::{ConfigError, Millis, Restart, Signal};
use std::path::Path;

fn service(extra: &str) -> Service {
    let text = format!("command = 'x'\n{extra}");
    Service::parse(Path::new("x.conf"), &text).unwrap()
}

pub(super) fn found(name: &str, enabled: bool, extra: &str) -> Loaded {
    Loaded {
        name: name.to_owned(),
        enabled,
        definition: Ok(service(extra).into()),
    }
}

fn torn(name: &str) -> Loaded {
    Loaded {
        name: name.to_owned(),
        enabled: true,
        definition: Err(ConfigError::new(Path::new("x.conf"), "torn")),
    }
}

pub(super) fn starts(actions: &[Action]) -> Vec<(String, Generation)> {
    let start = |action: &Action| match action {
        Action::Start {
            name, generation, ..
        } => Some((name.clone(), *generation)),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

pub(super) fn signals(actions: &[Action]) -> Vec<(u32, Signal)> {
    let signal = |action: &Action| match action {
        // It follows every request to end.
        Action::Signal { signal, .. } if *signal == Signal::CONT => None,
        Action::Signal { pid, signal, .. } => Some((*pid, *signal)),
        _ => None,
    };
    actions.iter().filter_map(signal).collect()
}

/// A machine with service `a` running as pid 10, started at time 0.
pub(super) fn running(extra: &str) -> Machine {
    let mut machine = Machine::new();
    let actions = machine.load(0, vec![found("a", true, extra)]);
    assert_eq!(starts(&actions), [("a".to_owned(), 1)]);
    machine.event(0, "a", 1, Event::Started(10));
    machine
}

fn phase(machine: &Machine) -> Phase {
    machine.view("a").unwrap().phase
}

/// The present deadline, which must be `nominal` after `now` give or take a
/// fifth.
#[track_caller]
fn due(machine: &Machine, now: Time, nominal: Time) -> Time {
    let due = machine.deadline().unwrap();
    let range = now + nominal - nominal / 5..=now + nominal + nominal / 5;
    assert!(range.contains(&due), "{due} not in {range:?}");
    due
}

#[test]
fn a_failure_is_restarted_after_a_delay() {
    let mut machine = running("");
    machine.event(50, "a", 1, Event::Ended(End::Exited(1)));
    assert_eq!(phase(&machine), Phase::Backoff);
    let due = due(&machine, 50, 100);
    assert!(starts(&machine.tick(due - 1)).is_empty());
    assert_eq!(starts(&machine.tick(due)), [("a".to_owned(), 2)]);
}

#[test]
fn the_first_restart_is_at_once_and_those_after_it_wait_longer() {
    let mut machine = running("");
    let killed = || Event::Ended(End::Killed(Signal::KILL));
    let actions = machine.event(1_000, "a", 1, killed());
    assert_eq!(starts(&actions), [("a".to_owned(), 2)]);
    machine.event(1_000, "a", 2, Event::Started(11));
    machine.event(9_000, "a", 2, killed());
    let at = due(&machine, 9_000, 100);
    machine.tick(at);
    machine.event(at, "a", 3, Event::Started(12));
    machine.event(at, "a", 3, killed());
    let at = due(&machine, at, 200);
    machine.tick(at);
    machine.event(at, "a", 4, Event::Started(13));
    let actions = machine.event(at + 60_000, "a", 4, killed());
    assert_eq!(starts(&actions), [("a".to_owned(), 5)]);
    // What an operator does makes it the first again.
    machine.event(70_000, "a", 5, Event::Started(14));
    machine.command(70_000, "a", Command::Restart).unwrap();
    machine.event(70_000, "a", 5, killed());
    machine.event(70_000, "a", 6, Event::Started(15));
    let actions = machine.event(71_000, "a", 6, killed());
    assert_eq!(starts(&actions), [("a".to_owned(), 7)]);
}

#[test]
fn what_cannot_be_mended_by_trying_is_not_tried_again() {
    let missing = || Event::NotStarted {
        error: "no such file".to_owned(),
        lasting: true,
    };
    let mut machine = Machine::new();
    machine.load(0, vec![found("a", true, "")]);
    machine.event(0, "a", 1, missing());
    assert_eq!(phase(&machine), Phase::Failed);
    assert_eq!(machine.deadline(), None);
    // Nothing has changed.
    assert!(machine.load(1, vec![found("a", true, "")]).is_empty());
    let changed = machine.load(2, vec![found("a", true, "cwd = '/tmp'")]);
    assert_eq!(starts(&changed), [("a".to_owned(), 2)]);
    machine.event(2, "a", 2, Event::Started(10));
    machine.event(3, "a", 2, Event::Ended(End::Exited(125)));
    assert_eq!(phase(&machine), Phase::Failed);
    assert_eq!(machine.deadline(), None);
    let started = machine.command(4, "a", Command::Start).unwrap();
    assert_eq!(starts(&started), [("a".to_owned(), 3)]);
}

#[test]
fn a_changed_definition_ends_a_wait() {
    let mut machine = running("");
    machine.event(1, "a", 1, Event::Ended(End::Exited(1)));
    assert_eq!(phase(&machine), Phase::Backoff);
    let changed = machine.load(2, vec![found("a", true, "cwd = '/tmp'")]);
    assert_eq!(starts(&changed), [("a".to_owned(), 2)]);
}

/// Starts and stops everything that `loaded` defines; how often anything was
/// done.
fn whole_life(loaded: Vec<Loaded>) -> usize {
    let mut machine = Machine::new();
    let count = loaded.len();
    let mut actions = machine.load(0, loaded);
    let (mut done, mut started) = (0, Vec::new());
    while let Some(action) = actions.pop() {
        if let Action::Start {
            name, generation, ..
        } = action
        {
            done += 1;
            started.push((name.clone(), generation));
            let pid = 10 + u32::try_from(done).unwrap();
            actions.extend(machine.event(0, &name, generation, Event::Started(pid)));
        }
    }
    assert_eq!(done, count);
    let mut actions = machine.shut_down(1);
    let generations: std::collections::HashMap<_, _> = started.into_iter().collect();
    while let Some(action) = actions.pop() {
        if let Action::Signal { name, signal, .. } = action
            && signal != Signal::CONT
        {
            done += 1;
            let end = Event::Ended(End::Exited(0));
            actions.extend(machine.event(1, &name, generations[&name], end));
        }
    }
    assert!(machine.is_quiet());
    done
}

#[test]
fn ten_thousand_start_and_stop_in_a_row_and_around_one() {
    let name = |n: usize| format!("s{n:05}");
    let begin = std::time::Instant::now();
    let chain = (0..10_000).map(|n| match n {
        9_999 => found(&name(n), true, ""),
        _ => found(&name(n), true, &format!("after = ['{}']", name(n + 1))),
    });
    assert_eq!(whole_life(chain.collect()), 20_000);
    let all: Vec<String> = (1..10_000).map(|n| format!("'{}'", name(n))).collect();
    let last = found(&name(0), true, &format!("after = [{}]", all.join(",")));
    let others = (1..10_000).map(|n| found(&name(n), true, ""));
    assert_eq!(
        whole_life([last].into_iter().chain(others).collect()),
        20_000
    );
    let ring = (0..10_000).map(|n| {
        let after = name((n + 1) % 10_000);
        found(&name(n), true, &format!("after = ['{after}']"))
    });
    let mut machine = Machine::new();
    assert!(starts(&machine.load(0, ring.collect())).is_empty());
    let error = machine.view(&name(3)).unwrap().error.unwrap();
    assert!(
        error.contains("waits for itself: by 9999 others"),
        "{error}"
    );
    // Any step that walks over all makes this minutes.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
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
    assert_eq!(Restart::default(), Restart::OnFailure);
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
    machine.tick(125);
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
    assert_eq!(view.error.as_deref(), Some("x.conf: torn"));
    machine.event(6, "a", 1, Event::Ended(End::Exited(1)));
    assert_eq!(starts(&machine.tick(126)), [("a".to_owned(), 2)]);
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
    let error = "no memory".to_owned();
    let lasting = false;
    machine.event(0, "a", 1, Event::NotStarted { error, lasting });
    assert_eq!(phase(&machine), Phase::Backoff);
    assert_eq!(starts(&machine.tick(120)), [("a".to_owned(), 2)]);
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
    let alone = found("d", true, "after = ['d']");
    machine.load(1, vec![alone]);
    let error = machine.view("d").unwrap().error.unwrap();
    assert!(error.contains("d -> d"), "{error}");
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

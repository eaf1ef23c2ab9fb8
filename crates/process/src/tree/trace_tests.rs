//! Tracers and those whom they trace.

use super::tests::{END, exit, family, fork};
use super::*;
use paddock_abi::process::WaitOptions;
use paddock_abi::ptrace::TraceOptions;

const STOP: WaitStatus = WaitStatus::Trapped {
    signal: 5,
    event: 0,
};

fn waited(tree: &mut Tree<u32>, tracer: u32, which: Selector) -> Result<Option<(u32, WaitStatus)>> {
    let found = tree.wait(tracer, which, END)?;
    Ok(found.map(|it| (it.pid, it.status)))
}

#[test]
fn a_stop_is_told_once_and_to_the_tracer_alone() {
    let (mut tree, init, shell, child) = family();
    let other = fork(&mut tree, Some(init));
    assert_eq!(
        waited(&mut tree, other, Selector::Any),
        Err(Errno::ECHILD),
        "nobody's"
    );
    tree.trace(child, other, true, TraceOptions::empty())
        .unwrap();
    assert_eq!(waited(&mut tree, other, Selector::Any), Ok(None));
    assert_eq!(tree.tracee_of(child, other, true), Err(Errno::ESRCH));
    assert!(tree.trace_stop(child, STOP).is_some());
    assert!(tree.stands_for_tracer(child));
    assert_eq!(waited(&mut tree, shell, Selector::Any), Ok(None));
    assert_eq!(
        waited(&mut tree, other, Selector::Pid(shell)),
        Err(Errno::ECHILD)
    );
    assert_eq!(
        waited(&mut tree, other, Selector::Pid(child)),
        Ok(Some((child, STOP)))
    );
    assert_eq!(waited(&mut tree, other, Selector::Any), Ok(None));
    assert!(tree.tracee_of(child, other, true).is_ok());
    tree.trace_resume(child);
    assert!(!tree.stands_for_tracer(child));
    tree.untrace(child);
    assert_eq!(waited(&mut tree, other, Selector::Any), Err(Errno::ECHILD));
}

#[test]
fn one_tracer_and_not_oneself() {
    let (mut tree, _, shell, child) = family();
    let none = TraceOptions::empty();
    assert_eq!(tree.trace(child, child, false, none), Err(Errno::EPERM));
    assert_eq!(tree.trace(9999, shell, false, none), Err(Errno::ESRCH));
    tree.trace(child, shell, false, none).unwrap();
    assert_eq!(tree.trace(child, shell, false, none), Err(Errno::EPERM));
}

#[test]
fn an_end_is_told_once_to_a_parent_that_traces_and_to_another_too() {
    let (mut tree, init, shell, child) = family();
    let other = fork(&mut tree, Some(init));
    let second = fork(&mut tree, Some(shell));
    tree.trace(child, shell, false, TraceOptions::empty())
        .unwrap();
    tree.trace(second, other, false, TraceOptions::empty())
        .unwrap();
    let status = WaitStatus::Exited(3);
    assert!(tree.trace_ended(child, status).is_none());
    exit(&mut tree, child, 3);
    assert_eq!(
        waited(&mut tree, shell, Selector::Any),
        Ok(Some((child, status)))
    );
    assert!(tree.trace_ended(second, status).is_some());
    exit(&mut tree, second, 3);
    assert_eq!(
        waited(&mut tree, other, Selector::Any),
        Ok(Some((second, status)))
    );
    assert_eq!(waited(&mut tree, other, Selector::Any), Err(Errno::ECHILD));
    assert_eq!(
        waited(&mut tree, shell, Selector::Any),
        Ok(Some((second, status)))
    );
}

#[test]
fn a_tracers_end_frees_those_whom_it_traced() {
    let (mut tree, init, _, child) = family();
    let other = fork(&mut tree, Some(init));
    tree.trace(child, other, true, TraceOptions::EXITKILL)
        .unwrap();
    tree.trace_stop(child, STOP);
    let freed = tree.tracer_ended(other).unwrap();
    assert_eq!((freed.tid, freed.options), (child, TraceOptions::EXITKILL));
    assert!(tree.tracee(child).is_none());
    assert!(tree.tracer_ended(other).is_none());
}

#[test]
fn one_that_listens_may_not_be_looked_at() {
    let (mut tree, init, _, child) = family();
    let other = fork(&mut tree, Some(init));
    tree.trace(child, other, true, TraceOptions::empty())
        .unwrap();
    tree.trace_stop(child, STOP);
    tree.trace_listen(child);
    assert!(tree.stands_for_tracer(child));
    assert_eq!(tree.tracee_of(child, other, true), Err(Errno::ESRCH));
    assert!(tree.tracee_of(child, other, false).is_ok());
    tree.trace_stop(child, STOP);
    let all = END | WaitOptions::NOWAIT;
    let look = |tree: &mut Tree<u32>| {
        let found = tree.wait(other, Selector::Any, all).unwrap();
        found.map(|it| it.pid)
    };
    assert_eq!(look(&mut tree), Some(child));
    assert_eq!(look(&mut tree), Some(child), "it was only looked at");
}

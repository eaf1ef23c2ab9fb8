//! Who traces whom (ptrace(2)), and what tracers may wait for.

use super::{Local, Member, Selector, Tree, Waited};
use crate::status::{Usage, WaitStatus};
use alloc::sync::Arc;
use alloc::vec::Vec;
use hashbrown::HashMap;
use paddock_abi::process::WaitOptions;
use paddock_abi::ptrace::TraceOptions;
use paddock_abi::{Errno, Result};

/// A thread that is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracee {
    /// The process that traces it.
    pub tracer: u32,
    /// By `PTRACE_SEIZE`.
    pub seized: bool,
    /// What its tracer asked for.
    pub options: TraceOptions,
    process: u32,
    /// What its tracer knows it as, also once it is gone.
    number: Local,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It goes on, or is on its way to a stop.
    Runs,
    /// It stands still; the tracer may look at it and have it go on.
    Stands {
        status: WaitStatus,
        /// Whether its tracer has waited for that.
        told: bool,
    },
    /// It stands still until something happens (`PTRACE_LISTEN`).
    Listens,
    /// It is gone, and its tracer has not waited for that.
    Ended(WaitStatus),
}

/// A thread whose tracer has ended.
#[derive(Debug)]
pub struct TraceEnd<P> {
    /// Its number.
    pub tid: u32,
    /// Its process.
    pub process: Arc<P>,
    /// What its tracer had asked for.
    pub options: TraceOptions,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Traces {
    tracees: HashMap<u32, Tracee>,
    /// By tracer, in the order in which they were traced.
    by: HashMap<u32, Vec<u32>>,
}

impl Traces {
    fn remove(&mut self, tid: u32) -> Option<Tracee> {
        let tracee = self.tracees.remove(&tid)?;
        if let Some(list) = self.by.get_mut(&tracee.tracer) {
            list.retain(|other| *other != tid);
            if list.is_empty() {
                self.by.remove(&tracee.tracer);
            }
        }
        Some(tracee)
    }
}

impl<P: Member> Tree<P> {
    /// The thread is traced by process `tracer` from now on.
    ///
    /// # Errors
    /// `ESRCH` if there is no such thread; `EPERM` if it has a tracer, or is one of
    /// the tracer's own; `ENOMEM`.
    pub fn trace(
        &mut self,
        tid: u32,
        tracer: u32,
        seized: bool,
        options: TraceOptions,
    ) -> Result<()> {
        let process = self.threads.get(&tid).ok_or(Errno::ESRCH)?.process;
        if self.node(process)?.is_zombie() || !self.nodes.contains_key(&tracer) {
            return Err(Errno::ESRCH);
        }
        if process == tracer || self.tracee(tid).is_some() {
            return Err(Errno::EPERM);
        }
        let number = self.number_for(tracer, tid);
        // What is there now is of another that had its number.
        self.traces.remove(tid);
        let traces = &mut self.traces;
        traces.tracees.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        traces.by.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let list = traces.by.entry(tracer).or_default();
        list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        list.push(tid);
        traces.tracees.insert(
            tid,
            Tracee {
                tracer,
                seized,
                options,
                process,
                number,
                state: State::Runs,
            },
        );
        Ok(())
    }

    /// How a living thread is traced, if it is.
    pub fn tracee(&self, tid: u32) -> Option<Tracee> {
        let tracee = self.traces.tracees.get(&tid).copied()?;
        (!matches!(tracee.state, State::Ended(_))).then_some(tracee)
    }

    /// How a thread is traced by `tracer`; with `stands`, only while it stands still.
    ///
    /// # Errors
    /// `ESRCH` for others.
    pub fn tracee_of(&self, tid: u32, tracer: u32, stands: bool) -> Result<Tracee> {
        let tracee = self.tracee(tid).filter(|it| it.tracer == tracer);
        let tracee = tracee.ok_or(Errno::ESRCH)?;
        match stands && !matches!(tracee.state, State::Stands { .. }) {
            true => Err(Errno::ESRCH),
            false => Ok(tracee),
        }
    }

    /// Whether a thread stands still for its tracer.
    pub fn stands_for_tracer(&self, tid: u32) -> bool {
        let state = self.traces.tracees.get(&tid).map(|it| it.state);
        matches!(state, Some(State::Stands { .. } | State::Listens))
    }

    /// Sets what a thread's tracer asks for.
    pub fn set_trace_options(&mut self, tid: u32, options: TraceOptions) {
        if let Some(tracee) = self.traces.tracees.get_mut(&tid) {
            tracee.options = options;
        }
    }

    /// The thread stands still from now on; its tracer, to be told. `None` if it has
    /// none.
    pub fn trace_stop(&mut self, tid: u32, status: WaitStatus) -> Option<Arc<P>> {
        let tracer = self.tracee(tid)?.tracer;
        self.set_state(
            tid,
            State::Stands {
                status,
                told: false,
            },
        );
        self.get(tracer)
    }

    /// The thread goes on.
    pub fn trace_resume(&mut self, tid: u32) {
        if self.tracee(tid).is_some() {
            self.set_state(tid, State::Runs);
        }
    }

    /// `PTRACE_LISTEN` of a thread that stands.
    pub fn trace_listen(&mut self, tid: u32) {
        self.set_state(tid, State::Listens);
    }

    fn set_state(&mut self, tid: u32, state: State) {
        if let Some(tracee) = self.traces.tracees.get_mut(&tid) {
            tracee.state = state;
        }
    }

    /// The thread is not traced any more.
    pub fn untrace(&mut self, tid: u32) {
        self.traces.remove(tid);
    }

    /// The thread has ended, or with `tid` its process's own the process; its tracer,
    /// to be told. A parent that traces its child hears of that by the child's end.
    pub fn trace_ended(&mut self, tid: u32, status: WaitStatus) -> Option<Arc<P>> {
        let tracee = self.tracee(tid)?;
        let is_child = || {
            let node = self.nodes.get(&tid);
            node.is_some_and(|node| node.parent == tracee.tracer)
        };
        if is_child() {
            self.traces.remove(tid);
            return None;
        }
        self.set_state(tid, State::Ended(status));
        self.get(tracee.tracer)
    }

    /// A tracer has ended: one of those that it traced, which nobody traces any more;
    /// `None` once there is none.
    pub fn tracer_ended(&mut self, tracer: u32) -> Option<TraceEnd<P>> {
        loop {
            let tid = *self.traces.by.get(&tracer)?.last()?;
            let tracee = self.traces.remove(tid)?;
            let living = !matches!(tracee.state, State::Ended(_));
            if let Some(process) = self.get(tracee.process).filter(|_| living) {
                let options = tracee.options;
                return Some(TraceEnd {
                    tid,
                    process,
                    options,
                });
            }
        }
    }

    /// A thread that `tracer` traces and that has news; `None` if there are some but no
    /// news; `otherwise` if there are none.
    pub(super) fn wait_for_tracee(
        &mut self,
        tracer: u32,
        which: Selector,
        options: WaitOptions,
        otherwise: Result<()>,
    ) -> Result<Option<Waited<P>>> {
        let Some(list) = self.traces.by.get(&tracer) else {
            return otherwise.map(|()| None);
        };
        let mut some = false;
        let mut found = None;
        for &tid in list {
            let Some(tracee) = self.traces.tracees.get(&tid) else {
                continue;
            };
            if !self.selects(tid, tracee, which) {
                continue;
            }
            some = true;
            if let Some(status) = news_of(tracee, options) {
                found = Some((tid, status));
                break;
            }
        }
        match found {
            Some((tid, status)) => Ok(Some(self.collect_tracee(tid, status, options))),
            None if some => Ok(None),
            None => otherwise.map(|()| None),
        }
    }

    fn selects(&self, tid: u32, tracee: &Tracee, which: Selector) -> bool {
        match which {
            Selector::Any => true,
            Selector::Pid(pid) => pid == tid,
            Selector::Group(group) => self.group(tracee.process) == Ok(group),
        }
    }

    fn collect_tracee(&mut self, tid: u32, status: WaitStatus, options: WaitOptions) -> Waited<P> {
        let tracee = self.traces.tracees.get(&tid).copied();
        let uid = tracee.and_then(|it| self.uid(it.process).ok()).unwrap_or(0);
        match status.is_end() {
            _ if options.contains(WaitOptions::NOWAIT) => {}
            true => drop(self.traces.remove(tid)),
            false => self.set_state(tid, State::Stands { status, told: true }),
        }
        Waited {
            pid: tid,
            number: tracee.map_or(Local::NOBODY, |it| it.number),
            uid,
            status,
            usage: Usage::default(),
            gone: None,
        }
    }
}

/// What a tracer has not been told of a thread. Stops are told whatever is asked for.
fn news_of(tracee: &Tracee, options: WaitOptions) -> Option<WaitStatus> {
    match tracee.state {
        State::Stands {
            status,
            told: false,
        } => Some(status),
        State::Ended(status) => options.contains(WaitOptions::EXITED).then_some(status),
        _ => None,
    }
}

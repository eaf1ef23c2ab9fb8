//! [`Signals`]: all signal state of one process.

use super::{DefaultAction, Pending, SignalSet, default_action, is_signal};
use crate::WaitStatus;
use alloc::boxed::Box;
use alloc::vec::Vec;
use paddock_abi::signal::*;
use paddock_abi::{Errno, Result};
use paddock_sync::try_box;

/// The signal state of one thread.
#[derive(Clone, Debug)]
pub struct ThreadSignals {
    pub(super) tid: u32,
    pub(super) mask: SignalSet,
    /// The mask to return to after the handler that ends a sigsuspend.
    pub(super) saved_mask: Option<SignalSet>,
    pub(super) pending: Pending,
    pub(super) alt_stack: StackT,
    /// Signals that sigtimedwait waits for although they are blocked.
    pub(super) awaited: SignalSet,
    /// Its tracer is told of signals first, of those that do nothing too.
    pub(super) traced: bool,
}

pub(super) const NO_ALT_STACK: StackT = StackT {
    ss_sp: 0,
    ss_flags: SS_DISABLE,
    pad: 0,
    ss_size: 0,
};

impl ThreadSignals {
    fn new(tid: u32, mask: SignalSet) -> ThreadSignals {
        ThreadSignals {
            tid,
            mask,
            saved_mask: None,
            pending: Pending::new(),
            alt_stack: NO_ALT_STACK,
            awaited: SignalSet::EMPTY,
            traced: false,
        }
    }
}

/// Whether a process only gets the signals that it handles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// It gets all.
    #[default]
    No,
    /// As process 1 of a PID namespace: from outside of that it gets `SIGKILL` and
    /// `SIGSTOP` besides.
    OfNamespace,
    /// As the machine's process 1.
    Whole,
}

/// All signal state of one process and its threads.
#[derive(Debug)]
pub struct Signals {
    pub(super) actions: Box<[Sigaction; SIGMAX as usize]>,
    pub(super) pending: Pending,
    pub(super) threads: Vec<ThreadSignals>,
    pub(super) protection: Protection,
    /// How the process ends, once that is decided: all threads go.
    ending: Option<WaitStatus>,
    /// A thread has taken a stop and has not made it yet.
    pub(super) stopping: bool,
    /// How many signals with details may wait, for the process and for each
    /// thread (`RLIMIT_SIGPENDING`).
    pub(super) queue_limit: u64,
}

/// The limit until another is set.
const QUEUE_LIMIT: u64 = 1024;

impl Signals {
    /// The state of a first process with one thread: defaults, and nothing
    /// blocked. `ENOMEM`.
    pub fn new(tid: u32, protection: Protection) -> Result<Signals> {
        let mut signals = Signals {
            actions: try_box([Sigaction::default(); SIGMAX as usize])?,
            pending: Pending::new(),
            threads: Vec::new(),
            protection,
            ending: None,
            stopping: false,
            queue_limit: QUEUE_LIMIT,
        };
        signals.add_thread(tid, SignalSet::EMPTY)?;
        Ok(signals)
    }

    /// The state of a child that `parent_tid` forks: the same actions and
    /// mask, nothing pending. Its alternate stack stays if `keep_stack` (the
    /// child has its own copy of it, or a stack of its own as with vfork).
    /// `ENOMEM`.
    pub fn fork(&self, parent_tid: u32, child_tid: u32, keep_stack: bool) -> Result<Signals> {
        // Taken apart so that a new field asks what a fork does with it.
        let Signals {
            actions,
            pending: _,
            threads: _,
            protection: _,
            ending: _,
            stopping: _,
            queue_limit,
        } = self;
        let ThreadSignals {
            tid: _,
            mask,
            saved_mask: _,
            pending: _,
            alt_stack,
            awaited: _,
            traced: _,
        } = self.thread(parent_tid)?;
        let mut child = Signals::new(child_tid, Protection::No)?;
        *child.actions = **actions;
        child.queue_limit = *queue_limit;
        let thread = child.thread_mut(child_tid)?;
        thread.mask = *mask;
        if keep_stack {
            thread.alt_stack = *alt_stack;
        }
        Ok(child)
    }

    /// It is process 1 of a PID namespace.
    pub fn protect(&mut self) {
        self.protection = Protection::OfNamespace;
    }

    /// Whether a signal without a handler that waits does what it does.
    pub(super) fn may_default(&self, signal: u32) -> bool {
        match self.protection {
            Protection::No => true,
            Protection::OfNamespace => SignalSet::UNBLOCKABLE.contains(signal),
            Protection::Whole => false,
        }
    }

    /// Sets how many signals with details may wait.
    pub fn set_queue_limit(&mut self, limit: u64) {
        self.queue_limit = limit;
    }

    /// How many signals wait, for the process and for its threads together, and
    /// how many may for each (proc_pid_status(5), `SigQ`).
    pub fn queued(&self) -> (usize, u64) {
        let of_threads: usize = self.threads.iter().map(|thread| thread.pending.len()).sum();
        (self.pending.len() + of_threads, self.queue_limit)
    }

    /// Adds a thread with the mask of its creator. `ENOMEM`.
    pub fn add_thread(&mut self, tid: u32, mask: SignalSet) -> Result<()> {
        self.threads.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.threads.push(ThreadSignals::new(tid, mask));
        Ok(())
    }

    /// Whether the stop that [`Self::next`] gave still holds: no `SIGCONT` or
    /// `SIGKILL` has come since. Once for each.
    pub fn take_stop(&mut self) -> bool {
        core::mem::take(&mut self.stopping)
    }

    /// Another thread to be woken, if signals of the process wait that `tid`
    /// blocks and the other does not: whoever was woken for a signal may have
    /// blocked it since.
    pub fn other_receiver(&self, tid: u32) -> Option<u32> {
        let mask = self.thread(tid).ok()?.mask;
        let waiting = self.pending.set().intersection(mask);
        if waiting.is_empty() {
            return None;
        }
        let can = |thread: &&ThreadSignals| !waiting.minus(thread.mask).is_empty();
        self.threads.iter().find(can).map(|thread| thread.tid)
    }

    /// Forgets a thread that has ended. Gives another thread that should be
    /// woken, if signals of the process wait that it could handle.
    pub fn remove_thread(&mut self, tid: u32) -> Option<u32> {
        self.threads.retain(|thread| thread.tid != tid);
        let pending = self.pending.set();
        let can = |thread: &&ThreadSignals| !pending.minus(thread.mask).is_empty();
        self.threads.iter().find(can).map(|thread| thread.tid)
    }

    /// Handlers become defaults; what is ignored stays so (`CLONE_CLEAR_SIGHAND`).
    pub fn forget_handlers(&mut self) {
        for action in &mut *self.actions {
            let ignored = action.handler == SIG_IGN;
            *action = Sigaction::default();
            action.handler = if ignored { SIG_IGN } else { SIG_DFL };
        }
    }

    /// execve(2): handlers become defaults, the alternate stack goes, what
    /// is ignored, blocked and pending stays. Only `tid` is left.
    pub fn exec(&mut self, tid: u32) {
        self.forget_handlers();
        self.threads.retain(|thread| thread.tid == tid);
        if let Ok(thread) = self.thread_mut(tid) {
            thread.alt_stack = NO_ALT_STACK;
        }
    }

    /// The leader's number passes to `tid`, whose thread calls execve(2).
    pub fn rename_thread(&mut self, tid: u32, new: u32) {
        if let Ok(thread) = self.thread_mut(tid) {
            thread.tid = new;
        }
    }

    pub(super) fn thread(&self, tid: u32) -> Result<&ThreadSignals> {
        self.threads
            .iter()
            .find(|thread| thread.tid == tid)
            .ok_or(Errno::ESRCH)
    }

    pub(super) fn thread_mut(&mut self, tid: u32) -> Result<&mut ThreadSignals> {
        self.threads
            .iter_mut()
            .find(|thread| thread.tid == tid)
            .ok_or(Errno::ESRCH)
    }

    pub(super) fn action_of(&self, signal: u32) -> &Sigaction {
        &self.actions[(signal.clamp(1, SIGMAX) - 1) as usize]
    }

    /// What is set for a signal. `EINVAL` for no signal.
    pub fn action(&self, signal: u32) -> Result<Sigaction> {
        match is_signal(signal) {
            true => Ok(*self.action_of(signal)),
            false => Err(Errno::EINVAL),
        }
    }

    /// Sets what a signal does. Ignoring it drops what waits. `EINVAL`.
    pub fn set_action(&mut self, signal: u32, action: Sigaction) -> Result<()> {
        if !is_signal(signal) || SignalSet::UNBLOCKABLE.contains(signal) {
            return Err(Errno::EINVAL);
        }
        self.actions[(signal - 1) as usize] = Sigaction {
            mask: SignalSet(action.mask).minus(SignalSet::UNBLOCKABLE).0,
            ..action
        };
        if self.ignores(signal) {
            self.discard(SignalSet::of(signal));
        }
        Ok(())
    }

    pub(super) fn discard(&mut self, signals: SignalSet) {
        self.pending.discard(signals);
        self.threads
            .iter_mut()
            .for_each(|thread| thread.pending.discard(signals));
    }

    /// Whether a signal that is not blocked would do nothing.
    pub fn ignores(&self, signal: u32) -> bool {
        match self.action_of(signal).handler {
            SIG_IGN => true,
            SIG_DFL => matches!(
                default_action(signal),
                DefaultAction::Ignore | DefaultAction::Continue
            ),
            _ => false,
        }
    }

    /// Whether a signal that is sent now ends the process: it is not handled, and
    /// there is a thread that does not block it.
    pub fn is_deadly(&self, signal: u32) -> bool {
        let ends = matches!(
            default_action(signal),
            DefaultAction::Terminate | DefaultAction::Core
        );
        let is_heard = || {
            self.threads
                .iter()
                .any(|thread| !thread.mask.contains(signal))
        };
        is_signal(signal)
            && ends
            && self.action_of(signal).handler == SIG_DFL
            && self.may_default(signal)
            && is_heard()
    }

    /// Whether `SIGCHLD` is set up so that children leave no zombies.
    pub fn reaps_children(&self) -> bool {
        let action = self.action_of(SIGCHLD);
        action.handler == SIG_IGN || action.flags & SaFlags::NOCLDWAIT.bits() != 0
    }

    /// Whether a signal waits that the thread does not block and that ends the
    /// process.
    pub fn has_deadly(&self, tid: u32) -> bool {
        let Ok(thread) = self.thread(tid) else {
            return false;
        };
        let waiting = thread.pending.set().union(self.pending.set());
        let heard = waiting.minus(thread.mask);
        (1..=SIGMAX).any(|signal| heard.contains(signal) && self.is_deadly(signal))
    }

    /// Whether the process ends, or has been sent `SIGKILL` and will.
    pub fn is_killed(&self) -> bool {
        let waits = |pending: &Pending| pending.set().contains(SIGKILL);
        let of_thread = |thread: &ThreadSignals| waits(&thread.pending);
        self.is_dying() || waits(&self.pending) || self.threads.iter().any(of_thread)
    }

    /// Whether the parent wants to hear of children that stop.
    pub fn hears_stops(&self) -> bool {
        let action = self.action_of(SIGCHLD);
        action.handler != SIG_IGN && action.flags & SaFlags::NOCLDSTOP.bits() == 0
    }

    /// Whether the thread blocks or ignores a signal, for job control.
    pub fn blocks_or_ignores(&self, tid: u32, signal: u32) -> bool {
        let blocked = self
            .thread(tid)
            .is_ok_and(|thread| thread.mask.contains(signal));
        blocked || self.action_of(signal).handler == SIG_IGN
    }

    /// The thread's mask. `ESRCH`.
    pub fn mask(&self, tid: u32) -> Result<SignalSet> {
        Ok(self.thread(tid)?.mask)
    }

    /// Sets the thread's mask. `ESRCH`.
    pub fn set_mask(&mut self, tid: u32, mask: SignalSet) -> Result<()> {
        self.thread_mut(tid)?.mask = mask.minus(SignalSet::UNBLOCKABLE);
        Ok(())
    }

    /// rt_sigprocmask(2); the mask before. `EINVAL`.
    pub fn change_mask(&mut self, tid: u32, how: u32, set: SignalSet) -> Result<SignalSet> {
        let old = self.mask(tid)?;
        let new = match how {
            SIG_BLOCK => old.union(set),
            SIG_UNBLOCK => old.minus(set),
            SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        self.set_mask(tid, new)?;
        Ok(old)
    }

    /// Sets a mask for the time of one call (sigsuspend, ppoll). If no
    /// handler runs, [`Self::restore_mask`] ends it; a handler returns to
    /// the mask before.
    pub fn suspend_mask(&mut self, tid: u32, mask: SignalSet) -> Result<()> {
        let thread = self.thread_mut(tid)?;
        thread.saved_mask.get_or_insert(thread.mask);
        thread.mask = mask.minus(SignalSet::UNBLOCKABLE);
        Ok(())
    }

    /// Ends a temporary mask without a handler having run.
    pub fn restore_mask(&mut self, tid: u32) {
        if let Ok(thread) = self.thread_mut(tid)
            && let Some(mask) = thread.saved_mask.take()
        {
            thread.mask = mask;
        }
    }

    /// The signals that wait for the thread alone, and those that wait for its process.
    /// `ESRCH`.
    pub fn pending_apart(&self, tid: u32) -> Result<(SignalSet, SignalSet)> {
        Ok((self.thread(tid)?.pending.set(), self.pending.set()))
    }

    /// The signals that wait for the thread, blocked or not. `ESRCH`.
    pub fn pending(&self, tid: u32) -> Result<SignalSet> {
        Ok(self.thread(tid)?.pending.set().union(self.pending.set()))
    }

    /// Whether the thread has something to do about signals: what ends an
    /// interruptible wait.
    pub fn has_work(&self, tid: u32) -> bool {
        let Ok(thread) = self.thread(tid) else {
            return true;
        };
        let pending = thread.pending.set().union(self.pending.set());
        self.is_dying() || !pending.minus(thread.mask).is_empty()
    }

    /// Whether `SIGKILL` waits for the thread or its process.
    pub fn kill_waits(&self, tid: u32) -> bool {
        self.pending(tid)
            .is_ok_and(|pending| pending.contains(SIGKILL))
    }

    /// The thread has a tracer from now on, or none. `ESRCH`.
    pub fn set_traced(&mut self, tid: u32, traced: bool) -> Result<()> {
        self.thread_mut(tid)?.traced = traced;
        Ok(())
    }

    /// Whether it is decided that the process ends.
    pub fn is_dying(&self) -> bool {
        self.ending.is_some()
    }

    /// How the process ends, if that is decided.
    pub fn ending(&self) -> Option<WaitStatus> {
        self.ending
    }

    /// All threads are to end (exit_group, or a deadly signal). Only the first
    /// word on how counts.
    pub fn set_ending(&mut self, status: WaitStatus) {
        self.ending.get_or_insert(status);
    }
}

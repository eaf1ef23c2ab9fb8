//! [`Signals`]: all signal state of one process.

use super::{DefaultAction, Pending, SignalSet, default_action, is_signal};
use alloc::vec::Vec;
use paddock_abi::signal::*;
use paddock_abi::{Errno, Result};

/// The signal state of one thread.
#[derive(Clone, Debug)]
pub struct ThreadSignals {
    tid: u32,
    mask: SignalSet,
    /// The mask to return to after the handler that ends a sigsuspend.
    saved_mask: Option<SignalSet>,
    pending: Pending,
    alt_stack: StackT,
    /// Signals that sigtimedwait waits for although they are blocked.
    awaited: SignalSet,
}

const NO_ALT_STACK: StackT = StackT {
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
        }
    }
}

/// What sending a signal has led to; the sender then wakes accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Nobody will notice.
    Ignored,
    /// It waits; nobody needs waking.
    Blocked,
    /// It waits, and this thread should be woken to handle it.
    Wake(u32),
}

/// What a thread does next about signals, on its way to user mode.
#[derive(Clone, Copy, Debug)]
pub enum Delivery {
    /// The whole process dies.
    Terminate {
        /// The signal.
        signal: u32,
        /// Whether it is one that dumps core.
        core: bool,
    },
    /// The whole process stops.
    Stop(u32),
    /// A handler runs.
    Handler {
        /// How it was set up.
        action: Sigaction,
        /// What it is told.
        info: Siginfo,
        /// The mask to return to.
        old_mask: SignalSet,
    },
}

/// All signal state of one process and its threads.
#[derive(Debug)]
pub struct Signals {
    actions: [Sigaction; SIGMAX as usize],
    pending: Pending,
    threads: Vec<ThreadSignals>,
    /// Process 1 only gets the signals that it handles.
    protected: bool,
    /// `SIGKILL` or another deadly signal is on its way: all threads go.
    dying: bool,
}

impl Signals {
    /// The state of a first process with one thread: defaults, and nothing
    /// blocked. `protected` for process 1. `ENOMEM`.
    pub fn new(tid: u32, protected: bool) -> Result<Signals> {
        let mut signals = Signals {
            actions: [Sigaction::default(); SIGMAX as usize],
            pending: Pending::new(),
            threads: Vec::new(),
            protected,
            dying: false,
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
            protected: _,
            dying: _,
        } = self;
        let ThreadSignals {
            tid: _,
            mask,
            saved_mask: _,
            pending: _,
            alt_stack,
            awaited: _,
        } = self.thread(parent_tid)?;
        let mut child = Signals::new(child_tid, false)?;
        child.actions = *actions;
        let thread = child.thread_mut(child_tid)?;
        thread.mask = *mask;
        if keep_stack {
            thread.alt_stack = *alt_stack;
        }
        Ok(child)
    }

    /// Adds a thread with the mask of its creator. `ENOMEM`.
    pub fn add_thread(&mut self, tid: u32, mask: SignalSet) -> Result<()> {
        self.threads.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.threads.push(ThreadSignals::new(tid, mask));
        Ok(())
    }

    /// Forgets a thread that has ended. Gives another thread that should be
    /// woken, if signals of the process wait that it could handle.
    pub fn remove_thread(&mut self, tid: u32) -> Option<u32> {
        self.threads.retain(|thread| thread.tid != tid);
        let pending = self.pending.set();
        let can = |thread: &&ThreadSignals| !pending.minus(thread.mask).is_empty();
        self.threads.iter().find(can).map(|thread| thread.tid)
    }

    /// execve(2): handlers become defaults, the alternate stack goes, what
    /// is ignored, blocked and pending stays. Only `tid` is left.
    pub fn exec(&mut self, tid: u32) {
        for action in &mut self.actions {
            let ignored = action.handler == SIG_IGN;
            *action = Sigaction::default();
            action.handler = if ignored { SIG_IGN } else { SIG_DFL };
        }
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

    fn thread(&self, tid: u32) -> Result<&ThreadSignals> {
        self.threads
            .iter()
            .find(|thread| thread.tid == tid)
            .ok_or(Errno::ESRCH)
    }

    fn thread_mut(&mut self, tid: u32) -> Result<&mut ThreadSignals> {
        self.threads
            .iter_mut()
            .find(|thread| thread.tid == tid)
            .ok_or(Errno::ESRCH)
    }

    fn action_of(&self, signal: u32) -> &Sigaction {
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

    fn discard(&mut self, signals: SignalSet) {
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

    /// Whether `SIGCHLD` is set up so that children leave no zombies.
    pub fn reaps_children(&self) -> bool {
        let action = self.action_of(SIGCHLD);
        action.handler == SIG_IGN || action.flags & SaFlags::NOCLDWAIT.bits() != 0
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
        self.dying || !pending.minus(thread.mask).is_empty()
    }

    /// Whether a signal is on its way that kills the process.
    pub fn is_dying(&self) -> bool {
        self.dying
    }

    /// All threads are to end (exit_group, or a deadly signal).
    pub fn set_dying(&mut self) {
        self.dying = true;
    }

    /// Sends a signal to the process (`tid` none) or one of its threads.
    /// `forced` is the kernel's own: it cannot be ignored or blocked.
    /// `ESRCH` if there is no such thread; `EAGAIN` as for
    /// [`Pending::add`].
    pub fn send(&mut self, info: &Siginfo, tid: Option<u32>) -> Result<Sent> {
        let signal = info.signal();
        if !is_signal(signal) {
            return Err(Errno::EINVAL);
        }
        self.cancel_opposites(signal);
        if self.drops(signal, tid) {
            return Ok(Sent::Ignored);
        }
        match tid {
            Some(tid) => {
                let thread = self.thread_mut(tid)?;
                thread.pending.add(info)?;
                Ok(thread.receive(signal))
            }
            None => {
                self.pending.add(info)?;
                Ok(self.receiver(signal))
            }
        }
    }

    /// A stop cancels a waiting `SIGCONT`, and `SIGCONT` waiting stops.
    fn cancel_opposites(&mut self, signal: u32) {
        if signal == SIGCONT {
            self.discard(SignalSet::STOPPING);
        } else if SignalSet::STOPPING.contains(signal) {
            self.discard(SignalSet::of(SIGCONT));
        }
    }

    /// Whether a signal leaves no trace: ignored by all it could reach, and
    /// blocked by none of them.
    fn drops(&self, signal: u32, tid: Option<u32>) -> bool {
        let defaulted = self.action_of(signal).handler == SIG_DFL;
        if self.protected && defaulted {
            return true;
        }
        let concerned = |thread: &&ThreadSignals| tid.is_none_or(|tid| tid == thread.tid);
        let kept = |thread: &ThreadSignals| {
            thread.mask.contains(signal) || thread.awaited.contains(signal)
        };
        self.ignores(signal) && !self.threads.iter().filter(concerned).any(kept)
    }

    /// Which thread handles a signal of the process: the first that does not
    /// block it.
    fn receiver(&self, signal: u32) -> Sent {
        let takes = |thread: &&ThreadSignals| thread.receive(signal) != Sent::Blocked;
        self.threads
            .iter()
            .find(takes)
            .map_or(Sent::Blocked, |thread| Sent::Wake(thread.tid))
    }

    /// Makes a signal that the thread's own instruction caused certain: if
    /// it is blocked or ignored, its default comes back. `ESRCH`.
    pub fn force(&mut self, info: &Siginfo, tid: u32) -> Result<()> {
        let signal = info.signal();
        let blocked = self.thread(tid)?.mask.contains(signal);
        if blocked || self.action_of(signal).handler == SIG_IGN {
            self.actions[(signal.clamp(1, SIGMAX) - 1) as usize] = Sigaction::default();
        }
        // A fault without a handler ends even process 1: it could only
        // fault again.
        if self.action_of(signal).handler == SIG_DFL {
            self.protected = false;
        }
        let thread = self.thread_mut(tid)?;
        thread.mask = thread.mask.minus(SignalSet::of(signal));
        thread.pending.add(info)
    }

    /// The next thing that the thread does about signals, or `None` if it
    /// can go on in user mode.
    pub fn next(&mut self, tid: u32) -> Option<Delivery> {
        loop {
            let (signal, info) = self.take(tid, None)?;
            let action = *self.action_of(signal);
            match action.handler {
                SIG_IGN => continue,
                SIG_DFL => {
                    if let Some(delivery) = self.default_delivery(signal) {
                        return Some(delivery);
                    }
                }
                _ => return self.handle(tid, signal, action, info),
            }
        }
    }

    fn default_delivery(&mut self, signal: u32) -> Option<Delivery> {
        match default_action(signal) {
            _ if self.protected => None,
            DefaultAction::Ignore | DefaultAction::Continue => None,
            DefaultAction::Stop => Some(Delivery::Stop(signal)),
            DefaultAction::Terminate => Some(Delivery::Terminate {
                signal,
                core: false,
            }),
            DefaultAction::Core => Some(Delivery::Terminate { signal, core: true }),
        }
    }

    fn handle(
        &mut self,
        tid: u32,
        signal: u32,
        action: Sigaction,
        info: Siginfo,
    ) -> Option<Delivery> {
        let flags = SaFlags::from_bits_retain(action.flags);
        let thread = self.thread_mut(tid).ok()?;
        let old_mask = thread.saved_mask.take().unwrap_or(thread.mask);
        thread.mask = thread.mask.union(SignalSet(action.mask));
        if !flags.contains(SaFlags::NODEFER) {
            thread.mask = thread.mask.union(SignalSet::of(signal));
        }
        thread.mask = thread.mask.minus(SignalSet::UNBLOCKABLE);
        if flags.contains(SaFlags::RESETHAND) {
            self.actions[(signal.clamp(1, SIGMAX) - 1) as usize].handler = SIG_DFL;
        }
        Some(Delivery::Handler {
            action,
            info,
            old_mask,
        })
    }

    /// Takes a signal that waits and is not blocked, or of `wanted` even if
    /// blocked. `SIGKILL` first, then faults, then the lowest; the thread's
    /// own before the process's.
    fn take(&mut self, tid: u32, wanted: Option<SignalSet>) -> Option<(u32, Siginfo)> {
        let mask = self.thread(tid).ok()?.mask;
        let among = |set: SignalSet| match wanted {
            Some(wanted) => set.intersection(wanted),
            None => set.minus(mask),
        };
        let own = among(self.thread(tid).ok()?.pending.set());
        let shared = among(self.pending.set());
        let all = own.union(shared);
        let signal = all
            .intersection(SignalSet::of(SIGKILL))
            .first()
            .or(own.intersection(SignalSet::SYNCHRONOUS).first())
            .or(all.first())?;
        let info = match own.contains(signal) {
            true => self.thread_mut(tid).ok()?.pending.take(signal),
            false => self.pending.take(signal),
        };
        info.map(|info| (signal, info))
    }

    /// rt_sigtimedwait(2): takes a signal of `wanted`, or notes that the
    /// thread waits for them. [`Self::stop_awaiting`] ends that.
    pub fn await_signal(&mut self, tid: u32, wanted: SignalSet) -> Option<Siginfo> {
        let wanted = wanted.minus(SignalSet::UNBLOCKABLE);
        let taken = self.take(tid, Some(wanted));
        if let Ok(thread) = self.thread_mut(tid) {
            thread.awaited = if taken.is_some() {
                SignalSet::EMPTY
            } else {
                wanted
            };
        }
        taken.map(|(_, info)| info)
    }

    /// The thread no longer waits for signals.
    pub fn stop_awaiting(&mut self, tid: u32) {
        if let Ok(thread) = self.thread_mut(tid) {
            thread.awaited = SignalSet::EMPTY;
        }
    }

    /// sigaltstack(2): the thread's alternate stack. `ESRCH`.
    pub fn alt_stack(&self, tid: u32) -> Result<StackT> {
        Ok(self.thread(tid)?.alt_stack)
    }

    /// Sets it. `EPERM` if `sp` is on it now; `EINVAL`; `ENOMEM` if it is too
    /// small.
    pub fn set_alt_stack(&mut self, tid: u32, stack: StackT, sp: u64) -> Result<()> {
        let thread = self.thread_mut(tid)?;
        if on_stack(&thread.alt_stack, sp) {
            return Err(Errno::EPERM);
        }
        thread.alt_stack = match stack.ss_flags & !SS_AUTODISARM {
            SS_DISABLE => NO_ALT_STACK,
            0 | SS_ONSTACK if stack.ss_size < MINSIGSTKSZ => return Err(Errno::ENOMEM),
            0 | SS_ONSTACK => StackT {
                ss_flags: stack.ss_flags & SS_AUTODISARM,
                ..stack
            },
            _ => return Err(Errno::EINVAL),
        };
        Ok(())
    }

    /// Puts back an alternate stack that a signal frame saved. `ESRCH`.
    pub fn restore_alt_stack(&mut self, tid: u32, stack: StackT) -> Result<()> {
        let thread = self.thread_mut(tid)?;
        if stack.ss_flags & SS_AUTODISARM != 0 {
            thread.alt_stack = StackT {
                ss_flags: SS_AUTODISARM,
                ..stack
            };
        }
        Ok(())
    }

    /// A handler runs on the alternate stack: it disarms itself if it was
    /// set up so.
    pub fn disarm_alt_stack(&mut self, tid: u32) {
        if let Ok(thread) = self.thread_mut(tid)
            && thread.alt_stack.ss_flags & SS_AUTODISARM != 0
        {
            thread.alt_stack = NO_ALT_STACK;
        }
    }
}

impl ThreadSignals {
    fn receive(&self, signal: u32) -> Sent {
        let blocked = self.mask.contains(signal) && !self.awaited.contains(signal);
        if blocked {
            Sent::Blocked
        } else {
            Sent::Wake(self.tid)
        }
    }
}

/// Whether `sp` lies on an alternate stack that is in use.
pub(super) fn on_stack(stack: &StackT, sp: u64) -> bool {
    let enabled = stack.ss_flags & SS_DISABLE == 0 && stack.ss_flags & SS_AUTODISARM == 0;
    enabled && sp > stack.ss_sp && sp - stack.ss_sp <= stack.ss_size
}

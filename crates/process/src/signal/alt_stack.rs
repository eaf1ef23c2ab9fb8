//! Alternate stacks for handlers (sigaltstack(2)).

use super::state::{NO_ALT_STACK, Signals};
use paddock_abi::signal::*;
use paddock_abi::{Errno, Result};

impl Signals {
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

/// Whether `sp` lies on an alternate stack that is in use.
pub(super) fn on_stack(stack: &StackT, sp: u64) -> bool {
    let enabled = stack.ss_flags & SS_DISABLE == 0 && stack.ss_flags & SS_AUTODISARM == 0;
    enabled && sp > stack.ss_sp && sp - stack.ss_sp <= stack.ss_size
}

//! CPU clocks: which process or thread a clock's number stands for, and
//! clock_nanosleep(2) on them.

use super::Call;
use crate::process::timers::CpuReading;
use crate::process::{Process, UserThread, cpu_clock, tree};
use alloc::sync::Arc;
use paddock_abi::time::*;
use paddock_abi::{Errno, Result};
use paddock_sync::{NO_DEADLINE, WaitError};

/// The clock of a process or thread.
pub struct CpuClock {
    process: Arc<Process>,
    thread: Option<Arc<UserThread>>,
    /// Time in user mode only.
    user_only: bool,
}

impl CpuClock {
    /// The clock of this number (clock_getcpuclockid(3)). `EINVAL` if it is
    /// none, or of a process that is not there, or of another's thread.
    pub fn find(call: &Call<'_>, number: u32) -> Result<CpuClock> {
        let own = |thread| CpuClock {
            process: call.process().clone(),
            thread,
            user_only: false,
        };
        match number {
            CLOCK_PROCESS_CPUTIME_ID => Ok(own(None)),
            CLOCK_THREAD_CPUTIME_ID => Ok(own(Some(call.thread.clone()))),
            _ => Self::by_number(call, number as i32).ok_or(Errno::EINVAL),
        }
    }

    /// A negative number is made of a process's or thread's: its complement,
    /// whether it is a thread's (1 bit), and what is measured (2 bits).
    fn by_number(call: &Call<'_>, number: i32) -> Option<CpuClock> {
        if number >= 0 || number & CPUCLOCK_CLOCK_MASK == CPUCLOCK_FD {
            return None;
        }
        let id = !(number >> 3) as u32;
        let of_thread = number & CPUCLOCK_PERTHREAD_MASK != 0;
        let (process, thread) = match (of_thread, id) {
            (false, 0) => (call.process().clone(), None),
            (true, 0) => (call.process().clone(), Some(call.thread.clone())),
            (false, pid) => {
                let pid = call.find_number(pid)?;
                (tree().lock().get(pid)?, None)
            }
            (true, tid) => {
                let process = call.process();
                let thread = process.thread(call.find_number(tid)?)?;
                (process.clone(), Some(thread))
            }
        };
        Some(CpuClock {
            process,
            thread,
            user_only: number & CPUCLOCK_CLOCK_MASK == CPUCLOCK_VIRT,
        })
    }

    /// Its reading, in nanoseconds.
    pub fn read(&self) -> u64 {
        let times = match &self.thread {
            Some(thread) => thread.cpu_times(),
            None => self.process.cpu_times(),
        };
        times.of(self.user_only)
    }

    /// The same for timers, which do not keep whose it is.
    pub fn for_timers(&self) -> CpuReading {
        CpuReading::new(&self.process, self.thread.as_ref(), self.user_only)
    }

    fn has_ended(&self) -> bool {
        self.process.threads.lock().is_empty()
    }

    /// Sleeps until it reads `deadline`, or for ever if its process ends.
    fn sleep_until(&self, deadline: u64) -> core::result::Result<(), WaitError> {
        let clock = &self.process.cpu_clock;
        loop {
            let left = deadline.saturating_sub(self.read());
            if left == 0 {
                return Ok(());
            }
            // Whatever is measured, the process needs as much at least.
            let total = self.process.cpu_times().total().saturating_add(left);
            let key = clock.timers.lock().sleep(total);
            let Ok(key) = key else {
                return Err(WaitError::TimedOut);
            };
            cpu_clock::changed(&self.process);
            // Of a process that has ended nobody wakes them again.
            let over = || !clock.timers.lock().sleeps(key) && !self.has_ended();
            let slept = clock
                .sleepers
                .wait_interruptible(NO_DEADLINE, || over().then_some(()));
            clock.timers.lock().forget_sleep(key);
            slept?;
        }
    }
}

/// clock_nanosleep(2) on a CPU clock. `EINVAL` for the caller's own time,
/// which stands still meanwhile.
pub fn sleep(call: &Call<'_>, number: u32) -> Result<u64> {
    let clock = CpuClock::find(call, number)?;
    if clock
        .thread
        .as_ref()
        .is_some_and(|thread| thread.tid == call.thread.tid)
    {
        return Err(Errno::EINVAL);
    }
    let nanos = call.pointer::<Timespec>(2).read()?.to_nanos()?;
    let absolute = call.uint(1) & TIMER_ABSTIME != 0;
    let deadline = match (absolute, call.resumed()) {
        (true, _) => nanos,
        (false, Some(deadline)) => deadline,
        (false, None) => clock.read().saturating_add(nanos),
    };
    match clock.sleep_until(deadline) {
        Ok(()) => Ok(0),
        Err(WaitError::TimedOut) => Err(Errno::ENOMEM),
        Err(_) if absolute => Err(Errno::ERESTARTNOHAND),
        Err(_) => {
            if let Some(place) = call.pointer::<Timespec>(3).non_null() {
                let left = deadline.saturating_sub(clock.read());
                place.write(&Timespec::from_nanos(left))?;
            }
            Err(call.restarting_at(deadline, Errno::ERESTARTNOHAND))
        }
    }
}

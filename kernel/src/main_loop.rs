//! The main loop (SPEC S7): one thread that polls the kernel's async tasks,
//! in named steps, and sleeps when nothing is due.
//!
//! Each step is an executor of its own. Its pender, which any context may
//! call, only marks the step as due and unparks the loop.

mod rounds;

use crate::thread::Thread;
use crate::time;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use embassy_executor::{Spawner, raw::Executor};
use paddock_sync::{OnceCell, PollGuard, platform};
use paddock_watchdog::Stage;
use rounds::LoopWatch;
pub use rounds::is_busy;

/// The main loop's steps, in the order in which they are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// The ethernet stack's runner.
    NetworkRunner,
    /// The loopback stack's runner.
    LoopbackRunner,
    /// The SSH server and its sessions.
    Ssh,
    /// Work that interrupt handlers put off, such as console input.
    DeferredInterrupts,
    /// Other spawned tasks.
    Tasks,
    /// Process 1's output, on its way to the console.
    HerdOutput,
    /// None: the loop sleeps.
    Asleep,
}

const STEPS: [Step; 6] = [
    Step::NetworkRunner,
    Step::LoopbackRunner,
    Step::Ssh,
    Step::DeferredInterrupts,
    Step::Tasks,
    Step::HerdOutput,
];

/// The step that runs now, for the watchdog and the panic report.
static CURRENT: Stage = Stage::new(Step::Asleep as u8);
/// Steps that have something to do, a bit each.
static DUE: AtomicU32 = AtomicU32::new(0);
/// How often the loop has gone around.
static ROUNDS: AtomicU64 = AtomicU64::new(0);
/// The loop's thread.
static THREAD: OnceCell<Arc<Thread>> = OnceCell::new();

/// The step the main loop is in. Any context.
pub fn current_step() -> Step {
    current_step_since().0
}

/// The step the main loop is in, and when (ns) that began. Any context.
pub fn current_step_since() -> (Step, u64) {
    let (number, since) = CURRENT.get();
    let step = STEPS.into_iter().find(|step| *step as u8 == number);
    (step.unwrap_or(Step::Asleep), since)
}

fn set_step(step: Step) {
    CURRENT.begin(step as u8, platform::now());
}

/// The main loop's thread, once it runs.
pub fn thread() -> Option<&'static Thread> {
    THREAD.get().map(|thread| &**thread)
}

/// The steps of these bits, as [`STEPS`] has them.
pub fn steps_of(bits: u32) -> impl Iterator<Item = Step> {
    let is_there = move |step: &Step| bits & (1 << *step as u32) != 0;
    STEPS.into_iter().filter(is_there)
}

/// How often the loop has gone around since boot. Any context.
pub fn rounds() -> u64 {
    ROUNDS.load(Ordering::Relaxed)
}

/// Embassy's call when a task of the executor made with `context` was woken.
#[unsafe(export_name = "__pender")]
fn pender(context: *mut ()) {
    rounds::note_waker();
    let bit = 1 << context.addr();
    if DUE.fetch_or(bit, Ordering::AcqRel) & bit == 0
        && let Some(thread) = THREAD.get()
    {
        thread.unpark();
    }
}

/// The executors, before and while the loop runs them.
pub struct MainLoop {
    executors: [&'static Executor; STEPS.len()],
}

impl MainLoop {
    /// Makes the executors. In the main loop's thread, once.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn new() -> Self {
        MainLoop {
            executors: STEPS.map(|step| {
                let context = core::ptr::without_provenance_mut(step as usize);
                &*Box::leak(Box::new(Executor::new(context)))
            }),
        }
    }

    /// Where to spawn tasks of a step before the loop runs.
    pub fn spawner(&self, step: Step) -> Spawner {
        self.executors[step as usize].spawner()
    }

    /// Runs for ever. Thread context, preemption on.
    pub fn run(self) -> ! {
        let thread = crate::thread::current_arc();
        thread.set_unparked_by_name();
        let _ = THREAD.set(thread);
        let mut watch = LoopWatch::new();
        loop {
            let due = DUE.swap(0, Ordering::AcqRel);
            if due == 0 {
                set_step(Step::Asleep);
                paddock_sync::might_sleep();
                platform::park(time::latest_alarm());
                time::woke();
                watch.slept();
                continue;
            }
            watch.round(due);
            ROUNDS.fetch_add(1, Ordering::Relaxed);
            for step in STEPS {
                if due & (1 << step as u32) != 0 {
                    self.run_step(step);
                }
            }
        }
    }

    fn run_step(&self, step: Step) {
        set_step(step);
        let _polling = PollGuard::new();
        // SAFETY: only this thread polls these executors, and never from
        // within a poll or from the pender.
        unsafe { self.executors[step as usize].poll() };
    }
}

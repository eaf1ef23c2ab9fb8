//! Blocking work for async tasks (SPEC S12).
//!
//! A task hands a closure to worker threads, which may sleep, and goes on
//! when its waker is called. The closure runs in thread context.

use crate::thread;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Poll, Waker};
use paddock_abi::{Errno, Result};
use paddock_sync::{Rank, SpinLock, WaitQueue, try_arc, try_box};

/// How many threads serve the queue.
const WORKERS: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

static JOBS: SpinLock<VecDeque<Job>> = SpinLock::new(Rank::Leaf, VecDeque::new());
static WORK: WaitQueue = WaitQueue::new();

enum Progress<T> {
    Running(Option<Waker>),
    Done(T),
    Taken,
}

/// Starts the worker threads. Once, at boot.
///
/// # Errors
/// `ENOMEM`.
pub fn start() -> Result<()> {
    for _ in 0..WORKERS {
        thread::spawn("async-fs", work)?;
    }
    Ok(())
}

fn work() {
    loop {
        let job = WORK.wait_until(|| JOBS.lock().pop_front());
        job();
    }
}

/// Runs `job` on a worker thread; the future completes with its result.
///
/// # Errors
/// `ENOMEM` if the job could not be queued; it has then not run.
pub async fn run<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let shared = try_arc(SpinLock::<_>::new(Rank::Leaf, Progress::Running(None)))?;
    queue(shared.clone(), job)?;
    Ok(poll_fn(move |cx| take(&shared, cx.waker())).await)
}

/// Runs `job` on a worker thread some time, for its effect alone.
///
/// # Errors
/// `ENOMEM`; it has then not run.
pub fn run_alone(job: impl FnOnce() + Send + 'static) -> Result<()> {
    let shared = try_arc(SpinLock::<_>::new(Rank::Leaf, Progress::Running(None)))?;
    queue(shared, job)
}

fn queue<T: Send + 'static>(
    shared: Arc<SpinLock<Progress<T>>>,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<()> {
    let job: Job = try_box(move || finish(&shared, job()))?;
    let mut jobs = JOBS.lock();
    jobs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    jobs.push_back(job);
    drop(jobs);
    WORK.wake_one();
    Ok(())
}

fn finish<T>(shared: &SpinLock<Progress<T>>, value: T) {
    let before = core::mem::replace(&mut *shared.lock(), Progress::Done(value));
    if let Progress::Running(Some(waker)) = before {
        waker.wake();
    }
}

fn take<T>(shared: &SpinLock<Progress<T>>, waker: &Waker) -> Poll<T> {
    let mut progress = shared.lock();
    match core::mem::replace(&mut *progress, Progress::Taken) {
        Progress::Done(value) => Poll::Ready(value),
        Progress::Running(_) => {
            *progress = Progress::Running(Some(waker.clone()));
            Poll::Pending
        }
        Progress::Taken => unreachable!("a finished future was polled again"),
    }
}

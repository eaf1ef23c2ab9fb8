//! Runs one future on one thread and sleeps in poll(2) when it is pending.

use std::cell::RefCell;
use std::future::Future;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Interests {
    descriptors: Vec<libc::pollfd>,
    deadline: Option<Instant>,
}

thread_local! {
    static INTERESTS: RefCell<Interests> = RefCell::default();
}

/// The future that is being polled is worth polling again once `fd` has `events`.
pub fn wait_for(fd: RawFd, events: i16) {
    INTERESTS.with_borrow_mut(|interests| {
        interests.descriptors.push(libc::pollfd {
            fd,
            events,
            revents: 0,
        });
    });
}

/// A timer.
pub struct Sleep(Instant);

pub fn sleep(milliseconds: u64) -> Sleep {
    Sleep(Instant::now() + Duration::from_millis(milliseconds))
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.0 {
            return Poll::Ready(());
        }
        INTERESTS.with_borrow_mut(|interests| {
            let earliest = interests.deadline.map_or(self.0, |other| other.min(self.0));
            interests.deadline = Some(earliest);
        });
        Poll::Pending
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Polls the future only when something it asked for has happened, and counts
/// how often that is.
pub fn block_on<F: Future>(future: F, polls: &AtomicUsize) -> F::Output {
    let mut future = Box::pin(future);
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    loop {
        INTERESTS.take();
        polls.fetch_add(1, Ordering::Relaxed);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        if !flag.0.swap(false, Ordering::AcqRel) {
            INTERESTS.take().wait();
        }
    }
}

impl Interests {
    fn wait(mut self) {
        assert!(
            !self.descriptors.is_empty() || self.deadline.is_some(),
            "pending, but nothing will wake the future"
        );
        let left = self
            .deadline
            .map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(-1, |left| left.as_millis() as i32 + 1);
        // SAFETY: the pointer and the count are those of one live vector.
        unsafe {
            libc::poll(
                self.descriptors.as_mut_ptr(),
                self.descriptors.len() as libc::nfds_t,
                timeout,
            );
        }
    }
}

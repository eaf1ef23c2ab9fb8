//! When which network namespace's stack has something to do, and the task that sees to
//! it: one for all, which looks at those alone whose time has come.

use super::space::NetSpace;
use crate::time;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};
use embassy_time::{Instant, Timer};
use paddock_abi::{Errno, Result};
use paddock_inet::NEVER;
use paddock_sched::Deadlines;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// The most namespaces that are seen to before others have the main loop.
const AT_ONCE: usize = 64;

struct Agenda {
    /// By their places; `None` is a place that is free, or taken by one that is being
    /// made.
    spaces: Vec<Option<Weak<NetSpace>>>,
    /// Places that are free, with room for all.
    free: Vec<u32>,
    deadlines: Deadlines,
    /// The task.
    waker: Option<Waker>,
    /// When it wakes by itself, ns since boot.
    alarm: u64,
}

static AGENDA: SpinLock<Agenda, PreemptOff> = SpinLock::new(
    Rank::Leaf,
    Agenda {
        spaces: Vec::new(),
        free: Vec::new(),
        deadlines: Deadlines::new(),
        waker: None,
        alarm: NEVER,
    },
);

/// A namespace's place in the agenda.
pub struct Place(u32);

/// A place for a namespace that is being made. `ENOMEM`.
pub fn place() -> Result<Place> {
    AGENDA.lock().take_place()
}

impl Place {
    /// Whose it is.
    pub fn belongs_to(&self, space: &Arc<NetSpace>) {
        AGENDA.lock().spaces[self.0 as usize] = Some(Arc::downgrade(space));
    }

    /// The namespace has something to do at `deadline`, ns since boot, and not before.
    /// Any context but an interrupt.
    pub fn set(&self, deadline: u64) {
        let mut agenda = AGENDA.lock();
        agenda.deadlines.set(self.0 as usize, deadline);
        if deadline < agenda.alarm {
            agenda.alarm = deadline;
            if let Some(waker) = &agenda.waker {
                waker.wake_by_ref();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut agenda = AGENDA.lock();
        agenda.deadlines.remove(self.0 as usize);
        let gone = agenda.spaces[self.0 as usize].take();
        agenda.free.push(self.0);
        drop(agenda);
        drop(gone);
    }
}

impl Agenda {
    fn take_place(&mut self) -> Result<Place> {
        if let Some(place) = self.free.pop() {
            return Ok(Place(place));
        }
        let count = self.spaces.len() + 1;
        self.spaces.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.free.try_reserve(count).map_err(|_| Errno::ENOMEM)?;
        self.deadlines.reserve(count)?;
        self.spaces.push(None);
        Ok(Place(count as u32 - 1))
    }

    fn note_task(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

/// A namespace whose time has come, if there is one.
fn next_due(now: u64) -> Option<Arc<NetSpace>> {
    let mut agenda = AGENDA.lock();
    while let Some(place) = agenda.deadlines.pop_due(now) {
        let space = agenda.spaces[place].as_ref().and_then(Weak::upgrade);
        if space.is_some() {
            return space;
        }
    }
    None
}

/// Does what is due, whenever it is.
#[embassy_executor::task]
pub async fn run() {
    loop {
        let deadline = wait_for_deadline().await;
        super::tell_services();
        let at = Instant::from_micros(deadline.div_ceil(1000));
        let mut timer = pin!(Timer::at(at));
        // The alarm may be moved forward meanwhile.
        poll_fn(|cx| match alarm(cx.waker()) < deadline {
            true => Poll::Ready(()),
            false => core::future::Future::poll(timer.as_mut(), cx),
        })
        .await;
    }
}

/// The alarm; its task is the waker's.
fn alarm(waker: &Waker) -> u64 {
    let mut agenda = AGENDA.lock();
    agenda.note_task(waker);
    agenda.alarm
}

/// Does what is due, and waits until there is a deadline ahead.
async fn wait_for_deadline() -> u64 {
    poll_fn(|cx| {
        let now = time::now();
        for _ in 0..AT_ONCE {
            match next_due(now) {
                Some(space) => space.on_time(),
                None => break,
            }
        }
        let mut agenda = AGENDA.lock();
        agenda.note_task(cx.waker());
        agenda.alarm = agenda.deadlines.earliest().unwrap_or(NEVER);
        match agenda.alarm {
            NEVER => Poll::Pending,
            alarm => Poll::Ready(alarm),
        }
    })
    .await
}

//! Who may come in: the connections there are, those that have not logged in
//! apart from those that have.

use crate::memory::frames;
use crate::net::service;
use crate::{random, thread, time};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use paddock_ssh::settings::{MAX_SESSIONS, Settings};
use paddock_ssh::{Admission, AdmissionLimits, AuthRequest, Offence, Stage, Ticket};
use paddock_sync::{OnceCell, Pollable, Rank, Ready, SpinLock, WaitQueue, try_arc};

/// The limits of connections that have not logged in.
const LIMITS: AdmissionLimits = AdmissionLimits::new(MAX_SESSIONS);
/// Pages of the machine for each session that there may be: 4 MiB.
const PAGES_PER_SESSION: usize = 1024;
/// However little memory there is.
const FEWEST_SESSIONS: usize = 8;

/// How long the connections may take to be closed before the machine goes, and
/// how often that is looked at, in milliseconds.
const FAREWELL_MS: u64 = 500;
const LOOK_MS: u64 = 5;

/// Whether the machine is about to go.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

struct Door {
    admission: Admission,
    visits: Vec<(Ticket, Weak<Visit>)>,
}

static DOOR: OnceCell<SpinLock<Door>> = OnceCell::new();

/// The limits by the memory there is.
fn limits() -> AdmissionLimits {
    let sessions = (frames::total() / PAGES_PER_SESSION).clamp(FEWEST_SESSIONS, LIMITS.sessions);
    AdmissionLimits { sessions, ..LIMITS }
}

/// Other limits from now on.
pub fn set_limits(settings: &Settings) {
    let mut limits = limits();
    settings.limit(&mut limits);
    if let Some(door) = DOOR.get() {
        door.lock().admission.set_limits(limits);
    }
}

/// Once, before the server accepts.
pub fn init() {
    let door = Door {
        admission: Admission::new(limits()),
        visits: Vec::new(),
    };
    let _ = DOOR.set(SpinLock::new(Rank::Leaf, door));
}

/// Milliseconds since boot.
pub fn now_ms() -> u64 {
    time::now() / 1_000_000
}

/// A connection that was let in. Dropping the last reference gives its place
/// back.
pub struct Visit {
    ticket: Ticket,
    /// The client.
    pub peer: SocketAddr,
    /// This side.
    pub local: SocketAddr,
    has_to_go: AtomicBool,
    has_tried: AtomicBool,
    is_operators: AtomicBool,
    has_logged_in: AtomicBool,
    /// When it came, and how long it took to log in, in milliseconds.
    entered: u64,
    login_ms: AtomicU64,
    /// The login, if it was let in by keys that were only kept.
    by_kept: SpinLock<Option<AuthRequest>>,
    changed: WaitQueue,
}

impl Pollable for Visit {
    fn ready(&self) -> Ready {
        match self.has_to_go() {
            true => Ready::HUP,
            false => Ready::empty(),
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

/// A connection has come. `None` if it is to be reset at once; others may
/// have to go for it.
pub fn enter(peer: SocketAddr, local: SocketAddr) -> Option<Arc<Visit>> {
    let door = DOOR.get().filter(|_| !is_closed())?;
    let random = random::next_u64() as u32;
    let admitted = door
        .lock()
        .admission
        .admit(peer.ip(), now_ms(), random)
        .ok()?;
    let visit = Visit {
        ticket: admitted.ticket,
        peer,
        local,
        has_to_go: AtomicBool::new(false),
        has_tried: AtomicBool::new(false),
        is_operators: AtomicBool::new(false),
        has_logged_in: AtomicBool::new(false),
        entered: now_ms(),
        login_ms: AtomicU64::new(0),
        by_kept: SpinLock::new(Rank::Leaf, None),
        changed: WaitQueue::new(),
    };
    // Without memory the visit is dropped, which gives its place back.
    let visit = try_arc(visit);
    let gone = door.lock().replace(&admitted.evicted, visit.as_ref().ok());
    for visit in gone {
        visit.go();
    }
    visit.ok().filter(|visit| !visit.has_to_go())
}

/// Whether nobody is let in any more, and all have to go.
pub fn is_closed() -> bool {
    IS_CLOSED.load(Relaxed)
}

/// Ends all connections, as the machine is about to go, and waits for a moment until
/// their clients know. `tell_listener` has the task that listens look at
/// [`is_closed`]. Thread context; sleeps.
pub fn close(tell_listener: impl Fn()) {
    IS_CLOSED.store(true, Relaxed);
    tell_listener();
    let Some(door) = DOOR.get() else {
        return;
    };
    let mut next = 0;
    loop {
        let visit = door.lock().visits.get(next).map(|(_, visit)| visit.clone());
        let Some(visit) = visit else {
            break;
        };
        if let Some(visit) = visit.upgrade() {
            visit.go();
        }
        next += 1;
    }
    for _ in 0..FAREWELL_MS / LOOK_MS {
        if service::counts().0 == 0 {
            break;
        }
        thread::sleep_ms(LOOK_MS);
    }
}

impl Door {
    /// Keeps a new visit in mind, and gives those that have to go. Drops none:
    /// a visit's end takes the lock.
    fn replace(&mut self, evicted: &[Ticket], new: Option<&Arc<Visit>>) -> Vec<Arc<Visit>> {
        let mut gone = Vec::new();
        self.visits.retain(|(ticket, visit)| {
            let goes = evicted.contains(ticket);
            if goes {
                gone.extend(visit.upgrade());
            }
            !goes && visit.strong_count() > 0
        });
        if let Some(new) = new {
            match self.visits.try_reserve(1) {
                Ok(()) => self.visits.push((new.ticket, Arc::downgrade(new))),
                // It could not be told to go.
                Err(_) => new.has_to_go.store(true, Relaxed),
            }
        }
        gone
    }
}

impl Visit {
    /// Has its connection ended.
    fn go(&self) {
        self.has_to_go.store(true, Relaxed);
        self.changed.wake_all();
    }

    /// Whether its connection has to end.
    pub fn has_to_go(&self) -> bool {
        self.has_to_go.load(Relaxed)
    }

    /// Whether the client has logged in.
    pub fn has_logged_in(&self) -> bool {
        self.has_logged_in.load(Relaxed)
    }

    /// The client has come as far as that.
    pub fn reach(&self, stage: Stage) {
        if let Some(door) = DOOR.get() {
            door.lock().admission.reach(self.ticket, stage);
        }
    }

    /// The client was refused, or broke the rules.
    pub fn note_failure(&self) {
        self.has_tried.store(true, Relaxed);
    }

    /// Whose account the client is about to log in to.
    pub fn set_operators(&self, is_operators: bool) {
        self.is_operators.store(is_operators, Relaxed);
    }

    /// How long the login took, in milliseconds; zero before it.
    pub fn login_ms(&self) -> u64 {
        self.login_ms.load(Relaxed)
    }

    /// The client is let in by keys that were only kept.
    pub fn set_by_kept(&self, login: AuthRequest) {
        let old = self.by_kept.lock().replace(login);
        drop(old);
    }

    /// Whether it was let in so.
    pub fn is_by_kept(&self) -> bool {
        self.by_kept.lock().is_some()
    }

    /// With which key, if it was let in so.
    pub fn by_kept(&self) -> Option<AuthRequest> {
        self.by_kept.lock().clone()
    }

    /// The client has logged in; whether there is room for one more session.
    pub fn log_in(&self) -> bool {
        let is_operators = self.is_operators.load(Relaxed);
        let is_in = DOOR
            .get()
            .is_some_and(|door| door.lock().admission.log_in(self.ticket, is_operators));
        self.has_logged_in.store(is_in, Relaxed);
        let took = now_ms().saturating_sub(self.entered);
        self.login_ms.store(took, Relaxed);
        is_in
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let offence = match self.has_tried.load(Relaxed) {
            true => Offence::Failed,
            false => Offence::Idle,
        };
        if let Some(door) = DOOR.get() {
            let mut door = door.lock();
            door.admission.leave(self.ticket, now_ms(), Some(offence));
        }
    }
}

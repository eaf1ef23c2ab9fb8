//! The one door to embassy-net.
//!
//! Its state is in `RefCell`s, so whoever touches it (the runner's poll
//! included) is inside a section: preemption off, the stack's spin lock held.
//! Nothing blocking and nothing async fits inside: a section takes a closure
//! and gives a plain value.

use crate::memory::frames;
use alloc::boxed::Box;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::task::Waker;
use embassy_net::driver::Driver;
use embassy_net::{Config, Runner, Stack, StackResources};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// Sockets that each stack has room for, its own (DHCP, DNS) included: about a kilobyte
/// each, whether there are any or not.
pub const SOCKETS: usize = 128;
/// The same where there are few megabytes.
const FEW_SOCKETS: usize = 32;
/// Frames of a machine that has more than few megabytes: 16 MiB.
const MANY_FRAMES: usize = 4096;
const OWN_SOCKETS: usize = 4;

/// A network stack behind its door.
pub struct NetStack {
    stack: SpinLock<Stack<'static>, PreemptOff>,
    sockets: AtomicUsize,
    /// The most of them.
    room: usize,
    /// What the interface is called.
    pub name: &'static str,
}

// SAFETY: embassy-net's stack is only touched inside `section`, which holds
// the spin lock: never by two at once, and never by one that was preempted
// half-way.
unsafe impl Sync for NetStack {}
// SAFETY: as above.
unsafe impl Send for NetStack {}

impl NetStack {
    /// Makes a stack over a driver. Once each, in a thread.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn new<D: Driver>(
        name: &'static str,
        driver: D,
        config: Config,
        seed: u64,
    ) -> (NetStack, Runner<'static, D>) {
        let room = match frames::total() < MANY_FRAMES {
            true => FEW_SOCKETS,
            false => SOCKETS,
        };
        let (stack, runner) = match room {
            FEW_SOCKETS => {
                let resources = Box::leak(Box::new(StackResources::<FEW_SOCKETS>::new()));
                embassy_net::new(driver, config, resources, seed)
            }
            _ => {
                let resources = Box::leak(Box::new(StackResources::<SOCKETS>::new()));
                embassy_net::new(driver, config, resources, seed)
            }
        };
        let stack = NetStack {
            stack: SpinLock::new(Rank::NetStack, stack),
            sockets: AtomicUsize::new(OWN_SOCKETS),
            room,
            name,
        };
        (stack, runner)
    }

    /// Runs `body` with the stack. Never sleeps; any context but an interrupt.
    /// Reports name the caller as the place where the section began.
    #[track_caller]
    pub fn section<T>(&self, body: impl FnOnce(Stack<'static>) -> T) -> T {
        let stack = self.stack.lock();
        body(*stack)
    }

    /// Runs the stack's runner, each poll in a section; `before` and `after`
    /// are called around each, outside.
    pub async fn run<D: Driver>(
        &self,
        mut runner: Runner<'static, D>,
        before: impl Fn(&Waker),
        after: impl Fn(),
    ) {
        let mut running = pin!(runner.run());
        poll_fn(|cx| {
            before(cx.waker());
            let result = self.section(|_| running.as_mut().poll(cx).map(|never| match never {}));
            super::service::sweep();
            super::service::wake_watched();
            after();
            result
        })
        .await
    }

    /// Takes room for a socket.
    ///
    /// # Errors
    /// `ENFILE` if there is none.
    pub fn reserve_socket(&self) -> Result<()> {
        let more = |used| (used < self.room).then_some(used + 1);
        self.sockets
            .fetch_update(Relaxed, Relaxed, more)
            .map(drop)
            .map_err(|_| Errno::ENFILE)
    }

    /// Gives a socket's room back.
    pub fn release_socket(&self) {
        self.sockets.fetch_sub(1, Relaxed);
    }
}

//! The one door to a network stack.

use crate::net::Limits;
use crate::runner_wake::RunnerWake;
use crate::sockets::Sockets;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::alloc::Layout;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use embassy_net::driver::Driver;
use embassy_net::{Config, StackResources};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};

/// Sockets that a stack has room for, its own (DHCP) included.
pub const SOCKETS: usize = 512;
/// The ports that embassy-net counts through, from a place its seed chooses.
const PORTS: core::ops::RangeInclusive<u16> = 1025..=65535;
const PORT_STEPS: u64 = 65535 - 1025;

/// What is behind the door. Nothing in it leaves a section.
struct Inside {
    sockets: Sockets,
    runner: Pin<Box<dyn Future<Output = ()>>>,
}

// SAFETY: embassy-net's cells are shared between the stack, its sockets and
// its runner, all of which are in here: whoever has the `Inside` (the holder
// of the door's lock) has them all, and nothing in it belongs to a thread.
unsafe impl Send for Inside {}

/// A network stack, which one enters through [`Door::section`] only.
pub struct Door {
    inside: SpinLock<Inside, PreemptOff>,
    wake: Arc<RunnerWake>,
}

impl Door {
    /// Makes a stack over a driver. Its memory is never given back.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new<D: Driver + 'static>(
        driver: D,
        config: Config,
        limits: Limits,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<Door> {
        let resources = try_resources()?;
        let (seed, first_port) = seed(random);
        let (stack, mut runner) = embassy_net::new(driver, config, resources, seed);
        let runner: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move { runner.run().await });
        let inside = Inside {
            sockets: Sockets::new(stack, limits, first_port)?,
            runner,
        };
        Ok(Door {
            inside: SpinLock::new(Rank::NetStack, inside),
            wake: try_arc(RunnerWake::new())?,
        })
    }

    /// Runs `body` with the stack's sockets: preemption is off, so it must
    /// neither sleep nor take long. Wakes the runner if there is something
    /// to do for it. Any context but an interrupt.
    ///
    /// What it gives back is `Send`, which embassy-net's sockets are not: none
    /// of them gets out, not even to be dropped.
    #[track_caller]
    pub fn section<T: Send>(&self, body: impl FnOnce(&mut Sockets) -> T) -> T {
        let mut inside = self.inside.lock();
        self.wake.enter();
        let value = body(&mut inside.sockets);
        self.wake.leave();
        let changed = core::mem::take(&mut inside.sockets.changed);
        drop(inside);
        if changed {
            self.wake.wake_task();
        }
        value
    }

    /// One poll of the stack's runner, in a section. Never ready.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.wake.set_task(cx.waker());
        let waker = Waker::from(self.wake.clone());
        let mut inside = self.inside.lock();
        let polled = inside
            .runner
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        self.wake.enter();
        inside.sockets.look_after();
        self.wake.leave();
        let changed = core::mem::take(&mut inside.sockets.changed);
        drop(inside);
        if changed {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

/// A seed for the stack, and the port that it makes the stack begin with:
/// one that the system gives out.
fn seed(random: &mut dyn FnMut() -> u64) -> (u64, u16) {
    loop {
        let seed = random();
        let port = (seed % PORT_STEPS) as u16 + PORTS.start();
        if crate::ports::EPHEMERAL.contains(&port) {
            return (seed, port);
        }
    }
}

/// Memory for the stack's table of sockets. `ENOMEM`.
fn try_resources() -> Result<&'static mut StackResources<SOCKETS>> {
    let layout = Layout::new::<StackResources<SOCKETS>>();
    // SAFETY: the layout has a size.
    let memory = unsafe { alloc::alloc::alloc(layout) }.cast::<StackResources<SOCKETS>>();
    if memory.is_null() {
        return Err(Errno::ENOMEM);
    }
    // SAFETY: the memory is ours for good, aligned and large enough.
    unsafe {
        memory.write(StackResources::new());
        Ok(&mut *memory)
    }
}

//! Mistakes of threads.

use crate::gic;
use crate::net::tcp::TcpSocket;
use crate::process::vfs::namespace;
use crate::{interrupts, thread, time};
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use core::task::Waker;
use embassy_net::{IpAddress, IpEndpoint};
use paddock_sync::{PreemptGuard, Rank, SpinLock, WaitQueue, platform};
use paddock_vfs::{OpenFlags, PathContext};

pub fn overflow_stack() {
    black_box(deeper(1));
}

#[allow(unconditional_recursion, reason = "the mistake")]
#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    deeper(black_box(depth + 1)) + frame[black_box(depth as usize % 64)]
}

/// Runs and runs: it never sleeps, and never gives way by itself.
pub fn run_away() {
    loop {
        black_box(());
    }
}

/// The host, at a port that it does not serve.
const NOBODY_LISTENS: IpEndpoint = IpEndpoint::new(IpAddress::v4(10, 0, 2, 2), 1);

/// Waits, and whoever is to wake it forgets to.
pub fn lose_wake_up() {
    static WAKER: SpinLock<Option<Waker>> = SpinLock::new(Rank::Leaf, None);
    let forgetful = thread::spawn("forgetful", || {
        thread::sleep_ms(20);
        let forgotten = WAKER.lock().take();
        drop(forgotten);
    });
    if forgetful.is_ok() {
        *WAKER.lock() = Some(platform::current_waker());
        platform::park(u64::MAX);
    }
}

/// Waits without giving a section up.
pub fn keep_section() {
    let _kept = PreemptGuard::new();
    platform::park(time::now() + 1_000_000);
}

fn turn_off(device: &str) {
    interrupts::for_each(|number, name, _| {
        if name == device {
            gic::disable(number);
        }
    });
}

/// The network card's interrupt is off; some frames that are answered are
/// sent: each finds the answer to the one before.
pub fn lose_network_interrupt() {
    turn_off("virtio-net");
    let sockets: [_; 10] = core::array::from_fn(|_| {
        let socket = TcpSocket::new();
        let begun = socket.as_ref().map(|socket| socket.connect(NOBODY_LISTENS));
        log::warn!("mistake: connect {begun:?}");
        thread::sleep_ms(100);
        socket
    });
    // A socket that goes at once might send nothing.
    drop(sockets);
}

/// The disk's interrupt is off; something is read from it.
pub fn lose_interrupt() {
    turn_off("vda");
    let context = PathContext::root_at(namespace().root());
    let file = namespace().open(&context, b"/bin/paddock-test", OpenFlags::empty(), 0);
    let read = file.and_then(|file| file.pread(1 << 16, &mut (&mut [0; 16]).into()));
    log::warn!("mistake: read {read:?}");
}

static LIVING: AtomicUsize = AtomicUsize::new(0);
static END: AtomicBool = AtomicBool::new(false);
static CHANGED: WaitQueue = WaitQueue::new();

/// Makes threads until there can be no more, and lets them go again.
pub fn exhaust() {
    let refused = loop {
        LIVING.fetch_add(1, Relaxed);
        if let Err(error) = thread::spawn("one-of-many", wait_for_the_end) {
            LIVING.fetch_sub(1, Relaxed);
            break error;
        }
    };
    let count = LIVING.load(Relaxed);
    log::warn!("mistake: thread {} refused: {refused:?}", count + 1);
    END.store(true, Relaxed);
    CHANGED.wake_all();
    CHANGED.wait_until(|| (LIVING.load(Relaxed) == 0).then_some(()));
    match thread::spawn("one-more", || log::warn!("mistake: a thread again")) {
        Ok(_) => {}
        Err(error) => log::error!("mistake: no thread although {count} have ended: {error}"),
    }
}

fn wait_for_the_end() {
    CHANGED.wait_until(|| END.load(Relaxed).then_some(()));
    if LIVING.fetch_sub(1, Relaxed) == 1 {
        CHANGED.wake_all();
    }
}

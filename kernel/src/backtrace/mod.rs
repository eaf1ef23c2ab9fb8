//! Back-traces by the chain of frame pointers. Takes no lock and no memory.

mod remote;

use crate::arch::{context, trap::TrapFrame};
use crate::console::safe_println;
use crate::interrupted;
use crate::symbols::{Code, ReturnTo};
use crate::thread::{self, Thread};
use core::arch::asm;
use core::fmt;
use paddock_watchdog::{Entry, Place, Walk};

pub use remote::{Silence, answer, ask, on_report_call};

/// The chain from the frame record at `frame`, as long as it stays on the
/// stack of `thread`.
fn walk(thread: &Thread, frame: usize) -> impl Iterator<Item = Place> + use<> {
    let (bottom, top) = thread.stack_range();
    let entry = Entry {
        returns_to: context::exception_returns(),
        pc_offset: context::RECORD_TO_PC,
    };
    Walk::new(bottom..top, frame, entry, |address| {
        let word = core::ptr::with_exposed_provenance::<usize>(address);
        // SAFETY: the walk asks for aligned words of that stack alone, which
        // is mapped for as long as its thread is. It may change meanwhile if
        // the thread runs elsewhere: then the walk may go astray, within the
        // stack.
        unsafe { word.read_volatile() }
    })
}

/// Where the calls of the running function return to. Inlined, so that the
/// first record is one of a function that has not returned yet.
#[inline(always)]
pub fn of_caller() -> impl Iterator<Item = Place> + use<> {
    let frame: usize;
    // SAFETY: reads the frame pointer.
    unsafe { asm!("mov {}, x29", out(reg) frame, options(nomem, nostack)) };
    walk(thread::current(), frame)
}

/// Where the running thread is: what the present interrupt has interrupted, or
/// else the caller.
#[inline(always)]
pub fn of_current() -> impl Iterator<Item = Place> + use<> {
    let interrupted = interrupted::frame();
    let called = match interrupted {
        Some(_) => None,
        None => Some(of_caller()),
    };
    let trace = interrupted.map(of_exception);
    trace
        .into_iter()
        .flatten()
        .chain(called.into_iter().flatten())
}

/// Where a thread is that does not run; `None` for one that does.
pub fn of_waiting(thread: &Thread) -> Option<impl Iterator<Item = Place> + use<>> {
    Some(walk(thread, thread.saved_frame()?))
}

/// The code that an exception has interrupted. Of a program only the place.
pub fn of_exception(frame: &TrapFrame) -> impl Iterator<Item = Place> + use<> {
    let at = core::iter::once(Place::Interrupted(frame.pc as usize));
    let record = if frame.is_user() { 0 } else { frame.x[29] };
    at.chain(walk(thread::current(), record as usize))
}

/// Prints a back-trace, a line for each place. Any context.
pub fn print(places: impl Iterator<Item = Place>) {
    for (depth, place) in places.enumerate() {
        safe_println!("{}", Line(depth, place));
    }
}

/// A line of a back-trace: the depth and the place.
#[derive(Clone, Copy, Debug)]
pub struct Line(pub usize, pub Place);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  #{:<2} ", self.0)?;
        match self.1 {
            Place::Return(address) => write!(f, "{:#018x} {}", address, ReturnTo(address)),
            Place::Interrupted(address) => {
                write!(f, "{:#018x} {} (interrupted)", address, Code(address))
            }
        }
    }
}

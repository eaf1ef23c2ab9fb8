//! Back-traces by the chain of frame pointers. Takes no lock and no memory.

use crate::arch::{context, trap::TrapFrame};
use crate::console::safe_println;
use crate::symbols::{Code, ReturnTo};
use crate::thread::{self, Thread};
use core::arch::asm;
use core::fmt;
use paddock_watchdog::{Entry, Place, Walk};

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

/// Where the calls of the caller return to.
#[inline(never)]
pub fn of_caller() -> impl Iterator<Item = Place> {
    let frame: usize;
    // SAFETY: reads the frame pointer.
    unsafe { asm!("mov {}, x29", out(reg) frame, options(nomem, nostack)) };
    walk(thread::current(), frame)
}

/// The code that the running interrupt handler has interrupted. All that is
/// known, if there is none such.
pub fn of_interrupted() -> impl Iterator<Item = Place> + use<> {
    let handlers = of_caller()
        .position(|place| matches!(place, Place::Interrupted(_)))
        .unwrap_or(0);
    of_caller().skip(handlers)
}

/// Where a thread is: this one, or one that does not run. `None` for one that
/// runs on another CPU.
pub fn of_thread(thread: &Thread) -> Option<impl Iterator<Item = Place> + use<>> {
    let own = core::ptr::eq(thread, thread::current());
    let places = own.then(of_interrupted);
    let saved = match own {
        true => None,
        false => Some(walk(thread, thread.saved_frame()?)),
    };
    Some(
        places
            .into_iter()
            .flatten()
            .chain(saved.into_iter().flatten()),
    )
}

/// The code that an exception has interrupted.
pub fn of_exception(frame: &TrapFrame) -> impl Iterator<Item = Place> + use<> {
    let at = core::iter::once(Place::Interrupted(frame.pc as usize));
    at.chain(walk(thread::current(), frame.x[29] as usize))
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

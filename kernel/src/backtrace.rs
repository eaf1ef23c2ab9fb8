//! Back-traces by the chain of frame pointers. Takes no lock.

use crate::console::safe_println;
use crate::thread;
use core::arch::asm;

const MAX_FRAMES: usize = 32;

/// Prints the caller's chain of return addresses.
pub fn print_current() {
    let frame: usize;
    // SAFETY: reads the frame pointer.
    unsafe { asm!("mov {}, x29", out(reg) frame, options(nomem, nostack)) };
    print_from(frame);
}

/// Prints the chain that begins at the frame record `frame`, as long as it
/// stays on the current thread's stack.
pub fn print_from(frame: usize) {
    let (bottom, top) = thread::current().stack_range();
    let mut frame = frame;
    for depth in 0..MAX_FRAMES {
        if frame < bottom || frame + 16 > top || !frame.is_multiple_of(8) {
            return;
        }
        let record = core::ptr::with_exposed_provenance::<usize>(frame);
        // SAFETY: the record lies within this thread's mapped stack.
        let (next, address) = unsafe { (record.read(), record.add(1).read()) };
        if address == 0 {
            return;
        }
        safe_println!("  #{depth:<2} {address:#018x}");
        if next <= frame {
            return;
        }
        frame = next;
    }
}

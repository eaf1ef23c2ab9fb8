//! Taking one sample, in an interrupt.

use super::RINGS;
use crate::arch::trap::TrapFrame;
use crate::arch::user_access::{USER_END, UserMemory};
use crate::thread::Thread;
use crate::{backtrace, cpus, process, thread};
use paddock_profile::{MAX_FRAMES, Sample};
use paddock_user_io::{Faults, UserCopy};
use paddock_watchdog::Place;

/// The bits of a return address that are one: the others may be its signature
/// (Arm ARM, pointer authentication).
const ADDRESS: u64 = USER_END - 1;

/// Puts where this CPU was into its ring. Any context, interrupts masked.
pub fn take(frame: &TrapFrame) {
    let Some(ring) = RINGS[cpus::this_cpu()].get() else {
        return;
    };
    let thread = thread::current();
    let mut sample = Sample::new(process::of(thread).map_or(0, |user| user.process.pid));
    if frame.is_user() {
        walk_program(frame, &mut sample);
    } else {
        for place in backtrace::of_exception(frame) {
            match place {
                // What made the call, not what is after it.
                Place::Return(address) => sample.push_kernel(address as u64 - 1),
                Place::Interrupted(address) => sample.push_kernel(address as u64),
            }
        }
        if let Some(entered) = entered_by(thread) {
            walk_program(entered, &mut sample);
        }
    }
    ring.put(&sample);
}

/// The registers with which a program's thread entered the kernel.
fn entered_by(thread: &Thread) -> Option<&TrapFrame> {
    process::of(thread)?;
    let (bottom, top) = thread.stack_range();
    let at = top
        .checked_sub(size_of::<TrapFrame>())
        .filter(|&at| at >= bottom)?;
    // SAFETY: the vectors save the registers of a program at the top of its thread's
    // stack, which is mapped as long as the thread is, and this is it. A thread that
    // has not been in user mode yet has other words there, which are not trusted.
    let frame = unsafe { &*core::ptr::with_exposed_provenance::<TrapFrame>(at) };
    frame.is_user().then_some(frame)
}

/// The program's own chain of frame records (AAPCS64, 6.4.6), as far as its pages are
/// in memory and the chain rises.
fn walk_program(frame: &TrapFrame, sample: &mut Sample) {
    sample.push_user(frame.pc & ADDRESS);
    let mut record = frame.x[29];
    for _ in 1..MAX_FRAMES {
        let Some((next, returns_to)) = read_record(record) else {
            return;
        };
        if returns_to & ADDRESS == 0 {
            return;
        }
        sample.push_user((returns_to & ADDRESS) - 1);
        if next <= record {
            return;
        }
        record = next;
    }
}

fn read_record(at: u64) -> Option<(u64, u64)> {
    let mut record = [0; 16];
    if !at.is_multiple_of(8) || UserMemory.copy_in(&mut record, at, Faults::Refused) < record.len()
    {
        return None;
    }
    let (next, returns_to) = record.split_at(8);
    let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
    Some((word(next)?, word(returns_to)?))
}

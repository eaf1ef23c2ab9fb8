//! Switching from one thread's stack to another's.

use super::thread_info::ThreadInfo;
use super::trap::TrapFrame;
use core::arch::global_asm;
use core::mem::offset_of;
use paddock_sched::CpuTime;
use paddock_sync::Context;

global_asm!(
    ".equ THREAD_EMERGENCY_STACK, {emergency}",
    ".equ THREAD_USER_TIME, {user_time}",
    ".equ THREAD_NEED_RESCHED, {need_resched}",
    ".equ THREAD_WORK, {work}",
    ".equ SYSTEM_CALL_CLASS, {class}",
    ".equ FUZZ_SCHEDULES, {fuzz}",
    include_str!("vectors.s"),
    include_str!("mem.s"),
    include_str!("user_copy.s"),
    emergency = const offset_of!(ThreadInfo, emergency_stack),
    user_time = const offset_of!(ThreadInfo, cpu_time) + CpuTime::USER_OFFSET,
    need_resched = const offset_of!(ThreadInfo, context) + Context::NEED_RESCHED_OFFSET,
    work = const offset_of!(ThreadInfo, work),
    class = const super::trap::EC_SVC,
    fuzz = const cfg!(feature = "fuzz-sched") as u8,
);

unsafe extern "C" {
    fn switch_context(save_sp: *mut usize, load_sp: usize);
    fn thread_trampoline();
    fn return_to_kernel();
    fn return_from_sync();
    fn return_from_fiq();
    fn fp_save(area: *mut FpState);
    fn fp_load(area: *const FpState);
}

/// Where the handlers of exceptions taken in the kernel return to: the frame
/// record that belongs to it is x29 and x30 of a [`TrapFrame`].
pub fn exception_returns() -> [usize; 3] {
    [return_to_kernel, return_from_sync, return_from_fiq].map(|label| label as *const () as usize)
}

/// From that record to the address of the interrupted instruction, in bytes.
pub const RECORD_TO_PC: usize = offset_of!(TrapFrame, pc) - 29 * size_of::<u64>();

/// Bytes of an ordinary kernel stack.
pub const STACK_SIZE: usize = 32 << 10;
/// Bytes of the largest one.
pub const MAX_STACK_SIZE: usize = 1 << 17;
/// Stacks begin at multiples of this; `vectors.s` relies on it to notice an
/// overflow.
pub const STACK_ALIGNMENT: usize = 2 * MAX_STACK_SIZE;

/// What `switch_context` keeps on the stack: x19-x28, x29, x30.
const SAVED_BYTES: usize = 96;

/// A user thread's floating-point registers: v0-v31, FPSR, FPCR.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct FpState {
    /// v0 to v31.
    pub v: [u128; 32],
    /// Status.
    pub fpsr: u32,
    /// Control.
    pub fpcr: u32,
}

impl FpState {
    /// All zero: what a new program finds.
    pub const fn new() -> Self {
        FpState {
            v: [0; 32],
            fpsr: 0,
            fpcr: 0,
        }
    }

    /// Stores the CPU's registers here.
    pub fn save(&mut self) {
        // SAFETY: the area is 528 bytes, as the routine writes.
        unsafe { fp_save(self) };
    }

    /// Loads the CPU's registers from here.
    pub fn load(&self) {
        // SAFETY: the area is 528 bytes, as the routine reads; the kernel
        // itself keeps nothing in these registers.
        unsafe { fp_load(self) };
    }
}

/// Prepares a stack so that switching to it calls
/// `thread_begin(entry, argument)`. Returns the stack pointer to switch to.
///
/// # Safety
/// `stack_top` is the 16-byte-aligned end of a mapped stack nobody uses.
pub unsafe fn prepare_stack(stack_top: usize, entry: usize, argument: usize) -> usize {
    let sp = stack_top - SAVED_BYTES;
    let slots = core::ptr::with_exposed_provenance_mut::<usize>(sp);
    // SAFETY: the frame lies within the stack. Order as in `switch_context`.
    unsafe {
        slots.write(0); // x29
        slots.add(1).write(thread_trampoline as *const () as usize); // x30
        slots.add(2).write(entry); // x19
        slots.add(3).write(argument); // x20
    }
    sp
}

/// Leaves the running thread (its stack pointer goes to `save_sp`) and
/// continues the one whose stack pointer is `load_sp`.
///
/// # Safety
/// Interrupts are masked; `load_sp` was saved by this function or made by
/// [`prepare_stack`], and its thread runs on no CPU.
pub unsafe fn switch_stacks(save_sp: *mut usize, load_sp: usize) {
    // SAFETY: handed on to the caller.
    unsafe { switch_context(save_sp, load_sp) };
}

//! The code that programs find in their memory (vdso(7)).

use core::arch::global_asm;
use core::ptr;

global_asm!(include_str!("vdso.s"), options(raw));

unsafe extern "C" {
    static __vdso_start: u8;
    static __vdso_end: u8;
    static __vdso_sigreturn: u8;
}

/// The shared object, less than a page.
pub fn image() -> &'static [u8] {
    let start = &raw const __vdso_start;
    let length = (&raw const __vdso_end).addr() - start.addr();
    // SAFETY: what lies between the two symbols is constant data.
    unsafe { &*ptr::slice_from_raw_parts(start, length) }
}

/// Where in it the code is that calls rt_sigreturn(2).
pub fn sigreturn_offset() -> usize {
    (&raw const __vdso_sigreturn).addr() - (&raw const __vdso_start).addr()
}

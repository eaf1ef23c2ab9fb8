//! A service that does nothing, as soon as can be: the first thing it does is to write
//! to a FIFO when that was and which process it is. `paddock-test supervise` reads it.
//! FIFO is its path, when this is compiled.

#![no_std]
#![no_main]

use core::arch::asm;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub const WRITE: usize = 1;
    pub const GETPID: usize = 39;
    pub const CLOCK_GETTIME: usize = 228;
    pub const OPENAT: usize = 257;
    pub const PPOLL: usize = 271;
}

#[cfg(target_arch = "aarch64")]
mod numbers {
    pub const WRITE: usize = 64;
    pub const GETPID: usize = 172;
    pub const CLOCK_GETTIME: usize = 113;
    pub const OPENAT: usize = 56;
    pub const PPOLL: usize = 73;
}

/// # Safety
/// As the system call that is made.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize) -> usize {
    let result;
    // SAFETY: the caller's.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b,
            in("rdx") c, in("r10") 0, out("rcx") _, out("r11") _);
    }
    result
}

/// # Safety
/// As the system call that is made.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: usize, a: usize, b: usize, c: usize) -> usize {
    let result;
    // SAFETY: the caller's.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c,
            in("x3") 0);
    }
    result
}

const MONOTONIC: usize = 1;
const AT_FDCWD: usize = -100_isize as usize;
const WRITE_ONLY: usize = 1;

/// Seconds, nanoseconds and the process.
static mut RECORD: [u64; 3] = [0; 3];

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let path = concat!(env!("FIFO"), "\0");
    let record = &raw mut RECORD;
    // SAFETY: there is one thread, and the kernel gets what it expects.
    unsafe {
        call(numbers::CLOCK_GETTIME, MONOTONIC, record as usize, 0);
        (*record)[2] = call(numbers::GETPID, 0, 0, 0) as u64;
        let file = call(numbers::OPENAT, AT_FDCWD, path.as_ptr() as usize, WRITE_ONLY);
        call(numbers::WRITE, file, record as usize, 24);
        loop {
            call(numbers::PPOLL, 0, 0, 0);
        }
    }
}

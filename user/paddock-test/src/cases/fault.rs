//! Programs that do what they may not: each dies by the right signal.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Map, call};

/// An address in the kernel's half on AArch64 and x86-64 alike.
pub const KERNEL: usize = 0xffff_ff80_0000_0000;

/// Does one of these things. None of them returns.
pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let kind = words.first().map_or("", String::as_str);
    // Rust's library catches these to explain a stack overflow.
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the default action needs nothing of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    match kind {
        "null" => touch(0),
        "read-kernel" => touch(KERNEL),
        "kernel" => jump(KERNEL),
        "undef" => undefined(),
        "recurse" => println!("{}", recurse(1)),
        "oom" => take_all_memory()?,
        _ => return Err(format!("no fault is called {kind:?}")),
    }
    Err(format!("{kind} did no harm"))
}

pub fn touch(address: usize) {
    let address: *const u8 = std::hint::black_box(std::ptr::without_provenance(address));
    // SAFETY: not at all safe: the kernel must end this process here. The
    // access is by assembly, so that the compiler assumes nothing of it.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("ldrb {0:w}, [{1}]", out(reg) _, in(reg) address);
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {0:e}, dword ptr [{1}]", out(reg) _, in(reg) address);
    }
}

pub fn jump(address: usize) {
    // SAFETY: not at all safe: the kernel must end this process here.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("blr {0}", in(reg) address, clobber_abi("C"));
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("call {0}", in(reg) address, clobber_abi("C"));
    }
}

fn undefined() {
    // SAFETY: the instruction does nothing but trap.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("udf #0");
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("ud2");
    }
}

#[allow(unconditional_recursion)]
fn recurse(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 128]);
    let deeper = recurse(depth + 1);
    deeper + room.iter().sum::<u64>()
}

/// Asks for memory and uses it until there is none. A kernel that refuses
/// the request instead of killing the program is right, too: status 12.
fn take_all_memory() -> Outcome {
    const STEP: usize = 4 << 20;
    let mut all = Vec::new();
    loop {
        match Map::memory(STEP) {
            Ok(map) => {
                (0..STEP).step_by(4096).for_each(|at| map.write(at, 1));
                all.push(map);
            }
            Err(errno) => {
                println!("refused after {} MiB: {errno:?}", all.len() * 4);
                std::process::exit(12);
            }
        }
    }
}

/// Each fault in a child; all memory is left out, as it harms others where
/// nothing limits a process.
pub fn all(report: &mut Report, _: &[String]) -> Outcome {
    for (kind, signal) in [
        ("null", libc::SIGSEGV),
        ("read-kernel", libc::SIGSEGV),
        ("kernel", libc::SIGSEGV),
        ("undef", libc::SIGILL),
        ("recurse", libc::SIGSEGV),
    ] {
        let end = sys::run_self(&["fault", kind])?;
        report.same(kind, end, End::Killed(signal));
    }
    let end = sys::in_child(|| {
        // SAFETY: `abort` ends the process.
        unsafe { libc::abort() }
    })?;
    report.same("abort", end, End::Killed(libc::SIGABRT));
    let end = sys::in_child(|| {
        let limit = libc::rlimit {
            rlim_cur: 1 << 28,
            rlim_max: 1 << 28,
        };
        match call!(libc::setrlimit(libc::RLIMIT_AS, &limit)) {
            Ok(_) => 0,
            Err(_) => 1,
        }
    })?;
    report.same("the limit of memory can be set", end, End::Exited(0));
    Ok(())
}

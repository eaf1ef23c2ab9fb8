//! Floating-point registers belong to one thread, whatever else runs.

use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let good = thread::scope(|scope| {
        let threads: Vec<_> = (1..=6).map(|n| scope.spawn(move || sums(n))).collect();
        threads.into_iter().all(|t| t.join().unwrap_or(false))
    });
    report.check("sums in six threads", good);
    let mut children = Vec::new();
    for n in 1..=4 {
        children.push(sys::fork(|| i32::from(!(sums(n) && registers(n))))?);
    }
    let good = registers(9);
    report.check("registers beside other processes", good);
    for child in children {
        report.same("and theirs", sys::wait(child)?, End::Exited(0));
    }
    let good = thread::scope(|scope| {
        let threads: Vec<_> = (20..24)
            .map(|n| scope.spawn(move || registers(n)))
            .collect();
        threads.into_iter().all(|t| t.join().unwrap_or(false))
    });
    report.check("registers in four threads", good);
    in_handlers(report)?;
    new_programs_begin_with_zero(report);
    Ok(())
}

/// A series that is the same every time, with yields in between.
fn sums(seed: u64) -> bool {
    let series = |yields: bool| {
        let mut sum = 0.0f64;
        for n in 1..20_000u64 {
            sum += (seed as f64).sqrt() / (n as f64 * 1.000_1).powi(2);
            if yields && n % 1_000 == 0 {
                thread::yield_now();
            }
        }
        sum.to_bits()
    };
    let expected = series(false);
    (0..5).all(|_| series(true) == expected)
}

/// Holds a pattern in all vector registers while others run, for 60 ms.
fn registers(seed: u64) -> bool {
    let end = Instant::now() + Duration::from_millis(60);
    while Instant::now() < end {
        if !hold(seed) {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// Fills the registers, spins, and looks whether they are the same.
#[cfg(target_arch = "aarch64")]
fn hold(seed: u64) -> bool {
    let wrong: u64;
    // SAFETY: only registers that are declared are changed.
    unsafe {
        std::arch::asm!(
            "dup v0.2d, {seed}", "add v1.2d, v0.2d, v0.2d", "add v2.2d, v1.2d, v0.2d",
            "add v3.2d, v2.2d, v0.2d", "mov v7.16b, v3.16b", "mov v8.16b, v2.16b",
            "mov v15.16b, v1.16b", "mov v16.16b, v3.16b", "mov v23.16b, v2.16b",
            "mov v31.16b, v3.16b",
            "2:", "subs {count}, {count}, #1", "b.ne 2b",
            "dup v4.2d, {seed}", "add v5.2d, v4.2d, v4.2d", "add v6.2d, v5.2d, v4.2d",
            "add v9.2d, v6.2d, v4.2d",
            "eor v10.16b, v0.16b, v4.16b", "eor v11.16b, v1.16b, v5.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v2.16b, v6.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v3.16b, v9.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v7.16b, v9.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v8.16b, v6.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v15.16b, v5.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v16.16b, v9.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v23.16b, v6.16b",
            "orr v10.16b, v10.16b, v11.16b", "eor v11.16b, v31.16b, v9.16b",
            "orr v10.16b, v10.16b, v11.16b",
            "umaxv s11, v10.4s", "fmov {wrong:w}, s11",
            seed = in(reg) seed.wrapping_mul(0x0101_0101_0101_0101),
            count = inout(reg) 20_000u64 => _,
            wrong = out(reg) wrong,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _,
            out("v6") _, out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _,
            out("v15") _, out("v16") _, out("v23") _, out("v31") _,
        );
    }
    wrong & 0xffff_ffff == 0
}

/// Fills the registers, spins, and looks whether they are the same.
#[cfg(target_arch = "x86_64")]
fn hold(seed: u64) -> bool {
    let (first, last): (u64, u64);
    // SAFETY: only registers that are declared are changed.
    unsafe {
        std::arch::asm!(
            "movq xmm0, {seed}", "movq xmm15, {seed}",
            "2:", "dec {count}", "jnz 2b",
            "movq {first}, xmm0", "movq {last}, xmm15",
            seed = in(reg) seed, count = inout(reg) 20_000u64 => _,
            first = out(reg) first, last = out(reg) last,
            out("xmm0") _, out("xmm15") _,
        );
    }
    first == seed && last == seed
}

extern "C" fn disturb(_: i32) {
    // Fills every register that a function may change.
    std::hint::black_box((1..50).map(|n| f64::from(n).sqrt() * 1.5).sum::<f64>());
    std::hint::black_box(hold(0xbad));
}

/// A handler in the middle of a calculation leaves it as it is.
fn in_handlers(report: &mut Report) -> Outcome {
    let handler = disturb as *const () as libc::sighandler_t;
    // SAFETY: the handler only calculates.
    unsafe { libc::signal(libc::SIGUSR1, handler) };
    let parent = std::process::id().cast_signed();
    let child = sys::fork(|| {
        for _ in 0..50 {
            let _ = sys::kill(parent, libc::SIGUSR1);
            sys::sleep_ms(1);
        }
        0
    })?;
    let good = registers(77) && sums(5);
    report.check("registers beside handlers", good);
    while sys::wait(child).is_err() {}
    Ok(())
}

fn new_programs_begin_with_zero(report: &mut Report) {
    // A fault in the floating-point state of a new program shows as a crash
    // of its start-up code; the program ending well is enough.
    let end = sys::run_self(&["exit", "0"]);
    report.same("a new program", end, Ok(End::Exited(0)));
    let stopped = call!(libc::syscall(libc::SYS_sched_yield));
    report.works("sched_yield", stopped);
}

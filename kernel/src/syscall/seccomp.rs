//! Filters of system calls: seccomp(2), and what it says of each call.

use super::Call;
use crate::arch::trap::TrapFrame;
use crate::process::{self, UserThread, accounts};
use crate::time;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::process::{SECCOMP_MODE_FILTER, SECCOMP_MODE_STRICT};
use paddock_abi::signal::{SIGKILL, SIGSYS, Siginfo};
use paddock_abi::{Errno, Result, nr};
use paddock_charge::Charge;
use paddock_cred::Cap;
use paddock_process::WaitStatus;
use paddock_seccomp::{
    AUDIT_ARCH_AARCH64, CallData, Filter, Instruction, MOST_INSTRUCTIONS, Mode, Program, Verdict,
    is_action,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

const SET_MODE_STRICT: u32 = 0;
const SET_MODE_FILTER: u32 = 1;
const GET_ACTION_AVAIL: u32 = 2;

const FLAG_TSYNC: u32 = 1;
const FLAG_LOG: u32 = 2;
/// Asks for less care than is taken anyway.
const FLAG_SPEC_ALLOW: u32 = 4;
const FLAG_TSYNC_ESRCH: u32 = 16;

/// `struct sock_fprog`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Fprog {
    length: u16,
    pad: [u16; 3],
    instructions: u64,
}

/// seccomp(2): without listeners for notifications (`EINVAL`).
pub fn seccomp(call: &mut Call<'_>) -> Result<u64> {
    let (operation, flags) = (call.uint(0), call.uint(1));
    match operation {
        SET_MODE_STRICT if flags == 0 && call.word(2) == 0 => set_strict(call),
        SET_MODE_FILTER => set_filter(call, flags, call.pointer(2)),
        GET_ACTION_AVAIL if flags == 0 => match is_action(call.pointer::<u32>(2).read()?) {
            true => Ok(0),
            false => Err(Errno::EOPNOTSUPP),
        },
        _ => Err(Errno::EINVAL),
    }
}

/// `PR_SET_SECCOMP`.
pub fn set_by_prctl(call: &Call<'_>) -> Result<u64> {
    match call.word(1) {
        SECCOMP_MODE_STRICT => set_strict(call),
        SECCOMP_MODE_FILTER => set_filter(call, 0, call.pointer(2)),
        _ => Err(Errno::EINVAL),
    }
}

fn set_strict(call: &Call<'_>) -> Result<u64> {
    match call.thread.seccomp_mode() {
        Mode::Filtered(_) => Err(Errno::EINVAL),
        _ => {
            call.thread.set_seccomp(Mode::Strict);
            Ok(0)
        }
    }
}

/// The caller's program, which it may put upon itself. `EFAULT`, `EINVAL`, `EACCES`,
/// `ENOMEM`.
fn program(call: &Call<'_>, place: UserPtr<Fprog>) -> Result<Program> {
    let given = place.read()?;
    let length = usize::from(given.length);
    if length == 0 || length > MOST_INSTRUCTIONS {
        return Err(Errno::EINVAL);
    }
    let bound = call.thread.with_cred(|cred| cred.no_new_privs);
    if !bound
        && !call
            .thread
            .with_cred(|cred| cred.capable_here(Cap::CAP_SYS_ADMIN))
    {
        return Err(Errno::EACCES);
    }
    let mut all = Vec::new();
    all.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    let first = UserPtr::<Instruction>::new(given.instructions);
    for index in 0..length {
        all.push(first.at(index)?.read()?);
    }
    Program::new(all)
}

fn set_filter(call: &Call<'_>, flags: u32, place: UserPtr<Fprog>) -> Result<u64> {
    if flags & !(FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH) != 0 {
        return Err(Errno::EINVAL);
    }
    let program = program(call, place)?;
    let bytes = program.len() * size_of::<Instruction>() + size_of::<Filter>();
    let charge = Charge::new(accounts::paying().user(), bytes)?;
    let before = call.thread.seccomp_mode().base()?;
    let filter = Filter::new(program, before, flags & FLAG_LOG != 0, Some(charge))?;
    if flags & FLAG_TSYNC == 0 {
        call.thread.set_seccomp(Mode::Filtered(filter));
        return Ok(0);
    }
    match process::synchronize_filter(call.thread, &filter)? {
        None => Ok(0),
        Some(_) if flags & FLAG_TSYNC_ESRCH != 0 => Err(Errno::ESRCH),
        Some(other) => Ok(u64::from(call.known(other))),
    }
}

/// What a call with these registers gives that is not made; `None` if it is.
pub fn judge(thread: &Arc<UserThread>, frame: &TrapFrame) -> Option<u64> {
    let filter = match thread.seccomp_mode() {
        Mode::Disabled => return None,
        Mode::Strict => return judge_strictly(thread, frame),
        Mode::Filtered(filter) => filter,
    };
    let [a, b, c, d, e, f, ..] = frame.x;
    let number = frame.x[8] as i32;
    let (verdict, logs) = filter.judge(&CallData {
        number,
        arch: AUDIT_ARCH_AARCH64,
        pc: frame.pc,
        arguments: [a, b, c, d, e, f],
    });
    if logs {
        tell(thread, number, verdict);
    }
    match verdict {
        Verdict::Allow | Verdict::Log => return None,
        Verdict::Errno(0) => return Some(0),
        Verdict::Errno(errno) => return Some((-i64::from(errno)) as u64),
        Verdict::Absent => return Some(Errno::ENOSYS.to_return_value()),
        Verdict::Trap(data) => process::force(thread, &trap(frame, number, data)),
        Verdict::KillThread => end_thread(thread, SIGSYS),
        Verdict::KillProcess => end_process(thread, SIGSYS),
    }
    // As if the call had not been made.
    Some(frame.x[0])
}

fn judge_strictly(thread: &Arc<UserThread>, frame: &TrapFrame) -> Option<u64> {
    if [nr::READ, nr::WRITE, nr::EXIT, nr::RT_SIGRETURN].contains(&frame.x[8]) {
        return None;
    }
    end_thread(thread, SIGKILL);
    Some(frame.x[0])
}

/// `SIGSYS` for a call that a filter has caught.
fn trap(frame: &TrapFrame, number: i32, data: u16) -> Siginfo {
    /// `SYS_SECCOMP`.
    const CODE: i32 = 1;
    let mut info = Siginfo::kernel(SIGSYS);
    info.si_code = CODE;
    info.si_errno = i32::from(data);
    info.fields[0] = frame.pc;
    info.fields[1] = u64::from(number as u32) | u64::from(AUDIT_ARCH_AARCH64) << 32;
    info
}

/// The running thread ends; the last one with its process, as by a signal.
fn end_thread(thread: &UserThread, signal: u32) {
    if thread.process.threads.lock().len() == 1 {
        return end_process(thread, signal);
    }
    thread.leaving.store(true, Ordering::Release);
    thread.notify_self();
}

fn end_process(thread: &UserThread, signal: u32) {
    let status = WaitStatus::Signaled {
        signal: signal as u8,
        core: false,
    };
    process::begin_exit(&thread.process, status);
    thread.notify_self();
}

/// A line in the log, if there was none for a while: programs decide how often.
fn tell(thread: &UserThread, number: i32, verdict: Verdict) {
    const PAUSE_NS: u64 = 100_000_000;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = time::now();
    let next = NEXT.load(Ordering::Relaxed);
    let mine = || {
        let later = now.saturating_add(PAUSE_NS);
        NEXT.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
    };
    if now >= next && mine().is_ok() {
        let name = u64::try_from(number).ok().and_then(nr::name);
        let (pid, name) = (thread.process.pid, name.unwrap_or("?"));
        log::info!("process {pid}: filter of system call {number} ({name}): {verdict:?}");
    }
}

//! ptrace(2) on the side of the tracer.

use super::Call;
use crate::process::identity::may_inspect;
use crate::process::trace::{self, Area, GoOn};
use crate::process::{UserThread, tree};
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use paddock_abi::ptrace::*;
use paddock_abi::signal::{SIGKILL, SIGSTOP, SIGTRAP, Siginfo};
use paddock_abi::uio::Iovec;
use paddock_abi::{Errno, Result};
use paddock_process::Tracee;
use paddock_process::signal::{FpState, SignalSet, is_signal};
use zerocopy::IntoBytes;

/// The architecture in `struct ptrace_syscall_info`.
const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
/// `struct user_hwdebug_state` without registers: Armv8's kind, and none of them.
const NO_DEBUG_REGISTERS: [u32; 2] = [6 << 8, 0];
/// N, Z, C and V: what a tracer may set of PSTATE.
const PSTATE_USER: u64 = 0xf000_0000;
/// The largest part of an error's value.
const MOST_ERRNO: i64 = 4095;

/// ptrace(2): without hardware breakpoints, of which there are none, and without stops
/// for filters of system calls.
pub fn ptrace(call: &mut Call<'_>) -> Result<u64> {
    let request = call.word(0);
    if request == PTRACE_TRACEME {
        return trace_me(call);
    }
    let thread = thread_of(call)?;
    let own = call.process().pid;
    match request {
        PTRACE_ATTACH => attach(call, &thread, false, TraceOptions::empty()),
        PTRACE_SEIZE => {
            let options = TraceOptions::from_bits(call.word(3)).ok_or(Errno::EIO)?;
            match call.word(2) {
                0 => attach(call, &thread, true, options),
                _ => Err(Errno::EIO),
            }
        }
        PTRACE_KILL => {
            tree().lock().tracee_of(thread.tid, own, false)?;
            let info = Siginfo::kernel(SIGKILL);
            crate::process::send_to_process(&thread.process, &info).map(|()| 0)
        }
        PTRACE_INTERRUPT => {
            let tracee = tree().lock().tracee_of(thread.tid, own, false)?;
            match tracee.seized {
                true => thread.interrupt(),
                false => return Err(Errno::EIO),
            }
            Ok(0)
        }
        _ => {
            let tracee = tree().lock().tracee_of(thread.tid, own, true)?;
            on_standing(call, &thread, tracee)
        }
    }
}

/// The parent traces the caller, of whom it may not have less than the caller has.
/// `EPERM`, `ENOMEM`.
fn trace_me(call: &Call<'_>) -> Result<u64> {
    let parent = {
        let tree = tree().lock();
        tree.get(tree.parent(call.process().pid)?)
            .ok_or(Errno::EPERM)?
    };
    let theirs = parent.cred();
    let own = call.thread.cred();
    if !theirs.may_trace_child(&own) {
        return Err(Errno::EPERM);
    }
    let begun = call
        .thread
        .begin_trace(parent.pid, false, TraceOptions::empty());
    begun.map(|()| 0).map_err(|error| match error {
        Errno::ESRCH => Errno::EPERM,
        other => other,
    })
}

/// The thread that the call names. `ESRCH`.
fn thread_of(call: &Call<'_>) -> Result<Arc<UserThread>> {
    let tid = call.number(1)?;
    let process = tree().lock().process_of(tid).ok_or(Errno::ESRCH)?;
    process.thread(tid).ok_or(Errno::ESRCH)
}

fn attach(
    call: &Call<'_>,
    thread: &Arc<UserThread>,
    seized: bool,
    options: TraceOptions,
) -> Result<u64> {
    may_inspect(&thread.process).map_err(|_| Errno::EPERM)?;
    thread.begin_trace(call.process().pid, seized, options)?;
    // It may have become another meanwhile, and not have seen yet that it is traced.
    if may_inspect(&thread.process).is_err() {
        trace::detach(thread, 0);
        return Err(Errno::EPERM);
    }
    if !seized {
        let info = Siginfo::kernel(SIGSTOP);
        crate::process::send_to_thread(&thread.process, thread.tid, &info)?;
    }
    Ok(0)
}

/// What may be done with a thread that stands still.
fn on_standing(call: &mut Call<'_>, thread: &Arc<UserThread>, tracee: Tracee) -> Result<u64> {
    let (address, data) = (call.word(2), call.word(3));
    match call.word(0) {
        PTRACE_PEEKTEXT | PTRACE_PEEKDATA => peek(thread, address, call.pointer(3)),
        PTRACE_POKETEXT | PTRACE_POKEDATA => poke(thread, address, data),
        PTRACE_CONT => go_on(thread, GoOn::Freely, data),
        PTRACE_SYSCALL => go_on(thread, GoOn::ToCall, data),
        PTRACE_SINGLESTEP => go_on(thread, GoOn::Step, data),
        PTRACE_DETACH => {
            trace::detach(thread, signal(data)?);
            Ok(0)
        }
        PTRACE_LISTEN => listen(thread, tracee),
        PTRACE_SETOPTIONS => {
            let options = TraceOptions::from_bits(data).ok_or(Errno::EINVAL)?;
            tree().lock().set_trace_options(thread.tid, options);
            Ok(0)
        }
        PTRACE_GETEVENTMSG => {
            let message = with_area(thread, |area| area.message)?;
            call.pointer::<u64>(3).write(&message).map(|()| 0)
        }
        PTRACE_GETSIGINFO => {
            let info = with_area(thread, |area| area.info)?.ok_or(Errno::EINVAL)?;
            call.pointer::<Siginfo>(3).write(&info).map(|()| 0)
        }
        PTRACE_SETSIGINFO => {
            let info = call.pointer::<Siginfo>(3).read()?;
            with_area(thread, |area| area.info.replace(info))?.ok_or(Errno::EINVAL)?;
            Ok(0)
        }
        PTRACE_GETREGSET => get_registers(thread, address, call.pointer(3)),
        PTRACE_SETREGSET => set_registers(thread, address, call.pointer(3)),
        PTRACE_GET_SYSCALL_INFO => syscall_info(call, thread),
        PTRACE_GETSIGMASK | PTRACE_SETSIGMASK if address != size_of::<SignalSet>() as u64 => {
            Err(Errno::EINVAL)
        }
        PTRACE_GETSIGMASK => {
            let mask = thread.process.signals.lock().mask(thread.tid)?;
            call.pointer::<u64>(3).write(&mask.0).map(|()| 0)
        }
        PTRACE_SETSIGMASK => {
            let mask = SignalSet(call.pointer::<u64>(3).read()?);
            thread.process.signals.lock().set_mask(thread.tid, mask)?;
            Ok(0)
        }
        _ => Err(Errno::EIO),
    }
}

/// Looks at, or changes, what is there of a thread that stands. `ESRCH` if it does not
/// any more.
fn with_area<T>(thread: &UserThread, with: impl FnOnce(&mut Area) -> T) -> Result<T> {
    let mut area = thread.trace.area.lock();
    area.as_deref_mut().map(with).ok_or(Errno::ESRCH)
}

/// A signal to go on with. `EIO`.
fn signal(data: u64) -> Result<u32> {
    let signal = u32::try_from(data).map_err(|_| Errno::EIO)?;
    match signal == 0 || is_signal(signal) {
        true => Ok(signal),
        false => Err(Errno::EIO),
    }
}

fn go_on(thread: &UserThread, how: GoOn, data: u64) -> Result<u64> {
    let signal = signal(data)?;
    tree().lock().trace_resume(thread.tid);
    thread.go_on(how, signal);
    Ok(0)
}

/// `PTRACE_LISTEN`, in a stop that `PTRACE_EVENT_STOP` tells of. `EIO` in others.
fn listen(thread: &UserThread, tracee: Tracee) -> Result<u64> {
    let code = with_area(thread, |area| area.info.map_or(0, |info| info.si_code))?;
    if !tracee.seized || code >> 8 != i32::from(PTRACE_EVENT_STOP) {
        return Err(Errno::EIO);
    }
    tree().lock().trace_listen(thread.tid);
    thread.listen();
    Ok(0)
}

/// May sleep.
fn peek(thread: &UserThread, address: u64, to: UserPtr<u64>) -> Result<u64> {
    let memory = thread.process.memory()?;
    let mut word = [0; 8];
    let read = memory.space.lock().read_bytes(address, &mut word);
    read.map_err(|_| Errno::EIO)?;
    to.write(&u64::from_le_bytes(word)).map(|()| 0)
}

/// Writes a word whatever the protection, of private memory; of shared memory as the
/// program could. May sleep.
fn poke(thread: &UserThread, address: u64, word: u64) -> Result<u64> {
    let memory = thread.process.memory()?;
    let mut space = memory.space.lock();
    let bytes = word.to_le_bytes();
    let written = space
        .place_code(address, &bytes)
        .or_else(|_| space.write_bytes(address, &bytes));
    drop(space);
    written.map_err(|_| Errno::EIO)?;
    Ok(0)
}

/// The registers of a kind, as they are told. `EINVAL` for other kinds.
fn registers(thread: &UserThread, kind: u64) -> Result<([u8; size_of::<UserFpRegs>()], usize)> {
    let mut bytes = [0; size_of::<UserFpRegs>()];
    let mut put = |from: &[u8]| {
        bytes[..from.len()].copy_from_slice(from);
        from.len()
    };
    let length = with_area(thread, |area| {
        Ok(match kind {
            NT_PRSTATUS => put(UserRegs {
                regs: area.registers.x,
                sp: area.registers.sp,
                pc: area.registers.pc,
                pstate: area.registers.pstate,
            }
            .as_bytes()),
            NT_PRFPREG => put(UserFpRegs {
                vregs: area.fp.vregs,
                fpsr: area.fp.fpsr,
                fpcr: area.fp.fpcr,
                reserved: [0; 2],
            }
            .as_bytes()),
            NT_ARM_TLS => put(area.tls.as_bytes()),
            NT_ARM_SYSTEM_CALL => put(area.number.as_bytes()),
            NT_ARM_HW_BREAK | NT_ARM_HW_WATCH => put(NO_DEBUG_REGISTERS.as_bytes()),
            _ => return Err(Errno::EINVAL),
        })
    })??;
    Ok((bytes, length))
}

fn get_registers(thread: &UserThread, kind: u64, place: UserPtr<Iovec>) -> Result<u64> {
    let (bytes, length) = registers(thread, kind)?;
    let mut piece = place.read()?;
    piece.iov_len = piece.iov_len.min(length as u64);
    let told = &bytes[..piece.iov_len as usize];
    crate::arch::user_access::copy_to_user(piece.iov_base, told)?;
    place.write(&piece).map(|()| 0)
}

fn set_registers(thread: &UserThread, kind: u64, place: UserPtr<Iovec>) -> Result<u64> {
    // What is not given stays.
    let (mut bytes, length) = registers(thread, kind)?;
    let mut piece = place.read()?;
    piece.iov_len = piece.iov_len.min(length as u64);
    let given = &mut bytes[..piece.iov_len as usize];
    crate::arch::user_access::copy_from_user(given, piece.iov_base)?;
    let word = |at: usize| u64::from_le_bytes(*bytes[8 * at..].first_chunk().unwrap_or(&[0; 8]));
    let half = |at: usize| u32::from_le_bytes(*bytes[4 * at..].first_chunk().unwrap_or(&[0; 4]));
    with_area(thread, |area| match kind {
        NT_PRSTATUS => {
            let own = &mut area.registers;
            own.x = core::array::from_fn(word);
            (own.sp, own.pc) = (word(31), word(32));
            own.pstate = word(33) & PSTATE_USER;
            Ok(())
        }
        NT_PRFPREG => {
            area.fp = FpState {
                vregs: core::array::from_fn(word),
                fpsr: half(128),
                fpcr: half(129),
            };
            Ok(())
        }
        NT_ARM_TLS => {
            area.tls = word(0);
            Ok(())
        }
        NT_ARM_SYSTEM_CALL => {
            area.number = half(0) as i32;
            Ok(())
        }
        // There are none to be set.
        _ => Err(Errno::ENOSPC),
    })??;
    place.write(&piece).map(|()| 0)
}

/// `PTRACE_GET_SYSCALL_INFO`.
fn syscall_info(call: &Call<'_>, thread: &UserThread) -> Result<u64> {
    const HEAD: usize = 24;
    let (info, length) = with_area(thread, |area| {
        let own = &area.registers;
        let mut info = SyscallInfo {
            op: area.place,
            arch: AUDIT_ARCH_AARCH64,
            instruction_pointer: own.pc,
            stack_pointer: own.sp,
            ..SyscallInfo::default()
        };
        // Only there is it told of: another stop may be within a call.
        let is_call = area.info.is_some_and(|it| it.si_signo == SIGTRAP as i32);
        let length = match area.place {
            PTRACE_SYSCALL_INFO_ENTRY if is_call => {
                info.words[0] = area.number as u32 as u64;
                info.words[1..7].copy_from_slice(&own.x[..6]);
                HEAD + 7 * 8
            }
            PTRACE_SYSCALL_INFO_EXIT if is_call => {
                let value = own.x[0] as i64;
                info.words[0] = own.x[0];
                info.words[1] = u64::from((-MOST_ERRNO..0).contains(&value));
                HEAD + 9
            }
            _ => HEAD,
        };
        (info, length)
    })?;
    let told = length.min(call.word(2) as usize);
    crate::arch::user_access::copy_to_user(call.word(3), &info.as_bytes()[..told])?;
    Ok(length as u64)
}

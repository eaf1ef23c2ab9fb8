//! The frame that a handler finds on its stack, and the way back from it
//! (`<asm/sigcontext.h>`, `<asm/ucontext.h>`).

use super::SignalSet;
use super::alt_stack::on_stack;
use paddock_abi::signal::*;
use paddock_abi::{Errno, Result};

/// A user thread's general registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// x0 to x30.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// The next instruction.
    pub pc: u64,
    /// PSTATE, as in SPSR_EL1.
    pub pstate: u64,
}

/// A user thread's floating-point registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FpState {
    /// V0 to V31, low half first.
    pub vregs: [u64; 64],
    /// Status.
    pub fpsr: u32,
    /// Control.
    pub fpcr: u32,
}

/// What a handler is called with.
#[derive(Debug)]
pub struct FrameRequest<'a> {
    /// The registers to return to.
    pub registers: &'a Registers,
    /// The floating-point registers to return to.
    pub fp: &'a FpState,
    /// How the handler was set up.
    pub action: &'a Sigaction,
    /// What it is told.
    pub info: &'a Siginfo,
    /// The mask to return to.
    pub old_mask: SignalSet,
    /// The thread's alternate stack.
    pub alt_stack: StackT,
    /// The address of code that calls rt_sigreturn, for programs that bring
    /// none.
    pub trampoline: u64,
    /// The faulting address, or zero.
    pub fault_address: u64,
    /// The syndrome of the fault, or zero.
    pub esr: u64,
}

/// The flags N, Z, C, V; the only part of PSTATE that is a program's own
/// (besides SS and BTYPE, which start clear here).
const PSTATE_USER: u64 = 0xf000_0000;
/// Bytes of the frame record (x29, x30) above the frame.
const RECORD: u64 = 16;
/// Bytes to leave alone below the stack pointer: AArch64 has no red zone.
const RED_ZONE: u64 = 0;

/// Builds the frame: what to store at its address (the new stack pointer),
/// the frame record that follows [`RT_SIGFRAME_SIZE`] bytes later, and the
/// registers to go on with. `EFAULT` if the stack has no room.
pub fn build_frame(request: &FrameRequest<'_>) -> Result<(RtSigframe, [u64; 2], Registers)> {
    let flags = SaFlags::from_bits_retain(request.action.flags);
    let old = request.registers;
    let alt = &request.alt_stack;
    let usable = alt.ss_flags & SS_DISABLE == 0;
    let switch = flags.contains(SaFlags::ONSTACK) && usable && !on_stack(alt, old.sp);
    let top = if switch {
        alt.ss_sp.checked_add(alt.ss_size)
    } else {
        old.sp.checked_sub(RED_ZONE)
    };
    let sp = top
        .and_then(|top| (top & !15).checked_sub(RT_SIGFRAME_SIZE + RECORD))
        .ok_or(Errno::EFAULT)?;
    let new = Registers {
        x: handler_arguments(request, sp, flags),
        sp,
        pc: request.action.handler,
        pstate: old.pstate & PSTATE_USER,
    };
    Ok((fill_frame(request), [old.x[29], old.x[30]], new))
}

fn handler_arguments(request: &FrameRequest<'_>, sp: u64, flags: SaFlags) -> [u64; 31] {
    let mut x = request.registers.x;
    x[0] = u64::from(request.info.signal());
    x[1] = sp;
    x[2] = sp + size_of::<Siginfo>() as u64;
    x[29] = sp + RT_SIGFRAME_SIZE;
    x[30] = match flags.contains(SaFlags::RESTORER) {
        true => request.action.restorer,
        false => request.trampoline,
    };
    x
}

fn fill_frame(request: &FrameRequest<'_>) -> RtSigframe {
    let old = request.registers;
    let on_alt = on_stack(&request.alt_stack, old.sp);
    let mut stack = request.alt_stack;
    stack.ss_flags |= if on_alt { SS_ONSTACK } else { 0 };
    RtSigframe {
        info: *request.info,
        uc: UcontextHead {
            uc_flags: 0,
            uc_link: 0,
            uc_stack: stack,
            uc_sigmask: request.old_mask.0,
            unused: [0; 16],
        },
        context: Sigcontext {
            fault_address: request.fault_address,
            regs: old.x,
            sp: old.sp,
            pc: old.pc,
            pstate: old.pstate,
            pad: 0,
        },
        fpsimd: FpsimdContext {
            magic: FPSIMD_MAGIC,
            size: size_of::<FpsimdContext>() as u32,
            fpsr: request.fp.fpsr,
            fpcr: request.fp.fpcr,
            vregs: request.fp.vregs,
        },
        esr: EsrContext {
            magic: ESR_MAGIC,
            size: size_of::<EsrContext>() as u32,
            esr: request.esr,
        },
        end: [0; 2],
    }
}

/// What rt_sigreturn goes back to: registers, floating-point registers and
/// mask. A program may have changed everything; what would give it more than
/// user mode is cut off. `EFAULT` if the floating-point record is not where
/// it was put.
pub fn restore_frame(frame: &RtSigframe) -> Result<(Registers, FpState, SignalSet)> {
    let size = size_of::<FpsimdContext>() as u32;
    if frame.fpsimd.magic != FPSIMD_MAGIC || frame.fpsimd.size != size {
        return Err(Errno::EFAULT);
    }
    let registers = Registers {
        x: frame.context.regs,
        sp: frame.context.sp,
        pc: frame.context.pc,
        pstate: frame.context.pstate & PSTATE_USER,
    };
    let fp = FpState {
        vregs: frame.fpsimd.vregs,
        fpsr: frame.fpsimd.fpsr,
        fpcr: frame.fpsimd.fpcr,
    };
    let mask = SignalSet(frame.uc.uc_sigmask).minus(SignalSet::UNBLOCKABLE);
    Ok((registers, fp, mask))
}

//! ptrace(2): requests, options, events, and what they move.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub const PTRACE_TRACEME: u64 = 0;
pub const PTRACE_PEEKTEXT: u64 = 1;
pub const PTRACE_PEEKDATA: u64 = 2;
pub const PTRACE_POKETEXT: u64 = 4;
pub const PTRACE_POKEDATA: u64 = 5;
pub const PTRACE_CONT: u64 = 7;
pub const PTRACE_KILL: u64 = 8;
pub const PTRACE_SINGLESTEP: u64 = 9;
pub const PTRACE_ATTACH: u64 = 16;
pub const PTRACE_DETACH: u64 = 17;
pub const PTRACE_SYSCALL: u64 = 24;
pub const PTRACE_SETOPTIONS: u64 = 0x4200;
pub const PTRACE_GETEVENTMSG: u64 = 0x4201;
pub const PTRACE_GETSIGINFO: u64 = 0x4202;
pub const PTRACE_SETSIGINFO: u64 = 0x4203;
pub const PTRACE_GETREGSET: u64 = 0x4204;
pub const PTRACE_SETREGSET: u64 = 0x4205;
pub const PTRACE_SEIZE: u64 = 0x4206;
pub const PTRACE_INTERRUPT: u64 = 0x4207;
pub const PTRACE_LISTEN: u64 = 0x4208;
pub const PTRACE_GETSIGMASK: u64 = 0x420a;
pub const PTRACE_SETSIGMASK: u64 = 0x420b;
pub const PTRACE_GET_SYSCALL_INFO: u64 = 0x420e;

/// General registers: [`UserRegs`].
pub const NT_PRSTATUS: u64 = 1;
/// Floating-point registers: [`UserFpRegs`].
pub const NT_PRFPREG: u64 = 2;
/// The thread pointer.
pub const NT_ARM_TLS: u64 = 0x401;
/// Hardware breakpoints.
pub const NT_ARM_HW_BREAK: u64 = 0x402;
/// Hardware watchpoints.
pub const NT_ARM_HW_WATCH: u64 = 0x403;
/// The number of the system call under way, an `int`.
pub const NT_ARM_SYSTEM_CALL: u64 = 0x404;

pub const PTRACE_EVENT_FORK: u8 = 1;
pub const PTRACE_EVENT_VFORK: u8 = 2;
pub const PTRACE_EVENT_CLONE: u8 = 3;
pub const PTRACE_EVENT_EXEC: u8 = 4;
pub const PTRACE_EVENT_VFORK_DONE: u8 = 5;
pub const PTRACE_EVENT_EXIT: u8 = 6;
pub const PTRACE_EVENT_STOP: u8 = 128;

pub const PTRACE_SYSCALL_INFO_NONE: u8 = 0;
pub const PTRACE_SYSCALL_INFO_ENTRY: u8 = 1;
pub const PTRACE_SYSCALL_INFO_EXIT: u8 = 2;

bitflags::bitflags! {
    /// `PTRACE_O_…`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TraceOptions: u64 {
        const SYSGOOD = 1;
        const FORK = 2;
        const VFORK = 4;
        const CLONE = 8;
        const EXEC = 0x10;
        const VFORKDONE = 0x20;
        const EXIT = 0x40;
        const SECCOMP = 0x80;
        const EXITKILL = 0x10_0000;
    }
}

/// `struct user_pt_regs`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UserRegs {
    pub regs: [u64; 31],
    pub sp: u64,
    pub pc: u64,
    pub pstate: u64,
}

/// `struct user_fpsimd_state`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UserFpRegs {
    pub vregs: [u64; 64],
    pub fpsr: u32,
    pub fpcr: u32,
    pub reserved: [u32; 2],
}

/// `struct ptrace_syscall_info`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SyscallInfo {
    pub op: u8,
    pub pad: [u8; 3],
    pub arch: u32,
    pub instruction_pointer: u64,
    pub stack_pointer: u64,
    /// At an entry the number and the arguments; at an exit the value and whether it
    /// is an error.
    pub words: [u64; 8],
}

const _: () = assert!(size_of::<UserRegs>() == 272 && size_of::<UserFpRegs>() == 528);
const _: () = assert!(size_of::<SyscallInfo>() == 88);

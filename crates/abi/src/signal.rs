//! Signals: numbers, `sigaction`, `siginfo_t`, and the frame that a handler
//! finds on its stack (signal(7), sigaction(2), `<asm/sigcontext.h>`).
#![allow(missing_docs, reason = "the names are those of the manual pages")]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub const SIGHUP: u32 = 1;
pub const SIGINT: u32 = 2;
pub const SIGQUIT: u32 = 3;
pub const SIGILL: u32 = 4;
pub const SIGTRAP: u32 = 5;
pub const SIGABRT: u32 = 6;
pub const SIGBUS: u32 = 7;
pub const SIGFPE: u32 = 8;
pub const SIGKILL: u32 = 9;
pub const SIGUSR1: u32 = 10;
pub const SIGSEGV: u32 = 11;
pub const SIGUSR2: u32 = 12;
pub const SIGPIPE: u32 = 13;
pub const SIGALRM: u32 = 14;
pub const SIGTERM: u32 = 15;
pub const SIGSTKFLT: u32 = 16;
pub const SIGCHLD: u32 = 17;
pub const SIGCONT: u32 = 18;
pub const SIGSTOP: u32 = 19;
pub const SIGTSTP: u32 = 20;
pub const SIGTTIN: u32 = 21;
pub const SIGTTOU: u32 = 22;
pub const SIGURG: u32 = 23;
pub const SIGXCPU: u32 = 24;
pub const SIGXFSZ: u32 = 25;
pub const SIGVTALRM: u32 = 26;
pub const SIGPROF: u32 = 27;
pub const SIGWINCH: u32 = 28;
pub const SIGIO: u32 = 29;
pub const SIGPWR: u32 = 30;
pub const SIGSYS: u32 = 31;
/// The first real-time signal, as the kernel counts.
pub const SIGRTMIN: u32 = 32;
/// The last signal.
pub const SIGMAX: u32 = 64;

/// The name of a signal without `SIG`, as the SSH protocol and kill(1) say it.
pub const fn signal_name(signal: u32) -> Option<&'static str> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match signal {
        1..=31 => Some(NAMES[signal as usize - 1]),
        _ => None,
    }
}

pub const SIG_DFL: u64 = 0;
pub const SIG_IGN: u64 = 1;

pub const SIG_BLOCK: u32 = 0;
pub const SIG_UNBLOCK: u32 = 1;
pub const SIG_SETMASK: u32 = 2;

bitflags::bitflags! {
    /// `sa_flags` of sigaction(2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SaFlags: u64 {
        const NOCLDSTOP = 1;
        const NOCLDWAIT = 2;
        const SIGINFO = 4;
        const EXPOSE_TAGBITS = 0x800;
        const RESTORER = 0x0400_0000;
        const ONSTACK = 0x0800_0000;
        const RESTART = 0x1000_0000;
        const NODEFER = 0x4000_0000;
        const RESETHAND = 0x8000_0000;
    }
}

/// The kernel's `struct sigaction` of arm64.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Sigaction {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

pub const SI_USER: i32 = 0;
pub const SI_KERNEL: i32 = 0x80;
pub const SI_QUEUE: i32 = -1;
pub const SI_TIMER: i32 = -2;
pub const SI_MESGQ: i32 = -3;
pub const SI_TKILL: i32 = -6;
/// `si_code` of `SIGIO`: there is something to read.
pub const POLL_IN: i32 = 1;
pub const POLL_OUT: i32 = 2;
pub const POLL_MSG: i32 = 3;
pub const POLL_ERR: i32 = 4;
pub const POLL_PRI: i32 = 5;
pub const POLL_HUP: i32 = 6;
pub const ILL_ILLOPC: i32 = 1;
pub const FPE_INTDIV: i32 = 1;
pub const SEGV_MAPERR: i32 = 1;
pub const SEGV_ACCERR: i32 = 2;
pub const BUS_ADRALN: i32 = 1;
pub const BUS_ADRERR: i32 = 2;
pub const TRAP_BRKPT: i32 = 1;
pub const TRAP_TRACE: i32 = 2;
pub const CLD_EXITED: i32 = 1;
pub const CLD_KILLED: i32 = 2;
pub const CLD_DUMPED: i32 = 3;
pub const CLD_TRAPPED: i32 = 4;
pub const CLD_STOPPED: i32 = 5;
pub const CLD_CONTINUED: i32 = 6;

/// `siginfo_t`, 128 bytes: the head, and a union of 112 bytes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Siginfo {
    pub si_signo: i32,
    pub si_errno: i32,
    pub si_code: i32,
    pub pad: i32,
    pub fields: [u64; 14],
}

/// `struct signalfd_siginfo`, 128 bytes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are those of signalfd(2)")]
pub struct SignalfdSiginfo {
    pub ssi_signo: u32,
    pub ssi_errno: i32,
    pub ssi_code: i32,
    pub ssi_pid: u32,
    pub ssi_uid: u32,
    pub ssi_fd: i32,
    pub ssi_tid: u32,
    pub ssi_band: u32,
    pub ssi_overrun: u32,
    pub ssi_trapno: u32,
    pub ssi_status: i32,
    pub ssi_int: i32,
    pub ssi_ptr: u64,
    pub ssi_utime: u64,
    pub ssi_stime: u64,
    pub ssi_addr: u64,
    pub pad: [u64; 6],
}

impl From<&Siginfo> for SignalfdSiginfo {
    /// Which fields there are depends on where the signal comes from, as in
    /// sigaction(2).
    fn from(info: &Siginfo) -> SignalfdSiginfo {
        let [first, second, third, fourth, ..] = info.fields;
        let halves = |word: u64| (word as u32, (word >> 32) as u32);
        let mut out = SignalfdSiginfo {
            ssi_signo: info.si_signo as u32,
            ssi_errno: info.si_errno,
            ssi_code: info.si_code,
            ..SignalfdSiginfo::default()
        };
        match (info.si_signo as u32, info.si_code) {
            (_, SI_TIMER) => {
                (out.ssi_tid, out.ssi_overrun) = halves(first);
                (out.ssi_int, out.ssi_ptr) = (second as i32, second);
            }
            (SIGCHLD, code) if code > 0 => {
                (out.ssi_pid, out.ssi_uid) = halves(first);
                out.ssi_status = second as i32;
                (out.ssi_utime, out.ssi_stime) = (third, fourth);
            }
            (SIGIO, code) if code > 0 => {
                (out.ssi_band, out.ssi_fd) = (first as u32, second as i32);
            }
            (SIGSEGV | SIGBUS | SIGILL | SIGFPE | SIGTRAP, code) if code > 0 => {
                out.ssi_addr = first;
            }
            _ => {
                (out.ssi_pid, out.ssi_uid) = halves(first);
                (out.ssi_int, out.ssi_ptr) = (second as i32, second);
            }
        }
        out
    }
}

impl Siginfo {
    const fn new(signal: u32, code: i32) -> Siginfo {
        Siginfo {
            si_signo: signal as i32,
            si_errno: 0,
            si_code: code,
            pad: 0,
            fields: [0; 14],
        }
    }

    /// From the kernel itself.
    pub const fn kernel(signal: u32) -> Siginfo {
        Self::new(signal, SI_KERNEL)
    }

    /// Whether a process has sent it, which it tells of.
    pub const fn tells_sender(&self) -> bool {
        self.si_code <= 0 && self.si_code != SI_TIMER
    }

    /// The user who has sent it.
    pub const fn sender_user(&self) -> u32 {
        (self.fields[0] >> 32) as u32
    }

    /// Another number of the user who has sent it.
    pub const fn set_sender_user(&mut self, uid: u32) {
        self.fields[0] = self.fields[0] << 32 >> 32 | (uid as u64) << 32;
    }

    /// Another number of the process that has sent it.
    pub const fn set_sender(&mut self, pid: u32) {
        self.fields[0] = self.fields[0] >> 32 << 32 | pid as u64;
    }

    /// From kill(2) (`SI_USER`), tgkill(2) (`SI_TKILL`).
    pub const fn from_process(signal: u32, code: i32, pid: i32, uid: u32) -> Siginfo {
        let mut info = Self::new(signal, code);
        info.fields[0] = pair(pid as u32, uid);
        info
    }

    /// A message has come to an empty queue (mq_notify(3)), from process `pid`
    /// of user `uid`.
    pub const fn message_queue(signal: u32, pid: u32, uid: u32, value: u64) -> Siginfo {
        let mut info = Self::new(signal, SI_MESGQ);
        info.fields[0] = pair(pid, uid);
        info.fields[1] = value;
        info
    }

    /// A fault at `address`.
    pub const fn fault(signal: u32, code: i32, address: u64) -> Siginfo {
        let mut info = Self::new(signal, code);
        info.fields[0] = address;
        info
    }

    /// A child's change of state (`CLD_…`); times in clock ticks.
    pub const fn child(code: i32, pid: i32, uid: u32, status: i32, times: (u64, u64)) -> Siginfo {
        let mut info = Self::new(SIGCHLD, code);
        info.fields[0] = pair(pid as u32, uid);
        info.fields[1] = status as u32 as u64;
        info.fields[2] = times.0;
        info.fields[3] = times.1;
        info
    }

    /// A POSIX timer's expiry.
    pub const fn timer(signal: u32, id: i32, overrun: i32, value: u64) -> Siginfo {
        let mut info = Self::new(signal, SI_TIMER);
        info.fields[0] = pair(id as u32, overrun as u32);
        info.fields[1] = value;
        info
    }

    /// Which timer's expiry it is.
    pub const fn timer_id(&self) -> i32 {
        self.fields[0] as i32
    }

    /// How often that timer has expired beyond once.
    pub const fn overrun(&self) -> i32 {
        (self.fields[0] >> 32) as i32
    }

    /// Counts further expirations of that timer.
    pub const fn add_overrun(&mut self, count: u64) {
        let sum = (self.fields[0] >> 32).saturating_add(count);
        let most = i32::MAX as u64;
        let overrun = if sum < most { sum } else { most };
        self.fields[0] = pair(self.fields[0] as u32, overrun as u32);
    }

    /// An open file's event (`POLL_…`), its bits of poll(2), and a descriptor.
    pub const fn poll(signal: u32, code: i32, band: u64, fd: i32) -> Siginfo {
        let mut info = Self::new(signal, code);
        info.fields[0] = band;
        info.fields[1] = fd as u32 as u64;
        info
    }

    /// The signal's number.
    pub const fn signal(&self) -> u32 {
        self.si_signo as u32
    }

    /// The sender's pid, where there is one.
    pub const fn pid(&self) -> i32 {
        self.fields[0] as i32
    }
}

const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// The kernel's `struct sigevent`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Sigevent {
    pub value: u64,
    pub signal: i32,
    pub notify: i32,
    pub tid: i32,
    pub pad: [i32; 11],
}

/// Notify by a signal.
pub const SIGEV_SIGNAL: i32 = 0;
pub const SIGEV_NONE: i32 = 1;
/// As the C library's: to the kernel, by a signal.
pub const SIGEV_THREAD: i32 = 2;
/// By a signal to one thread.
pub const SIGEV_THREAD_ID: i32 = 4;

/// `stack_t` of sigaltstack(2).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct StackT {
    pub ss_sp: u64,
    pub ss_flags: u32,
    pub pad: u32,
    pub ss_size: u64,
}

pub const SS_ONSTACK: u32 = 1;
pub const SS_DISABLE: u32 = 2;
pub const SS_AUTODISARM: u32 = 1 << 31;
pub const MINSIGSTKSZ: u64 = 5120;

/// `struct sigcontext` without its 4096 reserved bytes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Sigcontext {
    pub fault_address: u64,
    pub regs: [u64; 31],
    pub sp: u64,
    pub pc: u64,
    pub pstate: u64,
    /// To the 16-byte boundary where the records begin.
    pub pad: u64,
}

pub const FPSIMD_MAGIC: u32 = 0x4650_8001;
pub const ESR_MAGIC: u32 = 0x4553_5201;

/// `struct fpsimd_context`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FpsimdContext {
    pub magic: u32,
    pub size: u32,
    pub fpsr: u32,
    pub fpcr: u32,
    /// V0 to V31, low half first.
    pub vregs: [u64; 64],
}

/// `struct esr_context`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct EsrContext {
    pub magic: u32,
    pub size: u32,
    pub esr: u64,
}

/// The first part of `struct ucontext`, up to the machine context.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UcontextHead {
    pub uc_flags: u64,
    pub uc_link: u64,
    pub uc_stack: StackT,
    pub uc_sigmask: u64,
    /// Room for a mask of 1024 bits, and to the boundary of 16 bytes.
    pub unused: [u64; 16],
}

/// `struct rt_sigframe` as a handler finds it, without the unused rest of
/// the reserved area.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RtSigframe {
    pub info: Siginfo,
    pub uc: UcontextHead,
    pub context: Sigcontext,
    pub fpsimd: FpsimdContext,
    pub esr: EsrContext,
    /// The record that ends the list: zero magic, zero size.
    pub end: [u64; 2],
}

/// Bytes of `struct rt_sigframe`: with the whole reserved area.
pub const RT_SIGFRAME_SIZE: u64 = 128 + 168 + 8 + 288 + 4096;

/// What a handler needs of a stack at least (`AT_MINSIGSTKSZ`): a frame, its
/// record, and what aligns them.
pub const SIGNAL_STACK: u64 = RT_SIGFRAME_SIZE + 32;

const _: () = assert!(size_of::<Siginfo>() == 128);
const _: () = assert!(size_of::<Sigaction>() == 32);
const _: () = assert!(size_of::<StackT>() == 24);
const _: () = assert!(size_of::<Sigevent>() == 64);
const _: () = assert!(size_of::<Sigcontext>() == 288);
const _: () = assert!(size_of::<FpsimdContext>() == 528);
const _: () = assert!(size_of::<UcontextHead>() == 176);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_laid_out_as_on_linux() {
        // ucontext: 128 bytes after the siginfo; mcontext 176 into it;
        // records 288 into that, at a multiple of 16.
        assert_eq!(core::mem::offset_of!(RtSigframe, uc), 128);
        assert_eq!(core::mem::offset_of!(RtSigframe, context), 304);
        assert_eq!(core::mem::offset_of!(RtSigframe, fpsimd), 592);
        assert_eq!(core::mem::offset_of!(UcontextHead, uc_sigmask), 40);
        assert!(size_of::<RtSigframe>() as u64 <= RT_SIGFRAME_SIZE);
        assert_eq!(RT_SIGFRAME_SIZE, 4688);
        assert_eq!(RT_SIGFRAME_SIZE % 16, 0);
    }

    #[test]
    fn names() {
        assert_eq!(signal_name(SIGSYS), Some("SYS"));
        assert_eq!(signal_name(SIGCHLD), Some("CHLD"));
        assert_eq!(signal_name(32), None);
    }
}

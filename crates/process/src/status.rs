//! How a process ended, and what it used.

use paddock_abi::process::Rusage;
use paddock_abi::signal::{
    CLD_CONTINUED, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED, CLD_TRAPPED,
};
use paddock_abi::time::Timeval;

/// What wait4(2) tells about a child. An exit code and a death by signal
/// cannot be confused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStatus {
    /// It called exit with this code.
    Exited(u8),
    /// A signal killed it; whether it would have dumped core.
    Signaled {
        /// The signal.
        signal: u8,
        /// Whether the signal is one that dumps core.
        core: bool,
    },
    /// A signal stopped it.
    Stopped(u8),
    /// It stands still for its tracer (ptrace(2)).
    Trapped {
        /// The signal, with 0x80 at a system call.
        signal: u8,
        /// `PTRACE_EVENT_…`, or zero.
        event: u8,
    },
    /// `SIGCONT` continued it.
    Continued,
}

impl WaitStatus {
    /// The `int` that wait4(2) stores.
    pub const fn to_raw(self) -> i32 {
        match self {
            WaitStatus::Exited(code) => (code as i32) << 8,
            WaitStatus::Signaled { signal, core } => signal as i32 | if core { 0x80 } else { 0 },
            WaitStatus::Stopped(signal) => (signal as i32) << 8 | 0x7f,
            WaitStatus::Trapped { signal, event } => {
                (event as i32) << 16 | (signal as i32) << 8 | 0x7f
            }
            WaitStatus::Continued => 0xffff,
        }
    }

    /// `si_code` and `si_status` of waitid(2) and of `SIGCHLD`.
    pub const fn to_siginfo(self) -> (i32, i32) {
        match self {
            WaitStatus::Exited(code) => (CLD_EXITED, code as i32),
            WaitStatus::Signaled {
                signal,
                core: false,
            } => (CLD_KILLED, signal as i32),
            WaitStatus::Signaled { signal, core: true } => (CLD_DUMPED, signal as i32),
            WaitStatus::Stopped(signal) => (CLD_STOPPED, signal as i32),
            WaitStatus::Trapped { signal, event } => {
                (CLD_TRAPPED, (event as i32) << 8 | signal as i32)
            }
            WaitStatus::Continued => (CLD_CONTINUED, 18),
        }
    }

    /// Whether the process is gone.
    pub const fn is_end(self) -> bool {
        matches!(self, WaitStatus::Exited(_) | WaitStatus::Signaled { .. })
    }

    /// The exit code as a shell gives it: 128 and the signal for a death.
    pub const fn shell_code(self) -> i32 {
        match self {
            WaitStatus::Exited(code) => code as i32,
            WaitStatus::Signaled { signal, .. } => 128 + signal as i32,
            WaitStatus::Stopped(signal) | WaitStatus::Trapped { signal, .. } => 128 + signal as i32,
            WaitStatus::Continued => 0,
        }
    }
}

/// What a process (or its ended children) used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds in user mode.
    pub user_ns: u64,
    /// Nanoseconds in the kernel.
    pub system_ns: u64,
    /// The most memory it had, in KiB.
    pub max_rss_kib: u64,
    /// Page faults that needed no disk.
    pub minor_faults: u64,
    /// Page faults that did.
    pub major_faults: u64,
    /// Times that its threads gave their CPU up to wait.
    pub voluntary_switches: u64,
    /// Times that their CPU was given to another.
    pub involuntary_switches: u64,
    /// Reads of disks, in units of 512 bytes.
    pub blocks_read: u64,
    /// Bytes moved by reading and writing calls, and how many those were.
    pub io: IoUsage,
}

/// What has been read and written, of whatever kind (proc_pid_io(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoUsage {
    /// Bytes that reads gave.
    pub bytes_read: u64,
    /// Bytes that writes took.
    pub bytes_written: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes of those written that go to a disk.
    pub bytes_to_disk: u64,
}

impl IoUsage {
    fn combined(&self, other: &IoUsage, with: impl Fn(u64, u64) -> u64) -> IoUsage {
        IoUsage {
            bytes_read: with(self.bytes_read, other.bytes_read),
            bytes_written: with(self.bytes_written, other.bytes_written),
            reads: with(self.reads, other.reads),
            writes: with(self.writes, other.writes),
            bytes_to_disk: with(self.bytes_to_disk, other.bytes_to_disk),
        }
    }
}

impl Usage {
    /// Adds another process's use; the memory is the larger of the two.
    pub fn add(&mut self, other: &Usage) {
        self.user_ns += other.user_ns;
        self.system_ns += other.system_ns;
        self.max_rss_kib = self.max_rss_kib.max(other.max_rss_kib);
        self.minor_faults += other.minor_faults;
        self.major_faults += other.major_faults;
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
        self.blocks_read += other.blocks_read;
        self.io = self.io.combined(&other.io, u64::wrapping_add);
    }

    /// What has been used since `before`, an earlier reading; the memory is
    /// the most there was.
    pub fn since(&self, before: &Usage) -> Usage {
        // Taken apart so that a new field asks what it means here.
        let Usage {
            user_ns,
            system_ns,
            max_rss_kib,
            minor_faults,
            major_faults,
            voluntary_switches,
            involuntary_switches,
            blocks_read,
            io,
        } = *self;
        Usage {
            user_ns: user_ns.saturating_sub(before.user_ns),
            system_ns: system_ns.saturating_sub(before.system_ns),
            max_rss_kib,
            minor_faults: minor_faults.saturating_sub(before.minor_faults),
            major_faults: major_faults.saturating_sub(before.major_faults),
            voluntary_switches: voluntary_switches.saturating_sub(before.voluntary_switches),
            involuntary_switches: involuntary_switches.saturating_sub(before.involuntary_switches),
            blocks_read: blocks_read.saturating_sub(before.blocks_read),
            io: io.combined(&before.io, u64::saturating_sub),
        }
    }

    /// As getrusage(2) tells it.
    pub fn to_rusage(&self) -> Rusage {
        Rusage {
            ru_utime: Timeval::from_nanos(self.user_ns),
            ru_stime: Timeval::from_nanos(self.system_ns),
            ru_maxrss: self.max_rss_kib as i64,
            ru_minflt: self.minor_faults as i64,
            ru_majflt: self.major_faults as i64,
            ru_inblock: self.blocks_read as i64,
            ru_nvcsw: self.voluntary_switches as i64,
            ru_nivcsw: self.involuntary_switches as i64,
            ..Rusage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_by_signal_is_not_an_exit() {
        assert_eq!(WaitStatus::Exited(0).to_raw(), 0);
        assert_eq!(WaitStatus::Exited(7).to_raw(), 0x700);
        let killed = WaitStatus::Signaled {
            signal: 9,
            core: false,
        };
        assert_eq!(killed.to_raw(), 9);
        assert_eq!(killed.to_siginfo(), (CLD_KILLED, 9));
        let dumped = WaitStatus::Signaled {
            signal: 11,
            core: true,
        };
        assert_eq!(dumped.to_raw(), 0x8b);
        assert_eq!(WaitStatus::Stopped(20).to_raw(), 0x147f);
        assert_eq!(WaitStatus::Continued.to_raw(), 0xffff);
        let trapped = WaitStatus::Trapped {
            signal: 5,
            event: 4,
        };
        assert_eq!(trapped.to_raw(), 0x4_057f);
        assert_eq!(trapped.to_siginfo(), (CLD_TRAPPED, 0x405));
    }
}

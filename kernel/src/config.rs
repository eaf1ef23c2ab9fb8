//! Build-time choices, all in one place.

/// Whether the kernel starts herd when the command line does not say.
pub const AUTO_START_HERD: bool = true;

/// Path of process 1 unless `init=` names another.
pub const DEFAULT_INIT: &str = "/bin/herd";

/// The most CPUs that are used.
pub const MAX_CPUS: usize = 8;

/// How long a thread runs while its peers wait, in nanoseconds.
pub const TIME_SLICE_NS: u64 = 10_000_000;

/// How long (ns) a thread that has been switched to runs before one of its own class that
/// is woken takes the CPU from it: who works for moments is done by then.
pub const WAKEUP_GRANULARITY_NS: u64 = 500_000;

/// What uname(2) calls the system unless `paddock.sysname=` says otherwise:
/// programs refuse to run on what they do not know.
pub const SYSNAME: &str = "Linux";

/// What uname(2) gives as the version.
pub const VERSION: &str = concat!("Paddock ", env!("CARGO_PKG_VERSION"));

/// What uname(2) gives as the release. Programs read it to learn which
/// Linux interfaces to expect, hence the leading Linux version.
pub const RELEASE: &str = concat!("6.1.0-paddock-", env!("CARGO_PKG_VERSION"));

/// The same for programs that know none after 2.6: as Linux counts, 2.6.60 is 6.0.
pub const RELEASE_26: &str = concat!("2.6.61-paddock-", env!("CARGO_PKG_VERSION"));

/// The largest stack that is planned for, whatever the limit says.
pub const MAX_STACK: u64 = 1 << 30;

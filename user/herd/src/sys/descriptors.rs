//! Limits of descriptors, and descriptors that do not wait.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Makes reads and writes through this open file return at once.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = fcntl_getfl(fd)?;
    Ok(fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}

/// How many descriptors a process may have: now, and at most. `None` is no
/// limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    now: Option<u64>,
    most: Option<u64>,
}

/// Enough for 10,000 services.
const MANY: u64 = 32_768;

impl OpenFiles {
    /// So many, now and at most.
    pub(super) fn exactly(count: u32) -> OpenFiles {
        let count = Some(u64::from(count));
        OpenFiles {
            now: count,
            most: count,
        }
    }

    /// Allows this process as many descriptors as it may allow itself, with
    /// `beyond` more than the limit of its limit if it may, and gives back
    /// what it was allowed before.
    ///
    /// # Errors
    /// Those of `setrlimit(2)`.
    pub(crate) fn raise(beyond: bool) -> io::Result<OpenFiles> {
        let old = OpenFiles::get();
        let most = old.most.map(|most| most.max(MANY));
        let many = OpenFiles { now: most, most };
        let most = OpenFiles {
            now: old.most,
            ..old
        };
        if !beyond || many.set().is_err() {
            most.set()?;
        }
        Ok(old)
    }

    /// How many there are now.
    pub(crate) fn now() -> usize {
        let now = OpenFiles::get().now;
        now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
    }

    fn get() -> OpenFiles {
        let limit = getrlimit(Resource::Nofile);
        OpenFiles {
            now: limit.current,
            most: limit.maximum,
        }
    }

    /// Allows this process so many. Only makes a system call.
    pub(super) fn set(self) -> io::Result<()> {
        let limit = Rlimit {
            current: self.now,
            maximum: self.most,
        };
        Ok(setrlimit(Resource::Nofile, limit)?)
    }
}

//! One herd for one root: a lock that ends with the process that holds it,
//! however that ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};

use crate::files;
use crate::paths::Paths;

/// Held as long as this herd lives.
pub(super) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

/// Why there is no lock.
pub(super) enum NoLock {
    /// Another herd lives; its process id if it told.
    Held(String),
    /// There can be none here.
    Unusable(io::Error),
}

impl Lock {
    pub(super) fn take(paths: &Paths) -> Result<Lock, NoLock> {
        let mut file = files::read_append(&paths.lock()).map_err(NoLock::Unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: what cannot be read is left out.
                let _ = (&file).take(20).read_to_string(&mut holder);
                return Err(NoLock::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(NoLock::Unusable(error)),
        }
        let told = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        match told {
            Ok(()) => Ok(Lock(file)),
            Err(error) => Err(NoLock::Unusable(error)),
        }
    }
}

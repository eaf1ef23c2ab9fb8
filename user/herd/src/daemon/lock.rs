//! One herd for one root: a lock that ends with the process that holds it,
//! however that ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::time::Duration;

use crate::files;
use crate::machine::Time;
use crate::paths::Paths;
use crate::sys;

/// Held as long as this herd lives.
pub(super) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

/// Why there is no lock.
pub(super) enum NoLock {
    /// Another herd lives; its process id if it told.
    Held(String),
    /// There can be none here.
    Unusable(io::Error),
}

/// How long a lock may outlast its holder, in milliseconds: a process that the
/// holder was about to start holds it until that has become something else.
const OUTLASTS: Time = 5_000;

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

impl Lock {
    /// Takes it. Waits only for the end of a herd that has ended.
    pub(super) fn take(paths: &Paths) -> Result<Lock, NoLock> {
        let mut file = files::read_append(&paths.lock()).map_err(NoLock::Unusable)?;
        let limit = sys::now().saturating_add(OUTLASTS);
        while let Some(holder) = try_lock(&mut file)? {
            if lives(&holder) || sys::now() >= limit {
                return Err(NoLock::Held(holder));
            }
            std::thread::sleep(LOOK);
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

/// Who holds it already, as far as that was told.
fn try_lock(file: &mut File) -> Result<Option<String>, NoLock> {
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // What cannot be read is left out.
            let _ = file.rewind();
            let _ = (&*file).take(20).read_to_string(&mut holder);
            Ok(Some(holder.trim().to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(NoLock::Unusable(error)),
    }
}

/// Whether the holder is a process, and not this one: as process 1, herd
/// follows another of the same number.
fn lives(holder: &str) -> bool {
    let pid = holder.parse().ok().filter(|pid| *pid != std::process::id());
    let stat = pid.and_then(sys::stat);
    stat.is_some_and(|stat| !stat.has_ended)
}

//! Leases on files: fcntl(2), `F_SETLEASE` and `F_GETLEASE`; and open(2) and truncate(2),
//! which break them.

use super::{Call, signal_io};
use crate::process::leases::{self, CHANGED, with_table};
use crate::process::locks::Owner;
use crate::process::{Process, Targets};
use crate::time;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::fcntl::{F_RDLCK, F_UNLCK, F_WRLCK};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_process::{LeaseKind, OpenBy};
use paddock_sync::{NO_DEADLINE, WaitError, try_box};
use paddock_vfs::{CloseObserver, FileKind, Inode, OpenFile, OpenFlags, lease};

/// The number of an open file's observer here; others have others.
const OBSERVER: u64 = u64::MAX - 1;

/// Gives up the lease of an open file that is closed.
struct GiveUp(leases::File, Owner);

impl CloseObserver for GiveUp {
    fn closed(&self) {
        if with_table(|table| table.remove(self.0, self.1)) {
            CHANGED.wake_all();
        }
    }
}

fn inode_of(file: &OpenFile) -> Result<&Arc<dyn Inode>> {
    let inode = file.path().map(|path| path.inode());
    let regular = inode.filter(|inode| inode.kind() == FileKind::Regular);
    regular.ok_or(Errno::EINVAL)
}

/// fcntl(2), `F_GETLEASE`: what the open file has, or is to have.
pub fn get(file: &Arc<OpenFile>) -> Result<u64> {
    let Ok(inode) = inode_of(file) else {
        return Ok(F_UNLCK.into());
    };
    let place = leases::file_of(inode)?;
    let kind = with_table(|table| table.get(place, Owner::file(file), time::now()));
    Ok(u64::from(match kind {
        Some(LeaseKind::Read) => F_RDLCK,
        Some(LeaseKind::Write) => F_WRLCK,
        None => F_UNLCK,
    }))
}

/// fcntl(2), `F_SETLEASE`.
///
/// # Errors
/// `EINVAL` for what is no lease, no regular file, or where leases are off; `EACCES` for
/// another user's file without CAP_LEASE; `EAGAIN` for a lease that would be broken at once,
/// or if there is none to give up; `ENOMEM`.
pub fn set(call: &Call<'_>, file: &Arc<OpenFile>, wanted: u32) -> Result<u64> {
    let kind = match wanted {
        F_RDLCK => Some(LeaseKind::Read),
        F_WRLCK => Some(LeaseKind::Write),
        F_UNLCK => None,
        _ => return Err(Errno::EINVAL),
    };
    let Some(inode) = file.path().map(|path| path.inode()) else {
        return Err(Errno::EINVAL);
    };
    let owner = inode.metadata()?.uid;
    let may = |cred: &paddock_cred::Cred| cred.uid.fs == owner || cred.capable(Cap::CAP_LEASE);
    if !call.thread.with_cred(may) {
        return Err(Errno::EACCES);
    }
    let place = leases::file_of(inode_of(file)?)?;
    match kind {
        Some(kind) => hold(call, file, place, kind)?,
        None if !with_table(|table| table.remove(place, Owner::file(file))) => {
            return Err(Errno::EAGAIN);
        }
        None => {}
    }
    CHANGED.wake_all();
    Ok(0)
}

fn hold(call: &Call<'_>, file: &Arc<OpenFile>, place: leases::File, kind: LeaseKind) -> Result<()> {
    if !leases::ENABLED.load(Relaxed) {
        return Err(Errno::EINVAL);
    }
    // The second time it is there already.
    let _ = lease::on_conflict(break_all);
    let owner = Owner::file(file);
    file.observe(OBSERVER, try_box(GiveUp(place, owner))?)?;
    // Whoever opens the file from here on breaks the lease, or is found.
    lease::more();
    let set = open_by(file, kind).and_then(|by| {
        signal_io::tell_caller(call, file, call.int(0))?;
        let holder = (owner, call.process().pid);
        with_table(|table| table.set(place, holder, kind, by))
    });
    lease::fewer();
    set?;
    if !file.has_descriptors() && with_table(|table| table.remove(place, owner)) {
        CHANGED.wake_all();
    }
    Ok(())
}

/// Who has the file open, as far as the kind of lease has to know.
fn open_by(file: &Arc<OpenFile>, kind: LeaseKind) -> Result<OpenBy> {
    let inode = inode_of(file)?;
    let count = inode.write_count().ok_or(Errno::EINVAL)?;
    let writers = count.writers();
    let own = u32::from(file.flags().writable());
    let others = kind == LeaseKind::Write && (writers > own || is_open_elsewhere(file, inode)?);
    Ok(OpenBy {
        writers: writers > 0,
        others,
    })
}

/// Whether a descriptor of anybody's is of the file, but not of this open file.
fn is_open_elsewhere(file: &Arc<OpenFile>, inode: &Arc<dyn Inode>) -> Result<bool> {
    let (all, ()) = Targets::find(|tree, add| tree.for_each(|_, process| add(process)))?;
    let is_another = |other: &Arc<OpenFile>| {
        !Arc::ptr_eq(other, file)
            && !other.flags().contains(OpenFlags::PATH)
            && other
                .path()
                .is_some_and(|path| Arc::ptr_eq(path.inode(), inode))
    };
    let has = |process: &Arc<Process>| {
        let files = process.files();
        let table = files.lock();
        table.iter().any(|(_, entry)| is_another(entry.file()))
    };
    Ok(all.processes().iter().any(has))
}

/// Somebody opens the file or cuts it: those in the way are told, and have some time.
fn break_all(inode: &Arc<dyn Inode>, writes: bool, nonblocking: bool) -> Result<()> {
    let place = leases::file_of(inode)?;
    let wait = leases::break_nanos();
    loop {
        let now = time::now();
        let ends = wait.map_or(NO_DEADLINE, |wait| now.saturating_add(wait));
        let broken = with_table(|table| table.break_for(place, writes, now, ends))?;
        for owner in &broken.told {
            signal_io::tell_lease(*owner);
        }
        let Some(until) = broken.until else {
            CHANGED.wake_all();
            return Ok(());
        };
        if nonblocking {
            return Err(Errno::EAGAIN);
        }
        let free = || {
            let waits = with_table(|table| table.waits_until(place, writes, time::now()));
            (waits != Some(until)).then_some(())
        };
        if let Err(WaitError::Interrupted) = CHANGED.wait_interruptible(until, free) {
            return Err(Errno::ERESTARTSYS);
        }
    }
}

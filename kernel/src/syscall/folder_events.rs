//! What happens in folders, told by signals: fcntl(2), `F_NOTIFY`.

use super::{Call, signal_io};
use crate::process::accounts;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use paddock_abi::fcntl::*;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc, try_box};
use paddock_vfs::notify::{Events, FOLDERS_TELL, Listener, Listening};
use paddock_vfs::{CloseObserver, FileKind, OpenFile};

/// The number of an open file's observer here; others have others.
const OBSERVER: u64 = u64::MAX - 2;
/// What one is charged for, in bytes.
const COST: usize = 512;

/// What is to be told of the folder that an open file is of.
struct Wish {
    /// The address of the open file.
    file: usize,
    fd: i32,
    events: AtomicU32,
    again: AtomicBool,
}

impl Listener for Wish {
    fn hear(&self, events: Events) -> bool {
        if self.events.load(Relaxed) & events.bits() == 0 {
            return true;
        }
        let again = self.again.load(Relaxed);
        if !again {
            self.events.store(0, Relaxed);
        }
        signal_io::tell_folder(self.file, self.fd);
        again
    }
}

struct Entry {
    wish: Arc<Wish>,
    _listening: Listening,
    _charge: Charge,
}

/// Those that there are, until their open files are closed.
static ALL: SpinLock<Vec<Entry>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());

fn forget(file: usize) {
    let mut all = ALL.lock();
    let found = all.iter().position(|entry| entry.wish.file == file);
    let gone = found.map(|index| all.swap_remove(index));
    drop(all);
    drop(gone);
}

struct Forget(usize);

impl CloseObserver for Forget {
    fn closed(&self) {
        forget(self.0);
    }
}

/// What `DN_*` stands for.
fn events_of(bits: u32) -> Events {
    let all = [
        (DN_ACCESS, Events::ACCESS),
        (DN_MODIFY, Events::MODIFY),
        (DN_CREATE, Events::CREATE | Events::MOVED_TO),
        (DN_DELETE, Events::DELETE | Events::MOVED_FROM),
        (DN_RENAME, Events::RENAMED),
        (DN_ATTRIB, Events::ATTRIB),
    ];
    let wanted = all.iter().filter(|(bit, _)| bits & bit != 0);
    wanted.fold(Events::empty(), |events, (_, more)| events | *more)
}

/// `F_NOTIFY`: what is wanted comes to what was wanted before and has not been told.
///
/// # Errors
/// `EINVAL` where `fs.dir-notify-enable` is off, `ENOTDIR`, `ENOMEM`.
pub fn notify(call: &Call<'_>, file: &Arc<OpenFile>, wanted: u32) -> Result<u64> {
    if !FOLDERS_TELL.load(Relaxed) {
        return Err(Errno::EINVAL);
    }
    let id = Arc::as_ptr(file).addr();
    if wanted & !DN_MULTISHOT == 0 {
        forget(id);
        return Ok(0);
    }
    let path = file
        .path()
        .filter(|path| path.inode().kind() == FileKind::Directory);
    let inode = path.ok_or(Errno::ENOTDIR)?.inode();
    let charge = Charge::new(&accounts::paying(), COST)?;
    signal_io::own(call, file)?;
    file.observe(OBSERVER, try_box(Forget(id))?)?;
    let wish = try_arc(Wish {
        file: id,
        fd: call.int(0),
        events: AtomicU32::new(events_of(wanted).bits()),
        again: AtomicBool::new(wanted & DN_MULTISHOT != 0),
    })?;
    let entry = Entry {
        _listening: Listening::new(inode, wish.clone())?,
        wish,
        _charge: charge,
    };
    let mut all = ALL.lock();
    all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    let old = match all.iter_mut().find(|entry| entry.wish.file == id) {
        Some(old) => {
            let left = old.wish.events.swap(0, Relaxed);
            entry.wish.events.fetch_or(left, Relaxed);
            let again = left != 0 && old.wish.again.load(Relaxed);
            entry.wish.again.fetch_or(again, Relaxed);
            Some(core::mem::replace(old, entry))
        }
        None => {
            all.push(entry);
            None
        }
    };
    drop(all);
    drop(old);
    if !file.has_descriptors() {
        // Closed by another thread meanwhile.
        forget(id);
    }
    Ok(0)
}

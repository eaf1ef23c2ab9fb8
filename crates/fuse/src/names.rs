//! [`Names`]: what names lead to, for as long as the program says.

use crate::inode::FuseInode;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_copy};

/// Names that are remembered at most; each has one place where it can be.
const PLACES: usize = 256;

/// What a name is known to lead to, and until when: nothing, or an inode.
struct Known {
    directory: u64,
    name: Box<[u8]>,
    inode: Option<Arc<FuseInode>>,
    until: u64,
}

impl Known {
    fn is(&self, directory: u64, name: &[u8]) -> bool {
        self.directory == directory && *self.name == *name
    }
}

/// Names that need not be asked for again. Never sleeps.
pub(crate) struct Names(SpinLock<Vec<Option<Known>>, PreemptOff>);

/// Where a name is, if it is known.
fn place(directory: u64, name: &[u8]) -> usize {
    const PRIME: u64 = 0x0100_0000_01b3;
    let start = directory.wrapping_mul(PRIME) ^ 0xcbf2_9ce4_8422_2325;
    let hash = name.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    (hash >> 32) as usize % PLACES
}

impl Names {
    /// None yet. `ENOMEM`.
    pub fn new() -> Result<Names> {
        let mut all = Vec::new();
        let room = all.try_reserve_exact(PLACES);
        room.map_err(|_| Errno::ENOMEM)?;
        all.resize_with(PLACES, || None);
        Ok(Names(SpinLock::new(Rank::Leaf, all)))
    }

    fn put(&self, directory: u64, name: &[u8], known: Option<Known>) {
        let mut names = self.0.lock();
        let before = names
            .get_mut(place(directory, name))
            .and_then(|place| core::mem::replace(place, known));
        drop(names);
        // The last reference to an inode may go with it.
        drop(before);
    }

    /// What a name leads to. `ENOENT` if it leads nowhere.
    pub fn get(&self, directory: u64, name: &[u8], now: u64) -> Result<Option<Arc<FuseInode>>> {
        let names = self.0.lock();
        let known = names.get(place(directory, name)).and_then(Option::as_ref);
        match known.filter(|known| now < known.until && known.is(directory, name)) {
            None => Ok(None),
            Some(known) => known.inode.clone().map(Some).ok_or(Errno::ENOENT),
        }
    }

    /// Remembers what a name leads to until a time, if there is memory for that.
    pub fn set(&self, directory: u64, name: &[u8], inode: Option<&Arc<FuseInode>>, until: u64) {
        let Ok(own) = try_copy(name) else { return };
        let known = Known {
            directory,
            name: own.into_boxed_slice(),
            inode: inode.cloned(),
            until,
        };
        self.put(directory, name, Some(known));
    }

    /// A name may lead elsewhere now. Another at its place is forgotten as well.
    pub fn forget(&self, directory: u64, name: &[u8]) {
        self.put(directory, name, None);
    }

    /// Nothing is remembered any more.
    pub fn clear(&self) {
        for number in 0..PLACES {
            let known = self.0.lock().get_mut(number).and_then(Option::take);
            drop(known);
        }
    }
}

//! What sockets are bound to, and how they are found by it.

use crate::endpoint::{Endpoint, Target};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};
use paddock_vfs::Inode;

/// The address of a socket: a path (without its zero byte), or an abstract
/// name, which begins with a zero byte.
pub struct Name {
    bytes: Vec<u8>,
    place: Place,
}

/// Where a name is one.
enum Place {
    /// The file at the path; held, it is no other socket's.
    File(Arc<dyn Inode>),
    /// The network namespace of this number.
    Net(u64),
}

/// What no two sockets that are found have in common.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    /// Where the file's inode is.
    File(usize),
    /// The network namespace, and the name.
    Abstract(u64, &'a [u8]),
}

fn key_of_file(inode: &Arc<dyn Inode>) -> Key<'static> {
    Key::File(Arc::as_ptr(inode).cast::<()>().addr())
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

impl Name {
    /// The name of a socket's file. `ENOMEM`.
    pub fn path(bytes: Vec<u8>, inode: Arc<dyn Inode>) -> Result<Arc<Name>> {
        try_arc(Name {
            bytes,
            place: Place::File(inode),
        })
    }

    /// An abstract name in the network namespace `net`, with its leading zero byte.
    /// `ENOMEM`.
    pub fn abstract_name(bytes: Vec<u8>, net: u64) -> Result<Arc<Name>> {
        let place = Place::Net(net);
        try_arc(Name { bytes, place })
    }

    /// The bytes of `sun_path`, without the zero that ends a path.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it is no file's.
    pub fn is_abstract(&self) -> bool {
        matches!(self.place, Place::Net(_))
    }

    fn key(&self) -> Key<'_> {
        match &self.place {
            Place::File(inode) => key_of_file(inode),
            Place::Net(net) => Key::Abstract(*net, &self.bytes),
        }
    }
}

struct Bound {
    name: Arc<Name>,
    endpoint: Weak<Endpoint>,
}

/// All sockets that are bound and not closed, in the order of their keys.
static BOUND: SpinLock<Vec<Bound>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());
/// The next abstract name that the system chooses.
static NEXT: AtomicU32 = AtomicU32::new(0);
/// How many of them there are: five hexadecimal digits.
const CHOICES: u32 = 1 << 20;

/// Makes a socket found by `name`. `EADDRINUSE`, `ENOMEM`.
pub(crate) fn register(name: &Arc<Name>, endpoint: &Arc<Endpoint>) -> Result<()> {
    let mut bound = BOUND.lock();
    let Err(place) = search(&bound, &name.key()) else {
        return Err(Errno::EADDRINUSE);
    };
    bound.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    let new = Bound {
        name: name.clone(),
        endpoint: Arc::downgrade(endpoint),
    };
    bound.insert(place, new);
    Ok(())
}

/// Where a name is, or belongs.
fn search(bound: &[Bound], key: &Key<'_>) -> core::result::Result<usize, usize> {
    bound.binary_search_by(|other| other.name.key().cmp(key))
}

/// Takes a socket out that is found by `name`. Those that a listener accepted
/// have its name, but are not found by it.
pub(crate) fn unregister(name: &Arc<Name>, endpoint: &Arc<Endpoint>) {
    let is_own = |bound: &Bound| core::ptr::eq(bound.endpoint.as_ptr(), Arc::as_ptr(endpoint));
    let mut bound = BOUND.lock();
    let at = search(&bound, &name.key()).ok();
    let at = at.filter(|&at| is_own(&bound[at]));
    let gone = at.map(|at| bound.remove(at));
    drop(bound);
    // The last share of a file's inode may go here, which may sleep.
    drop(gone);
}

/// Gives a socket an abstract name of the system's choice. `EADDRINUSE` when
/// there are none left, `ENOMEM`.
pub(crate) fn choose(endpoint: &Arc<Endpoint>) -> Result<Arc<Name>> {
    for _ in 0..CHOICES {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % CHOICES;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(6).map_err(|_| Errno::ENOMEM)?;
        bytes.push(0);
        for digit in (0..5).rev() {
            let value = (number >> (4 * digit)) & 15;
            bytes.push(char::from_digit(value, 16).map_or(b'0', |digit| digit as u8));
        }
        let name = Name::abstract_name(bytes, endpoint.net)?;
        match register(&name, endpoint) {
            Err(Errno::EADDRINUSE) => {}
            result => return result.map(|()| name),
        }
    }
    Err(Errno::EADDRINUSE)
}

fn find(key: &Key<'_>) -> Result<Target> {
    let bound = BOUND.lock();
    let found = search(&bound, key).ok();
    let endpoint = found.and_then(|at| bound[at].endpoint.upgrade());
    endpoint.map(Target).ok_or(Errno::ECONNREFUSED)
}

impl Target {
    /// The socket that is bound to a file. `ECONNREFUSED`.
    pub fn at(inode: &Arc<dyn Inode>) -> Result<Target> {
        find(&key_of_file(inode))
    }

    /// The socket with an abstract name (with its zero byte) in the network namespace
    /// `net`. `ECONNREFUSED`.
    pub fn named(bytes: &[u8], net: u64) -> Result<Target> {
        find(&Key::Abstract(net, bytes))
    }
}

/// Calls `each` for every bound socket's name, for /proc/net/unix.
pub(crate) fn for_each(mut each: impl FnMut(&Arc<Name>, Arc<Endpoint>)) {
    let mut index = 0;
    loop {
        let entry = {
            let bound = BOUND.lock();
            bound
                .get(index)
                .map(|bound| (bound.name.clone(), bound.endpoint.upgrade()))
        };
        match entry {
            None => return,
            Some((name, Some(endpoint))) => each(&name, endpoint),
            Some((_, None)) => {}
        }
        index += 1;
    }
}

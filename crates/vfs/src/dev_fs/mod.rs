//! Device nodes: who answers for which number, and the simplest devices.
//!
//! `/dev` itself is a memory filesystem with device nodes in it; opening one,
//! wherever it lies, comes here through [`NodeOpener`].

pub mod loops;
mod simple;

pub use simple::{FullFile, NullFile, RandomFile, RandomSource, ZeroFile};

use crate::path::NodeOpener;
use crate::{
    Errno, File, FileKind, Inode, Metadata, MountNamespace, OpenFlags, PathContext, Result,
};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use paddock_abi::stat::make_device;
use paddock_sync::{PreemptOff, Rank, SpinLock};

/// What answers for a device number, or for fifos.
pub trait Device: Send + Sync {
    /// Opens the node `inode`. `ENXIO`, `EIO`, `EBUSY`. May sleep.
    fn open(&self, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>>;
}

impl<F> Device for F
where
    F: Fn(&Arc<dyn Inode>, OpenFlags) -> Result<Arc<dyn File>> + Send + Sync,
{
    fn open(&self, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        self(inode, flags)
    }
}

/// A device's kind and number.
type Key = (bool, u64);

fn key(kind: FileKind, rdev: u64) -> Key {
    (kind == FileKind::BlockDevice, rdev)
}

/// The table of devices.
pub struct Devices {
    table: SpinLock<BTreeMap<Key, Arc<dyn Device>>, PreemptOff>,
    fifos: Arc<dyn Device>,
}

impl Devices {
    /// A table without devices; `fifos` opens fifos.
    pub fn new(fifos: Arc<dyn Device>) -> Devices {
        Devices {
            table: SpinLock::new(Rank::Leaf, BTreeMap::new()),
            fifos,
        }
    }

    /// Makes `device` answer for the character device `major:minor`.
    pub fn register_char(&self, major: u32, minor: u32, device: Arc<dyn Device>) {
        self.register(FileKind::CharDevice, make_device(major, minor), device);
    }

    /// Makes `device` answer for a kind of node and a number.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn register(&self, kind: FileKind, rdev: u64, device: Arc<dyn Device>) {
        let old = self.table.lock().insert(key(kind, rdev), device);
        drop(old);
    }

    /// Nothing answers for it any more.
    pub fn unregister(&self, kind: FileKind, rdev: u64) {
        let old = self.table.lock().remove(&key(kind, rdev));
        drop(old);
    }

    /// Registers null, zero, full, random and urandom, with Linux's numbers.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn register_simple(&self, random: Arc<dyn RandomSource>) {
        let random = Arc::new(RandomFile::new(random));
        self.register_char(1, 3, always(Arc::new(NullFile)));
        self.register_char(1, 5, always(Arc::new(ZeroFile)));
        self.register_char(1, 7, always(Arc::new(FullFile)));
        self.register_char(1, 8, always(random.clone()));
        self.register_char(1, 9, always(random));
    }
}

/// A device that is one and the same file for all.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn always(file: Arc<dyn File>) -> Arc<dyn Device> {
    Arc::new(move |_: &Arc<dyn Inode>, _: OpenFlags| Ok(file.clone()))
}

impl NodeOpener for Devices {
    fn open(
        &self,
        inode: &Arc<dyn Inode>,
        meta: &Metadata,
        flags: OpenFlags,
    ) -> Result<Arc<dyn File>> {
        if meta.kind == FileKind::Fifo {
            return self.fifos.open(inode, flags);
        }
        let device = self.table.lock().get(&key(meta.kind, meta.rdev)).cloned();
        device.ok_or(Errno::ENXIO)?.open(inode, flags)
    }
}

/// A character device node of `/dev`: name, permission bits, major, minor.
pub type NodeSpec = (&'static str, u32, u32, u32);

/// The nodes of every system.
pub const STANDARD_NODES: &[NodeSpec] = &[
    ("null", 0o666, 1, 3),
    ("zero", 0o666, 1, 5),
    ("full", 0o666, 1, 7),
    ("random", 0o666, 1, 8),
    ("urandom", 0o666, 1, 9),
    ("tty", 0o666, 5, 0),
    ("console", 0o600, 5, 1),
    ("ptmx", 0o666, 5, 2),
];

/// The symbolic links of every system.
pub const STANDARD_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Makes `nodes`, the standard links, `pts` and `shm` in the directory that
/// `context` starts from. `ENOSPC`, `EEXIST`.
pub fn populate(
    namespace: &MountNamespace,
    context: &PathContext,
    nodes: &[NodeSpec],
) -> Result<()> {
    let open_mask = PathContext {
        umask: 0,
        ..context.clone()
    };
    for &(name, mode, major, minor) in nodes {
        let rdev = make_device(major, minor);
        let kind = FileKind::CharDevice;
        namespace.mknod(&open_mask, name.as_bytes(), kind, mode, rdev)?;
    }
    for (name, target) in STANDARD_LINKS {
        namespace.symlink(&open_mask, target.as_bytes(), name.as_bytes())?;
    }
    namespace.mkdir(&open_mask, b"pts", 0o755)?;
    namespace.mkdir(&open_mask, b"shm", 0o1777).map(drop)
}

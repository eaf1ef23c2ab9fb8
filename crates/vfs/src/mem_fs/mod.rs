//! The memory filesystem: everything in pages of memory, up to a limit.

mod data;
mod dir;
mod file_io;
mod handles;
mod node;
mod options;
#[cfg(test)]
mod tests;
mod window;
mod xattrs;

use crate::{
    Clock, Errno, FileHandle, FileKind, FileSystem, FsState, FsStats, Inode, NewNode, PAGE_SIZE,
    PageRef, PageSource, Reconfiguration, Result,
};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicU64, Ordering};
use node::Node;
pub use options::Options;
use paddock_abi::stat::TMPFS_MAGIC;
use paddock_charge::Charge;
use paddock_cred::UserNamespace;
use paddock_sync::{Mutex, PreemptOff, Rank, SpinLock};

/// Nodes, with their names, that are counted as one page of memory: files and
/// what is in them have one limit.
const NODES_PER_PAGE: u64 = 4;
/// [`Shared::page_limit`] of a filesystem without one.
const NO_LIMIT: u64 = u64::MAX.div_ceil(PAGE_SIZE as u64);
/// What the maker of a node pays for it.
const NODE_BYTES: usize = PAGE_SIZE / NODES_PER_PAGE as usize;

/// What all nodes of one filesystem share.
struct Shared {
    device: u64,
    clock: Arc<dyn Clock>,
    pages: Arc<dyn PageSource>,
    page_limit: AtomicU64,
    used_pages: AtomicU64,
    nodes: AtomicU64,
    next_ino: AtomicU64,
    state: FsState,
    /// Nodes that programs may know handles of.
    with_handles: SpinLock<BTreeMap<u64, Weak<Node>>, PreemptOff>,
    /// Held while names change anywhere. Each node has a lock of its own for
    /// its data; while names change those are taken one at a time.
    tree: Mutex<()>,
}

impl Shared {
    fn page_limit(&self) -> u64 {
        self.page_limit.load(Ordering::Relaxed)
    }

    fn node_limit(&self) -> u64 {
        self.page_limit().saturating_mul(NODES_PER_PAGE)
    }

    /// Pages that are in use, or counted for nodes.
    fn taken(&self) -> u64 {
        let nodes = self.nodes.load(Ordering::Relaxed);
        self.used_pages.load(Ordering::Relaxed) + Self::pages_of(nodes)
    }

    /// Another limit. `EINVAL` below what is in use, and for one where there was none, as
    /// Linux has it.
    fn set_page_limit(&self, limit: u64) -> Result<()> {
        let old = self.page_limit();
        if limit < self.taken() || old == NO_LIMIT && limit != NO_LIMIT {
            return Err(Errno::EINVAL);
        }
        self.page_limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// Pages that nodes count for. The root is free: an empty filesystem is
    /// empty.
    fn pages_of(nodes: u64) -> u64 {
        nodes.saturating_sub(1).div_ceil(NODES_PER_PAGE)
    }

    /// Counts one page more. `ENOSPC`.
    fn charge_page(&self) -> Result<()> {
        let nodes = Self::pages_of(self.nodes.load(Ordering::Relaxed));
        charge(&self.used_pages, self.page_limit().saturating_sub(nodes))
    }

    fn refund_pages(&self, count: u64) {
        self.used_pages.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts one node more, which its maker pays for. `ENOSPC`, `ENOMEM`.
    fn charge_node(&self) -> Result<Option<Charge>> {
        let account = self.pages.account();
        let paid = account.map(|account| Charge::new(&account, NODE_BYTES));
        let paid = paid.transpose()?;
        let pages = self.used_pages.load(Ordering::Relaxed);
        let left = self.page_limit().saturating_sub(pages);
        charge(&self.nodes, left.saturating_mul(NODES_PER_PAGE))?;
        Ok(paid)
    }

    fn refund_node(&self) {
        self.nodes.fetch_sub(1, Ordering::Relaxed);
    }

    /// A page, counted. `ENOSPC`, `ENOMEM`.
    fn allocate_page(&self) -> Result<PageRef> {
        self.charge_page()?;
        self.pages.allocate().inspect_err(|_| self.refund_pages(1))
    }

    fn stats(&self) -> FsStats {
        let free = self.page_limit().saturating_sub(self.taken());
        FsStats {
            magic: TMPFS_MAGIC,
            block_size: PAGE_SIZE as u64,
            blocks: self.page_limit(),
            blocks_free: free,
            blocks_available: free,
            files: self.node_limit(),
            files_free: free.saturating_mul(NODES_PER_PAGE),
            name_max: 255,
            fsid: fsid(self.device),
            io_size: 0,
        }
    }
}

/// The pages of a limit in bytes.
fn page_limit(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_SIZE as u64).max(1)
}

fn charge(counter: &AtomicU64, limit: u64) -> Result<()> {
    let more = |used: u64| (used < limit).then_some(used + 1);
    let result = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    result.map(drop).map_err(|_| Errno::ENOSPC)
}

/// A memory filesystem.
pub struct MemFs {
    shared: Arc<Shared>,
    root: Arc<Node>,
}

impl MemFs {
    /// An empty filesystem of at most `byte_limit` bytes of data, with the
    /// device number `device` and a root directory of mode `root_mode`.
    /// `ENOMEM`.
    pub fn new(
        device: u64,
        byte_limit: u64,
        root_mode: u32,
        clock: Arc<dyn Clock>,
        pages: Arc<dyn PageSource>,
    ) -> Result<Arc<MemFs>> {
        let options = Options {
            bytes: byte_limit,
            has_size: true,
            mode: root_mode,
            uid: 0,
            gid: 0,
        };
        MemFs::with_options(device, options, UserNamespace::INITIAL, clock, pages)
    }

    /// An empty filesystem with these options and the device number `device`, which
    /// belongs to `owner`. `ENOMEM`.
    pub fn with_options(
        device: u64,
        options: Options,
        owner: UserNamespace,
        clock: Arc<dyn Clock>,
        pages: Arc<dyn PageSource>,
    ) -> Result<Arc<MemFs>> {
        let shared = paddock_sync::try_arc(Shared {
            device,
            clock,
            pages,
            page_limit: AtomicU64::new(page_limit(options.bytes)),
            used_pages: AtomicU64::new(0),
            nodes: AtomicU64::new(0),
            next_ino: AtomicU64::new(1),
            state: FsState::of(owner),
            with_handles: SpinLock::new(Rank::Leaf, BTreeMap::new()),
            tree: Mutex::new(Rank::Inode, ()),
        })?;
        let node = NewNode {
            kind: FileKind::Directory,
            mode: options.mode,
            uid: options.uid,
            gid: options.gid,
            rdev: 0,
        };
        let root = Node::new(&shared, &node, None)?;
        // The root is its own parent: it has both links from the start.
        root.add_link();
        root.add_link();
        paddock_sync::try_arc(MemFs { shared, root })
    }
}

impl FileSystem for MemFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        "tmpfs"
    }

    fn device(&self) -> u64 {
        self.shared.device
    }

    fn stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
    }

    fn state(&self) -> &FsState {
        &self.shared.state
    }

    fn handle(&self, inode: &dyn Inode) -> Result<FileHandle> {
        let node = inode.as_any().downcast_ref::<Node>();
        self.shared.handle(node.ok_or(Errno::EOPNOTSUPP)?)
    }

    fn by_handle(&self, _: i32, bytes: &[u8]) -> Result<Arc<dyn Inode>> {
        Ok(self.shared.by_handle(bytes)?)
    }

    /// Of the options, the size changes; of others Linux has none change either.
    fn reconfigure(&self, change: &Reconfiguration<'_>) -> Result<()> {
        let given = Options::parse(change.options, change.memory, change.caller)?;
        match given.has_size {
            true => self.shared.set_page_limit(page_limit(given.bytes)),
            false => Ok(()),
        }
    }
}

/// The number of a filesystem with that device number (statfs(2), `f_fsid`): with bits all
/// over it, as a random one has, and never 0.
fn fsid(device: u64) -> u64 {
    device.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63
}

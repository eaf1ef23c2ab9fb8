//! [`Ext4`]: a mounted filesystem.

use crate::disk::{Disk, zeroed};
use crate::errors::Health;
use crate::inode::{Attributes, Ext4Inode};
use crate::journal::Journal;
use crate::layout::{
    Geometry, INCOMPAT_RECOVER, JournalPlace, Kind, SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE,
};
use crate::table::InodeTable;
use crate::transaction::{Core, Log};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::stat::EXT4_SUPER_MAGIC;
use paddock_sync::{Mutex, PreemptOff, Rank, SpinLock};
use paddock_vfs::cache::{FilePages, PageCache};
use paddock_vfs::{
    BlockDevice, Clock, Errno, FileHandle, FileKind, FileSystem, FsState, FsStats, Inode,
    PAGE_SIZE, Result, WriteCount, WriteErrors,
};

const ROOT: u32 = 2;
/// Clean metadata that is kept on a small machine at most, in bytes.
const MOST_METADATA: usize = 4 << 20;
/// A cache of so many bytes makes a machine a large one: half of what it has beyond that
/// may be metadata.
const LARGE_CACHE: usize = 8 << 20;

/// What all inodes of a mounted filesystem share.
pub(crate) struct Shared {
    pub device_number: u64,
    pub block_size: u32,
    pub core: Mutex<Core>,
    cache: Arc<PageCache>,
    /// The inodes in use.
    table: Arc<InodeTable>,
    /// Inodes to free: their objects are gone, and their names.
    to_free: SpinLock<BTreeSet<u32>, PreemptOff>,
}

impl Shared {
    /// The object of an inode.
    pub fn inode(self: &Arc<Self>, core: &mut Core, ino: u32) -> Result<Arc<Ext4Inode>> {
        if let Some(inode) = self.table.get(ino) {
            return Ok(inode);
        }
        let raw = core.inode(ino)?;
        let kind = raw.kind()?;
        let pages = match (kind, core.dirty_files.get(&u64::from(ino))) {
            (FileKind::Regular, Some(pages)) => Some(pages.clone()),
            (FileKind::Regular, None) => Some(FilePages::new(&self.cache)?),
            _ => None,
        };
        let inode = paddock_sync::try_arc(Ext4Inode {
            fs: self.clone(),
            ino,
            kind,
            pages,
            attributes: SpinLock::new(Rank::Leaf, Attributes::of(&raw)),
            size: AtomicU64::new(raw.size()),
            read_next: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            nameless: AtomicBool::new(false),
            writing: Mutex::new(Rank::FileWrite, ()),
            write_count: WriteCount::new(),
        })?;
        self.table.insert(&inode);
        core.is_shown(ino);
        Ok(inode)
    }

    /// Called as an object goes: it leaves the table, and what has no name is
    /// freed by whoever takes the lock next. Never sleeps.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    pub fn forget(&self, inode: &Ext4Inode) {
        self.table.remove(inode);
        if inode.nameless.load(Ordering::Relaxed) {
            self.to_free.lock().insert(inode.ino);
        }
    }

    /// Whether somebody has the inode's object.
    pub fn is_in_use(&self, ino: u32) -> bool {
        self.table.get(ino).is_some()
    }

    /// The last name of `ino` is gone, and it is in use.
    #[allow(
        clippy::disallowed_methods,
        reason = "small, and where nothing may fail: the heap keeps a reserve for such"
    )]
    pub fn mark_nameless(&self, ino: u32) {
        match self.table.get(ino) {
            Some(inode) => inode.nameless.store(true, Ordering::Relaxed),
            None => drop(self.to_free.lock().insert(ino)),
        }
    }

    /// Frees what nobody uses any more. An inode that cannot be freed now
    /// stays in the list of orphans on the disk.
    pub fn reap(&self, core: &mut Core) {
        loop {
            let Some(ino) = self.to_free.lock().pop_first() else {
                return;
            };
            let _ = core.operation(|core| core.free_inode(ino));
        }
    }

    /// Makes a change; when the space is used up, once more after what was
    /// freed has become free.
    pub fn change<T>(
        &self,
        core: &mut Core,
        mut change: impl FnMut(&mut Core) -> Result<T>,
    ) -> Result<T> {
        self.reap(core);
        match core.operation(&mut change) {
            Err(Errno::ENOSPC) if core.freed_blocks() > 0 => {
                core.commit()?;
                core.operation(change)
            }
            result => result,
        }
    }

    pub fn stats(&self) -> Result<FsStats> {
        let mut core = self.core.lock();
        self.reap(&mut core);
        let free = core.free_blocks()? + core.freed_blocks();
        let files_free = u64::from(core.free_counts()?.inodes);
        Ok(FsStats {
            magic: EXT4_SUPER_MAGIC,
            block_size: core.geometry.block_size as u64,
            blocks: core.geometry.blocks,
            blocks_free: free,
            blocks_available: free,
            files: u64::from(core.geometry.inodes),
            files_free,
            name_max: 255,
            fsid: fsid(&core.geometry.uuid),
            io_size: 0,
        })
    }

    pub fn sync(&self) -> Result<()> {
        let mut core = self.core.lock();
        if core.is_closed() {
            return Ok(());
        }
        self.reap(&mut core);
        core.commit()
    }

    /// As [`sync`](Self::sync), of one file, and without its times.
    pub fn sync_data(&self, ino: u32) -> Result<()> {
        let mut core = self.core.lock();
        if core.is_closed() {
            return Ok(());
        }
        self.reap(&mut core);
        core.sync_data(ino)
    }
}

/// A mounted filesystem: ext4, or one of those that it comes from.
pub struct Ext4 {
    pub(crate) shared: Arc<Shared>,
    kind: Kind,
    root: Arc<Ext4Inode>,
    read_only: bool,
    health: Arc<Health>,
    state: FsState,
}

impl Ext4 {
    /// Mounts the filesystem on `device` as one of `kind`: replays its journal if need be,
    /// and frees what was deleted but open when the power went. It becomes
    /// read-only if it has features that cannot be written.
    ///
    /// `cache` bounds the pages of its files; `device_number` is its
    /// `st_dev`. May sleep.
    ///
    /// # Errors
    /// `EINVAL` if it is not of that kind, or cannot be read; `EUCLEAN` if it
    /// is damaged; `EROFS` if it needs a replay but cannot be written; `EIO`.
    pub fn mount(
        kind: Kind,
        device: Arc<dyn BlockDevice>,
        clock: Arc<dyn Clock>,
        cache: Arc<PageCache>,
        device_number: u64,
        read_only: bool,
    ) -> Result<Arc<Ext4>> {
        let geometry = read_geometry(&*device)?;
        if !kind.has(&geometry) {
            return Err(Errno::EINVAL);
        }
        let disk = Disk::new(device, geometry.block_size)?;
        if geometry.had_errors {
            log::warn!(
                "ext4: {}: errors were found in it before; check it with e2fsck",
                disk.name()
            );
        }
        let health = paddock_sync::try_arc(Health::new(geometry.had_errors))?;
        let table = paddock_sync::try_arc(InodeTable::new())?;
        let mut core = Core::new(
            disk,
            geometry,
            clock,
            cache.clone(),
            table.clone(),
            health.clone(),
        );
        core.keep_bytes(kept_metadata(cache.limit() * PAGE_SIZE));
        if !geometry.unwritable.is_empty() && !read_only {
            log::warn!(
                "ext4: {}: has features that cannot be written here: {}; it is mounted read-only",
                core.disk.name(),
                geometry.unwritable
            );
        }
        if geometry.journal == JournalPlace::Elsewhere && !read_only {
            log::warn!(
                "ext4: {}: has its journal on another disk; it is mounted read-only",
                core.disk.name()
            );
        }
        let read_only = read_only || !geometry.writable;
        match geometry.journal {
            JournalPlace::None => open_without_journal(&mut core, read_only)?,
            _ => open_journal(&mut core, read_only)?,
        }
        let shared = paddock_sync::try_arc(Shared {
            device_number,
            block_size: geometry.block_size as u32,
            core: Mutex::new(Rank::Filesystem, core),
            cache,
            table,
            to_free: SpinLock::new(Rank::Leaf, BTreeSet::new()),
        })?;
        let root = shared.inode(&mut shared.core.lock(), ROOT)?;
        if root.kind != FileKind::Directory {
            return Err(Errno::EUCLEAN);
        }
        paddock_sync::try_arc(Ext4 {
            shared,
            kind,
            root,
            read_only,
            health,
            state: FsState::new(),
        })
    }
}

/// How many bytes of clean metadata are kept beside a cache of so many: they are given
/// back as its pages are.
fn kept_metadata(cache: usize) -> usize {
    (cache / 8).min(MOST_METADATA) + cache.saturating_sub(LARGE_CACHE) / 2
}

fn read_geometry(device: &dyn BlockDevice) -> Result<Geometry> {
    let size = device.block_size();
    if size == 0 || size > 4096 {
        return Err(Errno::EINVAL);
    }
    let offset = SUPERBLOCK_OFFSET as usize;
    let first = offset / size;
    let start = offset - first * size;
    let mut bytes = zeroed((start + SUPERBLOCK_SIZE).next_multiple_of(size))?;
    device.read(first as u64, &mut bytes)?;
    let sb = &bytes[start..];
    let geometry = Geometry::parse(sb).inspect_err(|_| {
        let names = Geometry::unreadable(sb);
        if !names.is_empty() {
            log::error!(
                "ext4: {}: has features that cannot be read here: {names}",
                device.name()
            );
        }
    })?;
    // A log that is to be replayed may hold a better one.
    if geometry.incompat & INCOMPAT_RECOVER == 0 && !geometry.is_superblock_sound_or_torn(sb) {
        return Err(bad_superblock(device.name()));
    }
    Ok(geometry)
}

fn bad_superblock(name: &str) -> Errno {
    log::error!("ext4: {name}: its superblock has a wrong checksum; repair it with e2fsck -f");
    Errno::EUCLEAN
}

/// Has changes written to their places, unless the mount is read-only. `EROFS` if there is
/// said to be something to replay.
fn open_without_journal(core: &mut Core, read_only: bool) -> Result<()> {
    if core.geometry.incompat & INCOMPAT_RECOVER != 0 {
        return Err(Errno::EROFS);
    }
    if read_only {
        return Ok(());
    }
    if !core.geometry.was_clean {
        log::warn!(
            "ext4: {}: was not unmounted, and has no journal; check it with e2fsck",
            core.disk.name()
        );
    }
    core.log = Log::InPlace;
    core.set_clean_state(false)?;
    core.free_orphans()
}

/// Replays the journal if need be; opens it for writing unless the mount is
/// read-only.
fn open_journal(core: &mut Core, read_only: bool) -> Result<()> {
    let needs_replay = core.geometry.incompat & INCOMPAT_RECOVER != 0;
    if read_only && !needs_replay {
        return Ok(());
    }
    if !core.geometry.writable {
        return Err(Errno::EROFS);
    }
    let runs = journal_runs(core)?;
    let mut journal = Journal::open(&core.disk, runs)?;
    journal.recover(&core.disk)?;
    // What was read before the replay is out of date.
    core.forget_buffers();
    let geometry = core.geometry;
    if !geometry.is_superblock_sound_or_torn(core.superblock()?) {
        return Err(bad_superblock(core.disk.name()));
    }
    core.set_recover_flag(false)?;
    core.geometry.incompat &= !INCOMPAT_RECOVER;
    if read_only {
        return Ok(());
    }
    core.log = Log::Journal(journal);
    core.set_recover_flag(true)?;
    core.free_orphans()?;
    core.free_orphan_file()
}

/// Where the journal lies on the disk.
fn journal_runs(core: &mut Core) -> Result<Vec<(u64, u32)>> {
    let raw = core.inode(core.geometry.journal_inode()?)?;
    let blocks = raw.size() / core.disk.block_size as u64;
    let blocks = u32::try_from(blocks).map_err(|_| Errno::EUCLEAN)?;
    let mut runs = Vec::new();
    let mut at = 0;
    while at < blocks {
        let extent = core.map(&raw, at)?.map_err(|_| Errno::EUCLEAN)?;
        let skip = at - extent.logical;
        let len = (extent.len - skip).min(blocks - at);
        runs.push((extent.physical + u64::from(skip), len));
        at += len;
    }
    Ok(runs)
}

impl FileSystem for Ext4 {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        self.kind.name()
    }

    fn device(&self) -> u64 {
        self.shared.device_number
    }

    fn has_disk(&self) -> bool {
        true
    }

    fn stats(&self) -> Result<FsStats> {
        self.shared.stats()
    }

    fn state(&self) -> &FsState {
        &self.state
    }

    fn handle(&self, inode: &dyn Inode) -> Result<FileHandle> {
        let inode = inode.as_any().downcast_ref::<Ext4Inode>();
        let ino = inode.ok_or(Errno::EOPNOTSUPP)?.ino;
        let generation = self.shared.core.lock().inode(ino)?.generation();
        let words = [ino, generation];
        Ok(FileHandle::new(FileHandle::INO_AND_GENERATION, words))
    }

    fn by_handle(&self, kind: i32, bytes: &[u8]) -> Result<Arc<dyn Inode>> {
        // With the number of a folder behind it, and that one's generation.
        const WITH_PARENT: i32 = 2;
        if ![FileHandle::INO_AND_GENERATION, WITH_PARENT].contains(&kind) {
            return Err(Errno::ESTALE);
        }
        let words = FileHandle::words::<2>(bytes);
        let [ino, generation] = words.ok_or(Errno::ESTALE)?;
        let mut core = self.shared.core.lock();
        self.shared.reap(&mut core);
        if !core.is_users_inode(ino)? {
            return Err(Errno::ESTALE);
        }
        let raw = core.inode(ino)?;
        // Without a name it is there for as long as somebody has it open.
        let is_there = raw.links() > 0 || self.shared.is_in_use(ino);
        match is_there && raw.generation() == generation {
            true => Ok(self.shared.inode(&mut core, ino)?),
            false => Err(Errno::ESTALE),
        }
    }

    fn sync(&self) -> Result<()> {
        self.shared.sync()
    }

    fn checkpoint(&self) -> Result<()> {
        let mut core = self.shared.core.lock();
        if core.is_closed() {
            return Ok(());
        }
        self.shared.reap(&mut core);
        core.commit()?;
        core.empty_log()
    }

    fn shrink(&self) {
        // Everybody who needs memory comes here: nobody waits for the others.
        if let Some(mut core) = self.shared.core.try_lock() {
            core.drop_clean();
        }
    }

    fn flush_older_than(&self, age_ms: u64) -> Result<()> {
        let mut core = self.shared.core.lock();
        self.shared.reap(&mut core);
        let Some(since) = core.dirty_since else {
            return Ok(());
        };
        let now = core.clock.now();
        let millis = |time: paddock_vfs::Timestamp| {
            time.seconds.saturating_mul(1000) + i64::from(time.nanos / 1_000_000)
        };
        let age = millis(now).saturating_sub(millis(since));
        // A clock that was set back must not keep data in memory for ever.
        match age < 0 || age as u64 >= age_ms {
            true => core.commit(),
            false => Ok(()),
        }
    }

    fn unmount(&self) -> Result<()> {
        let mut core = self.shared.core.lock();
        if core.is_closed() {
            return Ok(());
        }
        self.shared.reap(&mut core);
        // Files without a name that are still open are of no use any more.
        core.list_nameless()?;
        core.free_orphans()?;
        core.shut_down()
    }

    fn write_errors(&self) -> Option<&WriteErrors> {
        Some(&self.health.write_errors)
    }

    fn complaint(&self) -> Option<&'static str> {
        self.health.complaint()
    }

    fn read_only(&self) -> bool {
        self.read_only || self.health.is_stopped()
    }
}

/// The number that statfs(2) tells, of both halves of the UUID, as Linux has it.
fn fsid(uuid: &[u8; 16]) -> u64 {
    let both = u128::from_le_bytes(*uuid);
    both as u64 ^ (both >> 64) as u64
}

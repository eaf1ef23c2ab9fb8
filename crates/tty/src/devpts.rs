//! [`DevPts`]: the filesystem at `/dev/pts`.

use crate::terminals::Terminals;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::stat::make_device;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, SpinLock, try_arc};
use paddock_vfs::{
    Clock, DirEntry, EmitEntry, File, FileKind, FileSystem, FsState, FsStats, Inode, Metadata,
    OpenFlags, SetMetadata, Timestamp,
};

const MAGIC: u64 = 0x1cd1;
/// The major number of pseudo-terminals.
const MAJOR: u32 = 136;
/// Inode numbers of terminals begin here.
const FIRST_INO: u64 = 3;
const ROOT_INO: u64 = 1;

/// What can be changed of a node; kept for as long as the terminal lives.
#[derive(Clone, Copy)]
struct Owner {
    number: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    times: [Timestamp; 3],
}

struct Shared {
    terminals: Arc<Terminals>,
    clock: Arc<dyn Clock>,
    device: u64,
    mounted: Timestamp,
    owners: SpinLock<Vec<Owner>, PreemptOff>,
    state: FsState,
}

/// The filesystem whose files are the pseudo-terminals there are.
pub struct DevPts(Arc<Shared>);

impl DevPts {
    /// The filesystem, with `device` as its device number.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn new(terminals: Arc<Terminals>, clock: Arc<dyn Clock>, device: u64) -> DevPts {
        let mounted = clock.now();
        let owners = SpinLock::new(Rank::Leaf, Vec::new());
        DevPts(Arc::new(Shared {
            terminals,
            clock,
            device,
            mounted,
            owners,
            state: FsState::new(),
        }))
    }
}

impl FileSystem for DevPts {
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    fn root(&self) -> Arc<dyn Inode> {
        Arc::new(Root(self.0.clone()))
    }

    fn kind(&self) -> &'static str {
        "devpts"
    }

    fn device(&self) -> u64 {
        self.0.device
    }

    fn stats(&self) -> Result<FsStats> {
        Ok(stats())
    }

    fn state(&self) -> &FsState {
        &self.0.state
    }
}

fn stats() -> FsStats {
    FsStats {
        magic: MAGIC,
        block_size: 4096,
        name_max: 255,
        ..FsStats::default()
    }
}

impl Shared {
    /// Mode, owner and times of a terminal's node: what was set, or what a
    /// new one has. Those of terminals that are gone are forgotten.
    fn owner(&self, number: u32) -> Owner {
        let known = self
            .owners
            .lock()
            .iter()
            .find(|owner| owner.number == number)
            .copied();
        known.unwrap_or(Owner {
            number,
            mode: 0o620,
            uid: 0,
            gid: 5,
            times: [self.mounted; 3],
        })
    }

    fn set_owner(&self, owner: Owner) -> Result<()> {
        let mut owners = self.owners.lock();
        owners.retain(|old| old.number != owner.number && self.terminals.pty(old.number).is_ok());
        owners.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        owners.push(owner);
        Ok(())
    }
}

struct Root(Arc<Shared>);

impl Inode for Root {
    fn ino(&self) -> u64 {
        ROOT_INO
    }

    fn kind(&self) -> FileKind {
        FileKind::Directory
    }

    fn metadata(&self) -> Result<Metadata> {
        let owner = Owner {
            number: 0,
            mode: 0o755,
            uid: 0,
            gid: 0,
            times: [self.0.mounted; 3],
        };
        Ok(metadata(&self.0, ROOT_INO, FileKind::Directory, &owner, 0))
    }

    fn set_metadata(&self, _: &SetMetadata) -> Result<()> {
        Err(Errno::EPERM)
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(stats())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn cacheable(&self) -> bool {
        false
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let text = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let number: u32 = text.parse().map_err(|_| Errno::ENOENT)?;
        if text.starts_with('+') || (text.starts_with('0') && text.len() > 1) {
            return Err(Errno::ENOENT);
        }
        self.0.terminals.pty(number)?;
        Ok(try_arc(Node {
            shared: self.0.clone(),
            number,
        })?)
    }

    fn readdir(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> Result<u64> {
        let mut next = cursor;
        while let Some(number) = u32::try_from(next)
            .ok()
            .and_then(|from| self.0.terminals.next_pty(from))
        {
            let mut name = [0; 10];
            let entry = DirEntry {
                name: decimal(number, &mut name),
                ino: u64::from(number) + FIRST_INO,
                kind: Some(FileKind::CharDevice),
                next: u64::from(number) + 1,
            };
            if !emit(&entry) {
                return Ok(next);
            }
            next = entry.next;
        }
        Ok(next)
    }
}

fn decimal(mut number: u32, buf: &mut [u8; 10]) -> &[u8] {
    let mut at = buf.len();
    loop {
        at -= 1;
        buf[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &buf[at..];
        }
    }
}

struct Node {
    shared: Arc<Shared>,
    number: u32,
}

impl Inode for Node {
    fn ino(&self) -> u64 {
        u64::from(self.number) + FIRST_INO
    }

    fn kind(&self) -> FileKind {
        FileKind::CharDevice
    }

    fn metadata(&self) -> Result<Metadata> {
        let rdev = make_device(MAJOR, self.number);
        let owner = self.shared.owner(self.number);
        Ok(metadata(
            &self.shared,
            self.ino(),
            FileKind::CharDevice,
            &owner,
            rdev,
        ))
    }

    fn set_metadata(&self, change: &SetMetadata) -> Result<()> {
        if change.size.is_some() {
            return Err(Errno::EINVAL);
        }
        let mut owner = self.shared.owner(self.number);
        owner.mode = change.mode.unwrap_or(owner.mode);
        owner.uid = change.uid.unwrap_or(owner.uid);
        owner.gid = change.gid.unwrap_or(owner.gid);
        let [atime, mtime, _] = owner.times;
        let now = self.shared.clock.now();
        owner.times = [
            change.atime.unwrap_or(atime),
            change.mtime.unwrap_or(mtime),
            now,
        ];
        self.shared.set_owner(owner)
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(stats())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        let tty = self.shared.terminals.pty(self.number)?;
        let terminals = self.shared.terminals.clone();
        let inode: Arc<dyn Inode> = self;
        Ok(Some(terminals.open(tty, &inode, flags)?))
    }
}

fn metadata(shared: &Shared, ino: u64, kind: FileKind, owner: &Owner, rdev: u64) -> Metadata {
    let [atime, mtime, ctime] = owner.times;
    Metadata {
        device: shared.device,
        ino,
        kind,
        mode: owner.mode,
        links: if kind == FileKind::Directory { 2 } else { 1 },
        uid: owner.uid,
        gid: owner.gid,
        rdev,
        size: 0,
        blocks: 0,
        block_size: 1024,
        atime,
        mtime,
        ctime,
    }
}

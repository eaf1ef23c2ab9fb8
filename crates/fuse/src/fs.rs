//! [`FuseFs`]: the filesystem.

use crate::answers::{self, Attr, MAGIC, ROOT};
use crate::connection::Listener;
use crate::device::Device;
use crate::inode::FuseInode;
use crate::message::Message;
use crate::opcode::Opcode;
use crate::options::Options;
use crate::request::Expect;
use crate::shared::Shared;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering;
use paddock_abi::Result;
use paddock_cred::UserNamespace;
use paddock_sync::try_arc;
use paddock_vfs::{FileSystem, FsState, FsStats, Inode, Reconfiguration, Timestamp};

/// Bytes of `struct fuse_statfs_out`.
const STATFS_OUT: usize = 80;

/// A filesystem that is a program. It ends with its last mount, and its files are of no use
/// once its program has.
pub struct FuseFs {
    shared: Arc<Shared>,
    root: Arc<FuseInode>,
}

impl FuseFs {
    /// Connects a device; `number` is the filesystem's device number, and `owner` the user
    /// namespace that it is mounted in. What there is of the program has not been asked
    /// then.
    ///
    /// # Errors
    /// `EINVAL` for a device that is connected, or is of another user namespace; `ENOMEM`.
    pub fn new(
        device: &Device,
        options: Options,
        number: u64,
        owner: &UserNamespace,
    ) -> Result<Arc<FuseFs>> {
        let never = Timestamp::default();
        let attr = Attr {
            ino: ROOT,
            size: 0,
            blocks: 0,
            atime: never,
            mtime: never,
            ctime: never,
            kind: options.root,
            mode: options.mode,
            links: 1,
            uid: owner
                .known(paddock_cred::IdKind::User, options.uid)
                .unwrap_or(0),
            gid: owner
                .known(paddock_cred::IdKind::Group, options.gid)
                .unwrap_or(0),
            rdev: 0,
            block_size: 4096,
        };
        let connection = device.connect(owner)?;
        let shared = try_arc(Shared::new(connection, options, number)?)?;
        let root = FuseInode::new(&shared, ROOT, 0, &attr)?;
        shared.keep_root(&root)?;
        let fs = try_arc(FuseFs { shared, root })?;
        let listener: Arc<dyn Listener> = fs.shared.clone();
        let listener: Weak<dyn Listener> = Arc::downgrade(&listener);
        fs.shared.connection.set_listener(listener);
        Ok(fs)
    }

    fn end(&self) {
        self.shared.connection.end();
        self.shared.names.clear();
    }
}

impl Drop for FuseFs {
    /// One that could not be mounted.
    fn drop(&mut self) {
        self.end();
    }
}

/// What statfs(2) tells: nothing to who may not use the mount.
pub(crate) fn stats(shared: &Shared) -> Result<FsStats> {
    if shared.caller().is_err() {
        return Ok(FsStats {
            magic: MAGIC,
            ..FsStats::default()
        });
    }
    let message = Message::new(Opcode::Statfs, ROOT);
    let answer = shared
        .connection
        .ask(message, Expect::Exactly(STATFS_OUT))?;
    answers::statfs(&answer)
}

impl FileSystem for FuseFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        "fuse"
    }

    fn device(&self) -> u64 {
        self.shared.device
    }

    fn subtype(&self) -> Option<&str> {
        self.shared.options.subtype.as_deref()
    }

    fn shown_options(&self) -> Result<String> {
        self.shared.options.shown()
    }

    fn stats(&self) -> Result<FsStats> {
        stats(&self.shared)
    }

    fn state(&self) -> &FsState {
        &self.shared.state
    }

    /// As on Linux, options of a mount that is there say nothing.
    fn reconfigure(&self, _: &Reconfiguration<'_>) -> Result<()> {
        Ok(())
    }

    fn left_tree(&self) {
        self.shared.is_out.store(true, Ordering::Relaxed);
    }

    fn interrupt(&self) {
        self.shared.connection.end();
    }

    fn shrink(&self) {
        self.shared.names.clear();
    }

    fn unmount(&self) -> Result<()> {
        self.end();
        Ok(())
    }
}

//! [`Shared`]: what all files of a filesystem have in common.

use crate::answers::{Attr, Entry};
use crate::connection::{Connection, Listener};
use crate::host::{Caller, Host};
use crate::inode::FuseInode;
use crate::message::Message;
use crate::names::Names;
use crate::notices::Notice;
use crate::opcode::Opcode;
use crate::options::Options;
use crate::request::Expect;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use paddock_abi::{Errno, Result};
use paddock_cred::{IdKind, UserNamespace};
use paddock_sync::{PreemptOff, Rank, SpinLock, may_allocate};
use paddock_vfs::FsState;

/// What all files of a filesystem have in common.
pub(crate) struct Shared {
    pub connection: Arc<Connection>,
    pub options: Options,
    pub device: u64,
    pub state: FsState,
    /// A mount of it is out of the tree.
    pub is_out: AtomicBool,
    /// What the program does not know (`ENOSYS`), by [`Opcode::bit`].
    unknown: AtomicU64,
    inodes: SpinLock<BTreeMap<u64, Weak<FuseInode>>, PreemptOff>,
    pub names: Names,
}

impl Shared {
    pub fn new(connection: Arc<Connection>, options: Options, device: u64) -> Result<Shared> {
        let state = FsState::of(connection.owner().clone());
        Ok(Shared {
            connection,
            options,
            device,
            state,
            is_out: AtomicBool::new(false),
            unknown: AtomicU64::new(0),
            inodes: SpinLock::new(Rank::Leaf, BTreeMap::new()),
            names: Names::new()?,
        })
    }

    pub fn host(&self) -> &dyn Host {
        self.connection.host()
    }

    pub fn owner(&self) -> &UserNamespace {
        self.connection.owner()
    }

    /// The running thread, which may use the mount. `EACCES`.
    pub fn caller(&self) -> Result<Caller> {
        let (caller, _) = self.connection.caller()?;
        let is_within = caller.cred.user_namespace.is_within(self.owner());
        let may = match self.options.allow_other {
            true => is_within,
            false => self.options.may_use(&caller.cred),
        };
        match may {
            true => Ok(caller),
            false => Err(Errno::EACCES),
        }
    }

    /// Whether the program has said that it does not know what is asked.
    pub fn knows(&self, opcode: Opcode) -> bool {
        self.unknown.load(Ordering::Relaxed) & opcode.bit() == 0
    }

    /// Asks something that the program need not know: `None` if it does not.
    ///
    /// # Errors
    /// Those of [`Connection::ask`].
    pub fn ask_if_known(&self, message: Message, expect: Expect) -> Result<Option<Vec<u8>>> {
        let opcode = message.opcode;
        if !self.knows(opcode) {
            return Ok(None);
        }
        match self.connection.ask(message, expect) {
            Err(Errno::ENOSYS) => {
                self.unknown.fetch_or(opcode.bit(), Ordering::Relaxed);
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }

    /// The kernel's id for one that the program gives, or the one that stands for those
    /// whom the kernel does not know.
    pub fn id(&self, kind: IdKind, id: u32) -> u32 {
        let given = self.owner().given(kind, id);
        given.unwrap_or(paddock_cred::OVERFLOW_ID)
    }

    /// The program's id for one of the kernel's. `EOVERFLOW`.
    pub fn known_id(&self, kind: IdKind, id: u32) -> Result<u32> {
        self.owner().known(kind, id).ok_or(Errno::EOVERFLOW)
    }

    /// When something that holds for so many nanoseconds does not any more.
    pub fn until(&self, lasting: u64) -> u64 {
        match lasting {
            0 => 0,
            _ => self.host().now().saturating_add(lasting),
        }
    }

    /// The inode of a node that the program has counted once for us. `EIO` for one that was
    /// something else; `ENOMEM`.
    pub fn inode(self: &Arc<Self>, entry: &Entry) -> Result<Arc<FuseInode>> {
        let found = self.inode_or_new(entry);
        if found.is_err() {
            self.connection.forget(entry.node, 1);
        }
        let inode = found?;
        inode.learn(&entry.attr, entry.attr_for);
        Ok(inode)
    }

    fn inode_or_new(self: &Arc<Self>, entry: &Entry) -> Result<Arc<FuseInode>> {
        if let Some(inode) = self.live(entry.node) {
            return inode.count(entry).map(|()| inode);
        }
        let new = FuseInode::new(self, entry.node, entry.generation, &entry.attr)?;
        may_allocate()?;
        let other = {
            let mut inodes = self.inodes.lock();
            match inodes.get(&entry.node).and_then(Weak::upgrade) {
                Some(other) => Some(other),
                None => {
                    put(&mut inodes, entry.node, Arc::downgrade(&new));
                    None
                }
            }
        };
        match other {
            Some(inode) => inode.count(entry).map(|()| inode),
            None => {
                new.count(entry)?;
                Ok(new)
            }
        }
    }

    /// The root is there from the start. `ENOMEM`.
    pub fn keep_root(&self, root: &Arc<FuseInode>) -> Result<()> {
        may_allocate()?;
        put(&mut self.inodes.lock(), root.node, Arc::downgrade(root));
        Ok(())
    }

    /// The inode of a node, if there is one.
    pub fn live(&self, node: u64) -> Option<Arc<FuseInode>> {
        self.inodes.lock().get(&node).and_then(Weak::upgrade)
    }

    /// An inode is gone.
    pub fn ended(&self, node: u64) {
        let mut inodes = self.inodes.lock();
        let is_gone = |weak: &Weak<FuseInode>| weak.strong_count() == 0;
        if inodes.get(&node).is_some_and(is_gone) {
            inodes.remove(&node);
        }
    }

    /// What a name is known to lead to. `ENOENT` if it is known to lead nowhere.
    pub fn remembered(&self, directory: u64, name: &[u8]) -> Result<Option<Arc<FuseInode>>> {
        self.names.get(directory, name, self.host().now())
    }

    /// Remembers what a name leads to, for so many nanoseconds.
    pub fn remember(
        &self,
        directory: u64,
        name: &[u8],
        inode: Option<&Arc<FuseInode>>,
        lasting: u64,
    ) {
        match self.until(lasting) {
            0 => self.names.forget(directory, name),
            until => self.names.set(directory, name, inode, until),
        }
    }

    /// A file's attributes as the kernel has them.
    pub fn with_own_ids(&self, attr: &Attr) -> Attr {
        Attr {
            uid: self.id(IdKind::User, attr.uid),
            gid: self.id(IdKind::Group, attr.gid),
            ..*attr
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "small: the caller has asked may_allocate"
)]
fn put(inodes: &mut BTreeMap<u64, Weak<FuseInode>>, node: u64, inode: Weak<FuseInode>) {
    inodes.insert(node, inode);
}

impl Listener for Shared {
    fn hear(&self, notice: &Notice<'_>) -> Result<()> {
        match *notice {
            Notice::Inode {
                node,
                offset,
                length,
            } => {
                let inode = self.live(node).ok_or(Errno::ENOENT)?;
                inode.outdate();
                if offset >= 0 {
                    inode.drop_pages(offset.unsigned_abs(), length);
                }
            }
            Notice::Name { parent, name } => {
                let directory = self.live(parent).ok_or(Errno::ENOENT)?;
                self.names.forget(parent, name);
                directory.outdate();
            }
        }
        Ok(())
    }
}

//! A filesystem of generated files, such as `/proc`.
//!
//! The kernel gives a tree of [`ProcNode`]s: directories that look names up
//! and list them, files whose text is generated once per open, links.

mod dir_file;
mod file;
mod node;
mod static_dir;
#[cfg(test)]
mod tests;

pub use file::GeneratedFile;
pub use static_dir::StaticDir;

use crate::{
    Clock, Errno, File, FileKind, FileSystem, FsState, FsStats, Inode, OpenFlags, Path, Result,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use node::ProcInode;
use paddock_cred::UserNamespace;
use paddock_sync::{Ready, WaitQueue};

/// A generated directory. Its calls may sleep; no lock is held around them.
pub trait ProcDir: Send + Sync {
    /// What stands behind `name`. `ENOENT`.
    fn lookup(&self, name: &[u8]) -> Result<ProcNode>;

    /// The entries in ascending order of key. A key stays with its entry, so
    /// that reading goes on at the right place when others come and go.
    fn list(&self) -> Result<Vec<ProcName>>;

    /// What it is about, for whoever made it and has found it again ([`dir_of`]).
    fn subject(&self) -> Option<&dyn Any> {
        None
    }
}

/// The generated directory that an inode is, if it is one.
pub fn dir_of(inode: &dyn Inode) -> Option<&dyn ProcDir> {
    let inode = inode.as_any().downcast_ref::<ProcInode>()?;
    match &inode.node.body {
        ProcBody::Dir(dir) => Some(&**dir),
        _ => None,
    }
}

/// An entry of a generated directory.
#[derive(Clone, Debug)]
pub struct ProcName {
    /// Its place in the order.
    pub key: u64,
    /// The name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
}

/// A generated file. Its calls may sleep.
pub trait ProcFile: Send + Sync {
    /// Appends the text, as it is now. Called by the first read of an open
    /// file, and again by reads at the start. No lock is held.
    fn generate(&self, out: &mut Vec<u8>) -> Result<()>;

    /// What a file is that is opened now, for one that asks who opens it; `None` for
    /// this itself.
    fn opened(&self, flags: OpenFlags) -> Result<Option<Arc<dyn ProcFile>>> {
        let _ = flags;
        Ok(None)
    }

    /// Takes what is written in one write(2).
    fn write(&self, data: &[u8]) -> Result<usize> {
        let _ = data;
        Err(Errno::EACCES)
    }

    /// What an open file of it is ready for. Never sleeps.
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    /// Where a change of that is announced; `None` if there never is one.
    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl<F> ProcFile for F
where
    F: Fn(&mut Vec<u8>) -> Result<()> + Send + Sync,
{
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        self(out)
    }
}

/// A generated symbolic link. Its calls may sleep.
pub trait ProcLink: Send + Sync {
    /// The text of the link.
    fn target(&self) -> Result<Vec<u8>>;

    /// The place it jumps to, where walking the text would not do.
    fn jump(&self) -> Option<Path> {
        None
    }
}

impl<F> ProcLink for F
where
    F: Fn() -> Result<Vec<u8>> + Send + Sync,
{
    fn target(&self) -> Result<Vec<u8>> {
        self()
    }
}

/// A node whose opening the kernel decides: pseudo-terminals and the like.
pub trait ProcDevice: Send + Sync {
    /// The device number.
    fn rdev(&self) -> u64;

    /// Opens it.
    fn open(&self, flags: OpenFlags) -> Result<Arc<dyn File>>;
}

/// A regular file that is no text: opening it decides what it is.
pub trait ProcRaw: Send + Sync {
    /// Opens it, as `inode`. May sleep.
    fn open(&self, inode: Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>>;
}

/// What a name of a generated directory leads to.
#[derive(Clone)]
pub struct ProcNode {
    /// The thing itself.
    pub body: ProcBody,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
}

/// The kinds of [`ProcNode`].
#[derive(Clone)]
pub enum ProcBody {
    /// A directory.
    Dir(Arc<dyn ProcDir>),
    /// A file.
    File(Arc<dyn ProcFile>),
    /// A symbolic link.
    Link(Arc<dyn ProcLink>),
    /// A character device.
    Device(Arc<dyn ProcDevice>),
    /// A file that is no text.
    Raw(Arc<dyn ProcRaw>),
}

impl ProcBody {
    /// What kind of file it shows as.
    pub fn kind(&self) -> FileKind {
        match self {
            ProcBody::Dir(_) => FileKind::Directory,
            ProcBody::File(_) | ProcBody::Raw(_) => FileKind::Regular,
            ProcBody::Link(_) => FileKind::Symlink,
            ProcBody::Device(_) => FileKind::CharDevice,
        }
    }
}

impl ProcNode {
    fn new(body: ProcBody, mode: u32) -> ProcNode {
        ProcNode {
            body,
            mode,
            uid: 0,
            gid: 0,
        }
    }

    /// A directory that anyone may list.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn dir(dir: impl ProcDir + 'static) -> ProcNode {
        ProcNode::new(ProcBody::Dir(Arc::new(dir)), 0o555)
    }

    /// A file that anyone may read.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn file(file: impl ProcFile + 'static) -> ProcNode {
        ProcNode::new(ProcBody::File(Arc::new(file)), 0o444)
    }

    /// A file of the text that `generate` appends.
    pub fn text(generate: impl Fn(&mut Vec<u8>) -> Result<()> + Send + Sync + 'static) -> ProcNode {
        ProcNode::file(generate)
    }

    /// A symbolic link.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn link(link: impl ProcLink + 'static) -> ProcNode {
        ProcNode::new(ProcBody::Link(Arc::new(link)), 0o777)
    }

    /// A character device.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn device(device: impl ProcDevice + 'static) -> ProcNode {
        ProcNode::new(ProcBody::Device(Arc::new(device)), 0o620)
    }

    /// A file that is no text.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn raw(raw: impl ProcRaw + 'static) -> ProcNode {
        ProcNode::new(ProcBody::Raw(Arc::new(raw)), 0o600)
    }

    /// The same with other permission bits.
    pub fn with_mode(self, mode: u32) -> ProcNode {
        ProcNode { mode, ..self }
    }

    /// The same with another owner.
    pub fn owned_by(self, uid: u32, gid: u32) -> ProcNode {
        ProcNode { uid, gid, ..self }
    }
}

/// What all inodes of one generated filesystem share.
struct Shared {
    device: u64,
    magic: u64,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn stats(&self) -> FsStats {
        FsStats {
            magic: self.magic,
            block_size: 4096,
            name_max: 255,
            ..FsStats::default()
        }
    }
}

/// A filesystem of generated files.
pub struct ProcFs {
    kind: &'static str,
    shared: Arc<Shared>,
    root: Arc<dyn Inode>,
    state: FsState,
}

impl ProcFs {
    /// A filesystem of the kind `kind` ("proc", "devpts") with the given root
    /// directory; `magic` is its `f_type`, `owner` who may change it. `ENOMEM`.
    pub fn new(
        kind: &'static str,
        magic: u64,
        device: u64,
        clock: Arc<dyn Clock>,
        root: Arc<dyn ProcDir>,
        owner: UserNamespace,
    ) -> Result<Arc<ProcFs>> {
        let shared = paddock_sync::try_arc(Shared {
            device,
            magic,
            clock,
        })?;
        let node = ProcNode::new(ProcBody::Dir(root), 0o555);
        let root: Arc<dyn Inode> = ProcInode::new(&shared, 1, node)?;
        paddock_sync::try_arc(ProcFs {
            kind,
            shared,
            root,
            state: FsState::of(owner),
        })
    }
}

impl FileSystem for ProcFs {
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn device(&self) -> u64 {
        self.shared.device
    }

    fn stats(&self) -> Result<FsStats> {
        Ok(self.shared.stats())
    }

    fn state(&self) -> &FsState {
        &self.state
    }

    fn shows_processes(&self) -> bool {
        self.kind == "proc"
    }
}

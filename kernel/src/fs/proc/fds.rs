//! `/proc/PID/fd` and `/proc/PID/fdinfo`.

use super::pids::{entries, number, push};
use super::text::Text;
use crate::process::identity::may_inspect;
use crate::process::{Process, vfs};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_abi::fcntl::SEEK_CUR;
use paddock_abi::{Errno, Result};
use paddock_process::reopen;
use paddock_sync::try_arc;
use paddock_vfs::proc_fs::{ProcDir, ProcLink, ProcName, ProcNode};
use paddock_vfs::{
    File, FileKind, FsStats, Inode, Metadata, OpenFile, OpenFlags, Path, SetMetadata,
};

/// The descriptors of a process, as links to what they refer to.
pub struct Fds(pub Arc<Process>);

/// The descriptors of a process, as files that tell offset and flags.
pub struct FdInfos(pub Arc<Process>);

/// One of them. It holds the number, not the file: that stays closed once it
/// is.
#[derive(Clone)]
struct Fd {
    process: Arc<Process>,
    number: i32,
}

impl Fd {
    fn find(process: &Arc<Process>, name: &[u8]) -> Result<Fd> {
        let number = i32::try_from(number(name)?).map_err(|_| Errno::ENOENT)?;
        let fd = Fd {
            process: process.clone(),
            number,
        };
        fd.file().map(|_| fd)
    }

    fn file(&self) -> Result<Arc<OpenFile>> {
        may_inspect(&self.process)?;
        let files = self.process.files();
        let file = files.lock().get(self.number);
        file.map_err(|_| Errno::ENOENT)
    }
}

fn list(process: &Process, kind: FileKind) -> Result<Vec<ProcName>> {
    may_inspect(process)?;
    let mut numbers = Vec::new();
    let files = process.files();
    let files = files.lock();
    for (number, _) in files.iter() {
        push(&mut numbers, number as u32)?;
    }
    drop(files);
    entries(numbers, kind)
}

fn owned(process: &Process, node: ProcNode) -> ProcNode {
    let (uid, gid) = process.owner();
    node.owned_by(uid, gid)
}

impl ProcDir for Fds {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let fd = Fd::find(&self.0, name)?;
        Ok(owned(&self.0, ProcNode::link(fd)))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        list(&self.0, FileKind::Symlink)
    }
}

impl ProcDir for FdInfos {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let fd = Fd::find(&self.0, name)?;
        let node = ProcNode::text(move |out| info(&fd, &mut Text::new(out)));
        Ok(owned(&self.0, node.with_mode(0o400)))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        list(&self.0, FileKind::Regular)
    }
}

fn info(fd: &Fd, out: &mut Text<'_>) -> Result<()> {
    let file = fd.file()?;
    let position = file.seek(0, SEEK_CUR).unwrap_or(0);
    out.put(format_args!(
        "pos:\t{position}\nflags:\t0{:o}\n",
        file.flags().bits()
    ))?;
    file.file().info(&mut |line| out.put(line))
}

impl ProcLink for Fd {
    fn target(&self) -> Result<Vec<u8>> {
        let file = self.file()?;
        let nameless = |place: &Path| place.inode().as_any().is::<Nameless>();
        if let Some(place) = file.path().filter(|place| !nameless(place)) {
            return vfs::name_of(place);
        }
        let metadata = file.metadata()?;
        Ok(match metadata.kind {
            FileKind::Fifo => format!("pipe:[{}]", metadata.ino),
            FileKind::Socket => format!("socket:[{}]", metadata.ino),
            _ => match file.file().anonymous_name() {
                Some(name) => format!("anon_inode:{name}"),
                None => format!("anon_inode:[{}]", metadata.ino),
            },
        }
        .into_bytes())
    }

    fn jump(&self) -> Option<Path> {
        let file = self.file().ok()?;
        if let Some(place) = file.path() {
            return Some(place.clone());
        }
        let owner = self.process.cred().uid.effective;
        nameless(file.file().clone(), owner).ok()
    }
}

/// A place for a file without a name, whose user it is said to be. `ENOMEM`.
pub fn nameless(file: Arc<dyn File>, owner: u32) -> Result<Path> {
    let metadata = file.metadata()?;
    let inode = Nameless {
        metadata,
        owner,
        file,
    };
    vfs::namespace().nameless(try_arc(inode)?)
}

/// A pipe or the like, as something that can be opened anew: whoever opens it
/// gets the same end.
struct Nameless {
    metadata: Metadata,
    owner: u32,
    file: Arc<dyn File>,
}

impl Inode for Nameless {
    fn ino(&self) -> u64 {
        self.metadata.ino
    }

    fn kind(&self) -> FileKind {
        self.metadata.kind
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata {
            uid: self.owner,
            gid: self.owner,
            ..self.metadata
        })
    }

    fn set_metadata(&self, _: &SetMetadata) -> Result<()> {
        Err(Errno::EPERM)
    }

    fn fs_stats(&self) -> Result<FsStats> {
        Ok(FsStats::default())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Option<Arc<dyn File>>> {
        match self.kind() {
            FileKind::Socket => Err(Errno::ENXIO),
            FileKind::Fifo => match reopen(&*self.file, flags, self.metadata) {
                Some(end) => Ok(Some(try_arc(end)?)),
                None => Ok(Some(self.file.clone())),
            },
            _ => Ok(Some(self.file.clone())),
        }
    }
}

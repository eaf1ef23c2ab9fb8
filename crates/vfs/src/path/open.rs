//! open(2).

use super::dentry::Dentry;
use super::walk::Walk;
use super::{MountFlags, MountNamespace, Path, PathContext};
use crate::cut;
use crate::lease;
use crate::notify::fanotify::Mask;
use crate::notify::{self, Events};
use crate::{
    Access, Errno, File, FileKind, Inode, NewNode, OpenFile, OpenFlags, Result, SetMetadata,
    Writing,
};
use alloc::sync::Arc;
use paddock_cred::Cap;

/// A file that was just made, and its open file if that was made with it.
type MadeFile = (Arc<Dentry>, Option<Arc<dyn File>>);

impl MountNamespace {
    /// Opens `path`; `mode` (before the mask) is for a file that is made.
    /// The errors of open(2).
    pub fn open(
        &self,
        context: &PathContext,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        if flags.contains(OpenFlags::UNNAMED) {
            if !flags.contains(OpenFlags::TMPFILE) || flags.contains(OpenFlags::CREAT) {
                return Err(Errno::EINVAL);
            }
            return self.open_unnamed(context, path, flags, mode);
        }
        let creating = flags.contains(OpenFlags::CREAT) && !flags.contains(OpenFlags::PATH);
        if creating {
            if flags.contains(OpenFlags::DIRECTORY) {
                return Err(Errno::EINVAL);
            }
            return self.open_or_create(context, path, flags, mode);
        }
        let at = self.resolve(context, path, !flags.contains(OpenFlags::NOFOLLOW))?;
        self.open_existing(context, at, flags)
    }

    /// Opens what is at `at`, after the checks of open(2); also for
    /// `/proc/PID/fd/N`, which opens a place anew.
    pub fn open_existing(
        &self,
        context: &PathContext,
        at: Path,
        flags: OpenFlags,
    ) -> Result<Arc<OpenFile>> {
        let kind = at.kind();
        if flags.contains(OpenFlags::DIRECTORY) && kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if flags.contains(OpenFlags::PATH) {
            return describe((at, kind), None, flags, None);
        }
        check_open(context, (&at, kind), flags)?;
        let truncate = flags.contains(OpenFlags::TRUNC);
        let is_regular = kind == FileKind::Regular;
        let writing = (is_regular && (truncate || flags.writable()))
            .then(|| Writing::at(&at))
            .transpose()?;
        ask(&at)?;
        if is_regular {
            lease::check(at.inode(), flags)?;
        }
        // Before it is cut: a filesystem that decides itself refuses it here.
        let file = self.file_of((&at, kind), flags)?;
        if truncate && is_regular {
            let change = SetMetadata {
                size: Some(0),
                mode: context.cred.written_mode(&at.inode().rights()?),
                ..SetMetadata::default()
            };
            at.inode().set_metadata(&change)?;
            cut::length_was_set(at.inode());
            notify::at_name(&at, Events::MODIFY);
        }
        let writing = writing.filter(|_| flags.writable());
        describe((at, kind), file, flags, writing)
    }

    /// Opens what an event of fanotify(7) is about: nobody is asked whether that may be
    /// opened, and nobody hears of it, or of what is done by way of it. May sleep.
    /// `EROFS`, `ETXTBSY`, `EWOULDBLOCK`, `ERESTARTSYS`, `ENOMEM`.
    pub fn open_unheard(&self, at: &Path, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        let kind = at.kind();
        let is_regular = kind == FileKind::Regular;
        let writes = is_regular && flags.writable();
        if writes {
            at.mount.check_writable()?;
        }
        let writing = writes.then(|| Writing::at(at)).transpose()?;
        if is_regular {
            lease::check(at.inode(), flags)?;
        }
        let file = match self.file_of((at, kind), flags)? {
            Some(file) => file,
            None => at.dentry.ordinary_file()?,
        };
        OpenFile::unheard(file, (at.clone(), kind), flags, writing)
    }

    /// The inode's own file, or `None` for the ordinary one.
    #[inline]
    fn file_of(
        &self,
        (at, kind): (&Path, FileKind),
        flags: OpenFlags,
    ) -> Result<Option<Arc<dyn File>>> {
        let inode = at.inode();
        if let Some(file) = inode.clone().open(flags)? {
            return Ok(Some(file));
        }
        match kind {
            FileKind::Regular | FileKind::Directory => Ok(None),
            FileKind::Symlink => Err(Errno::ELOOP),
            FileKind::Socket => Err(Errno::ENXIO),
            FileKind::Fifo | FileKind::CharDevice | FileKind::BlockDevice => {
                let meta = inode.metadata()?;
                self.opener.open(inode, &meta, flags).map(Some)
            }
        }
    }

    fn open_or_create(
        &self,
        context: &PathContext,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        let exclusive = flags.contains(OpenFlags::EXCL);
        let follow = !exclusive && !flags.contains(OpenFlags::NOFOLLOW);
        let mut walk = Walk::new(self, context, path)?;
        loop {
            let Some(name) = walk.advance()? else {
                return match (exclusive, walk.at.is_dir()) {
                    (true, _) => Err(Errno::EEXIST),
                    (false, true) => Err(Errno::EISDIR),
                    // A link such as `/proc/PID/fd/N` has led to a file.
                    (false, false) => self.open_existing(context, walk.at, flags),
                };
            };
            if walk.trailing_slash() {
                return Err(Errno::EISDIR);
            }
            if walk.is_unknown(&name)?
                && let Ok(made) = self.create_file(context, &walk.at, &name, (flags, mode))
            {
                return self.open_created(&walk.at, made, flags);
            }
            // It is there, or cannot be made: which of both, and why, is found out here.
            match walk.lookup(&name) {
                Ok(_) if exclusive => return Err(Errno::EEXIST),
                Ok(found) if follow && found.kind() == FileKind::Symlink => {
                    walk.follow(&found)?;
                }
                Ok(found) if found.kind() == FileKind::Directory => {
                    return Err(Errno::EISDIR);
                }
                Ok(found) => {
                    walk.enter(found)?;
                    return self.open_existing(context, walk.at, flags);
                }
                Err(Errno::ENOENT) => {
                    match self.create_file(context, &walk.at, &name, (flags, mode)) {
                        Ok(made) => return self.open_created(&walk.at, made, flags),
                        // Someone else made it meanwhile: look again.
                        Err(Errno::EEXIST) if !exclusive => {
                            let found = walk.lookup(&name)?;
                            walk.enter(found)?;
                            return self.open_existing(context, walk.at, flags);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn create_file(
        &self,
        context: &PathContext,
        dir: &Path,
        name: &[u8],
        (flags, mode): (OpenFlags, u32),
    ) -> Result<MadeFile> {
        let node = self.prepare_create(context, dir, FileKind::Regular, mode)?;
        let mut opened = None;
        let make = |inode: &Arc<dyn Inode>| {
            let (inode, file) = inode.create_open(name, &node, flags)?;
            opened = file;
            Ok(inode)
        };
        let dentry = self.change_dir(dir, make, name)?;
        Ok((dentry, opened))
    }

    /// A file just made is open whatever its mode says.
    fn open_created(
        &self,
        dir: &Path,
        (dentry, file): MadeFile,
        flags: OpenFlags,
    ) -> Result<Arc<OpenFile>> {
        let at = dir.at(dentry);
        ask(&at)?;
        let file = match file {
            Some(file) => Some(file),
            None => at.inode().clone().open(flags)?,
        };
        let writing = flags.writable().then(|| Writing::at(&at));
        describe((at, FileKind::Regular), file, flags, writing.transpose()?)
    }

    /// Opens a new file without a name in `home`, a directory; `/proc/PID/fd` shows
    /// it as `name`. `ENOSPC`, `ENOMEM`.
    pub fn open_nameless(
        &self,
        home: &Path,
        name: &[u8],
        node: &NewNode,
        flags: OpenFlags,
    ) -> Result<Arc<OpenFile>> {
        let inode = home.inode().create_unnamed(node)?;
        let parent = Some(home.dentry.clone());
        let dentry = Dentry::new(inode, home.dentry.fs(), name, parent)?;
        dentry.mark_unnamed(false);
        let at = home.at(dentry);
        let writing = Writing::at(&at)?;
        describe((at, FileKind::Regular), None, flags, Some(writing))
    }

    fn open_unnamed(
        &self,
        context: &PathContext,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        if !flags.writable() {
            return Err(Errno::EINVAL);
        }
        let dir = self.resolve(context, path, true)?;
        if !dir.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let node = self.prepare_create(context, &dir, FileKind::Regular, mode)?;
        let inode = dir.inode().create_unnamed(&node)?;
        let dentry = Dentry::new(
            inode,
            dir.dentry.fs(),
            b"#tmpfile",
            Some(dir.dentry.clone()),
        )?;
        dentry.mark_unnamed(!flags.contains(OpenFlags::EXCL));
        let at = dir.at(dentry);
        ask(&at)?;
        let writing = Writing::at(&at)?;
        let flags = flags.difference(OpenFlags::DIRECTORY);
        describe((at, FileKind::Regular), None, flags, Some(writing))
    }
}

/// Those are asked who want to be before it is opened (fanotify(7)). Sleeps. `EPERM`,
/// `ERESTARTSYS`, `ENOMEM`.
#[inline]
fn ask(at: &Path) -> Result<()> {
    match notify::is_any() {
        true => notify::ask(at, Mask::OPEN_PERM),
        false => Ok(()),
    }
}

#[inline]
fn describe(
    (at, kind): (Path, FileKind),
    file: Option<Arc<dyn File>>,
    flags: OpenFlags,
    writing: Option<Writing>,
) -> Result<Arc<OpenFile>> {
    let file = match file {
        Some(file) => file,
        None => at.dentry.ordinary_file()?,
    };
    let open = OpenFile::of_file(file, (at, kind), flags, writing)?;
    if let Some(at) = open.path()
        && !flags.contains(OpenFlags::PATH)
    {
        notify::at_path(at, Events::OPEN);
    }
    Ok(open)
}

#[inline]
fn check_open(
    context: &PathContext,
    (at, kind): (&Path, FileKind),
    flags: OpenFlags,
) -> Result<()> {
    let inode = at.inode();
    let truncate = flags.contains(OpenFlags::TRUNC);
    let writing = flags.writable() || truncate;
    match kind {
        FileKind::Symlink => return Err(Errno::ELOOP),
        FileKind::Directory if writing => return Err(Errno::EISDIR),
        FileKind::CharDevice | FileKind::BlockDevice
            if at.mount.flags().contains(MountFlags::NODEV) =>
        {
            return Err(Errno::EACCES);
        }
        FileKind::Regular if writing => at.mount.check_writable()?,
        _ => {}
    }
    let mut access = Access::empty();
    access.set(Access::READ, flags.readable());
    access.set(Access::WRITE, writing);
    let cred = &context.cred;
    let noatime = flags.contains(OpenFlags::NOATIME);
    if cred.capable(Cap::CAP_DAC_OVERRIDE) && (!noatime || cred.capable(Cap::CAP_FOWNER)) {
        return Ok(());
    }
    let rights = inode.rights()?;
    cred.check_file(&rights, access)?;
    match noatime {
        true => cred.check_owner(&rights),
        false => Ok(()),
    }
}

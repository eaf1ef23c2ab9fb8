//! Walking a path, component by component.

use super::dentry::{Dentry, Keeping, Known};
use super::name::{NAME_MAX, Name, PATH_MAX};
use super::space::is_below;
use super::{MountFlags, MountNamespace, Path, PathContext, Restrict};
use crate::{Access, Errno, FileKind, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, Range};
use paddock_cred::Cap;

/// Symbolic links followed in one walk before `ELOOP`.
const MAX_LINKS: u32 = 40;

/// What is left of a path, or of a link's target, from `pos` on.
struct Text<T> {
    bytes: T,
    pos: usize,
}

impl<T: Deref<Target = [u8]>> Text<T> {
    /// Where the next component lies, or `None` at the end, which is where it
    /// stands then.
    #[inline]
    fn next(&mut self) -> Result<Option<Range<usize>>> {
        let rest = &self.bytes[self.pos..];
        let slashes = rest.iter().position(|&byte| byte != b'/');
        let start = self.pos + slashes.unwrap_or(rest.len());
        let rest = &self.bytes[start..];
        let len = rest.iter().position(|&byte| byte == b'/');
        self.pos = start + len.unwrap_or(rest.len());
        match self.pos - start {
            0 => Ok(None),
            len if len > NAME_MAX => Err(Errno::ENAMETOOLONG),
            _ => Ok(Some(start..self.pos)),
        }
    }

    fn is_at_end(&self) -> bool {
        self.pos == self.bytes.len()
    }

    fn has_only_slashes(&self) -> bool {
        self.bytes[self.pos..].iter().all(|&byte| byte == b'/')
    }
}

/// A walk under way. Where all names are in the cache and none is a symbolic link,
/// it allocates nothing and takes no sleeping lock.
pub(super) struct Walk<'a> {
    namespace: &'a MountNamespace,
    context: &'a PathContext,
    pub at: Path,
    path: Text<&'a [u8]>,
    /// Targets of links, each found in the one before it or in the path.
    targets: Vec<Text<Box<[u8]>>>,
    links: u32,
}

impl<'a> Walk<'a> {
    /// `ENOENT` for the empty path, `ENAMETOOLONG`.
    pub fn new(
        namespace: &'a MountNamespace,
        context: &'a PathContext,
        path: &'a [u8],
    ) -> Result<Self> {
        let start = match path.first() {
            None => return Err(Errno::ENOENT),
            _ if path.len() >= PATH_MAX => return Err(Errno::ENAMETOOLONG),
            Some(b'/') if context.restrict.contains(Restrict::BENEATH) => {
                return Err(Errno::EXDEV);
            }
            Some(b'/') => &context.root,
            Some(_) => &context.base,
        };
        Ok(Walk {
            namespace,
            context,
            at: start.clone(),
            path: Text {
                bytes: path,
                pos: 0,
            },
            targets: Vec::new(),
            links: 0,
        })
    }

    fn push(&mut self, target: &[u8]) -> Result<()> {
        if target.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let bytes = super::dentry::boxed(target)?;
        if bytes.first() == Some(&b'/') {
            if self.context.restrict.contains(Restrict::BENEATH) {
                return Err(Errno::EXDEV);
            }
            self.go(self.context.root.clone())?;
        }
        self.targets.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.targets.push(Text { bytes, pos: 0 });
        Ok(())
    }

    /// The next component, or `None` at the end.
    #[inline]
    fn next(&mut self) -> Result<Option<Name<'a>>> {
        while let Some(target) = self.targets.last_mut() {
            if let Some(range) = target.next()? {
                let name = super::dentry::boxed(&target.bytes[range])?;
                return Ok(Some(Name::OfLink(name)));
            }
            self.targets.pop();
        }
        let found = self.path.next()?;
        Ok(found.map(|range| Name::OfPath(&self.path.bytes[range])))
    }

    /// Whether only slashes are left.
    fn is_last(&self) -> bool {
        self.path.has_only_slashes() && self.targets.iter().all(Text::has_only_slashes)
    }

    /// Whether the last component was followed by a slash: it must be a
    /// directory then.
    pub fn trailing_slash(&self) -> bool {
        !self.path.is_at_end() || !self.targets.iter().all(Text::is_at_end)
    }

    fn check_search(&self) -> Result<()> {
        if !self.at.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let cred = &self.context.cred;
        if cred.capable(Cap::CAP_DAC_OVERRIDE) || cred.capable(Cap::CAP_DAC_READ_SEARCH) {
            return Ok(());
        }
        cred.check_file(&self.at.inode().rights()?, Access::EXECUTE)
    }

    /// The dentry of `name` where the walk stands. `ENOENT`, `ENOTDIR`,
    /// `EACCES`.
    pub fn lookup(&self, name: &[u8]) -> Result<Arc<Dentry>> {
        self.check_search()?;
        self.namespace.child(&self.at.dentry, name)
    }

    /// Whether the cache says nothing of `name` where the walk stands: a name that is
    /// to be made may as well be tried first. `ENOTDIR`, `EACCES`.
    pub fn is_unknown(&self, name: &[u8]) -> Result<bool> {
        self.check_search()?;
        let dir = &self.at.dentry;
        let keeps_all = dir.keeping() == Keeping::All;
        Ok(keeps_all && matches!(dir.cached_child(name), Known::Nothing))
    }

    /// Steps to `dentry`, and into what is mounted there. `EXDEV`.
    #[inline]
    pub fn enter(&mut self, dentry: Arc<Dentry>) -> Result<()> {
        self.at.dentry = dentry;
        match self.namespace.mounts.may_cover(&self.at.dentry) {
            true => self.go(self.namespace.cross(self.at.clone())),
            false => Ok(()),
        }
    }

    /// Comes to a place that may be on another mount. `EXDEV` if it must not be.
    fn go(&mut self, to: Path) -> Result<()> {
        let stays = Arc::ptr_eq(&to.mount, &self.at.mount);
        if !stays && self.context.restrict.contains(Restrict::NO_XDEV) {
            return Err(Errno::EXDEV);
        }
        self.at = to;
        Ok(())
    }

    /// Goes on at the target of the link `dentry`, which lies where the walk
    /// stands. `ELOOP`, `EXDEV`.
    pub fn follow(&mut self, dentry: &Dentry) -> Result<()> {
        self.links += 1;
        let restrict = self.context.restrict;
        let flags = self.at.mount.flags();
        if self.links > MAX_LINKS
            || restrict.contains(Restrict::NO_SYMLINKS)
            || flags.contains(MountFlags::NOSYMFOLLOW)
        {
            return Err(Errno::ELOOP);
        }
        if let Some(target) = dentry.inode().link_target() {
            if restrict.contains(Restrict::NO_MAGICLINKS) {
                return Err(Errno::ELOOP);
            }
            if restrict.intersects(Restrict::SCOPED) {
                return Err(Errno::EXDEV);
            }
            return self.go(target);
        }
        let target = dentry.inode().readlink()?;
        match target.is_empty() {
            true => Err(Errno::ENOENT),
            false => self.push(&target),
        }
    }

    /// Up one directory, but not above the root. `EXDEV`; `EAGAIN` if it has been
    /// moved out of a root that must not be left.
    fn up(&mut self) -> Result<()> {
        let restrict = self.context.restrict;
        if restrict.contains(Restrict::BENEATH) && self.at.same_as(&self.context.root) {
            return Err(Errno::EXDEV);
        }
        while !self.at.same_as(&self.context.root) {
            if !self.at.is_mount_root() {
                if let Some(parent) = self.at.dentry.parent() {
                    self.go(self.namespace.cross(self.at.at(parent)))?;
                }
                break;
            }
            match self.at.mount.above() {
                Some(covered) => self.go(covered)?,
                None => break,
            }
        }
        match restrict.intersects(Restrict::SCOPED) && !is_below(&self.at, &self.context.root) {
            true => Err(Errno::EAGAIN),
            false => Ok(()),
        }
    }

    /// Walks to the directory of the last component. Called again after
    /// [`follow`](Self::follow), it goes on from there. The component is to be
    /// looked up there; `None` if the path ends in `.`, `..` or `/`: the walk
    /// stands at what it names.
    pub fn advance(&mut self) -> Result<Option<Name<'a>>> {
        while let Some(name) = self.next()? {
            if name.is_dots() {
                self.check_search()?;
                if &*name == b".." {
                    self.up()?;
                }
                continue;
            }
            if self.is_last() {
                return Ok(Some(name));
            }
            self.step(&name)?;
        }
        Ok(None)
    }

    fn step(&mut self, name: &[u8]) -> Result<()> {
        let dentry = self.lookup(name)?;
        match dentry.kind() {
            FileKind::Symlink => self.follow(&dentry),
            _ => self.enter(dentry),
        }
    }

    /// Walks to the end; a link there is followed if `follow` says so, or if
    /// a slash comes after it.
    pub fn finish(mut self, follow: bool) -> Result<Path> {
        loop {
            let Some(name) = self.advance()? else {
                return Ok(self.at);
            };
            let dentry = self.lookup(&name)?;
            let slash = self.trailing_slash();
            let is_link = dentry.kind() == FileKind::Symlink;
            if is_link && (follow || slash) {
                self.follow(&dentry)?;
                continue;
            }
            self.enter(dentry)?;
            return match slash && !self.at.is_dir() {
                true => Err(Errno::ENOTDIR),
                false => Ok(self.at),
            };
        }
    }
}

//! Walking a path, component by component.

use super::dentry::Dentry;
use super::name::{NAME_MAX, Name, PATH_MAX};
use super::{MountNamespace, Path, PathContext};
use crate::{Access, Errno, FileKind, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_cred::Cap;

/// Symbolic links followed in one walk before `ELOOP`.
const MAX_LINKS: u32 = 40;

/// A piece of text still to be walked: the path, or a link's target.
struct Text {
    bytes: Vec<u8>,
    pos: usize,
}

/// A walk under way.
pub(super) struct Walk<'a> {
    namespace: &'a MountNamespace,
    context: &'a PathContext,
    pub at: Path,
    texts: Vec<Text>,
    links: u32,
}

impl<'a> Walk<'a> {
    /// `ENOENT` for the empty path, `ENAMETOOLONG`.
    pub fn new(
        namespace: &'a MountNamespace,
        context: &'a PathContext,
        path: &[u8],
    ) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut walk = Walk {
            namespace,
            context,
            at: context.base.clone(),
            texts: Vec::new(),
            links: 0,
        };
        walk.push(path)?;
        Ok(walk)
    }

    fn push(&mut self, path: &[u8]) -> Result<()> {
        if path.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let bytes = super::dentry::boxed(path)?.into_vec();
        if bytes.first() == Some(&b'/') {
            self.at = self.context.root.clone();
        }
        self.texts.push(Text { bytes, pos: 0 });
        Ok(())
    }

    /// The next component, or `None` at the end.
    fn next(&mut self) -> Result<Option<Name>> {
        while let Some(text) = self.texts.last_mut() {
            let rest = &text.bytes[text.pos..];
            let start = rest.iter().take_while(|&&byte| byte == b'/').count();
            let len = rest[start..].iter().take_while(|&&b| b != b'/').count();
            if len > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            if len > 0 {
                let name = Name::new(&rest[start..start + len])?;
                text.pos += start + len;
                return Ok(Some(name));
            }
            self.texts.pop();
        }
        Ok(None)
    }

    /// Whether only slashes are left.
    fn is_last(&self) -> bool {
        let mut rest = self.texts.iter().flat_map(|text| &text.bytes[text.pos..]);
        rest.all(|&byte| byte == b'/')
    }

    /// Whether the last component was followed by a slash: it must be a
    /// directory then.
    pub fn trailing_slash(&self) -> bool {
        self.texts.iter().any(|text| text.pos < text.bytes.len())
    }

    fn check_search(&self) -> Result<()> {
        if !self.at.is_dir() {
            return Err(Errno::ENOTDIR);
        }
        let cred = &self.context.cred;
        if cred.capable(Cap::CAP_DAC_OVERRIDE) || cred.capable(Cap::CAP_DAC_READ_SEARCH) {
            return Ok(());
        }
        let meta = self.at.inode().metadata()?;
        cred.check_file(&meta.rights(), Access::EXECUTE)
    }

    /// The dentry of `name` where the walk stands. `ENOENT`, `ENOTDIR`,
    /// `EACCES`.
    pub fn lookup(&self, name: &[u8]) -> Result<Arc<Dentry>> {
        self.check_search()?;
        self.namespace.child(&self.at.dentry, name)
    }

    /// Steps to `dentry`, and into what is mounted there.
    pub fn enter(&mut self, dentry: Arc<Dentry>) {
        self.at = self.namespace.cross(self.at.at(dentry));
    }

    /// Goes on at the target of the link `dentry`, which lies where the walk
    /// stands. `ELOOP`.
    pub fn follow(&mut self, dentry: &Dentry) -> Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        if let Some(target) = dentry.inode().link_target() {
            self.at = target;
            return Ok(());
        }
        let target = dentry.inode().readlink()?;
        match target.is_empty() {
            true => Err(Errno::ENOENT),
            false => self.push(&target),
        }
    }

    /// Up one directory, but not above the root.
    fn up(&mut self) {
        while !self.at.same_as(&self.context.root) {
            if !self.at.is_mount_root() {
                if let Some(parent) = self.at.dentry.parent() {
                    self.at = self.namespace.cross(self.at.at(parent));
                }
                return;
            }
            match &self.at.mount.covers {
                Some(covered) => self.at = covered.clone(),
                None => return,
            }
        }
    }

    /// Walks to the directory of the last component. Called again after
    /// [`follow`](Self::follow), it goes on from there. The component is to be
    /// looked up there; `None` if the path ends in `.`, `..` or `/`: the walk
    /// stands at what it names.
    pub fn advance(&mut self) -> Result<Option<Name>> {
        while let Some(name) = self.next()? {
            if name.is_dots() {
                self.check_search()?;
                if &*name == b".." {
                    self.up();
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
        match dentry.inode().kind() {
            FileKind::Symlink => self.follow(&dentry),
            _ => {
                self.enter(dentry);
                Ok(())
            }
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
            let is_link = dentry.inode().kind() == FileKind::Symlink;
            if is_link && (follow || slash) {
                self.follow(&dentry)?;
                continue;
            }
            self.enter(dentry);
            return match slash && !self.at.is_dir() {
                true => Err(Errno::ENOTDIR),
                false => Ok(self.at),
            };
        }
    }
}

//! Extended attributes (xattr(7)): who may see and change which.

use super::{MountNamespace, Path, PathContext};
use crate::notify::{self, Events};
use crate::{Access, Errno, FileKind, Result, SetXattr};
use alloc::vec::Vec;
use paddock_abi::stat::S_ISVTX;
use paddock_cred::Cap;

/// The kinds of attributes that are kept; those of other names are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    User,
    Trusted,
    Security,
}

impl Class {
    /// The class of a whole name. `EOPNOTSUPP` for one that is not kept, of
    /// which `security.capability` is one: programs would not get what it
    /// says. `EINVAL` if nothing follows the class.
    fn of(name: &[u8]) -> Result<Class> {
        let classes: [(&[u8], Class); 3] = [
            (b"user.", Class::User),
            (b"trusted.", Class::Trusted),
            (b"security.", Class::Security),
        ];
        if name == b"security.capability" {
            return Err(Errno::EOPNOTSUPP);
        }
        let found = classes.iter().find(|(prefix, _)| name.starts_with(prefix));
        match found {
            Some((prefix, _)) if name.len() == prefix.len() => Err(Errno::EINVAL),
            Some((_, class)) => Ok(*class),
            None => Err(Errno::EOPNOTSUPP),
        }
    }
}

impl MountNamespace {
    /// getxattr(2). `ENODATA`, `EOPNOTSUPP`, `EACCES`.
    pub fn get_xattr(&self, context: &PathContext, at: &Path, name: &[u8]) -> Result<Vec<u8>> {
        let class = Class::of(name)?;
        let meta = at.inode().metadata()?;
        match class {
            Class::Trusted if !context.cred.capable(Cap::CAP_SYS_ADMIN) => {
                return Err(Errno::ENODATA);
            }
            Class::User if !has_user_attributes(meta.kind) => return Err(Errno::ENODATA),
            Class::User => context
                .cred
                .check_file(&at.inode().rights()?, Access::READ)?,
            _ => {}
        }
        at.inode().get_xattr(name)
    }

    /// setxattr(2). `EEXIST`, `ENODATA`, `ENOSPC`, `EOPNOTSUPP`, `EPERM`,
    /// `EACCES`, `EROFS`.
    pub fn set_xattr(
        &self,
        context: &PathContext,
        at: &Path,
        name: &[u8],
        value: &[u8],
        mode: SetXattr,
    ) -> Result<()> {
        check_change(context, at, name)?;
        at.inode().set_xattr(name, Some(value), mode)?;
        notify::at_name(at, Events::ATTRIB);
        Ok(())
    }

    /// removexattr(2). As [`set_xattr`](Self::set_xattr).
    pub fn remove_xattr(&self, context: &PathContext, at: &Path, name: &[u8]) -> Result<()> {
        check_change(context, at, name)?;
        at.inode().set_xattr(name, None, SetXattr::Replace)?;
        notify::at_name(at, Events::ATTRIB);
        Ok(())
    }

    /// listxattr(2): the names, each with a zero byte behind it.
    pub fn list_xattrs(&self, context: &PathContext, at: &Path) -> Result<Vec<u8>> {
        let mut names = match at.inode().list_xattrs() {
            Err(Errno::EOPNOTSUPP) => Vec::new(),
            names => names?,
        };
        if !context.cred.capable(Cap::CAP_SYS_ADMIN) {
            let visible = names.split_inclusive(|byte| *byte == 0);
            let visible = visible.filter(|name| !name.starts_with(b"trusted."));
            let mut kept = Vec::new();
            kept.try_reserve(names.len()).map_err(|_| Errno::ENOMEM)?;
            visible.for_each(|name| kept.extend_from_slice(name));
            names = kept;
        }
        Ok(names)
    }
}

fn has_user_attributes(kind: FileKind) -> bool {
    matches!(kind, FileKind::Regular | FileKind::Directory)
}

fn check_change(context: &PathContext, at: &Path, name: &[u8]) -> Result<()> {
    at.mount.check_writable()?;
    let class = Class::of(name)?;
    let meta = at.inode().metadata()?;
    let who = &context.cred;
    match class {
        Class::User if !has_user_attributes(meta.kind) => Err(Errno::EPERM),
        Class::User => {
            let sticky = meta.kind == FileKind::Directory && meta.mode & S_ISVTX != 0;
            if sticky {
                who.check_owner(&at.inode().rights()?)?;
            }
            who.check_file(&at.inode().rights()?, Access::WRITE)
        }
        Class::Trusted | Class::Security => who.require(Cap::CAP_SYS_ADMIN),
    }
}

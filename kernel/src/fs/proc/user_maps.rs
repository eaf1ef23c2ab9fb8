//! `/proc/PID/uid_map`, `gid_map`, `projid_map` and `setgroups` (user_namespaces(7)).
//!
//! What may be written is a matter of who opened the file, as on Linux, beside who writes:
//! a program that writes for others what they have opened lends them nothing.

use super::text::Text;
use crate::process::{self, Process};
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, Cred, IdKind, UserNamespace};
use paddock_sync::try_arc;
use paddock_vfs::OpenFlags;
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// Bytes that are too many for a map: a page.
const TOO_LONG: usize = 4096;
/// Bytes that are too many for a word.
const TOO_LONG_A_WORD: usize = 8;

/// `uid_map`.
pub fn users(process: Arc<Process>) -> ProcNode {
    map_of(process, IdKind::User)
}

/// `gid_map`.
pub fn groups(process: Arc<Process>) -> ProcNode {
    map_of(process, IdKind::Group)
}

/// `projid_map`.
pub fn projects(process: Arc<Process>) -> ProcNode {
    map_of(process, IdKind::Project)
}

/// `setgroups`.
pub fn setgroups(process: Arc<Process>) -> ProcNode {
    ProcNode::file(Setgroups(process)).with_mode(0o644)
}

fn map_of(process: Arc<Process>, kind: IdKind) -> ProcNode {
    ProcNode::file(Map { process, kind }).with_mode(0o644)
}

/// Who opens a file, or writes to it now.
fn caller() -> Result<Arc<Cred>> {
    let thread = process::current().ok_or(Errno::EPERM)?;
    Ok(thread.cred())
}

struct Map {
    process: Arc<Process>,
    kind: IdKind,
}

struct OpenMap {
    namespace: UserNamespace,
    kind: IdKind,
    opener: Arc<Cred>,
}

impl ProcFile for Map {
    fn generate(&self, _: &mut Vec<u8>) -> Result<()> {
        // Every open file is an `OpenMap`.
        Err(Errno::EINVAL)
    }

    fn opened(&self, _: OpenFlags) -> Result<Option<Arc<dyn ProcFile>>> {
        let open: Arc<dyn ProcFile> = try_arc(OpenMap {
            namespace: self.process.cred().user_namespace.clone(),
            kind: self.kind,
            opener: caller()?,
        })?;
        Ok(Some(open))
    }
}

impl ProcFile for OpenMap {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut text = Text::new(out);
        let viewer = &self.opener.user_namespace;
        self.namespace.each_line(self.kind, viewer, |extent| {
            let (first, lower, count) = (extent.first, extent.lower, extent.count);
            text.put(format_args!("{first:10} {lower:10} {count:10}\n"))
        })
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        if data.len() >= TOO_LONG {
            return Err(Errno::EINVAL);
        }
        let writer = caller()?;
        let set = self
            .namespace
            .set_map(self.kind, data, &self.opener, &writer);
        set.map(|()| data.len())
    }
}

struct Setgroups(Arc<Process>);

struct OpenSetgroups(UserNamespace);

impl ProcFile for Setgroups {
    fn generate(&self, _: &mut Vec<u8>) -> Result<()> {
        // Every open file is an `OpenSetgroups`.
        Err(Errno::EINVAL)
    }

    /// `EACCES` for who opens it for writing without CAP_SYS_ADMIN there.
    fn opened(&self, flags: OpenFlags) -> Result<Option<Arc<dyn ProcFile>>> {
        let namespace = self.0.cred().user_namespace.clone();
        if flags.writable() && !caller()?.capable_in(&namespace, Cap::CAP_SYS_ADMIN) {
            return Err(Errno::EACCES);
        }
        let open: Arc<dyn ProcFile> = try_arc(OpenSetgroups(namespace))?;
        Ok(Some(open))
    }
}

impl ProcFile for OpenSetgroups {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        let word: &[u8] = match self.0.allows_setgroups() {
            true => b"allow\n",
            false => b"deny\n",
        };
        Text::new(out).bytes(word)
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        if data.len() >= TOO_LONG_A_WORD {
            return Err(Errno::EINVAL);
        }
        let allow = match data.trim_ascii_end() {
            b"allow" => true,
            b"deny" => false,
            _ => return Err(Errno::EINVAL),
        };
        self.0.set_setgroups(allow).map(|()| data.len())
    }
}

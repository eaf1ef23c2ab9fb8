//! `/proc/PID/ns`.

use super::fds::nameless;
use crate::process::Process;
use crate::process::identity::may_inspect;
use crate::process::namespaces::Namespace;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;
use paddock_vfs::proc_fs::{ProcDir, ProcLink, ProcName, ProcNode};
use paddock_vfs::{FileKind, Path};

const NAMES: [&str; 8] = [
    "cgroup",
    "ipc",
    "mnt",
    "net",
    "pid",
    "pid_for_children",
    "user",
    "uts",
];

/// The namespaces of a process, as links to them.
pub struct Namespaces(pub Arc<Process>);

struct NamespaceLink {
    process: Arc<Process>,
    name: &'static str,
}

impl ProcDir for Namespaces {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let own = NAMES.iter().find(|own| own.as_bytes() == name);
        let link = NamespaceLink {
            process: self.0.clone(),
            name: own.ok_or(Errno::ENOENT)?,
        };
        let (uid, gid) = self.0.owner();
        Ok(ProcNode::link(link).owned_by(uid, gid))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        may_inspect(&self.0)?;
        let mut names = Vec::new();
        let room = names.try_reserve_exact(NAMES.len());
        room.map_err(|_| Errno::ENOMEM)?;
        names.extend((0..).zip(NAMES).map(|(key, name)| ProcName {
            key,
            name: name.as_bytes().to_vec(),
            kind: FileKind::Symlink,
        }));
        Ok(names)
    }
}

impl NamespaceLink {
    fn namespace(&self) -> Result<Namespace> {
        may_inspect(&self.process)?;
        Namespace::of(&self.process, self.name.as_bytes())
    }
}

impl ProcLink for NamespaceLink {
    fn target(&self) -> Result<Vec<u8>> {
        let number = self.namespace()?.number();
        let kind = self.name.split('_').next().unwrap_or(self.name);
        Ok(format!("{kind}:[{number}]").into_bytes())
    }

    fn jump(&self) -> Option<Path> {
        let namespace = try_arc(self.namespace().ok()?).ok()?;
        nameless(namespace, 0).ok()
    }
}

//! Directories whose entries are known from the start.

use super::{ProcDir, ProcName, ProcNode};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Keys of the entries that [`StaticDir::more`] adds begin here.
const MORE_KEYS: u64 = 1 << 16;

/// A fixed list of entries, and perhaps others that come and go (such as the
/// processes in `/proc`).
#[derive(Default)]
pub struct StaticDir {
    entries: Vec<(&'static str, ProcNode)>,
    more: Option<Arc<dyn ProcDir>>,
}

impl StaticDir {
    /// A directory without entries.
    pub fn new() -> StaticDir {
        StaticDir::default()
    }

    /// With one entry more.
    pub fn with(mut self, name: &'static str, node: ProcNode) -> StaticDir {
        self.entries.push((name, node));
        self
    }

    /// With the entries of `more` after its own.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn with_more(mut self, more: impl ProcDir + 'static) -> StaticDir {
        self.more = Some(Arc::new(more));
        self
    }
}

impl ProcDir for StaticDir {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let mut entries = self.entries.iter();
        if let Some((_, node)) = entries.find(|(own, _)| own.as_bytes() == name) {
            return Ok(node.clone());
        }
        match &self.more {
            Some(more) => more.lookup(name),
            None => Err(Errno::ENOENT),
        }
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut names: Vec<ProcName> = Vec::new();
        for (key, (name, node)) in (0..).zip(&self.entries) {
            names.push(ProcName {
                key,
                name: name.as_bytes().to_vec(),
                kind: node.body.kind(),
            });
        }
        for entry in self.more.iter().flat_map(|more| more.list()).flatten() {
            let key = entry.key.saturating_add(MORE_KEYS);
            names.push(ProcName { key, ..entry });
        }
        Ok(names)
    }
}

//! Directories of the memory filesystem, and changes of names.

use super::node::Node;
use crate::{DirEntry, EmitEntry, Errno, FileKind, Inode, NewNode, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::fcntl::{RENAME_EXCHANGE, RENAME_NOREPLACE};
use paddock_sync::may_allocate;

/// Links that an inode may have.
const MAX_LINKS: u32 = 65_000;

struct Entry {
    name: Box<[u8]>,
    node: Arc<Node>,
}

/// Entries by cursor, in the order in which they were made, and by name.
#[derive(Default)]
pub(super) struct Entries {
    by_cursor: BTreeMap<u64, Entry>,
    by_name: BTreeMap<Box<[u8]>, u64>,
    next: u64,
}

impl Entries {
    pub fn len(&self) -> usize {
        self.by_cursor.len()
    }

    fn get(&self, name: &[u8]) -> Option<&Arc<Node>> {
        let cursor = self.by_name.get(name)?;
        self.by_cursor.get(cursor).map(|entry| &entry.node)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    fn insert(&mut self, name: &[u8], node: Arc<Node>) {
        let cursor = self.next;
        self.next += 1;
        self.by_name.insert(Box::from(name), cursor);
        let name = Box::from(name);
        self.by_cursor.insert(cursor, Entry { name, node });
    }

    fn remove(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        let cursor = self.by_name.remove(name)?;
        self.by_cursor.remove(&cursor).map(|entry| entry.node)
    }

    /// Puts another node behind a name that exists; the cursor stays.
    fn replace(&mut self, name: &[u8], node: Arc<Node>) -> Option<Arc<Node>> {
        let cursor = self.by_name.get(name)?;
        let entry = self.by_cursor.get_mut(cursor)?;
        Some(core::mem::replace(&mut entry.node, node))
    }

    pub fn take_all(&mut self) -> Vec<Arc<Node>> {
        self.by_name.clear();
        let entries = core::mem::take(&mut self.by_cursor);
        entries.into_values().map(|entry| entry.node).collect()
    }

    pub fn read(&self, cursor: u64, emit: &mut EmitEntry<'_>) -> u64 {
        let mut at = cursor;
        for (cursor, entry) in self.by_cursor.range(cursor..) {
            let entry = DirEntry {
                name: &entry.name,
                ino: entry.node.ino,
                kind: Some(entry.node.kind),
                next: cursor + 1,
            };
            if !emit(&entry) {
                break;
            }
            at = cursor + 1;
        }
        at
    }
}

fn is_dir(node: &Node) -> bool {
    node.kind == FileKind::Directory
}

impl Node {
    pub fn find(&self, name: &[u8]) -> Result<Arc<Node>> {
        let mut state = self.state();
        let found = state.entries()?.get(name).cloned();
        found.ok_or(Errno::ENOENT)
    }

    fn find_optional(&self, name: &[u8]) -> Result<Option<Arc<Node>>> {
        match self.find(name) {
            Ok(node) => Ok(Some(node)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_absent(&self, name: &[u8]) -> Result<()> {
        let mut state = self.state();
        if state.entries()?.get(name).is_some() {
            return Err(Errno::EEXIST);
        }
        match state.links {
            0 => Err(Errno::ENOENT),
            _ => Ok(()),
        }
    }

    /// Makes a node and its name.
    pub fn make(&self, name: &[u8], new: &NewNode, target: Option<&[u8]>) -> Result<Arc<Node>> {
        let _tree = self.shared.tree.lock();
        self.check_absent(name)?;
        let node = Node::new(&self.shared, new, target)?;
        self.enlist(name, &node)?;
        Ok(node)
    }

    /// Adds a name, with the links that come with it; the tree is locked.
    fn enlist(&self, name: &[u8], node: &Arc<Node>) -> Result<()> {
        self.state().entries()?.insert(name, node.clone());
        node.add_link();
        if is_dir(node) {
            node.add_link();
            node.state().parent = self.me();
            self.add_link();
        }
        self.touch();
        Ok(())
    }

    /// Takes away the links that came with a name that is gone.
    fn delist(&self, node: &Node) {
        node.drop_link();
        if is_dir(node) {
            node.drop_link();
            self.drop_link();
        }
        self.touch();
    }

    pub fn add_name(&self, name: &[u8], target: &Arc<dyn Inode>) -> Result<()> {
        may_allocate()?;
        let _tree = self.shared.tree.lock();
        self.check_absent(name)?;
        if target.kind() == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        let target = self.sibling(target)?;
        let node = target.own_arc()?;
        if node.state().links >= MAX_LINKS {
            return Err(Errno::EMLINK);
        }
        self.enlist(name, &node)
    }

    /// The node behind an inode of this filesystem. `EXDEV`.
    fn sibling<'a>(&self, inode: &'a Arc<dyn Inode>) -> Result<&'a Node> {
        let node = inode.as_any().downcast_ref::<Node>();
        let same = node.filter(|node| Arc::ptr_eq(&node.shared, &self.shared));
        same.ok_or(Errno::EXDEV)
    }

    pub fn remove_name(&self, name: &[u8], directory: bool) -> Result<()> {
        let _tree = self.shared.tree.lock();
        let node = self.find(name)?;
        match (directory, is_dir(&node)) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            (true, true) => node.check_empty()?,
            (false, false) => {}
        }
        let removed = self.state().entries()?.remove(name);
        self.delist(&node);
        drop(removed);
        Ok(())
    }

    fn check_empty(&self) -> Result<()> {
        match self.state().entries()?.len() {
            0 => Ok(()),
            _ => Err(Errno::ENOTEMPTY),
        }
    }

    pub fn move_name(
        &self,
        old: &[u8],
        new_dir: &Arc<dyn Inode>,
        new: &[u8],
        flags: u32,
    ) -> Result<()> {
        // Names are taken out before they are put in: that must not fail.
        may_allocate()?;
        let new_dir = self.sibling(new_dir)?;
        let _tree = self.shared.tree.lock();
        let node = self.find(old)?;
        let target = new_dir.find_optional(new)?;
        if flags & RENAME_EXCHANGE != 0 {
            let target = target.ok_or(Errno::ENOENT)?;
            if Arc::ptr_eq(&target, &node) {
                return Ok(());
            }
            return self.exchange((old, node), new_dir, (new, target));
        }
        match target {
            Some(_) if flags & RENAME_NOREPLACE != 0 => return Err(Errno::EEXIST),
            Some(target) if Arc::ptr_eq(&target, &node) => return Ok(()),
            Some(target) => {
                check_replace(&node, &target)?;
                new_dir.state().entries()?.remove(new);
                new_dir.delist(&target);
            }
            None if new_dir.state().links == 0 => return Err(Errno::ENOENT),
            None => {}
        }
        self.state().entries()?.remove(old);
        self.delist(&node);
        new_dir.enlist(new, &node)
    }

    fn exchange(
        &self,
        (old, node): (&[u8], Arc<Node>),
        new_dir: &Node,
        (new, target): (&[u8], Arc<Node>),
    ) -> Result<()> {
        self.state().entries()?.replace(old, target.clone());
        self.delist(&node);
        new_dir.state().entries()?.replace(new, node.clone());
        new_dir.delist(&target);
        for (dir, child) in [(self, &target), (new_dir, &node)] {
            child.add_link();
            if is_dir(child) {
                child.add_link();
                child.state().parent = dir.me();
                dir.add_link();
            }
        }
        Ok(())
    }
}

/// May `node` take the place of `target`?
fn check_replace(node: &Node, target: &Node) -> Result<()> {
    match (is_dir(node), is_dir(target)) {
        (true, false) => Err(Errno::ENOTDIR),
        (false, true) => Err(Errno::EISDIR),
        (true, true) => target.check_empty(),
        (false, false) => Ok(()),
    }
}

//! Directories of what there is to tell of one thing, a file for each.

use super::text::Text;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::FileKind;
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// An attribute of something that is found anew at each look.
pub type Attribute<T> = (&'static str, fn(&T, &mut Text<'_>) -> Result<()>);

/// A directory below something.
pub type Below<T> = (&'static str, fn(&T) -> ProcNode);

/// The attributes of one thing, and directories below it.
pub struct Attributes<T: 'static> {
    /// The thing.
    pub thing: T,
    /// Its attributes.
    pub attributes: &'static [Attribute<T>],
    /// The directories.
    pub below: &'static [Below<T>],
}

impl<T: Clone + Send + Sync + 'static> ProcDir for Attributes<T> {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let is_named = |own: &str| own.as_bytes() == name;
        if let Some((_, make)) = self.below.iter().find(|(own, _)| is_named(own)) {
            return Ok(make(&self.thing));
        }
        let (_, show) = self
            .attributes
            .iter()
            .find(|(own, _)| is_named(own))
            .ok_or(Errno::ENOENT)?;
        let thing = self.thing.clone();
        Ok(ProcNode::text(move |out| show(&thing, &mut Text::new(out))))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let directories = self.below.iter().map(|(name, _)| (*name, true));
        let files = self.attributes.iter().map(|(name, _)| (*name, false));
        names(files.chain(directories))
    }
}

/// Entries of these names; whether each is a directory. `ENOMEM`.
pub fn names<'a>(entries: impl Iterator<Item = (&'a str, bool)>) -> Result<Vec<ProcName>> {
    let mut list = Vec::new();
    for (key, (name, is_dir)) in (0..).zip(entries) {
        list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        list.push(ProcName {
            key,
            name: name.as_bytes().to_vec(),
            kind: match is_dir {
                true => FileKind::Directory,
                false => FileKind::Regular,
            },
        });
    }
    Ok(list)
}

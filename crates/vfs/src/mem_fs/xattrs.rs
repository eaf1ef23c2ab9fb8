//! Extended attributes of a node in memory.

use crate::{Errno, PAGE_SIZE, Result, SetXattr};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use paddock_sync::try_copy;

/// Attributes by name: as many as go into [`MOST`].
#[derive(Default)]
pub(super) struct Xattrs(BTreeMap<Vec<u8>, Vec<u8>>);

/// What an attribute takes besides its bytes.
const OVERHEAD: usize = 64;
/// What all of a node take, in bytes: a hundred small ones, as a block of ext4 has room for.
const MOST: usize = 2 * PAGE_SIZE;

impl Xattrs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `ENODATA`.
    pub fn get(&self, name: &[u8]) -> Result<Vec<u8>> {
        try_copy(self.0.get(name).ok_or(Errno::ENODATA)?)
    }

    /// Sets an attribute, or takes it away. `EEXIST`, `ENODATA`, `ENOSPC`,
    /// `ENOMEM`.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub fn set(&mut self, name: &[u8], value: Option<&[u8]>, mode: SetXattr) -> Result<()> {
        mode.check(self.0.contains_key(name))?;
        let Some(value) = value else {
            self.0.remove(name);
            return Ok(());
        };
        let others = self.0.iter().filter(|(other, _)| *other != name);
        let taken: usize = others
            .map(|(name, value)| name.len() + value.len() + OVERHEAD)
            .sum();
        if taken + name.len() + value.len() + OVERHEAD > MOST {
            return Err(Errno::ENOSPC);
        }
        let (name, value) = (try_copy(name)?, try_copy(value)?);
        self.0.insert(name, value);
        Ok(())
    }

    /// The names, each with a zero byte behind it. `ENOMEM`.
    pub fn list(&self) -> Result<Vec<u8>> {
        let mut names = Vec::new();
        let bytes = self.0.keys().map(|name| name.len() + 1).sum();
        names.try_reserve_exact(bytes).map_err(|_| Errno::ENOMEM)?;
        for name in self.0.keys() {
            names.extend_from_slice(name);
            names.push(0);
        }
        Ok(names)
    }
}

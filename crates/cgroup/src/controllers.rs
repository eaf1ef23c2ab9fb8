//! [`Controllers`]: what can be counted and limited by group.

use core::fmt;
use paddock_abi::{Errno, Result};

bitflags::bitflags! {
    /// Controllers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Controllers: u8 {
        /// Shares of CPU time.
        const CPU = 1;
        /// Memory.
        const MEMORY = 2;
        /// How many tasks there are.
        const PIDS = 4;
    }
}

/// In the order in which they are listed.
const NAMES: [(Controllers, &str); 3] = [
    (Controllers::CPU, "cpu"),
    (Controllers::MEMORY, "memory"),
    (Controllers::PIDS, "pids"),
];

impl Controllers {
    /// Those that cannot bear processes beside groups ("domain controllers").
    pub const DOMAIN: Controllers = Controllers::MEMORY;

    /// Their names, in the order in which they are listed.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let own = NAMES.iter().filter(move |(one, _)| self.contains(*one));
        own.map(|(_, name)| *name)
    }

    /// Reads what is written to `cgroup.subtree_control`: which are to be
    /// enabled, and which disabled; the last word on each counts. `EINVAL`.
    pub(crate) fn parse_change(text: &str) -> Result<(Controllers, Controllers)> {
        let (mut on, mut off) = (Controllers::empty(), Controllers::empty());
        for word in text.split_ascii_whitespace() {
            let (enable, name) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
                (Some(name), _) => (true, name),
                (_, Some(name)) => (false, name),
                _ => return Err(Errno::EINVAL),
            };
            let found = NAMES.iter().find(|(_, own)| *own == name);
            let one = found.ok_or(Errno::EINVAL)?.0;
            on.set(one, enable);
            off.set(one, !enable);
        }
        Ok((on, off))
    }
}

impl fmt::Display for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name}", if index > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

//! `/proc/paddock/profile`: see [`crate::profile`].

use super::super::text::Text;
use crate::profile;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// Reads as the stacks that were counted, folded; takes `start`, which may be followed
/// by how many samples a second are wanted, and `stop`.
struct Control;

pub fn file() -> ProcNode {
    ProcNode::file(Control).with_mode(0o600)
}

impl ProcFile for Control {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        profile::fold(&mut Text::new(text)).map_err(|_| Errno::ENOMEM)
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
        let mut words = text.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("start"), None, _) => profile::start(profile::DEFAULT_RATE)?,
            (Some("start"), Some(rate), None) => {
                profile::start(rate.parse().map_err(|_| Errno::EINVAL)?)?;
            }
            (Some("stop"), None, _) => profile::stop(),
            _ => return Err(Errno::EINVAL),
        }
        Ok(data.len())
    }
}

//! `/proc/paddock/ssh`: the settings of the SSH server.

use super::super::text::Text;
use crate::ssh;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// Reads as the mistakes in the file and what is in force; takes `reload`,
/// which reads the file again.
struct Settings;

pub fn file() -> ProcNode {
    ProcNode::file(Settings).with_mode(0o600)
}

impl ProcFile for Settings {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        Text::new(text).bytes(ssh::describe_settings().as_bytes())
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        match data.trim_ascii() {
            b"reload" => ssh::reload().map(|()| data.len()),
            _ => Err(Errno::EINVAL),
        }
    }
}

//! `/proc/paddock/ssh`: the settings of the SSH server.

use crate::fs::proc::{self, Text};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// Reads as the mistakes in the file and what is in force; takes `reload`,
/// which reads the file again.
struct Settings;

/// Puts the file there. Once, before the root is mounted.
pub fn add() {
    proc::paddock::add("ssh", ProcNode::file(Settings).with_mode(0o600));
}

impl ProcFile for Settings {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        Text::new(text).bytes(super::describe_settings().as_bytes())
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        match data.trim_ascii() {
            b"reload" => super::reload().map(|()| data.len()),
            _ => Err(Errno::EINVAL),
        }
    }
}

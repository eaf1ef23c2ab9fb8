//! `/proc/paddock/fail_alloc`: see [`crate::memory::injected`].

use crate::memory::injected;
use crate::process;
use alloc::vec::Vec;
use core::fmt::Write;
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// Reads as the number of allocations that the process which wrote last has
/// made since; takes the number of the one that is to fail, or `off`.
struct FailAlloc;

pub fn file() -> ProcNode {
    injected::set_running(running);
    ProcNode::file(FailAlloc).with_mode(0o600)
}

/// The process that runs; 0 for none.
fn running() -> u32 {
    process::current().map_or(0, |thread| thread.process.pid)
}

impl ProcFile for FailAlloc {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        let tried = injected::tried();
        super::Text::new(text)
            .write_fmt(format_args!("{tried}\n"))
            .map_err(|_| Errno::ENOMEM)
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        match data.trim_ascii() {
            b"off" => injected::stop(),
            number => {
                let number = core::str::from_utf8(number).map_err(|_| Errno::EINVAL)?;
                let number = number.parse().map_err(|_| Errno::EINVAL)?;
                injected::fail_at(running(), number);
            }
        }
        Ok(data.len())
    }
}

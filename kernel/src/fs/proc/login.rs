//! `/proc/PID/loginuid`: as whom a person has logged in, who may since have become
//! somebody else (proc(5)).

use super::text::{Text, given_number};
use crate::process::identity::viewer;
use crate::process::{self, Process};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::{Errno, Result};
use paddock_cred::{Cap, IdKind};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// Of what nobody has logged in for.
pub const NOBODY: u32 = u32::MAX;

/// `loginuid`.
pub fn user(process: Arc<Process>) -> ProcNode {
    ProcNode::file(LoginUser(process)).with_mode(0o644)
}

struct LoginUser(Arc<Process>);

impl ProcFile for LoginUser {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        let user = self.0.login_user.load(Relaxed);
        let user = viewer().known(IdKind::User, user).unwrap_or(NOBODY);
        Text::new(text).put(format_args!("{user}"))
    }

    /// A process says so of itself: anyone once, later with CAP_AUDIT_CONTROL.
    fn write(&self, data: &[u8]) -> Result<usize> {
        let Some(thread) = process::current().filter(|thread| thread.process.pid == self.0.pid)
        else {
            return Err(Errno::EPERM);
        };
        let user = match given_number(data)? {
            NOBODY => NOBODY,
            user => viewer().given(IdKind::User, user).ok_or(Errno::EINVAL)?,
        };
        let known = self.0.login_user.load(Relaxed);
        if known != NOBODY && !thread.with_cred(|cred| cred.capable(Cap::CAP_AUDIT_CONTROL)) {
            return Err(Errno::EPERM);
        }
        self.0.login_user.store(user, Relaxed);
        Ok(data.len())
    }
}

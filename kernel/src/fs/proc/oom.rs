//! `/proc/PID/oom_score`, `oom_score_adj` and `oom_adj`.

use super::process::Subject;
use super::text::{Text, given_number};
use crate::process::identity::may_inspect;
use crate::process::{self, Process, oom};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_process::oom::{OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};

/// The lowest value of the older scale of `oom_adj`; -16 is its lowest that
/// does not protect, 15 its highest.
const OOM_ADJ_DISABLE: i32 = -17;
const OOM_ADJ_MAX: i32 = 15;

/// How likely the process is to be killed when memory runs out.
pub fn score(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let score = oom::candidate(&subject.process).score(oom::total_pages());
    out.put(format_args!("{score}\n"))
}

/// `oom_score_adj`.
pub fn adjustment(process: Arc<Process>) -> ProcNode {
    ProcNode::file(Adjustment {
        process,
        old_scale: false,
    })
    .with_mode(0o644)
}

/// `oom_adj`, as it was before Linux 2.6.36.
pub fn old_adjustment(process: Arc<Process>) -> ProcNode {
    ProcNode::file(Adjustment {
        process,
        old_scale: true,
    })
    .with_mode(0o644)
}

struct Adjustment {
    process: Arc<Process>,
    old_scale: bool,
}

impl ProcFile for Adjustment {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        let value = self.process.oom_score_adj.load(Relaxed);
        let value = match self.old_scale {
            true if value == OOM_SCORE_ADJ_MAX => OOM_ADJ_MAX,
            true => value * -OOM_ADJ_DISABLE / OOM_SCORE_ADJ_MAX,
            false => value,
        };
        Text::new(text).put(format_args!("{value}\n"))
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        may_inspect(&self.process)?;
        let value: i32 = given_number(data)?;
        let value = match self.old_scale {
            true => from_old_scale(value)?,
            false if (OOM_SCORE_ADJ_MIN..=OOM_SCORE_ADJ_MAX).contains(&value) => value,
            false => return Err(Errno::EINVAL),
        };
        let now = self.process.oom_score_adj.load(Relaxed);
        if value < now && !may_lower() {
            return Err(Errno::EACCES);
        }
        self.process.oom_score_adj.store(value, Relaxed);
        Ok(data.len())
    }
}

fn from_old_scale(value: i32) -> Result<i32> {
    match value {
        OOM_ADJ_MAX => Ok(OOM_SCORE_ADJ_MAX),
        OOM_ADJ_DISABLE..OOM_ADJ_MAX => Ok(value * OOM_SCORE_ADJ_MAX / -OOM_ADJ_DISABLE),
        _ => Err(Errno::EINVAL),
    }
}

/// Only with CAP_SYS_RESOURCE may a process be made less likely to be killed.
fn may_lower() -> bool {
    process::current()
        .is_none_or(|thread| thread.with_cred(|cred| cred.capable(Cap::CAP_SYS_RESOURCE)))
}

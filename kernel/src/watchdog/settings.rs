//! The watchdog's limits: from the command line, and in
//! `/proc/paddock/watchdog`.

use super::{report_writer, stolen};
use crate::machine::CommandLine;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::{ProcFile, ProcNode};
use paddock_watchdog::{Limits, Setting};

const MS: u64 = 1_000_000;

/// The limits in milliseconds, in the order of [`Setting::ALL`].
static VALUES: [AtomicU64; Setting::ALL.len()] = [const { AtomicU64::new(0) }; Setting::ALL.len()];

/// A limit in nanoseconds.
fn nanoseconds(setting: Setting) -> u64 {
    let set = VALUES[setting as usize].load(Relaxed);
    let milliseconds = if set == 0 { setting.default_ms() } else { set };
    milliseconds.saturating_mul(MS)
}

/// For sections without preemption or interrupts, and for the timer.
pub fn limits() -> Limits {
    Limits {
        warning: nanoseconds(Setting::Warning),
        report: nanoseconds(Setting::Report),
    }
}

/// For a step of the main loop, which may compute for a while.
pub fn step_limits() -> Limits {
    Limits {
        warning: nanoseconds(Setting::Warning).saturating_mul(10),
        report: nanoseconds(Setting::Report),
    }
}

/// How long (ns) a thread may wait for a lock.
#[unsafe(export_name = "paddock_sync_stalled_after")]
pub fn lock_limit() -> u64 {
    nanoseconds(Setting::Lock)
}

/// Takes the limits that the command line sets. Any context.
pub fn configure(command_line: &CommandLine<'_>) {
    for setting in Setting::ALL {
        if let Some(text) = command_line.value(setting.word())
            && let Err(expected) = setting.parse(text).map(|value| set(setting, value))
        {
            log::warn!("command line: {}: {expected}", setting.word());
        }
    }
}

fn set(setting: Setting, milliseconds: u64) {
    VALUES[setting as usize].store(milliseconds, Relaxed);
}

/// `/proc/paddock/watchdog`: the limits, how often it spoke, and for how long
/// the host kept a CPU from running, so far as was noticed. A line such
/// as `report_ms 1000` written to it sets one.
pub fn file() -> ProcNode {
    ProcNode::file(SettingsFile).with_mode(0o644)
}

struct SettingsFile;

impl ProcFile for SettingsFile {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        let (warnings, reports) = report_writer::counts();
        let mut text = heapless::String::<256>::new();
        for setting in Setting::ALL {
            let value = nanoseconds(setting) / MS;
            writeln!(text, "{} {value}", setting.name()).map_err(|_| Errno::ENOMEM)?;
        }
        let stolen = stolen::total() / MS;
        writeln!(
            text,
            "warnings {warnings}\nreports {reports}\nstolen_ms {stolen}"
        )
        .map_err(|_| Errno::ENOMEM)?;
        out.try_reserve(text.len()).map_err(|_| Errno::ENOMEM)?;
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
        let (setting, value) = Setting::parse_line(text).ok_or(Errno::EINVAL)?;
        set(setting, value);
        Ok(data.len())
    }
}

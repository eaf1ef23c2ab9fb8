//! The end of the machine's run.

use std::io;

use super::raw;

/// What becomes of the machine after everything has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    Off,
    Reboot,
    Halt,
}

/// Does it. Returns only if the kernel refuses.
pub(crate) fn power(what: Power) -> io::Result<()> {
    raw::reboot(match what {
        Power::Off => libc::LINUX_REBOOT_CMD_POWER_OFF,
        Power::Reboot => libc::LINUX_REBOOT_CMD_RESTART,
        Power::Halt => libc::LINUX_REBOOT_CMD_HALT,
    })
}

/// Writes everything to the disks and waits for it.
pub(crate) fn sync_disks() {
    raw::sync();
}

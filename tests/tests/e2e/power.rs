//! Off and on.

use anyhow::Result;
use xtask::machine::machine;

#[test]
fn halting_and_powering_off_end_the_machine() -> Result<()> {
    let machine = machine("off").up()?;
    machine.sh("echo kept > /root/kept")?;
    machine.off()
}

#[test]
fn ten_reboots_in_a_row() -> Result<()> {
    let mut machine = machine("reboots").up()?;
    for _ in 0..10 {
        machine.reboot()?;
        machine.sh("true")?;
    }
    machine.off()
}

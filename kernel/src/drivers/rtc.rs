//! The PL031 real-time clock (Arm DDI 0224B).

use crate::machine::Machine;
use crate::mmio::Mmio;

/// Data register: seconds.
const DR: usize = 0x00;

/// Seconds since 1970 by the machine's clock; `None` if it has none, or one
/// that was never set. Any context, once the MMU's tables are the kernel's.
pub fn seconds(machine: &Machine) -> Option<u64> {
    let registers = Mmio::map(machine.rtc?.registers)?;
    let seconds = u64::from(registers.read32(DR));
    (seconds != 0).then_some(seconds)
}

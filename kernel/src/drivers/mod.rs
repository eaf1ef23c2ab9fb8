//! Devices: what the machine has, beyond its processors.

pub mod rtc;
pub mod virtio;

use crate::machine::Machine;
use crate::{console, random};

/// Starts the devices: console interrupts, entropy, disks. The network card
/// is left for the network's own start (`virtio::transport::take`). Thread
/// context, interrupts on; may sleep. A device that fails is reported and
/// left out.
pub fn init(machine: &'static Machine) {
    console::start_interrupts(machine);
    virtio::transport::discover(machine);
    virtio::entropy::init();
    random::init(machine);
    virtio::block::init();
}

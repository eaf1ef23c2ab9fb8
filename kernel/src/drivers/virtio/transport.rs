//! Which virtio devices there are, until a driver takes them.

use crate::machine::{Device, Interrupt, Machine, Region};
use crate::mmio::Mmio;
use alloc::vec::Vec;
use core::ptr::NonNull;
use paddock_sync::{PreemptOff, Rank, SpinLock};
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};

pub use virtio_drivers::transport::DeviceType;

const PAGE: u64 = 4096;

/// A device that no driver has taken.
#[derive(Debug)]
pub struct Found {
    /// Its registers.
    pub transport: MmioTransport<'static>,
    /// Its interrupt.
    pub interrupt: Interrupt,
}

static FOUND: SpinLock<Vec<Found>, PreemptOff> = SpinLock::new(Rank::Leaf, Vec::new());

/// Looks into every slot. Once, at boot.
pub fn discover(machine: &Machine) {
    let mut found = Vec::new();
    let mut mapped: Option<(Region, Mmio)> = None;
    for slot in &machine.virtio {
        let Some(device) = probe(slot, &mut mapped) else {
            continue;
        };
        log::debug!(
            "virtio: {:?} at {:#x}, interrupt {}",
            device.transport.device_type(),
            slot.registers.base,
            device.interrupt.number,
        );
        if found.try_reserve(1).is_ok() {
            found.push(device);
        }
    }
    *FOUND.lock() = found;
}

/// The slot's device, if there is one. Slots are smaller than pages: one
/// mapping serves all slots of a page.
fn probe(slot: &Device, mapped: &mut Option<(Region, Mmio)>) -> Option<Found> {
    let registers = slot.registers;
    let page = registers.base & !(PAGE - 1);
    let covers = |region: &Region| region.base == page && registers.end() <= region.end();
    let (region, mmio) = match mapped.take() {
        Some((region, mmio)) if covers(&region) => (region, mmio),
        _ => {
            let region = Region {
                base: page,
                size: (registers.end() - page).next_multiple_of(PAGE),
            };
            (region, Mmio::map(region)?)
        }
    };
    *mapped = Some((region, mmio));
    let offset = (registers.base - page) as usize;
    // SAFETY: the slot lies inside the mapping.
    let header: NonNull<VirtIOHeader> = unsafe { mmio.base().add(offset).cast() };
    // SAFETY: the device tree says that these are a virtio slot's registers,
    // mapped for good; this is the only transport for them.
    let transport = unsafe { MmioTransport::new(header, registers.size as usize) }.ok()?;
    let Some(interrupt) = slot.interrupt else {
        log::warn!(
            "virtio: the device at {:#x} has no interrupt",
            registers.base
        );
        return None;
    };
    Some(Found {
        transport,
        interrupt,
    })
}

/// Takes a device of this type, the highest slot first: that is the order in
/// which QEMU's command line names devices.
pub fn take(kind: DeviceType) -> Option<Found> {
    let mut found = FOUND.lock();
    let index = found
        .iter()
        .rposition(|device| device.transport.device_type() == kind)?;
    Some(found.remove(index))
}

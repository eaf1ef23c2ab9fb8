//! The machine as the device tree describes it, found once at boot.

use crate::arch::boot::{BootInfo, image_layout};
use crate::{config, memory};
use paddock_machine::{fdt_size, fdt_used};
use paddock_sync::OnceCell;

pub use paddock_machine::{
    CommandLine, Device, Gic, Interrupt, LogLevel, MAX_CPUS, PsciMethod, Region, Trigger,
};

/// The machine, with text from the device tree's own memory.
pub type Machine = paddock_machine::Machine<'static>;

static MACHINE: OnceCell<Machine> = OnceCell::new();

/// Reads the device tree at the address the boot code found. Once, on the
/// boot CPU, while the early page tables still map the tree.
///
/// # Panics
/// If there is no usable device tree: nothing can be done without one.
pub fn init(boot: &BootInfo) -> &'static Machine {
    let tree = device_tree(boot).expect("the boot loader gave no device tree");
    let mut machine = match Machine::from_fdt(tree) {
        Ok(machine) => machine,
        Err(error) => panic!("{error}"),
    };
    let image = image_layout();
    let taken = machine
        .reserve(boot.image, (image.end - image.start) as u64)
        .and_then(|()| machine.reserve(boot.fdt, fdt_used(tree) as u64));
    if let Err(error) = taken {
        panic!("{error}");
    }
    match MACHINE.set(machine) {
        Ok(machine) => machine,
        Err(_) => panic!("the machine was described twice"),
    }
}

fn device_tree(boot: &BootInfo) -> Option<&'static [u8]> {
    if boot.fdt == 0 {
        return None;
    }
    let start: *const u8 = memory::phys_to_virt(boot.fdt);
    // SAFETY: the boot protocol promises a device tree of at least a header
    // at this address, which the direct map covers, and nobody writes to
    // what is used of it: that is reserved for good.
    let header = unsafe { &*start.cast::<[u8; 8]>() };
    let size = fdt_size(header)?;
    // SAFETY: as above, for the size that the header declares; the boot
    // protocol limits it to 2 MiB, which the early tables map. The rest of
    // the room that it declares is not read once the tree has been parsed.
    (size <= 2 << 20).then(|| unsafe { core::slice::from_raw_parts(start, size) })
}

/// The machine; `None` before [`init`].
pub fn get() -> Option<&'static Machine> {
    MACHINE.get()
}

/// The command line, taken apart; empty before [`init`].
pub fn command_line() -> CommandLine<'static> {
    CommandLine::parse(get().map_or("", |machine| machine.command_line))
}

/// What uname(2) calls the system. Any context.
pub fn sysname() -> &'static str {
    command_line()
        .value("paddock.sysname")
        .unwrap_or(config::SYSNAME)
}

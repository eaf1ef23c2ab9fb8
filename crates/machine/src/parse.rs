//! From the tree to a [`Machine`].

use crate::tree::{GicNode, Place, bytes, cell, text, wide_cell};
use crate::{Cpu, Gic, MAX_REGIONS, Machine, MachineError, PsciMethod, Region, TimerInterrupts};
use dtoolkit::Node;
use dtoolkit::fdt::{Fdt, FdtNode};
use heapless::Vec;

const GIC_V2: &[&str] = &[
    "arm,gic-400",
    "arm,cortex-a15-gic",
    "arm,cortex-a9-gic",
    "arm,cortex-a7-gic",
    "arm,arm11mp-gic",
];
const GIC_V3: &[&str] = &["arm,gic-v3"];
const PSCI: &[&str] = &["arm,psci-1.0", "arm,psci-0.2"];
const TIMER: &[&str] = &["arm,armv8-timer", "arm,armv7-timer"];
const UART: &[&str] = &["arm,pl011", "arm,sbsa-uart"];

pub fn machine(bytes: &[u8]) -> Result<Machine<'_>, MachineError> {
    let fdt = Fdt::new(bytes).map_err(|_| MachineError::BadTree)?;
    let root = Place::root(fdt);
    let (gic_node, gic) = find_gic(&root, 0).ok_or(MachineError::NoInterruptController)?;
    let mut machine = Machine {
        model: text(&root.node, "model").unwrap_or(""),
        memory: memory(&root)?,
        reserved: reserved(fdt, &root)?,
        cpus: Vec::new(),
        psci: None,
        gic,
        timers: None,
        uart: None,
        rtc: None,
        virtio: Vec::new(),
        command_line: "",
        rng_seed: &[],
        initrd: None,
        truncated: false,
    };
    cpus(&mut machine, &root);
    chosen(&mut machine, &root)?;
    let console = console_node(fdt, &root);
    devices(&mut machine, &root, &gic_node, console.as_ref());
    machine
        .virtio
        .sort_unstable_by_key(|device| device.registers.base);
    Ok(machine)
}

fn memory(root: &Place<'_>) -> Result<Vec<Region, MAX_REGIONS>, MachineError> {
    let mut found = Vec::new();
    let nodes = root
        .children()
        .filter(|place| text(&place.node, "device_type") == Some("memory"));
    for region in nodes.flat_map(|place| place.regions()) {
        if region.size > 0 {
            found
                .push(region)
                .map_err(|_| MachineError::TooMany("memory regions"))?;
        }
    }
    if found.is_empty() {
        return Err(MachineError::NoMemory);
    }
    Ok(found)
}

fn reserved(fdt: Fdt<'_>, root: &Place<'_>) -> Result<Vec<Region, MAX_REGIONS>, MachineError> {
    let header = fdt.memory_reservations().map(|entry| Region {
        base: entry.address(),
        size: entry.size(),
    });
    let node = root
        .children()
        .find(|place| place.node.name() == "reserved-memory");
    let nodes = node.iter().flat_map(Place::children);
    let mut found = Vec::new();
    for region in header.chain(nodes.flat_map(|place| place.regions())) {
        if region.size > 0 {
            found
                .push(region)
                .map_err(|_| MachineError::TooMany("reserved regions"))?;
        }
    }
    Ok(found)
}

fn cpus(machine: &mut Machine<'_>, root: &Place<'_>) {
    let Some(cpus) = root.children().find(|place| place.node.name() == "cpus") else {
        return;
    };
    for cpu in cpus.children() {
        if text(&cpu.node, "device_type") != Some("cpu") {
            continue;
        }
        let Some(mpidr) = wide_cell(&cpu.node, "reg") else {
            continue;
        };
        let psci = text(&cpu.node, "enable-method") == Some("psci");
        machine.truncated |= machine.cpus.push(Cpu { mpidr, psci }).is_err();
    }
}

fn chosen<'a>(machine: &mut Machine<'a>, root: &Place<'a>) -> Result<(), MachineError> {
    let Some(chosen) = root.node.child("chosen") else {
        return Ok(());
    };
    machine.command_line = text(&chosen, "bootargs").unwrap_or("");
    machine.rng_seed = bytes(&chosen, "rng-seed").unwrap_or(&[]);
    let start = wide_cell(&chosen, "linux,initrd-start");
    let end = wide_cell(&chosen, "linux,initrd-end");
    if let (Some(base), Some(end)) = (start, end)
        && base < end
    {
        let size = end - base;
        machine.initrd = Some(Region { base, size });
        machine.reserve(base, size)?;
    }
    Ok(())
}

/// The node that `/chosen/stdout-path` names, by path or alias.
fn console_node<'a>(fdt: Fdt<'a>, root: &Place<'a>) -> Option<FdtNode<'a>> {
    let chosen = root.node.child("chosen")?;
    let path = text(&chosen, "stdout-path").or_else(|| text(&chosen, "linux,stdout-path"))?;
    let path = path.split(':').next()?;
    if path.starts_with('/') {
        return fdt.find_node(path);
    }
    let aliases = root.node.child("aliases")?;
    fdt.find_node(text(&aliases, path)?)
}

fn find_gic(place: &Place<'_>, depth: usize) -> Option<(GicNode, Gic)> {
    place.children().find_map(|child| {
        if let Some(gic) = gic(&child) {
            return Some((GicNode::new(&child.node)?, gic));
        }
        (child.is_bus() && depth < 8).then(|| find_gic(&child, depth + 1))?
    })
}

fn gic(place: &Place<'_>) -> Option<Gic> {
    let mut regions = place.regions();
    if place.is_compatible(GIC_V2) {
        return Some(Gic::V2 {
            distributor: regions.next()?,
            cpu_interface: regions.next()?,
        });
    }
    if !place.is_compatible(GIC_V3) {
        return None;
    }
    let distributor = regions.next()?;
    let count = cell(&place.node, "#redistributor-regions").unwrap_or(1) as usize;
    let mut redistributors = Vec::new();
    for region in regions.take(count) {
        redistributors.push(region).ok()?;
    }
    (!redistributors.is_empty()).then_some(Gic::V3 {
        distributor,
        redistributors,
        stride: wide_cell(&place.node, "redistributor-stride"),
    })
}

fn devices(
    machine: &mut Machine<'_>,
    place: &Place<'_>,
    gic: &GicNode,
    console: Option<&FdtNode<'_>>,
) {
    for child in place.children() {
        device(machine, &child, gic, console);
        if child.is_bus() {
            devices(machine, &child, gic, console);
        }
    }
}

fn device(
    machine: &mut Machine<'_>,
    place: &Place<'_>,
    gic: &GicNode,
    console: Option<&FdtNode<'_>>,
) {
    if place.is_compatible(&["virtio,mmio"]) {
        if let Some(device) = place.device(gic) {
            machine.truncated |= machine.virtio.push(device).is_err();
        }
    } else if place.is_compatible(UART) {
        let chosen = console.is_some_and(|node| same_node(node, &place.node));
        if machine.uart.is_none() || chosen {
            machine.uart = place.device(gic).or(machine.uart);
        }
    } else if place.is_compatible(&["arm,pl031"]) {
        machine.rtc = machine.rtc.or_else(|| place.device(gic));
    } else if place.is_compatible(PSCI) {
        machine.psci = match text(&place.node, "method") {
            Some("hvc") => Some(PsciMethod::Hvc),
            Some("smc") => Some(PsciMethod::Smc),
            _ => None,
        };
    } else if place.is_compatible(TIMER) {
        machine.timers = Some(timers(place, gic));
    }
}

/// Nodes have no identity of their own; names are slices of one blob, so the
/// same slice is the same node.
fn same_node(a: &FdtNode<'_>, b: &FdtNode<'_>) -> bool {
    core::ptr::eq(a.name(), b.name())
}

fn timers(place: &Place<'_>, gic: &GicNode) -> TimerInterrupts {
    TimerInterrupts {
        secure_physical: place.interrupt(gic, 0),
        physical: place.interrupt(gic, 1),
        virtual_timer: place.interrupt(gic, 2),
        hypervisor: place.interrupt(gic, 3),
    }
}

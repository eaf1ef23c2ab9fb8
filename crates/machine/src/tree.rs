//! Walking the device tree: addresses through buses, interrupts to the GIC.

use crate::{Device, Interrupt, Region, Trigger};
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::{NodeStandard, Status};
use dtoolkit::{Node, Property, ToCellInt};

/// How deep buses may nest.
const MAX_DEPTH: usize = 8;

/// A node with what it inherits from the nodes above it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub node: FdtNode<'a>,
    /// The nearest `interrupt-parent`, a phandle.
    interrupt_parent: Option<u32>,
    /// The buses between this node and the root, outermost first.
    buses: [Option<FdtNode<'a>>; MAX_DEPTH],
    depth: usize,
}

impl<'a> Place<'a> {
    pub fn root(fdt: Fdt<'a>) -> Self {
        let node = fdt.root();
        Place {
            node,
            interrupt_parent: cell(&node, "interrupt-parent"),
            buses: [None; MAX_DEPTH],
            depth: 0,
        }
    }

    /// The children that are not disabled; `self` counts as a bus for them
    /// unless it is the root.
    pub fn children(&self) -> impl Iterator<Item = Place<'a>> + use<'a> {
        let mut above = *self;
        if !self.node.name().is_empty() {
            if let Some(slot) = above.buses.get_mut(self.depth) {
                *slot = Some(self.node);
            }
            above.depth += 1;
        }
        let nodes = self.node.children();
        nodes
            .filter(|node| matches!(node.status(), Ok(Status::Okay)))
            .map(move |node| above.with(node))
    }

    /// `self` as inherited by `node`.
    fn with(mut self, node: FdtNode<'a>) -> Self {
        self.interrupt_parent = cell(&node, "interrupt-parent").or(self.interrupt_parent);
        self.node = node;
        self
    }

    pub fn is_compatible(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.node.is_compatible(name))
    }

    /// Whether the children's addresses are memory of this machine.
    pub fn is_bus(&self) -> bool {
        self.depth + 1 < MAX_DEPTH
            && self.node.property("ranges").is_some()
            && self.is_compatible(&["simple-bus", "simple-mfd"])
    }

    /// The physical address ranges of `reg`; entries that cannot be reached
    /// through the buses above are left out.
    pub fn regions(&self) -> impl Iterator<Item = Region> + use<'a> {
        let place = *self;
        let entries = self.node.reg().ok().flatten();
        entries.into_iter().flatten().filter_map(move |reg| {
            let base = reg.address::<u64>().ok()?;
            let size = reg.size::<u64>().ok()?;
            base.checked_add(size)?;
            Some(Region {
                base: place.translate(base)?,
                size,
            })
        })
    }

    fn translate(&self, address: u64) -> Option<u64> {
        let buses = self.buses.get(..self.depth)?;
        buses
            .iter()
            .rev()
            .try_fold(address, |address, bus| through(&(*bus)?, address))
    }

    /// The `index`th interrupt, if it goes to `gic`.
    pub fn interrupt(&self, gic: &GicNode, index: usize) -> Option<Interrupt> {
        if let Some(extended) = self.node.property("interrupts-extended") {
            return gic.extended(extended.value(), index);
        }
        if self.interrupt_parent.is_some() && self.interrupt_parent != gic.phandle {
            return None;
        }
        let property = self.node.property("interrupts")?;
        gic.decode(property.value().chunks_exact(4 * gic.cells).nth(index)?)
    }

    /// The node as a device with its first register range and interrupt.
    pub fn device(&self, gic: &GicNode) -> Option<Device> {
        Some(Device {
            registers: self.regions().next()?,
            interrupt: self.interrupt(gic, 0),
        })
    }
}

/// An address of the bus's children as one of the bus's own parent.
fn through(bus: &FdtNode<'_>, address: u64) -> Option<u64> {
    if bus.property("ranges")?.value().is_empty() {
        return Some(address);
    }
    let mut ranges = bus.ranges().ok().flatten()?;
    ranges.find_map(|range| {
        let child: u64 = range.child_bus_address().ok()?;
        let parent: u64 = range.parent_bus_address().ok()?;
        let length: u64 = range.length().ok()?;
        let offset = address.checked_sub(child)?;
        (offset < length).then(|| parent.checked_add(offset))?
    })
}

/// A property of one cell.
pub fn cell(node: &FdtNode<'_>, name: &str) -> Option<u32> {
    node.property(name)?.value_as::<u32>().ok()
}

/// A property of one or two cells.
pub fn wide_cell(node: &FdtNode<'_>, name: &str) -> Option<u64> {
    let property = node.property(name)?;
    let cells = property.value().len() / 4;
    let mut values = property.as_prop_encoded_array([cells]).ok()?;
    let [value] = values.next()?;
    (1..=2).contains(&cells).then(|| value.to_int().ok())?
}

/// A property that is a string.
pub fn text<'a>(node: &FdtNode<'a>, name: &str) -> Option<&'a str> {
    node.property(name)?.value_as::<&'a str>().ok()
}

/// A property's bytes.
pub fn bytes<'a>(node: &FdtNode<'a>, name: &str) -> Option<&'a [u8]> {
    node.property(name)?.value_as::<&'a [u8]>().ok()
}

/// What is needed of the interrupt controller's node to read the others.
#[derive(Clone, Copy, Debug)]
pub struct GicNode {
    phandle: Option<u32>,
    /// Cells of an interrupt specifier: at least 3.
    cells: usize,
}

impl GicNode {
    pub fn new(node: &FdtNode<'_>) -> Option<Self> {
        let cells = cell(node, "#interrupt-cells").unwrap_or(3) as usize;
        (3..=8).contains(&cells).then_some(GicNode {
            phandle: cell(node, "phandle").or_else(|| cell(node, "linux,phandle")),
            cells,
        })
    }

    /// `<type number flags …>` of the GIC binding.
    fn decode(&self, specifier: &[u8]) -> Option<Interrupt> {
        let number = be32(specifier, 1)?;
        let number = match be32(specifier, 0)? {
            0 if number < 988 => number + 32,
            1 if number < 16 => number + 16,
            _ => return None,
        };
        let trigger = match be32(specifier, 2)? & 0xf {
            1..=3 => Trigger::Edge,
            _ => Trigger::Level,
        };
        Some(Interrupt { number, trigger })
    }

    /// From `interrupts-extended`; only if all entries up to `index` are the
    /// GIC's, because other controllers' entries have other lengths.
    fn extended(&self, value: &[u8], index: usize) -> Option<Interrupt> {
        let entry = 4 * (self.cells + 1);
        let mut entries = value.chunks_exact(entry).take(index + 1);
        if !entries.clone().all(|e| be32(e, 0) == self.phandle) {
            return None;
        }
        self.decode(entries.nth(index)?.get(4..)?)
    }
}

fn be32(bytes: &[u8], index: usize) -> Option<u32> {
    let four = bytes.get(4 * index..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

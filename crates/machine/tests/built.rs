//! Trees that QEMU does not make: buses, other cell counts, what is missing.

use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use paddock_machine::{Device, Interrupt, Machine, MachineError, PsciMethod, Region, Trigger};

fn cells(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

fn node(name: &str, properties: &[(&str, Vec<u8>)]) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::builder(name).unwrap().build();
    for (key, value) in properties {
        node.add_property(DeviceTreeProperty::new(*key, value.clone()).unwrap());
    }
    node
}

fn text(value: &str) -> Vec<u8> {
    format!("{value}\0").into_bytes()
}

fn memory() -> DeviceTreeNode {
    node(
        "memory@80000000",
        &[
            ("device_type", text("memory")),
            ("reg", cells(&[0x8000_0000, 0x100_0000, 0xc000_0000, 0])),
        ],
    )
}

fn gic() -> DeviceTreeNode {
    node(
        "gic@1000",
        &[
            ("compatible", text("arm,gic-400")),
            ("#interrupt-cells", cells(&[3])),
            ("phandle", cells(&[7])),
            ("reg", cells(&[0x1000, 0x1000, 0x2000, 0x2000])),
        ],
    )
}

/// A root with one-cell addresses and sizes.
fn tree(nodes: Vec<DeviceTreeNode>) -> Vec<u8> {
    let mut tree = DeviceTree::new();
    tree.root = node(
        "",
        &[
            ("#address-cells", cells(&[1])),
            ("#size-cells", cells(&[1])),
            ("interrupt-parent", cells(&[7])),
        ],
    );
    for child in nodes {
        tree.root.add_child(child);
    }
    tree.to_dtb()
}

#[test]
fn one_cell_addresses_and_empty_regions() {
    let dtb = tree(vec![memory(), gic()]);
    let machine = Machine::from_fdt(&dtb).unwrap();
    assert_eq!(
        machine.memory,
        [Region {
            base: 0x8000_0000,
            size: 0x100_0000
        }]
    );
    assert!(machine.uart.is_none() && machine.rtc.is_none() && machine.virtio.is_empty());
    assert!(machine.psci.is_none() && machine.timers.is_none());
    assert_eq!(machine.command_line, "");
    assert!(machine.rng_seed.is_empty());
}

#[test]
fn a_device_behind_two_buses() {
    let uart = node(
        "serial@10",
        &[
            ("compatible", text("arm,pl011")),
            ("reg", cells(&[0x10, 0x100])),
            ("interrupts", cells(&[0, 5, 1])),
        ],
    );
    let bus = |name: &str, ranges: &[u32], child: DeviceTreeNode| {
        let mut bus = node(
            name,
            &[
                ("compatible", text("simple-bus")),
                ("#address-cells", cells(&[1])),
                ("#size-cells", cells(&[1])),
                ("ranges", cells(ranges)),
            ],
        );
        bus.add_child(child);
        bus
    };
    let inner = bus("inner", &[0, 0x100, 0x200], uart);
    let outer = bus("outer", &[0, 0x4000_0000, 0x1000], inner);
    let dtb = tree(vec![memory(), gic(), outer]);
    let machine = Machine::from_fdt(&dtb).unwrap();
    assert_eq!(
        machine.uart,
        Some(Device {
            registers: Region {
                base: 0x4000_0110,
                size: 0x100
            },
            interrupt: Some(Interrupt {
                number: 37,
                trigger: Trigger::Edge
            })
        })
    );
}

#[test]
fn the_console_is_the_one_that_chosen_names() {
    let uart = |name: &str, address: u32, status: &str| {
        node(
            name,
            &[
                ("compatible", text("arm,pl011")),
                ("reg", cells(&[address, 0x1000])),
                ("status", text(status)),
            ],
        )
    };
    let nodes = |path: &str| {
        vec![
            memory(),
            gic(),
            uart("serial@1", 1, "disabled"),
            uart("serial@2000", 0x2000, "okay"),
            uart("serial@3000", 0x3000, "okay"),
            node("aliases", &[("console", text("/serial@3000"))]),
            node(
                "chosen",
                &[
                    ("stdout-path", text(path)),
                    ("linux,initrd-start", cells(&[0x8010_0000])),
                    ("linux,initrd-end", cells(&[0, 0x8010_0100])),
                ],
            ),
        ]
    };
    for (path, expected) in [
        ("/serial@2000", 0x2000),
        ("/serial@3000:115200n8", 0x3000),
        ("console", 0x3000),
        ("nothing", 0x2000),
    ] {
        let dtb = tree(nodes(path));
        let machine = Machine::from_fdt(&dtb).unwrap();
        assert_eq!(machine.uart.unwrap().registers.base, expected, "{path}");
        let initrd = Region {
            base: 0x8010_0000,
            size: 0x100,
        };
        assert_eq!(machine.initrd, Some(initrd));
        assert_eq!(machine.reserved, [initrd]);
    }
}

#[test]
fn interrupts_of_other_controllers_are_not_the_gics() {
    let device = |name: &str, address: u32, extra: (&str, Vec<u8>)| {
        node(
            name,
            &[
                ("compatible", text("virtio,mmio")),
                ("reg", cells(&[address, 0x200])),
                extra,
                ("interrupts", cells(&[0, 1, 4])),
            ],
        )
    };
    let dtb = tree(vec![
        memory(),
        gic(),
        device("v@9000", 0x9000, ("interrupt-parent", cells(&[8]))),
        device("v@5000", 0x5000, ("interrupt-parent", cells(&[7]))),
        device(
            "v@7000",
            0x7000,
            ("interrupts-extended", cells(&[7, 0, 9, 1])),
        ),
    ]);
    let machine = Machine::from_fdt(&dtb).unwrap();
    let numbers: Vec<Option<u32>> = machine
        .virtio
        .iter()
        .map(|device| device.interrupt.map(|interrupt| interrupt.number))
        .collect();
    assert_eq!(numbers, [Some(33), Some(41), None]);
}

#[test]
fn psci_reserved_memory_and_cpus() {
    let mut reserved = node(
        "reserved-memory",
        &[
            ("#address-cells", cells(&[1])),
            ("#size-cells", cells(&[1])),
            ("ranges", vec![]),
        ],
    );
    reserved.add_child(node(
        "secure@80000000",
        &[("reg", cells(&[0x8000_0000, 0x1000]))],
    ));
    let mut cpus = node(
        "cpus",
        &[
            ("#address-cells", cells(&[2])),
            ("#size-cells", cells(&[0])),
        ],
    );
    for (name, high, method) in [("cpu@0", 0, "psci"), ("cpu@100000000", 1, "spin-table")] {
        cpus.add_child(node(
            name,
            &[
                ("device_type", text("cpu")),
                ("reg", cells(&[high, 0])),
                ("enable-method", text(method)),
            ],
        ));
    }
    let psci = node(
        "psci",
        &[
            ("compatible", text("arm,psci-0.2")),
            ("method", text("smc")),
        ],
    );
    let dtb = tree(vec![memory(), gic(), reserved, cpus, psci]);
    let machine = Machine::from_fdt(&dtb).unwrap();
    assert_eq!(machine.psci, Some(PsciMethod::Smc));
    assert_eq!(
        machine.reserved,
        [Region {
            base: 0x8000_0000,
            size: 0x1000
        }]
    );
    let cpus: Vec<(u64, bool)> = machine.cpus.iter().map(|c| (c.mpidr, c.psci)).collect();
    assert_eq!(cpus, [(0, true), (1 << 32, false)]);
    let first = machine.free_memory().next().unwrap();
    assert_eq!(first.base, 0x8000_1000);
}

#[test]
fn what_cannot_be_missing() {
    let dtb = tree(vec![gic()]);
    assert_eq!(Machine::from_fdt(&dtb).err(), Some(MachineError::NoMemory));
    let dtb = tree(vec![memory()]);
    assert_eq!(
        Machine::from_fdt(&dtb).err(),
        Some(MachineError::NoInterruptController)
    );
}

//! The device trees of QEMU 7.2's `virt` machine with 2 CPUs and 256 MiB
//! (random seeds replaced by 1, 2, 3, …).

use paddock_machine::{Gic, Interrupt, Machine, MachineError, PsciMethod, Region, Trigger};

const V2: &[u8] = include_bytes!("data/virt-gicv2.dtb");
const V3: &[u8] = include_bytes!("data/virt-gicv3.dtb");

fn level(number: u32) -> Option<Interrupt> {
    Some(Interrupt {
        number,
        trigger: Trigger::Level,
    })
}

#[test]
fn what_both_have() {
    for tree in [V2, V3] {
        let machine = Machine::from_fdt(tree).unwrap();
        assert_eq!(machine.model, "linux,dummy-virt");
        assert_eq!(
            machine.memory,
            [Region {
                base: 0x4000_0000,
                size: 256 << 20
            }]
        );
        assert_eq!(machine.memory_size(), 256 << 20);
        assert!(machine.reserved.is_empty());
        let ids: Vec<u64> = machine.cpus.iter().map(|cpu| cpu.mpidr).collect();
        assert_eq!(ids, [0, 1]);
        assert!(machine.cpus.iter().all(|cpu| cpu.psci));
        assert_eq!(machine.psci, Some(PsciMethod::Hvc));
        let timers = machine.timers.unwrap();
        assert_eq!(timers.physical.unwrap().number, 30);
        assert_eq!(timers.virtual_timer.unwrap().number, 27);
        assert_eq!(timers.secure_physical.unwrap().number, 29);
        assert_eq!(timers.hypervisor.unwrap().number, 26);
        let uart = machine.uart.unwrap();
        assert_eq!(uart.registers.base, 0x900_0000);
        assert_eq!(uart.interrupt, level(33));
        let rtc = machine.rtc.unwrap();
        assert_eq!(rtc.registers.base, 0x901_0000);
        assert_eq!(rtc.interrupt, level(34));
        assert_eq!(machine.command_line, "root=/dev/vda");
        assert_eq!(machine.rng_seed.len(), 32);
        assert_eq!(machine.rng_seed[..3], [1, 2, 3]);
        assert_eq!(machine.initrd, None);
        assert!(!machine.truncated);
    }
}

#[test]
fn virtio_slots_are_in_order() {
    let machine = Machine::from_fdt(V2).unwrap();
    assert_eq!(machine.virtio.len(), 32);
    for (index, slot) in machine.virtio.iter().enumerate() {
        assert_eq!(slot.registers.base, 0xa00_0000 + 0x200 * index as u64);
        assert_eq!(slot.registers.size, 0x200);
        let interrupt = slot.interrupt.unwrap();
        assert_eq!(interrupt.number, 48 + index as u32);
        assert_eq!(interrupt.trigger, Trigger::Edge);
    }
}

#[test]
fn gic_v2() {
    let machine = Machine::from_fdt(V2).unwrap();
    assert_eq!(
        machine.gic,
        Gic::V2 {
            distributor: Region {
                base: 0x800_0000,
                size: 0x1_0000
            },
            cpu_interface: Region {
                base: 0x801_0000,
                size: 0x1_0000
            },
        }
    );
}

#[test]
fn gic_v3() {
    let machine = Machine::from_fdt(V3).unwrap();
    let Gic::V3 {
        distributor,
        redistributors,
        stride,
    } = machine.gic
    else {
        panic!("not a GICv3");
    };
    assert_eq!(distributor.base, 0x800_0000);
    assert_eq!(
        redistributors,
        [Region {
            base: 0x80a_0000,
            size: 0xf6_0000
        }]
    );
    assert_eq!(stride, None);
}

#[test]
fn free_memory_leaves_out_what_is_reserved() {
    let mut machine = Machine::from_fdt(V2).unwrap();
    machine.reserve(0x4020_0000, 0x10_0800).unwrap();
    machine.reserve(0x4000_0000, V2.len() as u64).unwrap();
    let free: Vec<Region> = machine.free_memory().collect();
    assert_eq!(free.len(), 2);
    assert_eq!(free[0].base, 0x4000_2000);
    assert_eq!(free[0].end(), 0x4020_0000);
    assert_eq!(free[1].base, 0x4030_1000);
    assert_eq!(free[1].end(), 0x5000_0000);
}

#[test]
fn the_size_is_read_from_the_header() {
    let header = V2.first_chunk::<8>().unwrap();
    assert_eq!(paddock_machine::fdt_size(header), Some(V2.len()));
    assert_eq!(paddock_machine::fdt_size(&[0; 8]), None);
    let mut roomy = V2.to_vec();
    roomy.resize(V2.len() + 4096, 0);
    assert_eq!(paddock_machine::fdt_used(&roomy), V2.len());
    assert_eq!(paddock_machine::fdt_used(&roomy[..100]), 100);
    assert_eq!(paddock_machine::fdt_used(&roomy[..8]), 8);
}

#[test]
fn damaged_trees_are_errors_not_panics() {
    assert_eq!(Machine::from_fdt(&[]).err(), Some(MachineError::BadTree));
    for length in (0..V2.len()).step_by(7) {
        let _ = Machine::from_fdt(&V2[..length]);
    }
    let mut state = 1u32;
    for _ in 0..2_000 {
        let mut tree = V2.to_vec();
        for _ in 0..4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = 64 + (state >> 8) as usize % (tree.len() - 64);
            tree[at] = state as u8;
        }
        let _ = Machine::from_fdt(&tree);
    }
}

//! Files about the whole machine.

use super::text::Text;
use crate::drivers::virtio::block;
use crate::fs::{kinds::Kind, root};
use crate::process::{self, reclaim};
use crate::{config, machine, memory, thread, time};
use paddock_abi::Result;
use paddock_abi::time::NANOS;
use paddock_vfs::{BlockDevice, PAGE_SIZE};

const PAGE_KIB: usize = PAGE_SIZE / 1024;

pub fn command_line(out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!("{}\n", machine::command_line().text()))
}

pub fn version(out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "{} version {} aarch64\n",
        machine::sysname(),
        config::RELEASE
    ))
}

/// Seconds since boot, and seconds that CPUs were idle.
pub fn uptime(out: &mut Text<'_>) -> Result<()> {
    let (up, idle) = (time::now(), thread::idle_time());
    let hundredths = |nanos: u64| (nanos / NANOS, nanos % NANOS / 10_000_000);
    let ((up, up_part), (idle, idle_part)) = (hundredths(up), hundredths(idle));
    out.put(format_args!("{up}.{up_part:02} {idle}.{idle_part:02}\n"))
}

pub fn memory(out: &mut Text<'_>) -> Result<()> {
    let (total, free, _) = memory::frames::counts();
    let (heap, _) = memory::heap::bytes();
    let (cached, dirty) = reclaim::cached_pages();
    let lines = [
        ("MemTotal", total * PAGE_KIB),
        ("MemFree", free * PAGE_KIB),
        (
            "MemAvailable",
            (free + cached.saturating_sub(dirty)) * PAGE_KIB,
        ),
        ("Buffers", 0),
        ("Cached", cached * PAGE_KIB),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", dirty * PAGE_KIB),
        ("Slab", heap / 1024),
    ];
    for (name, kib) in lines {
        out.put(format_args!(
            "{name:<15} {kib:>8} kB\n",
            name = alloc::format!("{name}:")
        ))?;
    }
    Ok(())
}

/// slabinfo(5), version 2.1: the heap by the sizes of its objects.
pub fn slabs(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n")?;
    let (large, classes) = memory::heap::classes();
    for (size, slabs, objects) in classes {
        let in_slab = paddock_slab::objects_in_slab(size);
        out.put(format_args!(
            "kmalloc-{size:<8} {objects:>6} {:>6} {size:>6} {in_slab:>4} 1 : tunables 0 0 0 : slabdata {slabs:>6} {slabs:>6} 0\n",
            slabs * in_slab,
        ))?;
    }
    let pages = large / PAGE_SIZE;
    out.put(format_args!(
        "kmalloc-large    {pages:>6} {pages:>6} {PAGE_SIZE:>6}    1 1 : tunables 0 0 0 : slabdata {pages:>6} {pages:>6} 0\n"
    ))
}

pub fn filesystems(out: &mut Text<'_>) -> Result<()> {
    for kind in Kind::ALL {
        let device = if kind.on_disk().is_some() {
            ""
        } else {
            "nodev"
        };
        out.put(format_args!("{device}\t{}\n", kind.name()))?;
    }
    Ok(())
}

/// The controllers, in hierarchy 0 (cgroups(7)).
pub fn cgroups(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"#subsys_name\thierarchy\tnum_cgroups\tenabled\n")?;
    let hierarchy = process::cgroup::hierarchy();
    let groups = hierarchy.groups();
    for name in hierarchy.controllers(hierarchy.root())?.names() {
        out.put(format_args!("{name}\t0\t{groups}\t1\n"))?;
    }
    Ok(())
}

pub fn devices(out: &mut Text<'_>) -> Result<()> {
    let characters =
        "  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n136 pts\n204 ttyAMA\n";
    out.put(format_args!(
        "Character devices:\n{characters}\nBlock devices:\n  7 loop\n254 virtblk\n"
    ))
}

pub fn partitions(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"major minor  #blocks  name\n\n")?;
    for (number, disk) in block::disks().iter().enumerate() {
        let kib = disk.blocks() * disk.block_size() as u64 / 1024;
        let minor = number * root::MINORS as usize;
        out.put(format_args!(
            "{:4} {minor:7} {kib:10} {}\n",
            root::DISK_MAJOR,
            disk.name()
        ))?;
    }
    Ok(())
}

/// One line a disk, as the kernel's documentation of Linux has it for iostats.
pub fn disk_statistics(out: &mut Text<'_>) -> Result<()> {
    for (number, disk) in block::disks().iter().enumerate() {
        let minor = number * root::MINORS as usize;
        out.put(format_args!(
            "{:4} {minor:7} {} {}\n",
            root::DISK_MAJOR,
            disk.name(),
            disk.statistics()
        ))?;
    }
    Ok(())
}

pub fn memory_statistics(out: &mut Text<'_>) -> Result<()> {
    let (_, free, _) = memory::frames::counts();
    let (heap, _) = memory::heap::bytes();
    let (cached, dirty) = reclaim::cached_pages();
    let (mut sectors_in, mut sectors_out) = (0, 0);
    for disk in block::disks() {
        let done = disk.statistics();
        sectors_in += done.read.sectors;
        sectors_out += done.written.sectors;
    }
    let [minor, major] = process::faults::counts();
    let lines = [
        ("nr_free_pages", free as u64),
        ("nr_file_pages", cached as u64),
        ("nr_dirty", dirty as u64),
        ("nr_slab_unreclaimable", (heap / PAGE_SIZE) as u64),
        ("pgpgin", sectors_in / 2),
        ("pgpgout", sectors_out / 2),
        ("pswpin", 0),
        ("pswpout", 0),
        ("pgfault", minor + major),
        ("pgmajfault", major),
        ("oom_kill", process::oom::kills()),
    ];
    for (name, value) in lines {
        out.put(format_args!("{name} {value}\n"))?;
    }
    Ok(())
}

pub fn swaps(out: &mut Text<'_>) -> Result<()> {
    out.bytes(b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
}

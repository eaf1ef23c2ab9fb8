//! `/sys/block`.

use super::{Attribute, Attributes, loops, names};
use crate::drivers::virtio::block::{self, Disk};
use crate::fs::root;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::Result;
use paddock_vfs::BlockDevice;
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// Units of sizes, whatever the disk's own are.
pub(super) const SECTOR: u64 = 512;

type Shared = &'static Arc<Disk>;

/// The disks, and loop devices.
pub struct Disks;

const ATTRIBUTES: &[Attribute<Shared>] = &[
    ("dev", |disk, out| {
        let number = block::disks()
            .iter()
            .position(|other| Arc::ptr_eq(other, disk));
        let minor = number.unwrap_or(0) * root::MINORS as usize;
        out.put(format_args!("{}:{minor}\n", root::DISK_MAJOR))
    }),
    ("removable", |_, out| out.bytes(b"0\n")),
    ("ro", |disk, out| {
        out.put(format_args!("{}\n", u8::from(disk.is_read_only())))
    }),
    ("size", |disk, out| {
        let sectors = disk.blocks() * (disk.block_size() as u64 / SECTOR);
        out.put(format_args!("{sectors}\n"))
    }),
    ("stat", |disk, out| {
        out.put(format_args!("{}\n", disk.statistics()))
    }),
];

const QUEUE: &[Attribute<Shared>] = &[
    ("hw_sector_size", |disk, out| {
        out.put(format_args!("{}\n", disk.block_size()))
    }),
    ("logical_block_size", |disk, out| {
        out.put(format_args!("{}\n", disk.block_size()))
    }),
    ("rotational", |_, out| out.bytes(b"1\n")),
];

impl ProcDir for Disks {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let mut disks = block::disks().iter();
        let Some(disk) = disks.find(|disk| disk.name().as_bytes() == name) else {
            return loops::lookup(name);
        };
        Ok(ProcNode::dir(Attributes {
            thing: disk,
            attributes: ATTRIBUTES,
            below: &[("queue", |disk| {
                ProcNode::dir(Attributes {
                    thing: *disk,
                    attributes: QUEUE,
                    below: &[],
                })
            })],
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let loops = loops::all_names();
        let disks = block::disks().iter().map(|disk| disk.name());
        let all = disks.chain(loops.iter().map(String::as_str));
        names(all.map(|name| (name, true)))
    }
}

//! Loop devices in `/sys/block` (Linux's `Documentation/ABI/testing/sysfs-block-loop`).

use super::block::SECTOR;
use super::{Attribute, Attributes, Text};
use crate::fs::loops;
use crate::process::vfs;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::dev_fs::loops::{Attached, LOOP_MAJOR, Loop};
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// Bytes of a block of a device without a file.
const BLOCK: u32 = SECTOR as u32;

/// The names of all of them.
pub fn all_names() -> Vec<String> {
    let numbers = 0..loops::all().len();
    numbers.map(|number| format!("loop{number}")).collect()
}

/// The folder of one. `ENOENT`.
pub fn lookup(name: &[u8]) -> Result<ProcNode> {
    let number = name.strip_prefix(b"loop").ok_or(Errno::ENOENT)?;
    let number = core::str::from_utf8(number).map_err(|_| Errno::ENOENT)?;
    let index: usize = number.parse().map_err(|_| Errno::ENOENT)?;
    let device = loops::all().get(index).ok_or(Errno::ENOENT)?;
    // `loop007` is none.
    if format!("{index}") != number {
        return Err(Errno::ENOENT);
    }
    Ok(ProcNode::dir(Device(device.clone())))
}

/// The folder of one, which has `loop` in it while a file is attached.
struct Device(Arc<Loop>);

impl Device {
    /// What is in it now.
    fn folder(&self) -> Attributes<Arc<Loop>> {
        Attributes {
            thing: self.0.clone(),
            attributes: ATTRIBUTES,
            below: match self.0.is_attached() {
                true => &[("queue", queue), ("loop", backing)],
                false => &[("queue", queue)],
            },
        }
    }
}

impl ProcDir for Device {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        self.folder().lookup(name)
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        self.folder().list()
    }
}

const ATTRIBUTES: &[Attribute<Arc<Loop>>] = &[
    ("dev", |device, out| {
        let all = loops::all().iter();
        let number = all.take_while(|other| !Arc::ptr_eq(other, device)).count();
        out.put(format_args!("{LOOP_MAJOR}:{number}\n"))
    }),
    ("removable", |_, out| out.bytes(b"0\n")),
    ("ro", |device, out| {
        let is_read_only = device.attached().is_some_and(|it| it.is_read_only);
        out.put(format_args!("{}\n", u8::from(is_read_only)))
    }),
    ("size", |device, out| {
        let size = device.attached().map_or(0, |it| it.size);
        out.put(format_args!("{}\n", size / SECTOR))
    }),
];

fn queue(device: &Arc<Loop>) -> ProcNode {
    const SIZES: &[Attribute<Arc<Loop>>] = &[
        ("hw_sector_size", block_size),
        ("logical_block_size", block_size),
        ("physical_block_size", block_size),
        ("rotational", |_, out| out.bytes(b"0\n")),
    ];
    ProcNode::dir(Attributes {
        thing: device.clone(),
        attributes: SIZES,
        below: &[],
    })
}

fn block_size(device: &Arc<Loop>, out: &mut Text<'_>) -> Result<()> {
    let size = device.attached().map_or(BLOCK, |it| it.block_size);
    out.put(format_args!("{size}\n"))
}

/// What is attached, as it is at each look. `ENXIO` once nothing is.
fn attached(device: &Arc<Loop>) -> Result<Attached> {
    device.attached().ok_or(Errno::ENXIO)
}

fn backing(device: &Arc<Loop>) -> ProcNode {
    const BACKING: &[Attribute<Arc<Loop>>] = &[
        ("autoclear", |device, out| {
            out.put(format_args!("{}\n", u8::from(attached(device)?.clears)))
        }),
        ("backing_file", |device, out| {
            let file = attached(device)?.file;
            let path = file.path().ok_or(Errno::ENXIO)?;
            out.bytes(&vfs::name_of(path)?)?;
            out.bytes(b"\n")
        }),
        ("dio", |_, out| out.bytes(b"0\n")),
        ("offset", |device, out| {
            out.put(format_args!("{}\n", attached(device)?.offset))
        }),
        ("partscan", |_, out| out.bytes(b"0\n")),
        ("sizelimit", |device, out| {
            out.put(format_args!("{}\n", attached(device)?.size_limit))
        }),
    ];
    ProcNode::dir(Attributes {
        thing: device.clone(),
        attributes: BACKING,
        below: &[],
    })
}

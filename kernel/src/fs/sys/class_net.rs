//! `/sys/class/net`.

use super::{Attribute, Attributes, names};
use crate::fs::proc::text::Text;
use crate::net::interfaces;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_netlink::{Link, Network};
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// The interfaces.
pub struct Interfaces;

/// All interfaces. `ENOMEM`.
fn links() -> Result<Vec<Link>> {
    let mut links = Vec::new();
    interfaces::now().links(&mut |link: &Link| {
        links.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        links.push(*link);
        Ok(())
    })?;
    Ok(links)
}

/// The interface as it is now. `ENODEV` once it has gone.
fn now(name: &str) -> Result<Link> {
    let mut links = links()?.into_iter();
    links.find(|link| link.name == name).ok_or(Errno::ENODEV)
}

fn address(out: &mut Text<'_>, [a, b, c, d, e, f]: [u8; 6]) -> Result<()> {
    out.put(format_args!(
        "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}\n"
    ))
}

/// `IFF_LOWER_UP`.
const LOWER_UP: u32 = 1 << 16;
/// `IFF_LOOPBACK`.
const LOOPBACK: u32 = 1 << 3;

const ATTRIBUTES: &[Attribute<&'static str>] = &[
    ("address", |name, out| address(out, now(name)?.hardware)),
    ("broadcast", |name, out| address(out, now(name)?.broadcast)),
    ("carrier", |name, out| {
        let up = now(name)?.flags & LOWER_UP != 0;
        out.put(format_args!("{}\n", u8::from(up)))
    }),
    ("flags", |name, out| {
        out.put(format_args!("{:#x}\n", now(name)?.flags & 0xffff))
    }),
    ("ifindex", |name, out| {
        out.put(format_args!("{}\n", now(name)?.index))
    }),
    ("mtu", |name, out| {
        out.put(format_args!("{}\n", now(name)?.mtu))
    }),
    ("operstate", |name, out| {
        let state: &[u8] = match now(name)?.flags {
            flags if flags & LOOPBACK != 0 => b"unknown\n",
            flags if flags & LOWER_UP != 0 => b"up\n",
            _ => b"down\n",
        };
        out.bytes(state)
    }),
    ("type", |name, out| {
        out.put(format_args!("{}\n", now(name)?.kind))
    }),
];

const STATISTICS: &[Attribute<&'static str>] = &[
    ("rx_bytes", |name, out| {
        out.put(format_args!("{}\n", now(name)?.received.bytes))
    }),
    ("rx_dropped", |name, out| {
        out.put(format_args!("{}\n", now(name)?.received.lost))
    }),
    ("rx_packets", |name, out| {
        out.put(format_args!("{}\n", now(name)?.received.packets))
    }),
    ("tx_bytes", |name, out| {
        out.put(format_args!("{}\n", now(name)?.sent.bytes))
    }),
    ("tx_dropped", |name, out| {
        out.put(format_args!("{}\n", now(name)?.sent.lost))
    }),
    ("tx_packets", |name, out| {
        out.put(format_args!("{}\n", now(name)?.sent.packets))
    }),
];

impl ProcDir for Interfaces {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let mut links = links()?.into_iter();
        let link = links
            .find(|link| link.name.as_bytes() == name)
            .ok_or(Errno::ENOENT)?;
        Ok(ProcNode::dir(Attributes {
            thing: link.name,
            attributes: ATTRIBUTES,
            below: &[("statistics", |name| {
                ProcNode::dir(Attributes {
                    thing: *name,
                    attributes: STATISTICS,
                    below: &[],
                })
            })],
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let links = links()?;
        names(links.iter().map(|link| (link.name, true)))
    }
}

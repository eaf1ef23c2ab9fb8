//! `/sys/class/net`: of the network namespace of who mounted it.

use super::{Attribute, Attributes, names};
use crate::fs::proc::text::Text;
use crate::net::interfaces;
use crate::net::space::NetSpace;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_netlink::{Link, Network};
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// The interfaces of a network namespace.
pub struct Interfaces(pub Arc<NetSpace>);

/// One of them, by its name.
#[derive(Clone)]
struct Interface(Arc<NetSpace>, &'static str);

/// All interfaces. `ENOMEM`.
fn links(space: &Arc<NetSpace>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    interfaces::of(space).links(&mut |link: &Link| {
        links.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        links.push(*link);
        Ok(())
    })?;
    Ok(links)
}

/// The interface as it is now. `ENODEV` once it has gone.
fn now(Interface(space, name): &Interface) -> Result<Link> {
    let mut links = links(space)?.into_iter();
    links.find(|link| link.name == *name).ok_or(Errno::ENODEV)
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

const ATTRIBUTES: &[Attribute<Interface>] = &[
    ("address", |it, out| address(out, now(it)?.hardware)),
    ("broadcast", |it, out| address(out, now(it)?.broadcast)),
    ("carrier", |it, out| {
        let up = now(it)?.flags & LOWER_UP != 0;
        out.put(format_args!("{}\n", u8::from(up)))
    }),
    ("flags", |it, out| {
        out.put(format_args!("{:#x}\n", now(it)?.flags & 0xffff))
    }),
    ("ifindex", |it, out| {
        out.put(format_args!("{}\n", now(it)?.index))
    }),
    ("mtu", |it, out| out.put(format_args!("{}\n", now(it)?.mtu))),
    ("operstate", |it, out| {
        let state: &[u8] = match now(it)?.flags {
            flags if flags & LOWER_UP == 0 => b"down\n",
            flags if flags & LOOPBACK != 0 => b"unknown\n",
            _ => b"up\n",
        };
        out.bytes(state)
    }),
    ("type", |it, out| {
        out.put(format_args!("{}\n", now(it)?.kind))
    }),
];

const STATISTICS: &[Attribute<Interface>] = &[
    ("rx_bytes", |it, out| {
        out.put(format_args!("{}\n", now(it)?.received.bytes))
    }),
    ("rx_dropped", |it, out| {
        out.put(format_args!("{}\n", now(it)?.received.lost))
    }),
    ("rx_packets", |it, out| {
        out.put(format_args!("{}\n", now(it)?.received.packets))
    }),
    ("tx_bytes", |it, out| {
        out.put(format_args!("{}\n", now(it)?.sent.bytes))
    }),
    ("tx_dropped", |it, out| {
        out.put(format_args!("{}\n", now(it)?.sent.lost))
    }),
    ("tx_packets", |it, out| {
        out.put(format_args!("{}\n", now(it)?.sent.packets))
    }),
];

impl ProcDir for Interfaces {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let mut links = links(&self.0)?.into_iter();
        let link = links
            .find(|link| link.name.as_bytes() == name)
            .ok_or(Errno::ENOENT)?;
        Ok(ProcNode::dir(Attributes {
            thing: Interface(self.0.clone(), link.name),
            attributes: ATTRIBUTES,
            below: &[("statistics", |it| {
                ProcNode::dir(Attributes {
                    thing: it.clone(),
                    attributes: STATISTICS,
                    below: &[],
                })
            })],
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let links = links(&self.0)?;
        names(links.iter().map(|link| (link.name, true)))
    }
}

//! The interfaces of a network namespace, as programs are told of them: `lo`, and `eth0`
//! in the first one if there is a card.

use super::space::NetSpace;
use super::{list_neighbours, traffic};
use crate::drivers::virtio::net;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use paddock_abi::{Errno, Result};
use paddock_inet::{Interface, Loopback};
use paddock_netlink::{
    Address, Link, Neighbour, Network, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_SITE,
    RT_SCOPE_UNIVERSE, Route, Traffic,
};
use smoltcp::wire::IpCidr;

/// Numbers of the interfaces.
pub const LOOPBACK: u32 = 1;
pub const CARD: u32 = 2;
/// `ARPHRD_LOOPBACK` and `ARPHRD_ETHER` of `<linux/if_arp.h>`.
const KINDS: (u16, u16) = (772, 1);
/// `IFF_UP`, `IFF_LOOPBACK`, `IFF_RUNNING` and `IFF_LOWER_UP`; `IFF_UP`,
/// `IFF_BROADCAST`, `IFF_RUNNING`, `IFF_MULTICAST` and `IFF_LOWER_UP`.
const FLAGS: (u32, u32) = (0x1_0049, 0x1_1043);
/// `IFF_LOOPBACK`.
const DOWN: u32 = 8;
/// Bytes of the largest packet on loopback.
const LOOPBACK_MTU: u32 = 65536;
/// `RTPROT_KERNEL`, `RTPROT_BOOT` and `RTPROT_RA`.
const MADE_BY: (u8, u8, u8) = (2, 3, 9);

/// What there is now.
pub struct Now(Arc<NetSpace>);

/// The network as it is in a namespace.
pub fn of(space: &Arc<NetSpace>) -> Now {
    Now(space.clone())
}

fn counted(traffic: net::Traffic) -> Traffic {
    Traffic {
        packets: traffic.packets,
        bytes: traffic.bytes,
        lost: traffic.lost,
    }
}

impl Now {
    fn card(&self) -> Option<Interface> {
        self.0.with(|stack, _| stack.interface())
    }

    fn loopback(&self) -> Loopback {
        self.0.with(|stack, _| stack.loopback().clone())
    }

    /// Changes an interface, if it is the one that can be.
    fn change(&self, link: u32, change: impl FnOnce(&mut Loopback) -> Result<()>) -> Result<()> {
        match link {
            LOOPBACK => self.0.with(|stack, _| change(stack.loopback())),
            CARD if self.card().is_some() => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::ENODEV),
        }
    }
}

/// `RT_SCOPE_...` of an address.
fn scope(address: IpAddr) -> u8 {
    match address {
        address if address.is_loopback() => RT_SCOPE_HOST,
        IpAddr::V6(address) if address.is_unicast_link_local() => RT_SCOPE_LINK,
        // RFC 3879.
        IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfec0 => RT_SCOPE_SITE,
        _ => RT_SCOPE_UNIVERSE,
    }
}

fn address(link: u32, address: IpAddr, prefix: u8) -> Address {
    Address {
        link,
        name: if link == LOOPBACK { "lo" } else { "eth0" },
        address,
        prefix,
        scope: scope(address),
        broadcast: None,
    }
}

/// A network that is reached through the card.
fn route(to: IpAddr, prefix: u8, protocol: u8) -> Route {
    Route {
        to,
        prefix,
        gateway: None,
        source: None,
        link: CARD,
        protocol,
        is_local: false,
    }
}

impl Network for Now {
    fn links(&self, take: &mut dyn FnMut(&Link) -> Result<()>) -> Result<()> {
        let [local, wire] = traffic(&self.0);
        let counts = |it: Option<(&str, net::Traffic, net::Traffic)>| {
            let (_, received, sent) = it.unwrap_or_default();
            (counted(received), counted(sent))
        };
        let (received, sent) = counts(local);
        take(&Link {
            index: LOOPBACK,
            name: "lo",
            kind: KINDS.0,
            flags: match self.0.with(|stack, _| stack.loopback().is_up()) {
                true => FLAGS.0,
                false => DOWN,
            },
            mtu: LOOPBACK_MTU,
            hardware: [0; 6],
            broadcast: [0; 6],
            received,
            sent,
        })?;
        let Some(card) = self.card() else {
            return Ok(());
        };
        let (received, sent) = counts(wire);
        take(&Link {
            index: CARD,
            name: "eth0",
            kind: KINDS.1,
            flags: FLAGS.1,
            mtu: card.mtu as u32,
            hardware: card.hardware.0,
            broadcast: [0xff; 6],
            received,
            sent,
        })
    }

    fn addresses(&self, take: &mut dyn FnMut(&Address) -> Result<()>) -> Result<()> {
        let local = self.loopback();
        let of_loopback = |is_ipv4| {
            let all = local.addresses().iter();
            let own = all.map(|own| (IpAddr::from(own.address()), own.prefix_len()));
            own.filter(move |(own, _)| own.is_ipv4() == is_ipv4)
        };
        for (own, prefix) in of_loopback(true) {
            take(&address(LOOPBACK, own, prefix))?;
        }
        if let Some(ipv4) = self.card().and_then(|card| card.ipv4) {
            let own = ipv4.address;
            take(&Address {
                broadcast: own.broadcast().map(IpAddr::V4),
                ..address(CARD, own.address().into(), own.prefix_len())
            })?;
        }
        for (own, prefix) in of_loopback(false) {
            take(&address(LOOPBACK, own, prefix))?;
        }
        for own in super::ipv6_addresses(&self.0)? {
            take(&address(CARD, own.address().into(), own.prefix_len()))?;
        }
        Ok(())
    }

    fn routes(&self, take: &mut dyn FnMut(&Route) -> Result<()>) -> Result<()> {
        if let Some(ipv4) = self.card().and_then(|card| card.ipv4) {
            if let Some(gateway) = ipv4.gateway {
                take(&Route {
                    gateway: Some(gateway.into()),
                    ..route(Ipv4Addr::UNSPECIFIED.into(), 0, MADE_BY.1)
                })?;
            }
            let network = ipv4.address.network();
            take(&Route {
                source: Some(ipv4.address.address().into()),
                ..route(network.address().into(), network.prefix_len(), MADE_BY.0)
            })?;
        }
        if self.0.is_own(Ipv6Addr::LOCALHOST.into()) {
            take(&Route {
                link: LOOPBACK,
                ..route(Ipv6Addr::LOCALHOST.into(), 128, MADE_BY.0)
            })?;
        }
        for own in super::ipv6_addresses(&self.0)? {
            let bits = u32::from(own.prefix_len());
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            let network = Ipv6Addr::from(own.address().to_bits() & mask);
            take(&route(network.into(), own.prefix_len(), MADE_BY.0))?;
        }
        match self.0.with(|stack, _| stack.ipv6_router()) {
            Some(router) => take(&Route {
                gateway: Some(router.into()),
                ..route(Ipv6Addr::UNSPECIFIED.into(), 0, MADE_BY.2)
            }),
            None => Ok(()),
        }
    }

    fn neighbours(&self, take: &mut dyn FnMut(&Neighbour) -> Result<()>) -> Result<()> {
        let known: Vec<_> = list_neighbours(&self.0)?;
        known.into_iter().try_for_each(|(address, hardware)| {
            take(&Neighbour {
                address: address.into(),
                hardware,
                link: CARD,
            })
        })
    }

    fn route(&self, to: IpAddr) -> Option<Route> {
        let prefix = if to.is_ipv4() { 32 } else { 128 };
        let (is_local, source, next) = self.0.with(|stack, _| stack.way(to.into()))?;
        Some(Route {
            gateway: next.map(IpAddr::from).filter(|next| *next != to),
            source: Some(source.into()),
            link: if is_local { LOOPBACK } else { CARD },
            is_local,
            ..route(to, prefix, MADE_BY.0)
        })
    }

    fn set_up(&self, link: u32, up: bool) -> Result<()> {
        self.change(link, |loopback| loopback.set_up(up))
    }

    fn add_address(&self, link: u32, address: IpAddr, prefix: u8) -> Result<()> {
        let address = IpCidr::new(address.into(), prefix);
        self.change(link, |loopback| loopback.add(address))
    }

    fn remove_address(&self, link: u32, address: IpAddr, prefix: u8) -> Result<()> {
        let address = IpCidr::new(address.into(), prefix);
        self.change(link, |loopback| loopback.remove(address))
    }
}

//! What `/proc/PID/net` tells of the Internet protocols (proc_net(5)), as
//! netstat(8), route(8) and arp(8) read it.

use super::text::Text;
use crate::net::space::NetSpace;
use crate::net::{self, Connection};
use crate::process::identity::viewer;
use alloc::sync::Arc;
use core::net::IpAddr;
use embassy_net::{IpAddress, IpEndpoint, Ipv4Address, Ipv6Address};
use paddock_abi::Result;
use paddock_abi::socket::{AF_INET, AF_INET6};
use paddock_inet::Carries;
use paddock_netlink::{Address, Network, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_SITE};

/// The words of an address, as they are in memory.
fn words(address: IpAddress, family: u16) -> ([u32; 4], usize) {
    let octets = match (address, family) {
        (IpAddress::Ipv4(address), AF_INET6) => address.to_ipv6_mapped().octets(),
        (IpAddress::Ipv4(address), _) => return ([word(address), 0, 0, 0], 1),
        (IpAddress::Ipv6(address), _) => address.octets(),
    };
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(octets.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    (words, 4)
}

fn word(address: Ipv4Address) -> u32 {
    u32::from_le_bytes(address.octets())
}

fn end(out: &mut Text<'_>, end: IpEndpoint, family: u16) -> Result<()> {
    let (words, count) = words(end.addr, family);
    for word in &words[..count] {
        out.put(format_args!("{word:08X}"))?;
    }
    out.put(format_args!(":{:04X} ", end.port))
}

/// The family that something is listed with: its owner's, or that of its
/// address.
fn family(it: &Connection) -> u16 {
    match (&it.owner, it.local.addr) {
        (Some(owner), _) => owner.family,
        (None, IpAddress::Ipv4(_)) => AF_INET,
        (None, IpAddress::Ipv6(_)) => AF_INET6,
    }
}

/// No end.
fn nowhere(family: u16) -> IpEndpoint {
    let address = match family {
        AF_INET6 => Ipv6Address::UNSPECIFIED.into(),
        _ => Ipv4Address::UNSPECIFIED.into(),
    };
    IpEndpoint::new(address, 0)
}

/// Listeners and connections of sockets of IPv4, and those that nobody has.
pub fn tcp(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
         uid  timeout inode                                                     \n"
    ))?;
    connections(out, &net::list_connections(space)?, AF_INET)
}

/// Those of sockets of IPv6.
pub fn tcp6(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "  sl  local_address                         remote_address                        \
         st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    ))?;
    connections(out, &net::list_connections(space)?, AF_INET6)
}

/// Sockets of IPv4 for datagrams.
pub fn udp(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    datagrams(space, out, AF_INET, false)
}

/// Those of IPv6.
pub fn udp6(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    datagrams(space, out, AF_INET6, false)
}

/// The same of UDP-Lite.
pub fn udplite(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    datagrams(space, out, AF_INET, true)
}

/// Those of IPv6.
pub fn udplite6(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    datagrams(space, out, AF_INET6, true)
}

fn datagrams(space: &NetSpace, out: &mut Text<'_>, wanted: u16, is_lite: bool) -> Result<()> {
    let addresses = match wanted {
        AF_INET6 => "local_address                         remote_address                        ",
        _ => "local_address rem_address   ",
    };
    let end = if wanted == AF_INET6 {
        ""
    } else {
        "             "
    };
    out.put(format_args!(
        "  sl  {addresses}st tx_queue rx_queue tr tm->when retrnsmt   \
         uid  timeout inode ref pointer drops{end}\n"
    ))?;
    let listed = net::list_datagram_sockets(space, |carries| match carries {
        Carries::Lite(_) => is_lite,
        _ => !is_lite,
    })?;
    let those = |it: &&Connection| family(it) == wanted;
    for (index, it) in listed.iter().filter(those).enumerate() {
        socket(out, index, it, wanted)?;
        out.put(format_args!(" 2 0 0\n"))?;
    }
    Ok(())
}

/// A line, up to the number of the socket.
fn socket(out: &mut Text<'_>, index: usize, it: &Connection, wanted: u16) -> Result<()> {
    out.put(format_args!("{index:4}: "))?;
    end(out, it.local, wanted)?;
    end(out, it.remote.unwrap_or(nowhere(wanted)), wanted)?;
    let (uid, ino) = it.owner.map_or((0, 0), |owner| (owner.uid, owner.ino));
    let uid = viewer().shown_uid(uid);
    out.put(format_args!(
        "{:02X} {:08X}:{:08X} 00:00000000 00000000 {uid:5}        0 {ino}",
        it.state, it.queues.0, it.queues.1
    ))
}

fn connections(out: &mut Text<'_>, listed: &[Connection], wanted: u16) -> Result<()> {
    let those = |it: &&Connection| family(it) == wanted;
    for (index, it) in listed.iter().filter(those).enumerate() {
        socket(out, index, it, wanted)?;
        out.put(format_args!(" 1 0 20 4 0 10 -1\n"))?;
    }
    Ok(())
}

/// Neighbours of the card that programs talk to.
pub fn neighbours(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
    ))?;
    for (address, hardware) in net::list_neighbours(space)? {
        let IpAddress::Ipv4(address) = address else {
            continue;
        };
        out.put(format_args!("{address:<16} 0x1         0x2         "))?;
        for (index, byte) in hardware.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            out.put(format_args!("{colon}{byte:02x}"))?;
        }
        out.put(format_args!("     *        eth0\n"))?;
    }
    Ok(())
}

/// `RTF_UP` and `RTF_GATEWAY` of `<linux/route.h>`.
const UP: u16 = 1;
const BY_GATEWAY: u16 = 2;

/// The ways to other machines.
pub fn routes(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    ))?;
    let Some(interface) = net::interface(space).and_then(|card| card.ipv4) else {
        return Ok(());
    };
    let none = Ipv4Address::UNSPECIFIED;
    if let Some(gateway) = interface.gateway {
        route(out, none, gateway, UP | BY_GATEWAY, none)?;
    }
    let network = interface.address.network();
    route(out, network.address(), none, UP, network.netmask())
}

fn route(
    out: &mut Text<'_>,
    to: Ipv4Address,
    gateway: Ipv4Address,
    flags: u16,
    mask: Ipv4Address,
) -> Result<()> {
    let (to, gateway, mask) = (word(to), word(gateway), word(mask));
    out.put(format_args!(
        "eth0\t{to:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t0\t{mask:08X}\t0\t0\t0\n"
    ))
}

/// Addresses of IPv6: with the interface's number, the prefix's length, the
/// scope (`IPV6_ADDR_LOOPBACK`, `_LINKLOCAL`, `_SITELOCAL`, or global) and the
/// flags (`IFA_F_PERMANENT`).
pub fn addresses6(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    net::interfaces::of(space).addresses(&mut |own| {
        let IpAddr::V6(address) = own.address else {
            return Ok(());
        };
        for octet in address.octets() {
            out.put(format_args!("{octet:02x}"))?;
        }
        let scope = match own.scope {
            RT_SCOPE_HOST => 0x10,
            RT_SCOPE_LINK => 0x20,
            RT_SCOPE_SITE => 0x40,
            _ => 0,
        };
        let Address {
            link, prefix, name, ..
        } = own;
        out.put(format_args!(
            " {link:02x} {prefix:02x} {scope:02x} 80 {name:>8}\n"
        ))
    })
}

/// What has gone through each interface.
pub fn devices(space: &Arc<NetSpace>, out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets \
         errs drop fifo colls carrier compressed\n"
    ))?;
    for (name, received, sent) in net::traffic(space).into_iter().flatten() {
        out.put(format_args!(
            "{name:>6}: {:7} {:7}    0 {:4}    0     0          0         0 {:8} {:7}    0 {:4}    0     0       0          0\n",
            received.bytes, received.packets, received.lost, sent.bytes, sent.packets, sent.lost
        ))?;
    }
    Ok(())
}

//! The ioctls of sockets about interfaces (netdevice(7)). They set interfaces up and
//! down, and change nothing else.

use super::super::namespaces;
use super::{Call, socket_of};
use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::net::interfaces::{self, Now};
use crate::process::net_space::NetNamespace;
use crate::user_memory::UserPtr;
use core::net::IpAddr;
use paddock_abi::socket::AF_INET;
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_netlink::{Address, Link, Network, set_flags};
use paddock_vfs::OpenFile;

/// `SIOC...` of `<linux/sockios.h>`.
mod sioc {
    pub const GIFNAME: u32 = 0x8910;
    pub const GIFCONF: u32 = 0x8912;
    pub const GIFFLAGS: u32 = 0x8913;
    pub const SIFFLAGS: u32 = 0x8914;
    pub const GIFADDR: u32 = 0x8915;
    pub const GIFDSTADDR: u32 = 0x8917;
    pub const GIFBRDADDR: u32 = 0x8919;
    pub const GIFNETMASK: u32 = 0x891b;
    pub const GIFMETRIC: u32 = 0x891d;
    pub const GIFMTU: u32 = 0x8921;
    pub const GIFHWADDR: u32 = 0x8927;
    pub const GIFINDEX: u32 = 0x8933;
    pub const GIFTXQLEN: u32 = 0x8942;
    pub const GSKNS: u32 = 0x894c;
    pub const GIFMAP: u32 = 0x8970;
}

/// What changes interfaces, routes and neighbours: `SIOCADDRT`, `SIOCDELRT`,
/// `SIOCSIF...`, `SIOCDIFADDR`, `SIOCSARP`, `SIOCDARP`.
const CHANGES: [u32; 16] = [
    0x890b, 0x890c, 0x8914, 0x8916, 0x8918, 0x891a, 0x891c, 0x891e, 0x8922, 0x8923, 0x8924, 0x8936,
    0x8943, 0x8953, 0x8955, 0x8971,
];

/// Bytes of `struct ifreq`, and of the name it begins with.
const REQUEST: usize = 40;
const NAME: usize = 16;
/// Bytes of a name and a `struct sockaddr_in`, and of the whole of it.
type Entry = [u8; REQUEST];

/// One of these ioctls; `None` for others, and for what is no socket.
pub fn ioctl(call: &Call<'_>, file: &OpenFile, command: u32) -> Option<Result<u64>> {
    let is_change = CHANGES.contains(&command);
    let is_question = matches!(
        command,
        sioc::GIFCONF | sioc::GSKNS | sioc::GIFNAME | sioc::GIFFLAGS
            ..=sioc::GIFMETRIC
                | sioc::GIFMTU
                | sioc::GIFHWADDR
                | sioc::GIFINDEX
                | sioc::GIFTXQLEN
                | sioc::GIFMAP
    );
    if !is_change && !is_question {
        return None;
    }
    let space = socket_of(file).ok()?.space_or_own();
    let network = interfaces::of(&space);
    Some(match command {
        _ if is_change && !call.capable_in(space.owner(), Cap::CAP_NET_ADMIN) => Err(Errno::EPERM),
        sioc::SIFFLAGS => change_flags(&network, call.word(2)),
        _ if is_change => Err(Errno::EOPNOTSUPP),
        sioc::GSKNS => namespaces::of_socket(call, &space),
        sioc::GIFCONF => list(&network, call.word(2)),
        _ => one(&network, call.word(2), command),
    })
}

/// SIOCSIFFLAGS: up, or down. `ENODEV`, `EOPNOTSUPP`.
fn change_flags(network: &Now, pointer: u64) -> Result<u64> {
    let mut entry: Entry = [0; REQUEST];
    copy_from_user(&mut entry, pointer)?;
    let link = find_named(network, &entry)?;
    let wanted = u32::from(u16::from_le_bytes([entry[NAME], entry[NAME + 1]]));
    set_flags(&link, link.flags & !0xffff | wanted, network)?;
    Ok(0)
}

fn named(name: &str) -> Entry {
    let mut entry = [0; REQUEST];
    entry[..name.len()].copy_from_slice(name.as_bytes());
    entry
}

/// A `struct sockaddr_in` at the place of what is asked for. `EADDRNOTAVAIL`
/// for what is no address of IPv4.
fn put_address(entry: &mut Entry, address: Option<IpAddr>) -> Result<()> {
    let Some(IpAddr::V4(address)) = address else {
        return Err(Errno::EADDRNOTAVAIL);
    };
    entry[NAME..NAME + 2].copy_from_slice(&AF_INET.to_le_bytes());
    entry[NAME + 4..NAME + 8].copy_from_slice(&address.octets());
    Ok(())
}

/// SIOCGIFCONF: all addresses of IPv4.
fn list(network: &Now, pointer: u64) -> Result<u64> {
    let length = UserPtr::<i32>::new(pointer);
    let buffer = UserPtr::<u64>::new(pointer.checked_add(8).ok_or(Errno::EFAULT)?).read()?;
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    let mut used = 0;
    network.addresses(&mut |own| {
        if own.address.is_ipv6() || buffer != 0 && used + REQUEST > room {
            return Ok(());
        }
        let mut entry = named(own.name);
        put_address(&mut entry, Some(own.address))?;
        if buffer != 0 {
            let to = buffer.checked_add(used as u64).ok_or(Errno::EFAULT)?;
            copy_to_user(to, &entry)?;
        }
        used += REQUEST;
        Ok(())
    })?;
    length.write(&(used as i32))?;
    Ok(0)
}

/// What is asked of one interface. `ENODEV` if there is none of the name.
fn one(network: &Now, pointer: u64, command: u32) -> Result<u64> {
    let mut entry: Entry = [0; REQUEST];
    copy_from_user(&mut entry, pointer)?;
    let index = u32::from_le_bytes([entry[16], entry[17], entry[18], entry[19]]);
    let link = match command {
        sioc::GIFNAME => find(network, |link| link.index == index)?,
        _ => find_named(network, &entry)?,
    };
    entry[NAME..].fill(0);
    fill(network, &mut entry, command, &link)?;
    copy_to_user(pointer, &entry)?;
    Ok(0)
}

/// The interface of the name that a request begins with. `ENODEV`.
fn find_named(network: &Now, entry: &Entry) -> Result<Link> {
    let name = &entry[..NAME];
    // A label of an address stands for its interface.
    let name = name.split(|&byte| byte == 0 || byte == b':').next();
    find(network, |link| Some(link.name.as_bytes()) == name)
}

fn find(network: &Now, is_it: impl Fn(&Link) -> bool) -> Result<Link> {
    let mut found = None;
    network.links(&mut |link| {
        if is_it(link) {
            found = Some(*link);
        }
        Ok(())
    })?;
    found.ok_or(Errno::ENODEV)
}

fn address_of(network: &Now, link: &Link) -> Result<Address> {
    let mut found = None;
    network.addresses(&mut |own| {
        if own.link == link.index && own.address.is_ipv4() {
            found = found.or(Some(*own));
        }
        Ok(())
    })?;
    found.ok_or(Errno::EADDRNOTAVAIL)
}

fn fill(network: &Now, entry: &mut Entry, command: u32, link: &Link) -> Result<()> {
    let mut number = |value: u32| entry[NAME..NAME + 4].copy_from_slice(&value.to_le_bytes());
    match command {
        sioc::GIFNAME => {
            let index = link.index;
            *entry = named(link.name);
            entry[NAME..NAME + 4].copy_from_slice(&index.to_le_bytes());
        }
        // A short: what is beyond it has no room.
        sioc::GIFFLAGS => number(link.flags & 0xffff),
        sioc::GIFMETRIC => number(0),
        sioc::GIFMTU => number(link.mtu),
        sioc::GIFINDEX => number(link.index),
        sioc::GIFTXQLEN => number(1000),
        sioc::GIFMAP => {}
        sioc::GIFHWADDR => {
            entry[NAME..NAME + 2].copy_from_slice(&link.kind.to_le_bytes());
            entry[NAME + 2..NAME + 8].copy_from_slice(&link.hardware);
        }
        sioc::GIFADDR | sioc::GIFDSTADDR => {
            put_address(entry, Some(address_of(network, link)?.address))?
        }
        sioc::GIFBRDADDR => put_address(entry, address_of(network, link)?.broadcast)?,
        sioc::GIFNETMASK => {
            let bits = u32::from(address_of(network, link)?.prefix);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            put_address(entry, Some(IpAddr::from(mask.to_be_bytes())))?;
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

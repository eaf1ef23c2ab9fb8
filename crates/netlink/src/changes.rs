//! Requests that change something (rtnetlink(7)): links are set up and down, and have
//! addresses added and taken away. Nothing is told to others.

use crate::Told;
use crate::message::{Header, attribute};
use crate::network::{Link, Network};
use core::net::IpAddr;
use paddock_abi::socket::{AF_INET, AF_INET6};
use paddock_abi::{Errno, Result};

/// `RTM_...` of `<linux/rtnetlink.h>`.
mod change {
    pub const NEW_LINK: u16 = 16;
    pub const DELETE_LINK: u16 = 17;
    pub const SET_LINK: u16 = 19;
    pub const NEW_ADDRESS: u16 = 20;
    pub const DELETE_ADDRESS: u16 = 21;
}

/// `NLM_F_REPLACE`, `NLM_F_EXCL` and `NLM_F_CREATE` of `<linux/netlink.h>`.
const REPLACE: u16 = 0x100;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;

/// `IFF_UP`, and the other flags of `<linux/if.h>` that can be set: `IFF_DEBUG`,
/// `IFF_NOTRAILERS`, `IFF_NOARP`, `IFF_PROMISC`, `IFF_ALLMULTI`, `IFF_MULTICAST`,
/// `IFF_PORTSEL`, `IFF_AUTOMEDIA`, `IFF_DYNAMIC`.
const UP: u32 = 1;
const OTHERS: u32 = 0x4 | 0x20 | 0x80 | 0x100 | 0x200 | 0x1000 | 0x2000 | 0x4000 | 0x8000;

/// `IFLA_IFNAME`, `IFLA_MTU` and `IFLA_EXT_MASK`; `IFA_ADDRESS` and `IFA_LOCAL`.
const NAME: u16 = 3;
const MTU: u16 = 4;
const EXTENDED: u16 = 29;
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;

/// Does what a request asks for.
///
/// # Errors
/// `EINVAL` for what makes no sense, `ENODEV` for an interface that is not there,
/// `EEXIST` and `EADDRNOTAVAIL` for an address that is there, or is not; `EOPNOTSUPP` for
/// what cannot be changed.
pub fn make(header: &Header, body: &[u8], network: &dyn Network) -> Result<Told> {
    match header.kind {
        change::NEW_LINK | change::SET_LINK => set_link(header, body, network)?,
        change::DELETE_LINK => {
            let (head, attributes) = split::<16>(body)?;
            find(index(&head), attributes, network)?;
            return Err(Errno::EOPNOTSUPP);
        }
        change::NEW_ADDRESS => {
            let (link, address, prefix) = parse_address(body, network)?;
            match network.add_address(link, address, prefix) {
                Err(Errno::EEXIST) if header.flags & (REPLACE | EXCLUSIVE) == REPLACE => {}
                result => result?,
            }
        }
        change::DELETE_ADDRESS => {
            let (link, address, prefix) = parse_address(body, network)?;
            network.remove_address(link, address, prefix)?;
        }
        _ => return Err(Errno::EOPNOTSUPP),
    }
    Ok(Told::One)
}

/// The structure in front, and the attributes. `EINVAL`.
fn split<const N: usize>(body: &[u8]) -> Result<([u8; N], &[u8])> {
    let (head, rest) = body.split_first_chunk::<N>().ok_or(Errno::EINVAL)?;
    Ok((*head, rest))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    word.map_or(0, |word| u32::from_ne_bytes(*word))
}

/// The interface's number in `struct ifinfomsg` and `struct ifaddrmsg`.
fn index(head: &[u8]) -> u32 {
    word(head, 4)
}

fn text(data: &[u8]) -> &[u8] {
    data.split(|&byte| byte == 0).next().unwrap_or(&[])
}

/// The interface of a number, or of the name among the attributes. `EINVAL` without
/// either, `ENODEV`.
pub fn find(index: u32, attributes: &[u8], network: &dyn Network) -> Result<Link> {
    let name = attribute(attributes, NAME).map(text);
    if index == 0 && name.is_none() || index > i32::MAX as u32 {
        return Err(Errno::EINVAL);
    }
    let mut found = None;
    network.links(&mut |link| {
        let is_it = match index {
            0 => name == Some(link.name.as_bytes()),
            index => link.index == index,
        };
        if is_it {
            found = found.or(Some(*link));
        }
        Ok(())
    })?;
    found.ok_or(Errno::ENODEV)
}

/// `RTM_NEWLINK` and `RTM_SETLINK`: up or down. No interface is made.
fn set_link(header: &Header, body: &[u8], network: &dyn Network) -> Result<()> {
    let (head, attributes) = split::<16>(body)?;
    let is_new = header.kind == change::NEW_LINK;
    let link = match find(index(&head), attributes, network) {
        // Of no kind that there is.
        Err(Errno::ENODEV) if is_new && header.flags & CREATE != 0 => {
            return Err(Errno::EOPNOTSUPP);
        }
        found => found?,
    };
    if is_new && header.flags & EXCLUSIVE != 0 {
        return Err(Errno::EEXIST);
    }
    if is_new && header.flags & REPLACE != 0 || !keeps(attributes, &link) {
        return Err(Errno::EOPNOTSUPP);
    }
    let (given, mask) = (word(&head, 8), word(&head, 12));
    let wanted = match (given, mask) {
        (0, 0) => return Ok(()),
        (given, 0) => given,
        (given, mask) => given & mask | link.flags & !mask,
    };
    set_flags(&link, wanted, network)
}

/// Has an interface up or down as `wanted` (`IFF_...`) says. `EOPNOTSUPP` if it says
/// another thing of what else could be set.
pub fn set_flags(link: &Link, wanted: u32, network: &dyn Network) -> Result<()> {
    let changed = wanted ^ link.flags;
    if changed & OTHERS & wanted != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    match changed & UP {
        0 => Ok(()),
        _ => network.set_up(link.index, wanted & UP != 0),
    }
}

/// Whether the attributes leave an interface as it is.
fn keeps(mut bytes: &[u8], link: &Link) -> bool {
    while let Some(&[a, b, c, d]) = bytes.first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(data) = bytes.get(4..length) else {
            return true;
        };
        let same = match u16::from_ne_bytes([c, d]) {
            NAME => text(data) == link.name.as_bytes(),
            MTU => word(data, 0) == link.mtu,
            EXTENDED => true,
            _ => false,
        };
        if !same {
            return false;
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    true
}

/// The interface, the address and the bits of its network in `struct ifaddrmsg` and
/// behind it.
fn parse_address(body: &[u8], network: &dyn Network) -> Result<(u32, IpAddr, u8)> {
    let (head, attributes) = split::<8>(body)?;
    let (local, other) = (attribute(attributes, LOCAL), attribute(attributes, ADDRESS));
    let (address, most) = match u16::from(head[0]) {
        AF_INET => (octets::<4>(local)?.into(), 32),
        AF_INET6 => (octets::<16>(local.or(other))?.into(), 128),
        _ => return Err(Errno::EOPNOTSUPP),
    };
    let prefix = head[1];
    if prefix > most {
        return Err(Errno::EINVAL);
    }
    let link = index(&head);
    match link {
        0 => return Err(Errno::ENODEV),
        link => find(link, &[], network)?,
    };
    // Of two ends, the other one.
    if local.is_some() && other.is_some_and(|other| Some(other) != local) {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok((link, address, prefix))
}

fn octets<const N: usize>(data: Option<&[u8]>) -> Result<[u8; N]> {
    let data = data.ok_or(Errno::EINVAL)?;
    data.try_into().map_err(|_| Errno::EINVAL)
}

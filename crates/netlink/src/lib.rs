//! NETLINK_ROUTE (rtnetlink(7)): requests in, answers out, about a network that is
//! described by a [`Network`]. Of what can be changed, interfaces are set up and down
//! and have their addresses changed; the rest is refused.

#![cfg_attr(all(target_os = "none", not(test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod changes;
mod message;
mod network;
mod objects;

pub use changes::set_flags;
pub use network::{
    Address, Link, Neighbour, Network, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_SITE,
    RT_SCOPE_UNIVERSE, Route, Traffic,
};

use alloc::vec::Vec;
use core::net::IpAddr;
use message::{Answers, HEADER, Header, attribute, flags, kind};
use paddock_abi::{Errno, Result};

/// `RTM_GETLINK`, `RTM_GETADDR`, `RTM_GETROUTE` and `RTM_GETNEIGH` of
/// `<linux/rtnetlink.h>`; answers have the number of `RTM_NEW...`.
mod get {
    pub const LINK: u16 = 18;
    pub const ADDRESS: u16 = 22;
    pub const ROUTE: u16 = 26;
    pub const NEIGHBOUR: u16 = 30;
}

/// The first kind that is a request about routes and the like; four in a row
/// make, remove, tell of and change the same kind of object.
const FIRST: u16 = 16;

/// Answers all requests of a datagram that a socket numbered `port` has sent.
/// `may_change` is whether the sender has CAP_NET_ADMIN.
///
/// # Errors
/// `ENOMEM`. What is wrong with a request is told in its answer.
pub fn answer(
    mut requests: &[u8],
    port: u32,
    may_change: bool,
    network: &dyn Network,
) -> Result<Vec<Vec<u8>>> {
    let mut answers = Answers::new(port);
    while let Some((header, body)) = Header::parse(requests) {
        let length = header.length as usize;
        if header.flags & flags::REQUEST != 0 && header.kind >= FIRST {
            answers.begin(&header);
            let result = one(&header, body, may_change, network, &mut answers);
            match result {
                Err(Errno::ENOMEM) => return Err(Errno::ENOMEM),
                Err(error) => answers.error(&requests[..length], error)?,
                Ok(Told::All) => answers.done()?,
                Ok(Told::One) if header.flags & flags::ACK != 0 => {
                    answers.acknowledge(&requests[..HEADER])?;
                }
                Ok(Told::One) => {}
            }
        }
        let next = length.next_multiple_of(4).min(requests.len());
        requests = &requests[next..];
    }
    answers.finish()
}

/// What a request was answered with.
enum Told {
    One,
    All,
}

fn one(
    header: &Header,
    body: &[u8],
    may_change: bool,
    network: &dyn Network,
    answers: &mut Answers,
) -> Result<Told> {
    let tells = (header.kind - FIRST) % 4 == 2;
    match tells {
        true => {}
        false if may_change => return changes::make(header, body, network),
        false => return Err(Errno::EPERM),
    }
    let family = *body.first().ok_or(Errno::EINVAL)?;
    let dumps = header.flags & flags::DUMP == flags::DUMP;
    match (header.kind, dumps) {
        (get::LINK, true) => network.links(&mut |link| answers.link(link))?,
        (get::ADDRESS, true) => network.addresses(&mut |address| {
            answers.if_of(family, address.address, |answers| answers.address(address))
        })?,
        (get::ROUTE, true) => network
            .routes(&mut |route| answers.if_of(family, route.to, |answers| answers.route(route)))?,
        (get::NEIGHBOUR, true) => network.neighbours(&mut |neighbour| {
            answers.if_of(family, neighbour.address, |answers| {
                answers.neighbour(neighbour)
            })
        })?,
        (get::LINK, false) => return link(body, network, answers),
        (get::ROUTE, false) => return route(body, network, answers),
        _ => return Err(Errno::EOPNOTSUPP),
    }
    Ok(Told::All)
}

/// Bytes of `struct ifinfomsg` and `struct rtmsg`.
const LINK_BODY: usize = 16;
const ROUTE_BODY: usize = 12;

/// The link of a number or a name. `EINVAL`, `ENODEV`.
fn link(body: &[u8], network: &dyn Network, answers: &mut Answers) -> Result<Told> {
    let attributes = body.get(LINK_BODY..).ok_or(Errno::EINVAL)?;
    let index = u32::from_ne_bytes([body[4], body[5], body[6], body[7]]);
    answers.link(&changes::find(index, attributes, network)?)?;
    Ok(Told::One)
}

/// The way to an address. `EINVAL`, `ENETUNREACH`.
fn route(body: &[u8], network: &dyn Network, answers: &mut Answers) -> Result<Told> {
    let attributes = body.get(ROUTE_BODY..).ok_or(Errno::EINVAL)?;
    let to = attribute(attributes, kind::ROUTE_TO).ok_or(Errno::EINVAL)?;
    let to = match (u16::from(body[0]), to.len()) {
        (paddock_abi::socket::AF_INET, 4) => {
            let octets: [u8; 4] = to.try_into().map_err(|_| Errno::EINVAL)?;
            IpAddr::from(octets)
        }
        (paddock_abi::socket::AF_INET6, 16) => {
            let octets: [u8; 16] = to.try_into().map_err(|_| Errno::EINVAL)?;
            IpAddr::from(octets)
        }
        _ => return Err(Errno::EINVAL),
    };
    let route = network.route(to).ok_or(Errno::ENETUNREACH)?;
    answers.route(&route)?;
    Ok(Told::One)
}

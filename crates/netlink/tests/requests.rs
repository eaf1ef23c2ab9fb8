//! Requests and what comes back.

use paddock_abi::{Errno, Result};
use paddock_netlink::{Address, Link, Neighbour, Network, Route, Traffic, answer};
use proptest::prelude::*;
use std::cell::RefCell;
use std::net::IpAddr;

/// A card, so many addresses, and a way out; what was changed.
struct Machine(u32, RefCell<Vec<Change>>);

/// A change of the card.
#[derive(Debug, PartialEq)]
enum Change {
    Up(bool),
    Added(IpAddr, u8),
    Removed(IpAddr, u8),
}

fn machine(addresses: u32) -> Machine {
    Machine(addresses, RefCell::default())
}

const CARD: Link = Link {
    index: 2,
    name: "eth0",
    kind: 1,
    flags: 0x11043,
    mtu: 1500,
    hardware: [2, 0, 0, 0, 0, 1],
    broadcast: [255; 6],
    received: Traffic {
        packets: 1,
        bytes: 2,
        lost: 3,
    },
    sent: Traffic {
        packets: 4,
        bytes: 5,
        lost: 6,
    },
};

fn address(number: u32) -> IpAddr {
    IpAddr::from((0x0a00_0000 + number).to_be_bytes())
}

impl Network for Machine {
    fn links(&self, take: &mut dyn FnMut(&Link) -> Result<()>) -> Result<()> {
        take(&CARD)
    }

    fn addresses(&self, take: &mut dyn FnMut(&Address) -> Result<()>) -> Result<()> {
        let six: IpAddr = "fe80::1".parse().unwrap();
        for address in (0..self.0).map(address).chain([six]) {
            take(&Address {
                link: 2,
                name: "eth0",
                address,
                prefix: 24,
                scope: 0,
                broadcast: None,
            })?;
        }
        Ok(())
    }

    fn routes(&self, take: &mut dyn FnMut(&Route) -> Result<()>) -> Result<()> {
        take(&self.route(address(0)).unwrap())
    }

    fn neighbours(&self, _: &mut dyn FnMut(&Neighbour) -> Result<()>) -> Result<()> {
        Ok(())
    }

    fn route(&self, to: IpAddr) -> Option<Route> {
        to.is_ipv4().then_some(Route {
            to,
            prefix: 32,
            gateway: Some(address(1)),
            source: Some(address(2)),
            link: 2,
            protocol: 3,
            is_local: false,
        })
    }

    fn set_up(&self, link: u32, up: bool) -> Result<()> {
        assert_eq!(link, 2);
        self.1.borrow_mut().push(Change::Up(up));
        Ok(())
    }

    fn add_address(&self, link: u32, added: IpAddr, prefix: u8) -> Result<()> {
        assert_eq!(link, 2);
        if added == address(0) {
            return Err(Errno::EEXIST);
        }
        self.1.borrow_mut().push(Change::Added(added, prefix));
        Ok(())
    }

    fn remove_address(&self, link: u32, address: IpAddr, prefix: u8) -> Result<()> {
        assert_eq!(link, 2);
        self.1.borrow_mut().push(Change::Removed(address, prefix));
        Ok(())
    }
}

const DUMP: u16 = 0x301;

fn request(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((16 + body.len() as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(77u32.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// Kinds and bodies of all messages, whose headers are checked.
fn messages(datagrams: &[Vec<u8>], flags: u16) -> Vec<(u16, Vec<u8>)> {
    let mut all = Vec::new();
    for mut rest in datagrams.iter().map(|datagram| &datagram[..]) {
        assert!(rest.len() <= 4096);
        while !rest.is_empty() {
            let word = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().unwrap());
            let half = |at: usize| u16::from_ne_bytes(rest[at..at + 2].try_into().unwrap());
            assert_eq!((half(6), word(8), word(12)), (flags, 77, 5));
            let length = word(0) as usize;
            assert_eq!(length % 4, 0);
            all.push((half(4), rest[16..length].to_vec()));
            rest = &rest[length..];
        }
    }
    all
}

fn ask(request: &[u8], flags: u16) -> Vec<(u16, Vec<u8>)> {
    messages(&answer(request, 5, false, &machine(300)).unwrap(), flags)
}

/// The error of an answer that is one.
fn error(request: &[u8], may_change: bool) -> i32 {
    let answers = answer(request, 5, may_change, &machine(1)).unwrap();
    let all = messages(&answers, 0);
    assert_eq!((all.len(), all[0].0), (1, 2));
    assert!(all[0].1[4..].starts_with(request));
    -i32::from_ne_bytes(all[0].1[..4].try_into().unwrap())
}

#[test]
fn dumps_are_split_and_ended() {
    let all = ask(&request(22, DUMP, &[0; 8]), 2);
    assert_eq!(all.len(), 302);
    assert_eq!(all[301], (3, vec![0; 4]));
    assert!(all[..301].iter().all(|(kind, _)| *kind == 20));
    assert_eq!(&all[7].1[12..16], [10, 0, 0, 7]);
    let six = ask(&request(22, DUMP, &[10, 0, 0, 0, 0, 0, 0, 0]), 2);
    assert_eq!(six.len(), 2);
}

#[test]
fn links_are_found_by_number_and_name() {
    let mut by_number = [0; 16];
    by_number[4] = 2;
    let mut by_name = vec![0; 16];
    by_name.extend([9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0]);
    for body in [&by_number[..], &by_name] {
        let all = ask(&request(18, 1, body), 0);
        assert_eq!((all.len(), all[0].0), (1, 16));
        assert_eq!(&all[0].1[4..8], [2, 0, 0, 0]);
    }
    by_number[4] = 3;
    let missing = request(18, 1, &by_number);
    assert_eq!(error(&missing, false), Errno::ENODEV.number());
    let nothing = request(18, 1, &[0; 16]);
    assert_eq!(error(&nothing, false), Errno::EINVAL.number());
}

#[test]
fn the_way_to_an_address() {
    let mut body = vec![2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    body.extend([8, 0, 1, 0, 1, 1, 1, 1]);
    let all = ask(&request(26, 1, &body), 0);
    assert_eq!((all.len(), all[0].0), (1, 24));
    body[0] = 10;
    assert_eq!(error(&request(26, 1, &body), false), Errno::EINVAL.number());
    let six = [[20, 0, 1, 0].as_slice(), &[0; 16]].concat();
    body.splice(12.., six);
    let no_way = error(&request(26, 1, &body), false);
    assert_eq!(no_way, Errno::ENETUNREACH.number());
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let on_card = link(2, 0, 0, &[]);
    for kind in [16, 17, 19, 20, 24, 28] {
        let change = request(kind, 5, &on_card);
        assert_eq!(error(&change, false), Errno::EPERM.number());
    }
    for kind in [17, 24, 25, 28, 32] {
        let change = request(kind, 5, &on_card);
        assert_eq!(error(&change, true), Errno::EOPNOTSUPP.number());
    }
    let rules = request(34, DUMP, &[0; 12]);
    assert_eq!(error(&rules, false), Errno::EOPNOTSUPP.number());
    // What asks for nothing gets nothing.
    let silent = request(22, 0, &[0; 8]);
    assert!(answer(&silent, 5, false, &machine(1)).unwrap().is_empty());
}

fn link(index: u32, flags: u32, mask: u32, attributes: &[u8]) -> Vec<u8> {
    let words = [0, index, flags, mask].map(u32::to_ne_bytes);
    [words.as_flattened(), attributes].concat()
}

/// `struct ifaddrmsg` and an attribute that is an address.
fn with_address(family: u8, prefix: u8, index: u8, kind: u16, octets: &[u8]) -> Vec<u8> {
    let mut body = vec![family, prefix, 0, 0, index, 0, 0, 0];
    body.extend((4 + octets.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(octets);
    body
}

/// What a request of somebody who may has changed, or its error.
fn changed(request: &[u8]) -> core::result::Result<Vec<Change>, i32> {
    let machine = machine(1);
    let answers = answer(request, 5, true, &machine).unwrap();
    // An acknowledgement is capped.
    let flags = u16::from_ne_bytes(answers[0][6..8].try_into().unwrap());
    let all = messages(&answers, flags);
    match -i32::from_ne_bytes(all[0].1[..4].try_into().unwrap()) {
        0 => Ok(machine.1.into_inner()),
        error => Err(error),
    }
}

#[test]
fn links_are_set_up_and_down() {
    const UP: u32 = 1;
    let set = |flags, mask| changed(&request(16, 5, &link(2, flags, mask, &[])));
    assert_eq!(set(0, UP), Ok(vec![Change::Up(false)]));
    assert_eq!(set(0, 0), Ok(vec![]));
    // It is up.
    assert_eq!(set(UP, UP), Ok(vec![]));
    // Promiscuous.
    assert_eq!(set(0x100, 0x100), Err(Errno::EOPNOTSUPP.number()));
    let named = [12, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0];
    let down = changed(&request(19, 5, &link(0, 0, UP, &named)));
    assert_eq!(down, Ok(vec![Change::Up(false)]));
    let other_mtu = [8, 0, 4, 0, 1, 0, 0, 0];
    let refused = changed(&request(19, 5, &link(2, 0, UP, &other_mtu)));
    assert_eq!(refused, Err(Errno::EOPNOTSUPP.number()));
    assert_eq!(
        changed(&request(16, 5, &link(9, 0, UP, &[]))),
        Err(Errno::ENODEV.number())
    );
    // A new one (NLM_F_CREATE).
    assert_eq!(
        changed(&request(16, 0x605, &link(9, 0, UP, &[]))),
        Err(Errno::EOPNOTSUPP.number())
    );
    assert_eq!(
        changed(&request(16, 5, &[0; 15])),
        Err(Errno::EINVAL.number())
    );
}

#[test]
fn addresses_are_added_and_removed() {
    let new = with_address(2, 8, 2, 2, &[10, 0, 0, 9]);
    let added = Ok(vec![Change::Added(address(9), 8)]);
    assert_eq!(changed(&request(20, 0x605, &new)), added);
    let removed = Ok(vec![Change::Removed(address(9), 8)]);
    assert_eq!(changed(&request(21, 5, &new)), removed);
    let six = with_address(10, 128, 2, 1, &[0; 16]);
    assert!(changed(&request(20, 5, &six)).is_ok());
    let there = with_address(2, 8, 2, 2, &[10, 0, 0, 0]);
    assert_eq!(
        changed(&request(20, 0x605, &there)),
        Err(Errno::EEXIST.number())
    );
    // With NLM_F_REPLACE.
    assert_eq!(changed(&request(20, 0x105, &there)), Ok(vec![]));
    for (bad, why) in [
        (with_address(2, 33, 2, 2, &[10, 0, 0, 9]), Errno::EINVAL),
        (with_address(2, 8, 2, 1, &[10, 0, 0, 9]), Errno::EINVAL),
        (with_address(2, 8, 2, 2, &[10, 0, 0]), Errno::EINVAL),
        (with_address(2, 8, 9, 2, &[10, 0, 0, 9]), Errno::ENODEV),
        (with_address(3, 8, 2, 2, &[10, 0, 0, 9]), Errno::EOPNOTSUPP),
    ] {
        assert_eq!(changed(&request(20, 5, &bad)), Err(why.number()));
    }
}

proptest! {
    #[test]
    fn nothing_breaks_it(kind in 0u16..40, flags: u16, body in prop::collection::vec(any::<u8>(), 0..80), tail in prop::collection::vec(any::<u8>(), 0..40), length in 0u32..120) {
        let mut bytes = request(kind, flags, &body);
        if length < 100 {
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
        }
        bytes.extend(tail);
        for datagram in answer(&bytes, 5, flags & 8 != 0, &machine(3)).unwrap() {
            prop_assert!(datagram.len() % 4 == 0);
        }
    }
}

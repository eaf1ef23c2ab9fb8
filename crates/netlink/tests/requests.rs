//! Requests and what comes back.

use paddock_abi::{Errno, Result};
use paddock_netlink::{Address, Link, Neighbour, Network, Route, Traffic, answer};
use proptest::prelude::*;
use std::net::IpAddr;

/// A card, so many addresses, and a way out.
struct Machine(u32);

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
    messages(&answer(request, 5, false, &Machine(300)).unwrap(), flags)
}

/// The error of an answer that is one.
fn error(request: &[u8], may_change: bool) -> i32 {
    let answers = answer(request, 5, may_change, &Machine(1)).unwrap();
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
fn nothing_is_changed_and_that_is_said() {
    for kind in [16, 17, 19, 20, 24, 28] {
        let change = request(kind, 5, &[0; 16]);
        assert_eq!(error(&change, false), Errno::EPERM.number());
        assert_eq!(error(&change, true), Errno::EOPNOTSUPP.number());
    }
    let rules = request(34, DUMP, &[0; 12]);
    assert_eq!(error(&rules, false), Errno::EOPNOTSUPP.number());
    // What asks for nothing gets nothing.
    let silent = request(22, 0, &[0; 8]);
    assert!(answer(&silent, 5, false, &Machine(1)).unwrap().is_empty());
}

proptest! {
    #[test]
    fn nothing_breaks_it(kind in 0u16..40, flags: u16, body in prop::collection::vec(any::<u8>(), 0..80), tail in prop::collection::vec(any::<u8>(), 0..40), length in 0u32..120) {
        let mut bytes = request(kind, flags, &body);
        if length < 100 {
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
        }
        bytes.extend(tail);
        for datagram in answer(&bytes, 5, false, &Machine(3)).unwrap() {
            prop_assert!(datagram.len() % 4 == 0);
        }
    }
}

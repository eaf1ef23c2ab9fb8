//! rtnetlink(7): an interface set up and down, its addresses added and removed.
use super::{flags_of, inet, with_address};
use crate::cases::contracts::prelude::*;

const CREATE_NEW: i32 = NLM_F_CREATE | NLM_F_EXCL;

/// What the acknowledgement of a request says.
fn ask(fd: i32, kind: u16, flags: i32, body: &[u8]) -> Result<(), Errno> {
    let flags = (NLM_F_REQUEST | NLM_F_ACK | flags) as u16;
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    sys::write_all(fd, &bytes)?;
    let mut answer = [0; 1024];
    sys::read(fd, &mut answer)?;
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        error => Err(Errno(-error)),
    }
}

/// `struct ifinfomsg`.
fn link(index: i32, flags: i32, change: i32) -> Vec<u8> {
    [0, index, flags, change].map(i32::to_ne_bytes).concat()
}

/// `struct ifaddrmsg` with an address of IPv4.
fn address(index: u8, prefix: u8, octets: [u8; 4]) -> Vec<u8> {
    let mut body = vec![AF_INET as u8, prefix, 0, 0, index, 0, 0, 0];
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(8u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(octets);
    }
    body
}

pub fn run(t: &mut Report) -> Outcome {
    apart(t, |t| {
        yes!(t; "a namespace": unshare(CLONE_NEWNET););
        let fd = call!(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))?;
        let inet = inet(SOCK_STREAM)?;
        let up = link(1, IFF_UP, IFF_UP);
        t.refused("without a body", ask(fd, RTM_NEWLINK, 0, &[0; 4]), EINVAL);
        t.refused(
            "none",
            ask(fd, RTM_NEWLINK, 0, &link(9, IFF_UP, IFF_UP)),
            ENODEV,
        );
        t.refused(
            "one that is there",
            ask(fd, RTM_NEWLINK, CREATE_NEW, &up),
            EEXIST,
        );
        t.refused(
            "of a kind that is not",
            ask(fd, RTM_NEWLINK, CREATE_NEW, &link(9, 0, 0)),
            EOPNOTSUPP,
        );
        t.refused(
            "away with it",
            ask(fd, RTM_DELLINK, 0, &link(1, 0, 0)),
            EOPNOTSUPP,
        );
        t.refused(
            "away with none",
            ask(fd, RTM_DELLINK, 0, &link(9, 0, 0)),
            ENODEV,
        );
        let own = address(1, 8, [127, 0, 0, 1]);
        t.works("an address", ask(fd, RTM_NEWADDR, CREATE_NEW, &own));
        t.refused("twice", ask(fd, RTM_NEWADDR, CREATE_NEW, &own), EEXIST);
        t.works("again, replaced", ask(fd, RTM_NEWADDR, NLM_F_REPLACE, &own));
        t.refused(
            "of no interface",
            ask(fd, RTM_NEWADDR, CREATE_NEW, &address(9, 8, [10, 0, 0, 1])),
            ENODEV,
        );
        t.refused(
            "too many bits",
            ask(fd, RTM_NEWADDR, CREATE_NEW, &address(1, 33, [10, 0, 0, 1])),
            EINVAL,
        );
        t.works(
            "can be bound, down",
            with_address(bind, super::inet(SOCK_DGRAM)?, &local_port(0)),
        );
        t.works("up", ask(fd, RTM_NEWLINK, 0, &up));
        t.same("is up", flags_of(inet, "lo").map(|it| it & 0x49), Ok(0x49));
        t.works("up, once more", ask(fd, RTM_SETLINK, 0, &up));
        t.works("its address", with_address(bind, inet, &local_port(0)));
        let more = address(1, 16, [10, 9, 0, 1]);
        t.works("another address", ask(fd, RTM_NEWADDR, CREATE_NEW, &more));
        let there = sockaddr_in {
            sin_addr: in_addr {
                s_addr: u32::from_ne_bytes([10, 9, 0, 1]),
            },
            ..local_port(0)
        };
        t.works(
            "can be bound",
            with_address(bind, super::inet(SOCK_DGRAM)?, &there),
        );
        t.works("and taken away", ask(fd, RTM_DELADDR, 0, &more));
        t.refused("once", ask(fd, RTM_DELADDR, 0, &more), EADDRNOTAVAIL);
        t.refused(
            "is no more",
            with_address(bind, super::inet(SOCK_DGRAM)?, &there),
            EADDRNOTAVAIL,
        );
        t.works("down", ask(fd, RTM_NEWLINK, 0, &link(1, 0, IFF_UP)));
        t.same("is down", flags_of(inet, "lo"), Ok(8));
        t.works("nothing", ask(fd, RTM_NEWLINK, 0, &link(1, 0, 0)));
        become_nobody()?;
        t.refused("who may not", ask(fd, RTM_NEWLINK, 0, &up), EPERM);
        Ok(())
    })
}

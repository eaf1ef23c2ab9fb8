//! What is told of datagrams, and what is said of one: ip(7), ipv6(7), cmsg(3).
use crate::cases::contracts::prelude::*;

const IP: i32 = IPPROTO_IP;
const IP6: i32 = IPPROTO_IPV6;

/// A piece of control data: its level, its kind, its bytes.
type Piece = (i32, i32, Vec<u8>);

/// Bytes of control data in front of a piece's own.
const HEADER: usize = 16;

fn written(pieces: &[Piece]) -> Vec<u8> {
    let mut all = Vec::new();
    for (level, kind, data) in pieces {
        all.extend((HEADER + data.len()).to_le_bytes());
        all.extend(level.to_le_bytes());
        all.extend(kind.to_le_bytes());
        all.extend(data);
        all.resize(all.len().next_multiple_of(8), 0);
    }
    all
}

fn read(mut control: &[u8]) -> Vec<Piece> {
    let number = |bytes: &[u8]| i32::from_le_bytes(bytes.try_into().unwrap_or_default());
    let mut pieces = Vec::new();
    while control.len() >= HEADER {
        let length = number(&control[..4]) as usize;
        let data = control[HEADER..length].to_vec();
        pieces.push((number(&control[8..12]), number(&control[12..16]), data));
        let next = length.next_multiple_of(8).min(control.len());
        control = &control[next..];
    }
    pieces
}

/// A message of one byte, to be sent to or received from an address.
fn message(address: &mut [u8], byte: &mut iovec, control: &mut [u8]) -> msghdr {
    // SAFETY: plain numbers.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = address.as_mut_ptr().cast();
    message.msg_namelen = address.len() as u32;
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control.len() as _;
    message
}

fn send(fd: i32, to: &[u8], pieces: &[Piece]) -> Result<isize, Errno> {
    let (mut to, mut control, mut byte) = (to.to_vec(), written(pieces), *b"x");
    let mut place = iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let header = message(&mut to, &mut place, &mut control);
    call!(sendmsg(fd, &raw const header, MSG_DONTWAIT))
}

/// The sender's address, the flags and the pieces of a message.
fn receive(fd: i32, room: usize) -> Result<(Vec<u8>, i32, Vec<Piece>), Errno> {
    let (mut from, mut control, mut byte) = (vec![0; 28], vec![0; room], *b" ");
    let mut place = iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let mut header = message(&mut from, &mut place, &mut control);
    call!(recvmsg(fd, &raw mut header, 0))?;
    // Its type is another with another C library.
    let length: usize = header.msg_controllen as _;
    Ok((from, header.msg_flags, read(&control[..length])))
}

/// A socket at a port of an address, and its name.
fn bound(family: i32, address: &[u8]) -> Result<(i32, Vec<u8>), Errno> {
    let fd = call!(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0))?;
    let mut name = (family as u16).to_le_bytes().to_vec();
    name.extend([0; 2]);
    name.extend(address);
    name.resize(if family == AF_INET { 16 } else { 28 }, 0);
    let mut length = name.len() as u32;
    call!(bind(fd, name.as_ptr().cast(), length))?;
    call!(getsockname(fd, name.as_mut_ptr().cast(), &raw mut length))?;
    Ok((fd, name))
}

fn set(fd: i32, level: i32, option: i32, value: i32) -> Result<i32, Errno> {
    call!(setsockopt(fd, level, option, (&raw const value).cast(), 4))
}

fn get(fd: i32, level: i32, option: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (-1, 4u32);
    let place = (&raw mut value).cast();
    call!(getsockopt(fd, level, option, place, &raw mut length))?;
    Ok(value)
}

fn switches(t: &mut Report, fd: i32, level: i32, options: &[i32]) {
    for &option in options {
        t.same("off", get(fd, level, option), Ok(0));
        t.works("on", set(fd, level, option, 1));
        t.same("it is", get(fd, level, option), Ok(1));
    }
}

fn word(value: i32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// `struct in_pktinfo`.
fn info(index: i32, source: [u8; 4], to: [u8; 4]) -> Piece {
    let bytes = [word(index), source.to_vec(), to.to_vec()].concat();
    (IP, IP_PKTINFO, bytes)
}

/// `struct in6_pktinfo`.
fn info6(index: i32, address: [u8; 16]) -> Piece {
    (IP6, IPV6_PKTINFO, [address.to_vec(), word(index)].concat())
}

const LOCAL: [u8; 4] = [127, 0, 0, 1];
const SECOND: [u8; 4] = [127, 0, 0, 2];
const LOCAL6: [u8; 20] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn ipv4(t: &mut Report) -> Outcome {
    let (fd, name) = bound(AF_INET, &LOCAL)?;
    let sender = call!(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))?;
    t.same("sent", send(sender, &name, &[]), Ok(1));
    t.same("nothing unasked", receive(fd, 256)?.2, vec![]);
    switches(t, fd, IP, &[IP_PKTINFO, IP_RECVTTL, IP_RECVTOS]);
    set(sender, IP, IP_TTL, 9)?;
    set(sender, IP, IP_TOS, 0x10)?;
    t.same("with options", send(sender, &name, &[]), Ok(1));
    let (ttl, tos) = ((IP, IP_TTL, word(9)), (IP, IP_TOS, vec![0x10]));
    let told = vec![info(1, LOCAL, LOCAL), ttl, tos];
    t.same("all is told", receive(fd, 256)?.2, told);
    let said = [
        info(0, SECOND, [0; 4]),
        (IP, IP_TTL, word(5)),
        (IP, IP_TOS, word(8)),
    ];
    t.same("what is said", send(sender, &name, &said), Ok(1));
    let (from, _, pieces) = receive(fd, 256)?;
    t.same("counts for one", from[4..8].to_vec(), SECOND.to_vec());
    let (ttl, tos) = ((IP, IP_TTL, word(5)), (IP, IP_TOS, vec![8]));
    t.same("all of it", pieces[1..].to_vec(), vec![ttl, tos]);
    t.same("the next", send(sender, &name, &[]), Ok(1));
    let (from, _, pieces) = receive(fd, 256)?;
    t.same("is as ever", from[4..8].to_vec(), LOCAL.to_vec());
    t.same("with its hops", &pieces[1], &(IP, IP_TTL, word(9)));
    t.same("one more", send(sender, &name, &[]), Ok(1));
    let (_, flags, pieces) = receive(fd, 32)?;
    t.same("cut", (flags & MSG_CTRUNC, pieces.len()), (MSG_CTRUNC, 1));
    for (what, piece) in [
        ("no hops", (IP, IP_TTL, word(0))),
        ("too many", (IP, IP_TTL, word(256))),
        ("hops in a byte", (IP, IP_TTL, vec![5])),
        ("a class too large", (IP, IP_TOS, word(256))),
        ("half an address", (IP, IP_PKTINFO, vec![0; 8])),
        ("what is not known", (IP, 99, word(1))),
    ] {
        t.refused(what, send(sender, &name, &[piece]), EINVAL);
    }
    let nowhere = send(sender, &name, &[info(77, [0; 4], [0; 4])]);
    t.refused("an interface that is not there", nowhere, ENODEV);
    let others = send(sender, &name, &[info(0, [192, 0, 2, 1], [0; 4])]);
    t.refused("another machine's address", others, ENETUNREACH);
    let other = send(sender, &name, &[(IPPROTO_TCP, 1, word(1))]);
    t.same("other levels say nothing", other, Ok(1));
    t.refused(
        "options of IPv6",
        set(fd, IP6, IPV6_RECVPKTINFO, 1),
        ENOPROTOOPT,
    );
    Ok(())
}

fn ipv6(t: &mut Report) -> Outcome {
    let (fd, name) = bound(AF_INET6, &[0; 20])?;
    let sender = call!(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0))?;
    let options = [IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS];
    switches(t, fd, IP6, &options);
    let mut to = name.clone();
    to[8..24].copy_from_slice(&LOCAL6[4..]);
    let said = [
        (IP6, IPV6_HOPLIMIT, word(5)),
        (IP6, IPV6_TCLASS, word(0x20)),
    ];
    let mut own = [0; 16];
    own[15] = 1;
    t.same("sent", send(sender, &to, &said), Ok(1));
    let told = [vec![info6(1, own)], said.to_vec()].concat();
    t.same("told", receive(fd, 256)?.2, told);
    t.same(
        "from an address",
        send(sender, &to, &[info6(0, own)]),
        Ok(1),
    );
    t.same(
        "the same",
        receive(fd, 256)?.0[8..24].to_vec(),
        own.to_vec(),
    );
    for (what, piece) in [
        ("too many hops", (IP6, IPV6_HOPLIMIT, word(256))),
        ("fewer than by default", (IP6, IPV6_HOPLIMIT, word(-2))),
        ("a class too large", (IP6, IPV6_TCLASS, word(256))),
        ("half an address", (IP6, IPV6_PKTINFO, vec![0; 8])),
        ("what is not known", (IP6, 199, word(1))),
    ] {
        t.refused(what, send(sender, &to, &[piece]), EINVAL);
    }
    let mut others = own;
    others[..2].copy_from_slice(&[0x20, 0x01]);
    let others = send(sender, &to, &[info6(0, others)]);
    t.refused("another machine's address", others, EINVAL);
    let nowhere = send(sender, &to, &[info6(77, [0; 16])]);
    t.refused("an interface that is not there", nowhere, ENODEV);
    let old = call!(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))?;
    let mut to = vec![AF_INET as u8, 0, name[2], name[3]];
    to.extend(LOCAL);
    to.resize(16, 0);
    t.same("from IPv4", send(old, &to, &[]), Ok(1));
    let mut mapped = [0; 16];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&LOCAL);
    t.same(
        "an address with room for any",
        receive(fd, 256)?.2,
        vec![info6(1, mapped)],
    );
    t.works("IPv4's, too", set(fd, IP, IP_PKTINFO, 1));
    t.same("from IPv4 again", send(old, &to, &[]), Ok(1));
    let both = vec![info6(1, mapped), info(1, LOCAL, LOCAL)];
    t.same("both are told", receive(fd, 256)?.2, both);
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    ipv4(t)?;
    ipv6(t)
}

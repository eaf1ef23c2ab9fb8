//! What became of datagrams: MSG_ERRQUEUE of recv(2), and ip(7).

use super::Socket;
use super::address;
use super::control::Control;
use crate::arch::user_access::copy_to_user;
use crate::syscall::buffers::UserBuffers;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_inet::Failure;
use smoltcp::wire::{IpAddress, IpEndpoint};

/// Who noticed: `SO_EE_ORIGIN_ICMP` and `SO_EE_ORIGIN_ICMP6`.
const ORIGIN: (u8, u8) = (2, 3);

/// The next datagram that has not arrived, and how many of its bytes were stored.
/// `EAGAIN`, `EFAULT`.
pub fn receive(socket: Socket<'_>, buffers: &UserBuffers) -> Result<(Failure, usize)> {
    let Socket::Udp(udp) = socket else {
        return Err(Errno::EAGAIN);
    };
    let failure = udp.failure()?;
    let count = buffers.writer().copy_out(&failure.data)?;
    Ok((failure, count))
}

/// recvmsg(2) with MSG_ERRQUEUE: the datagram, whom it was for, and a `struct
/// sock_extended_err` with the address of who says so.
pub fn receive_header(
    socket: Socket<'_>,
    buffers: &UserBuffers,
    header: &mut Msghdr,
) -> Result<u64> {
    let (failure, count) = receive(socket, buffers)?;
    let family = socket.family();
    if header.msg_name != 0 {
        let to = address::inet_bytes(family, failure.to);
        let room = to.len().min(header.msg_namelen as usize);
        copy_to_user(header.msg_name, &to[..room])?;
        header.msg_namelen = to.len() as u32;
    }
    let mut control = Control::new(header);
    let (level, kind) = match family {
        AF_INET => (IPPROTO_IP, IP_RECVERR),
        _ => (IPPROTO_IPV6, IPV6_RECVERR),
    };
    let mut told = [0; 16 + 28];
    let offender = address::inet_bytes(family, IpEndpoint::new(failure.offender, 0));
    let length = 16 + offender.len();
    told[..16].copy_from_slice(&extended(&failure));
    told[16..length].copy_from_slice(&offender);
    control.put_of(level, kind, &told[..length])?;
    let mut flags = MsgFlags::ERRQUEUE;
    flags.set(MsgFlags::TRUNC, count < failure.data.len());
    flags.set(MsgFlags::CTRUNC, control.cut);
    header.msg_controllen = control.used as u64;
    header.msg_flags = flags.bits();
    Ok(count as u64)
}

/// `struct sock_extended_err`.
fn extended(failure: &Failure) -> [u8; 16] {
    let origin = match failure.to.addr {
        IpAddress::Ipv4(_) => ORIGIN.0,
        IpAddress::Ipv6(_) => ORIGIN.1,
    };
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&(failure.errno.number() as u32).to_le_bytes());
    bytes[4..7].copy_from_slice(&[origin, failure.kind, failure.code]);
    bytes[8..12].copy_from_slice(&failure.mtu.to_le_bytes());
    bytes
}

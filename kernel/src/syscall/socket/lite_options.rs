//! Options of sockets of UDP-Lite (udplite(7)): how much of a datagram is covered by its
//! checksum.

use super::Socket;
use crate::net::udp::UdpSocket;
use paddock_abi::socket::{IPPROTO_UDP, IPPROTO_UDPLITE};
use paddock_inet::Coverage;

/// Of what is sent, and the least of what is received.
const UDPLITE_SEND_CSCOV: u32 = 10;
const UDPLITE_RECV_CSCOV: u32 = 11;

/// The socket, if an option is one of these and the socket has them.
pub fn of<'a>(socket: Socket<'a>, level: u32, option: u32) -> Option<(&'a UdpSocket, Coverage)> {
    let is_known = [IPPROTO_UDP, IPPROTO_UDPLITE].contains(&level)
        && [UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV].contains(&option);
    match socket {
        Socket::Udp(udp) if is_known => Some((udp, udp.coverage()?)),
        _ => None,
    }
}

/// Sets one.
pub fn set(udp: &UdpSocket, option: u32, value: i32) {
    let bytes = Coverage::given(value);
    udp.set_coverage(|coverage| match option {
        UDPLITE_SEND_CSCOV => coverage.sent = bytes,
        _ => coverage.least = Some(bytes),
    });
}

/// What one is.
pub fn get(coverage: &Coverage, option: u32) -> u32 {
    u32::from(match option {
        UDPLITE_SEND_CSCOV => coverage.sent,
        _ => coverage.least.unwrap_or(0),
    })
}

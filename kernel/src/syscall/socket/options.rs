//! setsockopt(2), getsockopt(2).
//!
//! Options that only advise (buffer sizes, Nagle's algorithm, keep-alive
//! probes) are accepted: what they promise holds, or is allowed to be chosen
//! by the system. Time limits are not supported (`ENOPROTOOPT`).

use super::{Call, Socket, socket_of};
use crate::arch::user_access::copy_to_user;
use crate::user_memory::UserPtr;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_process::unix::Kind;
use zerocopy::IntoBytes;

/// Bytes of each buffer of a socket.
const BUFFER: u32 = 65536;
/// Bytes of data in a segment, by default.
const SEGMENT: u32 = 536;

/// setsockopt(2).
pub fn setsockopt(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let socket = socket_of(&file)?;
    if call.uint(4) < 4 {
        return Err(Errno::EINVAL);
    }
    UserPtr::<u32>::new(call.word(3)).read()?;
    let tcp = matches!(socket, Socket::Tcp(_));
    match (call.uint(1), call.uint(2)) {
        (SOL_SOCKET, SO_REUSEADDR | SO_KEEPALIVE | SO_BROADCAST | SO_SNDBUF | SO_RCVBUF) => Ok(0),
        (SOL_SOCKET, SO_LINGER | SO_PRIORITY | SO_OOBINLINE | SO_DONTROUTE) => Ok(0),
        (IPPROTO_TCP, TCP_NODELAY | TCP_QUICKACK | TCP_CORK | TCP_DEFER_ACCEPT) if tcp => Ok(0),
        (IPPROTO_TCP, TCP_KEEPIDLE | TCP_KEEPINTVL | TCP_KEEPCNT) if tcp => Ok(0),
        (IPPROTO_IP, IP_TOS | IP_TTL) if tcp => Ok(0),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

/// getsockopt(2).
pub fn getsockopt(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let socket = socket_of(&file)?;
    if let (SOL_SOCKET, SO_PEERCRED, Socket::Unix(socket)) = (call.uint(1), call.uint(2), socket) {
        let peer = socket.peer_credentials().unwrap_or(Ucred { pid: 0, uid: u32::MAX, gid: u32::MAX });
        return store(call, peer.as_bytes());
    }
    if (call.uint(1), call.uint(2)) == (SOL_SOCKET, SO_LINGER) {
        return store(call, Linger::default().as_bytes());
    }
    let value = match (call.uint(1), socket) {
        (SOL_SOCKET, socket) => socket_option(socket, call.uint(2))?,
        (IPPROTO_TCP, Socket::Tcp(_)) => tcp_option(call.uint(2))?,
        _ => return Err(Errno::ENOPROTOOPT),
    };
    store(call, &value.to_le_bytes())
}

fn socket_option(socket: Socket<'_>, option: u32) -> Result<u32> {
    let tcp = matches!(socket, Socket::Tcp(_));
    Ok(match (option, socket) {
        (SO_ERROR, Socket::Tcp(socket)) => socket.take_error().map_or(0, |error| error.number() as u32),
        (SO_ERROR, Socket::Unix(_)) => 0,
        (SO_TYPE, Socket::Unix(socket)) if socket.kind() == Kind::Datagram => SOCK_DGRAM,
        (SO_TYPE, _) => SOCK_STREAM,
        (SO_DOMAIN, _) => u32::from(if tcp { AF_INET } else { AF_UNIX }),
        (SO_PROTOCOL, _) => if tcp { IPPROTO_TCP } else { 0 },
        (SO_ACCEPTCONN, Socket::Tcp(socket)) => u32::from(socket.is_listening()),
        (SO_ACCEPTCONN, Socket::Unix(socket)) => u32::from(socket.is_listening()),
        (SO_SNDBUF | SO_RCVBUF, _) => BUFFER,
        (SO_REUSEADDR, _) => u32::from(tcp),
        (SO_KEEPALIVE | SO_BROADCAST | SO_OOBINLINE | SO_DONTROUTE | SO_PRIORITY, _) => 0,
        (SO_RCVLOWAT, _) => 1,
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn tcp_option(option: u32) -> Result<u32> {
    match option {
        TCP_NODELAY | TCP_CORK | TCP_QUICKACK => Ok(0),
        TCP_MAXSEG => Ok(SEGMENT),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

/// Stores a value, cut to the room there is, and its length.
fn store(call: &Call<'_>, bytes: &[u8]) -> Result<u64> {
    let place = UserPtr::<i32>::new(call.word(4));
    let room = usize::try_from(place.read()?).map_err(|_| Errno::EINVAL)?;
    let length = bytes.len().min(room);
    copy_to_user(call.word(3), &bytes[..length])?;
    place.write(&(length as i32))?;
    Ok(0)
}

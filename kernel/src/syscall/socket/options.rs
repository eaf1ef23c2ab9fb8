//! setsockopt(2), getsockopt(2).
//!
//! Those of TCP act in its stack. Options that only advise (priorities, buffer
//! sizes of others) are kept and told back: what they promise is allowed to be
//! chosen by the system.

use super::{Call, Socket, known_credentials, lite_options, raw_options, socket_of, tcp_options};
use crate::arch::user_access::copy_to_user;
use crate::net::tcp::TcpSocket;
use crate::process::net_space::NetNamespace;
use crate::user_memory::{UserPtr, read_bytes};
use paddock_abi::socket::*;
use paddock_abi::time::{NANOS, Timeval};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_inet::Settings;
use paddock_unix_sockets::{SocketOptions, Switch};
use zerocopy::IntoBytes;

/// Bytes of each buffer of a socket.
const BUFFER: u32 = 65536;
/// Bytes of a congestion control's name, with the zero behind it.
const CONGESTION_NAME: usize = 16;
/// The largest buffer size that can be asked for; twice as much is told back.
const LARGEST_BUFFER: u32 = 1 << 20;
/// The largest that somebody with CAP_NET_ADMIN can ask for.
const LARGEST_FORCED: u32 = 16 << 20;
/// The smallest sizes that are told back, as Linux has them: a small segment or two,
/// with what it costs to keep them.
const LEAST_RECEIVED: u32 = 2304;
const LEAST_SENT: u32 = 2 * LEAST_RECEIVED;

/// The switch that an option turns. `None` if it is no switch.
fn switch(level: u32, option: u32, socket: Socket<'_>) -> Option<Switch> {
    let (tcp, inet) = (matches!(socket, Socket::Tcp(_)), socket.family() != AF_UNIX);
    Some(match (level, option) {
        (SOL_SOCKET, SO_REUSEADDR) => Switch::ReuseAddress,
        (SOL_SOCKET, SO_REUSEPORT) if inet => Switch::ReusePort,
        (SOL_SOCKET, SO_KEEPALIVE) => Switch::KeepAlive,
        (SOL_SOCKET, SO_BROADCAST) => Switch::Broadcast,
        (SOL_SOCKET, SO_OOBINLINE) => Switch::UrgentInline,
        (SOL_SOCKET, SO_DONTROUTE) => Switch::DontRoute,
        (SOL_SOCKET, SO_PASSCRED) if !inet => Switch::PassCredentials,
        (IPPROTO_TCP, TCP_NODELAY) if tcp => Switch::NoDelay,
        (IPPROTO_TCP, TCP_CORK) if tcp => Switch::Cork,
        (IPPROTO_TCP, TCP_QUICKACK) if tcp => Switch::QuickAck,
        _ if matches!(socket, Socket::Udp(_)) => return datagram_switch(level, option, socket),
        _ => return None,
    })
}

/// Those of what is told with a datagram (ip(7), ipv6(7)).
fn datagram_switch(level: u32, option: u32, socket: Socket<'_>) -> Option<Switch> {
    let is_ipv6 = socket.family() == AF_INET6;
    Some(match (level, option) {
        (IPPROTO_IP, IP_PKTINFO) => Switch::PacketInfo,
        (IPPROTO_IP, IP_RECVTTL) => Switch::ReceiveTtl,
        (IPPROTO_IP, IP_RECVTOS) => Switch::ReceiveTos,
        (IPPROTO_IPV6, IPV6_RECVPKTINFO) if is_ipv6 => Switch::PacketInfo6,
        (IPPROTO_IPV6, IPV6_RECVHOPLIMIT) if is_ipv6 => Switch::ReceiveHops,
        (IPPROTO_IPV6, IPV6_RECVTCLASS) if is_ipv6 => Switch::ReceiveClass,
        _ => return None,
    })
}

/// setsockopt(2).
pub fn setsockopt(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let socket = socket_of(&file)?;
    let (level, option, options) = (call.uint(1), call.uint(2), socket.options());
    if call.int(4) < 0 {
        return Err(Errno::EINVAL);
    }
    if let Socket::Tcp(tcp) = socket
        && (level, option) == (IPPROTO_TCP, TCP_CONGESTION)
    {
        return set_congestion(call, tcp);
    }
    if (level, option) == (SOL_SOCKET, SO_RCVTIMEO) || (level, option) == (SOL_SOCKET, SO_SNDTIMEO)
    {
        return set_timeout(call, option, options);
    }
    if (level, option) == (SOL_SOCKET, SO_LINGER) {
        return set_linger(call, options);
    }
    if let Socket::Udp(udp) = socket
        && raw_options::is_filter(level, option)
    {
        return raw_options::set_filter(call, udp, level);
    }
    if call.uint(4) < 4 {
        return Err(Errno::EINVAL);
    }
    let value = UserPtr::<u32>::new(call.word(3)).read()?;
    if let Socket::Udp(udp) = socket
        && raw_options::is_known(level, option)
    {
        return raw_options::set(udp, option, value);
    }
    if let Some((udp, _)) = lite_options::of(socket, level, option) {
        lite_options::set(udp, option, value as i32);
        return Ok(0);
    }
    if let Some(switch) = switch(level, option, socket) {
        options.set(switch, value != 0);
        if let Socket::Tcp(tcp) = socket {
            tcp.set(|settings| set_switch(settings, switch, value != 0));
        }
        return Ok(0);
    }
    let size = value.min(LARGEST_BUFFER) * 2;
    match (level, option) {
        (SOL_SOCKET, SO_SNDBUF | SO_RCVBUF) => set_buffer(socket, option, size),
        (SOL_SOCKET, SO_SNDBUFFORCE | SO_RCVBUFFORCE) => force_buffer(call, socket, option, value)?,
        (SOL_SOCKET, SO_MARK) => {
            require_admin(call, socket)?;
            options.set_mark(value);
        }
        (SOL_SOCKET, SO_PRIORITY) => options.set_priority(value),
        _ => return set_valued(socket, level, option, value),
    }
    Ok(0)
}

/// Options of TCP and IP that have a value.
fn set_valued(socket: Socket<'_>, level: u32, option: u32, value: u32) -> Result<u64> {
    if (level, option) == (IPPROTO_IPV6, IPV6_V6ONLY) && is_bound(socket) {
        return Err(Errno::EINVAL);
    }
    match socket {
        _ if level == IPPROTO_IPV6 && socket.family() == AF_INET => return Err(Errno::ENOPROTOOPT),
        Socket::Tcp(tcp) => tcp_options::set(tcp, level, option, value)?,
        Socket::Udp(udp) if raw_options::set_failures(udp, level, option, value != 0) => {}
        Socket::Udp(udp) if [IPPROTO_IP, IPPROTO_IPV6].contains(&level) => {
            let mut settings = udp.settings();
            tcp_options::change(&mut settings, level, option, value)?;
            udp.set(|changed| *changed = settings);
        }
        _ if !known_level(level, socket) => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(0)
}

/// Whether a socket has a port, and with it the families that it hears.
fn is_bound(socket: Socket<'_>) -> bool {
    match socket {
        Socket::Tcp(tcp) => tcp.local().port != 0,
        Socket::Udp(udp) => udp.local().port != 0,
        Socket::Unix(_) | Socket::Netlink(_) => false,
    }
}

/// TCP_CONGESTION. `ENOENT` for what is not there.
fn set_congestion(call: &Call<'_>, socket: &TcpSocket) -> Result<u64> {
    let length = (call.uint(4) as usize).min(CONGESTION_NAME - 1);
    let name = read_bytes(call.word(3), length)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or(&[]);
    let known = tcp_options::CONGESTION.iter().find(|it| it.1 == name);
    let algorithm = known.ok_or(Errno::ENOENT)?.0;
    socket.set(|settings| settings.algorithm = algorithm);
    Ok(0)
}

/// The name of a socket's algorithm.
fn congestion(socket: &TcpSocket) -> [u8; CONGESTION_NAME] {
    let algorithm = socket.settings().algorithm;
    let mut name = [0; CONGESTION_NAME];
    if let Some((_, known)) = tcp_options::CONGESTION.iter().find(|it| it.0 == algorithm) {
        name[..known.len()].copy_from_slice(known);
    }
    name
}

/// What a switch means to a TCP connection.
fn set_switch(settings: &mut Settings, switch: Switch, on: bool) {
    match switch {
        Switch::ReuseAddress => settings.reuse_address = on,
        Switch::ReusePort => settings.reuse_port = on,
        Switch::KeepAlive => settings.keep_alive = on,
        Switch::NoDelay => settings.no_delay = on,
        Switch::Cork => settings.cork = on,
        Switch::QuickAck => settings.quick_ack = on,
        _ => {}
    }
}

/// `EPERM` without CAP_NET_ADMIN in the socket's network namespace.
fn require_admin(call: &Call<'_>, socket: Socket<'_>) -> Result<()> {
    match call.capable_in(socket.space_or_own().owner(), Cap::CAP_NET_ADMIN) {
        true => Ok(()),
        false => Err(Errno::EPERM),
    }
}

/// SO_SNDBUFFORCE and SO_RCVBUFFORCE: beyond what others may ask for. `EPERM`.
fn force_buffer(call: &Call<'_>, socket: Socket<'_>, option: u32, value: u32) -> Result<()> {
    require_admin(call, socket)?;
    let size = value.min(LARGEST_FORCED) * 2;
    let plain = match option {
        SO_SNDBUFFORCE => SO_SNDBUF,
        _ => SO_RCVBUF,
    };
    set_buffer(socket, plain, size);
    Ok(())
}

/// SO_SNDBUF and SO_RCVBUF.
fn set_buffer(socket: Socket<'_>, option: u32, size: u32) {
    let options = socket.options();
    let size = size.max(match option {
        SO_SNDBUF => LEAST_SENT,
        _ => LEAST_RECEIVED,
    });
    match option {
        SO_SNDBUF => options.set_send_buffer(size),
        _ => options.set_receive_buffer(size),
    }
    let change = |settings: &mut Settings| match option {
        SO_SNDBUF => settings.send_limit = size,
        _ => settings.receive_limit = size,
    };
    match socket {
        Socket::Tcp(tcp) => tcp.set(change),
        Socket::Udp(udp) => udp.set(change),
        Socket::Unix(_) | Socket::Netlink(_) => {}
    }
}

/// Whether a socket of IPv4 is asked about a level that is not its own. Setting an
/// option there is `ENOPROTOOPT`, as is both for one of IPv6.
fn is_strange(level: u32, socket: Socket<'_>) -> bool {
    let own = match socket {
        Socket::Tcp(_) => IPPROTO_TCP,
        Socket::Udp(udp) if udp.kind == SOCK_DGRAM => IPPROTO_UDP,
        Socket::Udp(_) => IPPROTO_RAW,
        Socket::Unix(_) | Socket::Netlink(_) => return false,
    };
    socket.family() == AF_INET && ![IPPROTO_IP, own].contains(&level)
}

/// Local sockets have options of their own level only.
fn known_level(level: u32, socket: Socket<'_>) -> bool {
    level == SOL_SOCKET || socket.family() != AF_UNIX
}

fn set_timeout(call: &Call<'_>, option: u32, options: &SocketOptions) -> Result<u64> {
    if (call.uint(4) as usize) < size_of::<Timeval>() {
        return Err(Errno::EINVAL);
    }
    let value = UserPtr::<Timeval>::new(call.word(3)).read()?;
    let nanos = value.to_nanos().map_err(|_| Errno::EDOM)?;
    match option {
        SO_RCVTIMEO => options.set_receive_timeout(nanos),
        _ => options.set_send_timeout(nanos),
    }
    Ok(0)
}

/// SO_LINGER: with zero seconds close(2) resets a TCP connection. With more
/// the data is sent as ever, and close(2) does not wait for it.
fn set_linger(call: &Call<'_>, options: &SocketOptions) -> Result<u64> {
    if (call.uint(4) as usize) < size_of::<Linger>() {
        return Err(Errno::EINVAL);
    }
    let value = UserPtr::<Linger>::new(call.word(3)).read()?;
    let seconds = (value.l_onoff != 0).then_some(value.l_linger.max(0) as u32);
    options.set_linger(seconds);
    Ok(0)
}

/// getsockopt(2).
pub fn getsockopt(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    let socket = socket_of(&file)?;
    let (level, option, options) = (call.uint(1), call.uint(2), socket.options());
    if let Some((_, coverage)) = lite_options::of(socket, level, option) {
        return store(call, &lite_options::get(&coverage, option).to_le_bytes());
    }
    match (level, option, socket) {
        (SOL_SOCKET, SO_PEERCRED, Socket::Unix(socket)) => {
            let nobody = Ucred {
                pid: 0,
                uid: u32::MAX,
                gid: u32::MAX,
            };
            let who = socket.peer_credentials();
            let who = who.map_or(nobody, |who| known_credentials(call, who));
            store(call, who.as_bytes())
        }
        (SOL_SOCKET, SO_LINGER, _) => {
            let linger = options.linger();
            let value = Linger {
                l_onoff: i32::from(linger.is_some()),
                l_linger: linger.unwrap_or(0) as i32,
            };
            store(call, value.as_bytes())
        }
        (level, option, Socket::Udp(udp)) if raw_options::is_filter(level, option) => {
            store(call, &raw_options::filter(udp, level)?)
        }
        (level, option, Socket::Udp(udp)) if raw_options::is_known(level, option) => {
            store(call, &raw_options::get(udp, option)?.to_le_bytes())
        }
        (SOL_SOCKET, SO_RCVTIMEO, _) => store_timeout(call, options.receive_timeout()),
        (SOL_SOCKET, SO_SNDTIMEO, _) => store_timeout(call, options.send_timeout()),
        (IPPROTO_TCP, TCP_INFO, Socket::Tcp(tcp)) => store(call, &tcp_options::info(tcp)?),
        (IPPROTO_TCP, TCP_CONGESTION, Socket::Tcp(tcp)) => store(call, &congestion(tcp)),
        _ => {
            let value = match (switch(level, option, socket), level, socket) {
                (Some(switch), ..) => u32::from(options.is_on(switch)),
                (None, SOL_SOCKET, _) => socket_option(socket, option)?,
                (None, ..) if is_strange(level, socket) => return Err(Errno::EOPNOTSUPP),
                (None, _, Socket::Tcp(tcp)) => tcp_options::get(tcp, level, option)?,
                (None, IPPROTO_IP | IPPROTO_IPV6, Socket::Udp(udp)) => {
                    match raw_options::failures(udp, level, option) {
                        Some(on) => u32::from(on),
                        None => tcp_options::read(&udp.settings(), level, option)?,
                    }
                }
                _ if !known_level(level, socket) => return Err(Errno::EOPNOTSUPP),
                _ => return Err(Errno::ENOPROTOOPT),
            };
            store(call, &value.to_le_bytes())
        }
    }
}

fn store_timeout(call: &Call<'_>, nanos: u64) -> Result<u64> {
    let micros = nanos % NANOS / 1000;
    let value = Timeval {
        tv_sec: (nanos / NANOS) as i64,
        tv_usec: micros as i64,
    };
    store(call, value.as_bytes())
}

fn socket_option(socket: Socket<'_>, option: u32) -> Result<u32> {
    let options = socket.options();
    Ok(match (option, socket) {
        (SO_ERROR, Socket::Tcp(socket)) => number(socket.take_error()),
        (SO_ERROR, Socket::Unix(socket)) => number(socket.take_error()),
        (SO_ERROR, Socket::Udp(socket)) => number(socket.take_error()),
        (SO_TYPE, Socket::Unix(socket)) => socket.kind().to_type(),
        (SO_ERROR, Socket::Netlink(_)) => 0,
        (SO_TYPE, Socket::Netlink(socket)) => socket.kind,
        (SO_TYPE, Socket::Tcp(_)) => SOCK_STREAM,
        (SO_TYPE, Socket::Udp(socket)) => socket.kind,
        (SO_DOMAIN, _) => u32::from(socket.family()),
        (SO_PROTOCOL, Socket::Tcp(_)) => IPPROTO_TCP,
        (SO_PROTOCOL, Socket::Udp(socket)) => u32::from(socket.protocol),
        (SO_PROTOCOL, Socket::Unix(_) | Socket::Netlink(_)) => 0,
        (SO_ACCEPTCONN, Socket::Tcp(socket)) => u32::from(socket.is_listening()),
        (SO_ACCEPTCONN, Socket::Unix(socket)) => u32::from(socket.is_listening()),
        (SO_ACCEPTCONN, Socket::Udp(_) | Socket::Netlink(_)) => 0,
        (SO_SNDBUF, _) => chosen(options.send_buffer()),
        (SO_RCVBUF, _) => chosen(options.receive_buffer()),
        (SO_PRIORITY, _) => options.priority(),
        (SO_MARK, _) => options.mark(),
        (SO_RCVLOWAT, _) => 1,
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn number(error: Option<Errno>) -> u32 {
    error.map_or(0, |error| error.number() as u32)
}

fn chosen(size: u32) -> u32 {
    if size == 0 { BUFFER } else { size }
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

//! Options of TCP and UDP sockets that have a value: tcp(7), ip(7). All act in the
//! stack, and are read back from there.

use crate::net::tcp::TcpSocket;
use alloc::vec::Vec;
use paddock_abi::socket::*;
use paddock_abi::{Errno, Result};
use paddock_inet::{Algorithm, Figures, Local, PathMtu, Settings};

/// The longest times of keep-alive, in seconds, and its most probes.
const MAX_KEEP: (u32, u32) = (32_767, 127);
/// The most times that SYN is sent again.
const MAX_SYN: u32 = 127;
/// The longest FIN_WAIT_2 without a socket, in seconds.
const MAX_LINGER2: u32 = 120;
/// The congestion controls that there are, by name.
pub const CONGESTION: [(Algorithm, &[u8]); 2] =
    [(Algorithm::Cubic, b"cubic"), (Algorithm::Reno, b"reno")];

/// The value, if it is from 1 to `most`. `EINVAL`.
fn within(value: u32, most: u32) -> Result<u32> {
    match (1..=most).contains(&value) {
        true => Ok(value),
        false => Err(Errno::EINVAL),
    }
}

/// Sets an option. `EINVAL` for a value that makes no sense, `ENOPROTOOPT` for
/// one that is not there.
pub fn set(socket: &TcpSocket, level: u32, option: u32, value: u32) -> Result<()> {
    let mut settings = socket.settings();
    change(&mut settings, level, option, value)?;
    socket.set(|changed| *changed = settings);
    Ok(())
}

/// Changes one of the settings. The errors of [`set`].
pub fn change(settings: &mut Settings, level: u32, option: u32, value: u32) -> Result<()> {
    match (level, option) {
        (IPPROTO_TCP, TCP_KEEPIDLE) => settings.keep_idle = within(value, MAX_KEEP.0)?,
        (IPPROTO_TCP, TCP_KEEPINTVL) => settings.keep_interval = within(value, MAX_KEEP.0)?,
        (IPPROTO_TCP, TCP_KEEPCNT) => settings.keep_count = within(value, MAX_KEEP.1)?,
        (IPPROTO_TCP, TCP_SYNCNT) => settings.syn_count = within(value, MAX_SYN)?,
        (IPPROTO_TCP, TCP_LINGER2) => settings.linger2 = linger2(value),
        (IPPROTO_TCP, TCP_USER_TIMEOUT) if value > i32::MAX as u32 => return Err(Errno::EINVAL),
        (IPPROTO_TCP, TCP_USER_TIMEOUT) => settings.user_timeout = value,
        (IPPROTO_TCP, TCP_NOTSENT_LOWAT) => {
            // As on Linux 0 is the system's choice, which is no limit.
            settings.unsent_limit = if value == 0 { u32::MAX } else { value };
        }
        (IPPROTO_TCP, TCP_DEFER_ACCEPT) => settings.defer_accept = value.min(i32::MAX as u32),
        // No client gets a cookie: all begin with a handshake, as on Linux
        // with its default settings.
        (IPPROTO_TCP, TCP_FASTOPEN) => settings.fast_open = value,
        (IPPROTO_IP, IP_TTL) if value == u32::MAX => settings.ttl = 0,
        (IPPROTO_IP, IP_TTL) => settings.ttl = within(value, 255)? as u8,
        (IPPROTO_IP, IP_TOS) => settings.tos = value as u8,
        (IPPROTO_IP, IP_MTU_DISCOVER) => settings.path_mtu = path_mtu(value)?,
        (IPPROTO_IPV6, IPV6_MTU_DISCOVER) => settings.path_mtu6 = path_mtu(value)?,
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) if value == u32::MAX => settings.hops = 0,
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => settings.hops = within(value, 255)? as u8,
        (IPPROTO_IPV6, IPV6_TCLASS) if value == u32::MAX => settings.traffic_class = 0,
        (IPPROTO_IPV6, IPV6_TCLASS) if value > 255 => return Err(Errno::EINVAL),
        (IPPROTO_IPV6, IPV6_TCLASS) => settings.traffic_class = value as u8,
        (IPPROTO_IPV6, IPV6_V6ONLY) if value == 0 => settings.any = Local::Any,
        (IPPROTO_IPV6, IPV6_V6ONLY) => settings.any = Local::AnyIpv6,
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

fn path_mtu(value: u32) -> Result<PathMtu> {
    PathMtu::of(value).ok_or(Errno::EINVAL)
}

fn linger2(value: u32) -> u32 {
    match value as i32 {
        ..0 => 0,
        0 => Settings::default().linger2,
        _ => value.min(MAX_LINGER2),
    }
}

/// Reads an option back. `ENOPROTOOPT`.
pub fn get(socket: &TcpSocket, level: u32, option: u32) -> Result<u32> {
    match (level, option) {
        (IPPROTO_TCP, TCP_MAXSEG) => Ok(socket.figures().map_or(SEGMENT, |figures| figures.mss)),
        _ => read(&socket.settings(), level, option),
    }
}

/// Reads one of the settings. `ENOPROTOOPT`.
pub fn read(settings: &Settings, level: u32, option: u32) -> Result<u32> {
    Ok(match (level, option) {
        (IPPROTO_TCP, TCP_KEEPIDLE) => settings.keep_idle,
        (IPPROTO_TCP, TCP_KEEPINTVL) => settings.keep_interval,
        (IPPROTO_TCP, TCP_KEEPCNT) => settings.keep_count,
        (IPPROTO_TCP, TCP_SYNCNT) => settings.syn_count,
        (IPPROTO_TCP, TCP_LINGER2) => settings.linger2,
        (IPPROTO_TCP, TCP_USER_TIMEOUT) => settings.user_timeout,
        (IPPROTO_TCP, TCP_NOTSENT_LOWAT) => settings.unsent_limit,
        (IPPROTO_TCP, TCP_DEFER_ACCEPT) => settings.defer_accept,
        (IPPROTO_TCP, TCP_FASTOPEN) => settings.fast_open,
        (IPPROTO_IP, IP_TTL) if settings.ttl == 0 => DEFAULT_TTL,
        (IPPROTO_IP, IP_TTL) => u32::from(settings.ttl),
        (IPPROTO_IP, IP_TOS) => u32::from(settings.tos),
        (IPPROTO_IP, IP_MTU_DISCOVER) => settings.path_mtu as u32,
        (IPPROTO_IPV6, IPV6_MTU_DISCOVER) => settings.path_mtu6 as u32,
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) if settings.hops == 0 => DEFAULT_TTL,
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) => u32::from(settings.hops),
        (IPPROTO_IPV6, IPV6_TCLASS) => u32::from(settings.traffic_class),
        (IPPROTO_IPV6, IPV6_V6ONLY) => u32::from(settings.any == Local::AnyIpv6),
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

/// Bytes of data in a segment before there is a connection (RFC 9293, 3.7.1).
const SEGMENT: u32 = 536;
/// Hops of a packet, by default.
const DEFAULT_TTL: u32 = 64;

/// TCP_INFO: the first part of Linux's `struct tcp_info`, up to the counters
/// of retransmissions. What is not known is zero.
pub fn info(socket: &TcpSocket) -> Result<Vec<u8>> {
    let figures = socket.figures();
    let state = figures.map_or(socket.state_number(), |figures| figures.state.number());
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(104).map_err(|_| Errno::ENOMEM)?;
    bytes.extend_from_slice(&[state, 0, 0, 0, 0, 0, 0, 0]);
    if let Some(figures) = figures {
        bytes[2] = figures.attempts.min(255) as u8;
        bytes[5] = options(&figures);
        bytes[6] = figures.peer_scale.unwrap_or(0) | figures.own_scale << 4;
    }
    for word in words(socket, figures) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    Ok(bytes)
}

/// `TCPI_OPT_TIMESTAMPS`, `-SACK` and `-WSCALE`.
fn options(figures: &Figures) -> u8 {
    let scaled = figures.peer_scale.is_some();
    u8::from(figures.stamps) | u8::from(figures.selective) << 1 | u8::from(scaled) << 2
}

fn words(socket: &TcpSocket, figures: Option<Figures>) -> [u32; 24] {
    let mut words = [0; 24];
    let Some(figures) = figures else {
        return words;
    };
    let micros = |nanos: u64| (nanos / 1000).min(u64::from(u32::MAX)) as u32;
    let segments = |bytes: u32| bytes.div_ceil(figures.mss.max(1));
    // tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss, tcpi_unacked.
    words[0] = micros(figures.timeout);
    (words[2], words[3]) = (figures.mss, figures.mss);
    words[4] = segments(figures.unacknowledged as u32);
    // tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd, tcpi_advmss.
    (words[15], words[16]) = (micros(figures.round_trip), micros(figures.variation));
    words[17] = match figures.threshold {
        u32::MAX => i32::MAX as u32,
        threshold => segments(threshold),
    };
    (words[18], words[19]) = (segments(figures.window), figures.mss);
    // tcpi_rcv_space, tcpi_total_retrans.
    (words[22], words[23]) = (socket.settings().receive_limit, figures.resent);
    words
}

//! [`Settings`]: what setsockopt(2) sets of a TCP socket.

use crate::SECOND;
use crate::local::Local;

/// The most bytes of a buffer, which window scaling has to reach.
pub const MAX_BUFFER: u32 = 4 << 20;
/// Bytes of each buffer by default.
pub const BUFFER: u32 = 256 << 10;

/// How the congestion window grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// By a cubic function of time (RFC 9438).
    #[default]
    Cubic,
    /// By a segment for each round trip (RFC 5681).
    Reno,
}

/// What is done about the largest packet that a way takes (IP_MTU_DISCOVER of ip(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum PathMtu {
    /// Whoever is on the way may cut packets.
    Dont,
    /// Nobody may, but for what the sender itself has to cut.
    #[default]
    Want,
    /// Nobody may, the sender neither.
    Do,
    /// The same, whatever has been learned of the way.
    Probe,
    /// The sender must not cut them, others may.
    Interface,
    /// As [`Dont`](Self::Dont).
    Omit,
}

impl PathMtu {
    /// The one of this number.
    pub fn of(number: u32) -> Option<PathMtu> {
        Some(match number {
            0 => PathMtu::Dont,
            1 => PathMtu::Want,
            2 => PathMtu::Do,
            3 => PathMtu::Probe,
            4 => PathMtu::Interface,
            5 => PathMtu::Omit,
            _ => return None,
        })
    }

    /// Whether the sender may send a packet in fragments.
    pub fn may_be_cut(self) -> bool {
        matches!(self, PathMtu::Dont | PathMtu::Want | PathMtu::Omit)
    }

    /// Whether routers are told not to cut it.
    pub fn is_whole(self) -> bool {
        matches!(self, PathMtu::Want | PathMtu::Do | PathMtu::Probe)
    }
}

/// The options of a connection, and of those that a listener makes (tcp(7),
/// socket(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// TCP_NODELAY: small segments are sent at once.
    pub no_delay: bool,
    /// TCP_CORK: only full segments are sent.
    pub cork: bool,
    /// TCP_QUICKACK: everything is acknowledged at once.
    pub quick_ack: bool,
    /// SO_KEEPALIVE.
    pub keep_alive: bool,
    /// TCP_KEEPIDLE, in seconds.
    pub keep_idle: u32,
    /// TCP_KEEPINTVL, in seconds.
    pub keep_interval: u32,
    /// TCP_KEEPCNT.
    pub keep_count: u32,
    /// TCP_USER_TIMEOUT, in milliseconds; 0 is the system's choice.
    pub user_timeout: u32,
    /// TCP_SYNCNT: how often SYN is sent again.
    pub syn_count: u32,
    /// TCP_LINGER2: how long FIN_WAIT_2 lasts without a socket, in seconds.
    pub linger2: u32,
    /// Bytes that may wait to be sent.
    pub send_limit: u32,
    /// Bytes that may wait to be read.
    pub receive_limit: u32,
    /// TCP_NOTSENT_LOWAT: with so many bytes that were not sent yet there is no
    /// room for more.
    pub unsent_limit: u32,
    /// TCP_DEFER_ACCEPT, in seconds: for so long a connection is established
    /// only by data.
    pub defer_accept: u32,
    /// TCP_FASTOPEN: data with SYN that might be taken, of which none are.
    pub fast_open: u32,
    /// TCP_CONGESTION.
    pub algorithm: Algorithm,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// IP_TTL; 0 is the default.
    pub ttl: u8,
    /// IP_TOS.
    pub tos: u8,
    /// IPV6_UNICAST_HOPS; 0 is the default.
    pub hops: u8,
    /// IPV6_TCLASS.
    pub traffic_class: u8,
    /// IP_MTU_DISCOVER.
    pub path_mtu: PathMtu,
    /// IPV6_MTU_DISCOVER.
    pub path_mtu6: PathMtu,
    /// IP_RECVERR: what becomes of datagrams is told in full.
    pub failures: bool,
    /// IPV6_RECVERR: the same of those over IPv6.
    pub failures6: bool,
    /// All addresses that the socket can have: those of its family, or of
    /// both.
    pub any: Local,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            no_delay: false,
            cork: false,
            quick_ack: false,
            keep_alive: false,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            user_timeout: 0,
            syn_count: 6,
            linger2: 60,
            send_limit: BUFFER,
            receive_limit: BUFFER,
            unsent_limit: u32::MAX,
            defer_accept: 0,
            fast_open: 0,
            algorithm: Algorithm::Cubic,
            reuse_address: false,
            reuse_port: false,
            ttl: 0,
            tos: 0,
            hops: 0,
            traffic_class: 0,
            path_mtu: PathMtu::Want,
            path_mtu6: PathMtu::Want,
            failures: false,
            failures6: false,
            any: Local::AnyIpv4,
        }
    }
}

impl Settings {
    /// TCP_KEEPIDLE in nanoseconds.
    pub(crate) fn idle_ns(&self) -> u64 {
        u64::from(self.keep_idle) * SECOND
    }

    /// TCP_KEEPINTVL in nanoseconds.
    pub(crate) fn interval_ns(&self) -> u64 {
        u64::from(self.keep_interval) * SECOND
    }

    /// TCP_USER_TIMEOUT in nanoseconds, if it is set.
    pub(crate) fn user_timeout_ns(&self) -> Option<u64> {
        (self.user_timeout > 0).then(|| u64::from(self.user_timeout) * (SECOND / 1000))
    }
}

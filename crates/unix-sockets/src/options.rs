//! [`SocketOptions`]: what setsockopt(2) sets of sockets of every family.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Options that are on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Switch {
    /// SO_REUSEADDR.
    ReuseAddress,
    /// SO_REUSEPORT.
    ReusePort,
    /// SO_KEEPALIVE.
    KeepAlive,
    /// SO_BROADCAST.
    Broadcast,
    /// SO_OOBINLINE.
    UrgentInline,
    /// SO_DONTROUTE.
    DontRoute,
    /// SO_PASSCRED.
    PassCredentials,
    /// TCP_NODELAY.
    NoDelay,
    /// TCP_CORK.
    Cork,
    /// TCP_QUICKACK.
    QuickAck,
    /// IP_PKTINFO.
    PacketInfo,
    /// IP_RECVTTL.
    ReceiveTtl,
    /// IP_RECVTOS.
    ReceiveTos,
    /// IPV6_RECVPKTINFO.
    PacketInfo6,
    /// IPV6_RECVHOPLIMIT.
    ReceiveHops,
    /// IPV6_RECVTCLASS.
    ReceiveClass,
}

/// What has been set of a socket, apart from what it does by itself.
#[derive(Debug, Default)]
pub struct SocketOptions {
    switches: AtomicU32,
    receive_timeout: AtomicU64,
    send_timeout: AtomicU64,
    send_buffer: AtomicU32,
    receive_buffer: AtomicU32,
    priority: AtomicU32,
    mark: AtomicU32,
    /// Seconds, and [`LINGERS`].
    linger: AtomicU64,
}

/// That SO_LINGER is on.
const LINGERS: u64 = 1 << 32;

impl SocketOptions {
    /// Takes over what another socket has set, as one that it accepts does.
    pub fn inherit(&self, other: &SocketOptions) {
        let copy = |to: &AtomicU64, from: &AtomicU64| to.store(from.load(Relaxed), Relaxed);
        copy(&self.receive_timeout, &other.receive_timeout);
        copy(&self.send_timeout, &other.send_timeout);
        copy(&self.linger, &other.linger);
        self.switches.store(other.switches.load(Relaxed), Relaxed);
        self.set_priority(other.priority());
        self.set_mark(other.mark());
        self.set_send_buffer(other.send_buffer());
        self.set_receive_buffer(other.receive_buffer());
    }

    /// Whether an option is on.
    pub fn is_on(&self, switch: Switch) -> bool {
        self.switches.load(Relaxed) & (1 << switch as u32) != 0
    }

    /// Turns an option on or off.
    pub fn set(&self, switch: Switch, on: bool) {
        let bit = 1 << switch as u32;
        match on {
            true => self.switches.fetch_or(bit, Relaxed),
            false => self.switches.fetch_and(!bit, Relaxed),
        };
    }

    /// How long receiving waits (SO_RCVTIMEO), in nanoseconds; 0 is for ever.
    pub fn receive_timeout(&self) -> u64 {
        self.receive_timeout.load(Relaxed)
    }

    /// Sets [`Self::receive_timeout`].
    pub fn set_receive_timeout(&self, nanos: u64) {
        self.receive_timeout.store(nanos, Relaxed);
    }

    /// How long sending and connecting wait (SO_SNDTIMEO), likewise.
    pub fn send_timeout(&self) -> u64 {
        self.send_timeout.load(Relaxed)
    }

    /// Sets [`Self::send_timeout`].
    pub fn set_send_timeout(&self, nanos: u64) {
        self.send_timeout.store(nanos, Relaxed);
    }

    /// SO_LINGER, in seconds; `None` if it is off.
    pub fn linger(&self) -> Option<u32> {
        let linger = self.linger.load(Relaxed);
        (linger & LINGERS != 0).then_some(linger as u32)
    }

    /// Sets [`Self::linger`].
    pub fn set_linger(&self, seconds: Option<u32>) {
        let linger = seconds.map_or(0, |seconds| LINGERS | u64::from(seconds));
        self.linger.store(linger, Relaxed);
    }

    /// The size that was asked for with SO_SNDBUF, doubled as on Linux; 0 if
    /// none was.
    pub fn send_buffer(&self) -> u32 {
        self.send_buffer.load(Relaxed)
    }

    /// Sets [`Self::send_buffer`].
    pub fn set_send_buffer(&self, bytes: u32) {
        self.send_buffer.store(bytes, Relaxed);
    }

    /// SO_MARK.
    pub fn mark(&self) -> u32 {
        self.mark.load(Relaxed)
    }

    /// Sets [`Self::mark`].
    pub fn set_mark(&self, mark: u32) {
        self.mark.store(mark, Relaxed);
    }

    /// SO_PRIORITY.
    pub fn priority(&self) -> u32 {
        self.priority.load(Relaxed)
    }

    /// Sets [`Self::priority`].
    pub fn set_priority(&self, priority: u32) {
        self.priority.store(priority, Relaxed);
    }

    /// The size that was asked for with SO_RCVBUF, doubled as on Linux; 0 if
    /// none was.
    pub fn receive_buffer(&self) -> u32 {
        self.receive_buffer.load(Relaxed)
    }

    /// Sets [`Self::receive_buffer`].
    pub fn set_receive_buffer(&self, bytes: u32) {
        self.receive_buffer.store(bytes, Relaxed);
    }
}

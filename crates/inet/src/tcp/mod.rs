//! One TCP connection as a state machine (RFC 9293): segments, calls and time
//! in; segments and news out. It knows neither sockets nor other connections.

mod congestion;
mod cubic;
mod handover;
mod input;
mod output;
mod ranges;
mod rtt;
mod selective;
mod stamps;
mod timers;
mod user;

pub use input::Answer;
pub use output::Outgoing;
pub use user::Figures;

use crate::options::STAMPS;
use crate::ring::Ring;
use crate::segment::Header;
use crate::seq::Seq;
use crate::settings::Settings;
use congestion::Congestion;
use paddock_abi::{Errno, Result};
use paddock_charge::Charge;
use paddock_sync::Ready;
use ranges::Ranges;
use rtt::RoundTrip;
use selective::Selective;
use smoltcp::wire::{IpAddress, IpEndpoint};
use stamps::Stamps;
use timers::Timers;

/// Where a connection is (RFC 9293, 3.3.2). LISTEN is a listener's, and
/// TIME-WAIT has a table of its own once a connection gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Both sides can send.
    Established = 1,
    /// SYN was sent.
    SynSent = 2,
    /// SYN has come and was answered.
    SynReceived = 3,
    /// The end was sent.
    FinWait1 = 4,
    /// The end was sent and acknowledged.
    FinWait2 = 5,
    /// The last segments may still be under way.
    TimeWait = 6,
    /// Over, or not begun.
    Closed = 7,
    /// The peer's end has come.
    CloseWait = 8,
    /// The peer's end has come, and this side's was sent after it.
    LastAck = 9,
    /// Both ends were sent at once.
    Closing = 11,
}

impl State {
    /// The number that Linux's `/proc/net/tcp` has for it.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Whether SYN was exchanged both ways, and the connection is not over.
    pub fn is_synchronized(self) -> bool {
        !matches!(
            self,
            State::SynSent | State::SynReceived | State::Closed | State::TimeWait
        )
    }

    /// Whether the peer may still send data.
    pub fn can_receive(self) -> bool {
        matches!(self, State::Established | State::FinWait1 | State::FinWait2)
    }
}

/// The shift of the windows that this side tells: with it they reach
/// [`crate::settings::MAX_BUFFER`].
const SCALE: u8 = 7;
/// The segment size of a peer that tells none (RFC 9293, 3.7.1).
pub const DEFAULT_MSS: u16 = 536;
/// The smallest segment size that a peer can have this side use.
const LEAST_MSS: u32 = 48;

/// How a connection is made.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// This side.
    pub local: IpEndpoint,
    /// The other side.
    pub remote: IpEndpoint,
    /// The first number (RFC 6528).
    pub iss: Seq,
    /// What this side's clock is ahead of the machine's, in milliseconds.
    pub stamps: u32,
    /// Bytes of the largest IP packet on the way.
    pub mtu: usize,
    /// Whether the peer is on this machine, so that nothing is ever lost.
    pub is_local: bool,
}

impl Origin {
    /// Bytes of data in the largest segment.
    fn mss(&self) -> u16 {
        let headers = match self.remote.addr {
            IpAddress::Ipv4(_) => 40,
            IpAddress::Ipv6(_) => 60,
        };
        self.mtu.saturating_sub(headers).clamp(64, 65535) as u16
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    origin: Origin,
    state: State,
    settings: Settings,
    /// The socket's error, until it is told (SO_ERROR).
    error: Option<Errno>,
    /// What the owner is to be told.
    news: Ready,
    /// No socket has it any more.
    is_orphan: bool,
    /// shutdown(2) of the reading side.
    read_shut: bool,
    /// shutdown(2) of the writing side: the end comes after what is queued.
    write_shut: bool,
    /// Somebody found no room to write.
    wants_room: bool,

    transmit: Ring,
    /// SND.UNA, SND.NXT and the end of all that was ever sent.
    una: Seq,
    next: Seq,
    max: Seq,
    /// SND.WND, the largest it has been, and SND.WL1, SND.WL2.
    window: u32,
    largest_window: u32,
    window_seq: Seq,
    window_ack: Seq,
    /// Bytes of data in the largest segment to the peer.
    mss: u32,
    /// The shift of the peer's windows; `None` if it does not scale.
    peer_scale: Option<u8>,
    fin_acked: bool,
    /// The end of the last segment that was not full (Minshall).
    small: Seq,
    congestion: Congestion,
    selective: Selective,
    stamps: Stamps,
    trip: RoundTrip,
    /// A segment's end whose acknowledgement is timed, and when it was sent.
    timed: Option<(Seq, u64)>,

    receive: Ring,
    /// RCV.NXT, and the end of the window that was told.
    expected: Seq,
    told: Seq,
    /// What has come ahead of `expected`.
    ahead: Ranges,
    /// The number of the peer's FIN, if it has come out of order.
    fin_at: Option<Seq>,
    /// The peer's end has come: reading tells of nothing that comes after.
    peer_ended: bool,
    /// Bytes that came since the last acknowledgement.
    unacknowledged: u32,
    /// Segments that are to be acknowledged at once after the beginning.
    quick: u8,
    /// Segments that were sent again.
    resent: u32,

    /// What is to be sent, apart from data.
    due: Due,
    timers: Timers,
    charge: Charge,
}

/// Segments that are due.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// An acknowledgement.
    ack: bool,
    /// The first unacknowledged segment, again.
    resend: bool,
    /// Something small that has the peer tell its window.
    probe: bool,
    /// A reset, after which all is over.
    reset: bool,
}

impl Connection {
    fn new(origin: Origin, settings: Settings, state: State, charge: Charge) -> Connection {
        let Origin { iss, stamps, .. } = origin;
        Connection {
            origin,
            state,
            settings,
            error: None,
            news: Ready::empty(),
            is_orphan: false,
            read_shut: false,
            write_shut: false,
            wants_room: false,
            transmit: Ring::new(),
            una: iss,
            next: iss,
            max: iss,
            window: 0,
            largest_window: 0,
            window_seq: Seq(0),
            window_ack: Seq(0),
            mss: u32::from(DEFAULT_MSS),
            peer_scale: None,
            fin_acked: false,
            small: iss,
            congestion: Congestion::new(settings.algorithm, u32::from(DEFAULT_MSS), iss),
            selective: Selective::new(),
            stamps: Stamps::new(stamps),
            trip: RoundTrip::new(),
            timed: None,
            receive: Ring::new(),
            expected: Seq(0),
            told: Seq(0),
            ahead: Ranges::new(),
            fin_at: None,
            peer_ended: false,
            unacknowledged: 0,
            quick: 8,
            resent: 0,
            due: Due::default(),
            timers: Timers::new(),
            charge,
        }
    }

    /// One that is about to send SYN (active open).
    pub fn connect(origin: Origin, settings: Settings, now: u64, charge: Charge) -> Connection {
        let mut connection = Connection::new(origin, settings, State::SynSent, charge);
        connection.timers.heard = now;
        connection
    }

    /// One that is about to answer a SYN (passive open).
    pub fn answer(
        origin: Origin,
        settings: Settings,
        syn: &Header,
        now: u64,
        charge: Charge,
    ) -> Connection {
        let mut connection = Connection::new(origin, settings, State::SynReceived, charge);
        connection.timers.heard = now;
        connection.take_syn(now, syn);
        connection
    }

    /// Takes over what a SYN says.
    fn take_syn(&mut self, now: u64, syn: &Header) {
        self.expected = syn.seq + 1;
        self.told = self.expected + self.settings.receive_limit.min(65535) as usize;
        let options = &syn.options;
        self.peer_scale = options.scale;
        // On this machine nothing is lost or old.
        let offered = !self.origin.is_local;
        self.selective.agree(offered && options.selective);
        let theirs = u32::from(options.mss.unwrap_or(DEFAULT_MSS)).max(LEAST_MSS);
        self.mss = theirs.min(u32::from(self.origin.mss()));
        if self.stamps.agree(now, offered, options, self.expected) {
            self.mss -= STAMPS as u32;
        }
        self.congestion.begin(self.mss);
        // The window of a SYN is not scaled (RFC 7323, 2.2).
        self.window = u32::from(syn.window);
        self.largest_window = self.window;
        (self.window_seq, self.window_ack) = (syn.seq, syn.ack);
    }

    /// This side.
    pub fn local(&self) -> IpEndpoint {
        self.origin.local
    }

    /// The other side.
    pub fn remote(&self) -> IpEndpoint {
        self.origin.remote
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the owner is to be told; each once.
    pub fn take_news(&mut self) -> Ready {
        if self.wants_room && self.state.is_synchronized() && self.has_room() {
            self.wants_room = false;
            self.news |= Ready::OUT;
        }
        core::mem::replace(&mut self.news, Ready::empty())
    }

    /// The next numbers of both directions, for TIME-WAIT.
    pub fn ends(&self) -> (Seq, Seq) {
        (self.max, self.expected)
    }

    /// The window that was told last, as a header has it.
    pub fn told_window(&self) -> u16 {
        let window = self.told.since(self.expected) >> self.own_scale();
        window.min(65535) as u16
    }

    /// Whether no socket has it.
    pub fn is_orphan(&self) -> bool {
        self.is_orphan
    }

    /// The options.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The shift of the windows that this side tells.
    fn own_scale(&self) -> u8 {
        if self.peer_scale.is_some() { SCALE } else { 0 }
    }

    /// Whether an end is sent or to be sent that is not acknowledged.
    fn fin_pending(&self) -> bool {
        self.write_shut && !self.fin_acked
    }

    /// Ends it. What has come can still be read.
    fn finish(&mut self, error: Option<Errno>) {
        self.state = State::Closed;
        if error.is_some() {
            self.error = error;
        }
        (self.read_shut, self.write_shut) = (true, true);
        self.fin_acked = true;
        self.transmit.clear();
        self.ahead.clear();
        self.selective.clear();
        self.timers.clear();
        self.due = Due {
            reset: self.due.reset,
            ..Due::default()
        };
        self.news |= Ready::all();
        self.account();
    }

    /// Makes both queues' memory the owner's debt. Less always succeeds.
    fn account(&mut self) {
        let held = self.transmit.capacity() + self.receive.capacity();
        let _ = self.charge.resize(size_of::<Connection>() + held);
    }

    /// Room for `total` bytes in one of the queues. `ENOMEM`.
    fn grow(&mut self, which: fn(&mut Connection) -> &mut Ring, total: usize) -> Result<()> {
        let ring = which(self);
        let (old, new) = (ring.capacity(), ring.capacity_for(total));
        if new == old {
            return Ok(());
        }
        let held = self.charge.bytes();
        self.charge.resize(held + new - old)?;
        let grown = which(self).reserve(total);
        if grown.is_err() {
            let _ = self.charge.resize(held);
        }
        grown
    }
}

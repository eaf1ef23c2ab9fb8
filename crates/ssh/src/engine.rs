//! The protocol engine: bytes go in, bytes and events come out. It does no
//! I/O, keeps no time, and never waits.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use rand_core::CryptoRng;

use crate::admission::Stage;
use crate::auth::{self, Auth, AuthRequest, Refusal, RefusedAttempt, Step};
use crate::channel::{ChannelId, ExitStatus, SpawnRequest, WindowSize};
use crate::config::Config;
use crate::connection::{Connection, Effect};
use crate::error::{Ended, Fault};
use crate::forward::{Arrival, Bound, ConnectRequest, ListenRequest, Place};
use crate::keys::KeyOptions;
use crate::message;
use crate::reports::{exit_report, output_header};
use crate::transport::Transport;

/// Before and after the login. Channels are part of the second state only.
enum Phase {
    Auth(Auth),
    Open(Connection),
}

/// Something for the owner of the engine to act upon.
#[derive(Clone, Debug)]
pub enum Event {
    /// To be answered with [`Engine::authorize`].
    Authorize(AuthRequest),
    /// An attempt to log in was refused without asking.
    Refused(RefusedAttempt),
    /// To be answered with [`Engine::started`].
    Start(ChannelId, SpawnRequest),
    /// To be answered with [`Engine::started`].
    Connect(ChannelId, ConnectRequest),
    /// To be answered with [`Engine::awaited`]; nothing is received before that.
    Listen(ListenRequest),
    /// No connections are to be awaited there any more.
    Unlisten(Place),
    /// The client has taken a channel that [`Engine::arrived`] has opened.
    Opened(ChannelId),
    /// Input for a program. [`Engine::input`] has it until the next call of
    /// [`Engine::poll`] or [`Engine::space`]; to be given back by [`Engine::consumed`].
    Input(ChannelId, Range<usize>),
    /// No more input will come.
    InputEnd(ChannelId),
    /// The client's window has a new size.
    Resize(ChannelId, WindowSize),
    /// A signal for the program, by its name without `SIG`.
    Signal(ChannelId, String),
    /// The client does not read the program's output any more.
    OutputUnwanted(ChannelId),
    /// The client has closed the channel and waits for [`Engine::finish`] or
    /// [`Engine::close`]: no more input comes, and no output is wanted.
    Abandoned(ChannelId),
    /// The channel is gone, and nothing can be reported on it.
    Closed(ChannelId),
}

/// The two streams of a program's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One connection, from this side's version line on.
pub struct Engine<R> {
    transport: Transport<R>,
    phase: Phase,
    config: Arc<Config>,
    /// The banner has been sent, if there is one.
    has_greeted: bool,
}

impl<R: CryptoRng> Engine<R> {
    /// Begins a connection. `rng` must be a generator fit for keys.
    pub fn new(config: Arc<Config>, rng: R) -> Result<Self, Fault> {
        Ok(Self {
            transport: Transport::new(config.clone(), rng)?,
            phase: Phase::Auth(Auth::new(config.max_auth_tries)),
            config,
            has_greeted: false,
        })
    }

    /// As if keys had been agreed upon, and the client had logged in.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn skip_exchange(&mut self, login: Option<Connection>) {
        self.transport.skip_exchange();
        if let Some(connection) = login {
            self.transport.trust();
            self.phase = Phase::Open(connection);
        }
    }

    /// Where received bytes go. Not empty once [`Self::poll`] has given `None`.
    pub fn space(&mut self) -> Result<&mut [u8], Fault> {
        self.transport.space()
    }

    /// Says that `count` bytes of the space have been filled.
    pub fn received(&mut self, count: usize) {
        self.transport.received(count);
    }

    /// Bytes for the peer.
    pub fn pending(&self) -> &[u8] {
        self.transport.pending()
    }

    /// Says that the first `count` of them are on their way.
    pub fn sent(&mut self, count: usize) {
        self.transport.sent(count);
    }

    /// Whether so much waits to be sent that nothing more should be produced.
    pub fn is_congested(&self) -> bool {
        self.transport.pending().len() >= self.config.output_limit
    }

    /// Whether the client has logged in, and how: the user's name and the
    /// key's fingerprint.
    pub fn login(&self) -> Option<(&str, String)> {
        match &self.phase {
            Phase::Auth(_) => None,
            Phase::Open(connection) => {
                let login = connection.login();
                Some((login.user(), login.key().into()))
            }
        }
    }

    /// How far the client has come.
    pub fn stage(&self) -> Stage {
        if self.transport.session().is_some() {
            Stage::HasKeys
        } else if self.transport.is_greeted() {
            Stage::Greeted
        } else {
            Stage::Silent
        }
    }

    /// Goes on with what has been received, up to the next event. `None` asks
    /// for more bytes, or for the answer to [`Event::Authorize`].
    pub fn poll(&mut self) -> Result<Option<Event>, Ended> {
        loop {
            let is_asking = match &self.phase {
                Phase::Auth(auth) => auth.asking(),
                Phase::Open(connection) => connection.is_asking(),
            };
            if is_asking {
                return Ok(None);
            }
            let Some(payload) = self.transport.receive()? else {
                return Ok(None);
            };
            let start = payload.start;
            if let Some(event) = self.dispatch(payload, start)? {
                return Ok(Some(event));
            }
            if self.is_congested() {
                return Ok(None);
            }
        }
    }

    fn dispatch(&mut self, payload: Range<usize>, start: usize) -> Result<Option<Event>, Fault> {
        let bytes = self.transport.payload(payload);
        match &mut self.phase {
            Phase::Auth(auth) => {
                let Some(session) = self.transport.session() else {
                    return Err(Fault::protocol("message out of order"));
                };
                match auth.message(bytes, session)? {
                    Some(Step::Ask(request)) => return Ok(Some(Event::Authorize(request))),
                    Some(Step::Reply(reply)) => {
                        self.reply(&reply)?;
                        if reply.first() == Some(&message::SERVICE_ACCEPT) {
                            self.greet()?;
                        }
                    }
                    Some(Step::Refuse(reply, attempt)) => {
                        self.reply(&reply)?;
                        return Ok(Some(Event::Refused(attempt)));
                    }
                    None => self.transport.unimplemented()?,
                }
                Ok(None)
            }
            Phase::Open(connection) => match connection.message(bytes)? {
                Some((reply, effect)) => {
                    self.reply(&reply)?;
                    Ok(event(effect, start))
                }
                None => self.transport.unimplemented().map(|()| None),
            },
        }
    }

    /// Sends the banner, once.
    fn greet(&mut self) -> Result<(), Fault> {
        let banner = self.config.banner.as_deref().filter(|_| !self.has_greeted);
        let banner = banner.map(auth::banner).unwrap_or_default();
        self.has_greeted = true;
        self.reply(&banner)
    }

    /// Sends a message unless it is empty.
    fn reply(&mut self, reply: &[u8]) -> Result<(), Fault> {
        match reply {
            [] => Ok(()),
            _ => self.transport.send(reply),
        }
    }

    /// The bytes of [`Event::Input`].
    pub fn input(&self, range: Range<usize>) -> &[u8] {
        self.transport.payload(range)
    }

    /// Answers [`Event::Authorize`].
    pub fn authorize(&mut self, answer: Result<KeyOptions, Refusal>) -> Result<(), Fault> {
        if let Err(Refusal {
            message: Some(message),
            ..
        }) = &answer
        {
            self.reply(&auth::banner(message))?;
        }
        let Phase::Auth(auth) = &mut self.phase else {
            return Ok(());
        };
        let (reply, login) = auth.decide(answer.ok())?;
        self.reply(&reply)?;
        if let Some(login) = login {
            self.transport.trust();
            self.phase = Phase::Open(Connection::new(login, self.config.clone()));
        }
        Ok(())
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Auth(_) => None,
            Phase::Open(connection) => Some(connection),
        }
    }

    /// Sends what `message` makes of the channels, if there are any.
    fn with_connection(
        &mut self,
        message: impl FnOnce(&mut Connection) -> Vec<u8>,
    ) -> Result<(), Fault> {
        let reply = self.connection().map(message).unwrap_or_default();
        self.reply(&reply)
    }

    /// Whether there is such a channel.
    pub fn has_channel(&mut self, channel: ChannelId) -> bool {
        self.connection()
            .is_some_and(|connection| connection.channel(channel).is_some())
    }

    /// Answers [`Event::Start`] and [`Event::Connect`]. A connection that was
    /// not made has no channel from then on.
    pub fn started(&mut self, channel: ChannelId, granted: bool) -> Result<(), Fault> {
        self.with_connection(|connection| connection.started(channel, granted))
    }

    /// Answers [`Event::Listen`]: the place as it is known from now on.
    pub fn awaited(&mut self, bound: Option<&Bound>) -> Result<Option<Place>, Fault> {
        let Some(connection) = self.connection() else {
            return Ok(None);
        };
        let (place, reply) = connection.awaited(bound);
        self.reply(&reply)?;
        Ok(place)
    }

    /// Opens a channel for a connection that has come to a place. `None` if
    /// there can be none now; [`Event::Opened`] or [`Event::Closed`] follows.
    pub fn arrived(&mut self, at: &Place, from: &Arrival) -> Result<Option<ChannelId>, Fault> {
        let Some((id, message)) = self.connection().and_then(|own| own.arrived(at, from)) else {
            return Ok(None);
        };
        self.reply(&message)?;
        Ok(Some(id))
    }

    /// Whether channels can be opened from here now.
    pub fn may_open(&self) -> bool {
        !self.is_congested() && self.transport.open()
    }

    /// Says that a program took `count` bytes of input, or will never want them.
    pub fn consumed(&mut self, channel: ChannelId, count: usize) -> Result<(), Fault> {
        self.with_connection(|connection| connection.consumed(channel, count))
    }

    /// How many bytes of output can be sent now; 0 while the client's window
    /// is used up, keys are exchanged, or too much waits for the stream.
    pub fn room(&mut self, channel: ChannelId) -> usize {
        if self.is_congested() || !self.transport.open() {
            return 0;
        }
        let channel = self
            .connection()
            .and_then(|connection| connection.channel(channel));
        channel.map_or(0, |channel| channel.room())
    }

    /// Sends output that `read` writes into the packet itself: into a slice of
    /// at most [`Self::room`] bytes. `read` returns how many; `None` if there is
    /// nothing. Returns what `read` returned.
    pub fn output(
        &mut self,
        channel: ChannelId,
        output: Output,
        read: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<Option<usize>, Fault> {
        let room = self.room(channel);
        let Phase::Open(connection) = &mut self.phase else {
            return Ok(None);
        };
        let Some(channel) = connection.channel(channel).filter(|_| room > 0) else {
            return Ok(None);
        };
        let header = output_header(channel.peer, output);
        let field = header.len() + 4;
        let count = self.transport.fill(field + room, |space| {
            let (prefix, data) = space.split_at_mut(field);
            let count = read(data).filter(|count| *count > 0)?.min(room);
            prefix[..header.len()].copy_from_slice(&header);
            prefix[header.len()..].copy_from_slice(&(count as u32).to_be_bytes());
            Some((field + count, count))
        })?;
        channel.peer_window -= count.unwrap_or(0) as u32;
        Ok(count)
    }

    /// Says that no more output will come.
    pub fn output_end(&mut self, channel: ChannelId) -> Result<(), Fault> {
        self.with_connection(|connection| connection.output_end(channel))
    }

    /// Reports how the program ended and closes the channel.
    pub fn finish(&mut self, channel: ChannelId, status: &ExitStatus) -> Result<(), Fault> {
        self.output_end(channel)?;
        self.with_connection(|connection| match connection.channel(channel) {
            Some(channel) if !channel.close_sent => exit_report(channel.peer, status),
            _ => Vec::new(),
        })?;
        self.close(channel)
    }

    /// Closes the channel.
    pub fn close(&mut self, channel: ChannelId) -> Result<(), Fault> {
        self.with_connection(|connection| connection.close_from_here(channel))
    }

    /// Tells the peer why this side gives up. Only [`Self::pending`] and
    /// [`Self::sent`] make sense after that.
    pub fn disconnect(&mut self, fault: Fault) {
        self.transport.disconnect(fault);
    }
}

fn event(effect: Effect, start: usize) -> Option<Event> {
    Some(match effect {
        Effect::None => return None,
        Effect::Start(id, request) => Event::Start(id, request),
        Effect::Connect(id, request) => Event::Connect(id, request),
        Effect::Listen(request) => Event::Listen(request),
        Effect::Unlisten(place) => Event::Unlisten(place),
        Effect::Opened(id) => Event::Opened(id),
        Effect::Input(id, range) => Event::Input(id, range.start + start..range.end + start),
        Effect::InputEnd(id) => Event::InputEnd(id),
        Effect::Resize(id, size) => Event::Resize(id, size),
        Effect::Signal(id, name) => Event::Signal(id, name),
        Effect::OutputUnwanted(id) => Event::OutputUnwanted(id),
        Effect::Abandoned(id) => Event::Abandoned(id),
        Effect::Closed(id) => Event::Closed(id),
    })
}

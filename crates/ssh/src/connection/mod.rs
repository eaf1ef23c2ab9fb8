//! The connection protocol (RFC 4254): session channels of a logged-in client.

mod forward;
mod open;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::auth::Authenticated;
use crate::channel::{self, Channel, ChannelId, MAX_DATA, SpawnRequest, Stage, WindowSize};
use crate::config::Config;
use crate::error::{Fault, copy};
use crate::forward::{ConnectRequest, ListenRequest, Place};
use crate::message;
use crate::wire::{Put, Reader};
use forward::Asked;
use open::{confirmation, open_failure};

/// What a message means to the owner of the programs.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    None,
    Start(ChannelId, SpawnRequest),
    Connect(ChannelId, ConnectRequest),
    Listen(ListenRequest),
    Unlisten(Place),
    /// The client has taken a channel that was opened from here.
    Opened(ChannelId),
    /// Input for a program: where it lies in the message.
    Input(ChannelId, Range<usize>),
    InputEnd(ChannelId),
    Resize(ChannelId, WindowSize),
    Signal(ChannelId, String),
    /// The client does not read the program's output any more.
    OutputUnwanted(ChannelId),
    /// The client wants nothing more from the channel but the program's end.
    Abandoned(ChannelId),
    Closed(ChannelId),
}

/// The answer to send, possibly empty, and what else follows.
pub(crate) type Outcome = Result<(Vec<u8>, Effect), Fault>;

/// The channels of one client. Takes the proof of its login to make one.
pub(crate) struct Connection {
    login: Authenticated,
    config: Arc<Config>,
    channels: Vec<Option<Channel>>,
    /// The client has promised to open no more.
    no_more_sessions: bool,
    /// A place about which the owner is asked.
    asked: Option<Asked>,
    /// Where connections are awaited, but for the agent's.
    places: Vec<Place>,
    /// The path of the agent's socket.
    agent: Option<String>,
}

/// The longest name of a host, in bytes (RFC 1035).
const MAX_HOST: usize = 255;

const NOTHING: (Vec<u8>, Effect) = (Vec::new(), Effect::None);

impl Connection {
    pub(crate) fn new(login: Authenticated, config: Arc<Config>) -> Self {
        Self {
            login,
            config,
            channels: Vec::new(),
            no_more_sessions: false,
            asked: None,
            places: Vec::new(),
            agent: None,
        }
    }

    pub(crate) fn login(&self) -> &Authenticated {
        &self.login
    }

    pub(crate) fn channel(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.get_mut(id.0 as usize)?.as_mut()
    }

    /// Takes a message; `None` if it means nothing here.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Result<Option<(Vec<u8>, Effect)>, Fault> {
        let mut reader = Reader::new(payload);
        let outcome = match reader.u8()? {
            message::GLOBAL_REQUEST => self.global_request(reader),
            message::REQUEST_SUCCESS | message::REQUEST_FAILURE => Ok(NOTHING),
            message::CHANNEL_OPEN => self.open(reader),
            message::CHANNEL_OPEN_CONFIRMATION => self.open_confirmed(reader),
            message::CHANNEL_OPEN_FAILURE => self.open_refused(reader),
            message::CHANNEL_WINDOW_ADJUST => self.adjust(reader),
            message::CHANNEL_DATA => self.data(reader, payload.len()),
            message::CHANNEL_EXTENDED_DATA => self.extended_data(reader),
            message::CHANNEL_EOF => self.eof(reader),
            message::CHANNEL_CLOSE => self.close(reader),
            message::CHANNEL_REQUEST => self.request(reader),
            message::CHANNEL_SUCCESS | message::CHANNEL_FAILURE => Ok(NOTHING),
            message::USERAUTH_REQUEST | message::EXT_INFO => Ok(NOTHING),
            _ => return Ok(None),
        };
        outcome.map(Some)
    }

    /// The channel that a message names by this side's number. The client
    /// has not closed it: a close is its last message.
    fn named(&mut self, reader: &mut Reader<'_>) -> Result<(ChannelId, &mut Channel), Fault> {
        let id = ChannelId(reader.u32()?);
        match self.channel(id) {
            Some(channel) if !channel.close_received && channel.is_open() => Ok((id, channel)),
            _ => Err(Fault::protocol("no such channel")),
        }
    }

    fn adjust(&mut self, mut reader: Reader<'_>) -> Outcome {
        let (_, channel) = self.named(&mut reader)?;
        let more = reader.u32()?;
        reader.end()?;
        channel.peer_window = channel
            .peer_window
            .checked_add(more)
            .ok_or(Fault::protocol("window too large"))?;
        Ok(NOTHING)
    }

    fn data(&mut self, mut reader: Reader<'_>, size: usize) -> Outcome {
        let (id, channel) = self.named(&mut reader)?;
        let data = reader.string()?;
        reader.end()?;
        take_window(channel, data.len())?;
        Ok(match channel.close_sent {
            true => NOTHING,
            false => (Vec::new(), Effect::Input(id, size - data.len()..size)),
        })
    }

    /// Clients have no second stream to send; it is taken and forgotten.
    fn extended_data(&mut self, mut reader: Reader<'_>) -> Outcome {
        let (_, channel) = self.named(&mut reader)?;
        reader.u32()?;
        let count = reader.string()?.len();
        reader.end()?;
        take_window(channel, count)?;
        Ok((consumed(channel, count), Effect::None))
    }

    fn eof(&mut self, mut reader: Reader<'_>) -> Outcome {
        let (id, channel) = self.named(&mut reader)?;
        reader.end()?;
        channel.eof_received = true;
        Ok((Vec::new(), Effect::InputEnd(id)))
    }

    fn close(&mut self, mut reader: Reader<'_>) -> Outcome {
        let (id, channel) = self.named(&mut reader)?;
        reader.end()?;
        channel.close_received = true;
        if channel.has_program() && !channel.close_sent {
            // The answer follows the report of the program's end.
            return Ok((Vec::new(), Effect::Abandoned(id)));
        }
        let out = match channel.close_sent {
            true => Vec::new(),
            false => to_peer(message::CHANNEL_CLOSE, channel.peer),
        };
        self.forget(id);
        Ok((out, Effect::Closed(id)))
    }

    fn forget(&mut self, id: ChannelId) {
        if let Some(slot) = self.channels.get_mut(id.0 as usize) {
            *slot = None;
        }
    }

    fn request(&mut self, mut reader: Reader<'_>) -> Outcome {
        let config = self.config.clone();
        let (id, _) = self.named(&mut reader)?;
        let name = reader.string()?;
        let reply = reader.bool()?;
        let start = match name {
            b"exec" => Some(Some(copy(reader.string()?)?)),
            b"shell" => Some(None),
            b"subsystem" => match config.subsystem(reader.string()?) {
                Some(command) => Some(Some(copy(command.as_bytes())?)),
                None => None,
            },
            _ => None,
        };
        if name == b"auth-agent-req@openssh.com" {
            return Ok(self.agent_request(id, reply));
        }
        let Self {
            login,
            channels,
            agent,
            ..
        } = self;
        let slot = channels.get_mut(id.0 as usize);
        let Some(channel) = slot.and_then(Option::as_mut) else {
            return Err(Fault::protocol("no such channel"));
        };
        if let Some(command) = start
            && !channel.close_sent
            && let Some(request) = channel.start(command, reply)
        {
            let mut request = permitted(request, login, &config)?;
            request.agent_socket = agent.clone().filter(|_| channel.has_agent);
            return Ok((Vec::new(), Effect::Start(id, request)));
        }
        let has_pty = !login.options().no_pty;
        let (granted, effect) = match name {
            b"pty-req" if !has_pty => (false, Effect::None),
            b"env" => {
                let (name, value) = (reader.string()?, reader.string()?);
                let accepted = config.accepts_variable(name) && channel.variable(name, value);
                (accepted, Effect::None)
            }
            _ => small_request(id, channel, name, &mut reader)?,
        };
        let answer = match granted {
            true => message::CHANNEL_SUCCESS,
            false => message::CHANNEL_FAILURE,
        };
        let out = match reply && !channel.close_sent {
            true => to_peer(answer, channel.peer),
            false => Vec::new(),
        };
        Ok((out, effect))
    }

    /// The owner's answer to a request for a program or a connection.
    pub(crate) fn started(&mut self, id: ChannelId, granted: bool) -> Vec<u8> {
        let Some(channel) = self.channel(id) else {
            return Vec::new();
        };
        let stage = core::mem::replace(&mut channel.stage, Stage::Started);
        match (stage, granted) {
            (Stage::Starting { reply: true }, true) => {
                to_peer(message::CHANNEL_SUCCESS, channel.peer)
            }
            (Stage::Connecting, true) => confirmation(id, channel),
            (Stage::Connecting, false) => {
                let (code, text) = (message::OPEN_CONNECT_FAILED, "connection failed");
                let refusal = open_failure(channel.peer, code, text);
                self.forget(id);
                refusal
            }
            (Stage::Starting { reply: true }, false) => {
                to_peer(message::CHANNEL_FAILURE, channel.peer)
            }
            _ => Vec::new(),
        }
    }

    /// `count` bytes of input have left memory; the client may send as many more.
    pub(crate) fn consumed(&mut self, id: ChannelId, count: usize) -> Vec<u8> {
        match self.channel(id) {
            Some(channel) => consumed(channel, count),
            None => Vec::new(),
        }
    }

    /// No more output will come.
    pub(crate) fn output_end(&mut self, id: ChannelId) -> Vec<u8> {
        match self.channel(id) {
            Some(channel) if !channel.eof_sent && !channel.is_closing() => {
                channel.eof_sent = true;
                to_peer(message::CHANNEL_EOF, channel.peer)
            }
            _ => Vec::new(),
        }
    }

    /// This side is done with the channel.
    pub(crate) fn close_from_here(&mut self, id: ChannelId) -> Vec<u8> {
        match self.channel(id) {
            Some(channel) if !channel.close_sent => {
                channel.close_sent = true;
                let (peer, is_last) = (channel.peer, channel.close_received);
                if is_last {
                    self.forget(id);
                }
                to_peer(message::CHANNEL_CLOSE, peer)
            }
            _ => Vec::new(),
        }
    }
}

/// What of a request its key allows: a forced command runs instead of any.
fn permitted(
    mut request: SpawnRequest,
    login: &Authenticated,
    config: &Config,
) -> Result<SpawnRequest, Fault> {
    let options = login.options();
    request.user = login.user().to_string();
    if let Some(forced) = &options.command {
        request.original_command = request.command.replace(copy(forced)?);
    }
    if config.permit_user_environment {
        request.key_environment = options.environment.clone();
    }
    Ok(request)
}

/// Requests that are answered at once: whether granted, and what follows.
fn small_request(
    id: ChannelId,
    channel: &mut Channel,
    name: &[u8],
    reader: &mut Reader<'_>,
) -> Result<(bool, Effect), Fault> {
    Ok(match name {
        b"pty-req" => (
            channel.terminal(channel::pty_request(reader)?),
            Effect::None,
        ),
        b"window-change" => {
            let size = channel::window_size(reader)?;
            (true, Effect::Resize(id, size))
        }
        b"signal" => (true, Effect::Signal(id, reader.text()?.to_string())),
        b"eow@openssh.com" => (true, Effect::OutputUnwanted(id)),
        _ => (false, Effect::None),
    })
}

/// A message that begins with the client's number for a channel.
pub(crate) fn to_peer(kind: u8, peer: u32) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(kind);
    out.put_u32(peer);
    out
}

/// Counts data against what the client was allowed to send.
fn take_window(channel: &mut Channel, count: usize) -> Result<(), Fault> {
    if channel.eof_received {
        return Err(Fault::protocol("data after its end"));
    }
    let left = u32::try_from(count)
        .ok()
        .and_then(|count| channel.window.checked_sub(count));
    channel.window = left.ok_or(Fault::protocol("window exceeded"))?;
    Ok(())
}

/// Gives the client its window back, in large steps.
fn consumed(channel: &mut Channel, count: usize) -> Vec<u8> {
    channel.consumed = channel.consumed.saturating_add(count as u32);
    let due = channel.consumed >= channel.limit / 4 || channel.consumed >= 8 * MAX_DATA;
    if !due || channel.eof_received || channel.is_closing() {
        return Vec::new();
    }
    let more = core::mem::take(&mut channel.consumed);
    channel.window = channel.window.saturating_add(more);
    let mut out = to_peer(message::CHANNEL_WINDOW_ADJUST, channel.peer);
    out.put_u32(more);
    out
}

#[cfg(test)]
mod tests;

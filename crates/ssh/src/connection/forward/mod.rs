//! Forwarding towards the client: what it wants to be awaited here (RFC 4254,
//! section 7.1, and OpenSSH's PROTOCOL, sections 2.4 and 2.5).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Connection, Effect, MAX_HOST, NOTHING, Outcome, to_peer};
use crate::channel::{Channel, ChannelId, MAX_DATA, Stage};
use crate::error::Fault;
use crate::forward::{Arrival, Bound, ListenRequest, Place, is_socket_path};
use crate::message;
use crate::wire::{Put, Reader};

/// Places where one client may have connections awaited.
const MAX_PLACES: usize = 16;

/// What waits for the owner's answer; nothing else is taken meanwhile, as
/// answers have no numbers.
pub(super) struct Asked {
    at: Place,
    /// The client wants to know.
    reply: bool,
    /// The channel on which an agent was asked for.
    channel: Option<ChannelId>,
}

impl Connection {
    /// Whether the owner's answer about a place is awaited.
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn global_request(&mut self, mut reader: Reader<'_>) -> Outcome {
        let name = reader.string()?;
        let reply = reader.bool()?;
        if name == b"no-more-sessions@openssh.com" {
            self.no_more_sessions = true;
        }
        let (at, is_cancel) = match name {
            b"tcpip-forward" => (tcp_place(&mut reader)?, false),
            b"cancel-tcpip-forward" => (tcp_place(&mut reader)?, true),
            b"streamlocal-forward@openssh.com" => (local_place(&mut reader)?, false),
            b"cancel-streamlocal-forward@openssh.com" => (local_place(&mut reader)?, true),
            _ => (None, false),
        };
        let Some(at) = at else {
            return Ok((refusal(reply), Effect::None));
        };
        reader.end()?;
        if is_cancel {
            return Ok(self.cancel(&at, reply));
        }
        if !self.may_await(&at) {
            return Ok((refusal(reply), Effect::None));
        }
        Ok(self.ask(at, reply, None))
    }

    fn ask(&mut self, at: Place, reply: bool, channel: Option<ChannelId>) -> (Vec<u8>, Effect) {
        self.asked = Some(Asked {
            at: at.clone(),
            reply,
            channel,
        });
        let user = self.login.user().to_string();
        (Vec::new(), Effect::Listen(ListenRequest { user, at }))
    }

    fn may_await(&self, at: &Place) -> bool {
        let options = self.login.options();
        let is_allowed = match at {
            Place::Tcp { host, port } => options.may_listen(host, *port),
            Place::Local(_) => options.may_use_local_sockets(),
            Place::Agent => !options.no_agent_forwarding,
        };
        // Any port is as good as another one.
        let is_new = matches!(at, Place::Tcp { port: 0, .. }) || !self.places.contains(at);
        self.config.permit_forwarding && is_allowed && is_new && self.places.len() < MAX_PLACES
    }

    fn cancel(&mut self, at: &Place, reply: bool) -> (Vec<u8>, Effect) {
        let Some(index) = self.places.iter().position(|place| place == at) else {
            return (refusal(reply), Effect::None);
        };
        let place = self.places.swap_remove(index);
        let out = match reply {
            true => alloc::vec![message::REQUEST_SUCCESS],
            false => Vec::new(),
        };
        (out, Effect::Unlisten(place))
    }

    /// The client's agent is wanted on a channel ("auth-agent-req").
    pub(super) fn agent_request(&mut self, id: ChannelId, reply: bool) -> (Vec<u8>, Effect) {
        if self.agent.is_some() {
            return (self.agent_granted(id, reply, true), Effect::None);
        }
        match self.may_await(&Place::Agent) {
            true => self.ask(Place::Agent, reply, Some(id)),
            false => (self.agent_granted(id, reply, false), Effect::None),
        }
    }

    fn agent_granted(&mut self, id: ChannelId, reply: bool, granted: bool) -> Vec<u8> {
        let Some(channel) = self.channel(id) else {
            return Vec::new();
        };
        channel.has_agent |= granted;
        let answer = match granted {
            true => message::CHANNEL_SUCCESS,
            false => message::CHANNEL_FAILURE,
        };
        match reply && !channel.close_sent {
            true => to_peer(answer, channel.peer),
            false => Vec::new(),
        }
    }

    /// The owner's answer about a place: the place as it is now, and the
    /// answer for the client.
    pub(crate) fn awaited(&mut self, bound: Option<&Bound>) -> (Option<Place>, Vec<u8>) {
        let Some(Asked { at, reply, channel }) = self.asked.take() else {
            return (None, Vec::new());
        };
        if let Some(id) = channel {
            self.agent = bound.map(|bound| bound.path.clone());
            let out = self.agent_granted(id, reply, bound.is_some());
            return (bound.map(|_| at), out);
        }
        let Some(bound) = bound else {
            return (None, refusal(reply));
        };
        let mut out = Vec::new();
        out.put_u8(message::REQUEST_SUCCESS);
        let place = match at {
            Place::Tcp { host, port: 0 } => {
                out.put_u32(bound.port.into());
                let port = bound.port;
                Place::Tcp { host, port }
            }
            at => at,
        };
        if !reply {
            out.clear();
        }
        self.places.push(place.clone());
        (Some(place), out)
    }

    /// A connection has come to a place: the new channel, and what tells the
    /// client of it. `None` if there are too many.
    pub(crate) fn arrived(
        &mut self,
        at: &Place,
        arrival: &Arrival,
    ) -> Option<(ChannelId, Vec<u8>)> {
        let id = self.free_slot()?;
        let mut channel = Channel::new(0, 0, 0, self.free_window());
        channel.stage = Stage::Opening;
        let mut out = Vec::new();
        out.put_u8(message::CHANNEL_OPEN);
        out.put_string(match at {
            Place::Tcp { .. } => b"forwarded-tcpip",
            Place::Local(_) => b"forwarded-streamlocal@openssh.com",
            Place::Agent => b"auth-agent@openssh.com",
        });
        out.put_u32(id.0);
        out.put_u32(channel.limit);
        out.put_u32(MAX_DATA);
        match at {
            Place::Tcp { host, port } => {
                out.put_string(host.as_bytes());
                out.put_u32((*port).into());
                out.put_string(arrival.address.as_bytes());
                out.put_u32(arrival.port.into());
            }
            Place::Local(path) => {
                out.put_string(path);
                out.put_string(b"");
            }
            Place::Agent => {}
        }
        self.put(id, channel);
        Some((id, out))
    }

    fn opening(&mut self, reader: &mut Reader<'_>) -> Result<(ChannelId, &mut Channel), Fault> {
        let id = ChannelId(reader.u32()?);
        match self.channel(id) {
            Some(channel) if matches!(channel.stage, Stage::Opening) => Ok((id, channel)),
            _ => Err(Fault::protocol("no such channel")),
        }
    }

    /// The client has taken a channel that was opened from here.
    pub(super) fn open_confirmed(&mut self, mut reader: Reader<'_>) -> Outcome {
        let (id, channel) = self.opening(&mut reader)?;
        channel.peer = reader.u32()?;
        channel.peer_window = reader.u32()?;
        channel.peer_max = reader.u32()?;
        channel.stage = Stage::Started;
        Ok((Vec::new(), Effect::Opened(id)))
    }

    /// The client has refused one.
    pub(super) fn open_refused(&mut self, mut reader: Reader<'_>) -> Outcome {
        let (id, _) = self.opening(&mut reader)?;
        self.forget(id);
        Ok((Vec::new(), Effect::Closed(id)))
    }
}

fn refusal(reply: bool) -> Vec<u8> {
    match reply {
        true => alloc::vec![message::REQUEST_FAILURE],
        false => NOTHING.0,
    }
}

/// `None` for what cannot be.
fn tcp_place(reader: &mut Reader<'_>) -> Result<Option<Place>, Fault> {
    let (host, port) = (reader.text()?, reader.u32()?);
    let port = u16::try_from(port).ok().filter(|_| host.len() <= MAX_HOST);
    let host = host.to_string();
    Ok(port.map(|port| Place::Tcp { host, port }))
}

fn local_place(reader: &mut Reader<'_>) -> Result<Option<Place>, Fault> {
    let path = reader.string()?;
    Ok(is_socket_path(path).then(|| Place::Local(path.to_vec())))
}

#[cfg(test)]
mod tests;

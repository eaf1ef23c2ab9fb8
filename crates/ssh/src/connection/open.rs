//! Channels that the client opens (RFC 4254, section 5.1).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Connection, Effect, MAX_HOST, Outcome, to_peer};
use crate::channel::{Channel, ChannelId, MAX_DATA, Stage};
use crate::config::Config;
use crate::error::{Fault, copy};
use crate::forward::{ConnectRequest, Destination, is_socket_path};
use crate::message;
use crate::wire::{Put, Reader};

/// What a new channel is to be connected to, nothing for a session; or why it
/// is refused.
type Wanted = Result<Option<ConnectRequest>, (u32, &'static str)>;

const NOT_ALLOWED: Wanted = Err((message::OPEN_PROHIBITED, "not allowed"));

impl Connection {
    pub(super) fn open(&mut self, mut reader: Reader<'_>) -> Outcome {
        let kind = reader.string()?;
        let peer = reader.u32()?;
        let peer_window = reader.u32()?;
        let peer_max = reader.u32()?;
        let connect = match kind {
            b"session" if self.no_more_sessions => {
                Err((message::OPEN_PROHIBITED, "no more sessions"))
            }
            b"session" => Ok(None),
            b"direct-tcpip" => self.tcp_request(&mut reader)?,
            b"direct-streamlocal@openssh.com" => self.local_request(&mut reader)?,
            _ => Err((message::OPEN_UNKNOWN_TYPE, "not a type of this server")),
        };
        let free = connect.and_then(|connect| match self.free_slot() {
            Some(id) => Ok((connect, id)),
            None => Err((message::OPEN_SHORTAGE, "too many channels")),
        });
        let (connect, id) = match free {
            Ok(free) => free,
            Err((code, text)) => return Ok((open_failure(peer, code, text), Effect::None)),
        };
        let window = self.free_window();
        let mut channel = Channel::new(peer, peer_window, peer_max, window);
        let outcome = match connect {
            Some(request) => {
                channel.stage = Stage::Connecting;
                (Vec::new(), Effect::Connect(id, request))
            }
            None => (confirmation(id, &channel), Effect::None),
        };
        self.put(id, channel);
        Ok(outcome)
    }

    /// The rest of a "direct-tcpip" (RFC 4254, section 7.2), if the key allows
    /// the connection.
    fn tcp_request(&self, reader: &mut Reader<'_>) -> Result<Wanted, Fault> {
        let (host, port) = (reader.text()?, reader.u32()?);
        let _originator = (reader.string()?, reader.u32()?);
        reader.end()?;
        let Ok(port @ 1..) = u16::try_from(port) else {
            return Ok(NOT_ALLOWED);
        };
        let may = self.login.options().may_connect(host, port) && host.len() <= MAX_HOST;
        let host = host.to_string();
        Ok(self.connect_request(may, Destination::Tcp { host, port }))
    }

    /// The rest of a "direct-streamlocal@openssh.com" (OpenSSH's PROTOCOL,
    /// section 2.4), the same.
    fn local_request(&self, reader: &mut Reader<'_>) -> Result<Wanted, Fault> {
        let path = reader.string()?;
        let _reserved = (reader.string()?, reader.u32()?);
        reader.end()?;
        let may = self.login.options().may_use_local_sockets() && is_socket_path(path);
        Ok(self.connect_request(may, Destination::Local(copy(path)?)))
    }

    fn connect_request(&self, may: bool, to: Destination) -> Wanted {
        let user = self.login.user().to_string();
        match may && self.config.permit_forwarding {
            true => Ok(Some(ConnectRequest { user, to })),
            false => NOT_ALLOWED,
        }
    }

    /// The window of a new channel: a part of what the others leave, so that
    /// as many as there may be have some.
    pub(super) fn free_window(&self) -> u32 {
        let Config {
            window,
            least_window,
            total_window,
            max_channels,
            ..
        } = *self.config;
        let open = self.channels.iter().flatten();
        let (count, granted) = open.fold((0, 0), |(count, granted), channel| {
            (count + 1, granted + u64::from(channel.limit))
        });
        let kept = u64::from(least_window) * max_channels.saturating_sub(count) as u64;
        let free = u64::from(total_window).saturating_sub(granted + kept);
        let share = u64::from(least_window) + free / 2;
        share.min(window.into()) as u32
    }

    pub(super) fn free_slot(&mut self) -> Option<ChannelId> {
        let free = self.channels.iter().position(Option::is_none);
        let index = free.unwrap_or(self.channels.len());
        if index >= self.config.max_channels {
            return None;
        }
        if free.is_none() {
            self.channels.push(None);
        }
        u32::try_from(index).ok().map(ChannelId)
    }

    pub(super) fn put(&mut self, id: ChannelId, channel: Channel) {
        if let Some(slot) = self.channels.get_mut(id.0 as usize) {
            *slot = Some(channel);
        }
    }
}

pub(super) fn confirmation(id: ChannelId, channel: &Channel) -> Vec<u8> {
    let mut out = to_peer(message::CHANNEL_OPEN_CONFIRMATION, channel.peer);
    out.put_u32(id.0);
    out.put_u32(channel.limit);
    out.put_u32(MAX_DATA);
    out
}

pub(super) fn open_failure(peer: u32, code: u32, text: &str) -> Vec<u8> {
    let mut out = to_peer(message::CHANNEL_OPEN_FAILURE, peer);
    out.put_u32(code);
    out.put_string(text.as_bytes());
    out.put_string(b"");
    out
}

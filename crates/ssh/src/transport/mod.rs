//! The transport layer (RFC 4253): packets, key exchange and rekeying.
//!
//! What is left for the layers above are whole messages that may be sent and
//! received at that moment.

mod exchange;
mod inbound;
mod outbound;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use rand_core::CryptoRng;

use crate::config::Config;
use crate::error::{Ended, Fault, copy};
use crate::kex::Hash;
use crate::message;
use crate::wire::{Put, Reader};
use exchange::Exchange;
use inbound::Inbound;
use outbound::Outbound;

/// Messages that may wait for the end of a key exchange, in bytes.
const MAX_DEFERRED: usize = 256 * 1024;

/// A message to the layers above: where its bytes lie.
pub(crate) type Payload = Range<usize>;

pub(crate) struct Transport<R> {
    config: Arc<Config>,
    rng: R,
    inbound: Inbound,
    outbound: Outbound,
    exchange: Exchange,
    client_version: Option<Vec<u8>>,
    /// The first exchange's hash; `None` before there are keys.
    session: Option<Hash>,
    /// Strict key exchange has been agreed upon.
    strict: bool,
    /// Messages that wait for the end of a key exchange, with lengths.
    deferred: Vec<u8>,
}

impl<R: CryptoRng> Transport<R> {
    /// Begins: the version line and the first offer are ready to be sent.
    pub(crate) fn new(config: Arc<Config>, rng: R) -> Result<Self, Fault> {
        let mut transport = Self {
            config,
            rng,
            inbound: Inbound::new(),
            outbound: Outbound::new(),
            exchange: Exchange::Idle,
            client_version: None,
            session: None,
            strict: false,
            deferred: Vec::new(),
        };
        transport
            .outbound
            .raw(transport.config.version.as_bytes())?;
        transport.outbound.raw(b"\r\n")?;
        transport.offer()?;
        Ok(transport)
    }

    /// As if keys had been agreed upon and encrypted nothing.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn skip_exchange(&mut self) {
        self.exchange = Exchange::Idle;
        self.client_version = Some(b"SSH-2.0-fuzz".to_vec());
        self.session = Some([7; 32]);
    }

    pub(crate) fn space(&mut self) -> Result<&mut [u8], Fault> {
        self.inbound.space()
    }

    pub(crate) fn received(&mut self, count: usize) {
        self.inbound.received(count);
    }

    pub(crate) fn pending(&self) -> &[u8] {
        self.outbound.pending()
    }

    pub(crate) fn sent(&mut self, count: usize) {
        self.outbound.sent(count);
    }

    pub(crate) fn payload(&self, range: Payload) -> &[u8] {
        self.inbound.payload(range)
    }

    /// The identifier of the connection, once there are keys.
    pub(crate) fn session(&self) -> Option<&Hash> {
        self.session.as_ref()
    }

    /// The client has logged in: its messages may be longer.
    pub(crate) fn trust(&mut self) {
        self.inbound.trust();
    }

    /// Whether messages of the layers above may go out now.
    pub(crate) fn open(&self) -> bool {
        matches!(self.exchange, Exchange::Idle | Exchange::Switching { .. })
    }

    /// Sends a message of the layers above, now or after the key exchange.
    pub(crate) fn send(&mut self, payload: &[u8]) -> Result<(), Fault> {
        if self.open() {
            return self.outbound.message(&mut self.rng, payload);
        }
        if self.deferred.len() + payload.len() > MAX_DEFERRED {
            return Err(Fault::protocol("too many requests during key exchange"));
        }
        self.deferred
            .try_reserve(payload.len() + 4)
            .map_err(|_| Fault::OUT_OF_MEMORY)?;
        self.deferred.put_string(payload);
        Ok(())
    }

    /// Lets `fill` write a message of at most `most` bytes into the packet
    /// itself. Sends nothing while keys are exchanged, or if it returns `None`.
    pub(crate) fn fill<T>(
        &mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<(usize, T)>,
    ) -> Result<Option<T>, Fault> {
        if !self.open() {
            return Ok(None);
        }
        let value = self.outbound.fill(&mut self.rng, most, fill)?;
        self.rekey_if_due()?;
        Ok(value)
    }

    /// Tells the peer why the connection ends. Nothing is sent after that.
    pub(crate) fn disconnect(&mut self, fault: Fault) {
        let mut out = Vec::new();
        out.put_u8(message::DISCONNECT);
        out.put_u32(fault.code as u32);
        out.put_string(fault.text.as_bytes());
        out.put_string(b"");
        // Without memory for it the peer sees the stream end.
        let _ = self.outbound.message(&mut self.rng, &out);
    }

    /// Whether the client has sent its version.
    pub(crate) fn is_greeted(&self) -> bool {
        self.client_version.is_some()
    }

    /// The next message for the layers above, if one has arrived whole.
    pub(crate) fn receive(&mut self) -> Result<Option<Payload>, Ended> {
        if self.client_version.is_none() {
            self.client_version = self.inbound.version()?;
            if self.client_version.is_none() {
                return Ok(None);
            }
        }
        while let Some(payload) = self.inbound.packet()? {
            let kind = Reader::new(self.inbound.payload(payload.clone())).u8()?;
            if self.handle(kind, payload.clone())? == Handled::Not {
                return Ok(Some(payload));
            }
        }
        Ok(None)
    }

    /// Takes a message of this layer.
    fn handle(&mut self, kind: u8, payload: Payload) -> Result<Handled, Ended> {
        self.admit(kind)?;
        if self.skips(kind) {
            return Ok(Handled::Here);
        }
        match kind {
            message::DISCONNECT => return Err(ended_by_peer(self.inbound.payload(payload))),
            message::IGNORE | message::DEBUG | message::UNIMPLEMENTED => {}
            message::KEXINIT => self.offered(payload)?,
            message::KEX_ECDH_INIT => self.exchanged(payload)?,
            message::NEWKEYS => self.switched()?,
            message::PING => self.pong(payload)?,
            _ => {
                self.rekey_if_due()?;
                return Ok(Handled::Not);
            }
        }
        Ok(Handled::Here)
    }

    /// Refuses what may not come at this point (RFC 4253, section 7.1).
    fn admit(&self, kind: u8) -> Result<(), Fault> {
        let idle_talk = matches!(
            kind,
            message::IGNORE | message::DEBUG | message::UNIMPLEMENTED
        );
        let allowed = match (&self.exchange, kind) {
            (_, message::DISCONNECT) => true,
            _ if idle_talk => !(self.strict && self.inbound.is_plain()),
            (Exchange::Idle | Exchange::Offered { .. }, message::KEXINIT) => true,
            (Exchange::Agreed { agreement, .. }, kind) => {
                kind == message::KEX_ECDH_INIT || (agreement.skip_guess && (30..50).contains(&kind))
            }
            (Exchange::Switching { .. }, kind) => kind == message::NEWKEYS,
            (_, message::KEX_ECDH_INIT | message::NEWKEYS) => false,
            (Exchange::Idle | Exchange::Offered { .. }, _) => self.session.is_some(),
        };
        match allowed {
            true => Ok(()),
            false => Err(Fault::protocol("message out of order")),
        }
    }

    /// Sends a ping's text back.
    fn pong(&mut self, payload: Payload) -> Result<(), Fault> {
        let mut reader = Reader::new(self.inbound.payload(payload.clone()));
        reader.u8()?;
        reader.string()?;
        reader.end()?;
        let mut out = copy(self.inbound.payload(payload))?;
        if let Some(kind) = out.first_mut() {
            *kind = message::PONG;
        }
        self.send(&out)
    }

    /// Says that the message last received means nothing here.
    pub(crate) fn unimplemented(&mut self) -> Result<(), Fault> {
        let mut out = Vec::new();
        out.put_u8(message::UNIMPLEMENTED);
        out.put_u32(self.inbound.last_sequence());
        self.send(&out)
    }
}

#[derive(PartialEq, Eq)]
enum Handled {
    Here,
    Not,
}

/// The peer's good-bye, fit to be shown.
fn ended_by_peer(payload: &[u8]) -> Ended {
    let mut reader = Reader::new(payload);
    let _ = reader.u8();
    let code = reader.u32().unwrap_or_default();
    let text = reader.string().unwrap_or_default();
    let shown = text.iter().take(200).map(|byte| match byte {
        0x20..0x7f => char::from(*byte),
        _ => '?',
    });
    Ended::ByPeer {
        code,
        text: shown.collect::<String>(),
    }
}

//! The transport layer (RFC 4253): packets, key exchange and rekeying.
//!
//! What is left for the layers above are whole messages that may be sent and
//! received at that moment.

mod inbound;
mod outbound;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use rand_core::CryptoRng;

use crate::cipher::{Cipher, Direction};
use crate::config::Config;
use crate::error::{Code, Ended, Fault};
use crate::kex::{Hash, KeyStream, Transcript};
use crate::message;
use crate::negotiate::{self, Agreement};
use crate::wire::{Put, Reader};
use inbound::Inbound;
use outbound::Outbound;

/// Messages that may wait for the end of a key exchange, in bytes.
const MAX_DEFERRED: usize = 256 * 1024;

/// Signature algorithms a client may use to log in (RFC 8308, section 3.1).
const SIGNATURES: &str = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256";

/// Where the key exchange stands.
enum Exchange {
    /// Nothing is going on.
    Idle,
    /// This side's offer is out, the client's is not in.
    Offered { ours: Vec<u8> },
    /// Both offers are known; the client's public value is awaited.
    Agreed {
        ours: Vec<u8>,
        theirs: Vec<u8>,
        agreement: Agreement,
    },
    /// This side sends with the new keys; the client's SSH_MSG_NEWKEYS is awaited.
    Switching { inbound: Cipher },
}

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
            message::DISCONNECT => return Err(farewell(self.inbound.payload(payload))),
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

    /// Whether this is the one message that answers a wrong guess.
    fn skips(&mut self, kind: u8) -> bool {
        match &mut self.exchange {
            Exchange::Agreed { agreement, .. } if (30..50).contains(&kind) => {
                core::mem::take(&mut agreement.skip_guess)
            }
            _ => false,
        }
    }

    /// Sends this side's offer; from here on other messages wait.
    fn offer(&mut self) -> Result<(), Fault> {
        let mut cookie = [0; 16];
        self.rng.fill_bytes(&mut cookie);
        let ours = negotiate::offer(cookie);
        self.outbound.message(&mut self.rng, &ours)?;
        self.exchange = Exchange::Offered { ours };
        Ok(())
    }

    /// The client's offer is in.
    fn offered(&mut self, payload: Payload) -> Result<(), Fault> {
        if matches!(self.exchange, Exchange::Idle) {
            self.offer()?;
        }
        let theirs = self.inbound.payload(payload).to_vec();
        let agreement = negotiate::agree(&theirs)?;
        if self.session.is_none() {
            self.strict = agreement.strict;
            if self.strict && self.inbound.last_sequence() != 0 {
                return Err(Fault::protocol("message before the first offer"));
            }
        }
        match core::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Offered { ours } => {
                self.exchange = Exchange::Agreed {
                    ours,
                    theirs,
                    agreement,
                };
                Ok(())
            }
            _ => Err(Fault::protocol("message out of order")),
        }
    }

    /// The client's public value is in: answer, and send with new keys.
    fn exchanged(&mut self, payload: Payload) -> Result<(), Fault> {
        let Exchange::Agreed {
            ours,
            theirs,
            agreement,
        } = &self.exchange
        else {
            return Err(Fault::protocol("message out of order"));
        };
        let mut reader = Reader::new(self.inbound.payload(payload));
        reader.u8()?;
        let client_public = reader.string()?;
        reader.end()?;
        let response = agreement.method.respond(client_public, &mut self.rng)?;
        let exchange = Transcript {
            client_version: self.client_version.as_deref().unwrap_or_default(),
            server_version: self.config.version.as_bytes(),
            client_offer: theirs,
            server_offer: ours,
            host_key: self.config.host_key.public_blob(),
            client_public,
            server_public: &response.public,
        }
        .hash(&response.secret);
        let session = *self.session.get_or_insert(exchange);
        let keys = KeyStream {
            secret: &response.secret,
            exchange: &exchange,
            session: &session,
        };
        let agreement = *agreement;
        let inbound = Cipher::new(agreement.inbound, Direction::ClientToServer, &keys);
        let outbound = Cipher::new(agreement.outbound, Direction::ServerToClient, &keys);
        let first = session == exchange;
        self.answer(&response.public, &exchange)?;
        self.outbound.rekey(outbound, self.strict);
        self.exchange = Exchange::Switching { inbound };
        if first && agreement.ext_info {
            self.send(&extensions())?;
        }
        self.send_deferred()
    }

    /// The reply with the host's signature, and SSH_MSG_NEWKEYS.
    fn answer(&mut self, public: &[u8], exchange: &Hash) -> Result<(), Fault> {
        let host_key = &self.config.host_key;
        let mut out = Vec::new();
        out.put_u8(message::KEX_ECDH_REPLY);
        out.put_string(host_key.public_blob());
        out.put_string(public);
        out.put_string(&host_key.sign(exchange));
        self.outbound.message(&mut self.rng, &out)?;
        self.outbound.message(&mut self.rng, &[message::NEWKEYS])
    }

    fn send_deferred(&mut self) -> Result<(), Fault> {
        let deferred = core::mem::take(&mut self.deferred);
        let mut reader = Reader::new(&deferred);
        while !reader.rest().is_empty() {
            self.outbound.message(&mut self.rng, reader.string()?)?;
        }
        Ok(())
    }

    /// The client's next packet comes under the new keys.
    fn switched(&mut self) -> Result<(), Fault> {
        match core::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Switching { inbound } => {
                self.inbound.rekey(inbound, self.strict);
                Ok(())
            }
            _ => Err(Fault::protocol("message out of order")),
        }
    }

    /// Begins a key exchange when the keys have served long enough.
    fn rekey_if_due(&mut self) -> Result<(), Fault> {
        let Config {
            rekey_bytes,
            rekey_packets,
            ..
        } = *self.config;
        let bytes = self.inbound.bytes.max(self.outbound.bytes);
        let packets = self.inbound.packets.max(self.outbound.packets);
        // A peer that never answers the offer must not use up the counter.
        if packets > u64::from(u32::MAX) - 16 {
            return Err(Fault::new(
                Code::KeyExchangeFailed,
                "keys used for too long",
            ));
        }
        let due = bytes >= rekey_bytes || packets >= rekey_packets;
        match self.exchange {
            Exchange::Idle if due && self.session.is_some() => self.offer(),
            _ => Ok(()),
        }
    }

    fn pong(&mut self, payload: Payload) -> Result<(), Fault> {
        let mut reader = Reader::new(self.inbound.payload(payload));
        reader.u8()?;
        let mut out = Vec::new();
        out.put_u8(message::PONG);
        out.put_string(reader.string()?);
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

/// SSH_MSG_EXT_INFO (RFC 8308).
fn extensions() -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u8(message::EXT_INFO);
    out.put_u32(2);
    out.put_string(b"server-sig-algs");
    out.put_string(SIGNATURES.as_bytes());
    out.put_string(b"ping@openssh.com");
    out.put_string(b"0");
    out
}

/// The peer's good-bye, fit to be shown.
fn farewell(payload: &[u8]) -> Ended {
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

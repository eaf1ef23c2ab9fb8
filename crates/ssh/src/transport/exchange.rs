//! Key exchange and rekeying (RFC 4253, sections 7 to 9).

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{Payload, Transport};
use crate::cipher::{Cipher, Direction};
use crate::config::Config;
use crate::error::{Code, Fault, copy};
use crate::kex::{Hash, KeyStream, Transcript};
use crate::message;
use crate::negotiate::{self, Agreement};
use crate::wire::{Put, Reader};

/// Signature algorithms a client may use to log in (RFC 8308, section 3.1).
const SIGNATURES: &str = "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,\
                          ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,\
                          sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

/// Where the key exchange stands.
pub(super) enum Exchange {
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

impl<R: CryptoRng> Transport<R> {
    /// Whether this is the one message that answers a wrong guess.
    pub(super) fn skips(&mut self, kind: u8) -> bool {
        match &mut self.exchange {
            Exchange::Agreed { agreement, .. } if (30..50).contains(&kind) => {
                core::mem::take(&mut agreement.skip_guess)
            }
            _ => false,
        }
    }

    /// Sends this side's offer; from here on other messages wait.
    pub(super) fn offer(&mut self) -> Result<(), Fault> {
        let mut cookie = [0; 16];
        self.rng.fill_bytes(&mut cookie);
        let ours = negotiate::offer(cookie);
        self.outbound.message(&mut self.rng, &ours)?;
        self.exchange = Exchange::Offered { ours };
        Ok(())
    }

    /// The client's offer is in.
    pub(super) fn offered(&mut self, payload: Payload) -> Result<(), Fault> {
        if matches!(self.exchange, Exchange::Idle) {
            self.offer()?;
        }
        let theirs = copy(self.inbound.payload(payload))?;
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
    pub(super) fn exchanged(&mut self, payload: Payload) -> Result<(), Fault> {
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
    pub(super) fn switched(&mut self) -> Result<(), Fault> {
        match core::mem::replace(&mut self.exchange, Exchange::Idle) {
            Exchange::Switching { inbound } => {
                self.inbound.rekey(inbound, self.strict);
                Ok(())
            }
            _ => Err(Fault::protocol("message out of order")),
        }
    }

    /// Begins a key exchange when the keys have served long enough.
    pub(super) fn rekey_if_due(&mut self) -> Result<(), Fault> {
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

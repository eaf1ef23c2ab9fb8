//! aes256-ctr (RFC 4344) with hmac-sha2-256-etm@openssh.com: the length is
//! readable, and the tag covers the sequence number and the encrypted packet.

use aes::Aes256;
use aes::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{BAD_TAG, LENGTH, split_tag};
use crate::error::Fault;

/// The key stream runs on from packet to packet.
pub(crate) struct CtrEtm {
    stream: ctr::Ctr128BE<Aes256>,
    mac: Hmac<Sha256>,
}

impl CtrEtm {
    pub(crate) fn new(key: &[u8; 32], iv: &[u8; 16], mac: &[u8; 32]) -> Self {
        // HMAC pads a key with zeros to the block of its hash.
        let mut block = Zeroizing::new([0; 64]);
        block[..mac.len()].copy_from_slice(mac);
        Self {
            stream: ctr::Ctr128BE::new(key.into(), iv.into()),
            mac: Hmac::<Sha256>::new((&*block).into()),
        }
    }

    fn tag(&self, sequence: u32, sealed: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&sequence.to_be_bytes());
        mac.update(sealed);
        mac
    }

    pub(crate) fn seal(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        let (sealed, tag) = split_tag::<32>(packet)?;
        self.stream.apply_keystream(&mut sealed[LENGTH..]);
        let computed = self.tag(sequence, sealed).finalize();
        tag.copy_from_slice(&computed.into_bytes());
        Ok(())
    }

    pub(crate) fn open(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        let (sealed, tag) = split_tag::<32>(packet)?;
        self.tag(sequence, sealed)
            .verify_slice(&tag[..])
            .map_err(|_| BAD_TAG)?;
        self.stream.apply_keystream(&mut sealed[LENGTH..]);
        Ok(())
    }
}

//! aes256-gcm@openssh.com and aes128-gcm@openssh.com (RFC 5647, with OpenSSH's negotiation).

use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, KeyInit};

use super::{BAD_TAG, LENGTH, split_tag};
use crate::error::Fault;

/// The nonce is four fixed bytes and a 64-bit count of packets.
pub(crate) struct Gcm<C> {
    cipher: C,
    nonce: [u8; 12],
}

impl Gcm<Aes256Gcm> {
    pub(crate) fn new(key: &[u8; 32], nonce: &[u8; 12]) -> Self {
        Self {
            cipher: Aes256Gcm::new(key.into()),
            nonce: *nonce,
        }
    }
}

impl Gcm<Aes128Gcm> {
    pub(crate) fn new(key: &[u8; 16], nonce: &[u8; 12]) -> Self {
        Self {
            cipher: Aes128Gcm::new(key.into()),
            nonce: *nonce,
        }
    }
}

impl<C: AeadInOut<NonceSize = U12, TagSize = U16>> Gcm<C> {
    /// This packet's nonce; the count moves on.
    fn next_nonce(&mut self) -> [u8; 12] {
        let nonce = self.nonce;
        if let Some(count) = self.nonce.last_chunk_mut::<8>() {
            *count = u64::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
        }
        nonce
    }

    pub(crate) fn seal(&mut self, packet: &mut [u8]) -> Result<(), Fault> {
        let nonce = self.next_nonce();
        let (sealed, tag) = split_tag::<16>(packet)?;
        let (length, body) = sealed.split_at_mut(LENGTH);
        let computed = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), length, InOutBuf::from(body))
            .map_err(|_| BAD_TAG)?;
        tag.copy_from_slice(&computed);
        Ok(())
    }

    pub(crate) fn open(&mut self, packet: &mut [u8]) -> Result<(), Fault> {
        let nonce = self.next_nonce();
        let (sealed, tag) = split_tag::<16>(packet)?;
        let (length, body) = sealed.split_at_mut(LENGTH);
        self.cipher
            .decrypt_inout_detached(&nonce.into(), length, InOutBuf::from(body), (&*tag).into())
            .map_err(|_| BAD_TAG)
    }
}

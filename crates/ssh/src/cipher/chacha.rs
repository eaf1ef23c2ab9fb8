//! chacha20-poly1305@openssh.com (OpenSSH's PROTOCOL.chacha20poly1305).

use chacha20::ChaCha20Legacy;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{BAD_TAG, LENGTH, split_tag};
use crate::error::Fault;

/// One key hides lengths, the other bodies; the nonce is the sequence number.
pub(crate) struct ChaCha {
    body: Zeroizing<[u8; 32]>,
    length: Zeroizing<[u8; 32]>,
}

impl ChaCha {
    pub(crate) fn new(keys: &[u8; 64]) -> Self {
        let mut cipher = Self {
            body: Zeroizing::default(),
            length: Zeroizing::default(),
        };
        cipher.body.copy_from_slice(&keys[..32]);
        cipher.length.copy_from_slice(&keys[32..]);
        cipher
    }

    fn length_stream(&self, sequence: u32) -> ChaCha20Legacy {
        let nonce = u64::from(sequence).to_be_bytes();
        ChaCha20Legacy::new((&*self.length).into(), &nonce.into())
    }

    /// The key stream of the body, and the tag's key from its first block.
    fn body_stream(&self, sequence: u32) -> (ChaCha20Legacy, Poly1305) {
        let nonce = u64::from(sequence).to_be_bytes();
        let mut stream = ChaCha20Legacy::new((&*self.body).into(), &nonce.into());
        let mut key = Zeroizing::new([0; 32]);
        stream.apply_keystream(&mut *key);
        stream.seek(64u32);
        (stream, Poly1305::new((&*key).into()))
    }

    pub(crate) fn length(&self, sequence: u32, mut field: [u8; LENGTH]) -> u32 {
        self.length_stream(sequence).apply_keystream(&mut field);
        u32::from_be_bytes(field)
    }

    pub(crate) fn seal(&self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        let (sealed, tag) = split_tag::<16>(packet)?;
        let (mut stream, mac) = self.body_stream(sequence);
        let (length, body) = sealed.split_at_mut(LENGTH);
        self.length_stream(sequence).apply_keystream(length);
        stream.apply_keystream(body);
        tag.copy_from_slice(&mac.compute_unpadded(sealed));
        Ok(())
    }

    pub(crate) fn open(&self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        let (sealed, tag) = split_tag::<16>(packet)?;
        let (mut stream, mac) = self.body_stream(sequence);
        let expected = mac.compute_unpadded(sealed);
        if !bool::from(expected.as_slice().ct_eq(&tag[..])) {
            return Err(BAD_TAG);
        }
        stream.apply_keystream(&mut sealed[LENGTH..]);
        Ok(())
    }
}

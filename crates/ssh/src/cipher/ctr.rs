//! AES in counter mode (RFC 4344) with HMAC-SHA-2 (RFC 6668), in OpenSSH's two
//! orders. Encrypt-then-MAC: the length is readable, and the tag covers the
//! sequence number and the encrypted packet. Encrypt-and-MAC, for old
//! clients: all is encrypted, and the tag covers the plain packet.

use aes::cipher::{KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use super::{BAD_TAG, LENGTH};
use crate::error::Fault;
use crate::kex::KeyStream;

/// The size of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aes {
    Bits128,
    Bits256,
}

/// The hash of a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

/// A MAC by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MacKind {
    pub(crate) hash: Hash,
    /// Encrypt-then-MAC.
    pub(crate) etm: bool,
}

enum Stream {
    Bits128(ctr::Ctr128BE<Aes128>),
    Bits256(ctr::Ctr128BE<Aes256>),
}

impl Stream {
    fn apply(&mut self, bytes: &mut [u8]) {
        match self {
            Self::Bits128(stream) => stream.apply_keystream(bytes),
            Self::Bits256(stream) => stream.apply_keystream(bytes),
        }
    }
}

enum Mac {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

/// The key stream runs on from packet to packet.
pub(crate) struct Ctr {
    stream: Stream,
    mac: Mac,
    etm: bool,
    /// The key stream for the next packet's length, if it is encrypted and
    /// has been read already.
    head: Option<[u8; LENGTH]>,
}

impl Ctr {
    /// Takes its keys under these letters: for the IV, the key and the MAC.
    pub(crate) fn new(
        aes: Aes,
        mac: MacKind,
        keys: &KeyStream<'_>,
        (iv, key, mac_key): (u8, u8, u8),
    ) -> Self {
        let iv = keys.derive::<16>(iv);
        let stream = match aes {
            Aes::Bits128 => {
                let key = keys.derive::<16>(key);
                Stream::Bits128(ctr::Ctr128BE::new((&*key).into(), (&*iv).into()))
            }
            Aes::Bits256 => {
                let key = keys.derive::<32>(key);
                Stream::Bits256(ctr::Ctr128BE::new((&*key).into(), (&*iv).into()))
            }
        };
        Self {
            stream,
            mac: Mac::new(mac.hash, keys, mac_key),
            etm: mac.etm,
            head: None,
        }
    }

    /// Whether the length field is readable and not counted in the blocks.
    pub(crate) fn is_etm(&self) -> bool {
        self.etm
    }

    /// The bytes of the tag.
    pub(crate) fn tag(&self) -> usize {
        match self.mac {
            Mac::Sha256(_) => 32,
            Mac::Sha512(_) => 64,
        }
    }

    pub(crate) fn length(&mut self, field: [u8; LENGTH]) -> u32 {
        let length = u32::from_be_bytes(field);
        if self.etm {
            return length;
        }
        let stream = &mut self.stream;
        let head = self.head.get_or_insert_with(|| {
            let mut head = [0; LENGTH];
            stream.apply(&mut head);
            head
        });
        length ^ u32::from_be_bytes(*head)
    }

    fn split<'a>(&self, packet: &'a mut [u8]) -> Result<(&'a mut [u8], &'a mut [u8]), Fault> {
        let size = packet.len().checked_sub(self.tag());
        match size.filter(|size| *size >= LENGTH) {
            Some(size) => Ok(packet.split_at_mut(size)),
            None => Err(Fault::protocol("packet too short")),
        }
    }

    pub(crate) fn seal(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        let (text, tag) = self.split(packet)?;
        match self.etm {
            true => {
                self.stream.apply(&mut text[LENGTH..]);
                self.mac.write(sequence, text, tag);
            }
            false => {
                self.mac.write(sequence, text, tag);
                self.stream.apply(text);
            }
        }
        Ok(())
    }

    pub(crate) fn open(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        let (text, tag) = self.split(packet)?;
        match self.etm {
            true => {
                self.mac.check(sequence, text, tag)?;
                self.stream.apply(&mut text[LENGTH..]);
            }
            false => {
                let (field, body) = text.split_at_mut(LENGTH);
                match self.head.take() {
                    Some(head) => {
                        let plain = field.iter_mut().zip(head);
                        plain.for_each(|(byte, key)| *byte ^= key);
                    }
                    None => self.stream.apply(field),
                }
                self.stream.apply(body);
                self.mac.check(sequence, text, tag)?;
            }
        }
        Ok(())
    }
}

impl Mac {
    /// HMAC pads a key with zeros to the block of its hash.
    fn new(hash: Hash, keys: &KeyStream<'_>, letter: u8) -> Self {
        match hash {
            Hash::Sha256 => {
                let mut block = Zeroizing::new([0; 64]);
                block[..32].copy_from_slice(&*keys.derive::<32>(letter));
                Self::Sha256(Hmac::new((&*block).into()))
            }
            Hash::Sha512 => {
                let mut block = Zeroizing::new([0; 128]);
                block[..64].copy_from_slice(&*keys.derive::<64>(letter));
                Self::Sha512(Hmac::new((&*block).into()))
            }
        }
    }

    fn write(&self, sequence: u32, text: &[u8], tag: &mut [u8]) {
        match self {
            Self::Sha256(mac) => {
                let mac = mac.clone().chain_update(sequence.to_be_bytes());
                tag.copy_from_slice(&mac.chain_update(text).finalize().into_bytes());
            }
            Self::Sha512(mac) => {
                let mac = mac.clone().chain_update(sequence.to_be_bytes());
                tag.copy_from_slice(&mac.chain_update(text).finalize().into_bytes());
            }
        }
    }

    /// Takes the same time wherever a wrong tag differs.
    fn check(&self, sequence: u32, text: &[u8], tag: &[u8]) -> Result<(), Fault> {
        let sequence = sequence.to_be_bytes();
        let outcome = match self {
            Self::Sha256(mac) => {
                let mac = mac.clone().chain_update(sequence).chain_update(text);
                mac.verify_slice(tag)
            }
            Self::Sha512(mac) => {
                let mac = mac.clone().chain_update(sequence).chain_update(text);
                mac.verify_slice(tag)
            }
        };
        outcome.map_err(|_| BAD_TAG)
    }
}

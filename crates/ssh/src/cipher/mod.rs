//! Sealing and opening of packets, each direction with its own keys.
//!
//! A packet lies in one slice: four bytes of length, the body (padding length,
//! payload, padding), and room for the tag. It is changed in place.

mod chacha;
mod ctr;
mod gcm;
#[cfg(test)]
mod tests;

use aes_gcm::{Aes128Gcm, Aes256Gcm};

use crate::error::{Code, Fault};
use crate::kex::KeyStream;

pub(crate) use chacha::ChaCha;
pub(crate) use ctr::{Aes, Ctr, Hash, MacKind};
pub(crate) use gcm::Gcm;

/// The bytes of a packet's length field.
pub(crate) const LENGTH: usize = 4;

/// The longest tag of any cipher here.
pub(crate) const MAX_TAG: usize = 64;

const BAD_TAG: Fault = Fault::new(Code::MacError, "corrupted packet");

/// A cipher, with its integrity check, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    ChaCha20Poly1305,
    Gcm(Aes),
    Ctr(Aes, MacKind),
}

/// The two directions take different letters of RFC 4253, section 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ClientToServer,
    ServerToClient,
}

/// The state of one direction.
pub(crate) enum Cipher {
    /// Before the first key exchange is over.
    Plain,
    ChaCha(ChaCha),
    Gcm256(alloc::boxed::Box<Gcm<Aes256Gcm>>),
    Gcm128(alloc::boxed::Box<Gcm<Aes128Gcm>>),
    Ctr(alloc::boxed::Box<Ctr>),
}

impl Cipher {
    /// Takes the keys for one direction from the key exchange.
    pub(crate) fn new(suite: Suite, direction: Direction, keys: &KeyStream<'_>) -> Self {
        let (iv, key, mac) = match direction {
            Direction::ClientToServer => (b'A', b'C', b'E'),
            Direction::ServerToClient => (b'B', b'D', b'F'),
        };
        match suite {
            Suite::ChaCha20Poly1305 => Self::ChaCha(ChaCha::new(&keys.derive(key))),
            Suite::Gcm(Aes::Bits256) => {
                Self::Gcm256(Gcm::<Aes256Gcm>::new(&keys.derive(key), &keys.derive(iv)).into())
            }
            Suite::Gcm(Aes::Bits128) => {
                Self::Gcm128(Gcm::<Aes128Gcm>::new(&keys.derive(key), &keys.derive(iv)).into())
            }
            Suite::Ctr(aes, kind) => Self::Ctr(Ctr::new(aes, kind, keys, (iv, key, mac)).into()),
        }
    }

    /// The number of bytes that the body's size is a multiple of.
    pub(crate) fn block(&self) -> usize {
        match self {
            Self::Plain | Self::ChaCha(_) => 8,
            Self::Gcm256(_) | Self::Gcm128(_) | Self::Ctr(_) => 16,
        }
    }

    /// Whether the length field counts towards that multiple.
    pub(crate) fn aligns_length(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::ChaCha(_) | Self::Gcm256(_) | Self::Gcm128(_) => false,
            Self::Ctr(cipher) => !cipher.is_etm(),
        }
    }

    /// The bytes that follow the body.
    pub(crate) fn tag(&self) -> usize {
        match self {
            Self::Plain => 0,
            Self::ChaCha(_) | Self::Gcm256(_) | Self::Gcm128(_) => 16,
            Self::Ctr(cipher) => cipher.tag(),
        }
    }

    /// Seals a packet. The slice ends with room for the tag.
    pub(crate) fn seal(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::Plain => Ok(()),
            Self::ChaCha(cipher) => cipher.seal(sequence, packet),
            Self::Gcm256(cipher) => cipher.seal(packet),
            Self::Gcm128(cipher) => cipher.seal(packet),
            Self::Ctr(cipher) => cipher.seal(sequence, packet),
        }
    }

    /// Reads the body's size from the first four bytes.
    pub(crate) fn length(&mut self, sequence: u32, field: [u8; LENGTH]) -> u32 {
        match self {
            Self::ChaCha(cipher) => cipher.length(sequence, field),
            Self::Ctr(cipher) => cipher.length(field),
            Self::Plain | Self::Gcm256(_) | Self::Gcm128(_) => u32::from_be_bytes(field),
        }
    }

    /// Checks the tag at the end of the slice, then makes the body readable.
    pub(crate) fn open(&mut self, sequence: u32, packet: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::Plain => Ok(()),
            Self::ChaCha(cipher) => cipher.open(sequence, packet),
            Self::Gcm256(cipher) => cipher.open(packet),
            Self::Gcm128(cipher) => cipher.open(packet),
            Self::Ctr(cipher) => cipher.open(sequence, packet),
        }
    }
}

/// Divides a packet into what is authenticated and the tag.
fn split_tag<const N: usize>(packet: &mut [u8]) -> Result<(&mut [u8], &mut [u8; N]), Fault> {
    packet
        .split_last_chunk_mut::<N>()
        .filter(|(sealed, _)| sealed.len() >= LENGTH)
        .ok_or(Fault::protocol("packet too short"))
}

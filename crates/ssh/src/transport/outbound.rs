//! Packets on their way out: written, padded and sealed in place.

use alloc::vec::Vec;

use rand_core::CryptoRng;

use crate::cipher::{Cipher, LENGTH, MAX_TAG};
use crate::error::Fault;

/// The length field and the padding length that precede a payload.
const PREFIX: usize = LENGTH + 1;
/// The longest padding that is ever added.
const MAX_PADDING: usize = 4 + 16;

/// Sealed bytes that wait for the stream, and the state to seal more.
pub(crate) struct Outbound {
    /// Always initialised to its full length; `head..tail` waits to be sent.
    buffer: Vec<u8>,
    head: usize,
    tail: usize,
    cipher: Cipher,
    sequence: u32,
    /// Packets and bytes sealed under the present keys.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Outbound {
    pub(crate) fn new() -> Self {
        Self {
            buffer: Vec::new(),
            head: 0,
            tail: 0,
            cipher: Cipher::Plain,
            sequence: 0,
            packets: 0,
            bytes: 0,
        }
    }

    /// What waits to be sent.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.buffer[self.head..self.tail]
    }

    /// Forgets the first `count` waiting bytes.
    pub(crate) fn sent(&mut self, count: usize) {
        self.head = self.tail.min(self.head + count);
        if self.head == self.tail {
            (self.head, self.tail) = (0, 0);
        }
    }

    /// Changes to new keys; with strict key exchange the count starts anew.
    pub(crate) fn rekey(&mut self, cipher: Cipher, restart: bool) {
        self.cipher = cipher;
        (self.packets, self.bytes) = (0, 0);
        if restart {
            self.sequence = 0;
        }
    }

    /// Appends bytes that are not a packet: the version line.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.reserve(bytes.len())?;
        self.buffer[self.tail..][..bytes.len()].copy_from_slice(bytes);
        self.tail += bytes.len();
        Ok(())
    }

    /// Appends a whole message.
    pub(crate) fn message<R: CryptoRng>(
        &mut self,
        rng: &mut R,
        payload: &[u8],
    ) -> Result<(), Fault> {
        self.fill(rng, payload.len(), |space| {
            space.copy_from_slice(payload);
            Some((payload.len(), ()))
        })?;
        Ok(())
    }

    /// Appends a message that `fill` writes into the packet itself, at most
    /// `most` bytes. `fill` returns how many it wrote; `None` sends nothing.
    pub(crate) fn fill<R: CryptoRng, T>(
        &mut self,
        rng: &mut R,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<(usize, T)>,
    ) -> Result<Option<T>, Fault> {
        self.reserve(PREFIX + most + MAX_PADDING + MAX_TAG)?;
        let packet = &mut self.buffer[self.tail..];
        let Some((written, value)) = fill(&mut packet[PREFIX..PREFIX + most]) else {
            return Ok(None);
        };
        let written = written.min(most);
        let size = frame(&self.cipher, packet, written, rng);
        let packet = &mut packet[..size];
        self.cipher.seal(self.sequence, packet)?;
        self.sequence = self.sequence.wrapping_add(1);
        self.tail += size;
        self.packets += 1;
        self.bytes += size as u64;
        Ok(Some(value))
    }

    /// Makes room behind `tail`. What is there is initialised, but stale.
    fn reserve(&mut self, count: usize) -> Result<(), Fault> {
        // Moving costs no more than what has been sent since the last move.
        if self.buffer.len() - self.tail < count && self.head >= self.tail - self.head {
            self.buffer.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        let wanted = self.tail + count;
        if wanted > self.buffer.len() {
            let more = wanted - self.buffer.len();
            self.buffer
                .try_reserve(more)
                .map_err(|_| Fault::OUT_OF_MEMORY)?;
            self.buffer.resize(self.buffer.capacity(), 0);
        }
        Ok(())
    }
}

/// Puts lengths and padding around a payload that is in place; the whole size
/// with the tag.
fn frame<R: CryptoRng>(cipher: &Cipher, packet: &mut [u8], payload: usize, rng: &mut R) -> usize {
    let counted = 1 + payload + if cipher.aligns_length() { LENGTH } else { 0 };
    let block = cipher.block();
    let mut padding = block - counted % block;
    if padding < 4 {
        padding += block;
    }
    let body = 1 + payload + padding;
    packet[..LENGTH].copy_from_slice(&(body as u32).to_be_bytes());
    packet[LENGTH] = padding as u8;
    rng.fill_bytes(&mut packet[PREFIX + payload..][..padding]);
    LENGTH + body + cipher.tag()
}

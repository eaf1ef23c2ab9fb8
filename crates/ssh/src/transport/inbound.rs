//! Packets on their way in: gathered, checked and opened in place.

use alloc::vec::Vec;
use core::ops::Range;

use crate::cipher::{Cipher, LENGTH};
use crate::error::{Code, Fault};

/// The largest body taken, in bytes (RFC 4253, section 6.1).
const MAX_BODY: usize = 35_000;
/// The same from clients that have logged in: OpenSSH's, for long commands.
const MAX_TRUSTED_BODY: usize = 256 * 1024;
/// Room for two packets, so that reads from the stream are large. There is
/// more only while a larger one is under way.
const BUFFER: usize = 72 * 1024;
/// The longest version line, with its line end (RFC 4253, section 4.2).
const MAX_VERSION: usize = 255;

/// Received bytes and the state to open them.
pub(crate) struct Inbound {
    /// Empty until the first use, then `BUFFER` bytes long or more.
    buffer: Vec<u8>,
    max_body: usize,
    /// `head..tail` is what has been received and not been taken.
    head: usize,
    tail: usize,
    cipher: Cipher,
    sequence: u32,
    /// The body size of the packet at `head`, once known.
    body: Option<usize>,
    /// Packets and bytes opened under the present keys.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self {
            buffer: Vec::new(),
            max_body: MAX_BODY,
            head: 0,
            tail: 0,
            cipher: Cipher::Plain,
            sequence: 0,
            body: None,
            packets: 0,
            bytes: 0,
        }
    }

    /// Where received bytes go. Never empty unless a whole packet waits.
    pub(crate) fn space(&mut self) -> Result<&mut [u8], Fault> {
        // A packet that began near the end needs the room in front of it.
        let is_short = self.tail + MAX_BODY > self.buffer.len();
        if self.head > 0 && (self.head == self.tail || is_short) {
            self.buffer.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        let packet = self
            .body
            .map_or(0, |body| LENGTH + body + self.cipher.tag());
        self.resize(packet.max(BUFFER))?;
        Ok(&mut self.buffer[self.tail..])
    }

    /// Gives the buffer that size, or leaves it if more is in use.
    fn resize(&mut self, size: usize) -> Result<(), Fault> {
        if size > self.buffer.len() {
            self.buffer
                .try_reserve_exact(size - self.buffer.len())
                .map_err(|_| Fault::OUT_OF_MEMORY)?;
            self.buffer.resize(size, 0);
        } else if size < self.buffer.len() && self.tail <= size {
            self.buffer.truncate(size);
            self.buffer.shrink_to_fit();
        }
        Ok(())
    }

    /// The client has logged in.
    pub(crate) fn trust(&mut self) {
        self.max_body = MAX_TRUSTED_BODY;
    }

    /// Says that `count` bytes of the space have been filled.
    pub(crate) fn received(&mut self, count: usize) {
        self.tail = self.buffer.len().min(self.tail + count);
    }

    /// The bytes of a payload that was just returned.
    pub(crate) fn payload(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// The number of the packet last taken.
    pub(crate) fn last_sequence(&self) -> u32 {
        self.sequence.wrapping_sub(1)
    }

    /// Whether no keys are in use yet.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.cipher, Cipher::Plain)
    }

    /// Changes to new keys; with strict key exchange the count starts anew.
    pub(crate) fn rekey(&mut self, cipher: Cipher, restart: bool) {
        self.cipher = cipher;
        (self.packets, self.bytes) = (0, 0);
        if restart {
            self.sequence = 0;
        }
    }

    /// Takes the client's version line, without its line end.
    pub(crate) fn version(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        const BAD: Fault = Fault::new(Code::VersionNotSupported, "not an SSH-2 client");
        let received = &self.buffer[self.head..self.tail];
        let window = &received[..received.len().min(MAX_VERSION)];
        let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
            return if window.len() == MAX_VERSION || !may_be_version(window) {
                Err(BAD)
            } else {
                Ok(None)
            };
        };
        let line = &window[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.starts_with(b"SSH-2.0-") || line.contains(&0) {
            return Err(BAD);
        }
        let line = line.to_vec();
        self.head += end + 1;
        Ok(Some(line))
    }

    /// Takes the next packet, once it is complete: where its payload lies.
    /// The range is good until `space` is called.
    pub(crate) fn packet(&mut self) -> Result<Option<Range<usize>>, Fault> {
        let Some(body) = self.body_size()? else {
            return Ok(None);
        };
        let size = LENGTH + body + self.cipher.tag();
        if self.tail - self.head < size {
            return Ok(None);
        }
        let start = self.head;
        self.cipher
            .open(self.sequence, &mut self.buffer[start..start + size])?;
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.bytes += size as u64;
        self.body = None;
        self.head += size;
        let padding = usize::from(self.buffer[start + LENGTH]);
        if padding < 4 || padding + 2 > body {
            return Err(Fault::protocol("bad padding"));
        }
        let payload = start + LENGTH + 1;
        Ok(Some(payload..start + LENGTH + body - padding))
    }

    /// The body size of the packet at `head`, checked before it is believed.
    fn body_size(&mut self) -> Result<Option<usize>, Fault> {
        if self.body.is_some() {
            return Ok(self.body);
        }
        let received = &self.buffer[self.head..self.tail];
        let Some(field) = received.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let body = self.cipher.length(self.sequence, *field) as usize;
        let counted = body.wrapping_add(if self.cipher.aligns_length() {
            LENGTH
        } else {
            0
        });
        if !(8..=self.max_body).contains(&body) || counted % self.cipher.block() != 0 {
            return Err(Fault::new(Code::MacError, "bad packet length"));
        }
        self.body = Some(body);
        Ok(self.body)
    }
}

/// Whether an incomplete line can still become a version line.
fn may_be_version(start: &[u8]) -> bool {
    const PREFIX: &[u8] = b"SSH-2.0-";
    let count = start.len().min(PREFIX.len());
    start[..count] == PREFIX[..count]
}

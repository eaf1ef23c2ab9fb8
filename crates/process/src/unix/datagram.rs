//! [`Inbox`]: messages that wait for a datagram socket.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::OpenFile;

/// Bytes that wait for one socket.
const INBOX_SIZE: usize = 212_992;
/// Messages that wait for one socket.
const INBOX_COUNT: usize = 512;

/// A message.
pub struct Message {
    pub bytes: Vec<u8>,
    pub files: Vec<Arc<OpenFile>>,
    /// The sender's name, as it was bound.
    pub from: Vec<u8>,
}

/// Messages in their order.
#[derive(Default)]
pub struct Inbox {
    messages: VecDeque<Message>,
    bytes: usize,
    pub closed: bool,
}

impl Inbox {
    pub const fn new() -> Inbox {
        Inbox {
            messages: VecDeque::new(),
            bytes: 0,
            closed: false,
        }
    }

    /// Whether a message of usual size would fit.
    pub fn has_room(&self) -> bool {
        self.bytes < INBOX_SIZE / 2 && self.messages.len() < INBOX_COUNT
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Bytes of the first message.
    pub fn next_len(&self) -> usize {
        self.messages
            .front()
            .map_or(0, |message| message.bytes.len())
    }

    /// Adds a message. `EMSGSIZE`, `EAGAIN`, `ENOMEM`; it comes back then.
    pub fn push(&mut self, message: Message) -> core::result::Result<(), (Errno, Message)> {
        let length = message.bytes.len();
        let error = if self.closed {
            Some(Errno::ECONNREFUSED)
        } else if length > INBOX_SIZE {
            Some(Errno::EMSGSIZE)
        } else if !self.messages.is_empty() && self.bytes + length > INBOX_SIZE
            || self.messages.len() >= INBOX_COUNT
        {
            Some(Errno::EAGAIN)
        } else if self.messages.try_reserve(1).is_err() {
            Some(Errno::ENOMEM)
        } else {
            None
        };
        if let Some(error) = error {
            return Err((error, message));
        }
        self.bytes += length;
        self.messages.push_back(message);
        Ok(())
    }

    pub fn front(&self) -> Option<&Message> {
        self.messages.front()
    }

    pub fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.bytes.len();
        Some(message)
    }
}

/// A copy of a name or message. `ENOMEM`.
pub fn copy(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

//! [`Message`]: what the program is asked; [`Fields`]: what it says.

use crate::opcode::Opcode;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// Bytes before what is asked: `struct fuse_in_header`.
pub const IN_HEADER: usize = 40;
/// Bytes before what is answered: `struct fuse_out_header`.
pub const OUT_HEADER: usize = 16;

/// Who asks, as the program knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Its filesystem user.
    pub uid: u32,
    /// Its filesystem group.
    pub gid: u32,
    /// Its thread.
    pub pid: u32,
}

/// A question on its way: the header, which is completed when it is sent, and what
/// belongs to it. Built piece by piece; that there was no memory shows at the end.
pub struct Message {
    pub opcode: Opcode,
    pub node: u64,
    bytes: Vec<u8>,
    lacks_memory: bool,
}

impl Message {
    /// A question about a node.
    pub fn new(opcode: Opcode, node: u64) -> Message {
        let message = Message {
            opcode,
            node,
            bytes: Vec::new(),
            lacks_memory: false,
        };
        message.bytes(&[0; IN_HEADER])
    }

    /// The same with room for so many bytes more.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn with_room(mut self, bytes: usize) -> Result<Message> {
        match self.bytes.try_reserve_exact(bytes) {
            Ok(()) if !self.lacks_memory => Ok(self),
            _ => Err(Errno::ENOMEM),
        }
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Message {
        match self.bytes.try_reserve(bytes.len()) {
            Ok(()) => self.bytes.extend_from_slice(bytes),
            Err(_) => self.lacks_memory = true,
        }
        self
    }

    pub fn u32(self, value: u32) -> Message {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u64(self, value: u64) -> Message {
        self.bytes(&value.to_le_bytes())
    }

    /// A name, with a zero byte behind it.
    pub fn name(self, name: &[u8]) -> Message {
        self.bytes(name).bytes(&[0])
    }

    /// Room for `most` bytes, of which `fill` fills the first; how many, it says.
    ///
    /// # Errors
    /// `ENOMEM`; those of `fill`.
    pub fn fill(
        mut self,
        most: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<usize>,
    ) -> Result<(Message, usize)> {
        let start = self.bytes.len();
        let room = self.bytes.try_reserve_exact(most);
        room.map_err(|_| Errno::ENOMEM)?;
        self.bytes.resize(start + most, 0);
        let count = fill(&mut self.bytes[start..])?.min(most);
        self.bytes.truncate(start + count);
        Ok((self, count))
    }

    /// Puts a number where there was another.
    pub fn set_u32(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// All of it, with its header.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn finish(mut self, unique: u64, sender: Sender) -> Result<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).map_err(|_| Errno::ENOMEM)?;
        if self.lacks_memory || self.bytes.len() < IN_HEADER {
            return Err(Errno::ENOMEM);
        }
        self.set_u32(0, length);
        self.set_u32(4, self.opcode as u32);
        self.bytes[8..16].copy_from_slice(&unique.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&self.node.to_le_bytes());
        self.set_u32(24, sender.uid);
        self.set_u32(28, sender.gid);
        self.set_u32(32, sender.pid);
        Ok(self.bytes)
    }
}

/// Numbers of an answer, one after the other. What is too short is `EIO`.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Errno::EIO)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Errno::EIO)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

//! Messages and attributes (netlink(7)).

use alloc::vec::Vec;
use core::net::IpAddr;
use paddock_abi::socket::{AF_INET, AF_INET6, AF_UNSPEC};
use paddock_abi::{Errno, Result};

/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;
/// Bytes of a datagram of answers: what fits into the smallest buffer that
/// programs have, a page.
const MOST: usize = 3776;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// `NLM_F_...` of `<linux/netlink.h>`.
pub mod flags {
    pub const REQUEST: u16 = 1;
    pub const MULTI: u16 = 2;
    pub const ACK: u16 = 4;
    /// Of an answer: the request in it is cut.
    pub const CAPPED: u16 = 0x100;
    pub const DUMP: u16 = 0x300;
}

/// Kinds of attributes that requests have.
pub mod kind {
    /// `RTA_DST`.
    pub const ROUTE_TO: u16 = 1;
}

/// `struct nlmsghdr`.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub length: u32,
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
}

impl Header {
    /// The first message of `bytes` and its body. `None` at the end, and for
    /// what makes no sense.
    pub fn parse(bytes: &[u8]) -> Option<(Header, &[u8])> {
        let head = bytes.first_chunk::<HEADER>()?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *head;
        let header = Header {
            length: u32::from_ne_bytes([a, b, c, d]),
            kind: u16::from_ne_bytes([e, f]),
            flags: u16::from_ne_bytes([g, h]),
            sequence: u32::from_ne_bytes([i, j, k, l]),
        };
        let body = bytes.get(HEADER..header.length as usize)?;
        Some((header, body))
    }
}

/// The first attribute of a kind.
pub fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let [a, b, c, d] = *bytes.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let data = bytes.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == wanted {
            return Some(data);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

/// The number of an address's family.
pub fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET as u8,
        IpAddr::V6(_) => AF_INET6 as u8,
    }
}

/// Datagrams of answers, as they are put together.
pub struct Answers {
    port: u32,
    sequence: u32,
    flags: u16,
    done: Vec<Vec<u8>>,
    current: Vec<u8>,
    /// Where the message that is being written begins.
    start: usize,
}

impl Answers {
    pub fn new(port: u32) -> Answers {
        Answers {
            port,
            sequence: 0,
            flags: 0,
            done: Vec::new(),
            current: Vec::new(),
            start: 0,
        }
    }

    /// What follows answers this request.
    pub fn begin(&mut self, request: &Header) {
        self.sequence = request.sequence;
        let dumps = request.flags & flags::DUMP == flags::DUMP;
        self.flags = if dumps { flags::MULTI } else { 0 };
    }

    /// Writes with `body`, if a request for `family` is about an address.
    pub fn if_of(
        &mut self,
        family: u8,
        address: IpAddr,
        body: impl FnOnce(&mut Answers) -> Result<()>,
    ) -> Result<()> {
        match u16::from(family) == AF_UNSPEC || family == family_of(address) {
            true => body(self),
            false => Ok(()),
        }
    }

    /// Adds a message, which `body` writes behind its header.
    pub fn message(
        &mut self,
        kind: u16,
        body: impl FnOnce(&mut Answers) -> Result<()>,
    ) -> Result<()> {
        self.start = self.current.len();
        self.bytes(&[0; 4])?;
        self.bytes(&kind.to_ne_bytes())?;
        self.bytes(&self.flags.to_ne_bytes())?;
        self.bytes(&self.sequence.to_ne_bytes())?;
        self.bytes(&self.port.to_ne_bytes())?;
        body(self)?;
        let length = (self.current.len() - self.start) as u32;
        self.current[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
        self.split()
    }

    /// Begins another datagram if this message is too much for the last.
    fn split(&mut self) -> Result<()> {
        if self.current.len() <= MOST || self.start == 0 {
            return Ok(());
        }
        let mut next = Vec::new();
        let message = &self.current[self.start..];
        next.try_reserve(message.len()).map_err(|_| Errno::ENOMEM)?;
        next.extend_from_slice(message);
        self.current.truncate(self.start);
        self.push(next)
    }

    fn push(&mut self, next: Vec<u8>) -> Result<()> {
        self.done.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.done.push(core::mem::replace(&mut self.current, next));
        Ok(())
    }

    /// Adds bytes. `ENOMEM`.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let room = self.current.try_reserve(bytes.len());
        room.map_err(|_| Errno::ENOMEM)?;
        self.current.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds an attribute. `ENOMEM`.
    pub fn attribute(&mut self, kind: u16, data: &[u8]) -> Result<()> {
        let length = 4 + data.len() as u16;
        self.bytes(&length.to_ne_bytes())?;
        self.bytes(&kind.to_ne_bytes())?;
        self.bytes(data)?;
        let padding = data.len().next_multiple_of(4) - data.len();
        self.bytes(&[0; 3][..padding])
    }

    /// Adds an attribute that is an address. `ENOMEM`.
    pub fn address_attribute(&mut self, kind: u16, address: IpAddr) -> Result<()> {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    /// Adds an attribute that is text. `ENOMEM`.
    pub fn text_attribute(&mut self, kind: u16, text: &str) -> Result<()> {
        let mut data = [0; 16];
        let length = text.len().min(data.len() - 1);
        data[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.attribute(kind, &data[..=length])
    }

    /// Says that `request` failed. `ENOMEM`.
    pub fn error(&mut self, request: &[u8], error: Errno) -> Result<()> {
        self.flags = 0;
        self.message(ERROR, |answers| {
            answers.bytes(&(-error.number()).to_ne_bytes())?;
            answers.bytes(request)?;
            let padding = request.len().next_multiple_of(4) - request.len();
            answers.bytes(&[0; 3][..padding])
        })
    }

    /// Says that a request, whose header this is, was done. `ENOMEM`.
    pub fn acknowledge(&mut self, header: &[u8]) -> Result<()> {
        self.flags = flags::CAPPED;
        self.message(ERROR, |answers| {
            answers.bytes(&[0; 4])?;
            answers.bytes(header)
        })
    }

    /// Ends what is told of all objects. `ENOMEM`.
    pub fn done(&mut self) -> Result<()> {
        self.message(DONE, |answers| answers.bytes(&[0; 4]))
    }

    /// The datagrams. `ENOMEM`.
    pub fn finish(mut self) -> Result<Vec<Vec<u8>>> {
        if !self.current.is_empty() {
            self.push(Vec::new())?;
        }
        Ok(self.done)
    }
}

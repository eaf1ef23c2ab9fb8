//! Frames that have come, and the memory that frames are in.

use super::header::Sum;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Memory that the card reads or writes.
pub type Buffer = Box<[u8]>;

/// Zeroed memory for the card. `None` without memory.
pub fn buffer(size: usize) -> Option<Buffer> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    bytes.resize(size, 0);
    Some(bytes.into_boxed_slice())
}

/// Where a frame is, the card's header before it included.
pub enum Held {
    /// In so many bytes of a buffer.
    Buffer(Buffer, usize),
    /// In memory that it was copied to from several.
    Gathered(Vec<u8>),
}

/// A frame that has come.
pub struct Frame {
    held: Held,
    header: usize,
    /// What the card says of its checksum.
    pub sum: Sum,
}

impl Frame {
    /// One with a header of so many bytes.
    pub fn new(held: Held, header: usize) -> Frame {
        let mut frame = Frame {
            held,
            header,
            sum: Sum::Unknown,
        };
        let whole = frame.whole();
        if whole.len() >= header {
            frame.sum = Sum::read(whole);
        }
        frame
    }

    fn whole(&self) -> &[u8] {
        match &self.held {
            Held::Buffer(buffer, length) => &buffer[..*length],
            Held::Gathered(bytes) => bytes,
        }
    }

    /// Its bytes; none if there is not even a header.
    pub fn bytes(&self) -> &[u8] {
        self.whole().get(self.header..).unwrap_or_default()
    }

    /// The same, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let whole = match &mut self.held {
            Held::Buffer(buffer, length) => &mut buffer[..*length],
            Held::Gathered(bytes) => bytes,
        };
        whole.get_mut(self.header..).unwrap_or_default()
    }

    /// Whether it came in several buffers.
    pub fn is_gathered(&self) -> bool {
        matches!(self.held, Held::Gathered(_))
    }

    /// Its memory.
    pub fn into_held(self) -> Held {
        self.held
    }
}

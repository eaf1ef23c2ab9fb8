//! Areas: what is to be found in a range of addresses.

use crate::{Hardware, PAGE_SIZE, Page};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use paddock_abi::Result;

bitflags::bitflags! {
    /// What a program may do with an area, with mmap(2)'s values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Protection: u32 {
        /// Read.
        const READ = 1;
        /// Write.
        const WRITE = 2;
        /// Fetch instructions.
        const EXECUTE = 4;
    }
}

/// Something whose pages can be mapped, such as a file.
pub trait MapSource<H: Hardware>: Send + Sync {
    /// The page of this index. May sleep.
    ///
    /// # Errors
    /// `ENXIO` beyond the end (the program gets SIGBUS), `EIO`, `ENOMEM`.
    fn page(&self, index: u64) -> Result<Page<H>>;

    /// A shared, writable mapping is about to change the page.
    fn mark_dirty(&self, index: u64);

    /// The name that /proc/PID/maps shows.
    fn name(&self) -> String;
}

/// Where an area's pages come from.
pub enum Backing<H: Hardware> {
    /// Zeros.
    Anonymous,
    /// A file (or shared memory), from this page of it on.
    Source {
        /// The file.
        source: Arc<dyn MapSource<H>>,
        /// Index of the area's first page in it.
        first: u64,
    },
}

impl<H: Hardware> Clone for Backing<H> {
    fn clone(&self) -> Self {
        match self {
            Backing::Anonymous => Backing::Anonymous,
            Backing::Source { source, first } => Backing::Source { source: source.clone(), first: *first },
        }
    }
}

impl<H: Hardware> fmt::Debug for Backing<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backing::Anonymous => f.write_str("Anonymous"),
            Backing::Source { first, .. } => write!(f, "Source({first})"),
        }
    }
}

/// A range of addresses with one meaning.
#[derive(Debug)]
pub struct Area<H: Hardware> {
    /// First address.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// What is allowed.
    pub protection: Protection,
    /// Whether writes are seen by everyone who maps the same source.
    pub shared: bool,
    /// Whether it is a stack, which grows downwards on a fault.
    pub grows_down: bool,
    /// Where its pages come from.
    pub backing: Backing<H>,
    /// What /proc/PID/maps calls it, if it has no file.
    pub label: &'static str,
}

impl<H: Hardware> Clone for Area<H> {
    fn clone(&self) -> Self {
        let Area { start, end, protection, shared, grows_down, backing, label } = self;
        Area {
            start: *start,
            end: *end,
            protection: *protection,
            shared: *shared,
            grows_down: *grows_down,
            backing: backing.clone(),
            label,
        }
    }
}

impl<H: Hardware> Area<H> {
    /// Pages in the area.
    pub fn pages(&self) -> u64 {
        (self.end - self.start) / PAGE_SIZE
    }

    /// The part from `from` to `to`, which lie in the area.
    pub(crate) fn part(&self, from: u64, to: u64) -> Self {
        let mut part = self.clone();
        part.start = from;
        part.end = to;
        if let Backing::Source { first, .. } = &mut part.backing {
            *first += (from - self.start) / PAGE_SIZE;
        }
        part
    }

    /// Whether `next`, which begins where this ends, only continues it.
    pub(crate) fn continues(&self, next: &Self) -> bool {
        self.end == next.start
            && self.protection == next.protection
            && self.shared == next.shared
            && self.grows_down == next.grows_down
            && !self.shared
            && matches!((&self.backing, &next.backing), (Backing::Anonymous, Backing::Anonymous))
            && self.label == next.label
    }

    /// The name for /proc/PID/maps.
    pub fn name(&self) -> String {
        match &self.backing {
            Backing::Anonymous => String::from(self.label),
            Backing::Source { source, .. } => source.name(),
        }
    }
}

//! [`Link`]: a stream connection, as both its ends share it.

use crate::ring::Ring;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_sync::{PreemptOff, Rank, Ready, SpinLock, WaitQueue};
use paddock_vfs::OpenFile;

/// Bytes under way in each direction.
const STREAM_SIZE: usize = 212_992;

/// Files that travel with the byte at this position of the stream.
struct Attachment {
    at: u64,
    files: Vec<Arc<OpenFile>>,
}

/// One direction.
struct Stream {
    ring: Ring,
    /// Bytes that have been read so far.
    read: u64,
    attachments: VecDeque<Attachment>,
    /// The writing end writes no more.
    write_closed: bool,
    /// The reading end reads no more.
    read_closed: bool,
}

/// Which end: the index of the direction that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that connected.
    First = 0,
    /// The one that was accepted.
    Second = 1,
}

impl Side {
    fn outgoing(self) -> usize {
        self as usize
    }

    fn incoming(self) -> usize {
        1 - self as usize
    }
}

/// A connection: two streams.
pub struct Link {
    streams: SpinLock<[Stream; 2], PreemptOff>,
    pub changed: WaitQueue,
}

const fn stream() -> Stream {
    Stream {
        ring: Ring::new(STREAM_SIZE),
        read: 0,
        attachments: VecDeque::new(),
        write_closed: false,
        read_closed: false,
    }
}

impl Link {
    pub fn new() -> Link {
        Link {
            streams: SpinLock::new(Rank::Pipe, [stream(), stream()]),
            changed: WaitQueue::new(),
        }
    }

    /// Sends what there is room for. `EPIPE`, `EAGAIN`, `ENOMEM`; `files` are
    /// taken if anything is sent.
    pub fn send(&self, side: Side, bytes: &[u8], files: &mut Vec<Arc<OpenFile>>) -> Result<usize> {
        let mut streams = self.streams.lock();
        let stream = &mut streams[side.outgoing()];
        if stream.write_closed || stream.read_closed {
            return Err(Errno::EPIPE);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        if stream.ring.room() == 0 {
            return Err(Errno::EAGAIN);
        }
        stream
            .attachments
            .try_reserve(1)
            .map_err(|_| Errno::ENOMEM)?;
        let at = stream.read + stream.ring.len() as u64;
        let count = stream.ring.push(bytes)?;
        if !files.is_empty() {
            let files = core::mem::take(files);
            stream.attachments.push_back(Attachment { at, files });
        }
        drop(streams);
        self.changed.wake_all();
        Ok(count)
    }

    /// Receives what is there, and the files that travel with it; never the
    /// bytes of two sets of files at once. (0, none) at the end. `EAGAIN`.
    pub fn receive(
        &self,
        side: Side,
        buf: &mut [u8],
        peek: bool,
    ) -> Result<(usize, Vec<Arc<OpenFile>>)> {
        if buf.is_empty() {
            return Ok((0, Vec::new()));
        }
        let mut streams = self.streams.lock();
        let stream = &mut streams[side.incoming()];
        if stream.ring.is_empty() {
            let ended = stream.write_closed || stream.read_closed;
            return if ended {
                Ok((0, Vec::new()))
            } else {
                Err(Errno::EAGAIN)
            };
        }
        let here = stream.read;
        let mut later = stream
            .attachments
            .iter()
            .filter(|attachment| attachment.at > here);
        let limit = later.next().map_or(buf.len() as u64, |next| next.at - here);
        let limit = limit.min(buf.len() as u64) as usize;
        if peek {
            return Ok((stream.ring.peek(&mut buf[..limit]), Vec::new()));
        }
        let count = stream.ring.pop(&mut buf[..limit]);
        stream.read += count as u64;
        let first = stream
            .attachments
            .front()
            .is_some_and(|attachment| attachment.at == here);
        let files = if first {
            stream.attachments.pop_front()
        } else {
            None
        };
        drop(streams);
        self.changed.wake_all();
        Ok((
            count,
            files.map(|attachment| attachment.files).unwrap_or_default(),
        ))
    }

    /// Closes one or both directions for one end.
    pub fn shutdown(&self, side: Side, read: bool, write: bool) {
        let mut dropped = VecDeque::new();
        let mut streams = self.streams.lock();
        streams[side.outgoing()].write_closed |= write;
        if read {
            let incoming = &mut streams[side.incoming()];
            incoming.read_closed = true;
            // Files that nobody will get are closed, outside the lock.
            dropped = core::mem::take(&mut incoming.attachments);
            incoming.ring.clear();
        }
        drop(streams);
        drop(dropped);
        self.changed.wake_all();
    }

    /// Bytes that one end could read.
    pub fn readable(&self, side: Side) -> usize {
        self.streams.lock()[side.incoming()].ring.len()
    }

    /// What one end is ready for.
    pub fn ready(&self, side: Side) -> Ready {
        let streams = self.streams.lock();
        let (incoming, outgoing) = (&streams[side.incoming()], &streams[side.outgoing()]);
        let ended = incoming.write_closed || incoming.read_closed;
        let broken = outgoing.write_closed || outgoing.read_closed;
        let mut ready = Ready::empty();
        ready.set(Ready::IN, !incoming.ring.is_empty() || ended);
        ready.set(Ready::RDHUP, ended);
        ready.set(
            Ready::OUT,
            broken || outgoing.ring.room() >= STREAM_SIZE / 4,
        );
        ready.set(Ready::HUP, ended && broken);
        ready
    }
}

//! [`Inbox`]: what has been sent to a socket and not been received.

use crate::name::Name;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::Ucred;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_vfs::OpenFile;

/// Bytes that an inbox takes, as Linux's `net.core.wmem_default`.
pub(crate) const LIMIT: usize = 212_992;
/// What a message counts for besides its bytes.
const OVERHEAD: usize = 512;
/// Stream bytes that are gathered in one segment.
const GATHER: usize = 4096;
/// Stream bytes of one segment at the most.
const PIECE: usize = 32_768;

/// Bytes that were sent together.
pub(crate) struct Segment {
    data: Vec<u8>,
    /// How many of them have been received.
    start: usize,
    pub from: Option<Arc<Name>>,
    pub credentials: Ucred,
    pub rights: Vec<Arc<OpenFile>>,
    charge: Charge,
}

impl Segment {
    /// A copy of `data` to send, for which `account` pays. `ENOMEM`.
    pub fn new(
        data: &[u8],
        from: Option<Arc<Name>>,
        credentials: Ucred,
        account: &Arc<Account>,
    ) -> Result<Segment> {
        let charge = Charge::new(account, data.len() + OVERHEAD)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(data.len())
            .map_err(|_| Errno::ENOMEM)?;
        copy.extend_from_slice(data);
        Ok(Segment {
            data: copy,
            start: 0,
            from,
            credentials,
            rights: Vec::new(),
            charge,
        })
    }

    /// Adds to it. `ENOMEM`.
    fn extend(&mut self, data: &[u8]) -> Result<()> {
        self.charge.resize(self.charge.bytes() + data.len())?;
        self.data
            .try_reserve(data.len())
            .map_err(|_| Errno::ENOMEM)?;
        self.data.extend_from_slice(data);
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or(&[])
    }

    fn copy_to(&self, buf: &mut [u8]) -> usize {
        let rest = self.rest();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        count
    }

    fn takes_more(&self, length: usize, credentials: Ucred, account: &Arc<Account>) -> bool {
        self.rights.is_empty()
            && Arc::ptr_eq(self.charge.account(), account)
            && same_identity(self.credentials, credentials)
            && self.data.len() + length <= GATHER
    }
}

fn same_identity(one: Ucred, other: Ucred) -> bool {
    (one.pid, one.uid, one.gid) == (other.pid, other.uid, other.gid)
}

/// What came out of an inbox. To be dropped outside locks.
#[derive(Default)]
pub(crate) struct Taken {
    /// Bytes copied.
    pub count: usize,
    /// Bytes of the whole message.
    pub length: usize,
    pub from: Option<Arc<Name>>,
    pub credentials: Ucred,
    pub rights: Vec<Arc<OpenFile>>,
}

/// A queue of segments.
#[derive(Default)]
pub(crate) struct Inbox {
    segments: VecDeque<Segment>,
    used: usize,
}

impl Inbox {
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Whether no message, or no byte, goes in.
    pub fn is_full(&self) -> bool {
        self.used >= LIMIT
    }

    /// Whether there is so much room that a writer is worth waking.
    pub fn has_room(&self) -> bool {
        self.used <= LIMIT - LIMIT / 4
    }

    /// Whether files are in it.
    pub fn holds_files(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| !segment.rights.is_empty())
    }

    /// Bytes that the next read of a stream can give.
    pub fn stream_bytes(&self) -> usize {
        self.used
    }

    /// Bytes of the next message.
    pub fn message_bytes(&self) -> usize {
        self.segments
            .front()
            .map_or(0, |segment| segment.rest().len())
    }

    /// Adds as many bytes as there is room for, and all of `rights` with
    /// them. `EAGAIN`, `ENOMEM`.
    pub fn push_bytes(
        &mut self,
        data: &[u8],
        credentials: Ucred,
        rights: &mut Vec<Arc<OpenFile>>,
        account: &Arc<Account>,
    ) -> Result<usize> {
        let room = LIMIT.saturating_sub(self.used);
        let data = &data[..data.len().min(room)];
        if data.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let mut done = 0;
        for piece in data.chunks(PIECE) {
            match self.push_piece(piece, credentials, rights, account) {
                Ok(()) => done += piece.len(),
                Err(error) if done == 0 => return Err(error),
                // What went in so far is what the sender hears of.
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn push_piece(
        &mut self,
        data: &[u8],
        credentials: Ucred,
        rights: &mut Vec<Arc<OpenFile>>,
        account: &Arc<Account>,
    ) -> Result<()> {
        match self.segments.back_mut() {
            Some(last)
                if rights.is_empty() && last.takes_more(data.len(), credentials, account) =>
            {
                last.extend(data)?;
            }
            _ => {
                let mut segment = Segment::new(data, None, credentials, account)?;
                self.segments.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                segment.rights.append(rights);
                self.segments.push_back(segment);
            }
        }
        self.used += data.len();
        Ok(())
    }

    /// Adds a message. `EAGAIN` (which gives it back), `ENOMEM`.
    pub fn push_message(&mut self, segment: Segment) -> core::result::Result<(), (Segment, Errno)> {
        if self.is_full() {
            return Err((segment, Errno::EAGAIN));
        }
        if self.segments.try_reserve(1).is_err() {
            return Err((segment, Errno::ENOMEM));
        }
        self.used += segment.data.len() + OVERHEAD;
        self.segments.push_back(segment);
        Ok(())
    }

    /// Takes bytes of a stream out, or (`peek`) a copy of them, without the
    /// files that came along. They end before bytes of another sender,
    /// and bytes that came with files end with these. `None` if there are
    /// none.
    pub fn take_bytes(&mut self, buf: &mut [u8], peek: bool) -> Option<Taken> {
        let first = self.segments.front_mut()?;
        let mut taken = Taken {
            credentials: first.credentials,
            ..Taken::default()
        };
        let with_files = !first.rights.is_empty();
        if !peek && !buf.is_empty() {
            taken.rights = core::mem::take(&mut first.rights);
        }
        let mut index = 0;
        let mut begun = false;
        while let Some(segment) = self.segments.get_mut(index) {
            let other = !same_identity(segment.credentials, taken.credentials)
                || begun && (with_files || !segment.rights.is_empty());
            if taken.count == buf.len() || other {
                break;
            }
            begun = true;
            let count = segment.copy_to(&mut buf[taken.count..]);
            taken.count += count;
            if peek {
                index += 1;
                continue;
            }
            segment.start += count;
            self.used -= count;
            if !segment.rest().is_empty() {
                break;
            }
            self.segments.pop_front();
        }
        taken.length = taken.count;
        Some(taken)
    }

    /// Takes a message out, cut to the buffer's length. `None` if there is
    /// none.
    pub fn take_message(&mut self, buf: &mut [u8], peek: bool) -> Option<Taken> {
        let first = self.segments.front_mut()?;
        let taken = Taken {
            count: first.copy_to(buf),
            length: first.data.len(),
            from: first.from.clone(),
            credentials: first.credentials,
            rights: match peek {
                true => Vec::new(),
                false => core::mem::take(&mut first.rights),
            },
        };
        if !peek {
            self.used -= first.data.len() + OVERHEAD;
            self.segments.pop_front();
        }
        Some(taken)
    }

    /// Takes everything out.
    pub fn take_all(&mut self) -> VecDeque<Segment> {
        self.used = 0;
        core::mem::take(&mut self.segments)
    }
}

//! [`Inbox`]: what has been sent to a socket and not been received.

use crate::name::Name;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::socket::Ucred;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_user_io::{Pass, UserReader, UserWriter};
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
    /// The next `length` bytes of `source` to send, or as many as are not missing, for
    /// which `account` pays. Never sleeps. `ENOMEM`.
    pub fn new(
        source: &mut UserReader<'_>,
        length: usize,
        from: Option<Arc<Name>>,
        credentials: Ucred,
        account: &Arc<Account>,
    ) -> Result<Segment> {
        let mut segment = Segment {
            data: Vec::new(),
            start: 0,
            from,
            credentials,
            rights: Vec::new(),
            charge: Charge::new(account, OVERHEAD)?,
        };
        segment.extend(source, length)?;
        Ok(segment)
    }

    /// Bytes that it was made of.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Adds up to `length` bytes to it; how many. `ENOMEM`.
    fn extend(&mut self, source: &mut UserReader<'_>, length: usize) -> Result<usize> {
        let before = self.data.len();
        self.charge.resize(self.charge.bytes() + length)?;
        if self.data.try_reserve(length).is_err() {
            // Less always succeeds.
            let _ = self.charge.resize(self.charge.bytes() - length);
            return Err(Errno::ENOMEM);
        }
        self.data.resize(before + length, 0);
        let count = source.copy_in_atomic(&mut self.data[before..]);
        self.data.truncate(before + count);
        // Less always succeeds.
        let _ = self.charge.resize(self.charge.bytes() - (length - count));
        Ok(count)
    }

    fn rest(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or(&[])
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
    /// Bytes of a stream that would have been copied, were no page missing.
    pub wanted: usize,
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

    /// Adds as many bytes as there is room for and are not missing, and all of
    /// `rights` with them. `EAGAIN`, `ENOMEM`.
    pub fn push_bytes(
        &mut self,
        from: &mut UserReader<'_>,
        credentials: Ucred,
        rights: &mut Vec<Arc<OpenFile>>,
        account: &Arc<Account>,
    ) -> Result<Pass> {
        let room = LIMIT.saturating_sub(self.used);
        let wanted = from.left().min(room);
        if wanted == 0 {
            return Err(Errno::EAGAIN);
        }
        let mut moved = 0;
        while moved < wanted {
            let length = (wanted - moved).min(PIECE);
            match self.push_piece(from, length, credentials, rights, account) {
                Ok(count) => {
                    moved += count;
                    if count < length {
                        return Ok(Pass { moved, wanted });
                    }
                }
                Err(error) if moved == 0 => return Err(error),
                // What went in so far is what the sender hears of.
                Err(_) => break,
            }
        }
        Ok(Pass {
            moved,
            wanted: moved,
        })
    }

    fn push_piece(
        &mut self,
        from: &mut UserReader<'_>,
        length: usize,
        credentials: Ucred,
        rights: &mut Vec<Arc<OpenFile>>,
        account: &Arc<Account>,
    ) -> Result<usize> {
        let count = match self.segments.back_mut() {
            Some(last) if rights.is_empty() && last.takes_more(length, credentials, account) => {
                last.extend(from, length)?
            }
            _ => {
                self.segments.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                let mut segment = Segment::new(from, length, None, credentials, account)?;
                let count = segment.len();
                if count > 0 {
                    segment.rights.append(rights);
                    self.segments.push_back(segment);
                }
                count
            }
        };
        self.used += count;
        Ok(count)
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
    pub fn take_bytes(&mut self, to: &mut UserWriter<'_>, peek: bool) -> Option<Taken> {
        let room = to.left();
        let first = self.segments.front_mut()?;
        let mut taken = Taken {
            credentials: first.credentials,
            ..Taken::default()
        };
        let with_files = !first.rights.is_empty();
        let mut missing = false;
        let mut index = 0;
        let mut begun = false;
        while let Some(segment) = self.segments.get_mut(index) {
            let other = !same_identity(segment.credentials, taken.credentials)
                || begun && (with_files || !segment.rights.is_empty());
            if to.is_full() || other || missing {
                break;
            }
            begun = true;
            let rest = segment.rest();
            let wanted = rest.len().min(to.left());
            let count = to.copy_out_atomic(rest);
            missing = count < wanted;
            taken.count += count;
            if !peek && count > 0 {
                taken.rights.append(&mut segment.rights);
            }
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
        taken.wanted = if missing { room } else { taken.count };
        Some(taken)
    }

    /// Takes a message out, cut to the length of its place. `None` if there is
    /// none.
    pub fn take_message(&mut self, to: &mut UserWriter<'_>, peek: bool) -> Option<Taken> {
        let first = self.segments.front_mut()?;
        let count = to.copy_out_atomic(&first.data);
        let taken = Taken {
            count,
            wanted: count,
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

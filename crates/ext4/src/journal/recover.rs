//! Replaying the log after a loss of power.

use super::*;
use crate::bytes::get_be16;
use alloc::collections::BTreeMap;

/// A copy of a block in the log.
struct Copy {
    sequence: u32,
    block: u64,
    at: u32,
    escaped: bool,
    checksum: u32,
}

/// What the log holds of complete transactions.
#[derive(Default)]
struct Found {
    copies: Vec<Copy>,
    /// The last transaction that revoked a block.
    revoked: BTreeMap<u64, u32>,
}

impl Journal {
    /// Writes what complete transactions hold to its place, and empties the
    /// log. Does nothing to an empty one.
    pub fn recover(&mut self, disk: &Disk) -> Result<()> {
        if !self.needs_replay() {
            return Ok(());
        }
        let found = self.scan(disk)?;
        self.replay(disk, &found)?;
        self.head = self.first;
        self.reset(disk)
    }

    /// The same of a log that is in use, whose transactions are all complete. `EUCLEAN` if
    /// one of them cannot be found any more: then nothing has been written.
    pub fn write_back(&mut self, disk: &Disk) -> Result<()> {
        if self.used == 0 {
            return Ok(());
        }
        let next = self.sequence;
        self.sequence = get_be32(&self.superblock, JSB_SEQUENCE);
        let found = self.scan(disk);
        let is_whole = self.sequence == next;
        self.sequence = next;
        match is_whole {
            true => self.replay(disk, &found?)?,
            false => return Err(found.err().unwrap_or(Errno::EUCLEAN)),
        }
        self.reset(disk)
    }

    fn replay(&self, disk: &Disk, found: &Found) -> Result<()> {
        let mut data = zeroed(disk.block_size)?;
        self.check_copies(disk, found, &mut data)?;
        for copy in &found.copies {
            let revoked = found.revoked.get(&copy.block);
            if revoked.is_some_and(|by| !is_before(*by, copy.sequence)) {
                continue;
            }
            disk.read(self.place(copy.at)?, &mut data)?;
            if copy.escaped {
                put_be32(&mut data, 0, MAGIC);
            }
            disk.write(copy.block, &data)?;
        }
        Ok(())
    }

    /// `EUCLEAN` if a copy is not what was written: then none is used.
    fn check_copies(&self, disk: &Disk, found: &Found, data: &mut [u8]) -> Result<()> {
        if self.checksum_seed.is_none() {
            return Ok(());
        }
        for copy in &found.copies {
            disk.read(self.place(copy.at)?, data)?;
            if !self.is_copy_sound(data, copy.sequence, copy.checksum) {
                return Err(Errno::EUCLEAN);
            }
        }
        Ok(())
    }

    /// Reads the log up to the first incomplete transaction; `sequence` is
    /// then the number of the next one to write.
    fn scan(&mut self, disk: &Disk) -> Result<Found> {
        let mut found = Found::default();
        let mut copies = Vec::new();
        let mut revoked = Vec::new();
        let mut at = get_be32(&self.superblock, JSB_START);
        let mut block = zeroed(disk.block_size)?;
        let mut left = self.length - self.first;
        while left > 0 {
            disk.read(self.place(at)?, &mut block)?;
            if get_be32(&block, 0) != MAGIC || get_be32(&block, 8) != self.sequence {
                break;
            }
            at = self.next(at);
            left -= 1;
            match get_be32(&block, 4) {
                DESCRIPTOR | REVOKE if !self.is_tail_sound(&block) => break,
                COMMIT if !self.is_commit_sound(&block) => break,
                DESCRIPTOR => {
                    let count = self.parse_descriptor(&block, &mut at, &mut copies)?;
                    left = left.saturating_sub(count);
                }
                REVOKE => self.parse_revocations(&block, &mut revoked),
                COMMIT => {
                    found.copies.append(&mut copies);
                    let by = self.sequence;
                    found
                        .revoked
                        .extend(revoked.drain(..).map(|block| (block, by)));
                    self.sequence = self.sequence.wrapping_add(1);
                }
                _ => break,
            }
        }
        Ok(found)
    }

    /// The number of blocks that follow the descriptor.
    fn parse_descriptor(&self, block: &[u8], at: &mut u32, out: &mut Vec<Copy>) -> Result<u32> {
        let mut tag = HEADER;
        let mut count = 0;
        while tag + self.tag_size() <= block.len() - self.tail() {
            let flags = get_be16(block, tag + 6);
            let high = match self.wide {
                true => u64::from(get_be32(block, tag + 8)) << 32,
                false => 0,
            };
            out.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            out.push(Copy {
                sequence: self.sequence,
                block: u64::from(get_be32(block, tag)) | high,
                at: *at,
                escaped: flags & FLAG_ESCAPED != 0,
                checksum: get_be32(block, tag + 12),
            });
            *at = self.next(*at);
            count += 1;
            tag += self.tag_size();
            if flags & FLAG_SAME_UUID == 0 {
                tag += UUID;
            }
            if flags & FLAG_LAST != 0 {
                break;
            }
        }
        Ok(count)
    }

    fn parse_revocations(&self, block: &[u8], out: &mut Vec<u64>) {
        let size = self.revocation_size();
        let end = (get_be32(block, HEADER) as usize).min(block.len());
        let mut at = HEADER + 4;
        while at + size <= end {
            let high = match self.wide {
                true => u64::from(get_be32(block, at)) << 32,
                false => 0,
            };
            out.push(u64::from(get_be32(block, at + size - 4)) | high);
            at += size;
        }
    }
}

/// Whether transaction `a` came before `b`; the numbers wrap around.
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

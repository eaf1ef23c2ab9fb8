//! What the disk in memory holds, and what of it is lost when the power goes.

use crate::schedule_fuzz::chance;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};

/// What is written whole or not at all.
const SECTOR: usize = 512;

/// Bytes that were written and not flushed yet.
struct Unflushed {
    at: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// When the power goes, and what is needed for that.
struct Power {
    /// Pieces to be written until then.
    left: u64,
    /// Pieces that will be there.
    flushed: u64,
    /// Those that came after them, in their order.
    unflushed: Vec<Unflushed>,
}

/// The content of the disk.
pub struct Medium {
    pub bytes: &'static mut [u8],
    power: Option<Power>,
}

impl Medium {
    /// One whose power goes as so many pieces have been written, if at all.
    pub fn new(bytes: &'static mut [u8], power_goes_after: Option<u64>) -> Medium {
        let power = power_goes_after.map(|left| Power {
            left,
            flushed: 0,
            unflushed: Vec::new(),
        });
        Medium { bytes, power }
    }

    /// Writes a piece. Whether the power goes now.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn write(&mut self, at: usize, piece: &[u8]) -> Result<bool> {
        let place = &mut self.bytes[at..][..piece.len()];
        let Some(power) = &mut self.power else {
            place.copy_from_slice(piece);
            return Ok(false);
        };
        power.unflushed.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let written = Unflushed {
            at,
            before: copy(place)?,
            after: copy(piece)?,
        };
        power.unflushed.push(written);
        place.copy_from_slice(piece);
        power.left = power.left.saturating_sub(1);
        Ok(power.left == 0)
    }

    /// How many pieces have been written: a flush that begins now makes them last.
    pub fn written(&self) -> u64 {
        let power = self.power.as_ref();
        power.map_or(0, |power| power.flushed + power.unflushed.len() as u64)
    }

    /// So many of the pieces that were written last from now on.
    pub fn flushed(&mut self, pieces: u64) {
        if let Some(power) = &mut self.power {
            let more = pieces.saturating_sub(power.flushed);
            drop(power.unflushed.drain(..more as usize));
            power.flushed += more;
        }
    }

    /// The power goes: of what was not flushed, each sector is there or not.
    pub fn cut(&mut self) {
        let Some(power) = self.power.take() else {
            return;
        };
        for write in power.unflushed.iter().rev() {
            self.bytes[write.at..][..write.before.len()].copy_from_slice(&write.before);
        }
        for write in &power.unflushed {
            for (number, sector) in write.after.chunks(SECTOR).enumerate() {
                if chance(2) {
                    let at = write.at + number * SECTOR;
                    self.bytes[at..][..sector.len()].copy_from_slice(sector);
                }
            }
        }
    }
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| Errno::ENOMEM)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

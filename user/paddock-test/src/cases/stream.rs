//! Long streams that must arrive unchanged.

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, Hash, Noise};

const PIECE: usize = 65_536;

/// Prints count and hash of standard input, or of what `make-stream` with
/// the same arguments writes.
pub fn hash(_: &mut Report, words: &[String]) -> Outcome {
    let mut hash = Hash::new();
    let mut count = 0;
    if words.is_empty() {
        let mut bytes = vec![0; PIECE];
        loop {
            let read = sys::read(0, &mut bytes)?;
            if read == 0 {
                break;
            }
            count += read;
            hash.add(&bytes[..read]);
        }
    } else {
        pieces(words, |bytes| {
            count += bytes.len();
            hash.add(bytes);
            Ok(())
        })?;
    }
    println!("stream bytes={count} fnv1a64={:016x}", hash.0);
    Ok(())
}

/// Writes COUNT bytes that depend on SEED to standard output.
pub fn make(_: &mut Report, words: &[String]) -> Outcome {
    pieces(words, |bytes| {
        sys::write_all(1, bytes).map_err(String::from)
    })
}

fn pieces(words: &[String], mut take: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let mut left: usize = number(words, 0, 1 << 20)?;
    let mut noise = Noise::new(number(words, 1, 1)?);
    while left > 0 {
        let piece = left.min(PIECE);
        take(&noise.bytes(piece))?;
        left -= piece;
    }
    Ok(())
}

//! TCP options (RFC 9293, 3.1; RFC 2018; RFC 7323) as values and as bytes.

use crate::seq::Seq;
use smoltcp::wire::TcpOption;

/// The largest shift of a window (RFC 7323, 2.3).
const MAX_SCALE: u8 = 14;
/// Bytes that timestamps take in a segment, padded.
pub const STAMPS: usize = 12;
/// The most blocks that are told at once: as many as fit beside timestamps.
pub const BLOCKS: usize = 3;

/// Timestamps (RFC 7323, 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The sender's clock.
    pub value: u32,
    /// What of the receiver's clock it has seen last.
    pub echo: u32,
}

/// Ranges that have come out of order (RFC 2018, 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    ranges: [(Seq, Seq); BLOCKS],
    count: u8,
}

impl Blocks {
    /// Adds a range, if there is room.
    pub fn push(&mut self, range: (Seq, Seq)) {
        if let Some(place) = self.ranges.get_mut(usize::from(self.count)) {
            *place = range;
            self.count += 1;
        }
    }

    /// Those that there are.
    pub fn as_slice(&self) -> &[(Seq, Seq)] {
        &self.ranges[..usize::from(self.count)]
    }

    /// Bytes that so many take in a segment, padded.
    pub fn room(count: usize) -> usize {
        if count == 0 { 0 } else { 4 + 8 * count }
    }
}

/// The options of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The maximum segment size that the sender takes (only with SYN).
    pub mss: Option<u16>,
    /// How windows of the sender are to be shifted (only with SYN).
    pub scale: Option<u8>,
    /// The sender takes [`Self::blocks`] (only with SYN).
    pub selective: bool,
    /// When it was sent.
    pub stamps: Option<Stamps>,
    /// What the sender has beyond what it acknowledges.
    pub blocks: Blocks,
}

impl Options {
    /// Reads options up to the first that makes no sense. Those of SYN count
    /// only with it.
    pub fn parse(mut bytes: &[u8], with_syn: bool) -> Options {
        let mut options = Options::default();
        while !bytes.is_empty() {
            let Ok((rest, option)) = TcpOption::parse(bytes) else {
                break;
            };
            match option {
                TcpOption::EndOfList => break,
                TcpOption::MaxSegmentSize(size) if with_syn => options.mss = Some(size),
                TcpOption::WindowScale(shift) if with_syn => {
                    options.scale = Some(shift.min(MAX_SCALE));
                }
                TcpOption::SackPermitted => options.selective = with_syn,
                TcpOption::TimeStamp { tsval, tsecr } => {
                    options.stamps = Some(Stamps {
                        value: tsval,
                        echo: tsecr,
                    });
                }
                TcpOption::SackRange(ranges) if !with_syn => {
                    options.blocks = Blocks::default();
                    for (start, end) in ranges.into_iter().flatten() {
                        options.blocks.push((Seq(start), Seq(end)));
                    }
                }
                _ => {}
            }
            bytes = rest;
        }
        options
    }

    /// Bytes that they take, a multiple of four.
    pub fn len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let scale = if self.scale.is_some() { 4 } else { 0 };
        let others = match (self.selective, self.stamps) {
            (_, Some(_)) => STAMPS,
            (true, None) => 4,
            (false, None) => 0,
        };
        mss + scale + others + Blocks::room(self.blocks.as_slice().len())
    }

    /// Writes them into `bytes`, which are as long as they are.
    pub fn emit(&self, bytes: &mut [u8]) {
        let mut rest = bytes;
        if let Some(size) = self.mss {
            rest = TcpOption::MaxSegmentSize(size).emit(rest);
        }
        if self.selective {
            rest = TcpOption::SackPermitted.emit(rest);
        }
        // So that what follows ends at a multiple of four.
        if self.selective != self.stamps.is_some() {
            rest = pad(rest);
        }
        if let Some(Stamps { value, echo }) = self.stamps {
            let (tsval, tsecr) = (value, echo);
            rest = TcpOption::TimeStamp { tsval, tsecr }.emit(rest);
        }
        if let Some(shift) = self.scale {
            rest = TcpOption::WindowScale(shift).emit(rest);
            rest = TcpOption::NoOperation.emit(rest);
        }
        let blocks = self.blocks.as_slice();
        if !blocks.is_empty() {
            let mut ranges = [None; BLOCKS];
            for (place, (start, end)) in ranges.iter_mut().zip(blocks) {
                *place = Some((start.0, end.0));
            }
            TcpOption::SackRange(ranges).emit(pad(rest));
        }
    }
}

fn pad(bytes: &mut [u8]) -> &mut [u8] {
    TcpOption::NoOperation.emit(TcpOption::NoOperation.emit(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            mss in prop::option::of(any::<u16>()), scale in prop::option::of(0u8..=14),
            selective: bool, stamps in prop::option::of((any::<u32>(), any::<u32>())),
            ranges in prop::collection::vec((any::<u32>(), any::<u32>()), 0..=BLOCKS), with_syn: bool,
        ) {
            let stamps = stamps.map(|(value, echo)| Stamps { value, echo });
            let mut options = Options { stamps, ..Options::default() };
            if with_syn {
                (options.mss, options.scale, options.selective) = (mss, scale, selective);
            } else {
                ranges.iter().for_each(|&(start, end)| options.blocks.push((Seq(start), Seq(end))));
            }
            prop_assert!(options.len() <= 40 && options.len().is_multiple_of(4));
            let mut bytes = vec![0xff; options.len()];
            options.emit(&mut bytes);
            prop_assert_eq!(Options::parse(&bytes, with_syn), options);
        }

        #[test]
        fn anything_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..40), with_syn: bool) {
            prop_assert!(Options::parse(&bytes, with_syn).len() <= 40 + 12);
        }
    }
}

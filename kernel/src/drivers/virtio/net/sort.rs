//! Frames that have come, sorted by whose they are: outside of every section, and
//! several at a time.

use super::frame::Frame;
use super::header::Sum;
use super::{Card, Device, Lost, MOST_LEFT, QUEUE_SIZE, device};
use core::task::Waker;
use heapless::Vec;

/// Frames of one burst. Those who take them hold a lock meanwhile.
const BURST: usize = 32;
/// Frames that are sorted before others have their turn.
const SORTED_AT_ONCE: usize = QUEUE_SIZE;

/// What becomes of a frame that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was dealt with.
    Taken,
    /// It is for embassy-net.
    Leave,
}

/// Frames that have come one behind the other.
pub struct Frames(Vec<(Frame, Verdict), BURST>);

impl Frames {
    /// Has `sorter` say what becomes of each. It is told whether the card has looked at
    /// the frame's checksum.
    pub fn sort(&mut self, mut sorter: impl FnMut(&[u8], bool) -> Verdict) {
        for (frame, verdict) in &mut self.0 {
            *verdict = sorter(frame.bytes(), frame.sum != Sum::Unknown);
        }
    }
}

impl Device {
    /// Frames that have come, none if there is no room for what may be embassy-net's.
    /// The waker is kept once there are no more.
    fn next_burst(&mut self, waker: &Waker) -> Frames {
        let mut frames = Vec::new();
        for _ in 0..BURST.min(MOST_LEFT.saturating_sub(self.left.len())) {
            match self.next_received(waker) {
                None => break,
                Some(Err(Lost)) => {}
                Some(Ok(frame)) => {
                    // There is memory at hand for one such.
                    let is_gathered = frame.is_gathered();
                    // There is room for all of a burst.
                    let _ = frames.push((frame, Verdict::Leave));
                    if is_gathered {
                        break;
                    }
                }
            }
        }
        Frames(frames)
    }
}

impl Card {
    /// Has frames that have come sorted, a burst at each call of `sorter`, and sends
    /// what has waited. Then it is embassy-net's turn, whose last look keeps the
    /// waker, or calls it if there are more.
    pub fn sort(waker: &Waker, mut sorter: impl FnMut(&mut Frames)) {
        device().lock().send_waiting();
        let mut sorted = 0;
        while sorted < SORTED_AT_ONCE {
            let mut frames = device().lock().next_burst(waker);
            if frames.0.is_empty() {
                return;
            }
            sorted += frames.0.len();
            sorter(&mut frames);
            for (frame, verdict) in &mut frames.0 {
                if *verdict == Verdict::Leave {
                    frame.sum.finish(frame.bytes_mut());
                }
            }
            let mut device = device().lock();
            for (frame, verdict) in frames.0 {
                match verdict {
                    Verdict::Taken => device.give_back(frame),
                    Verdict::Leave => device.leave(frame),
                }
            }
            device.tell_of_offers();
        }
    }
}

//! Samples on their way from an interrupt to a thread.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use sync::{AtomicBool, AtomicU64, Ordering::*};

#[cfg(not(loom))]
use core::sync::atomic as sync;
#[cfg(loom)]
use loom::sync::atomic as sync;

/// The most frames of either half of a stack that a sample holds.
pub const MAX_FRAMES: usize = 32;

/// What precedes the frames: the process, and how many frames there are.
const HEADER: usize = 2;

/// Where a CPU was: the innermost frames first. Addresses lie within the
/// instruction that was interrupted or that made the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The process whose thread ran, or 0 for a thread of the kernel's.
    pub pid: u32,
    words: [u64; 2 * MAX_FRAMES],
    kernel: usize,
    user: usize,
}

impl Sample {
    /// One without frames.
    pub fn new(pid: u32) -> Sample {
        Sample {
            pid,
            words: [0; 2 * MAX_FRAMES],
            kernel: 0,
            user: 0,
        }
    }

    /// Adds the next frame of the kernel's half. Those past [`MAX_FRAMES`] are left
    /// out.
    pub fn push_kernel(&mut self, address: u64) {
        if self.kernel < MAX_FRAMES {
            self.words[self.kernel] = address;
            self.kernel += 1;
        }
    }

    /// Adds the next frame of the program's half, likewise.
    pub fn push_user(&mut self, address: u64) {
        if self.user < MAX_FRAMES {
            self.words[MAX_FRAMES + self.user] = address;
            self.user += 1;
        }
    }

    /// The kernel's half; empty if a program was interrupted.
    pub fn kernel(&self) -> &[u64] {
        &self.words[..self.kernel]
    }

    /// The program's half; empty for a thread of the kernel's.
    pub fn user(&self) -> &[u64] {
        &self.words[MAX_FRAMES..MAX_FRAMES + self.user]
    }
}

/// A queue of samples from the interrupts of one CPU to one thread at a time. Both
/// ends only try: neither ever waits.
#[derive(Debug)]
pub struct Ring {
    words: Box<[AtomicU64]>,
    /// Words ever taken out, and ever put in; the difference is what is there.
    taken: AtomicU64,
    put: AtomicU64,
    /// An interrupt is putting a sample in: one that comes meanwhile does not.
    putting: AtomicBool,
    lost: AtomicU64,
}

impl Ring {
    /// An empty one of `length` words; `None` without memory.
    pub fn new(length: usize) -> Option<Ring> {
        let mut words = Vec::new();
        words.try_reserve_exact(length).ok()?;
        words.extend((0..length).map(|_| AtomicU64::new(0)));
        Some(Ring {
            words: words.into_boxed_slice(),
            taken: AtomicU64::new(0),
            put: AtomicU64::new(0),
            putting: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        })
    }

    fn word(&self, position: u64) -> &AtomicU64 {
        &self.words[(position % self.words.len() as u64) as usize]
    }

    /// Puts a sample in, or counts it as lost if there is no room. Any context of the
    /// ring's own CPU.
    pub fn put(&self, sample: &Sample) {
        if self.putting.swap(true, Acquire) {
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        if !self.try_put(sample) {
            self.lost.fetch_add(1, Relaxed);
        }
        self.putting.store(false, Release);
    }

    fn try_put(&self, sample: &Sample) -> bool {
        let (kernel, user) = (sample.kernel(), sample.user());
        let put = self.put.load(Relaxed);
        let room = self.words.len() as u64 - (put - self.taken.load(Acquire));
        let length = (HEADER + kernel.len() + user.len()) as u64;
        if length > room {
            return false;
        }
        let counts = (kernel.len() as u64) << 8 | user.len() as u64;
        let words = [u64::from(sample.pid), counts];
        let words = words.iter().chain(kernel).chain(user);
        for (position, &word) in (put..).zip(words) {
            self.word(position).store(word, Relaxed);
        }
        self.put.store(put + length, Release);
        true
    }

    /// Takes the oldest sample out. One thread at a time.
    pub fn take(&self) -> Option<Sample> {
        let taken = self.taken.load(Relaxed);
        if taken == self.put.load(Acquire) {
            return None;
        }
        let pid = self.word(taken).load(Relaxed) as u32;
        let counts = self.word(taken + 1).load(Relaxed);
        let (kernel, user) = (counts >> 8, counts & 0xff);
        let mut sample = Sample::new(pid);
        let frames = taken + HEADER as u64;
        self.read(frames..frames + kernel, |word| sample.push_kernel(word));
        let frames = frames + kernel;
        self.read(frames..frames + user, |word| sample.push_user(word));
        self.taken.store(frames + user, Release);
        Some(sample)
    }

    fn read(&self, positions: Range<u64>, mut take: impl FnMut(u64)) {
        for position in positions {
            take(self.word(position).load(Relaxed));
        }
    }

    /// How many samples found no room since this was asked last.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn sample(pid: u32, kernel: &[u64], user: &[u64]) -> Sample {
        let mut sample = Sample::new(pid);
        kernel.iter().for_each(|&at| sample.push_kernel(at));
        user.iter().for_each(|&at| sample.push_user(at));
        sample
    }

    #[test]
    fn too_many_frames_are_left_out() {
        let deep: Vec<u64> = (0..100).collect();
        let sample = sample(1, &deep, &deep);
        assert_eq!(sample.kernel(), &deep[..MAX_FRAMES]);
        assert_eq!(sample.user(), &deep[..MAX_FRAMES]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let ring = Ring::new(8).unwrap();
        let one = sample(7, &[1, 2], &[3]);
        ring.put(&one);
        ring.put(&one);
        assert_eq!(ring.take_lost(), 1);
        assert_eq!(ring.take(), Some(one.clone()));
        assert_eq!(ring.take(), None);
        ring.put(&one);
        assert_eq!(ring.take(), Some(one));
        assert_eq!(ring.take_lost(), 0);
    }

    proptest! {
        /// Against a plain queue: what comes out is what went in, in order.
        #[test]
        fn as_a_queue(steps in proptest::collection::vec(
            (any::<bool>(), any::<u32>(), 0usize..40, 0usize..40), 1..200,
        )) {
            let ring = Ring::new(128).unwrap();
            let (mut queue, mut held, mut lost) = (VecDeque::new(), 0, 0);
            for (puts, pid, kernel, user) in steps {
                if puts {
                    let kernel: Vec<u64> = (0..kernel as u64).collect();
                    let user: Vec<u64> = (0..user as u64).collect();
                    let sample = sample(pid, &kernel, &user);
                    let length = HEADER + sample.kernel().len() + sample.user().len();
                    ring.put(&sample);
                    if held + length <= 128 {
                        held += length;
                        queue.push_back(sample);
                    } else {
                        lost += 1;
                    }
                } else {
                    let oldest: Option<Sample> = queue.pop_front();
                    if let Some(sample) = &oldest {
                        held -= HEADER + sample.kernel().len() + sample.user().len();
                    }
                    prop_assert_eq!(ring.take(), oldest);
                }
            }
            prop_assert_eq!(ring.take_lost(), lost);
        }
    }
}

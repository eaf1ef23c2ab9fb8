//! Stacks and how often each was seen.

use crate::names::{Name, Names};
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// How many different stacks are told apart.
const MAX_STACKS: usize = 8192;
/// Places for them: fewer would make finding one slow.
const SLOTS: usize = 2 * MAX_STACKS;
/// How many frames they may have together.
const MAX_WORDS: usize = 128 * 1024;

/// Bits of an offset into a file.
const OFFSET_BITS: u32 = 47;

/// One place on a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// An address of the kernel's.
    Kernel(u64),
    /// An offset into a file that a program has mapped, or an address of what is no
    /// file's.
    User(Name, u64),
}

impl Frame {
    /// Kernel addresses have their highest bit set, others have it clear.
    fn word(self) -> u64 {
        match self {
            Frame::Kernel(address) => address | 1 << 63,
            Frame::User(Name(name), offset) => {
                let offset = offset.min((1 << OFFSET_BITS) - 1);
                u64::from(name) << OFFSET_BITS | offset
            }
        }
    }

    fn of(word: u64) -> Frame {
        if word >> 63 != 0 {
            return Frame::Kernel(word);
        }
        let offset = word & ((1 << OFFSET_BITS) - 1);
        Frame::User(Name((word >> OFFSET_BITS) as u16), offset)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    start: u32,
    length: u16,
    program: u16,
    /// How often it was seen; zero in an empty slot.
    count: u32,
}

/// Stacks with their counts. All memory but that of names is taken at once.
#[derive(Debug)]
pub struct Profile {
    slots: Vec<Slot>,
    stacks: usize,
    words: Vec<u64>,
    names: Names,
    lost: u64,
}

impl Profile {
    /// An empty one; `None` without memory.
    pub fn new() -> Option<Profile> {
        let (mut slots, mut words) = (Vec::new(), Vec::new());
        slots.try_reserve_exact(SLOTS).ok()?;
        slots.resize(SLOTS, Slot::default());
        words.try_reserve_exact(MAX_WORDS).ok()?;
        Some(Profile {
            slots,
            stacks: 0,
            words,
            names: Names::default(),
            lost: 0,
        })
    }

    /// The number of a name of a program or file.
    pub fn name(&mut self, name: &str) -> Name {
        self.names.of(name)
    }

    /// Counts samples that were lost before they came here.
    pub fn add_lost(&mut self, samples: u64) {
        self.lost += samples;
    }

    /// Counts a stack of `program`, whose frames come from the outermost to the
    /// innermost; as lost if it is one too many.
    pub fn add(&mut self, program: Name, frames: impl Iterator<Item = Frame> + Clone) {
        let hash = frames
            .clone()
            .fold(hash(0, u64::from(program.0)), |seed, frame| {
                hash(seed, frame.word())
            });
        let mut at = hash as usize % SLOTS;
        while self.slots[at].count != 0 {
            if self.is(at, program, frames.clone()) {
                self.slots[at].count = self.slots[at].count.saturating_add(1);
                return;
            }
            at = (at + 1) % SLOTS;
        }
        let length = frames.clone().count();
        if self.stacks == MAX_STACKS || length > MAX_WORDS - self.words.len() {
            self.lost += 1;
            return;
        }
        self.slots[at] = Slot {
            start: self.words.len() as u32,
            length: length as u16,
            program: program.0,
            count: 1,
        };
        self.words.extend(frames.map(Frame::word));
        self.stacks += 1;
    }

    fn is(&self, at: usize, program: Name, frames: impl Iterator<Item = Frame>) -> bool {
        let slot = self.slots[at];
        slot.program == program.0
            && frames
                .map(Frame::word)
                .eq(self.frames(slot).iter().copied())
    }

    fn frames(&self, slot: Slot) -> &[u64] {
        let start = slot.start as usize;
        &self.words[start..start + usize::from(slot.length)]
    }

    /// Writes every stack folded, with the kernel's functions by the names that
    /// `function` has for an address. What was lost is a stack `[lost]`.
    ///
    /// # Errors
    /// What `out` says.
    pub fn fold<N: fmt::Display>(
        &self,
        out: &mut impl Write,
        function: impl Fn(u64) -> Option<N>,
    ) -> fmt::Result {
        for slot in self.slots.iter().filter(|slot| slot.count != 0) {
            plain(out, self.names.get(Name(slot.program)))?;
            for &word in self.frames(*slot) {
                out.write_char(';')?;
                match Frame::of(word) {
                    Frame::Kernel(address) => {
                        match function(address) {
                            Some(name) => plain(out, name)?,
                            None => write!(out, "{address:#x}")?,
                        }
                        out.write_str("_[k]")?;
                    }
                    Frame::User(name, offset) => {
                        plain(out, self.names.get(name))?;
                        write!(out, "+{offset:#x}")?;
                    }
                }
            }
            writeln!(out, " {}", slot.count)?;
        }
        match self.lost {
            0 => Ok(()),
            lost => writeln!(out, "[lost] {lost}"),
        }
    }
}

/// Writes a name without what would end a frame or a line.
fn plain(out: &mut impl Write, name: impl fmt::Display) -> fmt::Result {
    write!(Plain(out), "{name}")
}

struct Plain<'a, W>(&'a mut W);

impl<W: Write> Write for Plain<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let allowed = |c: char| !c.is_control() && c != ';';
        text.chars()
            .try_for_each(|c| self.0.write_char(if allowed(c) { c } else { '_' }))
    }
}

/// FNV-1a over words, with the high bits mixed in: the slot is taken of the low
/// ones.
fn hash(seed: u64, word: u64) -> u64 {
    let mixed = (seed ^ word).wrapping_mul(0x100_0000_01b3);
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const NAMES: [&str; 3] = ["k0", "k1", "k2"];
    const KERNEL: u64 = 0xffff_8000_0000_0000;

    fn folded(profile: &Profile) -> BTreeMap<String, u64> {
        let mut text = String::new();
        profile
            .fold(&mut text, |address| {
                NAMES.get((address - KERNEL) as usize).copied()
            })
            .unwrap();
        text.lines()
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(stack, count)| (stack.to_owned(), count.parse().unwrap()))
            .collect()
    }

    #[test]
    fn names_cannot_break_a_line() {
        let mut profile = Profile::new().unwrap();
        let program = profile.name("a b;c\n1");
        let file = profile.name("/tmp/x y");
        profile.add(program, [Frame::User(file, 16)].into_iter());
        let lines = folded(&profile);
        assert_eq!(
            lines.into_iter().next().unwrap(),
            ("a b_c_1;/tmp/x y+0x10".to_owned(), 1)
        );
    }

    #[test]
    fn one_stack_too_many_is_lost() {
        let mut profile = Profile::new().unwrap();
        let program = profile.name("p");
        for index in 0..MAX_STACKS as u64 + 3 {
            profile.add(program, [Frame::Kernel(KERNEL + index)].into_iter());
        }
        profile.add_lost(2);
        let lines = folded(&profile);
        assert_eq!(lines.len(), MAX_STACKS + 1);
        assert_eq!(lines["[lost]"], 5);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_map(samples in proptest::collection::vec(
            (0u8..3, proptest::collection::vec(0u64..3, 0..4), proptest::collection::vec((0u8..2, 0u64..2), 0..4)),
            0..300,
        )) {
            let mut profile = Profile::new().unwrap();
            let mut map = BTreeMap::new();
            for (program, kernel, user) in &samples {
                let name = profile.name(&format!("p{program}"));
                let files: Vec<Name> = (0..2).map(|file| profile.name(&format!("f{file}"))).collect();
                let frames = user
                    .iter()
                    .map(|&(file, at)| Frame::User(files[usize::from(file)], at))
                    .chain(kernel.iter().map(|at| Frame::Kernel(KERNEL + at)));
                profile.add(name, frames);
                let mut line = format!("p{program}");
                user.iter().for_each(|(file, at)| line += &format!(";f{file}+{at:#x}"));
                kernel.iter().for_each(|at| line += &format!(";k{at}_[k]"));
                *map.entry(line).or_insert(0u64) += 1;
            }
            prop_assert_eq!(folded(&profile), map);
        }
    }
}

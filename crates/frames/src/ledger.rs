//! [`Ledger`]: who has how many frames, and how many may be had.
//!
//! Accounts form a tree; a frame counts in the one that it was charged to and in
//! all above. The frame itself keeps whose it is ([`Owner`]), so that giving it back
//! always hits who was charged, whatever has become of them: an account that was
//! closed stays until the last of its frames is given back.

use alloc::vec::Vec;

/// What frames are charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Private memory of programs.
    Anonymous,
    /// Memory that programs share, and files in memory.
    Shared,
    /// Page tables.
    Tables,
}

/// How many kinds there are.
pub const KINDS: usize = 3;
const KIND_BITS: u32 = 2;

/// An account. No two ever have the same, but for [`AccountId::NOBODY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountId {
    index: u32,
    generation: u32,
}

impl AccountId {
    /// What is charged to it is not counted. It is above all others.
    pub const NOBODY: AccountId = AccountId {
        index: 0,
        generation: 0,
    };

    /// As one number, zero for [`Self::NOBODY`].
    pub const fn to_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// From [`Self::to_u64`].
    pub const fn from_u64(number: u64) -> AccountId {
        AccountId {
            index: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

/// Whose a frame is, and what for: what the frame keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(pub(crate) u32);

impl Owner {
    /// Nobody's.
    pub const NOBODY: Owner = Owner(0);

    fn new(index: u32, kind: Kind) -> Owner {
        Owner(index << KIND_BITS | kind as u32)
    }

    fn index(self) -> usize {
        (self.0 >> KIND_BITS) as usize
    }

    fn kind(self) -> usize {
        (self.0 & ((1 << KIND_BITS) - 1)) as usize
    }
}

/// What an account has, in frames, those below included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frameful {
    /// Now.
    pub current: u64,
    /// The most that there were.
    pub peak: u64,
    /// The most that there may be.
    pub max: u64,
    /// Now, by [`Kind`].
    pub kinds: [u64; KINDS],
}

/// An account's entry.
#[derive(Debug)]
pub struct Account {
    generation: u32,
    parent: u32,
    /// Accounts directly below that have an entry.
    children: u32,
    is_open: bool,
    /// Frames charged to itself.
    own: u64,
    has: Frameful,
}

/// No frames above `max` may be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit(pub AccountId);

/// All accounts.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The first is nobody's.
    accounts: Vec<Account>,
    /// Entries that nobody has: the first, and each has the next as its parent.
    free: u32,
}

impl Ledger {
    /// Without accounts.
    pub const fn new() -> Ledger {
        Ledger {
            accounts: Vec::new(),
            free: 0,
        }
    }

    /// For how many accounts there is to be room before the next is opened; `None`
    /// if there is some.
    pub fn wanted_room(&self) -> Option<usize> {
        let is_full = self.free == 0 && self.accounts.len() + 2 > self.accounts.capacity();
        is_full.then(|| self.accounts.len() * 2 + 16)
    }

    /// Takes an empty list with room, and gives back the one that is no longer used.
    pub fn take_room(&mut self, mut room: Vec<Account>) -> Vec<Account> {
        if room.capacity() > self.accounts.capacity() {
            room.append(&mut self.accounts);
            core::mem::swap(&mut room, &mut self.accounts);
        }
        room
    }

    fn index_of(&self, id: AccountId) -> Option<u32> {
        let found = self.accounts.get(id.index as usize)?;
        (id.index > 0 && found.is_open && found.generation == id.generation).then_some(id.index)
    }

    /// Opens an account below another, without limit. `None` if there is no room.
    pub fn open(&mut self, parent: AccountId) -> Option<AccountId> {
        if self.wanted_room().is_some() {
            return None;
        }
        let parent = self.index_of(parent).unwrap_or(0);
        while self.accounts.is_empty() || self.free == 0 {
            // Never beyond the capacity: there is room for two.
            let index = self.accounts.len() as u32;
            self.accounts.push(Account {
                generation: 0,
                parent: 0,
                children: 0,
                is_open: false,
                own: 0,
                has: Frameful::default(),
            });
            self.free = index;
        }
        let index = self.free;
        let entry = &mut self.accounts[index as usize];
        self.free = entry.parent;
        let generation = entry.generation.wrapping_add(1).max(1);
        *entry = Account {
            generation,
            parent,
            children: 0,
            is_open: true,
            own: 0,
            has: Frameful {
                max: u64::MAX,
                ..Frameful::default()
            },
        };
        self.accounts[parent as usize].children += 1;
        Some(AccountId { index, generation })
    }

    /// Closes an account: nothing more is charged to it.
    pub fn close(&mut self, id: AccountId) {
        if let Some(index) = self.index_of(id) {
            self.accounts[index as usize].is_open = false;
            self.forget_unused(index);
        }
    }

    /// Gives up the entries of accounts that are closed and have nothing.
    fn forget_unused(&mut self, mut index: u32) {
        while index > 0 {
            let free = self.free;
            let entry = &mut self.accounts[index as usize];
            if entry.is_open || entry.own > 0 || entry.children > 0 {
                return;
            }
            let parent = core::mem::replace(&mut entry.parent, free);
            self.free = index;
            self.accounts[parent as usize].children -= 1;
            index = parent;
        }
    }

    /// Charges frames; what each of them is to keep. Nothing is counted for an
    /// account that is closed.
    ///
    /// # Errors
    /// Whose limit that is beyond, and nothing has changed.
    #[inline]
    pub fn charge(&mut self, id: AccountId, kind: Kind, frames: u64) -> Result<Owner, OverLimit> {
        match id.index {
            0 => Ok(Owner::NOBODY),
            _ => self.charge_counted(id, kind, frames),
        }
    }

    fn charge_counted(
        &mut self,
        id: AccountId,
        kind: Kind,
        frames: u64,
    ) -> Result<Owner, OverLimit> {
        let Some(own) = self.index_of(id) else {
            return Ok(Owner::NOBODY);
        };
        let mut at = own;
        while at > 0 {
            let entry = &mut self.accounts[at as usize];
            let now = entry.has.current + frames;
            if now > entry.has.max {
                let over = AccountId {
                    index: at,
                    generation: entry.generation,
                };
                self.uncount(own, at, kind as usize, frames);
                return Err(OverLimit(over));
            }
            entry.has.current = now;
            entry.has.kinds[kind as usize] += frames;
            entry.has.peak = entry.has.peak.max(now);
            at = entry.parent;
        }
        self.accounts[own as usize].own += frames;
        Ok(Owner::new(own, kind))
    }

    /// Counts frames no longer, in the accounts from `at` up to one above.
    fn uncount(&mut self, mut at: u32, above: u32, kind: usize, frames: u64) {
        while at != above {
            let entry = &mut self.accounts[at as usize];
            entry.has.current -= frames;
            entry.has.kinds[kind] -= frames;
            at = entry.parent;
        }
    }

    /// Frames are given back that kept `owner`.
    #[inline]
    pub fn refund(&mut self, owner: Owner, frames: u64) {
        if owner != Owner::NOBODY {
            self.refund_counted(owner, frames);
        }
    }

    fn refund_counted(&mut self, owner: Owner, frames: u64) {
        let index = owner.index();
        self.uncount(index as u32, 0, owner.kind(), frames);
        let entry = &mut self.accounts[index];
        entry.own -= frames;
        if entry.own == 0 && !entry.is_open {
            self.forget_unused(index as u32);
        }
    }

    /// What an account has; nothing once it is closed.
    pub fn of(&self, id: AccountId) -> Frameful {
        let index = self.index_of(id);
        index.map_or(Frameful::default(), |index| {
            self.accounts[index as usize].has
        })
    }

    /// Sets the most frames that an account may have; those that it has it keeps.
    pub fn set_max(&mut self, id: AccountId, max: u64) {
        if let Some(index) = self.index_of(id) {
            self.accounts[index as usize].has.max = max;
        }
    }

    /// Entries of accounts that are open, or have frames still.
    pub fn entries(&self) -> usize {
        let mut free = 0;
        let mut at = self.free;
        while at > 0 {
            free += 1;
            at = self.accounts[at as usize].parent;
        }
        self.accounts.len().saturating_sub(1 + free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An account, as plainly as can be.
    struct Plain {
        id: AccountId,
        parent: Option<usize>,
        max: u64,
        peak: u64,
        is_open: bool,
    }

    /// Frames charged: whose, for what, how many, and what they keep.
    type Held = (usize, Kind, u64, Owner);

    #[derive(Default)]
    struct Model {
        ledger: Ledger,
        all: Vec<Plain>,
        held: Vec<Held>,
    }

    impl Model {
        fn lineage(&self, of: usize) -> Vec<usize> {
            std::iter::successors(Some(of), |at| self.all[*at].parent).collect()
        }

        /// What an account and those below have.
        fn has(&self, of: usize) -> u64 {
            let below = self
                .held
                .iter()
                .filter(|held| self.lineage(held.0).contains(&of));
            below.map(|held| held.2).sum()
        }

        fn open(&mut self, parent: Option<usize>) {
            let above = parent.map_or(AccountId::NOBODY, |parent| self.all[parent].id);
            if let Some(room) = self.ledger.wanted_room() {
                assert_eq!(self.ledger.open(above), None);
                self.ledger.take_room(Vec::with_capacity(room));
            }
            let id = self.ledger.open(above).unwrap();
            assert!(self.all.iter().all(|other| other.id != id));
            self.all.push(Plain {
                id,
                parent,
                max: u64::MAX,
                peak: 0,
                is_open: true,
            });
        }

        /// Children first, as groups are removed.
        fn close(&mut self, which: usize) {
            let mut children = self.all.iter().filter(|other| other.parent == Some(which));
            if children.all(|child| !child.is_open) {
                self.all[which].is_open = false;
                self.ledger.close(self.all[which].id);
            }
        }

        fn charge(&mut self, which: usize, kind: Kind, frames: u64) {
            let lineage = self.lineage(which);
            let over = lineage
                .iter()
                .find(|at| self.has(**at) + frames > self.all[**at].max);
            let result = self.ledger.charge(self.all[which].id, kind, frames);
            if !self.all[which].is_open {
                assert_eq!(result, Ok(Owner::NOBODY));
                return;
            }
            match over {
                Some(over) => {
                    assert_eq!(result, Err(OverLimit(self.all[*over].id)));
                    // Levels below the one that refused have been there for a moment.
                    for at in lineage.iter().take_while(|at| *at != over) {
                        self.all[*at].peak = self.all[*at].peak.max(self.has(*at) + frames);
                    }
                }
                None => {
                    self.held.push((which, kind, frames, result.unwrap()));
                    for at in lineage {
                        self.all[at].peak = self.all[at].peak.max(self.has(at));
                    }
                }
            }
        }

        fn check(&self) {
            for (at, plain) in self
                .all
                .iter()
                .enumerate()
                .filter(|(_, plain)| plain.is_open)
            {
                let has = self.ledger.of(plain.id);
                assert_eq!(
                    (has.current, has.max, has.peak),
                    (self.has(at), plain.max, plain.peak)
                );
                assert_eq!(has.kinds.iter().sum::<u64>(), has.current);
            }
            let is_used = |at: usize| self.all[at].is_open || self.has(at) > 0;
            let used = (0..self.all.len()).filter(|at| is_used(*at)).count();
            assert_eq!(self.ledger.entries(), used);
        }
    }

    proptest! {
        /// What is charged is what is held, at every level, whatever was closed
        /// meanwhile; and nothing is left in the end.
        #[test]
        fn all_levels_count_what_is_held(
            steps in prop::collection::vec((0u8..8, any::<prop::sample::Index>(), 1u64..40), 0..300)
        ) {
            let mut model = Model::default();
            model.open(None);
            for (what, which, number) in steps {
                let at = which.index(model.all.len());
                let kind = [Kind::Anonymous, Kind::Shared, Kind::Tables][number as usize % 3];
                match what {
                    0 => model.open(model.all[at].is_open.then_some(at)),
                    1 => model.close(at),
                    2 => {
                        let max = if number == 1 { u64::MAX } else { number * 3 };
                        model.ledger.set_max(model.all[at].id, max);
                        model.all[at].max = max;
                    }
                    3..5 if !model.held.is_empty() => {
                        let (.., frames, owner) = model.held.swap_remove(which.index(model.held.len()));
                        model.ledger.refund(owner, frames);
                    }
                    _ => model.charge(at, kind, number),
                }
                model.check();
            }
            for at in (0..model.all.len()).rev() {
                model.close(at);
            }
            for (.., frames, owner) in core::mem::take(&mut model.held) {
                model.ledger.refund(owner, frames);
            }
            prop_assert_eq!(model.ledger.entries(), 0);
        }
    }
}

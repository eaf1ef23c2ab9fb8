//! [`Owners`]: who holds the same bytes: mostly one.

use alloc::collections::BTreeSet;

/// At least one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owners<O> {
    /// One.
    One(O),
    /// Two or more.
    Many(BTreeSet<O>),
}

impl<O: Copy + Ord> Owners<O> {
    /// Anyone but this one.
    pub(super) fn other_than(&self, owner: O) -> Option<O> {
        match self {
            Owners::One(one) => (*one != owner).then_some(*one),
            Owners::Many(all) => all.iter().copied().find(|other| *other != owner),
        }
    }

    /// Another one holds them too.
    #[allow(
        clippy::disallowed_methods,
        reason = "small: a caller has asked may_allocate, and the heap keeps a reserve for such"
    )]
    pub(super) fn insert(&mut self, owner: O) {
        match self {
            Owners::One(one) if *one == owner => {}
            Owners::One(one) => *self = Owners::Many(BTreeSet::from([*one, owner])),
            Owners::Many(all) => drop(all.insert(owner)),
        }
    }

    /// This one holds them no more. True if nobody else does, and all is as before.
    pub(super) fn remove(&mut self, owner: O) -> bool {
        match self {
            Owners::One(one) => return *one == owner,
            Owners::Many(all) => {
                all.remove(&owner);
                if let (1, Some(last)) = (all.len(), all.first().copied()) {
                    *self = Owners::One(last);
                }
            }
        }
        false
    }
}

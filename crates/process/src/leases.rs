//! [`Leases`]: leases on files (fcntl(2), `F_SETLEASE`), and who breaks them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;
use paddock_abi::{Errno, Result};
use paddock_sync::try_insert;

/// What a lease is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    /// `F_RDLCK`: somebody who writes breaks it.
    Read,
    /// `F_WRLCK`: anybody who opens the file breaks it.
    Write,
}

/// A change that somebody waits for, and when it is made without the holder (ns since
/// boot; `u64::MAX` for never).
type Pending = Option<u64>;

#[derive(Clone, Copy, Debug)]
struct Lease<O> {
    holder: O,
    /// The process that got it.
    process: u32,
    kind: LeaseKind,
    /// It is to become one of [`LeaseKind::Read`].
    downgrade: Pending,
    /// It is to go.
    unlock: Pending,
}

impl<O> Lease<O> {
    fn conflicts(&self, writes: bool) -> bool {
        writes || self.kind == LeaseKind::Write
    }

    /// When the first change is made without the holder.
    fn ends(&self) -> u64 {
        let never = |pending: Pending| pending.unwrap_or(u64::MAX);
        never(self.unlock).min(never(self.downgrade))
    }

    /// What it is once those who wait have had their way; `None` for nothing.
    fn target(&self) -> Option<LeaseKind> {
        match (self.unlock, self.downgrade) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(LeaseKind::Read),
            (None, None) => Some(self.kind),
        }
    }

    fn clear_downgrade(&mut self) {
        self.kind = LeaseKind::Read;
        self.downgrade = None;
    }
}

/// How a file stands for who wants a lease on it.
#[derive(Clone, Copy, Debug)]
pub struct OpenBy {
    /// Somebody has it open for writing.
    pub writers: bool,
    /// Somebody but the holder has it open at all.
    pub others: bool,
}

/// What a breaker has to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Break<O> {
    /// Whom to tell, who has not been told yet.
    pub told: Vec<O>,
    /// When to look again at the latest, if it has to wait at all.
    pub until: Option<u64>,
}

/// The leases on files `F` that open files `O` hold. Nothing here sleeps.
#[derive(Debug)]
pub struct Leases<F, O> {
    files: BTreeMap<F, Vec<Lease<O>>>,
}

impl<F, O> Leases<F, O> {
    /// None.
    pub const fn new() -> Self {
        Leases {
            files: BTreeMap::new(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl<F, O> Default for Leases<F, O> {
    fn default() -> Self {
        Leases::new()
    }
}

impl<F: Copy + Ord, O: Copy + Eq> Leases<F, O> {
    /// Gives `holder` a lease, for a process, or makes its own another one; whether it is new.
    ///
    /// # Errors
    /// `EAGAIN` if the file is open in a way that would break it, if another one is in
    /// the way, or if somebody waits for another one to go; `ENOMEM`.
    pub fn set(
        &mut self,
        file: F,
        (holder, process): (O, u32),
        kind: LeaseKind,
        by: OpenBy,
    ) -> Result<bool> {
        let refused = match kind {
            LeaseKind::Read => by.writers,
            LeaseKind::Write => by.others,
        };
        if refused {
            return Err(Errno::EAGAIN);
        }
        let mut none = Vec::new();
        let leases = self.files.get_mut(&file).unwrap_or(&mut none);
        let others = leases.iter().filter(|lease| lease.holder != holder);
        for lease in others {
            if kind == LeaseKind::Write || lease.unlock.is_some() {
                return Err(Errno::EAGAIN);
            }
        }
        if let Some(own) = leases.iter_mut().find(|lease| lease.holder == holder) {
            own.kind = kind;
            if kind == LeaseKind::Read {
                own.downgrade = None;
            }
            return Ok(false);
        }
        leases.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        leases.push(Lease {
            holder,
            process,
            kind,
            downgrade: None,
            unlock: None,
        });
        if !none.is_empty() {
            try_insert(&mut self.files, file, none)?;
        }
        Ok(true)
    }

    /// The first file behind `file` with leases, and how many.
    pub fn next_file(&self, file: Option<F>) -> Option<(F, usize)> {
        let from = file.map_or(Bound::Unbounded, Bound::Excluded);
        let (&file, leases) = self.files.range((from, Bound::Unbounded)).next()?;
        Some((file, leases.len()))
    }

    /// The leases on a file: what each is to become, the process that got it, and whether
    /// somebody waits for that.
    pub fn show(&self, file: F) -> impl Iterator<Item = (Option<LeaseKind>, u32, bool)> {
        let leases = self.files.get(&file).map_or(&[][..], Vec::as_slice);
        leases.iter().map(|lease| {
            let breaks = lease.unlock.is_some() || lease.downgrade.is_some();
            (lease.target(), lease.process, breaks)
        })
    }

    /// What `holder` has once those who wait have had their way; `None` for nothing.
    pub fn get(&mut self, file: F, holder: O, now: u64) -> Option<LeaseKind> {
        self.expire(file, now);
        let leases = self.files.get(&file)?;
        let own = leases.iter().find(|lease| lease.holder == holder)?;
        own.target()
    }

    /// `holder` gives its lease up; whether it had one.
    pub fn remove(&mut self, file: F, holder: O) -> bool {
        let Some(leases) = self.files.get_mut(&file) else {
            return false;
        };
        let before = leases.len();
        leases.retain(|lease| lease.holder != holder);
        let removed = leases.len() < before;
        self.tidy(file);
        removed
    }

    /// Somebody opens the file, or cuts it, and `writes`: holders have until `deadline`.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn break_for(
        &mut self,
        file: F,
        writes: bool,
        now: u64,
        deadline: u64,
    ) -> Result<Break<O>> {
        let mut told = Vec::new();
        self.expire(file, now);
        let Some(leases) = self.files.get_mut(&file) else {
            return Ok(Break { told, until: None });
        };
        told.try_reserve_exact(leases.len())
            .map_err(|_| Errno::ENOMEM)?;
        let mut until = None;
        for lease in leases.iter_mut().filter(|lease| lease.conflicts(writes)) {
            let waits = match writes {
                true => lease.unlock.is_some(),
                false => lease.unlock.is_some() || lease.downgrade.is_some(),
            };
            match writes {
                _ if waits => {}
                true => lease.unlock = Some(deadline),
                false => lease.downgrade = Some(deadline),
            }
            if !waits {
                told.push(lease.holder);
            }
            let ends = lease.ends();
            until = Some(until.map_or(ends, |until: u64| until.min(ends)));
        }
        Ok(Break { told, until })
    }

    /// Until when at the latest somebody has to wait who was told to by
    /// [`Self::break_for`]; `None` if nobody is in the way any more.
    pub fn waits_until(&mut self, file: F, writes: bool, now: u64) -> Option<u64> {
        self.expire(file, now);
        let leases = self.files.get(&file)?;
        let in_the_way = leases.iter().filter(|lease| lease.conflicts(writes));
        in_the_way.map(Lease::ends).min()
    }

    /// Makes the changes whose time has come.
    fn expire(&mut self, file: F, now: u64) {
        let Some(leases) = self.files.get_mut(&file) else {
            return;
        };
        let is_past = |at: Pending| at.is_some_and(|at| at != u64::MAX && at <= now);
        for lease in leases.iter_mut() {
            if is_past(lease.downgrade) {
                lease.clear_downgrade();
            }
        }
        leases.retain(|lease| !is_past(lease.unlock));
        self.tidy(file);
    }

    fn tidy(&mut self, file: F) {
        if self.files.get(&file).is_some_and(Vec::is_empty) {
            self.files.remove(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOBODY: OpenBy = OpenBy {
        writers: false,
        others: false,
    };

    #[test]
    fn who_opens_a_file_waits_for_the_holder() {
        let mut leases = Leases::new();
        assert_eq!(leases.set(1, ('a', 1), LeaseKind::Write, NOBODY), Ok(true));
        let broken = leases.break_for(1, false, 0, 45).unwrap();
        assert_eq!((broken.told, broken.until), (vec!['a'], Some(45)));
        assert_eq!(leases.get(1, 'a', 1), Some(LeaseKind::Read));
        assert_eq!(leases.set(1, ('a', 1), LeaseKind::Read, NOBODY), Ok(false));
        let broken = leases.break_for(1, false, 2, 47).unwrap();
        assert_eq!((broken.told, broken.until), (vec![], None));
    }

    #[test]
    fn a_holder_who_does_nothing_loses_it() {
        let mut leases = Leases::new();
        leases.set(1, ('a', 1), LeaseKind::Read, NOBODY).unwrap();
        let first = leases.break_for(1, true, 0, 45).unwrap();
        let second = leases.break_for(1, true, 10, 55).unwrap();
        assert_eq!((first.told, second.told), (vec!['a'], vec![]));
        assert_eq!(second.until, Some(45));
        let refused = leases.set(1, ('b', 1), LeaseKind::Read, NOBODY);
        assert_eq!(refused, Err(Errno::EAGAIN));
        assert_eq!(leases.break_for(1, true, 45, 90).unwrap().until, None);
        assert!(leases.is_empty() && !leases.remove(1, 'a'));
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let mut leases = Leases::new();
        for holder in ['a', 'b'] {
            leases.set(1, (holder, 1), LeaseKind::Read, NOBODY).unwrap();
        }
        let alone = leases.set(1, ('a', 1), LeaseKind::Write, NOBODY);
        assert_eq!(alone, Err(Errno::EAGAIN));
        let writers = OpenBy {
            writers: true,
            others: true,
        };
        assert_eq!(
            leases.set(2, ('a', 1), LeaseKind::Read, writers),
            Err(Errno::EAGAIN)
        );
        assert!(leases.remove(1, 'b'));
        assert_eq!(leases.set(1, ('a', 1), LeaseKind::Write, NOBODY), Ok(false));
    }

    proptest! {
        /// Whatever happens, who waits waits for somebody, and is free after the time.
        #[test]
        fn nobody_waits_for_ever(steps in prop::collection::vec((0..4u8, 0..3u8, any::<bool>()), 1..60)) {
            let mut leases = Leases::new();
            for (now, (step, holder, writes)) in (0u64..).zip(steps) {
                let kind = if writes { LeaseKind::Write } else { LeaseKind::Read };
                match step {
                    0 | 1 => drop(leases.set(7, (holder, 1), kind, NOBODY)),
                    2 => drop(leases.remove(7, holder)),
                    _ => {
                        let until = leases.break_for(7, writes, now, now + 5).unwrap().until;
                        prop_assert!(until.is_none_or(|until| until > now && until <= now + 5));
                    }
                }
                let writers = (0..3).filter(|holder| leases.get(7, *holder, now) == Some(LeaseKind::Write));
                prop_assert!(writers.count() <= 1);
            }
            leases.break_for(7, true, 1000, 1005).unwrap();
            prop_assert_eq!(leases.break_for(7, true, 1005, 1010).unwrap().until, None);
            prop_assert!(leases.is_empty());
        }
    }
}

//! Who pays for the kernel's memory.
//!
//! What a program has the kernel keep (bytes in pipes and sockets, files in
//! memory) is charged to its process and, through that, to its user, and paid
//! back when it goes, whoever has it by then. A user's account has a limit;
//! what a process owes counts when running out of memory kills one.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;

/// What a process or a user owes, in bytes.
#[derive(Debug)]
pub struct Account {
    /// The user's, for a process's account.
    user: Option<Arc<Account>>,
    bytes: AtomicUsize,
    limit: usize,
    /// Pages that pipes may come to hold (`pipe-user-pages-soft`, pipe(7)).
    pipe_pages: AtomicUsize,
    /// How many there are of what is [counted](Counted).
    counts: [AtomicUsize; COUNTS],
}

/// Of what a user may have so many (inotify(7), fanotify(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Countable {
    /// Instances of inotify.
    InotifyInstance,
    /// Their watches.
    InotifyWatch,
    /// Groups of fanotify(7).
    FanotifyGroup,
    /// Their marks.
    FanotifyMark,
}

/// How many kinds there are.
const COUNTS: usize = 4;

/// One of a user's, counted for as long as this is there.
#[derive(Debug)]
pub struct Counted {
    account: Arc<Account>,
    what: Countable,
}

impl Counted {
    /// One more; `None` if the user has `most` already.
    pub fn new(account: &Arc<Account>, what: Countable, most: usize) -> Option<Counted> {
        let account = account.user().clone();
        let more = |count: usize| (count < most).then_some(count + 1);
        let counted = account.counts[what as usize].fetch_update(Relaxed, Relaxed, more);
        counted.ok().map(|_| Counted { account, what })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.account.counts[self.what as usize].fetch_sub(1, Relaxed);
    }
}

impl Account {
    /// A user's account, of at most `limit` bytes. `ENOMEM`.
    pub fn of_user(limit: usize) -> Result<Arc<Account>> {
        Self::new(None, limit)
    }

    /// The account of one of the user's processes. `ENOMEM`.
    pub fn of_process(user: &Arc<Account>) -> Result<Arc<Account>> {
        Self::new(Some(user.clone()), usize::MAX)
    }

    fn new(user: Option<Arc<Account>>, limit: usize) -> Result<Arc<Account>> {
        try_arc(Account {
            user,
            bytes: AtomicUsize::new(0),
            limit,
            pipe_pages: AtomicUsize::new(0),
            counts: [const { AtomicUsize::new(0) }; COUNTS],
        })
    }

    /// Bytes that are owed.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Bytes that may be owed.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The user's account; for one of a user, itself.
    pub fn user(self: &Arc<Self>) -> &Arc<Account> {
        self.user.as_ref().unwrap_or(self)
    }

    /// Pages that the user's pipes may come to hold.
    pub fn pipe_pages(self: &Arc<Self>) -> usize {
        self.user().pipe_pages.load(Relaxed)
    }

    fn add(&self, bytes: usize) -> Result<()> {
        let more = |used: usize| {
            let sum = used.checked_add(bytes)?;
            (sum <= self.limit).then_some(sum)
        };
        let added = self.bytes.fetch_update(Relaxed, Relaxed, more);
        added.map(drop).map_err(|_| Errno::ENOMEM)
    }

    fn charge(&self, bytes: usize) -> Result<()> {
        self.add(bytes)?;
        match &self.user {
            Some(user) => user.add(bytes).inspect_err(|_| {
                self.bytes.fetch_sub(bytes, Relaxed);
            }),
            None => Ok(()),
        }
    }

    fn refund(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
        if let Some(user) = &self.user {
            user.bytes.fetch_sub(bytes, Relaxed);
        }
    }
}

/// Bytes that an account owes for as long as this is there. Any context.
#[derive(Debug)]
pub struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    /// Charges `bytes`. `ENOMEM` beyond a limit.
    pub fn new(account: &Arc<Account>, bytes: usize) -> Result<Charge> {
        account.charge(bytes)?;
        Ok(Charge {
            account: account.clone(),
            bytes,
        })
    }

    /// Whose it is.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Bytes that it is of.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes it to `bytes`. `ENOMEM` beyond a limit, and it stays as it
    /// was; less always succeeds.
    pub fn resize(&mut self, bytes: usize) -> Result<()> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.account.charge(more)?,
            None => self.account.refund(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.refund(self.bytes);
    }
}

/// Pages that a pipe may come to hold, counted for its user for as long as
/// this is there.
#[derive(Debug)]
pub struct PipePages {
    account: Arc<Account>,
    pages: usize,
}

impl PipePages {
    /// Counts `pages`, whatever there are already.
    pub fn new(account: &Arc<Account>, pages: usize) -> PipePages {
        let account = account.user().clone();
        account.pipe_pages.fetch_add(pages, Relaxed);
        PipePages { account, pages }
    }

    /// Pages that it is of.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Pages of all the user's pipes.
    pub fn of_user(&self) -> usize {
        self.account.pipe_pages()
    }

    /// Changes it to `pages`.
    pub fn resize(&mut self, pages: usize) {
        self.account.pipe_pages.fetch_add(pages, Relaxed);
        self.account.pipe_pages.fetch_sub(self.pages, Relaxed);
        self.pages = pages;
    }
}

impl Drop for PipePages {
    fn drop(&mut self) {
        self.account.pipe_pages.fetch_sub(self.pages, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1000;

    proptest! {
        /// An account owes what its charges are of, never more than the
        /// user's limit, and nothing in the end.
        #[test]
        fn all_is_paid_back(
            steps in prop::collection::vec((0u8..3, 0usize..3, 0usize..600, any::<prop::sample::Index>()), 0..200)
        ) {
            let user = Account::of_user(LIMIT).unwrap();
            let processes: Vec<_> = (0..3).map(|_| Account::of_process(&user).unwrap()).collect();
            let mut charges: Vec<(usize, Charge)> = Vec::new();
            for (what, process, bytes, which) in steps {
                let owed = user.bytes();
                match what {
                    0 => match Charge::new(&processes[process], bytes) {
                        Ok(charge) => charges.push((process, charge)),
                        Err(error) => {
                            prop_assert_eq!(error, Errno::ENOMEM);
                            prop_assert!(owed + bytes > LIMIT);
                        }
                    },
                    1 if !charges.is_empty() => {
                        let index = which.index(charges.len());
                        let (_, charge) = &mut charges[index];
                        let before = charge.bytes();
                        let result = charge.resize(bytes);
                        prop_assert_eq!(result.is_err(), owed - before + bytes > LIMIT);
                        prop_assert_eq!(charge.bytes(), if result.is_ok() { bytes } else { before });
                    }
                    2 if !charges.is_empty() => {
                        charges.swap_remove(which.index(charges.len()));
                    }
                    _ => {}
                }
                for (index, process) in processes.iter().enumerate() {
                    let own = charges.iter().filter(|(owner, _)| *owner == index);
                    prop_assert_eq!(process.bytes(), own.map(|(_, charge)| charge.bytes()).sum::<usize>());
                }
                let all: usize = charges.iter().map(|(_, charge)| charge.bytes()).sum();
                prop_assert_eq!(user.bytes(), all);
            }
            charges.clear();
            prop_assert_eq!(user.bytes(), 0);
        }
    }

    #[test]
    fn a_user_has_so_many_whichever_processes_have_them() {
        let user = Account::of_user(LIMIT).unwrap();
        let (one, two) = (
            Account::of_process(&user).unwrap(),
            Account::of_process(&user).unwrap(),
        );
        let what = Countable::InotifyWatch;
        let first = Counted::new(&one, what, 2).unwrap();
        let second = Counted::new(&two, what, 2).unwrap();
        assert!(Counted::new(&one, what, 2).is_none());
        assert!(Counted::new(&one, Countable::InotifyInstance, 1).is_some());
        drop(first);
        let again = Counted::new(&two, what, 2).unwrap();
        drop((second, again));
        assert!(Counted::new(&one, what, 1).is_some());
    }

    #[test]
    fn pipes_of_all_processes_count_for_the_user() {
        let user = Account::of_user(LIMIT).unwrap();
        let one = Account::of_process(&user).unwrap();
        let mut pages = PipePages::new(&one, 16);
        let other = PipePages::new(&Account::of_process(&user).unwrap(), 2);
        assert_eq!((pages.of_user(), one.pipe_pages()), (18, 18));
        pages.resize(1);
        assert_eq!(other.of_user(), 3);
        drop((pages, other));
        assert_eq!(user.pipe_pages(), 0);
    }
}

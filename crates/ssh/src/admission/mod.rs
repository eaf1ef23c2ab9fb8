//! Which connections may try to log in, and which have to go for others.
//!
//! Connections that have not logged in share a small pool; those that have are
//! counted apart. What makes room is, in this order: a connection of the
//! newcomer's own source if that has more than its share, one of the source
//! that has most: one that has said nothing first, one that has agreed upon
//! keys last, among equals the oldest. A source from which somebody has logged in before is never
//! turned away and makes room for nobody else's.

mod penalties;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::net::IpAddr;

pub use penalties::Offence;
use penalties::Penalties;

/// How many connections there may be. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionLimits {
    /// Connections that have not logged in.
    pub pending: usize,
    /// From this many on, chance decides whether one has to go.
    pub early: usize,
    /// Those of one source that are older than `burst_ms`.
    pub per_source: usize,
    /// As many more of one source may be younger.
    pub burst: usize,
    /// How long a client that logs in takes at most, if nothing is wrong.
    pub burst_ms: u64,
    /// A client that has said nothing for so long goes before those that have.
    pub greet_ms: u64,
    /// A connection without keys that is older than this goes before a
    /// newcomer is turned away.
    pub idle_ms: u64,
    /// Connections that have logged in.
    pub sessions: usize,
    /// As many of those are kept for user 0.
    pub kept_sessions: usize,
}

impl AdmissionLimits {
    /// Limits that suit most machines, with so many connections that have
    /// logged in.
    pub const fn new(sessions: usize) -> Self {
        Self {
            pending: 16,
            early: 8,
            per_source: 4,
            burst: 8,
            burst_ms: 5_000,
            greet_ms: 250,
            idle_ms: 1_000,
            sessions,
            kept_sessions: 2,
        }
    }
}

/// Sources from which somebody has logged in that are remembered.
const REMEMBERED: usize = 64;

/// Names a connection that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// Where a connection comes from: an IPv4 address, or an IPv6 network of 64
/// bits, which is what one machine has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source(u128);

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its name from now on.
    pub ticket: Ticket,
    /// Those that have to go for it; they are not counted any more.
    pub evicted: Vec<Ticket>,
}

/// A connection was not let in: there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnedAway;

/// How far a client has come that has not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has said nothing.
    Silent,
    /// It has said which version of the protocol it speaks.
    Greeted,
    /// Keys have been agreed upon.
    HasKeys,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    ticket: Ticket,
    source: Source,
    since: u64,
    stage: Stage,
}

impl Pending {
    fn has_keys(&self) -> bool {
        self.stage == Stage::HasKeys
    }
}

/// The connections there are. `now` is always milliseconds of a clock that
/// does not go back.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    /// The oldest first.
    pending: Vec<Pending>,
    sessions: Vec<Ticket>,
    /// The last to be used at the end.
    remembered: Vec<Source>,
    penalties: Penalties,
    next: u64,
}

impl Admission {
    /// No connections yet.
    #[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
    pub fn new(limits: AdmissionLimits) -> Self {
        Self {
            limits,
            pending: Vec::with_capacity(limits.pending),
            sessions: Vec::new(),
            remembered: Vec::new(),
            penalties: Penalties::default(),
            next: 0,
        }
    }

    /// Other limits from now on. Who is in stays.
    pub fn set_limits(&mut self, limits: AdmissionLimits) {
        self.limits = limits;
    }

    /// Connections that have not logged in, and those that have.
    pub fn counts(&self) -> (usize, usize) {
        (self.pending.len(), self.sessions.len())
    }

    /// A connection has come. `random` is any number, chosen anew each time.
    ///
    /// # Errors
    /// It is to be closed at once.
    pub fn admit(
        &mut self,
        address: IpAddr,
        now: u64,
        random: u32,
    ) -> Result<Admitted, TurnedAway> {
        let source = Source::of(address);
        let mut evicted = Vec::new();
        self.trim_source(source, now, &mut evicted);
        if evicted.is_empty() {
            self.make_room(source, now, random, &mut evicted)?;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.pending.push(Pending {
            ticket,
            source,
            since: now,
            stage: Stage::Silent,
        });
        Ok(Admitted { ticket, evicted })
    }

    /// The client has come as far as that.
    pub fn reach(&mut self, ticket: Ticket, stage: Stage) {
        let known = self.pending.iter_mut().find(|one| one.ticket == ticket);
        if let Some(pending) = known {
            pending.stage = pending.stage.max(stage);
        }
    }

    /// The client has logged in. False if there are too many sessions: then
    /// the connection is to end.
    pub fn log_in(&mut self, ticket: Ticket, is_operator: bool) -> bool {
        let Some(index) = self.pending.iter().position(|one| one.ticket == ticket) else {
            return false;
        };
        let kept = match is_operator {
            true => 0,
            false => self.limits.kept_sessions,
        };
        if self.sessions.len() + kept >= self.limits.sessions
            || self.sessions.try_reserve(1).is_err()
        {
            return false;
        }
        let source = self.pending.remove(index).source;
        self.sessions.push(ticket);
        self.remember(source);
        true
    }

    fn remember(&mut self, source: Source) {
        self.penalties.forgive(source);
        self.remembered.retain(|other| *other != source);
        if self.remembered.len() >= REMEMBERED {
            self.remembered.remove(0);
        }
        if self.remembered.try_reserve(1).is_ok() {
            self.remembered.push(source);
        }
    }

    /// A connection has ended, whether it was evicted or not. `offence` is
    /// what it has done wrong if it had not logged in.
    pub fn leave(&mut self, ticket: Ticket, now: u64, offence: Option<Offence>) {
        self.sessions.retain(|session| *session != ticket);
        let Some(index) = self.pending.iter().position(|one| one.ticket == ticket) else {
            return;
        };
        let source = self.pending.remove(index).source;
        if let Some(offence) = offence
            && !self.is_remembered(source)
        {
            self.penalties.add(source, now, offence);
        }
    }

    fn is_remembered(&self, source: Source) -> bool {
        self.remembered.contains(&source)
    }

    fn count_of(&self, source: Source) -> usize {
        let of_source = |one: &&Pending| one.source == source;
        self.pending.iter().filter(of_source).count()
    }

    /// Keeps a source within its share, so that a newcomer fits.
    fn trim_source(&mut self, source: Source, now: u64, evicted: &mut Vec<Ticket>) {
        let AdmissionLimits {
            per_source,
            burst,
            burst_ms,
            ..
        } = self.limits;
        let (old, all) = match self.penalties.is_restricted(source, now) {
            true => (1, 1),
            false => (per_source, per_source + burst),
        };
        let is_old =
            |one: &Pending| one.source == source && now.saturating_sub(one.since) >= burst_ms;
        while self.pending.iter().filter(|one| is_old(one)).count() >= old {
            self.evict(now, is_old, evicted);
        }
        while self.count_of(source) >= all {
            self.evict(now, |one| one.source == source, evicted);
        }
    }

    /// Keeps all within their limits, so that a newcomer fits.
    fn make_room(
        &mut self,
        source: Source,
        now: u64,
        random: u32,
        evicted: &mut Vec<Ticket>,
    ) -> Result<(), TurnedAway> {
        let AdmissionLimits { pending, early, .. } = self.limits;
        let is_known = self.is_remembered(source);
        // One place is for those that have logged in before.
        let most = pending - usize::from(!is_known);
        let count = self.pending.len();
        let is_full = count >= most;
        let steps = (most - early + 1) as u32;
        let is_unlucky = count >= early && random % steps <= (count - early) as u32;
        if !is_full && (is_known || !is_unlucky) {
            return Ok(());
        }
        match self.victim(source, now, is_full) {
            Some(victim) => {
                self.remove(victim, evicted);
                Ok(())
            }
            None => Err(TurnedAway),
        }
    }

    /// Who has to go for a newcomer from `source`: one of the source that has
    /// most, the newcomer's own if that would have most; else one without
    /// keys that has been idle; else, if there is no room at all, the oldest.
    fn victim(&self, source: Source, now: u64, is_full: bool) -> Option<usize> {
        let is_known = self.is_remembered(source);
        let may_go = |one: &Pending| !self.is_remembered(one.source) || is_known;
        let largest = self
            .pending
            .iter()
            .filter(|one| may_go(one))
            .map(|one| (self.count_of(one.source), one.source))
            .max_by_key(|(count, _)| *count);
        if let Some((count, largest)) = largest
            && count > self.count_of(source) + 1
        {
            return self.worst(now, |one| one.source == largest);
        }
        let own = self.worst(now, |one| one.source == source && !one.has_keys());
        if own.is_some() {
            return own;
        }
        let idle_ms = self.limits.idle_ms;
        let is_idle = |one: &Pending| !one.has_keys() && now.saturating_sub(one.since) >= idle_ms;
        self.worst(now, |one| may_go(one) && is_idle(one))
            .or_else(|| {
                self.worst(now, |one| {
                    is_full && may_go(one) && !self.is_remembered(one.source)
                })
            })
            .or_else(|| self.worst(now, |one| is_full && may_go(one)))
    }

    /// Of some, the one that has come least far, and of those the oldest. That
    /// a client has said nothing is held against it only after a while.
    fn worst(&self, now: u64, of: impl Fn(&Pending) -> bool) -> Option<usize> {
        let stage = |one: &Pending| match now.saturating_sub(one.since) < self.limits.greet_ms {
            true => one.stage.max(Stage::Greeted),
            false => one.stage,
        };
        let some = self.pending.iter().enumerate().filter(|(_, one)| of(one));
        some.min_by_key(|(_, one)| stage(one))
            .map(|(index, _)| index)
    }

    fn evict(&mut self, now: u64, of: impl Fn(&Pending) -> bool, evicted: &mut Vec<Ticket>) {
        if let Some(index) = self.worst(now, of) {
            self.remove(index, evicted);
        }
    }

    fn remove(&mut self, index: usize, evicted: &mut Vec<Ticket>) {
        evicted.push(self.pending.remove(index).ticket);
    }
}

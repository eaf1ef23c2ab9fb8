//! What services write to their outputs, on its way to their logs.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::Daemon;
use crate::log::Origin;
use crate::machine::Time;
use crate::sys::{Interest, Poller};

/// The outputs of one instance, as far as they are open: what it says, and its errors.
struct Pair {
    name: Arc<str>,
    pipes: [Option<File>; 2],
}

/// How one of a pair is called: the number of the pair, and in the lowest bit which.
type Id = u64;

fn ids(pair: u64) -> [Id; 2] {
    [pair << 1, pair << 1 | 1]
}

fn side(id: Id) -> usize {
    usize::from(id & 1 == 1)
}

const ORIGINS: [Origin; 2] = [Origin::Out, Origin::Err];

/// What one turn reads of one output, so that no service holds up the others.
const TURN: usize = 64 << 10;

/// How long what an instance left running may keep its outputs open, in
/// milliseconds.
const GRACE: Time = 2_000;

/// More than any pipe holds: what is read after an instance's end, at most.
const REST: usize = 2 << 20;

/// How long services may be held up by a disk that writes nothing at all, in
/// milliseconds. After that, what they write is lost.
const STALLED: Time = 1_000;

#[derive(Clone, Copy)]
struct Stall {
    /// Since when nothing was written, and how much had been then.
    since: Time,
    written: u64,
    /// What services write is read and lost, for as long as nothing is.
    loses: bool,
}

pub(super) struct Outputs {
    open: HashMap<u64, Pair>,
    next: u64,
    /// Those of instances that have ended: whoever still writes has until
    /// then. In order.
    closing: VecDeque<(Time, Id)>,
    /// Set while there is no room for what is read.
    stall: Option<Stall>,
    /// Where one turn is read to.
    buffer: Vec<u8>,
}

impl Default for Outputs {
    fn default() -> Self {
        Outputs {
            open: HashMap::new(),
            next: 0,
            closing: VecDeque::new(),
            stall: None,
            buffer: vec![0; TURN],
        }
    }
}

/// Reads what is there now, at most one turn, and tells how much; 0 if nothing is
/// there, `None` at its end.
fn read(mut pipe: &File, buffer: &mut [u8]) -> Option<usize> {
    loop {
        return match pipe.read(buffer) {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        };
    }
}

impl Outputs {
    /// Takes the outputs of a new instance; how they are called from now on.
    pub(super) fn add(
        &mut self,
        name: &Arc<str>,
        pipes: [Option<File>; 2],
        poller: &Poller,
    ) -> u64 {
        let pair = self.next;
        self.next += 1;
        for (id, pipe) in ids(pair).into_iter().zip(&pipes) {
            if let Some(pipe) = pipe {
                // Without memory to wait for it, it is read at the end.
                let _ = poller.add(pipe.as_fd(), id, Interest::READ);
            }
        }
        if pipes.iter().any(Option::is_some) {
            let name = name.clone();
            self.open.insert(pair, Pair { name, pipes });
        }
        pair
    }

    fn pipe(&self, id: Id) -> Option<&File> {
        self.open.get(&(id >> 1))?.pipes.get(side(id))?.as_ref()
    }

    /// Closes one; whose it was.
    fn close_one(&mut self, id: Id, poller: &Poller) -> Option<Arc<str>> {
        let pair = self.open.get_mut(&(id >> 1))?;
        let pipe = pair.pipes.get_mut(side(id))?.take()?;
        poller.remove(pipe.as_fd());
        let name = pair.name.clone();
        if pair.pipes.iter().all(Option::is_none) {
            self.open.remove(&(id >> 1));
        }
        Some(name)
    }

    pub(super) fn close(&mut self, pair: u64, poller: &Poller) {
        for id in ids(pair) {
            self.close_one(id, poller);
        }
    }

    /// Closes the outputs whose time is over at `now`. Names them, once each.
    fn close_held(&mut self, now: Time, poller: &Poller) -> Vec<Arc<str>> {
        let mut held: Vec<Arc<str>> = Vec::new();
        while let Some((at, id)) = self.closing.front().copied() {
            if self.pipe(id).is_some() && at > now {
                break;
            }
            self.closing.pop_front();
            if let Some(name) = self.close_one(id, poller)
                && held.last() != Some(&name)
            {
                held.push(name);
            }
        }
        held
    }

    /// Lets the time be over for all outputs of instances that have ended.
    pub(super) fn hurry(&mut self) {
        for (at, _) in &mut self.closing {
            *at = 0;
        }
    }

    /// When there is something to do, if ever.
    pub(super) fn deadline(&self) -> Option<Time> {
        let close = self.closing.front().map(|(at, _)| *at);
        let stall = self.stall.filter(|stall| !stall.loses);
        let lose = stall.map(|stall| stall.since.saturating_add(STALLED));
        close.into_iter().chain(lose).min()
    }

    /// There is no room for more at `now`, when `written` jobs were done:
    /// whether the disk has stalled, so that more may be read and lost.
    pub(super) fn may_lose(&mut self, now: Time, written: u64) -> bool {
        let new = Stall {
            since: now,
            written,
            loses: false,
        };
        let stall = self.stall.get_or_insert(new);
        if stall.written != written {
            *stall = new;
        }
        stall.loses = now >= stall.since.saturating_add(STALLED);
        stall.loses
    }

    /// There is room.
    pub(super) fn has_room(&mut self) {
        self.stall = None;
    }
}

impl Daemon {
    pub(super) fn forget_ended(&mut self) {
        let now = self.now();
        for name in self.outputs.close_held(now, &self.pollers.outputs) {
            self.note(&name, "what it left running holds its output: closed");
        }
    }

    /// Reads a turn of an output and hands it on; whether there was anything.
    pub(super) fn read_output(&mut self, id: Id) -> usize {
        let outputs = &mut self.outputs;
        let Some(pair) = outputs.open.get(&(id >> 1)) else {
            return 0;
        };
        let Some(pipe) = pair.pipes.get(side(id)).and_then(Option::as_ref) else {
            return 0;
        };
        let Some(count) = read(pipe, &mut outputs.buffer) else {
            outputs.close_one(id, &self.pollers.outputs);
            return 0;
        };
        if count > 0
            && let Some(origin) = ORIGINS.get(side(id))
        {
            let name = pair.name.clone();
            let buffer = std::mem::take(&mut outputs.buffer);
            self.write_output(&name, *origin, buffer.get(..count).unwrap_or_default());
            self.outputs.buffer = buffer;
        }
        count
    }

    /// Reads what is left of an instance that has ended, so that its last
    /// words stand before the note of its end.
    pub(super) fn drain(&mut self, pair: u64) {
        let close_at = self.now().saturating_add(GRACE);
        for id in ids(pair) {
            let mut left = REST;
            while left > 0 {
                match self.read_output(id) {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            if self.outputs.pipe(id).is_some() {
                self.outputs.closing.push_back((close_at, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_disk_that_writes_nothing_loses_anything() {
        let mut outputs = Outputs::default();
        assert!(!outputs.may_lose(0, 5));
        assert!(!outputs.may_lose(900, 5));
        assert!(!outputs.may_lose(1_500, 6));
        assert!(!outputs.may_lose(2_499, 6));
        assert!(outputs.may_lose(2_500, 6));
        assert_eq!(outputs.deadline(), None);
        assert!(outputs.may_lose(9_000, 6));
        assert!(!outputs.may_lose(9_001, 7));
        assert_eq!(outputs.deadline(), Some(10_001));
        outputs.has_room();
        assert_eq!(outputs.deadline(), None);
    }
}

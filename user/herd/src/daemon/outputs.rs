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

/// One output of one instance.
struct Output {
    name: Arc<str>,
    origin: Origin,
    pipe: File,
    ended: bool,
}

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
    open: HashMap<u64, Output>,
    next: u64,
    /// Those of instances that have ended: whoever still writes has until
    /// then. In order.
    closing: VecDeque<(Time, u64)>,
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

impl Output {
    /// Reads what is there now, at most one turn, and tells how much; 0 if
    /// nothing is there.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        loop {
            match self.pipe.read(buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
            return 0;
        }
    }
}

impl Outputs {
    /// Takes the outputs of a new instance; how they are called from now on.
    pub(super) fn add(
        &mut self,
        name: &Arc<str>,
        [out, err]: [Option<File>; 2],
        poller: &Poller,
    ) -> [u64; 2] {
        [(Origin::Out, out), (Origin::Err, err)].map(|(origin, pipe)| {
            let id = self.next;
            self.next += 1;
            let Some(pipe) = pipe else {
                return id;
            };
            // Without memory to wait for it, it is read at the end.
            let _ = poller.add(pipe.as_fd(), id, Interest::READ);
            let output = Output {
                name: name.clone(),
                origin,
                pipe,
                ended: false,
            };
            self.open.insert(id, output);
            id
        })
    }

    pub(super) fn close(&mut self, ids: [u64; 2], poller: &Poller) {
        for id in ids {
            if let Some(output) = self.open.remove(&id) {
                poller.remove(output.pipe.as_fd());
            }
        }
    }

    /// Closes the outputs whose time is over at `now`. Names them, once each.
    fn close_held(&mut self, now: Time, poller: &Poller) -> Vec<Arc<str>> {
        let mut held: Vec<Arc<str>> = Vec::new();
        while let Some((at, id)) = self.closing.front().copied() {
            let Some(output) = self.open.get(&id) else {
                self.closing.pop_front();
                continue;
            };
            if at > now {
                break;
            }
            if held.last() != Some(&output.name) {
                held.push(output.name.clone());
            }
            poller.remove(output.pipe.as_fd());
            self.open.remove(&id);
            self.closing.pop_front();
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
    pub(super) fn read_output(&mut self, id: u64) -> usize {
        let Some(output) = self.outputs.open.get_mut(&id) else {
            return 0;
        };
        let count = output.read(&mut self.outputs.buffer);
        if output.ended {
            self.pollers.outputs.remove(output.pipe.as_fd());
            self.outputs.open.remove(&id);
            return 0;
        }
        let (name, origin) = (output.name.clone(), output.origin);
        if count > 0 {
            let buffer = std::mem::take(&mut self.outputs.buffer);
            self.write_log(&name, origin, buffer.get(..count).unwrap_or_default());
            self.outputs.buffer = buffer;
        }
        count
    }

    /// Reads what is left of an instance that has ended, so that its last
    /// words stand before the note of its end.
    pub(super) fn drain(&mut self, ids: [u64; 2]) {
        let close_at = self.now().saturating_add(GRACE);
        for id in ids {
            let mut left = REST;
            while left > 0 {
                match self.read_output(id) {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
            if self.outputs.open.contains_key(&id) {
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

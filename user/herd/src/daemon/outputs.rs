//! What services write to their outputs, on its way to their logs.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::AsFd;

use super::Daemon;
use crate::log::Origin;
use crate::machine::{Generation, Time};
use crate::sys::{Interest, Spawned};

/// One output of one instance.
struct Output {
    name: String,
    generation: Generation,
    origin: Origin,
    pipe: PipeReader,
    ended: bool,
    /// Its instance has ended; whoever still writes has until then.
    close_at: Option<Time>,
}

pub(super) struct Outputs {
    open: Vec<Output>,
    /// Where one turn is read to.
    buffer: Vec<u8>,
}

impl Default for Outputs {
    fn default() -> Self {
        Outputs {
            open: Vec::new(),
            buffer: vec![0; TURN],
        }
    }
}

/// What one turn reads of one output, so that no service holds up the others.
const TURN: usize = 64 << 10;

/// How long what an instance left running may keep its outputs open, in
/// milliseconds.
const GRACE: Time = 2_000;

/// More than any pipe holds: what is read after an instance's end, at most.
const REST: usize = 2 << 20;

impl Output {
    /// What is there now, at most one turn; nothing if nothing is there.
    fn read(&mut self, buffer: &mut [u8]) -> Vec<u8> {
        loop {
            match self.pipe.read(buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => return buffer.iter().take(count).copied().collect(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
            return Vec::new();
        }
    }
}

impl Outputs {
    pub(super) fn add(&mut self, name: &str, generation: Generation, spawned: Spawned) {
        for (origin, pipe) in [(Origin::Out, spawned.out), (Origin::Err, spawned.err)] {
            self.open.push(Output {
                name: name.to_owned(),
                generation,
                origin,
                pipe,
                ended: false,
                close_at: None,
            });
        }
    }

    pub(super) fn interests(&self) -> impl Iterator<Item = (usize, Interest<'_>)> {
        self.open.iter().enumerate().map(|(index, output)| {
            let interest = Interest {
                fd: output.pipe.as_fd(),
                read: true,
                write: false,
            };
            (index, interest)
        })
    }

    /// Closes the outputs that have ended or whose time is over at `now`; the
    /// others change their index. Names those whose time was over, once each.
    pub(super) fn forget_ended(&mut self, now: Time) -> Vec<String> {
        let mut held = Vec::new();
        self.open.retain(|output| {
            let over = output.close_at.is_some_and(|at| at <= now);
            if over && !output.ended && held.last() != Some(&output.name) {
                held.push(output.name.clone());
            }
            !output.ended && !over
        });
        held
    }

    /// Lets the time be over for all outputs of instances that have ended.
    pub(super) fn hurry(&mut self, now: Time) {
        for output in &mut self.open {
            output.close_at = output.close_at.map(|at| at.min(now));
        }
    }

    /// When an output is closed, if any is to be.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.open.iter().filter_map(|output| output.close_at).min()
    }
}

impl Daemon {
    pub(super) fn read_output(&mut self, index: usize) {
        let Some(output) = self.outputs.open.get_mut(index) else {
            return;
        };
        let bytes = output.read(&mut self.outputs.buffer);
        let (name, origin) = (output.name.clone(), output.origin);
        if !bytes.is_empty() {
            self.write_log(&name, origin, &bytes);
        }
    }

    /// Reads what is left of an instance that has ended, so that its last
    /// words stand before the note of its end.
    pub(super) fn drain(&mut self, name: &str, generation: Generation) {
        let close_at = Some(self.now().saturating_add(GRACE));
        for index in 0..self.outputs.open.len() {
            let mut left = REST;
            while let Some(output) = self.outputs.open.get_mut(index)
                && output.name == name
                && output.generation == generation
                && left > 0
            {
                output.close_at = close_at;
                let bytes = output.read(&mut self.outputs.buffer);
                if bytes.is_empty() {
                    break;
                }
                left = left.saturating_sub(bytes.len());
                let origin = output.origin;
                self.write_log(name, origin, &bytes);
            }
        }
    }
}

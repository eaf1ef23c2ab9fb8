//! What a machine has in use.

use crate::machine::Machine;
use anyhow::{Context, Result};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// By how many bytes the heap may have grown: tables that keep their size,
/// names of files that do not exist, and buffers of a connection or two.
const HEAP_SLACK: u64 = 128 << 10;
/// By how many bytes the frames in use outside the heap may have grown.
const FRAME_SLACK: u64 = 256 << 10;

/// For how long connections that nobody has open any more may stay: a minute,
/// and a bit.
const SETTLING: Duration = Duration::from_secs(100);

/// What a machine has in use while one command reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of frames that are neither free nor claimed by the heap.
    pub frames: u64,
    /// Bytes of the heap.
    pub heap: u64,
    /// Threads, the kernel's own and those of programs.
    pub threads: u64,
    /// Processes.
    pub processes: u64,
    /// Descriptors of all processes.
    pub descriptors: u64,
    /// TCP connections, those that only listen or are orphans included.
    pub sockets: u64,
}

/// Prints a line for each figure. In place of the session's shell: one process
/// that counts has the same use of everything each time.
const READ: &str = "exec paddock-test figures";

impl Figures {
    /// The figures now.
    pub fn of(machine: &Machine) -> Result<Figures> {
        Figures::read(&machine.sh(READ)?)
    }

    /// The figures of the machine at rest: with `before`, once they are back
    /// there or time is up; else once they no longer change.
    pub fn settled(machine: &Machine, before: Option<&Figures>) -> Result<Figures> {
        let start = Instant::now();
        let mut last = Figures::of(machine)?;
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = Figures::of(machine)?;
            let still = match before {
                Some(before) => now.leak_since(before).is_none(),
                None => now.is_still_since(&last),
            };
            if still || start.elapsed() > SETTLING {
                return Ok(now);
            }
            last = now;
        }
    }

    fn read(text: &str) -> Result<Figures> {
        let value = |name: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| {
                let (key, value) = line.split_once(' ')?;
                (key == name).then_some(value)
            });
            let value = line.with_context(|| format!("no {name} in:\n{text}"))?;
            value
                .trim()
                .parse()
                .with_context(|| format!("{name}: {value}"))
        };
        let in_use = value("frames_total")? - value("frames_free")?;
        Ok(Figures {
            frames: in_use.saturating_sub(value("heap_claimed")?),
            heap: value("heap_used")?,
            threads: value("threads")?,
            processes: value("processes")?,
            descriptors: value("descriptors")?,
            sockets: value("sockets")?,
        })
    }

    /// What has not come back to where it was, if anything.
    pub fn leak_since(&self, before: &Figures) -> Option<String> {
        let grown = [
            ("frames", self.frames, before.frames, FRAME_SLACK),
            ("heap", self.heap, before.heap, HEAP_SLACK),
            ("threads", self.threads, before.threads, 0),
            ("processes", self.processes, before.processes, 0),
            ("descriptors", self.descriptors, before.descriptors, 0),
            ("sockets", self.sockets, before.sockets, 0),
        ];
        let leaks: Vec<String> = grown
            .into_iter()
            .filter(|(_, now, then, slack)| *now > then + slack)
            .map(|(name, now, then, _)| format!("{name}: {then} before, {now} now"))
            .collect();
        (!leaks.is_empty()).then(|| format!("a leak: {}", leaks.join("; ")))
    }

    /// Whether nothing has gone since, either.
    pub fn is_still_since(&self, before: &Figures) -> bool {
        self.leak_since(before).is_none() && before.leak_since(self).is_none()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "frames {} KiB, heap {} KiB, {} threads, {} processes, {} descriptors, {} sockets",
            self.frames >> 10,
            self.heap >> 10,
            self.threads,
            self.processes,
            self.descriptors,
            self.sockets
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "frames_total 1000000\nframes_free 600000\nframes_fewest_free 1\n\
        heap_claimed 300000\nheap_used 200000\nthreads 9\nprocesses 3\ndescriptors 12\nsockets 1\n";

    #[test]
    fn figures_are_read() {
        let figures = Figures::read(TEXT).unwrap();
        assert_eq!((figures.frames, figures.heap), (100_000, 200_000));
        assert_eq!((figures.threads, figures.sockets), (9, 1));
        assert!(Figures::read("threads 9").is_err());
    }

    #[test]
    fn what_grows_is_a_leak() {
        let before = Figures::read(TEXT).unwrap();
        assert_eq!(before.leak_since(&before), None);
        let after = Figures {
            threads: 10,
            heap: before.heap + 1,
            ..before.clone()
        };
        let leak = after.leak_since(&before).unwrap();
        assert!(leak.contains("threads") && !leak.contains("heap"), "{leak}");
        assert_eq!(before.leak_since(&after), None);
        assert!(!before.is_still_since(&after));
    }
}

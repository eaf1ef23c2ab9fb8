//! Waiting for many files, at a cost of those that are ready.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// What is awaited of a file. Its end and its errors always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Interest = Interest {
        read: true,
        write: false,
    };

    fn flags(self) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, self.read);
        flags.set(EventFlags::OUT, self.write);
        flags
    }
}

/// Files, each with a token by which it is told of when it is ready.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller {
    /// A poller that tells of at most `batch` files at once: those that were
    /// not told of are the first to be told of next.
    pub(crate) fn new(batch: usize) -> io::Result<Poller> {
        Ok(Poller {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(batch),
        })
    }

    /// What becomes readable when one of the files is ready.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub(crate) fn add(
        &self,
        file: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let data = EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, file, data, interest.flags())?)
    }

    pub(crate) fn change(
        &self,
        file: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let data = EventData::new_u64(token);
        Ok(epoll::modify(&self.epoll, file, data, interest.flags())?)
    }

    /// Must come before a file is closed: a process that is being started
    /// holds it open for a moment longer.
    pub(crate) fn remove(&self, file: BorrowedFd<'_>) {
        // One that is not there needs no removal.
        let _ = epoll::delete(&self.epoll, file);
    }

    /// Waits until a file is ready or `timeout` milliseconds are over (`None`:
    /// for ever), and gives back the tokens of those that are. A signal ends
    /// the wait early.
    pub(crate) fn wait(&mut self, timeout: Option<u64>) -> io::Result<Vec<u64>> {
        let timeout = timeout.map(|ms| Timespec {
            tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
            tv_nsec: (ms % 1_000 * 1_000_000).cast_signed(),
        });
        self.events.clear();
        let into = spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, into, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let tokens = self.events.drain(..).map(|event| event.data.u64());
        Ok(tokens.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_is_ready_is_told_of_in_turn() {
        let mut poller = Poller::new(1).unwrap();
        let pipes: Vec<_> = (0..3).map(|_| io::pipe().unwrap()).collect();
        for (token, (reader, writer)) in (0..).zip(&pipes) {
            poller.add(reader.as_fd(), token, Interest::READ).unwrap();
            let mut writer = writer;
            writer.write_all(b"x").unwrap();
        }
        let mut told: Vec<u64> = (0..3)
            .flat_map(|_| poller.wait(Some(1_000)).unwrap())
            .collect();
        told.sort_unstable();
        assert_eq!(told, [0, 1, 2]);
        let mut reader = &pipes[1].0;
        reader.read_exact(&mut [0]).unwrap();
        poller.remove(pipes[0].0.as_fd());
        assert_eq!(poller.wait(Some(1_000)).unwrap(), [2]);
        let none = Interest {
            read: false,
            write: false,
        };
        poller.change(pipes[2].0.as_fd(), 2, none).unwrap();
        assert!(poller.wait(Some(0)).unwrap().is_empty());
    }
}

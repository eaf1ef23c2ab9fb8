//! What one caller has in flight on a disk.

use super::queue::RequestQueue;
use super::slots::{Command, Ticket};
use paddock_abi::Result;

/// Most requests that one caller has in flight.
const WINDOW: usize = 8;

/// Tickets of one caller, oldest first.
pub struct Window<'a> {
    queue: &'a RequestQueue,
    tickets: [Option<Ticket>; WINDOW],
    /// Counts of tickets ever waited for and ever put in.
    first: usize,
    next: usize,
}

impl<'a> Window<'a> {
    pub fn new(queue: &'a RequestQueue) -> Self {
        Window {
            queue,
            tickets: [const { None }; WINDOW],
            first: 0,
            next: 0,
        }
    }

    /// Hands a request over, after waiting for older ones of this caller as
    /// far as that is needed to make room. Fails with the first failure of
    /// any of them.
    pub fn submit(&mut self, command: Command, sector: u64, data: &[*mut [u8]]) -> Result<()> {
        if self.next - self.first == WINDOW {
            self.wait_oldest()?;
        }
        let ticket = loop {
            if let Some(ticket) = self.queue.try_submit(command, sector, data)? {
                break ticket;
            }
            if self.first == self.next {
                break self.queue.submit(command, sector, data)?;
            }
            self.wait_oldest()?;
        };
        self.tickets[self.next % WINDOW] = Some(ticket);
        self.next += 1;
        Ok(())
    }

    fn wait_oldest(&mut self) -> Result<()> {
        let ticket = self.tickets[self.first % WINDOW].take();
        self.first += 1;
        ticket.map_or(Ok(()), |ticket| self.queue.wait(&ticket))
    }

    /// Waits for all that is in flight; the first failure.
    pub fn finish(mut self) -> Result<()> {
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        let mut result = Ok(());
        while self.first < self.next {
            result = result.and(self.wait_oldest());
        }
        result
    }
}

/// The caller's memory is the device's until all is complete, whatever the
/// reason for leaving.
impl Drop for Window<'_> {
    fn drop(&mut self) {
        // A failure was the result of an earlier call already.
        let _ = self.drain();
    }
}

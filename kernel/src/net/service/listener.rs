//! A port that is listened on: sockets kept listening in both stacks.

use super::connection::Connection;
use super::notifier::Notifier;
use crate::net::stack::NetStack;
use alloc::sync::Arc;
use alloc::vec::Vec;
use embassy_net::tcp::State;
use embassy_net::{IpAddress, IpListenEndpoint};
use paddock_abi::{Errno, Result};

/// The most sockets that listen for one port in one stack.
const MAX_BACKLOG: usize = 8;

/// Sockets that wait for connections to one port.
pub struct Listener {
    endpoint: IpListenEndpoint,
    /// The stacks it is reached through; the same backlog in each.
    stacks: [Option<&'static NetStack>; 2],
    backlog: usize,
    waiting: Vec<Connection>,
    notifier: Arc<Notifier>,
}

impl Listener {
    /// Listens in every stack that `address` (or any address) is reached
    /// through. Never sleeps.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`, `ENFILE`, `ENOMEM`.
    pub fn new(
        address: Option<IpAddress>,
        port: u16,
        backlog: usize,
        notifier: &Arc<Notifier>,
    ) -> Result<Self> {
        let backlog = backlog.clamp(1, MAX_BACKLOG);
        let only_loopback = address.is_some_and(|address| match address {
            IpAddress::Ipv4(address) => address.is_loopback(),
            IpAddress::Ipv6(address) => address.is_loopback(),
        });
        let ethernet = crate::net::ethernet().filter(|_| !only_loopback);
        let mut listener = Listener {
            endpoint: IpListenEndpoint { addr: None, port },
            stacks: [crate::net::loopback(), ethernet],
            backlog,
            waiting: Vec::new(),
            notifier: notifier.clone(),
        };
        if listener.stacks.iter().all(Option::is_none) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        listener.refill()?;
        Ok(listener)
    }

    /// Has the full backlog of sockets listen. With an error those that there
    /// are go on.
    fn refill(&mut self) -> Result<()> {
        for stack in self.stacks.into_iter().flatten() {
            let is_here = |waiting: &&Connection| core::ptr::eq(waiting.stack(), stack);
            let missing = self.backlog - self.waiting.iter().filter(is_here).count();
            for _ in 0..missing {
                let connection = self.listening(stack)?;
                self.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.waiting.push(connection);
            }
        }
        Ok(())
    }

    fn listening(&self, stack: &'static NetStack) -> Result<Connection> {
        let mut connection = Connection::new(stack, self.notifier.wakers_of_listener()?)?;
        connection.listen(self.endpoint)?;
        Ok(connection)
    }

    /// Takes a connection that has come, if one has; another socket listens
    /// in its place. `None` leaves the waker armed.
    pub fn accept(&mut self) -> Option<Connection> {
        let accepted = self.take_accepted();
        // What was short may be there again.
        let _ = self.refill();
        accepted
    }

    fn take_accepted(&mut self) -> Option<Connection> {
        for index in 0..self.waiting.len() {
            if !has_come(&self.waiting[index]) {
                continue;
            }
            self.waiting[index].note_ends();
            // Without a successor the backlog shrinks for now, but never to
            // nothing: the last one stays until there is one.
            match self.listening(self.waiting[index].stack()) {
                Ok(next) => {
                    let taken = core::mem::replace(&mut self.waiting[index], next);
                    if taken.remote().is_some() {
                        return Some(taken);
                    }
                }
                Err(_) if self.waiting.len() > 1 => return Some(self.waiting.swap_remove(index)),
                Err(_) => return None,
            }
        }
        None
    }

    /// Whether a connection waits to be accepted; the waker is armed.
    pub fn has_connection(&self) -> bool {
        self.waiting.iter().any(has_come)
    }

    /// Notes who has come, while the stack knows: a connection that is reset
    /// before it is accepted has a peer nevertheless. The wakers are armed.
    pub fn note_arrivals(&mut self) {
        for connection in &mut self.waiting {
            connection.note_ends();
            let _ = connection.send_state();
        }
    }
}

/// Whether a listening socket has become a connection; the waker is armed if
/// it has not.
fn has_come(connection: &Connection) -> bool {
    let (writable, _) = connection.send_state();
    let state = connection.state();
    writable || !matches!(state, State::Listen | State::SynReceived | State::SynSent)
}

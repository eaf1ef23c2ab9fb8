//! A port that is listened on: sockets kept listening in both stacks.

use super::connection::{Connection, Notifier};
use super::stack::NetStack;
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
        let mut listener = Listener {
            endpoint: IpListenEndpoint { addr: None, port },
            waiting: Vec::new(),
            notifier: notifier.clone(),
        };
        let only_loopback = address.is_some_and(|address| match address {
            IpAddress::Ipv4(address) => address.is_loopback(),
            IpAddress::Ipv6(address) => address.is_loopback(),
        });
        if let Some(stack) = super::loopback() {
            listener.add(stack, backlog)?;
        }
        if let Some(stack) = super::ethernet().filter(|_| !only_loopback) {
            listener.add(stack, backlog)?;
        }
        if listener.waiting.is_empty() {
            Err(Errno::EADDRNOTAVAIL)
        } else {
            Ok(listener)
        }
    }

    fn add(&mut self, stack: &'static NetStack, count: usize) -> Result<()> {
        for _ in 0..count {
            let connection = self.listening(stack)?;
            self.waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.waiting.push(connection);
        }
        Ok(())
    }

    fn listening(&self, stack: &'static NetStack) -> Result<Connection> {
        let mut connection = Connection::new(stack, &self.notifier)?;
        connection.listen(self.endpoint)?;
        Ok(connection)
    }

    /// Takes a connection that has come, if one has; another socket listens
    /// in its place. `None` leaves the waker armed.
    pub fn accept(&mut self) -> Option<Connection> {
        for index in 0..self.waiting.len() {
            let (writable, _) = self.waiting[index].send_state();
            let state = self.waiting[index].state();
            if !writable && matches!(state, State::Listen | State::SynReceived | State::SynSent) {
                continue;
            }
            // Without memory for a successor the backlog shrinks, but never
            // to nothing: the last one stays until there is.
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
        self.waiting.iter().any(|connection| {
            let (writable, _) = connection.send_state();
            writable
                || !matches!(
                    connection.state(),
                    State::Listen | State::SynReceived | State::SynSent
                )
        })
    }
}

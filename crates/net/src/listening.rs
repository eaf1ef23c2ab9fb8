//! Listening: a stack accepts a connection with a socket that already
//! listens, so each listener keeps some that do, whatever becomes of others.

use crate::slab::{Key, Slab};
use crate::sockets::{Phase, Sockets, Tcp};
use alloc::vec::Vec;
use core::task::Waker;
use embassy_net::IpListenEndpoint;
use embassy_net::tcp::State;
use paddock_abi::{Errno, Result};

/// The most connections that wait to be accepted, whatever was asked for.
const MAX_BACKLOG: usize = 128;

/// Sockets that wait for connections to one port of a stack.
pub struct Listener {
    endpoint: IpListenEndpoint,
    backlog: usize,
    waiting: Vec<Key<Tcp>>,
    waker: Waker,
}

/// What has become of a socket that listened.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Idle,
    HalfOpen,
    Connected,
    Gone,
}

fn progress(tcp: &Tcp) -> Progress {
    match tcp.state() {
        State::Listen => Progress::Idle,
        State::SynReceived | State::SynSent => Progress::HalfOpen,
        State::Closed | State::TimeWait => Progress::Gone,
        _ => Progress::Connected,
    }
}

impl Listener {
    /// Where it listens.
    pub fn endpoint(&self) -> IpListenEndpoint {
        self.endpoint
    }

    /// How many of its sockets have come this far.
    fn count(&self, tcp: &Slab<Tcp>, wanted: Progress) -> usize {
        let sockets = self.waiting.iter().filter_map(|&key| tcp.get(key));
        sockets.filter(|tcp| progress(tcp) == wanted).count()
    }
}

impl Sockets {
    /// Listens for at most `backlog` connections that nobody has accepted
    /// yet. `ENFILE`, `ENOMEM`, `EINVAL`.
    pub fn add_listener(
        &mut self,
        endpoint: IpListenEndpoint,
        backlog: usize,
        waker: Waker,
    ) -> Result<Key<Listener>> {
        let backlog = backlog.clamp(1, MAX_BACKLOG);
        let mut waiting = Vec::new();
        waiting
            .try_reserve_exact(backlog + self.limits.listening)
            .map_err(|_| Errno::ENOMEM)?;
        let key = self.listeners.insert(Listener {
            endpoint,
            backlog,
            waiting,
            waker,
        })?;
        match self.add_listening(key) {
            Ok(()) => self.serve_listener(key),
            Err(error) => {
                self.remove_listener(key);
                return Err(error);
            }
        }
        Ok(key)
    }

    /// A new length for the queue.
    pub fn set_backlog(&mut self, key: Key<Listener>, backlog: usize) {
        let ready = self.limits.listening;
        let Some(listener) = self.listeners.get_mut(key) else {
            return;
        };
        let backlog = backlog.clamp(1, MAX_BACKLOG);
        let more = (backlog + ready).saturating_sub(listener.waiting.len());
        if listener.waiting.try_reserve_exact(more).is_ok() {
            listener.backlog = backlog;
            self.serve_listener(key);
        }
    }

    fn add_listening(&mut self, key: Key<Listener>) -> Result<()> {
        let listener = self.listeners.get(key).ok_or(Errno::EBADF)?;
        let endpoint = listener.endpoint;
        if listener.waiting.len() == listener.waiting.capacity() {
            return Err(Errno::ENOBUFS);
        }
        let caretaker = self.caretaker();
        let added = self.add_tcp(caretaker, Phase::Listening)?;
        let listening = self
            .tcp
            .get_mut(added)
            .map_or(Err(Errno::EBADF), |tcp| tcp.listen(endpoint));
        match (listening, self.listeners.get_mut(key)) {
            (Ok(()), Some(listener)) => {
                listener.waiting.push(added);
                Ok(())
            }
            (result, _) => {
                self.tcp.remove(added);
                result
            }
        }
    }

    /// Makes those listen again that were reset, has others listen in the
    /// place of those that were not, and tells of what can be accepted.
    pub fn serve_listener(&mut self, key: Key<Listener>) {
        let Some(listener) = self.listeners.get(key) else {
            return;
        };
        for &waiting in &listener.waiting {
            if let Some(tcp) = self.tcp.get_mut(waiting) {
                if progress(tcp) == Progress::Gone {
                    // The peer has gone again before anybody accepted it.
                    let _ = tcp.listen(listener.endpoint);
                }
                tcp.watch();
            }
        }
        let connected = listener.count(&self.tcp, Progress::Connected);
        if connected > 0 {
            listener.waker.wake_by_ref();
        }
        let queued = connected + listener.count(&self.tcp, Progress::HalfOpen);
        let idle = listener.count(&self.tcp, Progress::Idle);
        let wanted = self
            .limits
            .listening
            .min((listener.backlog + 1).saturating_sub(queued));
        for _ in idle..wanted {
            if self.add_listening(key).is_err() {
                // Those that are left serve; it is tried again with every
                // change and every accept.
                break;
            }
        }
    }

    /// Whether a connection waits to be accepted.
    pub fn has_connection(&self, key: Key<Listener>) -> bool {
        let listener = self.listeners.get(key);
        listener.is_some_and(|listener| listener.count(&self.tcp, Progress::Connected) > 0)
    }

    /// Takes the connection that waits longest, whose changes `waker` is
    /// told of from now on.
    pub fn accept(&mut self, key: Key<Listener>, waker: Waker) -> Option<Key<Tcp>> {
        let listener = self.listeners.get_mut(key)?;
        let connected = |&key: &Key<Tcp>| {
            self.tcp
                .get(key)
                .is_some_and(|tcp| progress(tcp) == Progress::Connected)
        };
        let place = listener.waiting.iter().position(connected)?;
        let taken = listener.waiting.remove(place);
        if let Some(tcp) = self.tcp.get_mut(taken) {
            tcp.phase = Phase::Open;
            tcp.set_waker(waker);
        }
        self.serve_listener(key);
        self.changed = true;
        Some(taken)
    }

    /// Stops listening; connections that nobody accepted are reset.
    pub fn remove_listener(&mut self, key: Key<Listener>) {
        let Some(listener) = self.listeners.remove(key) else {
            return;
        };
        for waiting in listener.waiting {
            match self.tcp.get(waiting).map(progress) {
                Some(Progress::Connected | Progress::HalfOpen) => self.orphan(waiting, true),
                _ => drop(self.tcp.remove(waiting)),
            }
        }
    }
}

//! What sockets ask of the stack.

use super::{Host, Path, Slot, Stack};
use crate::keys::Tuple;
use crate::listener::{Accepted, Backlog, Listener};
use crate::local::Local;
use crate::ports::{self, Claim};
use crate::settings::Settings;
use crate::slab::Id;
use crate::tcp::{Connection, Figures, State};
use crate::{NEVER, ports::SPAN};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use paddock_abi::{Errno, Result};
use paddock_charge::{Account, Charge};
use paddock_sync::Ready;
use smoltcp::wire::{IpAddress, IpEndpoint};

/// How many accepted connections there is room for before any has come.
const FIRST_ROOM: usize = 4;

impl<H: Host> Stack<H> {
    /// bind(2). Port 0 is one of the system's choice. The claim is to be
    /// [given back](Self::release).
    ///
    /// # Errors
    /// `EADDRINUSE`, `ENOMEM`.
    pub fn bind(&mut self, local: Local, port: u16, settings: &Settings) -> Result<Claim> {
        if port == 0 {
            let (start, host) = (self.host.random() as u32, &self.host);
            let reserved = |port| host.is_service(port);
            return self.ports.bind_any(local, start, settings, reserved);
        }
        match self.host.is_service(port) {
            true => Err(Errno::EADDRINUSE),
            false => self.ports.bind(local, port, settings),
        }
    }

    /// Whether a socket has bound itself to a port.
    pub fn is_bound(&self, port: u16) -> bool {
        self.ports.is_bound(port)
    }

    /// Gives a port back.
    pub fn release(&mut self, claim: Claim) {
        self.ports.release(claim);
    }

    /// listen(2). What comes is charged to `account` until it is accepted.
    ///
    /// # Errors
    /// `EADDRINUSE`, `ENOMEM`.
    pub fn listen(
        &mut self,
        claim: Claim,
        backlog: Backlog,
        settings: Settings,
        owner: H::Observer,
        account: Arc<Account>,
    ) -> Result<Id> {
        let mut ready = VecDeque::new();
        ready.try_reserve(FIRST_ROOM).map_err(|_| Errno::ENOMEM)?;
        let id = self.listeners.insert(Listener {
            claim,
            backlog,
            settings,
            owner,
            account,
            ready,
            on_their_way: 0,
            cookies_until: 0,
        })?;
        let listening = self.ports.listen(claim, Some(id));
        listening.map(|()| id).inspect_err(|_| {
            self.listeners.remove(id.index);
        })
    }

    /// listen(2) again.
    pub fn set_backlog(&mut self, id: Id, backlog: Backlog) {
        if let Some(listener) = self.listeners.get(id) {
            listener.backlog = backlog;
        }
    }

    /// Options for connections that come from now on.
    pub fn set_listener(&mut self, id: Id, settings: Settings) {
        if let Some(listener) = self.listeners.get(id) {
            listener.settings = settings;
        }
    }

    /// Stops listening: connections that were not accepted are reset. Those
    /// on their way are when they arrive.
    pub fn close_listener(&mut self, now: u64, id: Id) {
        let Some(listener) = self.listeners.get(id) else {
            return;
        };
        let (claim, ready) = (listener.claim, core::mem::take(&mut listener.ready));
        let _ = self.ports.listen(claim, None);
        self.listeners.remove(id.index);
        for connection in ready {
            self.abandon(now, connection, true);
        }
        self.run(now);
    }

    /// accept(2): the connection that has waited longest, if one does.
    /// `account` pays for it from now on.
    ///
    /// # Errors
    /// `EAGAIN`, `EINVAL` if it does not listen, `ENOMEM` if `account` cannot
    /// pay (the connection waits on).
    pub fn accept(
        &mut self,
        id: Id,
        owner: H::Observer,
        account: &Arc<Account>,
    ) -> Result<Accepted> {
        let listener = self.listeners.get(id).ok_or(Errno::EINVAL)?;
        let next = *listener.ready.front().ok_or(Errno::EAGAIN)?;
        let slot = self.connections.get(next).ok_or(Errno::EAGAIN)?;
        slot.connection.charge_to(account)?;
        listener.ready.pop_front();
        (slot.owner, slot.parent) = (Some(owner), None);
        Ok(Accepted {
            id: next,
            remote: slot.connection.remote(),
        })
    }

    /// What poll(2) tells of a listener.
    pub fn listener_ready(&mut self, id: Id) -> Ready {
        match self.listeners.get(id) {
            Some(listener) if !listener.ready.is_empty() => Ready::IN,
            _ => Ready::empty(),
        }
    }

    /// connect(2): begins. From a bound port, or one of the system's choice.
    ///
    /// # Errors
    /// `ENETUNREACH`, `EAFNOSUPPORT` from IPv4 to IPv6, `EADDRNOTAVAIL` if
    /// there is no port or both ends are the same, `ENFILE`, `ENOMEM`.
    pub fn connect(
        &mut self,
        now: u64,
        claim: Option<Claim>,
        remote: IpEndpoint,
        settings: Settings,
        owner: H::Observer,
        account: &Arc<Account>,
    ) -> Result<Id> {
        let bound = claim.map_or(settings.any, |claim| claim.local);
        let (path, source) = self.route(remote)?;
        let address = source_of(bound, settings.any, remote.addr, source)?;
        let port = match claim {
            Some(claim) => claim.port,
            None => self.port_towards(address, remote, path)?,
        };
        let tuple = Tuple {
            local: IpEndpoint::new(address, port),
            remote,
        };
        if tuple.local == remote || !self.is_usable(&tuple, path) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let mut origin = self.origin(now, &tuple, path);
        if let Some(remains) = self.forget_time_wait(&tuple) {
            origin.iss = remains.max(origin.iss);
        }
        let charge = Charge::new(account, size_of::<Connection>())?;
        let connection = Connection::connect(origin, settings, now, charge);
        let id = self.add(Slot::new(connection, path, Some(owner)), tuple)?;
        self.wake(id.index);
        self.run(now);
        Ok(id)
    }

    /// Whether a connection between these ends may begin. One that is in
    /// TIME-WAIT has no segments under way if both are on this machine.
    fn is_usable(&self, tuple: &Tuple, path: Path) -> bool {
        !self.table.contains_key(tuple)
            && (path == Path::Local || self.time_wait.get(tuple).is_none())
    }

    /// A port of the system's choice for a connection (RFC 6056, 3.3.3). It
    /// may be in use for other peers. `EADDRNOTAVAIL`.
    fn port_towards(&mut self, address: IpAddress, to: IpEndpoint, path: Path) -> Result<u16> {
        let start = self.keys.first_port(&to).wrapping_add(self.next_port);
        for step in 0..SPAN {
            let port = ports::nth(start.wrapping_add(step));
            let tuple = Tuple {
                local: IpEndpoint::new(address, port),
                remote: to,
            };
            let is_free = !self.ports.is_bound(port) && !self.host.is_service(port);
            if is_free && tuple.local != to && self.is_usable(&tuple, path) {
                self.next_port = self.next_port.wrapping_add(step + 1);
                return Ok(port);
            }
        }
        Err(Errno::EADDRNOTAVAIL)
    }

    /// Ends a TIME-WAIT for a new connection: what its first number has to
    /// come after.
    pub(super) fn forget_time_wait(&mut self, tuple: &Tuple) -> Option<crate::seq::Seq> {
        let remains = self.time_wait.remove(tuple)?;
        self.ports
            .remove_connection(tuple.local.port, remains.shares);
        Some(remains.next + 65537)
    }

    fn connection(&mut self, id: Id) -> Option<&mut Connection> {
        let slot = self.connections.get(id)?;
        Some(&mut slot.connection)
    }

    /// Takes bytes that have come; 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN`, and the connection's error, once.
    pub fn read(&mut self, now: u64, id: Id, buffer: &mut [u8]) -> Result<usize> {
        self.read_with(now, id, buffer.len(), |first, second| {
            let (start, rest) = buffer.split_at_mut(first.len());
            start.copy_from_slice(first);
            rest[..second.len()].copy_from_slice(second);
            first.len() + second.len()
        })
    }

    /// As [`Self::read`], of up to `most` bytes: `take` is given them in two pieces and
    /// says how many it has taken.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub fn read_with(
        &mut self,
        now: u64,
        id: Id,
        most: usize,
        take: impl FnOnce(&[u8], &[u8]) -> usize,
    ) -> Result<usize> {
        let connection = self.connection(id).ok_or(Errno::ENOTCONN)?;
        let result = connection.read_with(most, take);
        if matches!(result, Ok(1..)) {
            self.wake(id.index);
            self.run(now);
        }
        result
    }

    /// Copies bytes that have come without taking them. The results of
    /// [`Self::read`].
    pub fn peek(&mut self, id: Id, buffer: &mut [u8]) -> Result<usize> {
        self.connection(id).ok_or(Errno::ENOTCONN)?.peek(buffer)
    }

    /// Queues what there is room for, and sends what may be sent.
    ///
    /// # Errors
    /// `EAGAIN`, the connection's error, once, `EPIPE`, `ENOMEM`.
    pub fn write(&mut self, now: u64, id: Id, data: &[u8]) -> Result<usize> {
        self.write_with(now, id, data.len(), |first, second| {
            let (start, rest) = data.split_at(first.len());
            first.copy_from_slice(start);
            second.copy_from_slice(&rest[..second.len()]);
            first.len() + second.len()
        })
    }

    /// As [`Self::write`], of up to `most` bytes, which `fill` puts into two pieces of
    /// memory; it says how many there are.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub fn write_with(
        &mut self,
        now: u64,
        id: Id,
        most: usize,
        fill: impl FnOnce(&mut [u8], &mut [u8]) -> usize,
    ) -> Result<usize> {
        let connection = self.connection(id).ok_or(Errno::EPIPE)?;
        let count = connection.write_with(most, now, fill)?;
        if count > 0 {
            self.wake(id.index);
            self.run(now);
        }
        Ok(count)
    }

    /// shutdown(2). `ENOTCONN`.
    pub fn shutdown(&mut self, now: u64, id: Id, read: bool, write: bool) -> Result<()> {
        let connection = self.connection(id).ok_or(Errno::ENOTCONN)?;
        connection.shutdown(read, write)?;
        self.wake(id.index);
        self.run(now);
        Ok(())
    }

    /// Nobody has it open any more. It ends by itself: with a reset if bytes
    /// were not read or `abort` is set, else once the peer has everything.
    pub fn close(&mut self, now: u64, id: Id, abort: bool) {
        self.abandon(now, id, abort);
        self.run(now);
    }

    fn abandon(&mut self, now: u64, id: Id, abort: bool) {
        let slot = self.connections.get(id);
        let Some(slot) = slot.filter(|slot| !slot.connection.is_orphan()) else {
            return;
        };
        (slot.owner, slot.parent) = (None, None);
        self.orphans += 1;
        slot.connection.abandon(abort, now);
        self.wake(id.index);
    }

    /// What poll(2) tells.
    pub fn ready(&mut self, id: Id) -> Ready {
        self.connection(id)
            .map_or(Ready::HUP | Ready::IN | Ready::OUT, Connection::ready)
    }

    /// Bytes that have come and not been read, and bytes that the peer has
    /// not acknowledged.
    pub fn queues(&mut self, id: Id) -> (usize, usize) {
        self.connection(id)
            .map_or((0, 0), |connection| connection.queues())
    }

    /// Where it is.
    pub fn state(&mut self, id: Id) -> State {
        self.connection(id)
            .map_or(State::Closed, |connection| connection.state())
    }

    /// This side and the other.
    pub fn ends(&mut self, id: Id) -> Option<(IpEndpoint, IpEndpoint)> {
        let connection = self.connection(id)?;
        Some((connection.local(), connection.remote()))
    }

    /// Takes the error (SO_ERROR).
    pub fn take_error(&mut self, id: Id) -> Option<Errno> {
        self.connection(id)?.take_error()
    }

    /// What TCP_INFO tells.
    pub fn figures(&mut self, id: Id) -> Option<Figures> {
        Some(self.connection(id)?.figures())
    }

    /// Changes the options of a connection.
    pub fn set(&mut self, now: u64, id: Id, settings: Settings) {
        if let Some(connection) = self.connection(id) {
            connection.set(settings);
            self.wake(id.index);
            self.run(now);
        }
    }
}

/// The address that something to `to` is from: the one of `bound`, or what the
/// way has. `ENETUNREACH` for what a socket of these addresses does not reach,
/// `EAFNOSUPPORT` from IPv4 to IPv6.
pub(super) fn source_of(
    bound: Local,
    any: Local,
    to: IpAddress,
    way: IpAddress,
) -> Result<IpAddress> {
    if !any.includes(to) {
        return Err(Errno::ENETUNREACH);
    }
    match (bound, to) {
        (Local::One(IpAddress::Ipv4(_)) | Local::AnyIpv4, IpAddress::Ipv6(_)) => {
            Err(Errno::EAFNOSUPPORT)
        }
        (Local::One(IpAddress::Ipv6(_)), IpAddress::Ipv4(_)) => Err(Errno::ENETUNREACH),
        (Local::One(address), _) => Ok(address),
        _ => Ok(way),
    }
}

impl<O> Slot<O> {
    /// A connection that is not in the tables yet.
    pub(super) fn new(connection: Connection, path: Path, owner: Option<O>) -> Slot<O> {
        let settings = connection.settings();
        let shares = settings.reuse_address || settings.reuse_port;
        Slot {
            connection,
            owner,
            parent: None,
            is_on_its_way: false,
            path,
            peer: None,
            is_due: false,
            is_known: true,
            shares,
            deadline: NEVER,
        }
    }
}

//! Segments on their way, deadlines, and what becomes of connections.

use super::{Host, MOST_BARE, Observer, Path, Slot, Stack, tuple_of};
use crate::NEVER;
use crate::keys::Tuple;
use crate::segment::{Data, EMPTY, Flags, Header, Payload};
use crate::seq::Seq;
use crate::shrink::shrink;
use crate::slab::Id;
use crate::tcp::{Answer, Connection, Outgoing, State};
use crate::time_wait::Late;
use paddock_charge::Charge;
use paddock_sync::{Ready, shrink_vec};

/// Connections for which there is always room, once there was.
const LEAST_ROOM: usize = 32;
/// Deadlines that are seen to in one call, of each kind.
const MOST_AT_ONCE: usize = 256;
/// Connections that are looked at in one call; the rest is due at once, in another.
const MOST_TURNS: usize = 10_000;

impl<H: Host> Stack<H> {
    /// When [`Self::on_time`] is to be called, in nanoseconds.
    pub fn deadline(&self) -> u64 {
        let connections = self.deadlines.earliest().unwrap_or(NEVER);
        if !(self.due.is_empty() && self.bare.is_empty()) {
            return 0;
        }
        let others = self.time_wait.deadline().min(self.neighbours.deadline());
        let fragments = self.fragments.deadline();
        connections
            .min(others)
            .min(fragments)
            .min(self.ipv6_deadline())
    }

    /// Does what is due.
    pub fn on_time(&mut self, now: u64) {
        for _ in 0..MOST_AT_ONCE {
            let Some(index) = self.deadlines.pop_due(now) else {
                break;
            };
            let index = index as u32;
            if let Some(slot) = self.connections.at(index) {
                slot.deadline = NEVER;
                slot.connection.on_time(now);
                self.wake(index);
            }
        }
        // The rest is due at once, in another call.
        for _ in 0..MOST_AT_ONCE {
            let Some((tuple, remains)) = self.time_wait.pop(now) else {
                break;
            };
            self.ports
                .remove_connection(tuple.local.port, remains.shares);
        }
        self.fragments.on_time(now);
        self.neighbours_on_time(now);
        self.ipv6_on_time(now);
        self.run(now);
    }

    /// Has a connection looked at by the next [`Self::run`].
    pub(super) fn wake(&mut self, index: u32) {
        if let Some(slot) = self.connections.at(index)
            && !slot.is_due
        {
            slot.is_due = true;
            self.due.push(index);
        }
    }

    /// Sends everything that may be sent, and tells what is to be told. A call ends
    /// whatever comes: what is left then is [due](Self::deadline).
    pub(super) fn run(&mut self, now: u64) {
        self.at_once = false;
        for _ in 0..MOST_TURNS {
            if let Some(header) = self.bare.pop() {
                self.input(now, &header, EMPTY, None);
            } else if let Some(index) = self.due.pop() {
                self.flush(now, index);
            } else {
                return;
            }
        }
    }

    fn flush(&mut self, now: u64, index: u32) {
        let Some(mut slot) = self.connections.take(index) else {
            return;
        };
        slot.is_due = false;
        let most = self.most_to_cut(slot.path, slot.connection.remote().addr);
        while let Some(segment) = slot.connection.next_segment(now, most) {
            let is_local = slot.path == Path::Local;
            if is_local {
                self.local.count(segment.length);
            }
            if is_local && self.hand_over(now, &mut slot, &segment) {
                continue;
            }
            let data = slot.connection.payload(&segment);
            let header = &segment.header;
            match slot.path {
                Path::Local => slot.peer = self.input(now, header, data, slot.peer),
                path => {
                    let segment = (header, data, segment.size);
                    self.send(now, path, segment, slot.connection.settings());
                }
            }
        }
        self.connections.put(index, slot);
        self.notify_owner(now, index);
    }

    /// Has the peer on this machine take all that is queued with its memory, if that is
    /// what `segment` has and nothing is in the way. Whether it has.
    fn hand_over(&mut self, now: u64, slot: &mut Slot<H::Observer>, segment: &Outgoing) -> bool {
        let Some((id, peer)) = slot
            .peer
            .and_then(|id| Some((id, self.connections.get(id)?)))
        else {
            return false;
        };
        let knows = peer.is_known && !peer.is_on_its_way;
        if !(knows && peer.connection.take_over(&mut slot.connection, segment)) {
            return false;
        }
        let placed = Data::Placed(segment.length);
        let answer = peer.connection.on_segment(now, &segment.header, placed);
        debug_assert_eq!(answer, Answer::Nothing);
        slot.connection.handed_over(now, segment.length);
        self.wake(id.index);
        true
    }

    /// A segment has come for a connection of this stack, which is `known` if
    /// it is still there. Which one it was for.
    pub(super) fn input(
        &mut self,
        now: u64,
        header: &Header,
        data: Payload<'_>,
        known: Option<Id>,
    ) -> Option<Id> {
        let tuple = Tuple {
            local: header.to,
            remote: header.from,
        };
        let matches = |slot: &Slot<H::Observer>| slot.is_known;
        let known = known.filter(|&id| self.connections.get(id).is_some_and(|slot| matches(slot)));
        let id = known.or_else(|| self.table.get(&tuple).copied());
        let Some(id) = id else {
            self.input_to_none(now, &tuple, header, data);
            return None;
        };
        if self.is_held_up(now, id, header, data) {
            return Some(id);
        }
        let slot = self.connections.get(id)?;
        // Room was looked for at its listener: this one is counted there before another
        // segment comes.
        self.at_once |= slot.is_on_its_way;
        let answer = slot.connection.on_segment(now, header, Data::Bytes(data));
        // Others have its ends from now on.
        let state = slot.connection.state();
        self.at_once |= matches!(state, State::TimeWait | State::Closed);
        self.wake(id.index);
        match answer {
            Answer::Nothing => {}
            Answer::AtOnce => self.at_once = true,
            Answer::Reset => self.reset(now, header, data),
        }
        Some(id)
    }

    /// Whether a connection that would be established has to wait for room at
    /// its listener, or for data: the segment is dropped, and comes again.
    fn is_held_up(&mut self, now: u64, id: Id, header: &Header, data: Payload<'_>) -> bool {
        let Some(slot) = self.connections.get(id).filter(|slot| slot.is_on_its_way) else {
            return false;
        };
        let Some(listener) = slot.parent.and_then(|parent| self.listeners.get(parent)) else {
            // It listens no more.
            slot.connection.abort();
            self.wake(id.index);
            return true;
        };
        let from_wire = slot.path == Path::Link;
        let room = !listener.is_full(from_wire) && listener.ready.try_reserve(1).is_ok();
        let length = data.0.len() + data.1.len();
        let waits = slot.connection.is_deferred(now, header, length);
        waits || !room && !header.flags.contains(Flags::RST)
    }

    /// A segment for no connection: the beginning of one, or a mistake.
    fn input_to_none(&mut self, now: u64, tuple: &Tuple, header: &Header, data: Payload<'_>) {
        let length = data.0.len() + data.1.len();
        let mut after = None;
        match self.time_wait.on_segment(now, tuple, header, length) {
            Some(Late::Ignore) => return,
            Some(Late::Acknowledge(answer)) => return self.answer(now, &answer),
            Some(Late::Begin(first)) => after = Some(first),
            None => {}
        }
        let spread = self.keys.spread(tuple);
        let listener = self
            .ports
            .listener(tuple.local.addr, tuple.local.port, spread);
        let Some(listener) = listener else {
            return self.reset(now, header, data);
        };
        if header.flags.contains(Flags::RST) {
            return;
        }
        if header.flags.contains(Flags::ACK) {
            if !self.begin_by_cookie(now, listener, tuple, header, data) {
                self.reset(now, header, data);
            }
            return;
        }
        if header.flags.contains(Flags::SYN) {
            // Without room or memory the peer tries again.
            let _ = self.begin_or_remember(now, listener, tuple, header, after);
        }
    }

    /// A SYN has come for a listener, which keeps the beginning if it has room for it.
    fn begin_or_remember(
        &mut self,
        now: u64,
        parent: Id,
        tuple: &Tuple,
        syn: &Header,
        after: Option<Seq>,
    ) -> Option<()> {
        let (path, _) = self.route(tuple.remote).ok()?;
        match self.listeners.get(parent)?.takes_more(path == Path::Link) {
            true => self.begin_after(now, path, parent, tuple, syn, after),
            false if path == Path::Link => self.answer_with_cookie(now, parent, tuple, syn),
            false => None,
        }
    }

    /// A listener's connection begins, of whose ends one before is forgotten, which
    /// went on to `after`. `None` if it cannot now.
    fn begin_after(
        &mut self,
        now: u64,
        path: Path,
        parent: Id,
        tuple: &Tuple,
        syn: &Header,
        after: Option<Seq>,
    ) -> Option<()> {
        let first = after.map(|after| after.max(self.keys.first_number(tuple, now)));
        let id = self.begin(now, path, parent, (tuple, syn), first)?;
        if after.is_some() {
            self.forget_time_wait(tuple);
        }
        self.wake(id.index);
        Some(())
    }

    /// A listener's connection begins, with `first` as its first number if that is
    /// given. `None` if it cannot now.
    pub(super) fn begin(
        &mut self,
        now: u64,
        path: Path,
        parent: Id,
        (tuple, syn): (&Tuple, &Header),
        first: Option<Seq>,
    ) -> Option<Id> {
        let mut origin = self.origin(now, tuple, path);
        if let Some(first) = first {
            origin.iss = first;
        }
        let listener = self.listeners.get(parent)?;
        let charge = Charge::new(&listener.account, size_of::<Connection>()).ok()?;
        let connection = Connection::answer(origin, listener.settings, syn, now, charge);
        let mut slot = Slot::new(connection, path, None);
        (slot.parent, slot.is_on_its_way) = (Some(parent), true);
        let id = self.add(slot, *tuple).ok()?;
        if let Some(listener) = self.listeners.get(parent) {
            listener.on_their_way += 1;
        }
        Some(id)
    }

    /// Answers a segment that is for nobody.
    fn reset(&mut self, now: u64, header: &Header, data: Payload<'_>) {
        if let Some(reset) = header.reset(data.0.len() + data.1.len()) {
            self.answer(now, &reset);
        }
    }

    /// Sends a segment that is of no connection.
    fn answer(&mut self, now: u64, header: &Header) {
        match self.route(header.to) {
            Ok((Path::Local, _)) => {
                if self.bare.len() < MOST_BARE && self.bare.try_reserve(1).is_ok() {
                    self.bare.push(*header);
                }
            }
            Ok((path, _)) => self.send(now, path, (header, EMPTY, 0), &crate::Settings::default()),
            Err(_) => {}
        }
    }

    /// Tells the owner what is new, and sees to connections that have come or
    /// gone.
    fn notify_owner(&mut self, now: u64, index: u32) {
        let Some(slot) = self.connections.at(index) else {
            return;
        };
        let state = slot.connection.state();
        let news = slot.connection.take_news();
        if slot.is_on_its_way && state != State::SynReceived {
            self.arrive(index, state);
        } else if let Some(owner) = &slot.owner
            && !news.is_empty()
        {
            owner.changed(news);
        }
        if matches!(state, State::TimeWait | State::Closed) {
            self.forget(now, index, state);
        }
        self.set_deadline(index);
    }

    /// A connection has got to its listener, or has failed on the way.
    fn arrive(&mut self, index: u32, state: State) {
        let id = self.connections.id_at(index);
        let Some(slot) = self.connections.at(index) else {
            return;
        };
        slot.is_on_its_way = false;
        let parent = slot.parent.and_then(|parent| self.listeners.get(parent));
        let (Some(listener), Some(id)) = (parent, id) else {
            self.orphans += 1;
            return slot.connection.abandon(true, 0);
        };
        listener.on_their_way -= 1;
        if state == State::Closed {
            slot.parent = None;
            self.orphans += 1;
            return slot.connection.abandon(false, 0);
        }
        // Room was made before its last segment was let through.
        listener.ready.push_back(id);
        listener.owner.changed(Ready::IN);
    }

    /// A connection is over: its ends are free, or wait out their time.
    fn forget(&mut self, now: u64, index: u32, state: State) {
        let Some(slot) = self.connections.at(index) else {
            return;
        };
        let (tuple, shares) = (tuple_of(&slot.connection), slot.shares);
        if core::mem::take(&mut slot.is_known) {
            self.table.remove(&tuple);
            shrink(&mut self.table);
            let connection = &slot.connection;
            let waits = state == State::TimeWait
                && self.time_wait.add(
                    now,
                    tuple,
                    connection.ends(),
                    connection.told_window(),
                    shares,
                );
            if !waits {
                self.ports.remove_connection(tuple.local.port, shares);
            }
        }
        slot.connection.end_time_wait();
        if slot.connection.is_orphan() {
            self.deadlines.remove(index as usize);
            self.connections.remove(index);
            self.orphans -= 1;
            self.give_back_room();
        }
    }

    /// What a crowd of connections has needed goes once they have gone.
    fn give_back_room(&mut self) {
        let places = self.connections.places();
        if self.due.capacity() > 8 * places.max(LEAST_ROOM) {
            shrink_vec(&mut self.due, places);
            self.deadlines.shrink(places);
        }
    }

    fn set_deadline(&mut self, index: u32) {
        let Some(slot) = self.connections.at(index) else {
            return;
        };
        // Later ones are found when this one has come.
        let deadline = slot.connection.deadline();
        if deadline < slot.deadline {
            slot.deadline = deadline;
            self.deadlines.set(index as usize, deadline);
        }
    }
}

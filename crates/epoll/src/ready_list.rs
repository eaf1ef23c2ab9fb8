//! [`ReadyList`]: which entries of an epoll may have something to tell.
//!
//! Plain data in one array: putting an entry on the list, taking it off and
//! claiming the first one take the same time however many there are, and
//! allocate nothing.

use alloc::vec::Vec;

/// No place.
const END: u32 = u32::MAX;

/// An entry's place in the array, and which entry of those that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub place: u32,
    generation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody's; `next` is the next such place.
    Free,
    /// Off the list.
    Idle,
    /// On the list.
    Listed,
    /// On the list, and looked at by a wait.
    Claimed,
}

#[derive(Clone, Debug)]
pub struct Slot {
    generation: u32,
    state: State,
    /// How often it was put on the list, wrapping.
    news: u32,
    previous: u32,
    next: u32,
}

/// An entry as one looked at it: what has happened since shows.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    pub ticket: Ticket,
    news: u32,
}

/// What becomes of an entry after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It has more to tell: to the end of the list.
    Stay,
    /// Off the list, unless something has happened since the look.
    Leave,
}

#[derive(Debug)]
pub struct ReadyList {
    slots: Vec<Slot>,
    first_free: u32,
    head: u32,
    tail: u32,
    length: usize,
}

impl ReadyList {
    pub const fn new() -> ReadyList {
        ReadyList {
            slots: Vec::new(),
            first_free: END,
            head: END,
            tail: END,
            length: 0,
        }
    }

    /// How many are on the list.
    pub fn len(&self) -> usize {
        self.length
    }

    /// A place for an entry, off the list. `None` if there is none: then the
    /// array wants [room](Self::wanted_room).
    pub fn allot(&mut self) -> Option<Ticket> {
        let place = match self.first_free {
            END => {
                if self.slots.len() == self.slots.capacity() {
                    return None;
                }
                self.slots.push(Slot {
                    generation: 0,
                    state: State::Free,
                    news: 0,
                    previous: END,
                    next: END,
                });
                (self.slots.len() - 1) as u32
            }
            place => {
                self.first_free = self.slots[place as usize].next;
                place
            }
        };
        let slot = &mut self.slots[place as usize];
        slot.state = State::Idle;
        Some(Ticket {
            place,
            generation: slot.generation,
        })
    }

    /// How large an array to [move](Self::move_to) to.
    pub fn wanted_room(&self) -> usize {
        (self.slots.len() * 2).max(8)
    }

    /// Moves into an empty array with more capacity; gives back one that is to
    /// be dropped outside all locks.
    pub fn move_to(&mut self, mut roomy: Vec<Slot>) -> Vec<Slot> {
        if roomy.capacity() > self.slots.len() {
            roomy.append(&mut self.slots);
            core::mem::swap(&mut roomy, &mut self.slots);
        }
        roomy
    }

    /// Ends an entry: its ticket means nothing any more.
    pub fn retire(&mut self, ticket: Ticket) {
        let Some(slot) = self.slot(ticket) else {
            return;
        };
        if slot.state != State::Idle {
            self.unlink(ticket.place);
        }
        let first_free = self.first_free;
        let slot = &mut self.slots[ticket.place as usize];
        slot.state = State::Free;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = first_free;
        self.first_free = ticket.place;
    }

    /// Something has happened: puts the entry on the list, if it is not there.
    pub fn push(&mut self, ticket: Ticket) {
        let Some(slot) = self.slot(ticket) else {
            return;
        };
        slot.news = slot.news.wrapping_add(1);
        if slot.state == State::Idle {
            slot.state = State::Listed;
            self.link_last(ticket.place);
        }
    }

    /// Claims the first entry that nobody looks at.
    pub fn claim(&mut self) -> Option<Sight> {
        let place = self.first_unclaimed()?;
        self.slots[place as usize].state = State::Claimed;
        Some(self.sight(place))
    }

    /// Whether there is one to claim.
    pub fn has_unclaimed(&self) -> bool {
        self.first_unclaimed().is_some()
    }

    /// Passes over no more than there are waits under way.
    fn first_unclaimed(&self) -> Option<u32> {
        let mut place = self.head;
        while place != END {
            let slot = &self.slots[place as usize];
            if slot.state == State::Listed {
                return Some(place);
            }
            place = slot.next;
        }
        None
    }

    /// Ends a claim.
    pub fn finish(&mut self, sight: Sight, then: Then) {
        let Some(slot) = self.slot(sight.ticket) else {
            return;
        };
        if slot.state != State::Claimed {
            return;
        }
        let leaves = then == Then::Leave && slot.news == sight.news;
        slot.state = if leaves { State::Idle } else { State::Listed };
        self.unlink(sight.ticket.place);
        if !leaves {
            self.link_last(sight.ticket.place);
        }
    }

    /// The first entry, claimed or not.
    pub fn first(&self) -> Option<Sight> {
        (self.head != END).then(|| self.sight(self.head))
    }

    /// The one after `sight`, which if it has not more to tell than was seen
    /// goes off the list, unless a wait looks at it. The first one if `sight`
    /// went off meanwhile.
    pub fn pass_over(&mut self, sight: Sight) -> Option<Sight> {
        let place = sight.ticket.place;
        match self.slot(sight.ticket) {
            Some(slot) if matches!(slot.state, State::Listed | State::Claimed) => {
                let (state, news, next) = (slot.state, slot.news, slot.next);
                if state == State::Listed && news == sight.news {
                    self.slots[place as usize].state = State::Idle;
                    self.unlink(place);
                }
                (next != END).then(|| self.sight(next))
            }
            _ => self.first(),
        }
    }

    fn sight(&self, place: u32) -> Sight {
        let slot = &self.slots[place as usize];
        Sight {
            ticket: Ticket {
                place,
                generation: slot.generation,
            },
            news: slot.news,
        }
    }

    /// The slot of an entry that has not ended.
    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(ticket.place as usize)?;
        let is_its = slot.state != State::Free && slot.generation == ticket.generation;
        is_its.then_some(slot)
    }

    fn link_last(&mut self, place: u32) {
        let tail = core::mem::replace(&mut self.tail, place);
        let slot = &mut self.slots[place as usize];
        (slot.previous, slot.next) = (tail, END);
        match tail {
            END => self.head = place,
            tail => self.slots[tail as usize].next = place,
        }
        self.length += 1;
    }

    fn unlink(&mut self, place: u32) {
        let Slot { previous, next, .. } = self.slots[place as usize];
        match previous {
            END => self.head = next,
            previous => self.slots[previous as usize].next = next,
        }
        match next {
            END => self.tail = previous,
            next => self.slots[next as usize].previous = previous,
        }
        self.length -= 1;
    }
}

#[cfg(test)]
mod tests;

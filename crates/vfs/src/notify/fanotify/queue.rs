//! [`Queue`]: the events of a group, and the questions that it has read.

use super::event::Event;
use super::permission::{Answer, Question};
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_charge::{Account, Charge};

/// What an event counts for besides names.
const EVENT_BYTES: usize = 128;
/// What a queue counts for.
const QUEUE_BYTES: usize = 1024;
/// Events that a later one is compared with, the last ones.
const COMPARED: usize = 128;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Queued,
    /// One that waited tells of it as well.
    Merged,
    /// It is lost, and that is told.
    Lost,
    /// Nobody reads any more.
    Closed,
}

/// Events that wait. Plain data.
pub struct Queue {
    events: VecDeque<Event>,
    /// Whether that events were lost is among them.
    overflowed: bool,
    most: usize,
    /// Questions that were read, by the descriptors that went with them.
    asked: Vec<(i32, Arc<Question>)>,
    closed: bool,
    charge: Charge,
}

impl Queue {
    /// One of at most so many events, for which `account` pays. `ENOMEM`.
    pub fn new(account: &Arc<Account>, most: usize) -> Result<Queue> {
        let mut events = VecDeque::new();
        events.try_reserve(2).map_err(|_| Errno::ENOMEM)?;
        Ok(Queue {
            events,
            overflowed: false,
            most,
            asked: Vec::new(),
            closed: false,
            charge: Charge::new(account, QUEUE_BYTES)?,
        })
    }

    /// Puts an event at the end, or has one before tell of it. One that is not taken is
    /// left in `event`, for the caller to drop without the lock.
    pub fn push(&mut self, event: &mut Option<Event>) -> Pushed {
        let Some(new) = event.as_ref() else {
            return Pushed::Merged;
        };
        if self.closed {
            return Pushed::Closed;
        }
        if self.events.len() >= self.most {
            return self.lose();
        }
        let mut last = self.events.iter_mut().rev().take(COMPARED);
        if let Some(before) = last.find(|before| before.takes_in(new)) {
            before.mask |= new.mask;
            return Pushed::Merged;
        }
        // One more for what tells that events were lost.
        let room = self.events.try_reserve(2).is_ok();
        let bytes = self.charge.bytes() + EVENT_BYTES + new.bytes();
        if !room || self.charge.resize(bytes).is_err() {
            return self.lose();
        }
        self.events.extend(event.take());
        Pushed::Queued
    }

    /// An event is lost: that has a place besides.
    pub fn lose(&mut self) -> Pushed {
        if !self.overflowed && self.events.capacity() > self.events.len() {
            self.overflowed = true;
            self.events.push_back(Event::overflow());
        }
        Pushed::Lost
    }

    /// The first event, if one waits.
    pub fn first(&self) -> Option<&Event> {
        self.events.front()
    }

    /// Takes it out. `ENOMEM` if it is a question whose answer could not be awaited.
    pub fn take(&mut self) -> Result<Option<Event>> {
        if self.first().is_some_and(|event| event.question.is_some()) {
            self.asked.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        }
        let event = self.events.pop_front();
        if let Some(event) = &event {
            self.gone(event);
        }
        Ok(event)
    }

    fn gone(&mut self, event: &Event) {
        if event.mask.contains(super::Mask::Q_OVERFLOW) {
            self.overflowed = false;
            return;
        }
        let bytes = EVENT_BYTES + event.bytes();
        // Less always succeeds.
        let _ = self
            .charge
            .resize(self.charge.bytes().saturating_sub(bytes));
    }

    /// Takes a question out that nobody waits for any more.
    pub fn withdraw(&mut self, question: &Arc<Question>) -> Option<Event> {
        let is_its = |event: &Event| {
            let own = event.question.as_ref();
            own.is_some_and(|own| Arc::ptr_eq(own, question))
        };
        let at = self.events.iter().position(is_its)?;
        let event = self.events.remove(at)?;
        self.gone(&event);
        Some(event)
    }

    /// A question has been read, with a descriptor; `take` has made room for it.
    pub fn asked(&mut self, descriptor: i32, question: Arc<Question>) -> Result<()> {
        self.asked.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.asked.push((descriptor, question));
        Ok(())
    }

    /// Answers the first question that was read with a descriptor. `ENOENT`.
    pub fn answer(&mut self, descriptor: i32, answer: Answer) -> Result<Arc<Question>> {
        let mut all = self.asked.iter();
        let at = all.position(|(other, _)| *other == descriptor);
        let (_, question) = self.asked.remove(at.ok_or(Errno::ENOENT)?);
        question.answer(answer);
        Ok(question)
    }

    /// Nobody reads any more: all who wait may go on. What is left is the caller's to
    /// drop without the lock.
    pub fn close(&mut self) -> (VecDeque<Event>, Vec<(i32, Arc<Question>)>) {
        self.closed = true;
        let events = core::mem::take(&mut self.events);
        let asked = core::mem::take(&mut self.asked);
        let waiting = events.iter().filter_map(|event| event.question.as_ref());
        let read = asked.iter().map(|(_, question)| question);
        waiting
            .chain(read)
            .for_each(|question| question.answer(Answer::Allow));
        (events, asked)
    }

    /// How many events wait.
    pub fn count(&self) -> usize {
        self.events.len()
    }
}

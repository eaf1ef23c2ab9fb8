//! Models of an epoll: an event comes while a wait looks. Built with
//! `--cfg loom`; `cargo xtask test --only host` runs them.

#![cfg(loom)]

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use paddock_abi::Result;
use paddock_abi::uio::{EPOLLET, POLLIN};
use paddock_epoll::{Entry, Epoll, Interest, Source};
use paddock_sync::{NO_DEADLINE, Pollable, Ready, WaitQueue};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

struct Thing {
    /// Bytes to read.
    bytes: AtomicU32,
    queue: WaitQueue,
}

impl Pollable for Thing {
    fn ready(&self) -> Ready {
        match self.bytes.load(Ordering::SeqCst) {
            0 => Ready::empty(),
            _ => Ready::IN,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

impl Thing {
    fn new() -> Arc<Thing> {
        Arc::new(Thing {
            bytes: AtomicU32::new(0),
            queue: WaitQueue::new(),
        })
    }

    fn write(&self) {
        self.bytes.fetch_add(1, Ordering::SeqCst);
        self.queue.wake(Ready::IN);
    }
}

#[derive(Clone)]
struct Open(Arc<Thing>);

impl Source for Open {
    type Object = Thing;

    fn object(&self) -> &Arc<Thing> {
        &self.0
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn epoll(&self) -> Option<&Arc<Epoll<Open>>> {
        None
    }

    fn attach(&self, _: u64, _: Weak<Entry<Open>>) -> Result<()> {
        Ok(())
    }

    fn detach(&self, _: u64) {}
}

fn explore(name: &str, model: impl Fn() + Sync + Send + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 20_000;
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        paddock_sync::begin();
        model();
    });
    let executions = executions.load(std::sync::atomic::Ordering::Relaxed);
    println!("model epoll, {name}: {executions} executions (at most 3 preemptions)");
}

fn watching(thing: &Arc<Thing>, events: u32) -> Arc<Epoll<Open>> {
    let epoll = Epoll::new().unwrap();
    let interest = Interest { events, data: 0 };
    epoll.add(3, Open(thing.clone()), interest).unwrap();
    epoll
}

/// Waits for an event and takes all bytes; how many.
fn take(epoll: &Epoll<Open>, thing: &Thing) -> u32 {
    let mut events = Vec::with_capacity(1);
    epoll.wait(&mut events, NO_DEADLINE).unwrap();
    assert_eq!(events.len(), 1);
    thing.bytes.swap(0, Ordering::SeqCst)
}

#[test]
fn no_edge_is_lost() {
    explore("edges", || {
        let thing = Thing::new();
        let epoll = watching(&thing, POLLIN | EPOLLET);
        let other = thing.clone();
        let writer = thread::spawn(move || {
            other.write();
            other.write();
        });
        // However the edges are joined, all bytes are taken in the end.
        let mut taken = 0;
        while taken < 2 {
            taken += take(&epoll, &thing);
        }
        writer.join().unwrap();
    });
}

#[test]
fn what_comes_after_a_look_in_vain_is_not_lost() {
    explore("look in vain", || {
        let thing = Thing::new();
        let epoll = watching(&thing, POLLIN | EPOLLET);
        let other = thing.clone();
        let writer = thread::spawn(move || {
            // Somebody else has taken what this was about.
            other.queue.wake(Ready::IN);
            other.write();
        });
        assert_eq!(take(&epoll, &thing), 1);
        writer.join().unwrap();
    });
}

#[test]
fn what_lasts_reaches_both_who_wait() {
    explore("two waits", || {
        let thing = Thing::new();
        let epoll = watching(&thing, POLLIN);
        let (other, same) = (thing.clone(), epoll.clone());
        let waiter = thread::spawn(move || {
            let mut events = Vec::with_capacity(1);
            same.wait(&mut events, NO_DEADLINE).unwrap();
        });
        other.write();
        let mut events = Vec::with_capacity(1);
        epoll.wait(&mut events, NO_DEADLINE).unwrap();
        waiter.join().unwrap();
    });
}

#[test]
fn closing_while_an_event_comes() {
    explore("closing", || {
        let thing = Thing::new();
        let epoll = watching(&thing, POLLIN);
        let other = thing.clone();
        let writer = thread::spawn(move || other.write());
        epoll.remove(3, &Open(thing.clone())).unwrap();
        let mut events = Vec::with_capacity(1);
        epoll.collect(&mut events);
        assert!(events.is_empty());
        assert_eq!(epoll.ready(), Ready::empty());
        writer.join().unwrap();
        assert!(!thing.queue.has_waiters());
    });
}

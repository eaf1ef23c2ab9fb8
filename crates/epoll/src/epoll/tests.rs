use super::*;
use alloc::vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use paddock_abi::uio::*;
use paddock_sync::NO_DEADLINE;
use proptest::prelude::*;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Something that can be watched.
#[derive(Default)]
struct Thing {
    ready: AtomicU32,
    /// How often it was looked at.
    looks: AtomicUsize,
    queue: WaitQueue,
}

impl Pollable for Thing {
    fn ready(&self) -> Ready {
        self.looks.fetch_add(1, Relaxed);
        Ready::from_bits_truncate(self.ready.load(Relaxed))
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

impl Thing {
    fn set(&self, bits: u32) {
        self.ready.store(bits, Relaxed);
        self.queue.wake(Ready::from_bits_truncate(bits));
    }

    fn clear(&self) {
        self.ready.store(0, Relaxed);
    }

    fn looks(&self) -> usize {
        self.looks.swap(0, Relaxed)
    }
}

/// An open file: a thing or an epoll.
#[derive(Clone)]
struct Open(Arc<Inner>);

struct Inner {
    object: Arc<dyn Pollable>,
    epoll: Option<Arc<Epoll<Open>>>,
    watchers: Mutex<BTreeMap<u64, Weak<Entry<Open>>>>,
}

impl Open {
    fn thing(thing: &Arc<Thing>) -> Open {
        Self::of(thing.clone(), None)
    }

    fn nest(epoll: &Arc<Epoll<Open>>) -> Open {
        Self::of(epoll.clone(), Some(epoll.clone()))
    }

    fn of(object: Arc<dyn Pollable>, epoll: Option<Arc<Epoll<Open>>>) -> Open {
        let watchers = Mutex::default();
        Open(Arc::new(Inner {
            object,
            epoll,
            watchers,
        }))
    }

    fn watchers(&self) -> usize {
        self.0.watchers.lock().unwrap().len()
    }

    /// Its last descriptor is closed.
    fn close(&self) {
        let all = core::mem::take(&mut *self.0.watchers.lock().unwrap());
        all.values()
            .filter_map(Weak::upgrade)
            .for_each(|entry| entry.closed());
    }
}

impl Source for Open {
    type Object = dyn Pollable;

    fn object(&self) -> &Arc<dyn Pollable> {
        &self.0.object
    }

    fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn epoll(&self) -> Option<&Arc<Epoll<Open>>> {
        self.0.epoll.as_ref()
    }

    fn attach(&self, number: u64, entry: Weak<Entry<Open>>) -> Result<()> {
        self.0.watchers.lock().unwrap().insert(number, entry);
        Ok(())
    }

    fn detach(&self, number: u64) {
        self.0.watchers.lock().unwrap().remove(&number);
    }
}

fn awaiting(events: u32, data: u64) -> Interest {
    Interest { events, data }
}

/// An epoll that watches `count` things, called by their number.
fn watching(count: usize, events: u32) -> (Arc<Epoll<Open>>, Vec<Arc<Thing>>, Vec<Open>) {
    let epoll = Epoll::new().unwrap();
    let things: Vec<_> = (0..count).map(|_| Arc::new(Thing::default())).collect();
    let files: Vec<_> = things.iter().map(Open::thing).collect();
    for (number, file) in files.iter().enumerate() {
        let interest = awaiting(events, number as u64);
        epoll.add(number as i32, file.clone(), interest).unwrap();
    }
    (epoll, things, files)
}

/// At most `most` of what there is to tell, as data and events.
fn collect(epoll: &Epoll<Open>, most: usize) -> Vec<(u64, u32)> {
    let mut events = Vec::with_capacity(most);
    epoll.collect(&mut events);
    events
        .iter()
        .map(|event| (event.data, event.events))
        .collect()
}

#[test]
fn idle_ones_are_not_looked_at() {
    let (epoll, things, files) = watching(5_000, POLLIN);
    for thing in &things {
        thing.looks();
    }
    things[4_321].set(POLLIN);
    assert_eq!(collect(&epoll, 64), [(4_321, POLLIN)]);
    assert_eq!(collect(&epoll, 64), [(4_321, POLLIN)]);
    assert_eq!(epoll.ready(), Ready::IN);
    let looks: usize = things.iter().map(|thing| thing.looks()).sum();
    assert_eq!(looks, 3);
    things[4_321].clear();
    assert_eq!(epoll.ready(), Ready::empty());
    assert_eq!(collect(&epoll, 64), []);
    let looks: usize = things.iter().map(|thing| thing.looks()).sum();
    assert_eq!(looks, 1, "what is not ready is off the list");
    drop(files);
}

#[test]
fn an_edge_is_told_once_and_each_one_is() {
    let (epoll, things, _files) = watching(1, POLLIN | EPOLLET);
    things[0].set(POLLIN);
    assert_eq!(collect(&epoll, 8), [(0, POLLIN)]);
    assert_eq!(collect(&epoll, 8), []);
    // Room made by a reader is no news to it.
    things[0].queue.wake(Ready::OUT);
    assert_eq!(collect(&epoll, 8), []);
    things[0].set(POLLIN);
    assert_eq!(epoll.ready(), Ready::IN);
    assert_eq!(collect(&epoll, 8), [(0, POLLIN)]);
    assert_eq!(epoll.ready(), Ready::empty());
}

#[test]
fn one_shot_is_spent_until_it_is_set_again() {
    let (epoll, things, files) = watching(1, POLLIN | EPOLLONESHOT);
    things[0].set(POLLIN | POLLHUP);
    assert_eq!(collect(&epoll, 8), [(0, POLLIN | POLLHUP)]);
    things[0].set(POLLIN | POLLERR);
    assert_eq!(collect(&epoll, 8), []);
    let again = awaiting(POLLIN | EPOLLONESHOT, 9);
    epoll.modify(0, &files[0], again).unwrap();
    assert_eq!(collect(&epoll, 8), [(9, POLLIN | POLLERR)]);
}

#[test]
fn a_short_list_starves_none() {
    let (epoll, things, _files) = watching(10, POLLIN);
    things.iter().for_each(|thing| thing.set(POLLIN));
    let mut seen = [0; 10];
    for _ in 0..10 {
        for (number, _) in collect(&epoll, 3) {
            seen[number as usize] += 1;
        }
    }
    assert_eq!(seen, [3; 10]);
}

#[test]
fn closing_touches_the_epolls_that_watch() {
    let thing = Arc::new(Thing::default());
    let file = Open::thing(&thing);
    let epolls: Vec<_> = (0..3).map(|_| Epoll::new().unwrap()).collect();
    for epoll in &epolls[..2] {
        for fd in [4, 5] {
            epoll.add(fd, file.clone(), awaiting(POLLIN, 0)).unwrap();
        }
    }
    assert_eq!(
        epolls[0].add(4, file.clone(), awaiting(0, 0)),
        Err(Errno::EEXIST)
    );
    assert_eq!(file.watchers(), 4);
    epolls[0].remove(5, &file).unwrap();
    assert_eq!(epolls[0].remove(5, &file), Err(Errno::ENOENT));
    assert_eq!(
        epolls[0].modify(5, &file, awaiting(0, 0)),
        Err(Errno::ENOENT)
    );
    assert_eq!(file.watchers(), 3);
    file.close();
    assert!(epolls.iter().all(|epoll| epoll.is_empty()));
    assert!(!thing.queue.has_waiters());
    assert_eq!(Arc::strong_count(&file.0), 1);
}

#[test]
fn an_epoll_that_goes_leaves_nothing() {
    let (epoll, things, files) = watching(20, POLLIN);
    drop(epoll);
    assert!(files.iter().all(|file| file.watchers() == 0));
    assert!(things.iter().all(|thing| !thing.queue.has_waiters()));
}

fn epolls(count: usize) -> Vec<Arc<Epoll<Open>>> {
    (0..count).map(|_| Epoll::new().unwrap()).collect()
}

fn nest(outer: &Arc<Epoll<Open>>, inner: &Arc<Epoll<Open>>) -> Result<()> {
    outer.add(3, Open::nest(inner), awaiting(POLLIN, 0))
}

#[test]
fn nests_are_bounded_whichever_way_they_are_built() {
    let down = epolls(10);
    let deeper = |n: usize| nest(&down[n], &down[n + 1]);
    assert_eq!((0..9).position(|n| deeper(n).is_err()), Some(MAX_NESTS));
    let up = epolls(10);
    let higher = |n: usize| nest(&up[n + 1], &up[n]);
    assert_eq!((0..9).position(|n| higher(n).is_err()), Some(MAX_NESTS));
    let [left, right] = [epolls(3), epolls(4)];
    for chain in [&left[..], &right[..]] {
        chain
            .windows(2)
            .for_each(|pair| nest(&pair[0], &pair[1]).unwrap());
    }
    assert_eq!(nest(&left[2], &right[0]), Err(Errno::ELOOP), "2 + 1 + 3");
    assert_eq!(nest(&left[1], &right[1]), Ok(()), "1 + 1 + 2");
    assert_eq!(nest(&right[3], &left[0]), Err(Errno::ELOOP), "a circle");
}

use crate::MAX_NESTS;

#[test]
fn wide_nests_are_looked_at_once_each() {
    // 4 layers of 20, each epoll watching all below: 160,000 ways down.
    let layers: Vec<_> = (0..4).map(|_| epolls(20)).collect();
    for pair in layers.windows(2).rev() {
        for inner in &pair[1] {
            for outer in &pair[0] {
                let _ = outer.add(3, Open::nest(inner), awaiting(POLLIN, 0));
            }
        }
    }
    let top = Epoll::new().unwrap();
    let bottom = &layers[3][0];
    let result = nest(&top, bottom);
    assert!(matches!(result, Ok(()) | Err(Errno::EINVAL)), "{result:?}");
}

#[test]
fn an_event_comes_up_through_the_nest() {
    let (inner, things, _files) = watching(2, POLLIN);
    let outers = epolls(2);
    nest(&outers[1], &outers[0]).unwrap();
    nest(&outers[0], &inner).unwrap();
    assert_eq!(collect(&outers[1], 4), []);
    let outer = outers[1].clone();
    let waiter = thread::spawn(move || {
        let mut events = Vec::with_capacity(4);
        outer.wait(&mut events, NO_DEADLINE).unwrap();
        events.len()
    });
    thread::sleep(Duration::from_millis(20));
    things[1].set(POLLIN);
    assert_eq!(waiter.join().unwrap(), 1);
    assert_eq!(collect(&inner, 4), [(1, POLLIN)]);
    assert_eq!(outers[1].ready(), Ready::IN);
    things[1].clear();
    assert_eq!(outers[1].ready(), Ready::empty());
}

#[test]
fn of_exclusive_epolls_one_wakes() {
    let thing = Arc::new(Thing::default());
    let file = Open::thing(&thing);
    let interest = awaiting(POLLIN | EPOLLEXCLUSIVE | EPOLLET, 0);
    let epolls = epolls(4);
    for epoll in &epolls {
        epoll.add(3, file.clone(), interest).unwrap();
    }
    assert_eq!(
        epolls[0].modify(3, &file, awaiting(POLLIN, 0)),
        Err(Errno::EINVAL)
    );
    let woken = Arc::new(AtomicUsize::new(0));
    let waiters: Vec<_> = epolls
        .iter()
        .map(|epoll| {
            let (epoll, woken) = (epoll.clone(), woken.clone());
            thread::spawn(move || {
                let mut events = Vec::with_capacity(4);
                epoll.wait(&mut events, NO_DEADLINE).unwrap();
                woken.fetch_add(1, Relaxed);
            })
        })
        .collect();
    let all_wait = || epolls.iter().all(|epoll| epoll.inbox.waiters.has_waiters());
    while !all_wait() {
        thread::yield_now();
    }
    for count in 1..=4 {
        thing.set(POLLIN);
        while woken.load(Relaxed) < count {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(20));
        assert_eq!(woken.load(Relaxed), count);
    }
    waiters
        .into_iter()
        .for_each(|waiter| waiter.join().unwrap());
}

#[derive(Clone, Debug)]
enum Step {
    Set(usize, u32),
    Clear(usize),
    Add(usize, u32),
    Remove(usize),
    Modify(usize, u32),
    Close(usize),
    Collect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let events = prop_oneof![
        Just(POLLIN),
        Just(POLLOUT),
        Just(POLLIN | POLLOUT),
        Just(0),
        Just(POLLIN | EPOLLONESHOT)
    ];
    let bits = prop_oneof![Just(POLLIN), Just(POLLOUT), Just(POLLHUP)];
    prop_oneof![
        4 => (0..6usize, bits).prop_map(|(n, bits)| Step::Set(n, bits)),
        2 => (0..6usize).prop_map(Step::Clear),
        3 => (0..6usize, events.clone()).prop_map(|(n, events)| Step::Add(n, events)),
        1 => (0..6usize).prop_map(Step::Remove),
        1 => (0..6usize, events).prop_map(|(n, events)| Step::Modify(n, events)),
        1 => (0..6usize).prop_map(Step::Close),
        4 => (1..8usize).prop_map(Step::Collect),
    ]
}

proptest! {
    /// A wait tells exactly what looking at all would tell.
    #[test]
    fn as_if_all_were_looked_at(steps in proptest::collection::vec(step(), 1..80)) {
        let epoll = Epoll::new().unwrap();
        let things: Vec<_> = (0..6).map(|_| Arc::new(Thing::default())).collect();
        let files: Vec<_> = things.iter().map(Open::thing).collect();
        let mut interests: Vec<Option<Interest>> = vec![None; 6];
        for step in steps {
            match step {
                Step::Set(n, bits) => things[n].set(bits),
                Step::Clear(n) => things[n].clear(),
                Step::Add(n, events) => {
                    let interest = awaiting(events, n as u64);
                    let added = epoll.add(n as i32, files[n].clone(), interest);
                    prop_assert_eq!(added.is_ok(), interests[n].is_none());
                    interests[n].get_or_insert(interest);
                }
                Step::Remove(n) => {
                    let removed = epoll.remove(n as i32, &files[n]);
                    prop_assert_eq!(removed.is_ok(), interests[n].take().is_some());
                }
                Step::Modify(n, events) => {
                    let interest = awaiting(events, n as u64);
                    let changed = epoll.modify(n as i32, &files[n], interest);
                    prop_assert_eq!(changed.is_ok(), interests[n].is_some());
                    interests[n] = interests[n].map(|_| interest);
                }
                Step::Close(n) => {
                    files[n].close();
                    interests[n] = None;
                }
                Step::Collect(most) => {
                    let told = |n: usize| {
                        let ready = Ready::from_bits_truncate(things[n].ready.load(Relaxed));
                        interests[n].map_or(0, |interest| interest.told_of(ready))
                    };
                    let expected: Vec<_> = (0..6)
                        .filter(|&n| told(n) != 0)
                        .map(|n| (n as u64, told(n)))
                        .collect();
                    prop_assert_eq!(epoll.ready() == Ready::IN, !expected.is_empty());
                    let mut found = collect(&epoll, most);
                    for &(n, _) in &found {
                        let interest = interests[n as usize].as_mut().unwrap();
                        if interest.is_one_shot() {
                            *interest = interest.spent();
                        }
                    }
                    found.sort();
                    prop_assert_eq!(found.len(), expected.len().min(most));
                    prop_assert!(found.iter().all(|one| expected.contains(one)));
                }
            }
        }
    }
}

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

#[test]
fn a_waiter_sees_what_was_set_before_the_wake_up() {
    let shared = Arc::new((AtomicU32::new(0), WaitQueue::new()));
    let other = shared.clone();
    let waiter = thread::spawn(move || {
        other
            .1
            .wait_until(|| (other.0.load(Ordering::SeqCst) == 3).then_some(3))
    });
    for _ in 0..3 {
        shared.0.fetch_add(1, Ordering::SeqCst);
        shared.1.wake_all();
    }
    assert_eq!(waiter.join().unwrap(), 3);
    assert!(!shared.1.has_waiters());
}

#[test]
fn a_deadline_ends_the_wait() {
    let queue = WaitQueue::new();
    let result = queue.wait_interruptible(platform::now() + 1_000_000, || None::<()>);
    assert_eq!(result, Err(WaitError::TimedOut));
    assert!(!queue.has_waiters());
}

#[test]
fn a_dropped_registration_is_not_woken() {
    let queue = WaitQueue::new();
    let waker = platform::current_waker();
    drop(queue.register(&waker).unwrap());
    assert!(!queue.wake_one());
    let kept = queue.register(&waker).unwrap();
    assert!(queue.wake_one());
    assert!(!queue.wake_one());
    kept.renew(&waker);
    assert!(queue.wake_one());
}

/// Counts what it is told; of use if it says so.
struct Told(AtomicU32, bool);

impl Watch for Told {
    fn notify(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1
    }
}

struct Thing(WaitQueue);

impl crate::Pollable for Thing {
    fn ready(&self) -> Ready {
        Ready::empty()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0)
    }
}

/// Something that is watched for `events` each, and what is told.
fn watched(
    thing: &Arc<Thing>,
    events: Ready,
    exclusive: bool,
    of_use: bool,
) -> (Arc<Told>, OwnedRegistration<Thing>) {
    let told = Arc::new(Told(AtomicU32::new(0), of_use));
    let watch = OwnedRegistration::watching(thing.clone(), told.clone(), events, exclusive);
    (told, watch.unwrap().unwrap())
}

fn counts(all: &[(Arc<Told>, OwnedRegistration<Thing>)]) -> Vec<u32> {
    let count = |(told, _): &(Arc<Told>, _)| told.0.load(Ordering::SeqCst);
    all.iter().map(count).collect()
}

#[test]
fn only_who_awaits_a_change_is_told() {
    let thing = Arc::new(Thing(WaitQueue::new()));
    let all: Vec<_> = (0..40)
        .map(|n| {
            watched(
                &thing,
                if n % 2 == 0 { Ready::IN } else { Ready::OUT },
                false,
                true,
            )
        })
        .collect();
    thing.0.wake(Ready::IN | Ready::HUP);
    let expected: Vec<_> = (0..40).map(|n| u32::from(n % 2 == 0)).collect();
    assert_eq!(counts(&all), expected);
    // Told once for each time that it joins.
    thing.0.wake(Ready::IN);
    assert_eq!(counts(&all), expected);
    thing.0.wake_all();
    assert_eq!(counts(&all), [1; 40]);
    assert!(!thing.0.has_waiters());
}

#[test]
fn of_exclusive_ones_one_is_told_who_can_use_it() {
    let thing = Arc::new(Thing(WaitQueue::new()));
    let mut all = vec![
        watched(&thing, Ready::IN, true, false),
        watched(&thing, Ready::IN, true, true),
        watched(&thing, Ready::IN, true, true),
        watched(&thing, Ready::IN, false, true),
    ];
    thing.0.wake(Ready::OUT);
    assert_eq!(counts(&all), [0, 0, 0, 0]);
    thing.0.wake(Ready::IN);
    assert_eq!(counts(&all), [1, 1, 0, 1]);
    // The one that was chosen goes before it has looked: another is told.
    drop(all.remove(1));
    assert_eq!(counts(&all), [1, 1, 1]);
    let (told, registration) = &all[1];
    let watch: Arc<dyn Watch> = told.clone();
    registration.watch_again(&watch, Ready::IN);
    thing.0.wake_all();
    assert_eq!(counts(&all), [1, 2, 1]);
}

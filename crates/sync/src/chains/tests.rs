//! Hand-over, lending and reports, on threads of the host.

use crate::{Context, Mutex, Rank, RwLock, SpinLock, host, platform};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

/// A thread of some priority whose context others can look at.
fn spawn<T: Send + 'static>(
    priority: u8,
    body: impl FnOnce() -> T + Send + 'static,
) -> (&'static Context, JoinHandle<T>) {
    let (send, receive) = mpsc::channel();
    let handle = thread::spawn(move || {
        platform::context().set_base_priority(priority);
        send.send(platform::context()).unwrap();
        body()
    });
    (receive.recv().unwrap(), handle)
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Until the thread has queued up for the lock.
fn queued<T>(context: &Context, lock: &Mutex<T>) {
    let address = lock.meta().record().address();
    wait_until(|| {
        context
            .waiting_for()
            .is_some_and(|(wanted, _)| wanted.address() == address && !wanted.holder().is_null())
    });
}

fn mutex<T>(value: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(Rank::Inode, value))
}

#[test]
fn a_waiter_lends_its_priority_until_the_release() {
    platform::context().set_base_priority(5);
    let lock = mutex(());
    let guard = lock.lock();
    let other = lock.clone();
    let (waiter, handle) = spawn(2, move || {
        drop(other.lock());
        platform::context().priority()
    });
    queued(waiter, &lock);
    assert_eq!(platform::context().priority(), 2);
    drop(guard);
    assert_eq!(platform::context().priority(), 5);
    assert_eq!(handle.join().unwrap(), 2);
}

#[test]
fn what_is_lent_goes_along_the_chain_and_back() {
    platform::context().set_base_priority(7);
    let (first, second) = (mutex(()), mutex(()));
    let first_guard = first.lock();
    let (a, b) = (first.clone(), second.clone());
    let (middle, middle_handle) = spawn(6, move || {
        let _second = b.lock();
        drop(a.lock());
        platform::context().priority()
    });
    queued(middle, &first);
    assert_eq!(platform::context().priority(), 6);
    let b = second.clone();
    let (urgent, urgent_handle) = spawn(1, move || drop(b.lock()));
    queued(urgent, &second);
    assert_eq!(middle.priority(), 1);
    assert_eq!(platform::context().priority(), 1);
    drop(first_guard);
    assert_eq!(platform::context().priority(), 7);
    assert_eq!(middle_handle.join().unwrap(), 1, "still held the second");
    urgent_handle.join().unwrap();
}

#[test]
fn what_another_lock_lends_stays_after_a_release() {
    platform::context().set_base_priority(9);
    let (first, second) = (mutex(()), mutex(()));
    let (first_guard, second_guard) = (first.lock(), second.lock());
    let (a, b) = (first.clone(), second.clone());
    let (one, one_handle) = spawn(3, move || drop(a.lock()));
    let (two, two_handle) = spawn(1, move || drop(b.lock()));
    queued(one, &first);
    queued(two, &second);
    assert_eq!(platform::context().priority(), 1);
    drop(second_guard);
    assert_eq!(platform::context().priority(), 3);
    drop(first_guard);
    assert_eq!(platform::context().priority(), 9);
    one_handle.join().unwrap();
    two_handle.join().unwrap();
}

#[test]
fn the_most_urgent_is_first_and_equals_take_turns() {
    let lock = mutex(Vec::new());
    let guard = lock.lock();
    let threads: Vec<_> = [(4, 'a'), (6, 'b'), (4, 'c'), (2, 'd')]
        .into_iter()
        .map(|(priority, name)| {
            let other = lock.clone();
            let (context, handle) = spawn(priority, move || other.lock().push(name));
            queued(context, &lock);
            handle
        })
        .collect();
    drop(guard);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(*lock.lock(), ['d', 'a', 'c', 'b']);
}

#[test]
fn a_waiter_is_passed_over_once_at_most() {
    for _ in 0..200 {
        let lock = mutex(0);
        let guard = lock.lock();
        let other = lock.clone();
        let (waiter, handle) = spawn(0, move || *other.lock() += 1);
        queued(waiter, &lock);
        drop(guard);
        drop(lock.lock());
        assert_eq!(*lock.lock(), 1);
        handle.join().unwrap();
    }
}

#[test]
fn the_least_urgent_does_not_starve() {
    let lock = mutex(false);
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let guard = lock.lock();
    let urgent: Vec<_> = (0..3)
        .map(|_| {
            let (lock, stop) = (lock.clone(), stop.clone());
            spawn(0, move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(lock.lock());
                }
            })
        })
        .collect();
    let other = lock.clone();
    let (patient, handle) = spawn(9, move || *other.lock() = true);
    urgent
        .iter()
        .for_each(|(context, _)| queued(context, &lock));
    queued(patient, &lock);
    drop(guard);
    handle.join().unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    urgent
        .into_iter()
        .for_each(|(_, handle)| handle.join().unwrap());
    assert!(*lock.lock());
}

#[test]
fn a_deadlock_names_the_whole_circle() {
    let (first, second) = (mutex(()), mutex(()));
    let first_guard = first.lock();
    let (a, b) = (first.clone(), second.clone());
    let (other, handle) = spawn(0, move || {
        let _second = b.lock();
        drop(a.lock());
    });
    queued(other, &first);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(second.lock()))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("deadlock at crates/sync/src/chains/tests.rs"));
    let own = format!("context {:p} waits", platform::context());
    assert!(text.contains(&own), "{text}");
    assert!(text.contains(&format!("context {other:p} waits")), "{text}");
    // The wait was given up, so the circle is open again.
    assert!(platform::context().waiting_for().is_none());
    drop(first_guard);
    handle.join().unwrap();
}

#[test]
fn a_circle_through_a_reader_is_found() {
    let table = Arc::new(RwLock::new(Rank::Inode, ()));
    let lock = mutex(());
    let reading = table.read();
    let (a, b) = (table.clone(), lock.clone());
    let (other, handle) = spawn(0, move || {
        let _guard = b.lock();
        drop(a.write());
    });
    wait_until(|| other.waiting_for().is_some());
    let panic = catch_unwind(AssertUnwindSafe(|| drop(lock.lock()))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("deadlock"), "{text}");
    drop(reading);
    handle.join().unwrap();
}

#[test]
fn a_writer_lends_to_the_readers() {
    platform::context().set_base_priority(4);
    let table = Arc::new(RwLock::new(Rank::MountTable, 0));
    let reading = table.read();
    let other = table.clone();
    let (writer, handle) = spawn(1, move || *other.write() += 1);
    wait_until(|| writer.waiting_for().is_some() && platform::context().priority() == 1);
    let other = table.clone();
    let (reader, reader_handle) = spawn(1, move || *other.read());
    wait_until(|| reader.waiting_for().is_some());
    drop(reading);
    assert_eq!(platform::context().priority(), 4);
    handle.join().unwrap();
    assert_eq!(reader_handle.join().unwrap(), 1, "came after the writer");
}

#[test]
fn a_long_wait_reports_itself_again_and_again() {
    let lock = mutex(());
    let guard = lock.lock();
    let other = lock.clone();
    let (waiter, handle) = spawn(0, move || {
        drop(other.lock());
        host::stalls()
    });
    queued(waiter, &lock);
    let (_, since) = waiter.waiting_for().unwrap();
    wait_until(|| platform::now() > since + 5 * platform::stalled_after());
    drop(guard);
    assert!(handle.join().unwrap() >= 2);
}

#[test]
fn the_holder_of_a_contended_lock_is_known() {
    let lock = mutex(());
    let line = line!() + 1;
    let guard = lock.lock();
    let other = lock.clone();
    let (waiter, handle) = spawn(0, move || drop(other.lock()));
    queued(waiter, &lock);
    let (wanted, _) = waiter.waiting_for().unwrap();
    assert!(std::ptr::eq(wanted.holder(), platform::context()));
    assert_eq!(wanted.taken_at().unwrap().line(), line);
    assert_eq!((wanted.rank(), wanted.name()), (Rank::Inode, "Inode"));
    let held: Vec<_> = platform::context().held().collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].address(), wanted.address());
    assert_eq!(held[0].taken_at().unwrap().line(), line);
    drop(guard);
    handle.join().unwrap();
    assert_eq!(platform::context().held().count(), 0);
}

#[test]
#[should_panic(expected = "lock Filesystem taken again")]
fn recursion_is_told_from_order() {
    let lock = Mutex::new(Rank::Filesystem, ());
    let _once = lock.lock();
    let _twice = lock.lock();
}

#[test]
#[should_panic(expected = "lock Inode taken again")]
fn recursion_of_a_rank_that_nests_is_reported_before_it_hangs() {
    let lock = Mutex::new(Rank::Inode, ());
    let _once = lock.lock();
    let _twice = lock.lock();
}

#[test]
#[should_panic(expected = "lock Leaf taken again")]
fn recursion_of_a_spin_lock_is_reported_before_it_hangs() {
    let lock: SpinLock<()> = SpinLock::new(Rank::Leaf, ());
    let _once = lock.lock();
    let _twice = lock.lock();
}

#[test]
fn whoever_is_hastened_goes_first_in_the_line() {
    platform::context().set_base_priority(1);
    let lock = mutex(Vec::new());
    let guard = lock.lock();
    let waiters = [(5, "first"), (6, "hastened")].map(|(priority, name)| {
        let other = lock.clone();
        let (context, handle) = spawn(priority, move || other.lock().push(name));
        queued(context, &lock);
        (context, handle)
    });
    let (hastened, _) = &waiters[1];
    crate::hasten(hastened, 2);
    assert_eq!(hastened.priority(), 2);
    // Less urgent is no haste.
    crate::hasten(hastened, 4);
    assert_eq!(hastened.priority(), 2);
    drop(guard);
    for (_, handle) in waiters {
        handle.join().unwrap();
    }
    assert_eq!(*lock.lock(), ["hastened", "first"]);
}

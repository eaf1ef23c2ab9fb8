//! epoll(7): what is news, whom it is for, and how deep epolls may nest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{Outcome, close};
use crate::report::Report;
use crate::sys::{self, Errno, call};

const IN: i32 = libc::EPOLLIN;
const OUT: i32 = libc::EPOLLOUT;
const EDGE: i32 = libc::EPOLLET;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    errors(report)?;
    edges(report)?;
    one_shot(report)?;
    fair(report)?;
    closing(report)?;
    exclusive(report)?;
    one_thread(report)?;
    nests(report)?;
    ways_up(report)
}

fn fresh() -> Result<i32, Errno> {
    call!(libc::epoll_create1(libc::EPOLL_CLOEXEC))
}

fn control(epoll: i32, operation: i32, fd: i32, events: i32) -> Result<i32, Errno> {
    let mut event = libc::epoll_event {
        events: events.cast_unsigned(),
        u64: u64::from(fd.unsigned_abs()),
    };
    call!(libc::epoll_ctl(epoll, operation, fd, &mut event))
}

fn add(epoll: i32, fd: i32, events: i32) -> Result<i32, Errno> {
    control(epoll, libc::EPOLL_CTL_ADD, fd, events)
}

fn modify(epoll: i32, fd: i32, events: i32) -> Result<i32, Errno> {
    control(epoll, libc::EPOLL_CTL_MOD, fd, events)
}

/// At most `most` of what there is, as descriptors and events.
fn events(epoll: i32, most: usize, ms: i32) -> Result<Vec<(i32, i32)>, Errno> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; most];
    let room = i32::try_from(most).unwrap_or(i32::MAX);
    let count = call!(libc::epoll_wait(epoll, events.as_mut_ptr(), room, ms))?;
    events.truncate(count.unsigned_abs() as usize);
    let pair = |event: &libc::epoll_event| (event.u64 as i32, event.events.cast_signed());
    Ok(events.iter().map(pair).collect())
}

/// What there is of one descriptor, at once.
fn now(epoll: i32) -> Result<i32, Errno> {
    Ok(events(epoll, 1, 0)?.first().map_or(0, |event| event.1))
}

fn errors(report: &mut Report) -> Outcome {
    let (epoll, other) = (fresh()?, fresh()?);
    let [reader, writer] = sys::pipe()?;
    let exclusive = libc::EPOLLEXCLUSIVE | IN;
    let unreadable = std::ptr::without_provenance_mut(8);
    let no_event = call!(libc::epoll_ctl(900, libc::EPOLL_CTL_ADD, 900, unreadable));
    let twice = add(epoll, reader, exclusive).and_then(|_| add(epoll, reader, IN));
    let rules = [
        ("a bad event before a bad epoll", no_event, libc::EFAULT),
        ("no epoll", add(reader, writer, IN), libc::EINVAL),
        ("itself", add(epoll, epoll, IN), libc::EINVAL),
        ("twice", twice, libc::EEXIST),
        (
            "exclusive on an epoll",
            add(epoll, other, exclusive),
            libc::EINVAL,
        ),
        (
            "exclusive once",
            add(epoll, writer, exclusive | libc::EPOLLONESHOT),
            libc::EINVAL,
        ),
        (
            "exclusive is not changed",
            modify(epoll, reader, IN),
            libc::EINVAL,
        ),
        (
            "nor made so",
            modify(epoll, writer, exclusive),
            libc::EINVAL,
        ),
        ("not there", modify(epoll, writer, IN), libc::ENOENT),
        (
            "not there either",
            control(epoll, libc::EPOLL_CTL_DEL, writer, 0),
            libc::ENOENT,
        ),
        ("no operation", control(epoll, 77, writer, 0), libc::EINVAL),
    ];
    for (name, found, expected) in rules {
        report.refused(name, found, expected);
    }
    close(&[epoll, other, reader, writer])
}

/// An edge is what happens, not what is.
fn edges(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let epoll = fresh()?;
    add(epoll, reader, IN | EDGE)?;
    report.same("nothing yet", now(epoll), Ok(0));
    sys::write_all(writer, b"ten bytes!")?;
    report.same("an edge", now(epoll), Ok(IN));
    report.same("once", now(epoll), Ok(0));
    sys::read(reader, &mut [0; 4])?;
    report.same("reading some is none", now(epoll), Ok(0));
    sys::write_all(writer, b"more")?;
    report.same("more is one", now(epoll), Ok(IN));
    modify(epoll, reader, IN | EDGE)?;
    report.same("asking again is one", now(epoll), Ok(IN));
    sys::close(writer)?;
    let end = Ok(IN | libc::EPOLLHUP);
    report.same("the end is one", now(epoll), end);
    close(&[epoll, reader])?;

    let mut pair = [0; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    call!(libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()))?;
    let [one, other] = pair;
    let epoll = fresh()?;
    add(epoll, one, IN | OUT | EDGE)?;
    report.same("room is there from the start", now(epoll), Ok(OUT));
    sys::write_all(other, b"x")?;
    report.same("both are told", now(epoll), Ok(IN | OUT));
    sys::write_all(one, b"y")?;
    report.same("writing is no edge", now(epoll), Ok(0));
    close(&[epoll, one, other])?;

    let counter = call!(libc::eventfd(0, 0))?;
    let epoll = fresh()?;
    add(epoll, counter, IN | EDGE)?;
    for _ in 0..3 {
        sys::write_all(counter, &1u64.to_ne_bytes())?;
        report.same("each count is an edge", now(epoll), Ok(IN));
    }
    sys::read(counter, &mut [0; 8])?;
    report.same("taking it is none", now(epoll), Ok(0));
    close(&[epoll, counter])
}

fn one_shot(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let epoll = fresh()?;
    add(epoll, reader, IN | libc::EPOLLONESHOT)?;
    sys::write_all(writer, b"x")?;
    report.same("one shot", now(epoll), Ok(IN));
    sys::write_all(writer, b"x")?;
    report.same("is all", now(epoll), Ok(0));
    sys::close(writer)?;
    report.same("not even the end", now(epoll), Ok(0));
    modify(epoll, reader, IN | libc::EPOLLONESHOT)?;
    report.same("until asked again", now(epoll), Ok(IN | libc::EPOLLHUP));
    close(&[epoll, reader])
}

/// A short list of events comes round to all.
fn fair(report: &mut Report) -> Outcome {
    let epoll = fresh()?;
    let mut all = vec![epoll];
    for _ in 0..10 {
        let counter = call!(libc::eventfd(1, 0))?;
        add(epoll, counter, IN)?;
        all.push(counter);
    }
    let mut seen: Vec<i32> = Vec::new();
    for _ in 0..5 {
        seen.extend(events(epoll, 2, 0)?.iter().map(|event| event.0));
    }
    seen.sort_unstable();
    report.same("each has its turn", &seen[..], &all[1..]);
    report.same("a long list has all", events(epoll, 64, 0)?.len(), 10);
    close(&all)
}

/// A file that is closed is watched no longer; a copy of it keeps it.
fn closing(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let copy = call!(libc::dup(reader))?;
    let (one, two) = (fresh()?, fresh()?);
    add(one, reader, IN)?;
    add(two, reader, IN)?;
    sys::write_all(writer, b"x")?;
    sys::close(reader)?;
    report.same("a copy is open", now(one), Ok(IN));
    sys::close(copy)?;
    report.same("none is", now(one), Ok(0));
    report.same("nor elsewhere", now(two), Ok(0));
    let again = call!(libc::eventfd(1, 0))?;
    report.same("the number comes again", again, reader);
    report.refused("as another file", modify(one, again, IN), libc::ENOENT);
    add(one, again, IN)?;
    report.same("to be watched anew", now(one), Ok(IN));
    close(&[one, two, writer, again])
}

/// Waits until `count` has come to `enough`, and a little for more.
fn settled(count: &AtomicUsize, enough: usize) -> usize {
    let end = Instant::now() + Duration::from_secs(20);
    while count.load(Ordering::SeqCst) < enough && Instant::now() < end {
        sys::sleep_ms(1);
    }
    sys::sleep_ms(50);
    count.load(Ordering::SeqCst)
}

/// Waits for one event in each of `epolls`, in a thread each; counts them.
fn threads(epolls: &[i32]) -> Result<(Vec<thread::JoinHandle<bool>>, Arc<AtomicUsize>), Errno> {
    let count = Arc::new(AtomicUsize::new(0));
    let (ids, begun) = mpsc::channel();
    let spawn = |&epoll: &i32| {
        let (count, ids) = (count.clone(), ids.clone());
        thread::spawn(move || {
            let _ = ids.send(sys::tid());
            drop(ids);
            let found = events(epoll, 4, 60_000);
            count.fetch_add(1, Ordering::SeqCst);
            found.is_ok_and(|found| found.len() == 1)
        })
    };
    let threads = epolls.iter().map(spawn).collect();
    drop(ids);
    let ids: Vec<i32> = begun.iter().collect();
    // One that has only begun may sleep for another reason, but not for long.
    sys::sleep_ms(100);
    ids.iter().try_for_each(|&id| sys::until_asleep(id))?;
    Ok((threads, count))
}

fn exclusive(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let epolls = [fresh()?, fresh()?, fresh()?];
    for epoll in epolls {
        add(epoll, reader, IN | EDGE | libc::EPOLLEXCLUSIVE)?;
    }
    let (threads, count) = threads(&epolls)?;
    for turn in 1..=3 {
        sys::write_all(writer, b"x")?;
        report.same("one of three is woken", settled(&count, turn), turn);
    }
    let all = threads
        .into_iter()
        .all(|thread| thread.join().unwrap_or(false));
    report.check("each with an event", all);
    close(&epolls)?;
    close(&[reader, writer])
}

/// An edge is for one of those that wait for the same epoll.
fn one_thread(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let epoll = fresh()?;
    add(epoll, reader, IN | EDGE)?;
    let (threads, count) = threads(&[epoll; 3])?;
    for turn in 1..=3 {
        sys::write_all(writer, b"x")?;
        report.same("one thread is woken", settled(&count, turn), turn);
    }
    let all = threads
        .into_iter()
        .all(|thread| thread.join().unwrap_or(false));
    report.check("each for an edge", all);
    close(&[epoll, reader, writer])
}

fn nests(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let mut chain = vec![fresh()?];
    add(chain[0], reader, IN)?;
    let refused = loop {
        let next = fresh()?;
        let inner = chain[chain.len() - 1];
        chain.push(next);
        match add(next, inner, IN) {
            Ok(_) if chain.len() < 20 => {}
            result => break result,
        }
    };
    report.refused("not for ever deeper", refused, libc::ELOOP);
    let nested = chain.len() - 1;
    report.check("but five deep", (5..=6).contains(&nested));
    let outer = chain[nested - 1];
    report.same("quiet", now(outer), Ok(0));
    let thread = thread::spawn(move || {
        sys::sleep_ms(30);
        sys::write(writer, b"x").map(|_| writer)
    });
    let found = events(outer, 1, 20_000)?;
    report.same("an event comes up", found.len(), 1);
    sys::read(reader, &mut [0; 1])?;
    report.same("and is over", now(outer), Ok(0));
    let writer = thread.join().map_err(|_| "a thread failed")??;
    report.refused("a ring", add(chain[0], chain[2], IN), libc::ELOOP);
    close(&chain)?;
    close(&[reader, writer])
}

/// An edge-triggered outer epoll tells of each event below.
fn ways_up(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let (inner, outer, other) = (fresh()?, fresh()?, fresh()?);
    add(inner, reader, IN)?;
    add(outer, inner, IN | EDGE)?;
    add(other, inner, IN)?;
    for _ in 0..2 {
        sys::write_all(writer, b"x")?;
        report.same("an edge from below", now(outer), Ok(IN));
        report.same("told once", now(outer), Ok(0));
        report.same("and to the other", now(other), Ok(IN));
        report.same("which lasts", now(other), Ok(IN));
    }
    close(&[inner, outer, other, reader, writer])
}

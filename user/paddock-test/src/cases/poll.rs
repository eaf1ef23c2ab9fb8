//! poll over everything that can be waited for.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};

const IN: i16 = libc::POLLIN;
const OUT: i16 = libc::POLLOUT;
const HUP: i16 = libc::POLLHUP;
const ERR: i16 = libc::POLLERR;

/// How late a wait may end: this is about whether it does, on a machine that may
/// have much else to do.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one file is ready for, at once.
fn ready(fd: i32) -> Result<i16, Errno> {
    poll(fd, IN | OUT, 0).map(|(_, ready)| ready)
}

fn poll(fd: i32, events: i16, ms: i32) -> Result<(i32, i16), Errno> {
    let mut one = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    let count = call!(libc::poll(&mut one, 1, ms))?;
    Ok((count, one.revents))
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    pipes(report)?;
    others(report)?;
    sockets(report).map_err(|error| error.to_string())?;
    time(report)?;
    edges(report)?;
    datagram_edges(report).map_err(|error| error.to_string())?;
    nests(report)?;
    full_counter(report)?;
    woken(report)
}

/// A counter that is ready for one more, but not for what is written: the writer
/// waits, and signals reach it.
fn full_counter(report: &mut Report) -> Outcome {
    let counter = call!(libc::eventfd(0, 0))?;
    sys::write(counter, &(u64::MAX - 3).to_le_bytes())?;
    report.same("ready for one more", ready(counter)?, IN | OUT);
    let add = |number: u64| sys::write(counter, &number.to_le_bytes());
    let writer = || sys::fork(|| i32::from(add(10) != Ok(8)));
    let killed = writer()?;
    sys::sleep_ms(20);
    sys::kill(killed, libc::SIGKILL)?;
    let end = sys::wait(killed)?;
    report.same(
        "who waits to add can be killed",
        end,
        End::Killed(libc::SIGKILL),
    );
    let waiting = writer()?;
    sys::sleep_ms(20);
    let mut bytes = [0; 8];
    sys::read(counter, &mut bytes)?;
    report.same("what was counted", u64::from_le_bytes(bytes), u64::MAX - 3);
    report.same("then it is added", sys::wait(waiting)?, End::Exited(0));
    sys::read(counter, &mut bytes)?;
    report.same("all of it", u64::from_le_bytes(bytes), 10);
    sys::close(counter)?;
    Ok(())
}

/// Epolls that watch epolls: never in a circle, and not for ever deeper.
fn nests(report: &mut Report) -> Outcome {
    let fresh = || call!(libc::epoll_create1(0));
    let watch = |outer: i32, inner: i32| {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: 0,
        };
        call!(libc::epoll_ctl(
            outer,
            libc::EPOLL_CTL_ADD,
            inner,
            &mut event
        ))
        .map(drop)
    };
    let (one, two) = (fresh()?, fresh()?);
    report.same("one epoll watches another", watch(one, two), Ok(()));
    report.same("twice", watch(one, two), Err(Errno(libc::EEXIST)));
    report.same("not in a circle", watch(two, one), Err(Errno(libc::ELOOP)));
    let mut outer = two;
    let mut deeper = || {
        let inner = fresh()?;
        watch(std::mem::replace(&mut outer, inner), inner)
    };
    let refused = (0..10).find_map(|_| deeper().err());
    report.same("not without end", refused, Some(Errno(libc::ELOOP)));
    report.same("nothing is ready", ready(one).map(|bits| bits & IN), Ok(0));
    for file in one..=outer {
        sys::close(file)?;
    }
    Ok(())
}

fn pipes(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    report.same("an empty pipe is not read", ready(reader), Ok(0));
    report.same("but written", ready(writer), Ok(OUT));
    sys::write_all(writer, b"x")?;
    report.same("then read", ready(reader), Ok(IN));
    sys::set_nonblocking(writer, true)?;
    while sys::write(writer, &[0; 4096]).is_ok() {}
    report.same("a full pipe is not written", ready(writer), Ok(0));
    sys::close(writer)?;
    report.same("the last bytes and the end", ready(reader), Ok(IN | HUP));
    sys::read_to_end(reader)?;
    report.same("the end", ready(reader), Ok(HUP));
    sys::close(reader)?;
    let [reader, writer] = sys::pipe()?;
    sys::close(reader)?;
    report.same("nobody reads", ready(writer), Ok(OUT | ERR));
    sys::close(writer)?;
    Ok(())
}

fn others(report: &mut Report) -> Outcome {
    report.same("no file", ready(900), Ok(libc::POLLNVAL));
    report.same("left out", poll(-1, IN, 0), Ok((0, 0)));
    let open = |name: &str| File::open(name).map_err(|error| format!("{name}: {error}"));
    for name in ["/dev/null", "/dev/zero", "/etc/passwd", "/proc/self/stat"] {
        let file = open(name)?;
        report.same(name, ready(file.as_raw_fd()), Ok(IN | OUT));
    }
    let folder = open("/")?;
    report.same("a folder", ready(folder.as_raw_fd()), Ok(IN | OUT));
    let mut list = [libc::pollfd {
        fd: folder.as_raw_fd(),
        events: IN,
        revents: 0,
    }; 300];
    let count = call!(libc::poll(list.as_mut_ptr(), 300, 0));
    report.same("three hundred", count, Ok(300));
    Ok(())
}

fn sockets(report: &mut Report) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    report.same("nobody calls", ready(listener.as_raw_fd()), Ok(0));
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let called = poll(listener.as_raw_fd(), IN, 2_000);
    report.same("somebody calls", called, Ok((1, IN)));
    let (server, _) = listener.accept()?;
    report.same("connected", ready(server.as_raw_fd()), Ok(OUT));
    client.write_all(b"x")?;
    let found = poll(server.as_raw_fd(), IN, 2_000);
    report.same("a byte has come", found, Ok((1, IN)));
    let thread = thread::spawn(move || {
        sys::sleep_ms(50);
        drop(client);
    });
    let begin = Instant::now();
    let gone = poll(server.as_raw_fd(), libc::POLLRDHUP, 60_000);
    let at_once = begin.elapsed() < PATIENCE;
    report.check("which is noticed at once", at_once && thread.join().is_ok());
    report.same("it has left", gone, Ok((1, libc::POLLRDHUP)));
    Ok(())
}

/// An edge-triggered epoll of one file.
struct Edges(i32);

impl Edges {
    fn of(file: i32) -> Result<Edges, Errno> {
        let epoll = call!(libc::epoll_create1(0))?;
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET) as u32,
            u64: 0,
        };
        call!(libc::epoll_ctl(
            epoll,
            libc::EPOLL_CTL_ADD,
            file,
            &mut event
        ))?;
        Ok(Edges(epoll))
    }

    /// What there is at once.
    fn now(&self) -> Result<i32, Errno> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        call!(libc::epoll_wait(self.0, &mut event, 1, 50))?;
        Ok(event.events as i32)
    }

    /// What the next edge has of `wanted`, within some seconds.
    fn next(&self, wanted: i32) -> Result<i32, Errno> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let mut event = libc::epoll_event { events: 0, u64: 0 };
            call!(libc::epoll_wait(self.0, &mut event, 1, 5_000))?;
            let found = event.events as i32 & wanted;
            if found != 0 {
                return Ok(found);
            }
        }
        Ok(0)
    }
}

/// Whoever got less than he asked for may wait for the next edge without
/// asking again.
fn edges(report: &mut Report) -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    let mut client = TcpStream::connect(listener.local_addr().map_err(text)?).map_err(text)?;
    let (mut server, _) = listener.accept().map_err(text)?;
    server.set_nonblocking(true).map_err(text)?;
    let edges = Edges::of(server.as_raw_fd())?;
    let mut bytes = vec![0; 1 << 20];
    for turn in 0..3 {
        client.write_all(&[turn; 10]).map_err(text)?;
        report.same(
            "data is an edge",
            edges.next(libc::EPOLLIN),
            Ok(libc::EPOLLIN),
        );
        let count = server.read(&mut bytes).map_err(text)?;
        report.same("all of it is read", count, 10);
    }
    for turn in 0..3 {
        client.write_all(&[turn; 10]).map_err(text)?;
        let edge = edges.next(libc::EPOLLIN);
        report.same("more of it is an edge", edge, Ok(libc::EPOLLIN));
        report.same("told once", edges.now(), Ok(0));
    }
    report.same("it is read", server.read(&mut bytes).map_err(text)?, 30);
    // More than fits: the rest waits for room.
    let all = vec![7; 4 << 20];
    let mut sent = 0;
    let reader = thread::spawn(move || {
        let mut heard = Vec::new();
        sys::sleep_ms(50);
        client.read_to_end(&mut heard).map(|_| heard.len())
    });
    while sent < all.len() {
        match server.write(&all[sent..]) {
            Ok(count) => sent += count,
            Err(error) => return Err(format!("after {sent} bytes: {error}")),
        }
        if sent < all.len() && edges.next(libc::EPOLLOUT)? == 0 {
            return Err(format!("no edge for room after {sent} bytes"));
        }
    }
    server.shutdown(std::net::Shutdown::Write).map_err(text)?;
    let heard = reader.join().map_err(|_| "a thread failed")?;
    report.same("room is an edge", heard.ok(), Some(all.len()));
    let ends = libc::EPOLLRDHUP;
    report.same("the end is an edge", edges.next(ends), Ok(ends));
    sys::close(edges.0)?;
    Ok(())
}

/// Each datagram that comes to an empty socket is an edge.
fn datagram_edges(report: &mut Report) -> std::io::Result<()> {
    let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (socket()?, socket()?);
    let edges =
        Edges::of(one.as_raw_fd()).map_err(|errno| std::io::Error::from_raw_os_error(errno.0))?;
    for _ in 0..3 {
        other.send_to(b"x", one.local_addr()?)?;
        let edge = edges.next(libc::EPOLLIN);
        report.same("a datagram is an edge", edge, Ok(libc::EPOLLIN));
        report.same("it is read", one.recv(&mut [0; 8])?, 1);
    }
    let _ = sys::close(edges.0);
    Ok(())
}

fn time(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    for ms in [0, 1, 20, 100] {
        let begin = Instant::now();
        let found = poll(reader, IN, ms);
        let took = begin.elapsed();
        let due = Duration::from_millis(ms.unsigned_abs().into());
        let good = took >= due && took < due + PATIENCE;
        report.same(&format!("{ms} ms"), (found, good), (Ok((0, 0)), true));
    }
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(())
}

fn woken(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let [other, other_writer] = sys::pipe()?;
    let thread = thread::spawn(move || {
        sys::sleep_ms(30);
        sys::write(writer, b"x").is_ok()
    });
    let entry = |fd| libc::pollfd {
        fd,
        events: IN,
        revents: 0,
    };
    let mut two = [entry(other), entry(reader)];
    let count = call!(libc::poll(two.as_mut_ptr(), 2, 10_000));
    report.same(
        "woken by a thread",
        (count, two[0].revents, two[1].revents),
        (Ok(1), 0, IN),
    );
    report.check("which wrote", thread.join().unwrap_or(false));
    let thread = thread::spawn(move || {
        sys::sleep_ms(30);
        sys::close(other_writer).is_ok()
    });
    report.same("woken by the end", poll(other, IN, 10_000), Ok((1, HUP)));
    report.check("which came", thread.join().unwrap_or(false));
    for fd in [reader, writer, other] {
        sys::close(fd)?;
    }
    Ok(())
}

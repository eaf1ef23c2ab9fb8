//! Resets of TCP connections, and attempts that are given up.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, call};

/// How long news is waited for, in milliseconds.
const PATIENCE: i32 = 10_000;
const ENDS: i16 = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    checks(report).map_err(|error| error.to_string())
}

fn checks(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    by_reading(report, &listener)?;
    by_option(report, &listener)?;
    data_first(report, &listener)?;
    after_the_end(report, &listener)?;
    before_accept(report, &listener)?;
    listening(report)
}

fn pair(listener: &TcpListener) -> io::Result<(TcpStream, TcpStream)> {
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

/// Closes a connection with a reset.
fn reset(stream: TcpStream) -> io::Result<()> {
    sys::reset_on_close(&stream)?;
    drop(stream);
    Ok(())
}

/// Waits for one of the events; what poll(2) tells then.
fn events(stream: &impl AsRawFd, wanted: i16) -> Result<i16, Errno> {
    let mut poll = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: wanted,
        revents: 0,
    };
    call!(libc::poll(&mut poll, 1, PATIENCE))?;
    Ok(poll.revents)
}

fn error_of(stream: &impl AsRawFd) -> Result<i32, Errno> {
    let (mut error, mut length) = (-1, size_of::<i32>() as u32);
    call!(libc::getsockopt(
        stream.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_ERROR,
        (&raw mut error).cast(),
        &mut length
    ))?;
    Ok(error)
}

fn read(stream: &TcpStream) -> Result<usize, Errno> {
    sys::read(stream.as_raw_fd(), &mut [0; 16])
}

/// Sends a byte without asking for SIGPIPE.
fn send(stream: &TcpStream) -> Result<isize, Errno> {
    let byte = [1u8];
    call!(libc::send(
        stream.as_raw_fd(),
        byte.as_ptr().cast(),
        1,
        libc::MSG_NOSIGNAL
    ))
}

fn by_reading(report: &mut Report, listener: &TcpListener) -> io::Result<()> {
    let (client, server) = pair(listener)?;
    reset(server)?;
    let all = ENDS | libc::POLLERR | libc::POLLHUP;
    report.same(
        "a reset, unasked",
        events(&client, 0),
        Ok(libc::POLLERR | libc::POLLHUP),
    );
    report.same("a reset, asked", events(&client, ENDS), Ok(all));
    report.refused("reading tells the reset", read(&client), libc::ECONNRESET);
    report.same("once", read(&client), Ok(0));
    report.same("SO_ERROR is taken with it", error_of(&client), Ok(0));
    report.same(
        "the hang-up stays",
        events(&client, ENDS),
        Ok(all & !libc::POLLERR),
    );
    report.refused("writing after it", send(&client), libc::EPIPE);
    let peer = client.peer_addr().map_err(|error| error.raw_os_error());
    report.same("no peer", peer.err(), Some(Some(libc::ENOTCONN)));
    let (client, server) = pair(listener)?;
    reset(server)?;
    report.check("it hangs up", events(&client, 0).is_ok());
    report.refused("writing tells the reset", send(&client), libc::ECONNRESET);
    report.refused("then the pipe is broken", send(&client), libc::EPIPE);
    Ok(())
}

fn by_option(report: &mut Report, listener: &TcpListener) -> io::Result<()> {
    let (client, server) = pair(listener)?;
    client.shutdown(std::net::Shutdown::Write)?;
    reset(server)?;
    report.check("half closed and reset", events(&client, 0).is_ok());
    report.same("SO_ERROR tells it", error_of(&client), Ok(libc::ECONNRESET));
    report.same("once, too", error_of(&client), Ok(0));
    report.same("reading ends", read(&client), Ok(0));
    Ok(())
}

/// What came before a reset can be read.
fn data_first(report: &mut Report, listener: &TcpListener) -> io::Result<()> {
    let (client, server) = pair(listener)?;
    report.same("some bytes", sys::write(server.as_raw_fd(), b"abc"), Ok(3));
    report.same("they come", events(&client, libc::POLLIN), Ok(libc::POLLIN));
    reset(server)?;
    report.check("and a reset", events(&client, 0).is_ok());
    report.same("the bytes first", read(&client), Ok(3));
    report.refused("then the reset", read(&client), libc::ECONNRESET);
    report.same("then the end", read(&client), Ok(0));
    Ok(())
}

/// The peer is gone for good, and answers data with a reset.
fn after_the_end(report: &mut Report, listener: &TcpListener) -> io::Result<()> {
    let (client, server) = pair(listener)?;
    drop(server);
    report.same(
        "the end",
        events(&client, libc::POLLRDHUP),
        Ok(libc::POLLRDHUP),
    );
    report.same("one byte more", send(&client), Ok(1));
    report.check(
        "is answered",
        events(&client, 0).is_ok_and(|told| told & libc::POLLERR != 0),
    );
    report.same("the end can be read", read(&client), Ok(0));
    report.same("a broken pipe", error_of(&client), Ok(libc::EPIPE));
    report.refused("and stays so", send(&client), libc::EPIPE);
    Ok(())
}

/// Connections that are given up while they wait are accepted, with their
/// address, and take no place.
fn before_accept(report: &mut Report, listener: &TcpListener) -> io::Result<()> {
    for _ in 0..3 {
        let mut from = Vec::new();
        for _ in 0..5 {
            let client = TcpStream::connect(listener.local_addr()?)?;
            from.push(client.local_addr()?);
            reset(client)?;
        }
        for _ in 0..5 {
            let (server, peer) = listener.accept()?;
            from.retain(|address| *address != peer);
            report.check("accepted and reset", events(&server, 0).is_ok());
            report.refused("which reading tells", read(&server), libc::ECONNRESET);
        }
        report.same("all five are told apart", from.len(), 0);
    }
    Ok(())
}

/// shutdown(2) of the reading side ends listening.
fn listening(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let fd = listener.as_raw_fd();
    report.works(
        "SHUT_WR of a listener",
        call!(libc::shutdown(fd, libc::SHUT_WR)),
    );
    let client = TcpStream::connect(listener.local_addr()?)?;
    report.check("goes on", listener.accept().is_ok());
    drop(client);
    report.works(
        "SHUT_RD of a listener",
        call!(libc::shutdown(fd, libc::SHUT_RD)),
    );
    let accepted = listener.accept().map_err(|error| error.raw_os_error());
    report.same("ends it", accepted.err(), Some(Some(libc::EINVAL)));
    let refused = TcpStream::connect(listener.local_addr()?).map_err(|error| error.kind());
    report.same(
        "nobody answers",
        refused.err(),
        Some(io::ErrorKind::ConnectionRefused),
    );
    Ok(())
}

//! TCP over the loopback interface.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;
use crate::report::Report;
use crate::sys::{Hash, Noise, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    checks(report).map_err(|error| error.to_string())
}

fn checks(report: &mut Report) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    report.check("port 0 becomes a port", address.port() != 0);
    echo(report, &listener, address)?;
    halves(report, &listener, address)?;
    several(report, &listener, address)?;
    churn(report, &listener, address)?;
    nonblocking(report, &listener, address)?;
    drop(listener);
    let refused = TcpStream::connect(address).map_err(|error| error.kind());
    report.same(
        "nobody listens",
        refused.err(),
        Some(ErrorKind::ConnectionRefused),
    );
    let again = TcpListener::bind(address);
    report.check("the port can be used again", again.is_ok());
    let twice = TcpListener::bind(address).map_err(|error| error.kind());
    report.same("but not twice", twice.err(), Some(ErrorKind::AddrInUse));
    Ok(())
}

/// One MiB there and back.
fn echo(report: &mut Report, listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    let text = Noise::new(11).bytes(1 << 20);
    let found = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept()?;
            let mut reader = stream.try_clone()?;
            io::copy(&mut reader, &mut stream)?;
            stream.shutdown(Shutdown::Write)
        });
        let mut stream = TcpStream::connect(address)?;
        let mut writer = stream.try_clone()?;
        let sent = text.clone();
        scope.spawn(move || {
            writer.write_all(&sent)?;
            writer.shutdown(Shutdown::Write)
        });
        let mut found = Vec::new();
        stream.read_to_end(&mut found)?;
        io::Result::Ok(found)
    })?;
    report.same("a million bytes come back", found.len(), text.len());
    report.check("unchanged", Hash::of(&found) == Hash::of(&text));
    Ok(())
}

fn halves(report: &mut Report, listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    let mut client = TcpStream::connect(address)?;
    let (mut server, from) = listener.accept()?;
    report.same("who is calling", from, client.local_addr()?);
    report.same("who was called", server.local_addr()?, client.peer_addr()?);
    client.write_all(b"question")?;
    client.shutdown(Shutdown::Write)?;
    report.same(
        "a half is closed",
        io::read_to_string(&mut server)?.as_str(),
        "question",
    );
    server.write_all(b"answer")?;
    drop(server);
    report.same(
        "the other is open",
        io::read_to_string(&mut client)?.as_str(),
        "answer",
    );
    Ok(())
}

fn several(report: &mut Report, listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    let good = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..8 {
                let (mut stream, _) = listener.accept()?;
                scope.spawn(move || {
                    let mut hash = Hash::new();
                    let mut bytes = [0; 4096];
                    loop {
                        match stream.read(&mut bytes)? {
                            0 => return stream.write_all(&hash.0.to_le_bytes()),
                            count => hash.add(&bytes[..count]),
                        }
                    }
                });
            }
            io::Result::Ok(())
        });
        let client = |n: u64| -> io::Result<bool> {
            let text = Noise::new(n).bytes(100_000);
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(&text)?;
            stream.shutdown(Shutdown::Write)?;
            let mut found = [0; 8];
            stream.read_exact(&mut found)?;
            Ok(found == Hash::of(&text).0.to_le_bytes())
        };
        let clients: Vec<_> = (0..8).map(|n| scope.spawn(move || client(n))).collect();
        clients
            .into_iter()
            .all(|t| matches!(t.join(), Ok(Ok(true))))
    });
    report.check("eight connections at once", good);
    Ok(())
}

fn churn(report: &mut Report, listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    let mut good = 0;
    for n in 0..50u8 {
        let mut client = TcpStream::connect(address)?;
        let (mut server, _) = listener.accept()?;
        client.write_all(&[n])?;
        let mut byte = [0];
        server.read_exact(&mut byte)?;
        good += u32::from(byte == [n]);
    }
    report.same("fifty connections in turn", good, 50);
    Ok(())
}

fn nonblocking(report: &mut Report, listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    let client = TcpStream::connect(address)?;
    let (server, _) = listener.accept()?;
    client.set_nonblocking(true)?;
    let nothing = (&client).read(&mut [0; 4]).map_err(|error| error.kind());
    report.same(
        "nothing to read",
        nothing.err(),
        Some(ErrorKind::WouldBlock),
    );
    let text = vec![1; 1 << 20];
    let mut sent = 0;
    let full = loop {
        match (&client).write(&text) {
            Ok(count) => sent += count,
            Err(error) => break error.kind(),
        }
        if sent > 64 << 20 {
            break ErrorKind::Other;
        }
    };
    report.same("a full connection", full, ErrorKind::WouldBlock);
    let mut bytes = vec![0; 1 << 16];
    let mut received = 0;
    while received < sent {
        received += (&server).read(&mut bytes)?;
    }
    report.same("all that fitted arrives", received, sent);
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(Duration::from_millis(50)))?;
    let begin = Instant::now();
    let late = (&client).read(&mut [0; 4]).map_err(|error| error.kind());
    report.same("a time-out", late.err(), Some(ErrorKind::WouldBlock));
    report.check(
        "after its time",
        begin.elapsed() >= Duration::from_millis(50),
    );
    client.set_nodelay(true)?;
    report.check("TCP_NODELAY", client.nodelay()?);
    let unknown = call!(libc::setsockopt(
        client.as_raw_fd(),
        libc::IPPROTO_TCP,
        9_999,
        std::ptr::null(),
        0
    ));
    report.check("an unknown option is refused", unknown.is_err());
    Ok(())
}

//! Connections that are made, used, reset and closed.

use super::{Job, ensure};
use crate::sys;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// TCP over loopback: an echo server in a thread, and clients that end in
/// every way.
pub fn run_tcp(job: &Job) -> Result<u64, String> {
    let text = |error: std::io::Error| format!("tcp: {error}");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, &over));
        let mut count = 0;
        let mut result = Ok(());
        while job.goes_on() && result.is_ok() {
            result = connection(address, count);
            count += 1;
        }
        over.store(true, Ordering::Relaxed);
        // Lets the server out of accept.
        let _ = TcpStream::connect(address);
        result.map(|()| count).map_err(text)
    })
}

fn serve(listener: &TcpListener, over: &AtomicBool) {
    std::thread::scope(|scope| {
        while !over.load(Ordering::Relaxed) {
            if let Ok((stream, _)) = listener.accept() {
                scope.spawn(|| echo(stream));
            }
        }
    });
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    // A reset is one of the ends there are.
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// One connection; whether it can be had at all depends on what others have.
fn connection(address: SocketAddr, number: u64) -> std::io::Result<()> {
    let mut stream = match TcpStream::connect(address) {
        Ok(stream) => stream,
        Err(error) if is_shortage(&error) => {
            sys::sleep_ms(20);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let text = vec![number as u8; 3000];
    match number % 4 {
        0 => {
            stream.write_all(&text)?;
            stream.shutdown(Shutdown::Write)?;
            let mut back = Vec::new();
            stream.read_to_end(&mut back)?;
            if back != text {
                return Err(std::io::Error::other("the echo is another"));
            }
        }
        1 => {
            stream.write_all(&text)?;
            sys::reset_on_close(&stream)?;
        }
        2 => sys::reset_on_close(&stream)?,
        _ => stream.write_all(&text)?,
    }
    Ok(())
}

fn is_shortage(error: &std::io::Error) -> bool {
    let shortages = [libc::ENFILE, libc::ENOMEM, libc::EADDRNOTAVAIL];
    let refused = [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset];
    refused.contains(&error.kind())
        || error
            .raw_os_error()
            .is_some_and(|errno| shortages.contains(&errno))
}

/// Pairs of local sockets, both of whose ends talk at once.
pub fn run_unix(job: &Job) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        let (left, right) = UnixStream::pair().map_err(|error| error.to_string())?;
        let good = std::thread::scope(|scope| {
            let other = scope.spawn(|| talk(right));
            let own = talk(left);
            matches!((own, other.join()), (Ok(true), Ok(Ok(true))))
        });
        ensure(good, "both ends hear each other")?;
        count += 1;
    }
    Ok(count)
}

const SAID: usize = 300_000;

/// Says much while it listens.
fn talk(stream: UnixStream) -> std::io::Result<bool> {
    std::thread::scope(|scope| {
        let mut writing = &stream;
        let writer = scope.spawn(move || {
            writing.write_all(&vec![7; SAID])?;
            writing.shutdown(Shutdown::Write)
        });
        let mut heard = Vec::new();
        let mut reading = &stream;
        reading.read_to_end(&mut heard)?;
        let said = matches!(writer.join(), Ok(Ok(())));
        Ok(said && heard.len() == SAID && heard.iter().all(|&byte| byte == 7))
    })
}

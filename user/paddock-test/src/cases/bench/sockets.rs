//! What sockets cost: within one thread, so that no switch between threads is
//! counted.

use super::repeat;
use crate::cases::Outcome;
use crate::cases::connections::Connections;
use crate::sys;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixStream;

/// Bytes that a stream takes at once.
const PIECE: usize = 64 << 10;

/// Runs `kind`, with `others` idle connections beside.
pub fn run(kind: &str, count: u64, others: u64) -> Outcome {
    let outcome = match kind {
        "tcp" => tcp(count, others),
        "tcp-open" => open(count, others),
        "tcp-stream" => stream(count),
        "tcp-held" => return held(count),
        "unix" => unix(count),
        _ => udp(count),
    };
    outcome.map_err(|error| error.to_string())
}

/// A byte there and a byte back.
fn tcp(count: u64, others: u64) -> io::Result<()> {
    let connections = Connections::open(others as usize)?;
    let (mut client, mut server) = connections.another()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut byte = [7];
    repeat("tcp", count, || {
        client.write_all(&byte)?;
        server.read_exact(&mut byte)?;
        server.write_all(&byte)?;
        client.read_exact(&mut byte)
    })
}

/// connect(2), accept(2), and close(2) of both ends.
fn open(count: u64, others: u64) -> io::Result<()> {
    let connections = Connections::open(others as usize)?;
    repeat("tcp-open", count, || connections.another().map(drop))
}

/// Bytes of memory that each end of an idle connection holds, out of `count`
/// connections that have been used.
fn held(count: u64) -> Outcome {
    // What is made once is there afterwards.
    let used = |count: u64| -> io::Result<Connections> {
        let mut connections = Connections::open(count as usize)?;
        for (client, server) in &mut connections.open {
            client.write_all(&[7])?;
            server.read_exact(&mut [0])?;
        }
        Ok(connections)
    };
    drop(used(count / 10).map_err(|error| error.to_string())?);
    let before = free_kb()?;
    let connections = used(count).map_err(|error| error.to_string())?;
    // Empty queues keep their memory for a second.
    sys::sleep_ms(3_000);
    let held = before.saturating_sub(free_kb()?) * 1024;
    drop(connections);
    println!(
        "bench tcp-held count={count} each_bytes={}",
        held / (2 * count.max(1))
    );
    Ok(())
}

fn free_kb() -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| "no MemFree".to_owned())
}

/// A piece in on one side and out on the other.
fn stream(count: u64) -> io::Result<()> {
    let (mut client, mut server) = Connections::open(0)?.another()?;
    let mut piece = vec![7; PIECE];
    repeat("tcp-stream", count, || {
        client.write_all(&piece)?;
        server.read_exact(&mut piece)
    })
}

/// A byte there and a byte back.
fn udp(count: u64) -> io::Result<()> {
    let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (socket()?, socket()?);
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    let mut byte = [7];
    repeat("udp", count, || {
        one.send(&byte)?;
        other.recv(&mut byte)?;
        other.send(&byte)?;
        one.recv(&mut byte).map(drop)
    })
}

/// A byte there and a byte back.
fn unix(count: u64) -> io::Result<()> {
    let (mut one, mut other) = UnixStream::pair()?;
    let mut byte = [7];
    repeat("unix", count, || {
        one.write_all(&byte)?;
        other.read_exact(&mut byte)?;
        other.write_all(&byte)?;
        one.read_exact(&mut byte)
    })
}

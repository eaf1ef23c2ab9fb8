//! What goes through the network card: to and from a host that takes, or sends, as
//! much as there is.

use crate::cases::Outcome;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

/// Bytes of each call, as measuring programs have it.
const PIECE: usize = 128 << 10;

/// Receives `count` MiB from an address, or sends them there.
pub fn run(kind: &str, count: u64, address: Option<&String>) -> Outcome {
    let address = address.and_then(|text| text.parse().ok());
    let address = address.ok_or("say from or to which ADDRESS:PORT")?;
    let begin = Instant::now();
    let done = match kind {
        "receive" => receive(address, count << 20),
        _ => send(address, count << 20),
    };
    done.map_err(|error| error.to_string())?;
    super::tell(kind, count, begin);
    Ok(())
}

fn receive(address: SocketAddr, mut left: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let mut piece = vec![0; PIECE];
    while left > 0 {
        match stream.read(&mut piece)? as u64 {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left = left.saturating_sub(count),
        }
    }
    Ok(())
}

/// Until the host has them all, and has ended the connection.
fn send(address: SocketAddr, mut left: u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let piece = vec![7; PIECE];
    while left > 0 {
        let most = left.min(PIECE as u64) as usize;
        left -= stream.write(&piece[..most])? as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    stream.read(&mut [0]).map(drop)
}

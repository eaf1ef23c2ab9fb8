//! Sockets of both kinds, several at a time.

use super::{Found, check, same};
use crate::sys::{self, End, Hash, Noise};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

/// Two pairs with an echo, and a listener whose clients are processes.
pub fn unix() -> Found {
    let echoed = thread::scope(|scope| {
        let pairs = (0..2).map(|seed| scope.spawn(move || echo_pair(seed)));
        let pairs: Vec<_> = pairs.collect();
        pairs.into_iter().map(|pair| pair.join().unwrap()).collect()
    });
    let echoed: io::Result<Vec<bool>> = echoed;
    same("echoes", echoed.map_err(text)?, vec![true; 2])?;
    clients()
}

fn text(error: io::Error) -> String {
    error.to_string()
}

fn echo_pair(seed: u64) -> io::Result<bool> {
    let (mut near, mut far) = UnixStream::pair()?;
    let sent = Noise::new(seed).bytes(20_000);
    let mut found = vec![0; sent.len()];
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok(count @ 1..) = far.read(&mut bytes) {
                far.write_all(&bytes[..count])?;
            }
            io::Result::Ok(())
        });
        let mut writer = near.try_clone()?;
        let sent = &sent;
        scope.spawn(move || {
            writer.write_all(sent)?;
            writer.shutdown(Shutdown::Write)
        });
        near.read_exact(&mut found)
    })?;
    Ok(Hash::of(&found) == Hash::of(&sent))
}

fn clients() -> Found {
    let path = format!("/tmp/fuzz-{}.socket", std::process::id());
    let listener = UnixListener::bind(&path).map_err(text)?;
    let clients: Vec<i32> = (0..3u8)
        .map(|number| sys::fork(|| i32::from(!ask(&path, number).unwrap_or(false))))
        .collect::<Result<_, _>>()?;
    for _ in &clients {
        let (mut stream, _) = listener.accept().map_err(text)?;
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(text)?;
        stream.write_all(&[byte[0] + 1]).map_err(text)?;
    }
    for client in clients {
        same("a client", sys::wait(client)?, End::Exited(0))?;
    }
    std::fs::remove_file(&path).map_err(text)
}

fn ask(path: &str, number: u8) -> io::Result<bool> {
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(&[number])?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer == [number + 1])
}

/// An echo server with a thread for each client; one client leaves early.
pub fn tcp() -> Found {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let good = thread::scope(|scope| {
        scope.spawn(|| serve(&listener, 3));
        let clients: Vec<_> = (0..2)
            .map(|seed| scope.spawn(move || tcp_echo(address, seed)))
            .collect();
        TcpStream::connect(address).and_then(|mut early| early.write_all(b"bye"))?;
        let ends = clients.into_iter().map(|client| client.join().unwrap());
        ends.collect::<io::Result<Vec<bool>>>()
    });
    same("clients", good.map_err(text)?, vec![true; 2])?;
    drop(listener);
    check("nobody listens", TcpStream::connect(address).is_err())
}

fn serve(listener: &TcpListener, count: u32) -> io::Result<()> {
    thread::scope(|scope| {
        for _ in 0..count {
            let (mut stream, _) = listener.accept()?;
            scope.spawn(move || {
                let mut reader = stream.try_clone()?;
                io::copy(&mut reader, &mut stream)?;
                stream.shutdown(Shutdown::Write)
            });
        }
        Ok(())
    })
}

fn tcp_echo(address: SocketAddr, seed: u64) -> io::Result<bool> {
    let sent = Noise::new(seed).bytes(12_000);
    let mut stream = TcpStream::connect(address)?;
    let mut writer = stream.try_clone()?;
    let mut found = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&sent)?;
            writer.shutdown(Shutdown::Write)
        });
        stream.read_to_end(&mut found)
    })?;
    Ok(Hash::of(&found) == Hash::of(&sent))
}

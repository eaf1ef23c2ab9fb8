//! A service whose socket was opened for it, as sd_listen_fds(3) has it: it answers
//! each client with its own number.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::FromRawFd;

use super::Outcome;
use crate::report::Report;

/// The first socket, as of sd_listen_fds(3).
const FIRST: i32 = 3;

/// `ask PORT`: prints what a server of this machine says.
pub fn ask(_: &mut Report, words: &[String]) -> Outcome {
    let port = words.first().and_then(|word| word.parse().ok());
    let port: u16 = port.ok_or("ask PORT")?;
    let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut stream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    });
    let text = asked.map_err(|error| error.to_string())?;
    print!("{text}");
    match text.is_empty() {
        true => Err("it says nothing".to_owned()),
        false => Ok(()),
    }
}

/// Answers so many clients, or all, and ends.
pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let own = std::process::id().to_string();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("LISTEN_PID") != own {
        return Err(format!("LISTEN_PID is {:?}", variable("LISTEN_PID")));
    }
    println!(
        "{} sockets: {}",
        variable("LISTEN_FDS"),
        variable("LISTEN_FDNAMES")
    );
    let most = words.first().and_then(|word| word.parse().ok());
    // SAFETY: nothing else in this program has the descriptor.
    let listener = unsafe { TcpListener::from_raw_fd(FIRST) };
    for _ in 0..most.unwrap_or(usize::MAX) {
        let accepted = listener.accept();
        let (mut client, _) = accepted.map_err(|error| error.to_string())?;
        // One that has gone is no reason to end.
        let _ = writeln!(client, "pid {own}");
    }
    Ok(())
}

//! A web client that is just enough.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take on a host with much else to do.
const LIMIT: Duration = Duration::from_secs(30);

/// The whole answer, head and body, to a GET of `path`.
pub fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: paddock\r\n\r\n")?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .context("the answer does not end")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Asks again and again until the answer has `text` or `limit` has passed.
pub fn wait_for(port: u16, path: &str, text: &str, limit: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        let answer = get(port, path);
        match answer {
            Ok(answer) if answer.contains(text) => return Ok(()),
            answer if start.elapsed() > limit => {
                anyhow::bail!("no page with `{text}` after {limit:?}; last answer: {answer:?}")
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

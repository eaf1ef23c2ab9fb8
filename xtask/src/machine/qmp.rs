//! QEMU's own door to a machine (its QMP), for what no guest can do.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long QEMU may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Has QEMU, which listens on a port of this host, execute a command:
/// `arguments` is a JSON object.
pub fn execute(port: u16, command: &str, arguments: &str) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).context("QEMU's monitor")?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    for request in [
        r#"{"execute":"qmp_capabilities"}"#.to_owned(),
        format!(r#"{{"execute":"{command}","arguments":{arguments}}}"#),
    ] {
        writeln!(&stream, "{request}")?;
        answer(&mut lines).with_context(|| request)?;
    }
    Ok(())
}

/// Waits for the answer: greetings and events come between.
fn answer(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Result<()> {
    for line in lines {
        let line = line?;
        if line.contains(r#""return""#) {
            return Ok(());
        }
        if line.contains(r#""error""#) {
            bail!("QEMU says {line}");
        }
    }
    bail!("QEMU has closed the connection")
}

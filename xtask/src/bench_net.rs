//! Bytes through the network card, on Paddock and on Debian's kernel for arm64: the same
//! program in the same QEMU, to and from this host.

use crate::linux;
use crate::machine::{machine, run_limited, test_folder};
use crate::rows::Row;
use anyhow::{Result, ensure};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How long one run may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Bytes that the host sends, or takes, at once.
const PIECE: usize = 1 << 20;
/// Under which address QEMU's user network has this host's loopback.
const HOST: &str = "10.0.2.2";

/// This host's side: one port that sends without end, and one that takes everything, for
/// as long as the process runs.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    sends: SocketAddr,
    takes: SocketAddr,
}

impl Ends {
    /// Opens both, on loopback.
    ///
    /// # Errors
    /// No port is free.
    pub fn open() -> Result<Ends> {
        Ok(Ends {
            sends: serve(|mut client| {
                let piece = vec![7; PIECE];
                while client.write_all(&piece).is_ok() {}
                Ok(())
            })?,
            takes: serve(|mut client| {
                let mut piece = vec![0; PIECE];
                while client.read(&mut piece)? > 0 {}
                client.shutdown(Shutdown::Both)
            })?,
        })
    }
}

/// Where each client that comes is served, in a thread of its own. One that goes away in
/// the middle is nobody's mistake.
fn serve(client: fn(TcpStream) -> io::Result<()>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || client(stream));
        }
    });
    Ok(address)
}

/// What is measured, and on what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Memory, in QEMU's notation.
    pub mem: String,
    /// CPUs.
    pub smp: u32,
    /// MiB each way.
    pub size: u32,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            mem: "256M".to_owned(),
            smp: 1,
            size: 100,
        }
    }
}

impl Plan {
    fn script(&self, ends: Ends) -> String {
        let size = self.size;
        let (sends, takes) = (ends.sends.port(), ends.takes.port());
        // The first is to find the way and its memory.
        format!(
            "paddock-test bench receive 1 {HOST}:{sends}; paddock-test bench send 1 {HOST}:{takes}\n\
             paddock-test bench receive {size} {HOST}:{sends}; \
             paddock-test bench send {size} {HOST}:{takes}"
        )
    }

    /// Runs it on Paddock.
    ///
    /// # Errors
    /// A machine that does not come up, or a program that fails.
    pub fn on_paddock(&self, ends: Ends) -> Result<Vec<Row>> {
        let machine = machine("bench-net")
            .alone()
            .smp(self.smp)
            .with(|config| config.mem.clone_from(&self.mem))
            .up()?;
        let mut ssh = machine.ssh_command(&[])?;
        let reply = run_limited(ssh.arg(self.script(ends)), Vec::new(), PATIENCE)?;
        ensure!(reply.status.success(), "{reply}");
        machine.done()?;
        self.read(&reply.text())
    }

    /// Runs it on Debian's kernel.
    ///
    /// # Errors
    /// As [`linux::Run::on_linux`]; a program that fails.
    pub fn on_linux(&self, ends: Ends) -> Result<Vec<Row>> {
        let reply = linux::Run {
            name: "bench-net",
            disk: &test_folder().join("disk.img"),
            mem: &self.mem,
            smp: self.smp,
            icount: false,
            script: &self.script(ends),
            limit: PATIENCE,
        }
        .on_linux()?;
        self.read(&reply.text())
    }

    /// A row for each of the last two, of what `paddock-test bench` has said.
    fn read(&self, text: &str) -> Result<Vec<Row>> {
        let count = format!(" count={} each_ns=", self.size);
        let mut rows = Vec::new();
        for line in text.lines() {
            let figure = line.trim().strip_prefix("bench ");
            if let Some((kind, each)) = figure.and_then(|line| line.split_once(&count)) {
                rows.push(Row {
                    what: kind.to_owned(),
                    value: 1e9 / each.parse::<f64>()?,
                    unit: "MiB/s".to_owned(),
                });
            }
        }
        ensure!(rows.len() == 2, "not both ways were measured:\n{text}");
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_rows() {
        let plan = Plan::default();
        let text = "bench receive count=1 each_ns=9\nbench receive count=100 each_ns=10000000\r\n\
                    bench send count=100 each_ns=5000000\n";
        let rows = plan.read(text).unwrap();
        assert_eq!(rows[0].shown(), "100.0 MiB/s");
        assert_eq!(rows[1].shown(), "200.0 MiB/s");
        assert!(plan.read("bench send count=100 each_ns=5\n").is_err());
    }

    #[test]
    fn the_hosts_side_sends_and_takes() {
        let ends = Ends::open().unwrap();
        let mut piece = vec![0; 100_000];
        TcpStream::connect(ends.sends)
            .unwrap()
            .read_exact(&mut piece)
            .unwrap();
        let mut client = TcpStream::connect(ends.takes).unwrap();
        client.write_all(&piece).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut piece).unwrap(), 0);
    }
}

//! Thousands of TCP connections at once, and many more in turn.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{Errno, Noise, call};

/// Descriptors that a process has apart from its connections.
const OTHERS: u64 = 64;

/// A listener on this machine, and connections to it: both ends of each.
pub struct Connections {
    listener: TcpListener,
    address: SocketAddr,
    /// The end that called, and the one that was accepted.
    pub open: Vec<(TcpStream, TcpStream)>,
}

impl Connections {
    /// Opens `count`, for which the limit of descriptors is raised.
    pub fn open(count: usize) -> io::Result<Connections> {
        raise_limit(2 * count as u64 + OTHERS)
            .map_err(|Errno(errno)| io::Error::from_raw_os_error(errno))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let mut all = Connections {
            listener,
            address,
            open: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let pair = all.another()?;
            all.open.push(pair);
        }
        Ok(all)
    }

    /// Both ends of one more.
    pub fn another(&self) -> io::Result<(TcpStream, TcpStream)> {
        let client = TcpStream::connect(self.address)?;
        let (server, _) = self.listener.accept()?;
        Ok((client, server))
    }
}

fn raise_limit(least: u64) -> Result<(), Errno> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    call!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit))?;
    limit.rlim_cur = limit.rlim_cur.max(least);
    limit.rlim_max = limit.rlim_max.max(least);
    call!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit))?;
    Ok(())
}

/// `connections OPEN CHURN`: so many at once, and so many one after the other.
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let (open, churn) = (number(words, 0, 1_000)?, number(words, 1, 5_000)?);
    checks(report, open, churn).map_err(|error| error.to_string())
}

fn checks(report: &mut Report, open: usize, churn: usize) -> io::Result<()> {
    let mut connections = Connections::open(open)?;
    report.same("all are open at once", connections.open.len(), open);
    let mut good = 0;
    for (n, (client, server)) in connections.open.iter_mut().enumerate() {
        good += usize::from(is_answered(n as u64, client, server)?);
    }
    report.same("each has its own bytes", good, open);
    let mut good = 0;
    for n in 0..churn {
        let (mut client, mut server) = connections.another()?;
        good += usize::from(is_answered(n as u64, &mut client, &mut server)?);
    }
    report.same("others come and go beside them", good, churn);
    let mut good = 0;
    for (n, (client, server)) in connections.open.iter_mut().enumerate() {
        good += usize::from(is_answered(!(n as u64), client, server)?);
    }
    report.same("and they are still there", good, open);
    let Connections { listener, open, .. } = connections;
    drop(listener);
    let mut good = 0;
    let count = open.len();
    for (client, mut server) in open {
        drop(client);
        good += usize::from(server.read(&mut [0])? == 0);
    }
    report.same("each end is told", good, count);
    Ok(())
}

/// Whether some bytes come there and others back.
fn is_answered(seed: u64, client: &mut TcpStream, server: &mut TcpStream) -> io::Result<bool> {
    let text = Noise::new(seed).bytes(16);
    let (question, answer) = text.split_at(8);
    let (mut heard, mut told) = ([0; 8], [0; 8]);
    client.write_all(question)?;
    server.read_exact(&mut heard)?;
    server.write_all(answer)?;
    client.read_exact(&mut told)?;
    Ok(heard == *question && told == *answer)
}

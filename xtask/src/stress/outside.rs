//! What the host does to the machine meanwhile: sessions that come and go,
//! and connections that are used, dropped and reset.

use crate::machine::{LIMIT, Machine, run_limited};
use anyhow::Result;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// SSH sessions that ended well, and those that were cut off.
    pub sessions: u64,
    /// See `sessions`.
    pub cut: u64,
    /// Connections to the web server, and how many of them had an answer.
    pub connections: u64,
    /// See `connections`.
    pub answers: u64,
}

impl Traffic {
    /// Adds another one's.
    pub fn add(&mut self, other: &Traffic) {
        self.sessions += other.sessions;
        self.cut += other.cut;
        self.connections += other.connections;
        self.answers += other.answers;
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sessions, {} cut off, {} connections, {} answered",
            self.sessions, self.cut, self.connections, self.answers
        )
    }
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    sessions: AtomicU64,
    cut: AtomicU64,
    connections: AtomicU64,
    answers: AtomicU64,
}

/// Threads of the host that keep the machine busy until they are stopped.
pub struct Outside {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Outside {
    /// Begins.
    pub fn start(machine: &Machine) -> Result<Outside> {
        let shared = Arc::new(Shared::default());
        let (mut whole, mut cut) = (machine.ssh_command(&[])?, machine.ssh_command(&[])?);
        whole.arg("ls -l /proc/self/fd /bin | sort | head -50; cat /proc/meminfo");
        cut.arg("seq 1 100000 & exec cat /dev/zero");
        let port = machine.http_port();
        let (first, second, third) = (shared.clone(), shared.clone(), shared.clone());
        let threads = vec![
            thread::spawn(move || first.until_over(|| first.session(&mut whole))),
            thread::spawn(move || second.until_over(|| second.cut_session(&mut cut))),
            thread::spawn(move || third.until_over(|| third.connect(port))),
        ];
        Ok(Outside { shared, threads })
    }

    /// Ends it; what was done.
    pub fn stop(self) -> Traffic {
        self.shared.over.store(true, Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
        Traffic {
            sessions: self.shared.sessions.load(Relaxed),
            cut: self.shared.cut.load(Relaxed),
            connections: self.shared.connections.load(Relaxed),
            answers: self.shared.answers.load(Relaxed),
        }
    }
}

impl Shared {
    fn until_over(&self, mut action: impl FnMut()) {
        while !self.over.load(Relaxed) {
            action();
        }
    }

    /// A command from its beginning to its end. Where all are killed it may
    /// fail.
    fn session(&self, command: &mut Command) {
        if let Ok(reply) = run_limited(command, Vec::new(), LIMIT)
            && reply.status.success()
        {
            self.sessions.fetch_add(1, Relaxed);
        }
    }

    /// A session whose client is killed while much comes.
    fn cut_session(&self, command: &mut Command) {
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut client) = spawned else {
            return;
        };
        let mut bytes = vec![0; 200_000];
        if let Some(out) = client.stdout.as_mut()
            && out.read_exact(&mut bytes).is_ok()
        {
            self.cut.fetch_add(1, Relaxed);
        }
        let _ = client.kill();
        let _ = client.wait();
    }

    /// A connection that asks, or asks half and goes.
    fn connect(&self, port: u16) {
        let number = self.connections.fetch_add(1, Relaxed);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let Ok(mut stream) = TcpStream::connect_timeout(&address, LIMIT) else {
            return;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let request: &[u8] = match number % 3 {
            0 => b"GET / HTTP/1.0\r\n\r\n",
            1 => b"GET / HT",
            _ => b"",
        };
        let mut answer = Vec::new();
        if stream.write_all(request).is_ok()
            && number.is_multiple_of(3)
            && stream.read_to_end(&mut answer).is_ok()
            && !answer.is_empty()
        {
            self.answers.fetch_add(1, Relaxed);
        }
        // Dropped with unread bytes it is reset.
        drop(stream);
        thread::sleep(Duration::from_millis(20));
    }
}

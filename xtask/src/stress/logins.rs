//! Logins one after the other, beside connections that never log in: all that
//! they took must come back, and nobody who has a key waits.

use super::Figures;
use crate::machine::{LIMIT, Machine, machine};
use crate::step;
use anyhow::{Context, Result, bail, ensure};
use std::collections::VecDeque;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Logins before the first look: what is made once and kept is there then.
const FIRST: u32 = 20;

/// How long a login may take, whoever else knocks.
const PROMISED: Duration = Duration::from_secs(2);

/// So many of those who never log in are kept open by this side.
const KEPT: usize = 500;

/// After so many logins a line says so.
const TOLD: u32 = 100;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Logins {
    /// How many log in.
    pub count: u32,
    /// How many connect beside them, and say nothing.
    pub silent: u32,
    /// CPUs.
    pub smp: u32,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was in use before, and afterwards.
    pub figures: [Figures; 2],
    /// The median of how long the logins took that were alone.
    pub alone: Duration,
    /// The same of those that were not.
    pub median: Duration,
    /// The longest of these.
    pub longest: Duration,
}

impl Logins {
    /// Does it.
    ///
    /// # Errors
    /// A login that fails or takes longer than promised, and memory that does not
    /// come back.
    pub fn run(&self) -> Result<Seen> {
        let machine = machine("logins").smp(self.smp).alone().up()?;
        let mut alone = Vec::new();
        for number in 0..FIRST {
            alone.push(login(&machine, number)?);
        }
        let before = Figures::settled(&machine, None)?;
        let mut times = Vec::new();
        let mut crowd = Crowd::default();
        for number in 0..self.count {
            crowd.grow(&machine, share(self.silent, number, self.count))?;
            times.push(login(&machine, number)?);
            if (number + 1) % TOLD == 0 {
                step::note(&format!("{} logins", number + 1));
            }
        }
        drop(crowd);
        let after = Figures::settled(&machine, Some(&before))?;
        if let Some(leak) = after.leak_since(&before) {
            bail!("{leak}\nbefore: {before}\nafter:  {after}");
        }
        machine.done()?;
        alone.sort();
        times.sort();
        let longest = times.last().copied().unwrap_or_default();
        ensure!(longest < PROMISED, "a login took {longest:?}");
        Ok(Seen {
            figures: [before, after],
            alone: alone[alone.len() / 2],
            median: times.get(times.len() / 2).copied().unwrap_or_default(),
            longest,
        })
    }
}

/// How many of `all` are the share of `number` of `count`.
fn share(all: u32, number: u32, count: u32) -> u32 {
    let until = |number: u32| u64::from(all) * u64::from(number) / u64::from(count.max(1));
    (until(number + 1) - until(number)) as u32
}

/// A login with a status of its own, and how long it took.
fn login(machine: &Machine, number: u32) -> Result<Duration> {
    let status = number % 200;
    let begun = Instant::now();
    let reply = machine.ssh(&format!("exit {status}"))?;
    let took = begun.elapsed();
    ensure!(
        reply.status.code() == i32::try_from(status).ok(),
        "login {number}, which is to end with {status}: {reply}"
    );
    Ok(took)
}

/// Connections on which nothing is said; the oldest are let go of.
#[derive(Default)]
struct Crowd {
    open: VecDeque<TcpStream>,
}

impl Crowd {
    fn grow(&mut self, machine: &Machine, count: u32) -> Result<()> {
        let address = SocketAddr::from(([127, 0, 0, 1], machine.ssh_port()));
        for _ in 0..count {
            let mut stream =
                TcpStream::connect_timeout(&address, LIMIT).context("a silent connection")?;
            // QEMU takes it in before the guest has it.
            stream.set_read_timeout(Some(LIMIT))?;
            let greeted = stream.read(&mut [0; 4]);
            greeted.context("a silent connection is not greeted")?;
            self.open.push_back(stream);
            if self.open.len() > KEPT {
                self.open.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (all, count) in [(0, 3), (10, 3), (10_000, 1000), (7, 20)] {
            let sum: u32 = (0..count).map(|number| share(all, number, count)).sum();
            assert_eq!(sum, all);
        }
    }
}

//! An ordinary user takes all the kernel's memory that he may have, and ends:
//! all of it must come back, however often.

use crate::machine::{Machine, machine, run_limited};
use crate::step;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// Fills that one command in the guest makes.
const CHUNK: u32 = 60;
/// For so long it may take on a host with much else to do.
const PATIENCE: Duration = Duration::from_secs(900);
/// Free memory may be less by so much: what is kept for the next allocation.
const SLACK_KB: u64 = 512;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Fills {
    /// How often.
    pub times: u32,
    /// By so many users at once, a process each.
    pub users: u32,
    /// CPUs.
    pub smp: u32,
    /// Memory, as QEMU writes it.
    pub mem: String,
}

/// What was seen of free memory, in kB, with nothing kept of files.
#[derive(Clone, Copy, Debug)]
pub struct FreeMemory {
    /// Before the first round that counts.
    pub before: u64,
    /// The least after any of them.
    pub least: u64,
}

impl Fills {
    /// Does it. Prints progress.
    ///
    /// # Errors
    /// Memory that has not come back within ten seconds of a round.
    pub fn run(&self) -> Result<FreeMemory> {
        let machine = machine("fills")
            .smp(self.smp)
            .with(|config| config.mem.clone_from(&self.mem))
            .up()?;
        // What is made once and kept: tables as large as they have ever had
        // to be, slabs that hold something of everything.
        let chunk = (CHUNK / self.users).max(1);
        for _ in 0..(self.times / 10).clamp(10, 1000).div_ceil(chunk) {
            self.rounds(&machine, chunk, 0)?;
        }
        let before = free_kb(&machine)?;
        let wanted = before - SLACK_KB;
        let mut least = before;
        let start = Instant::now();
        let mut done = 0;
        while done < self.times {
            let chunk = chunk.min(self.times - done);
            least = least.min(self.rounds(&machine, chunk, wanted)?);
            done += chunk;
            let is_word_due = done % (CHUNK * 10) < chunk || done == self.times;
            if is_word_due {
                step::note(&format!(
                    "{done} of {} rounds after {} s: {before} kB were free, at least {least} kB after each",
                    self.times,
                    start.elapsed().as_secs()
                ));
            }
            ensure!(
                least >= wanted,
                "not all memory has come back: {least} kB are free, at least {wanted} kB should be"
            );
        }
        machine.done()?;
        Ok(FreeMemory { before, least })
    }

    /// Some rounds; the least that was free after any, once it had ten seconds
    /// to become `wanted`.
    fn rounds(&self, machine: &Machine, count: u32, wanted: u64) -> Result<u64> {
        let users: Vec<String> = (1000..1000 + self.users).map(|it| it.to_string()).collect();
        let users = users.join(" ");
        let mut command = machine.ssh_command(&[])?;
        command.arg(format!(
            "free() {{ echo 3 >/proc/sys/vm/drop_caches; while read name size unit; do [ $name = MemFree: ] && f=$size && break; done </proc/meminfo; }}
             least=999999999; i=0
             while [ $i -lt {count} ]; do
                 case $((i % 2)) in 0) kind=pipes;; 1) kind=sockets;; esac
                 for user in {users}; do paddock-test exhaust $kind $user >/dev/null & done
                 wait; i=$((i + 1)); n=0; free
                 while [ $f -lt {wanted} ] && [ $n -lt 500 ]; do sleep 0.02; n=$((n + 1)); free; done
                 [ $f -lt $least ] && least=$f
             done
             echo $least"
        ));
        let reply = run_limited(&mut command, Vec::new(), PATIENCE)?;
        ensure!(
            reply.status.success(),
            "the rounds in the guest failed: {reply}"
        );
        reply
            .text()
            .trim()
            .parse()
            .context("no figure of free memory")
    }
}

fn free_kb(machine: &Machine) -> Result<u64> {
    let text = machine.sh("echo 3 >/proc/sys/vm/drop_caches; cat /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let figure = line.context("no MemFree")?.trim().trim_end_matches(" kB");
    Ok(figure.parse()?)
}

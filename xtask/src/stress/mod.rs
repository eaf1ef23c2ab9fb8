//! The stress run: a machine does everything at once for some time, from
//! inside and from outside, and afterwards is as it was before.

mod connections;
mod figures;
mod fills;
mod logins;
mod outside;
mod pauses;

pub use connections::Connections;
pub use figures::Figures;
pub use fills::{Fills, FreeMemory};
pub use logins::{Logins, Seen as LoginsSeen};
pub use pauses::{Pauses, Seen};

use crate::machine::{LIMIT, Machine, machine, run_limited};
use crate::step;
use anyhow::{Context, Result, anyhow, bail};
use outside::{Outside, Traffic};
use std::thread;
use std::time::{Duration, Instant};

/// How long one round is, before everything but process 1 may be killed.
const ROUND: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// For how long.
    pub time: Duration,
    /// How many CPUs; the tests' default if `None`.
    pub smp: Option<u32>,
}

/// What was done, and what it has left.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rounds, and how many of them ended with `kill -9 -1`.
    pub rounds: u32,
    /// See `rounds`.
    pub massacres: u32,
    /// What the guest's workers counted, by their names. Of rounds that were
    /// killed nothing is known.
    pub inside: Vec<(String, u64)>,
    /// What the host did meanwhile.
    pub traffic: Traffic,
    /// Before and after.
    pub figures: [Figures; 2],
}

/// Does it. Prints progress.
///
/// # Errors
/// What went wrong: a worker's check, a report of the kernel, a leak, a
/// machine that hangs or leaves a broken disk.
pub fn run(plan: &Plan) -> Result<Summary> {
    let mut builder = machine("stress").with(|config| config.mem = "512M".into());
    if let Some(smp) = plan.smp {
        builder = builder.smp(smp);
    }
    let machine = builder.up()?;
    wait_for_services(&machine)?;
    let mut summary = Summary::default();
    // What is made once and kept is there after a first round.
    round(&machine, Duration::from_secs(5), true, &mut summary)?;
    summary = Summary::default();
    let before = Figures::settled(&machine, None)?;
    step::note(&format!("before: {before}"));
    let start = Instant::now();
    while let Some(left) = plan.time.checked_sub(start.elapsed()) {
        // The last round ends by itself, so that something is counted.
        let last = left <= ROUND;
        let massacre = !last && summary.rounds % 2 == 1;
        round(&machine, ROUND.min(left), massacre, &mut summary)?;
        summary.rounds += 1;
        summary.massacres += u32::from(massacre);
        if last {
            break;
        }
    }
    let after = Figures::settled(&machine, Some(&before))?;
    step::note(&format!("after:  {after}"));
    summary.figures = [before, after];
    after_all(machine, &summary)?;
    Ok(summary)
}

/// The machine must be as it was, say nothing against itself, and leave a
/// clean disk.
fn after_all(machine: Machine, summary: &Summary) -> Result<()> {
    let [before, after] = &summary.figures;
    let violations = machine.sh("cat /proc/paddock/violations")?;
    if violations.trim() != "0" {
        bail!("the kernel counts {} violations", violations.trim());
    }
    if let Some(leak) = after.leak_since(before) {
        let threads = machine.sh("cat /proc/paddock/threads; ps")?;
        bail!("{leak}\nbefore: {before}\nafter:  {after}\n{threads}");
    }
    machine.off()
}

fn wait_for_services(machine: &Machine) -> Result<()> {
    machine
        .sh("i=0; until herd status httpd | grep -q running; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done")
        .context("the service does not come back")
        .map(drop)
}

/// Everything at once; then, if asked for, the end of all but process 1.
fn round(machine: &Machine, time: Duration, massacre: bool, summary: &mut Summary) -> Result<()> {
    let outside = Outside::start(machine)?;
    let seconds = time.as_secs().max(2);
    let result = match massacre {
        true => massacred(machine, seconds),
        false => counted(machine, seconds, summary),
    };
    let traffic = outside.stop();
    result.with_context(|| format!("in round {}", summary.rounds + 1))?;
    wait_for_services(machine)?;
    summary.traffic.add(&traffic);
    step::note(&format!(
        "round {}{}: from outside {traffic}",
        summary.rounds + 1,
        if massacre { ", all killed" } else { "" },
    ));
    Ok(())
}

/// A round that ends by itself: all its checks must hold.
fn counted(machine: &Machine, seconds: u64, summary: &mut Summary) -> Result<()> {
    let mut command = machine.ssh_command(&[])?;
    command.arg(format!("paddock-test stress {seconds} /root"));
    let reply = run_limited(
        &mut command,
        Vec::new(),
        Duration::from_secs(seconds) + LIMIT,
    )?;
    if !reply.status.success() {
        bail!("the stress inside failed: {reply}");
    }
    let text = reply.text();
    step::note(&format!("inside: {}", text.trim().replace('\n', ", ")));
    for (name, count) in text.lines().filter_map(|line| line.split_once('=')) {
        let count = count.parse().unwrap_or(0);
        match summary.inside.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += count,
            None => summary.inside.push((name.to_owned(), count)),
        }
    }
    Ok(())
}

/// A round in whose midst everything but process 1 is killed.
fn massacred(machine: &Machine, seconds: u64) -> Result<()> {
    let mut command = machine.ssh_command(&[])?;
    command.arg(format!("paddock-test stress {} /root", seconds + 600));
    let limit = Duration::from_secs(seconds) + LIMIT;
    let inside = thread::spawn(move || run_limited(&mut command, Vec::new(), limit));
    thread::sleep(Duration::from_secs(seconds));
    let early = inside.is_finished();
    // The shell that is told to kill is one of those that go, or not.
    let killed = machine.ssh("kill -9 -1");
    let ended = inside
        .join()
        .map_err(|_| anyhow!("a thread of the test failed"))?;
    killed?;
    let reply = ended.with_context(|| state_of(machine))?;
    if early {
        bail!("the stress inside ended by itself: {reply}");
    }
    machine.sh("rm -rf /root/stress-*").map(drop)
}

/// What the machine does, for whoever looks for the cause of a hang.
fn state_of(machine: &Machine) -> String {
    match machine.sh("ps; cat /proc/paddock/threads /proc/paddock/locks") {
        Ok(text) => text,
        Err(error) => format!("the machine does not answer: {error:#}"),
    }
}

//! `cargo xtask profile`.

use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;
use xtask::machine::{Machine, machine, run_limited};
use xtask::profile::Stacks;
use xtask::qemu::cpus;
use xtask::{paths, step};

const HELP: &str = "\
Boots a machine, runs a command there while the kernel takes samples of every CPU,
and says where time went: a table, a flame graph (SVG), and the stacks folded, for
other tools.

Usage: cargo xtask profile [OPTIONS] -- COMMAND

  --icount      under QEMU's -icount: an instruction takes a nanosecond
  --rate N      samples a second of each CPU (997; at most 10,000)
  --smp N       CPUs, 1 to 8 (1)
  --mem SIZE    memory, as QEMU writes it (256M)
  --disk FILE   this disk, as `cargo xtask image` makes it, instead of the tests'
  --out FILE    the flame graph (target/paddock/profile.svg); the stacks go beside it
  --minutes N   for how long the command may run (10)
  --no-build    with what was built last

A machine that runs already does the same by itself, as root:

  echo start > /proc/paddock/profile      (or: start RATE)
  COMMAND
  echo stop > /proc/paddock/profile
  cat /proc/paddock/profile
";

struct Plan {
    command: String,
    icount: bool,
    rate: u32,
    smp: u32,
    mem: String,
    disk: Option<PathBuf>,
    out: PathBuf,
    limit: Duration,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut plan = Plan {
        command: String::new(),
        icount: false,
        rate: 997,
        smp: 1,
        mem: "256M".to_owned(),
        disk: None,
        out: paths::out().join("profile.svg"),
        limit: Duration::from_secs(600),
    };
    let mut build = true;
    let mut words = Vec::new();
    while let Some(arg) = args.next()? {
        match arg {
            Long("icount") => plan.icount = true,
            Long("rate") => plan.rate = args.value()?.parse()?,
            Long("smp") => plan.smp = cpus(&args.value()?.string()?)?,
            Long("mem") => plan.mem = args.value()?.string()?,
            Long("disk") => plan.disk = Some(args.value()?.into()),
            Long("out") => plan.out = args.value()?.into(),
            Long("minutes") => plan.limit = Duration::from_secs(60 * args.value()?.parse::<u64>()?),
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    plan.command = words.join(" ");
    if plan.command.is_empty() {
        bail!("say what to run: cargo xtask profile -- COMMAND");
    }
    ensure!(
        (1..=10_000).contains(&plan.rate),
        "--rate {}: it is 1 to 10,000 samples a second",
        plan.rate
    );
    super::test::prepare(build)?;
    profile(&plan)
}

fn profile(plan: &Plan) -> Result<ExitCode> {
    step::step(&format!("Booting, and running: {}", plan.command));
    let mut builder = machine("profile").alone().smp(plan.smp).with(|config| {
        config.icount = plan.icount;
        config.mem.clone_from(&plan.mem);
    });
    if let Some(disk) = &plan.disk {
        builder = builder.disk(disk);
    }
    let machine = builder.up()?;
    let (text, status) = sample(&machine, plan)?;
    machine.done()?;
    let stacks = Stacks::of_test_machine(&text)?;
    ensure!(
        stacks.samples() > 0,
        "not one sample: the command was over too soon for {} samples a second",
        plan.rate
    );
    show(&stacks, plan)?;
    if !status.success() {
        println!("the command did not succeed: {status}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the command; what was counted, and its exit status.
fn sample(machine: &Machine, plan: &Plan) -> Result<(String, ExitStatus)> {
    machine.sh(&format!("echo start {} > /proc/paddock/profile", plan.rate))?;
    let mut ssh = machine.ssh_command(&[])?;
    ssh.arg(&plan.command);
    let reply = run_limited(&mut ssh, Vec::new(), plan.limit)?;
    machine.sh("echo stop > /proc/paddock/profile")?;
    print!("{}", reply.text());
    eprint!("{}", reply.errors());
    let text = machine.sh("cat /proc/paddock/profile")?;
    Ok((text, reply.status))
}

fn show(stacks: &Stacks, plan: &Plan) -> Result<()> {
    const SHOWN: usize = 25;
    let all = stacks.samples();
    println!("{all} samples; where most were taken:");
    for (function, count) in stacks.top().into_iter().take(SHOWN) {
        println!("{:6.1} %  {function}", count as f64 * 100.0 / all as f64);
    }
    let folded = plan.out.with_extension("folded");
    write(&folded, stacks.folded().join("\n").as_bytes())?;
    write(&plan.out, &stacks.flame_graph(&plan.command)?)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

//! `cargo xtask bench-herd`.

mod supervisors;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use supervisors::Supervisor;
use xtask::machine::machine;
use xtask::{paths, process, step};

const HELP: &str = "\
Measures herd beside dinit, s6 and runit on this host, as far as they are installed,
and herd on Paddock: how soon a service that was killed runs again (to the first
instruction of the program), how soon 1,000 services run, what they take of the
supervisor's memory, and how often it wakes up with nothing to do. A busy host makes all
of them slower: the load is printed, too.

Usage: cargo xtask bench-herd [OPTIONS]

  --path DIR   where the others are, beside PATH; can be given several times
  --runs N     the medians of so many runs (3)
  --idle S     how long they are watched with nothing to do, in seconds (60)
  --host       only on this host
  --paddock    only on Paddock
  --no-build   measures what was built last on Paddock
";

/// How many services are started, and how many there are when some are killed.
const MANY: usize = 1_000;
const FEW: usize = 20;
/// How many are killed.
const KILLS: usize = 100;

struct Options {
    folders: Vec<PathBuf>,
    runs: usize,
    idle: usize,
    host: bool,
    paddock: bool,
    build: bool,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut options = Options {
        folders: Vec::new(),
        runs: 3,
        idle: 60,
        host: true,
        paddock: true,
        build: true,
    };
    while let Some(arg) = args.next()? {
        match arg {
            Long("path") => options.folders.push(args.value()?.into()),
            Long("runs") => options.runs = args.value()?.parse()?,
            Long("idle") => options.idle = args.value()?.parse()?,
            Long("host") => options.paddock = false,
            Long("paddock") => options.host = false,
            Long("no-build") => options.build = false,
            Long("help") | Short('h') => return super::help(HELP),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.host {
        on_host(&options)?;
    }
    if options.paddock {
        on_paddock(&options)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What `paddock-test supervise` printed: numbers by their names.
type Figures = HashMap<String, u64>;

fn figures(text: &str) -> Figures {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let number = |text: &str| text.split_whitespace().next()?.parse().ok();
    lines
        .filter_map(|(name, text)| Some((name.to_owned(), number(text)?)))
        .collect()
}

/// The median of each figure.
fn medians(runs: &[Figures]) -> Figures {
    let names = runs.iter().flat_map(|run| run.keys());
    let median = |name: &String| {
        let mut all: Vec<u64> = runs
            .iter()
            .filter_map(|run| run.get(name).copied())
            .collect();
        all.sort_unstable();
        (name.clone(), all.get(all.len() / 2).copied().unwrap_or(0))
    };
    names.map(median).collect()
}

/// One line: what was found with few services, and with many.
fn row(name: &str, few: &Figures, many: &Figures, idle: usize) -> String {
    let get = |figures: &Figures, key: &str| figures.get(key).copied().unwrap_or(0);
    let grown = get(many, "memory_kib").saturating_sub(get(few, "memory_kib"));
    format!(
        "{name:<8}  {:>7.3} ms  {:>8.1} ms  {:>9.2} KiB  {:>5}  {:>5} in {idle} s",
        get(few, "restart_us") as f64 / 1e3,
        get(many, "started_us") as f64 / 1e3,
        grown as f64 / (MANY - FEW) as f64,
        get(many, "processes"),
        get(many, "wake_ups"),
    )
}

const HEAD: &str = "            restart    1,000 start   memory each  procs  wake-ups";

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

fn on_host(options: &Options) -> Result<()> {
    step::step("Building herd, paddock-test and a probe for this host");
    // Where /run is on a machine: what is made on a disk would cost more than all else.
    let memory = Path::new("/dev/shm");
    let own = format!("bench-herd-{}", std::process::id());
    let folder = match memory.is_dir() {
        true => memory.join(own),
        false => paths::out().join(own),
    };
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut cargo = process::tool("cargo")?;
    process::run(cargo.args(["build", "--release", "-p", "herd", "-p", "paddock-test"]))?;
    let fifo = folder.join("fifo");
    let probe = folder.join("probe");
    let mut rustc = process::tool("rustc")?;
    rustc.args(["--edition", "2024", "-O", "-C", "panic=abort"]);
    rustc.args(["-C", "link-args=-nostartfiles -nostdlib -static"]);
    rustc
        .args(["-C", "relocation-model=static", "-o"])
        .arg(&probe);
    rustc.arg(paths::workspace().join("xtask/src/cli/bench_herd/probe.rs"));
    process::run(rustc.env("FIFO", &fifo))?;
    let place = Place {
        folder,
        fifo,
        probe,
        programs: paths::workspace().join("target/release"),
        folders: options.folders.clone(),
    };
    let mut rows = Vec::new();
    for supervisor in Supervisor::ALL {
        let Some(program) = place.find(supervisor.program()) else {
            step::note(&format!("{} is not installed", supervisor.program()));
            continue;
        };
        step::step(&format!("{}, {} runs", supervisor.name(), options.runs));
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..options.runs {
            few.push(place.measure(supervisor, &program, FEW, KILLS, 0)?);
            many.push(place.measure(supervisor, &program, MANY, 0, options.idle)?);
        }
        let (few, many) = (medians(&few), medians(&many));
        rows.push(row(supervisor.name(), &few, &many, options.idle));
    }
    let _ = fs::remove_dir_all(&place.folder);
    println!("\nOn this host (load {}):\n{HEAD}", load());
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

/// Where everything is.
struct Place {
    folder: PathBuf,
    fifo: PathBuf,
    probe: PathBuf,
    /// Those of this repository.
    programs: PathBuf,
    folders: Vec<PathBuf>,
}

impl Place {
    fn find(&self, program: &str) -> Option<PathBuf> {
        let own = std::iter::once(&self.programs).filter(|_| program == "herd");
        let found = own
            .chain(&self.folders)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file());
        found.or_else(|| process::find(program))
    }

    fn measure(
        &self,
        supervisor: Supervisor,
        program: &Path,
        services: usize,
        kills: usize,
        idle: usize,
    ) -> Result<Figures> {
        let root = self.folder.join("root");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root)?;
        supervisor.define(&root, services, &self.probe)?;
        let mut command = Command::new(self.programs.join("paddock-test"));
        command.arg("supervise").arg(&self.fifo);
        command.args([services, kills, idle].map(|number| number.to_string()));
        command.arg(program).args(supervisor.arguments(&root));
        // They start others of theirs.
        let path = std::env::var("PATH").unwrap_or_default();
        let folders = self
            .folders
            .iter()
            .map(|folder| folder.display().to_string());
        let path: Vec<String> = folders.chain([path]).collect();
        command.env("PATH", path.join(":"));
        let output = process::capture(&mut command)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("{}: {text}", supervisor.name());
        }
        step::note(&text.trim().replace('\n', ", "));
        Ok(figures(&text))
    }
}

/// The same of herd in a machine whose instructions take a nanosecond each.
fn on_paddock(options: &Options) -> Result<()> {
    super::test::prepare(options.build)?;
    step::step("herd on Paddock, counting instructions");
    let machine = machine("bench-herd")
        .alone()
        .with(|config| {
            config.icount = true;
            config.mem = "1G".to_owned();
        })
        .up()?;
    let measure = |services: usize, kills: usize, idle: usize| -> Result<Figures> {
        // In the background: it takes longer than a command may.
        machine.sh(&format!(
            "rm -rf /tmp/h /tmp/out /tmp/done; \
             paddock-test herd-root /tmp/h {services} /bin/paddock-test probe /tmp/fifo && \
             (paddock-test supervise /tmp/fifo {services} {kills} {idle} \
             /bin/herd --root /tmp/h daemon > /tmp/out 2>&1; : > /tmp/done) \
             > /dev/null 2>&1 < /dev/null &"
        ))?;
        let mut looks = 0;
        while machine.sh("[ -e /tmp/done ]").is_err() {
            looks += 1;
            if looks > 300 {
                bail!("no figures: {}", machine.sh("cat /tmp/out")?);
            }
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        let text = machine.sh("cat /tmp/out")?;
        step::note(&text.trim().replace('\n', ", "));
        Ok(figures(&text))
    };
    let few = measure(FEW, KILLS, 0)?;
    let many = measure(MANY, 0, options.idle)?;
    machine.done().context("the machine after it")?;
    println!("\nOn Paddock (guest time):\n{HEAD}");
    println!("{}", row("herd", &few, &many, options.idle));
    Ok(())
}

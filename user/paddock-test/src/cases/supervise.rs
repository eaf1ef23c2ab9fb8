//! What a supervisor costs: how soon it has started many services, how soon one that was
//! killed runs again, what it takes of memory, and whether it wakes up for nothing. Its
//! services report themselves to a FIFO as the first thing they do.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Outcome;
use crate::report::Report;
use crate::sys;

/// A service lives for so long before it is killed: a supervisor that waits with the
/// restart of one that had just begun does not.
const LIVES: u64 = 1_200_000_000;

/// How long the next report may take, in milliseconds.
const PATIENCE_MS: i32 = 60_000;

/// What a service says of itself: seconds and nanoseconds of CLOCK_MONOTONIC, and its
/// number.
const RECORD: usize = 24;

fn text<T>(what: &str) -> impl Fn(T) -> String + '_
where
    T: std::fmt::Display,
{
    move |error| format!("{what}: {error}")
}

/// `probe FIFO`: reports itself, and lives.
pub fn probe(_: &mut Report, words: &[String]) -> Outcome {
    let [fifo] = words else {
        return Err("probe FIFO".to_owned());
    };
    let now = clock();
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&(now / 1_000_000_000).to_ne_bytes());
    record[8..16].copy_from_slice(&(now % 1_000_000_000).to_ne_bytes());
    record[16..].copy_from_slice(&u64::from(std::process::id()).to_ne_bytes());
    let mut file = OpenOptions::new().append(true).open(fifo);
    let file = file.as_mut().map_err(|error| error.to_string())?;
    std::io::Write::write_all(file, &record).map_err(|error| error.to_string())?;
    loop {
        std::thread::park();
    }
}

/// `herd-root ROOT COUNT COMMAND`: as many services of herd's, enabled.
pub fn herd_root(_: &mut Report, words: &[String]) -> Outcome {
    let [root, count, command @ ..] = words else {
        return Err("herd-root ROOT COUNT COMMAND".to_owned());
    };
    let count: usize = count.parse().map_err(text("COUNT"))?;
    let folder = |name: &str| Path::new(root).join("etc/herd").join(name);
    for name in ["available", "enabled"] {
        fs::create_dir_all(folder(name)).map_err(text(name))?;
    }
    let words: Vec<String> = command.iter().map(|word| format!("{word:?}")).collect();
    // One that had run for a second is restarted at once.
    let definition = format!("command = [{}]\nhealthy_after = \"1s\"\n", words.join(", "));
    for n in 0..count {
        let name = format!("s{n:04}.conf");
        fs::write(folder("available").join(&name), &definition).map_err(text(&name))?;
        let link = folder("enabled").join(&name);
        symlink(format!("../available/{name}"), link).map_err(text(&name))?;
    }
    Ok(())
}

/// Nanoseconds of CLOCK_MONOTONIC.
fn clock() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is ours to write to for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Where services report themselves.
struct Reports {
    file: File,
    /// By their numbers, since when they run.
    live: HashMap<u32, u64>,
}

impl Reports {
    fn open(fifo: &str) -> Result<Reports, String> {
        let path = std::ffi::CString::new(fifo).map_err(text("FIFO"))?;
        let _ = fs::remove_file(fifo);
        // SAFETY: the path lives for the call.
        unsafe { libc::mkfifo(path.as_ptr(), 0o666) };
        // Both ends, so that it has no end of file.
        let file = OpenOptions::new().read(true).write(true).open(fifo);
        let file = file.map_err(text(fifo))?;
        let live = HashMap::new();
        Ok(Reports { file, live })
    }

    /// Waits so many milliseconds at most.
    fn is_there_within(&self, limit: i32) -> bool {
        let mut file = libc::pollfd {
            fd: self.file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: `file` is ours to write to for the call.
        unsafe { libc::poll(&mut file, 1, limit) > 0 }
    }

    /// Waits for the next: when it reported itself.
    fn next(&mut self) -> Result<u64, String> {
        let mut record = [0; RECORD];
        if !self.is_there_within(PATIENCE_MS) {
            return Err("a service has not reported itself".to_owned());
        }
        self.file
            .read_exact(&mut record)
            .map_err(text("a report"))?;
        let number = |at: usize| {
            let bytes = record[at..at + 8].try_into().unwrap_or_default();
            u64::from_ne_bytes(bytes)
        };
        let at = number(0) * 1_000_000_000 + number(8);
        let pid = u32::try_from(number(16)).map_err(text("a number"))?;
        self.live.insert(pid, at);
        Ok(at)
    }
}

/// `supervise FIFO SERVICES KILLS IDLE COMMAND`: starts a supervisor with so many
/// services that are probes, kills so many, watches it for so many idle seconds, and
/// prints figures.
pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let [fifo, services, kills, idle, command @ ..] = words else {
        return Err("supervise FIFO SERVICES KILLS IDLE COMMAND".to_owned());
    };
    let number = |word: &String| word.parse::<usize>().map_err(text(word));
    let (services, kills, idle) = (number(services)?, number(kills)?, number(idle)?);
    let (program, arguments) = command.split_first().ok_or("a COMMAND is missing")?;
    let mut reports = Reports::open(fifo)?;
    let begin = clock();
    let mut supervisor = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(text(program))?;
    let result = figures(&mut reports, &supervisor, begin, services, kills, idle);
    end(&mut supervisor, &reports);
    result
}

fn figures(
    reports: &mut Reports,
    supervisor: &Child,
    begin: u64,
    services: usize,
    kills: usize,
    idle: usize,
) -> Outcome {
    let mut last = begin;
    for _ in 0..services {
        last = last.max(reports.next()?);
    }
    println!("started_us={}", (last - begin) / 1_000);
    let mut delays = Vec::new();
    let mut order: Vec<u32> = reports.live.keys().copied().collect();
    order.sort_by_key(|pid| reports.live.get(pid));
    let mut order = std::collections::VecDeque::from(order);
    for _ in 0..kills {
        let pid = order.pop_front().ok_or("no service is there")?;
        let since = reports.live.remove(&pid).unwrap_or_default();
        while clock() < since + LIVES {
            sys::sleep_ms(5);
        }
        let killed = clock();
        kill(pid);
        let known: HashSet<u32> = reports.live.keys().copied().collect();
        let again = reports.next()?;
        order.extend(reports.live.keys().filter(|pid| !known.contains(pid)));
        delays.push(again.saturating_sub(killed) / 1_000);
    }
    delays.sort_unstable();
    if let (Some(first), Some(middle), Some(last)) =
        (delays.first(), delays.get(delays.len() / 2), delays.last())
    {
        println!("restart_us={middle} from {first} to {last}");
    }
    // What it has begun is done by then.
    sys::sleep_ms(2_000);
    let own = processes(supervisor.id(), &reports.live);
    let memory: u64 = own.iter().filter_map(|pid| memory_of(*pid)).sum();
    println!("processes={}\nmemory_kib={memory}", own.len());
    if idle > 0 {
        let before = switches(&own);
        std::thread::sleep(Duration::from_secs(idle as u64));
        println!("wake_ups={}", switches(&own).saturating_sub(before));
    }
    Ok(())
}

fn kill(pid: u32) {
    // SAFETY: `kill` touches no memory.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}

/// Ends all that is left.
fn end(supervisor: &mut Child, reports: &Reports) {
    let own = processes(supervisor.id(), &reports.live);
    for pid in own {
        kill(pid);
    }
    let _ = supervisor.wait();
    reports.live.keys().for_each(|pid| kill(*pid));
}

/// The supervisor and all that it has started, but no service.
fn processes(first: u32, services: &HashMap<u32, u64>) -> BTreeSet<u32> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let parent = rest.split_whitespace().nth(1);
        if let Some(parent) = parent.and_then(|word| word.parse::<u32>().ok()) {
            parents.insert(pid, parent);
        }
    }
    let is_below = |mut pid: u32| {
        // No chain is that long.
        for _ in 0..64 {
            match pid {
                _ if pid == first => return true,
                0 | 1 => return false,
                _ => pid = parents.get(&pid).copied().unwrap_or(0),
            }
        }
        false
    };
    let all = parents.keys().copied();
    all.filter(|pid| !services.contains_key(pid) && is_below(*pid))
        .collect()
}

/// What is a process's own share of memory, in KiB; all that it has, where shares are
/// not told.
fn memory_of(pid: u32) -> Option<u64> {
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    line("smaps_rollup", "Pss:").or_else(|| line("status", "VmRSS:"))
}

/// How often their threads have gone to sleep.
fn switches(processes: &BTreeSet<u32>) -> u64 {
    let mut sum = 0;
    for pid in processes {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum += line.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

//! `top`: the services as they are now, again and again.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::{Failure, Outcome, client, show};
use crate::machine::Phase;
use crate::paths::Paths;
use crate::proto::Status;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);

/// A terminal that does not say how large it is: rows and columns.
const USUAL: (usize, usize) = (24, 80);

/// Shows the services until the operator has seen enough. Where there is no terminal,
/// once.
pub(super) fn show(paths: &Paths) -> Outcome {
    let mut before = Sample::take(paths)?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        std::thread::sleep(PERIOD / 2);
        let now = Sample::take(paths)?;
        show::print(&frame(&now, &before, (usize::MAX, usize::MAX)));
        return Ok(());
    }
    let terminal = Terminal::enter()?;
    let mut wait = PERIOD / 4;
    while !terminal.wants_to_leave(wait) {
        let now = Sample::take(paths)?;
        // From the first line on; what was longer before is wiped out.
        let picture = frame(&now, &before, size()).replace('\n', "\x1b[K\r\n");
        show::print(&format!("\x1b[H{picture}\x1b[J"));
        (before, wait) = (now, PERIOD);
    }
    Ok(())
}

/// Rows and columns.
fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            (usize::from(size.ws_row), usize::from(size.ws_col))
        }
        _ => USUAL,
    }
}

/// The services at one moment.
struct Sample {
    at: Instant,
    services: Vec<Status>,
}

impl Sample {
    fn take(paths: &Paths) -> Result<Sample, Failure> {
        let services = client::services(paths, None)?;
        let at = Instant::now();
        Ok(Sample { at, services })
    }
}

/// The terminal without echo, and with keys that are told as they are pressed, until
/// this is dropped.
struct Terminal(Termios);

impl Terminal {
    fn enter() -> Result<Terminal, Failure> {
        let failed = |error: Errno| Failure::Failed(format!("the terminal: {error}"));
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        // Interrupts, too, are keys: the terminal is to be left as it was.
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(failed)?;
        // Another screen, without a cursor.
        show::print("\x1b[?1049h\x1b[?25l\x1b[H\x1b[J");
        Ok(Terminal(before))
    }

    /// Waits so long, and tells whether a key was pressed that ends it.
    fn wants_to_leave(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let limit = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            };
            let stdin = io::stdin();
            let mut files = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
            match poll(&mut files, Some(&limit)) {
                Ok(0) | Err(Errno::INTR) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
            let mut keys = [0; 16];
            let count = match rustix::io::read(&stdin, &mut keys) {
                // Nobody is there any more.
                Ok(0) | Err(_) => return true,
                Ok(count) => count,
            };
            let mut pressed = keys.iter().take(count);
            // Ctrl-C and Ctrl-D as well.
            if pressed.any(|key| matches!(key, b'q' | b'Q' | 3 | 4)) {
                return true;
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        show::print("\x1b[?25h\x1b[?1049l");
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Hundredths of a CPU that each has used since `before`.
fn shares(now: &Sample, before: &Sample) -> HashMap<String, u64> {
    let used: HashMap<&str, u64> = before
        .services
        .iter()
        .filter_map(|service| Some((service.name.as_str(), service.cpu_us?)))
        .collect();
    let time = now.at.saturating_duration_since(before.at).as_micros();
    let time = u64::try_from(time).unwrap_or(u64::MAX).max(1);
    let share = |service: &Status| {
        let before = used.get(service.name.as_str())?;
        // What was started anew begins at 0.
        let more = service.cpu_us?.checked_sub(*before)?;
        Some((service.name.clone(), more.saturating_mul(100) / time))
    };
    now.services.iter().filter_map(share).collect()
}

/// What is seen, in so many rows and columns: what uses the CPU most is first.
fn frame(now: &Sample, before: &Sample, (rows, columns): (usize, usize)) -> String {
    let shares = shares(now, before);
    let share = |service: &Status| shares.get(&service.name).copied();
    let mut services: Vec<&Status> = now.services.iter().collect();
    services.sort_by_key(|service| {
        let memory = service.memory.unwrap_or(0);
        let order = (share(service).unwrap_or(0), memory);
        (Reverse(order), &service.name)
    });
    let count = |phase| now.services.iter().filter(|it| it.state == phase).count();
    let mut text = format!(
        "{} services, {} running, {} failed, {} in backoff (q leaves)\n",
        services.len(),
        count(Phase::Running),
        count(Phase::Failed),
        count(Phase::Backoff),
    );
    let name = |service: &&Status| service.name.len();
    let width = services.iter().map(name).max().unwrap_or(0).max(4);
    let _ = writeln!(
        text,
        "{:<width$}  {:<9}  {:>5}  {:>10}  {:>5}  {:>8}  LAST END",
        "NAME", "STATE", "CPU", "MEMORY", "TASKS", "RESTARTS"
    );
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for service in services {
        let line = format!(
            "{:<width$}  {:<9}  {:>5}  {:>10}  {:>5}  {:>8}  {}",
            service.name,
            service.state.word(),
            or_none(share(service).map(|share| format!("{share}%"))),
            or_none(service.memory.map(|bytes| format!("{} kB", bytes / 1024))),
            or_none(service.tasks.map(|tasks| tasks.to_string())),
            service.restarts,
            service.last_end.as_deref().unwrap_or_default(),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let fits = |line: &str| line.chars().take(columns).collect::<String>() + "\n";
    // The last row stays empty: the cursor is there.
    let lines = text.lines().take(rows.saturating_sub(1));
    lines.map(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, cpu_us: u64) -> Status {
        serde_json::from_value(serde_json::json!({
            "name": name, "state": "running", "enabled": true, "pid": 7, "running_ms": 1,
            "due_ms": null, "restarts": 2, "crash_loop": false, "waits_for": null,
            "last_end": null, "error": null, "tasks": 3, "memory": 8192, "group": null,
            "cpu_us": cpu_us, "changed": false,
        }))
        .unwrap()
    }

    #[test]
    fn what_uses_the_cpu_most_is_first_and_all_fits() {
        let begin = Instant::now();
        let sample = |at, a, b| Sample {
            at,
            services: vec![service("a", a), service("b", b)],
        };
        let before = sample(begin, 0, 1_000);
        let now = sample(begin + Duration::from_secs(2), 100, 501_000);
        let all = frame(&now, &before, (24, 80));
        let words = |line: usize| -> Vec<&str> {
            let line = all.lines().nth(line).unwrap_or_default();
            line.split_whitespace().collect()
        };
        assert!(all.starts_with("2 services, 2 running, 0 failed"), "{all}");
        assert_eq!(words(2), ["b", "running", "25%", "8", "kB", "3", "2"]);
        assert_eq!(words(3), ["a", "running", "0%", "8", "kB", "3", "2"]);
        let small = frame(&now, &before, (3, 9));
        assert_eq!(small, "2 service\nNAME  STA\n");
    }
}

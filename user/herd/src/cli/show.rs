//! What is shown, and how.

use std::io::{self, Write as _};

use crate::config::{Millis, Service};
use crate::machine::Phase;
use crate::proto::Status;

/// Prints; a reader that has gone is no error.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(super) fn print_json(value: &impl serde::Serialize) {
    // The type has nothing that JSON cannot say.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    print(&text);
}

pub(super) fn table(services: &[Status]) -> String {
    if services.is_empty() {
        return "no services are defined in /etc/herd/available\n".to_owned();
    }
    let name = |service: &Status| service.name.len();
    let width = services.iter().map(name).max().unwrap_or(0).max(4);
    let mut text = format!(
        "{:<width$}  {:<8}  {:<8}  {:>7}  {:>8}  {:>8}  {:>5}  NOTE\n",
        "NAME", "STATE", "ENABLED", "PID", "UPTIME", "RESTARTS", "TASKS"
    );
    for service in services {
        let line = format!(
            "{:<width$}  {:<8}  {:<8}  {:>7}  {:>8}  {:>8}  {:>5}  {}",
            service.name,
            service.state.word(),
            if service.enabled { "yes" } else { "no" },
            service.pid.map_or("-".to_owned(), |pid| pid.to_string()),
            service.running_ms.map_or("-".to_owned(), duration),
            service.restarts,
            service
                .tasks
                .map_or("-".to_owned(), |tasks| tasks.to_string()),
            remark(service),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The most useful thing to know about a service beside its state.
fn remark(service: &Status) -> String {
    if let Some(error) = &service.error {
        return error.lines().next().unwrap_or_default().to_owned();
    }
    if let Some(other) = &service.waits_for {
        return format!("waits for {other}");
    }
    match (service.state, &service.last_end, service.due_ms) {
        (Phase::Backoff, Some(end), Some(due)) if service.crash_loop => {
            format!("crash loop: {end}; again in {}", Millis(due))
        }
        (Phase::Backoff, Some(end), Some(due)) => format!("{end}; again in {}", Millis(due)),
        (Phase::Scheduled, Some(end), Some(due)) => {
            format!("in {}; last: {end}", duration(due))
        }
        (Phase::Scheduled, None, Some(due)) => format!("in {}", duration(due)),
        (Phase::Stopping, _, Some(due)) => format!("killed in {}", Millis(due)),
        (Phase::Running, ..) if service.changed => {
            "definition changed; takes effect on restart".to_owned()
        }
        (_, Some(end), _) => format!("last: {end}"),
        _ => String::new(),
    }
}

pub(super) fn one(service: &Status) -> String {
    let mut lines = vec![
        ("name", service.name.clone()),
        ("state", service.state.word().to_owned()),
        (
            "enabled",
            if service.enabled { "yes" } else { "no" }.to_owned(),
        ),
    ];
    if let Some(pid) = service.pid {
        lines.push(("pid", pid.to_string()));
    }
    if let Some(ms) = service.running_ms {
        lines.push(("uptime", duration(ms)));
    }
    if service.pid.is_some() {
        let known = "by session and environment";
        let group = service.group.clone();
        lines.push(("processes", group.unwrap_or_else(|| known.to_owned())));
    }
    if let Some(tasks) = service.tasks {
        lines.push(("tasks", tasks.to_string()));
    }
    if let Some(bytes) = service.memory {
        lines.push(("memory", format!("{} kB", bytes / 1024)));
    }
    if let Some(other) = &service.waits_for {
        lines.push(("waits for", other.clone()));
    }
    if let Some(due) = service.due_ms {
        let what = match service.state {
            Phase::Stopping => "killed in",
            _ => "again in",
        };
        lines.push((what, Millis(due).to_string()));
    }
    let crash_loop = if service.crash_loop {
        ", in a crash loop"
    } else {
        ""
    };
    lines.push(("restarts", format!("{}{crash_loop}", service.restarts)));
    if let Some(end) = &service.last_end {
        lines.push(("last end", end.clone()));
    }
    if let Some(error) = &service.error {
        lines.push(("mistake", error.clone()));
    }
    if service.changed {
        lines.push(("changed", "yes; takes effect on restart".to_owned()));
    }
    lines
        .iter()
        .map(|(key, value)| format!("{:<11}{value}\n", format!("{key}:")))
        .collect()
}

/// A length of time in at most two units.
fn duration(ms: u64) -> String {
    let s = ms / 1_000;
    match (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s}s"),
        (0, h, m, _) => format!("{h}h{m}m"),
        (d, h, _, _) => format!("{d}d{h}h"),
    }
}

/// A definition as it would be written with every key that has a value.
pub(super) fn definition(service: &Service) -> String {
    // Every key of it is one that TOML has.
    toml::to_string(service).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_shown_definition_reads_back_the_same() {
        let text = "command = ['a b', \"c\\n\\\"d\\u0001\"]\nuser = 'x'\nstop_signal = 'HUP'\n\
            restart = 'on-failure'\nafter = ['n']\nstop_timeout = '1m'\n\
            backoff = '5s'\nsuccess_exit = [3, 'HUP']\numask = '027'\npre_start = 'a b'\n[env]\n'A-1' = 'v\\'\n";
        let service = Service::parse(Path::new("x"), text).unwrap();
        let shown = definition(&service);
        assert_eq!(
            Service::parse(Path::new("x"), &shown),
            Ok(service),
            "{shown}"
        );
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(59_999), "59s");
        assert_eq!(duration(61_000), "1m1s");
        assert_eq!(duration(3_700_000), "1h1m");
        assert_eq!(duration(90_000_000), "1d1h");
    }
}

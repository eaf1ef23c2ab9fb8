//! `blame`: how long each service took to start, and what it waited for, as the logs and
//! the definitions tell it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde::Serialize;

use super::lines::Line;
use super::setup::failed;
use super::{Outcome, logs, names, show};
use crate::config::{self, Service};
use crate::log::moment;
use crate::machine::Time;
use crate::paths::Paths;
use crate::sys;

/// The first start of a service in this run of herd. Times are milliseconds since the
/// machine was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Start {
    service: String,
    started: Time,
    /// It was ready, or done; `None`: not yet, or not at all.
    ready: Option<Time>,
    /// The last that it waited for.
    after: Option<String>,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Svg,
}

pub(super) fn show(paths: &Paths, form: Form) -> Outcome {
    let loaded = config::load(paths).map_err(failed(&paths.available()))?;
    let begin = began(paths);
    let wall_at_boot = sys::wall().saturating_sub(sys::now());
    let mut starts: Vec<Start> = names::with_logs(paths)
        .iter()
        .filter_map(|name| {
            let found = loaded.iter().find(|found| found.name == *name);
            let service = found.and_then(|found| found.definition.as_ref().ok());
            let lines = logs::parsed(paths, name, None);
            first_start(
                name,
                service.map(AsRef::as_ref),
                &lines,
                wall_at_boot + begin,
            )
        })
        .map(|start| start.since(wall_at_boot))
        .collect();
    let services = loaded.iter().filter_map(|found| {
        let service = found.definition.as_ref().ok()?;
        Some((found.name.as_str(), service.as_ref()))
    });
    find_waits(&mut starts, &services.collect());
    starts.sort_by(|one, other| (one.started, &one.service).cmp(&(other.started, &other.service)));
    match form {
        Form::Text => show::print(&text(&starts)),
        Form::Json => show::print_json(&starts),
        Form::Svg => show::print(&svg(&starts)),
    }
    Ok(())
}

/// When the herd that lives began, in milliseconds since the machine was started.
/// Process 1 begins with the machine, whatever became of those before it.
fn began(paths: &Paths) -> Time {
    let holder = fs::read_to_string(paths.lock()).unwrap_or_default();
    match holder.trim().parse::<u32>() {
        Ok(pid) if pid > 1 => sys::stat(pid).map_or(0, |stat| stat.since),
        _ => 0,
    }
}

/// The first start after a moment, by the wall clock.
fn first_start(
    name: &str,
    service: Option<&Service>,
    lines: &[Line],
    after: Time,
) -> Option<Start> {
    let events = lines.iter().filter(|line| line.origin == "herd");
    let mut events = events
        .filter_map(|line| Some((moment(&line.time)?, line.text.as_str())))
        .skip_while(|(at, _)| *at < after)
        .skip_while(|(_, text)| !text.starts_with("started, pid "));
    let (started, _) = events.next()?;
    let runs_once = service.is_some_and(|service| service.kind.runs_once());
    let tells = runs_once || service.is_some_and(|service| service.ready.is_some());
    let mut of_it = events.take_while(|(_, text)| !text.starts_with("started, pid "));
    let ready = match tells {
        false => Some(started),
        true => of_it
            .find(|(_, text)| match runs_once {
                true => text.contains(" exited with status 0 "),
                false => text.starts_with("ready after "),
            })
            .map(|(at, _)| at),
    };
    Some(Start {
        service: name.to_owned(),
        started,
        ready,
        after: None,
    })
}

impl Start {
    fn since(self, begin: Time) -> Start {
        Start {
            started: self.started.saturating_sub(begin),
            ready: self.ready.map(|at| at.saturating_sub(begin)),
            ..self
        }
    }
}

/// Finds the last of those that each had to wait for.
fn find_waits(starts: &mut [Start], services: &BTreeMap<&str, &Service>) {
    let ready: BTreeMap<String, Time> = starts
        .iter()
        .filter_map(|start| Some((start.service.clone(), start.ready?)))
        .collect();
    for start in starts {
        let Some(service) = services.get(start.service.as_str()) else {
            continue;
        };
        let lists = [&service.after, &service.wants, &service.needs];
        let others = lists.into_iter().flat_map(|names| &names.0);
        let before = others
            .filter_map(|name| Some((*ready.get(name)?, name)))
            .filter(|(at, _)| *at <= start.started);
        start.after = before.max().map(|(_, name)| name.clone());
    }
}

/// The one that was ready last, and before it what it waited for, and so on.
fn longest_wait(starts: &[Start]) -> Vec<&Start> {
    let by_name: BTreeMap<&str, &Start> = starts
        .iter()
        .map(|start| (start.service.as_str(), start))
        .collect();
    let mut chain: Vec<&Start> = Vec::new();
    let mut next = starts.iter().max_by_key(|start| start.ready);
    while let Some(start) = next
        && chain.len() < starts.len()
    {
        chain.push(start);
        let before = start.after.as_deref();
        next = before.and_then(|name| by_name.get(name).copied());
    }
    chain
}

/// As seconds.
fn seconds(ms: Time) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

fn text(starts: &[Start]) -> String {
    if starts.is_empty() {
        return "no service has started since herd began\n".to_owned();
    }
    let mut text = format!(
        "{:>11}  {:>11}  {:>11}  SERVICE\n",
        "STARTED", "READY", "TOOK"
    );
    for start in starts {
        let ready = start.ready.map_or_else(|| "-".to_owned(), seconds);
        let took = start.ready.map(|at| at.saturating_sub(start.started));
        let took = took.map_or_else(|| "-".to_owned(), seconds);
        let after = start.after.as_ref();
        let after = after.map_or(String::new(), |name| format!(" (after {name})"));
        let started = seconds(start.started);
        let name = &start.service;
        let _ = writeln!(
            text,
            "{started:>11}  {ready:>11}  {took:>11}  {name}{after}"
        );
    }
    let chain: Vec<&str> = longest_wait(starts)
        .iter()
        .map(|start| start.service.as_str())
        .collect();
    let _ = writeln!(text, "the last that was ready: {}", chain.join(", after "));
    text
}

/// Of a line of the picture, and of all beside the bars.
const ROW: u64 = 20;
const LABEL: u64 = 220;
/// Of all bars, whatever they stand for.
const WIDTH: u64 = 700;

/// A line for each service: a bar from its start until it was ready. Those that the
/// last one waited for stand out.
fn svg(starts: &[Start]) -> String {
    let first = starts.first().map_or(0, |start| start.started);
    let ends = starts
        .iter()
        .map(|start| start.ready.unwrap_or(start.started));
    let length = ends.max().unwrap_or(0).saturating_sub(first).max(1);
    let place = |at: Time| LABEL + at.saturating_sub(first) * WIDTH / length;
    let chain: Vec<&str> = longest_wait(starts)
        .iter()
        .map(|start| start.service.as_str())
        .collect();
    let (width, height) = (LABEL + WIDTH + 100, ROW * (starts.len() as u64 + 1));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (row, start) in starts.iter().enumerate() {
        let top = ROW * row as u64 + ROW / 2;
        let (x, name) = (place(start.started), &start.service);
        let end = start.ready.unwrap_or(start.started);
        let bar = place(end).saturating_sub(x).max(2);
        let colour = match (start.ready, chain.contains(&name.as_str())) {
            (None, _) => "#999",
            (_, true) => "#c33",
            (_, false) => "#37a",
        };
        // A name has nothing that means something in XML.
        let (middle, behind) = (top + 11, x + bar + 5);
        let shown = start.ready.map_or_else(|| "not ready".to_owned(), seconds);
        let _ = writeln!(
            text,
            "<text x=\"4\" y=\"{middle}\">{name}</text>\
             <rect x=\"{x}\" y=\"{top}\" width=\"{bar}\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{behind}\" y=\"{middle}\" fill=\"#555\">{shown}</text>"
        );
    }
    text + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const BOOT: Time = 1_709_251_200_000;

    fn lines(text: &str) -> Vec<Line> {
        super::super::lines::parse("x", text.as_bytes())
    }

    fn service(text: &str) -> Service {
        Service::parse(Path::new("x"), &format!("command = 'x'\n{text}")).unwrap()
    }

    #[test]
    fn the_first_start_of_this_run_counts() {
        let log = lines(
            "2024-02-29T23:59:59.000Z herd | started, pid 3\n\
             2024-02-29T23:59:59.100Z herd | ready after 100 ms\n\
             2024-03-01T00:00:01.000Z herd | started, pid 4\n\
             2024-03-01T00:00:01.100Z out  | ready after all\n\
             2024-03-01T00:00:01.250Z herd | ready after 250 ms\n\
             2024-03-01T00:00:02.000Z herd | pid 4 exited with status 0 after 1 s\n\
             2024-03-01T00:00:03.000Z herd | started, pid 5\n",
        );
        let start = |text: &str| {
            let found = first_start("x", Some(&service(text)), &log, BOOT).unwrap();
            let found = found.since(BOOT);
            (found.started, found.ready)
        };
        assert_eq!(start("ready = 'fd:3'"), (1_000, Some(1_250)));
        assert_eq!(start(""), (1_000, Some(1_000)));
        assert_eq!(start("type = 'oneshot'"), (1_000, Some(2_000)));
        let later = BOOT + 2_500;
        let never = first_start("x", Some(&service("ready = 'fd:3'")), &log, later).unwrap();
        assert_eq!((never.started - BOOT, never.ready), (3_000, None));
        assert_eq!(first_start("x", None, &log, BOOT + 4_000), None);
    }

    #[test]
    fn what_the_last_waited_for_is_told_and_drawn() {
        let start = |name: &str, started, ready| Start {
            service: name.to_owned(),
            started,
            ready,
            after: None,
        };
        let mut starts = [
            start("disk", 300, Some(800)),
            start("net", 310, Some(500)),
            start("web", 805, Some(1_405)),
            start("slow", 400, None),
        ];
        let web = service("needs = ['net', 'disk']\nafter = ['slow', 'none']");
        find_waits(&mut starts, &BTreeMap::from([("web", &web)]));
        let shown = text(&starts);
        assert!(
            shown.contains("0.805 s      1.405 s      0.600 s  web (after disk)\n"),
            "{shown}"
        );
        assert!(shown.contains("-            -  slow\n"), "{shown}");
        assert!(
            shown.ends_with("the last that was ready: web, after disk\n"),
            "{shown}"
        );
        let drawn = svg(&starts);
        assert_eq!(drawn.matches("#c33").count(), 2);
        assert_eq!(drawn.matches("not ready").count(), 1);
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
        assert!(svg(&[]).ends_with("</svg>\n"));
        assert!(text(&[]).starts_with("no service"));
    }
}

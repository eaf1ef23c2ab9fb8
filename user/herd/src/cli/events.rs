//! `herd events`: what herd did about services.

use super::lines::Line;
use super::{Failure, Outcome, client, logs, names};
use crate::paths::Paths;
use crate::proto::{Answer, Request};

/// Where herd's own words come from.
const HERD: &str = "herd";

/// Shows the last `lines` events (`None`: all) of the services that `words` name, or of
/// all that ever had any, and with `follow` what comes after.
pub(super) fn show(
    paths: &Paths,
    words: &[String],
    lines: Option<usize>,
    follow: bool,
    json: bool,
) -> Outcome {
    let names = match words.is_empty() {
        true => names::with_logs(paths),
        false => names::expand(paths, words)?,
    };
    // First, so that nothing is missed between what was and what comes.
    let stream = match follow {
        true => Some(open(paths)?),
        false => None,
    };
    let mut found: Vec<Line> = names
        .iter()
        .flat_map(|name| logs::parsed(paths, name, None))
        .filter(|line| line.origin == HERD)
        .collect();
    found.sort_by(|one, other| one.time.cmp(&other.time));
    let skip = lines.map_or(0, |lines| found.len().saturating_sub(lines));
    let text: String = found
        .iter()
        .skip(skip)
        .map(|line| shown(line, json))
        .collect();
    let goes_on = logs::write_out(text.as_bytes())?;
    let Some(stream) = stream.filter(|_| goes_on) else {
        return Ok(());
    };
    let mut rest = Vec::new();
    logs::follow_stream(stream, |bytes| {
        rest.extend_from_slice(bytes);
        let whole = rest.iter().rposition(|byte| *byte == b'\n');
        let whole: Vec<u8> = rest.drain(..whole.map_or(0, |end| end + 1)).collect();
        let text = String::from_utf8_lossy(&whole);
        let lines = text.lines().filter_map(read);
        let mine = lines.filter(|line| words.is_empty() || names.contains(&line.service));
        let text: String = mine.map(|line| shown(&line, json)).collect();
        text.into_bytes()
    })
}

fn open(paths: &Paths) -> Result<impl std::io::Read + use<>, Failure> {
    match client::open(paths, &Request::Events)? {
        (Answer::Following { .. }, stream) => Ok(stream),
        (answer, _) => Err(client::unexpected(answer)),
    }
}

/// An event as herd tells it: time, service, origin and text.
fn read(line: &str) -> Option<Line> {
    let (head, text) = line.split_once(" | ")?;
    let mut words = head.split(' ');
    Some(Line {
        time: words.next()?.to_owned(),
        service: words.next()?.to_owned(),
        origin: words.next()?.to_owned(),
        text: text.to_owned(),
    })
}

fn shown(line: &Line, json: bool) -> String {
    match json {
        true => line.to_json(),
        false => format!("{} {}: {}\n", line.time, line.service, line.text),
    }
}

//! `herd log`.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;

use super::lines::{self, Form};
use super::tell::worse;
use super::{Failure, Outcome, client, names};
use crate::files;
use crate::log::numbered;
use crate::paths::Paths;
use crate::proto::{Answer, Request};

/// More files than this are never kept (the limit is a `u8`).
const MOST: u32 = 256;

/// Shows the last `lines` lines of each log (`None`: all), and with `follow`
/// what comes after, of one log.
pub(super) fn show(
    paths: &Paths,
    names: &[String],
    lines: Option<usize>,
    follow: bool,
    json: bool,
) -> Outcome {
    match names {
        [name] if follow => follow_one(paths, name, lines, json),
        _ if follow => Err(Failure::Usage("log -f follows one service".to_owned())),
        [name] if !json => write_out(&history(paths, name, lines, None)?).map(drop),
        names => show_several(paths, names, lines, json),
    }
}

/// The last lines of several logs, in the order of their times.
fn show_several(paths: &Paths, names: &[String], lines: Option<usize>, json: bool) -> Outcome {
    let mut outcome = Ok(());
    let mut found = Vec::new();
    for name in names {
        match history(paths, name, lines, None) {
            Ok(text) => found.extend(lines::parse(name, &text)),
            Err(failure) => outcome = worse(outcome, Err(failure)),
        }
    }
    // Stable: lines of one log stay in their order.
    found.sort_by(|one, other| one.time.cmp(&other.time));
    let skip = lines.map_or(0, |lines| found.len().saturating_sub(lines));
    let found = found.get(skip..).unwrap_or_default();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let text: String = found
        .iter()
        .map(|line| match json {
            true => line.to_json(),
            false => line.with_service(width),
        })
        .collect();
    write_out(text.as_bytes())?;
    outcome
}

/// All lines of a log, when everything that is on its way there has been written; none
/// if there is no log.
pub(super) fn settled(paths: &Paths, name: &str) -> Vec<lines::Line> {
    let request = Request::Follow {
        name: name.to_owned(),
    };
    // The answer comes from behind all that is to be written.
    let until = match client::open(paths, &request) {
        Ok((Answer::Following { inode, position }, _)) => Some((inode, position)),
        _ => None,
    };
    let text = history(paths, name, None, until).unwrap_or_default();
    lines::parse(name, &text)
}

/// The last lines of a log, taken apart; none if there is no log.
pub(super) fn parsed(paths: &Paths, name: &str, lines: Option<usize>) -> Vec<lines::Line> {
    let text = history(paths, name, lines, None).unwrap_or_default();
    lines::parse(name, &text)
}

/// The last lines of a log as they are.
pub(super) fn last(paths: &Paths, name: &str, lines: usize) -> Result<Vec<u8>, Failure> {
    history(paths, name, Some(lines), None)
}

fn follow_one(paths: &Paths, name: &str, lines: Option<usize>, json: bool) -> Outcome {
    let mut form = Form::new(name, json);
    let request = Request::Follow {
        name: name.to_owned(),
    };
    let (answer, stream) = client::open(paths, &request)?;
    let Answer::Following { inode, position } = answer else {
        return Err(client::unexpected(answer));
    };
    let text = history(paths, name, lines, Some((inode, position))).unwrap_or_default();
    if !write_out(&form.show(&text))? {
        return Ok(());
    }
    follow_stream(stream, |bytes| form.show(bytes))
}

/// All that comes on a connection, by `show`, until either side ends.
pub(super) fn follow_stream(
    mut stream: impl Read,
    mut show: impl FnMut(&[u8]) -> Vec<u8>,
) -> Outcome {
    let mut bytes = [0; 8192];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Err(Failure::NoDaemon("herd has ended".to_owned())),
            Ok(count) => {
                if !write_out(&show(bytes.get(..count).unwrap_or_default()))? {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::NoDaemon(format!("herd stopped: {error}"))),
        }
    }
}

/// Writes to standard output. `false`: nobody reads it any more.
pub(super) fn write_out(bytes: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Failed(format!("writing: {error}"))),
    }
}

/// The last `lines` lines of the log, from as many files as that takes. With
/// `until` (inode and position) nothing behind that place.
fn history(
    paths: &Paths,
    name: &str,
    lines: Option<usize>,
    until: Option<(u64, u64)>,
) -> Result<Vec<u8>, Failure> {
    let path = paths.log_file(name);
    let mut text: Vec<u8> = Vec::new();
    let mut begun = until.is_none_or(|(inode, _)| inode == 0);
    for n in 0..MOST {
        let file = numbered(&path, n);
        let inode = match fs::metadata(&file) {
            Ok(data) => data.ino(),
            Err(_) if n == 0 && until.is_none() => return Err(no_log(paths, name)),
            Err(_) => break,
        };
        let limit = match until {
            Some((last, position)) if last == inode => {
                begun = true;
                position
            }
            Some((0, _)) => 0,
            _ => u64::MAX,
        };
        if begun {
            let mut older = read(&file, limit)?;
            older.append(&mut text);
            text = older;
        }
        if lines.is_some_and(|lines| count(&text) >= lines) {
            break;
        }
    }
    Ok(last_lines(text, lines))
}

fn read(file: &std::path::Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    files::open(file)
        .and_then(|open| open.take(limit).read_to_end(&mut text))
        .map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))?;
    Ok(text)
}

fn no_log(paths: &Paths, name: &str) -> Failure {
    let exists = [paths.available_file(name), paths.enabled_file(name)]
        .iter()
        .any(|file| file.symlink_metadata().is_ok());
    if exists {
        Failure::Failed(format!("{name} has no log yet: it was never started"))
    } else {
        names::on_disk(paths, name)
    }
}

fn count(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

fn last_lines(text: Vec<u8>, lines: Option<usize>) -> Vec<u8> {
    let Some(lines) = lines else {
        return text;
    };
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    if lines == 0 || body.is_empty() {
        return Vec::new();
    }
    let breaks = body.iter().enumerate().rev();
    let cut = breaks.filter(|(_, byte)| **byte == b'\n').nth(lines - 1);
    match cut {
        Some((at, _)) => text.get(at + 1..).unwrap_or_default().to_vec(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_last_lines_are_cut_out() {
        for (text, lines, last) in [
            ("a\nb\nc\n", Some(2), "b\nc\n"),
            ("a\nb\nc", Some(2), "b\nc"),
            ("a\nb\n", Some(5), "a\nb\n"),
            ("a\nb\n", Some(0), ""),
            ("", Some(3), ""),
            ("\n", Some(3), ""),
            ("a\nb\n", None, "a\nb\n"),
        ] {
            let found = last_lines(text.as_bytes().to_vec(), lines);
            assert_eq!(found, last.as_bytes(), "{text:?} {lines:?}");
        }
    }
}

//! What herd writes down for the next one, so that its death changes nothing
//! for the services: a file of lines, of which the last of a kind counts.
//!
//! ```text
//! B BOOT                      the run of the machine that all this is of
//! S {"name": ..., ...}        what is to be known of a service
//! G NAME                      that service and its processes are no more
//! P NAME GENERATION PID TIME  a process, noted by itself before it is anything
//! L NUMBER [[NAME, SOCKET]..] sockets that a keeper gets, in their order
//! K NUMBER PID TIME           the keeper that has them, noted by itself
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Socket;
use crate::files;
use crate::machine::{Generation, Kept, Machine, Time};
use crate::sys::PROCESS;

/// More than this is no such file, in bytes.
const LIMIT: u64 = 64 << 20;

/// A file that has grown by so much is written anew, in bytes.
const GROWTH: usize = 1 << 20;

/// The first process of an instance, as it noted itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) generation: Generation,
    pub(super) pid: u32,
    pub(super) at: Time,
}

#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    #[serde(flatten)]
    kept: Kept,
}

/// What the herd before left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) kept: HashMap<String, Kept>,
    /// In the order of their names, in which they are taken over.
    pub(super) noted: BTreeMap<String, Noted>,
    /// In the order of their starts.
    pub(super) keepers: Vec<KeeperNote>,
}

/// A process that keeps sockets for the next herd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeeperNote {
    number: u64,
    /// Whose they are, and what, in their order.
    list: Vec<(String, Socket)>,
    pid: u32,
    at: Time,
}

const GONE: &str = "G";
const LIST: &str = "L";
const KEEPER: &str = "K";

impl KeeperNote {
    /// One that is not started yet.
    pub(super) fn new(number: u64, list: Vec<(String, Socket)>) -> KeeperNote {
        let (pid, at) = (0, 0);
        KeeperNote {
            number,
            list,
            pid,
            at,
        }
    }

    pub(super) fn by(self, pid: u32, at: Time) -> KeeperNote {
        KeeperNote { pid, at, ..self }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn list(&self) -> &[(String, Socket)] {
        &self.list
    }

    /// The process, and when it was there.
    pub(super) fn process(&self) -> (u32, Time) {
        (self.pid, self.at)
    }

    /// What the process begins its line with.
    pub(super) fn prefix(&self) -> String {
        format!("{KEEPER} {} ", self.number)
    }

    fn list_line(&self) -> String {
        // Nothing in it that JSON cannot say.
        let list = serde_json::to_string(&self.list).unwrap_or_default();
        format!("{LIST} {} {list}\n", self.number)
    }

    fn line(&self) -> String {
        format!("{}{} {}\n", self.prefix(), self.pid, self.at)
    }
}

impl Left {
    /// What is in `text`, if that is of this run of the machine.
    fn read(text: &str, boot: &str) -> Left {
        let mut left = Left::default();
        let mut lines = text.lines();
        if lines.next() != Some(&format!("B {boot}")) {
            return left;
        }
        let mut lists = HashMap::new();
        for line in lines {
            match line.split_once(' ') {
                Some(("S", line)) => {
                    if let Ok(Line { name, kept }) = serde_json::from_str(line) {
                        left.kept.insert(name, kept);
                    }
                }
                Some((GONE, name)) => {
                    left.kept.remove(name);
                    left.noted.remove(name);
                }
                Some((PROCESS, line)) => {
                    if let Some((name, noted)) = noted(line) {
                        left.noted.insert(name, noted);
                    }
                }
                Some((LIST, line)) => {
                    if let Some((number, list)) = line.split_once(' ')
                        && let (Ok(number), Ok(list)) =
                            (number.parse::<u64>(), serde_json::from_str(list))
                    {
                        lists.insert(number, list);
                    }
                }
                Some((KEEPER, line)) => {
                    let words: Vec<u64> = line
                        .split(' ')
                        .filter_map(|word| word.parse().ok())
                        .collect();
                    if let [number, pid, at] = words.as_slice()
                        && let (Some(list), Ok(pid)) = (lists.remove(number), u32::try_from(*pid))
                    {
                        left.keepers
                            .push(KeeperNote::new(*number, list).by(pid, *at));
                    }
                }
                // A line that was torn by the end of whoever wrote it.
                _ => {}
            }
        }
        left
    }
}

fn noted(line: &str) -> Option<(String, Noted)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [name, generation, pid, at] = words.as_slice() else {
        return None;
    };
    let noted = Noted {
        generation: generation.parse().ok()?,
        pid: pid.parse().ok()?,
        at: at.parse().ok()?,
    };
    Some(((*name).to_owned(), noted))
}

pub(super) struct Memory {
    path: PathBuf,
    boot: String,
    /// `None` if it cannot be written: herd supervises all the same.
    file: Option<File>,
    /// Bytes written since it was written anew.
    grown: usize,
    news: BTreeSet<String>,
}

impl Memory {
    /// What the herd before left, and where to write for the next.
    pub(super) fn open(path: PathBuf) -> (Memory, Left) {
        let boot = Path::new("/proc/sys/kernel/random/boot_id");
        let boot = files::read_text(boot, 4096).unwrap_or_default();
        let boot = boot.trim().to_owned();
        let text = files::read_bytes(&path, LIMIT).unwrap_or_default();
        let left = Left::read(&String::from_utf8_lossy(&text), &boot);
        let memory = Memory {
            path,
            boot,
            file: None,
            grown: 0,
            news: BTreeSet::new(),
        };
        (memory, left)
    }

    /// Where a process notes itself.
    pub(super) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Something has happened to a service.
    pub(super) fn look_at(&mut self, name: &str) {
        if !self.news.contains(name) {
            self.news.insert(name.to_owned());
        }
    }

    /// Writes down what is new; of which services.
    pub(super) fn tell(&mut self, machine: &Machine) -> BTreeSet<String> {
        let news = std::mem::take(&mut self.news);
        if news.is_empty() {
            return news;
        }
        let lines = news.iter().map(|name| match machine.kept(name) {
            Some(kept) => line(name.clone(), kept),
            None => format!("{GONE} {name}\n"),
        });
        let lines: String = lines.collect();
        self.grown += lines.len();
        if let Some(file) = &mut self.file {
            // Without room, the next herd knows less.
            let _ = file.write_all(lines.as_bytes());
        }
        news
    }

    /// Writes down what a keeper is about to get.
    pub(super) fn note_list(&mut self, keeper: &KeeperNote) {
        let line = keeper.list_line();
        self.grown += line.len();
        if let Some(file) = &mut self.file {
            // Without room, the next herd knows less.
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// Whether it is to be written anew as soon as no process is about to
    /// note itself.
    pub(super) fn is_long(&self) -> bool {
        self.grown > GROWTH
    }

    /// Writes everything anew, in place of what was there.
    ///
    /// # Errors
    /// Those of the file system; nothing is noted from then on.
    pub(super) fn write_anew(
        &mut self,
        machine: &Machine,
        processes: impl Iterator<Item = (String, Noted)>,
        keepers: &[KeeperNote],
    ) -> io::Result<()> {
        let mut text = format!("B {}\n", self.boot);
        for view in machine.views() {
            if let Some(kept) = machine.kept(&view.name) {
                text.push_str(&line(view.name, kept));
            }
        }
        for (name, noted) in processes {
            let Noted {
                generation,
                pid,
                at,
            } = noted;
            text.push_str(&format!("{PROCESS} {name} {generation} {pid} {at}\n"));
        }
        for keeper in keepers {
            text.push_str(&(keeper.list_line() + &keeper.line()));
        }
        self.grown = 0;
        self.news.clear();
        self.file = None;
        self.file = Some(files::replace(&self.path, text.as_bytes())?);
        Ok(())
    }

    /// Nothing is left to know.
    pub(super) fn forget(&mut self) {
        self.file = None;
        let _ = std::fs::remove_file(&self.path);
    }
}

fn line(name: String, kept: Kept) -> String {
    // Nothing in it that JSON cannot say.
    let text = serde_json::to_string(&Line { name, kept }).unwrap_or_default();
    format!("S {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = std::env::temp_dir().join(format!("herd-memory-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("memory");
        let (mut memory, left) = Memory::open(path.clone());
        assert_eq!(left, Left::default());
        let mut machine = Machine::new();
        let service = crate::config::Service::parse(Path::new("x"), "command = 'x'").unwrap();
        let mut kept = Kept::only(3);
        machine.adopt(
            0,
            "web",
            kept.clone(),
            Some(service.into()),
            Some(crate::machine::Found {
                pid: 7,
                since: 0,
                lives: true,
            }),
        );
        // It has no other way of telling than to run.
        kept.ready = true;
        let noted = Noted {
            generation: 3,
            pid: 7,
            at: 12,
        };
        let processes = [("web".to_owned(), noted)];
        let socket = serde_json::from_str("\"tcp:80\"").unwrap();
        let keeper = KeeperNote::new(4, vec![("web".to_owned(), socket)]).by(9, 13);
        memory
            .write_anew(
                &machine,
                processes.clone().into_iter(),
                std::slice::from_ref(&keeper),
            )
            .unwrap();
        memory.look_at("web");
        memory.look_at("gone");
        memory.tell(&machine);
        std::io::Write::write_all(&mut memory.file.as_ref().unwrap(), b"P web 4 torn").unwrap();
        let (_, left) = Memory::open(path);
        assert_eq!(left.kept, HashMap::from([("web".to_owned(), kept)]));
        assert_eq!(left.noted, BTreeMap::from(processes));
        assert_eq!(left.keepers, [keeper]);
        let gone = "B this\nP web 3 7 12\nP other 1 8 13\nG web\n";
        let left = Left::read(gone, "this");
        assert_eq!(left.noted.keys().collect::<Vec<_>>(), ["other"]);
        assert_eq!(
            Left::read("B other\nP web 3 7 12\n", "this"),
            Left::default()
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}

//! The directories of processes and threads: which there are.

use super::process::{Subject, SubjectDir};
use crate::process::{Process, tree};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vfs::FileKind;
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// The processes, zombies too. Other threads are found by their numbers, but not
/// listed (proc(5)).
pub struct Processes;

/// The threads of a process.
pub struct Threads(pub Arc<Process>);

/// A number as it is written: digits without a sign, or a zero in front.
pub fn number(name: &[u8]) -> Result<u32> {
    let proper =
        name.iter().all(u8::is_ascii_digit) && (name.len() == 1 || !name.starts_with(b"0"));
    let text = core::str::from_utf8(name).ok().filter(|_| proper);
    text.and_then(|text| text.parse().ok()).ok_or(Errno::ENOENT)
}

/// The entry of a directory named by a number.
pub fn entry(number: u32, kind: FileKind) -> ProcName {
    ProcName {
        key: u64::from(number),
        name: format!("{number}").into_bytes(),
        kind,
    }
}

/// Entries for numbers in any order. `ENOMEM`.
pub fn entries(mut numbers: Vec<u32>, kind: FileKind) -> Result<Vec<ProcName>> {
    numbers.sort_unstable();
    let mut names = Vec::new();
    names
        .try_reserve_exact(numbers.len())
        .map_err(|_| Errno::ENOMEM)?;
    names.extend(numbers.into_iter().map(|number| entry(number, kind)));
    Ok(names)
}

/// Adds a number. `ENOMEM`.
pub fn push(numbers: &mut Vec<u32>, number: u32) -> Result<()> {
    numbers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    numbers.push(number);
    Ok(())
}

impl ProcDir for Processes {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let id = number(name)?;
        let found = tree().lock().get(id);
        let subject = match found {
            Some(process) => Subject {
                process,
                thread: None,
            },
            None => {
                let process = tree().lock().process_of(id).ok_or(Errno::ENOENT)?;
                let thread = Some(process.thread(id).ok_or(Errno::ENOENT)?);
                Subject { process, thread }
            }
        };
        Ok(SubjectDir::node(subject))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut pids = Vec::new();
        let mut next = tree().lock().next_pid(1);
        while let Some(pid) = next {
            push(&mut pids, pid)?;
            next = tree().lock().next_pid(pid + 1);
        }
        entries(pids, FileKind::Directory)
    }
}

impl ProcDir for Threads {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let tid = number(name)?;
        let threads = self.0.threads.lock();
        let thread = threads.iter().find(|thread| thread.tid == tid).cloned();
        drop(threads);
        let thread = thread.ok_or(Errno::ENOENT)?;
        Ok(SubjectDir::node(Subject {
            process: self.0.clone(),
            thread: Some(thread),
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut tids = Vec::new();
        let threads = self.0.threads.lock();
        for thread in threads.iter() {
            push(&mut tids, thread.tid)?;
        }
        drop(threads);
        entries(tids, FileKind::Directory)
    }
}

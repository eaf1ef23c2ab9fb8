//! The directories of processes and threads: which there are.

use super::process::{Subject, SubjectDir};
use crate::process::numbers::{find_in, known_to};
use crate::process::{Process, tree};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_process::{Local, PidSpace};
use paddock_vfs::FileKind;
use paddock_vfs::proc_fs::{ProcDir, ProcName, ProcNode};

/// The processes, zombies too. Other threads are found by their numbers, but not
/// listed (proc(5)).
pub struct Processes(pub PidSpace);

/// The threads of a process, and the PID namespace of the mount.
pub struct Threads(pub Arc<Process>, pub PidSpace);

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
        let given = Local::new(number(name)?);
        let id = find_in(&self.0, given).ok_or(Errno::ENOENT)?;
        let found = tree().lock().get(id);
        let (process, thread) = match found {
            Some(process) => (process, None),
            None => {
                let process = tree().lock().process_of(id).ok_or(Errno::ENOENT)?;
                let thread = process.thread(id).ok_or(Errno::ENOENT)?;
                (process, Some(thread))
            }
        };
        Ok(SubjectDir::node(Subject {
            process,
            thread,
            space: self.0.clone(),
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut pids = Vec::new();
        if self.0.is_initial() {
            let mut next = tree().lock().next_pid(1);
            while let Some(pid) = next {
                push(&mut pids, pid)?;
                next = tree().lock().next_pid(pid + 1);
            }
        } else {
            tree().lock().list_space(&self.0, &mut pids)?;
        }
        entries(pids, FileKind::Directory)
    }
}

impl ProcDir for Threads {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let given = Local::new(number(name)?);
        let tid = find_in(&self.1, given).ok_or(Errno::ENOENT)?;
        let thread = self.0.thread(tid).ok_or(Errno::ENOENT)?;
        Ok(SubjectDir::node(Subject {
            process: self.0.clone(),
            thread: Some(thread),
            space: self.1.clone(),
        }))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let mut tids = Vec::new();
        let threads = self.0.threads.lock();
        for thread in threads.iter() {
            push(&mut tids, thread.tid)?;
        }
        drop(threads);
        for tid in &mut tids {
            *tid = known_to(&self.1, *tid).get();
        }
        // One that has ended meanwhile has none.
        tids.retain(|tid| *tid != 0);
        entries(tids, FileKind::Directory)
    }
}

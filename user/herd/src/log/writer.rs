//! The thread that writes to the disks, so that a slow one holds up nobody
//! else: no service, no operator and not herd.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::files::LogFiles;
use crate::config::LogLimits;
use crate::console::say;
use crate::files;
use crate::paths::Paths;
use crate::sys::set_nonblocking;

/// Bytes that may wait to be written before nothing more is read from the
/// services.
const FULL: usize = 1 << 20;

/// Bytes that may wait at most: herd's own notes and the last words of those
/// that have ended are taken beyond [`FULL`].
const MOST: usize = 4 << 20;

/// What a small job counts for beside its text, in bytes.
const JOB: usize = 128;

/// No stack is needed for more than a few calls.
const STACK: usize = 128 << 10;

enum Job {
    Append {
        name: String,
        limits: LogLimits,
        text: Vec<u8>,
    },
    /// Tell where a log is, when all that is before this is written.
    Position { client: u64, name: String },
    /// Make this the whole text of a file that others read.
    Replace { path: PathBuf, text: Vec<u8> },
}

impl Job {
    fn size(&self) -> usize {
        JOB + match self {
            Job::Append { text, .. } | Job::Replace { text, .. } => text.len(),
            Job::Position { .. } => 0,
        }
    }
}

/// Where a log was when it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Who asked.
    pub(crate) client: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// The size of all jobs that are not done.
    bytes: usize,
    /// Jobs done so far.
    done: u64,
    positions: Vec<Position>,
    /// Wake the other side as soon as there is room.
    wants_room: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    progress: Condvar,
}

impl Shared {
    /// No code panics while it holds the lock; if it did, the queue would
    /// still be one.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The daemon's end.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    wake: PipeReader,
}

impl Writer {
    /// Starts the thread, which keeps at most `most_open` files open.
    ///
    /// # Errors
    /// Those of pipes and threads.
    pub(crate) fn start(paths: Paths, most_open: usize) -> io::Result<Writer> {
        let (wake, waker) = io::pipe()?;
        set_nonblocking(wake.as_fd())?;
        set_nonblocking(waker.as_fd())?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let theirs = shared.clone();
        let logs = LogFiles::new(paths, most_open);
        thread::Builder::new()
            .name("logs".to_owned())
            .stack_size(STACK)
            .spawn(move || work(&theirs, logs, &waker))?;
        Ok(Writer { shared, wake })
    }

    /// What becomes readable when there is something to [`Writer::take`], or
    /// room again.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Whether more may be read from the services. If not, the descriptor
    /// becomes readable when it may.
    pub(crate) fn has_room(&self) -> bool {
        let mut queue = self.shared.lock();
        queue.wants_room = queue.bytes >= FULL;
        !queue.wants_room
    }

    /// Jobs done so far: whether it gets on.
    pub(crate) fn done(&self) -> u64 {
        self.shared.lock().done
    }

    /// Has `text` written to the log of `name`. `false` if there is no room
    /// at all.
    #[must_use]
    pub(crate) fn append(&self, name: &str, limits: LogLimits, text: Vec<u8>) -> bool {
        let name = name.to_owned();
        self.push(Job::Append { name, limits, text }, MOST)
    }

    /// Asks where the log of `name` is; [`Writer::take`] answers.
    pub(crate) fn ask_position(&self, client: u64, name: &str) {
        let name = name.to_owned();
        self.push(Job::Position { client, name }, usize::MAX);
    }

    /// Has `text` put in the place of a small file's.
    pub(crate) fn replace(&self, path: PathBuf, text: Vec<u8>) {
        self.push(Job::Replace { path, text }, usize::MAX);
    }

    fn push(&self, job: Job, most: usize) -> bool {
        let size = job.size();
        let mut queue = self.shared.lock();
        if queue.bytes.saturating_add(size) > most {
            return false;
        }
        queue.bytes += size;
        queue.jobs.push_back(job);
        self.shared.work.notify_one();
        true
    }

    /// The answers since the last call.
    pub(crate) fn take(&mut self) -> Vec<Position> {
        let mut bytes = [0; 64];
        while matches!(self.wake.read(&mut bytes), Ok(n) if n == bytes.len()) {}
        std::mem::take(&mut self.shared.lock().positions)
    }

    /// Waits until everything is written, at most so long.
    pub(crate) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut queue = self.shared.lock();
        while queue.bytes > 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.progress.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The thread: does what is asked, for as long as herd lives.
fn work(shared: &Shared, mut logs: LogFiles, waker: &PipeWriter) {
    loop {
        let mut queue = shared.lock();
        let job = loop {
            match queue.jobs.pop_front() {
                Some(job) => break job,
                None => {
                    queue = shared
                        .work
                        .wait(queue)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        };
        drop(queue);
        let size = job.size();
        let position = perform(job, &mut logs);
        let mut queue = shared.lock();
        queue.bytes -= size;
        queue.done += 1;
        let room = queue.wants_room && queue.bytes < FULL / 2;
        queue.wants_room &= !room;
        queue.positions.extend(position);
        if room || position.is_some() {
            // A pipe that is full wakes as well.
            let mut waker = waker;
            let _ = waker.write(b"x");
        }
        shared.progress.notify_all();
    }
}

fn perform(job: Job, logs: &mut LogFiles) -> Option<Position> {
    match job {
        Job::Append { name, limits, text } => {
            if let Err(text) = logs.append(&name, limits, &text) {
                say(&text);
            }
        }
        Job::Position { client, name } => {
            let (inode, size) = logs.position(&name);
            return Some(Position {
                client,
                inode,
                size,
            });
        }
        Job::Replace { path, text } => {
            if let Err(error) = files::replace(&path, &text) {
                let path = path.display();
                say(&format!("warning: {path} cannot be written: {error}"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn all_is_written_in_order_and_positions_are_told() {
        let root = std::env::temp_dir().join(format!("herd-writer-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let paths = Paths::new(&root);
        let mut writer = Writer::start(paths.clone(), 2).unwrap();
        for n in 0..100 {
            for name in ["a", "b", "c"] {
                assert!(writer.append(name, LogLimits::default(), format!("{n}\n").into_bytes()));
            }
        }
        writer.ask_position(7, "b");
        writer.replace(root.join("told"), b"text".to_vec());
        writer.flush(Duration::from_secs(60));
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        for name in ["a", "b", "c"] {
            let text = fs::read_to_string(paths.log_file(name)).unwrap();
            assert_eq!(text, expected);
        }
        let told = writer.take();
        assert_eq!((told[0].client, told[0].size), (7, expected.len() as u64));
        assert_eq!(fs::read(root.join("told")).unwrap(), b"text");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_waits_is_bounded() {
        let root = std::env::temp_dir().join(format!("herd-bound-{}", std::process::id()));
        let writer = Writer::start(Paths::new(&root), 2).unwrap();
        let text = vec![b'x'; MOST];
        assert!(!writer.append("a", LogLimits::default(), text));
        assert!(writer.has_room());
        fs::remove_dir_all(root).ok();
    }
}

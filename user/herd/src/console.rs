//! What herd says on the console, by a thread of its own: a terminal that is
//! held, or a pipe that nobody reads, holds up nobody.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that may wait; more are counted and left out.
const WAITING: usize = 256;

const STACK: usize = 128 << 10;

enum Line {
    Text(String),
    /// Tell when all before it is written.
    Flush(SyncSender<()>),
}

static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

/// Starts the thread. Without it, what is said is written at once.
pub(crate) fn start() {
    let (sender, receiver) = sync_channel(WAITING);
    let thread = thread::Builder::new()
        .name("console".to_owned())
        .stack_size(STACK);
    if thread.spawn(move || work(&receiver)).is_ok() {
        let _ = LINES.set(sender);
    }
}

/// Says a line on the console.
pub(crate) fn say(text: &str) {
    let text = format!("herd: {text}\n");
    match LINES.get() {
        None => write(&text),
        Some(lines) => {
            if lines.try_send(Line::Text(text)).is_err() {
                LOST.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Waits until everything is said, at most so long.
pub(crate) fn flush(limit: Duration) {
    let (sender, receiver) = sync_channel(1);
    if let Some(lines) = LINES.get()
        && lines.try_send(Line::Flush(sender)).is_ok()
    {
        let _ = receiver.recv_timeout(limit);
    }
}

/// A console that is gone is no reason to stop.
fn write(text: &str) {
    let mut console = io::stdout().lock();
    let _ = console.write_all(text.as_bytes());
    let _ = console.flush();
}

fn work(lines: &Receiver<Line>) {
    for line in lines {
        match line {
            Line::Text(text) => write(&text),
            Line::Flush(done) => {
                let _ = done.try_send(());
            }
        }
        match LOST.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => write(&format!("herd: {lost} lines were left out here\n")),
        }
    }
}

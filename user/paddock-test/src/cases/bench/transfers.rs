//! What moving bytes costs.

use super::tell;
use crate::cases::Outcome;
use crate::sys::{self, call};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::time::Instant;

const PIECE: usize = 64 << 10;
const PAGE: usize = 4096;
/// Bytes of the file that is read and written over again and again.
const FILE: usize = 16 * PIECE;

pub fn run(kind: &str, count: u64) -> Outcome {
    match kind {
        "zero" => zero(count),
        "null" => null(count),
        "stream" => stream(count),
        _ => file(kind, count),
    }
}

fn repeat(kind: &str, count: u64, mut once: impl FnMut(u64) -> std::io::Result<()>) -> Outcome {
    let begin = Instant::now();
    for turn in 0..count {
        once(turn).map_err(|error| error.to_string())?;
    }
    tell(kind, count, begin);
    Ok(())
}

fn zero(count: u64) -> Outcome {
    let mut zero = File::open("/dev/zero").map_err(|error| error.to_string())?;
    let mut byte = [1];
    repeat("zero", count, |_| zero.read_exact(&mut byte))
}

fn null(count: u64) -> Outcome {
    let null = OpenOptions::new().write(true).open("/dev/null");
    let mut null = null.map_err(|error| error.to_string())?;
    repeat("null", count, |_| null.write_all(&[1]))
}

/// One piece in and the same out again, without a switch between threads.
fn stream(count: u64) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    // SAFETY: both are ours alone.
    let (mut reader, mut writer) =
        unsafe { (File::from_raw_fd(reader), File::from_raw_fd(writer)) };
    let mut piece = vec![7; PIECE];
    repeat("stream", count, |_| {
        writer.write_all(&piece)?;
        reader.read_exact(&mut piece)
    })
}

fn file(kind: &str, count: u64) -> Outcome {
    let path = "/root/bench-transfer";
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(|error| error.to_string())?;
    let mut piece = vec![7; PIECE];
    let offset = |turn: u64| (turn as usize * PIECE % FILE) as u64;
    for turn in 0..(FILE / PIECE) as u64 {
        file.write_all_at(&piece, offset(turn))
            .map_err(|error| error.to_string())?;
    }
    let outcome = match kind {
        "page" => repeat(kind, count, |turn| {
            let offset = turn % (FILE / PAGE) as u64 * PAGE as u64;
            file.read_exact_at(&mut piece[..PAGE], offset)
        }),
        "stat" => repeat(kind, count, |_| std::fs::symlink_metadata(path).map(drop)),
        "read" => repeat(kind, count, |turn| {
            file.read_exact_at(&mut piece, offset(turn))
        }),
        _ => repeat(kind, count, |turn| file.write_all_at(&piece, offset(turn))),
    };
    call!(libc::unlink(c"/root/bench-transfer".as_ptr()))?;
    outcome
}

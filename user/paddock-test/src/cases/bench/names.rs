//! What names cost: a file opened and closed, made, and taken away.

use super::tell;
use crate::cases::Outcome;
use crate::sys::{self, call};
use std::ffi::CString;
use std::time::Instant;

const FOLDER: &str = "/root/bench-names";

pub fn run(kind: &str, count: u64) -> Outcome {
    std::fs::create_dir_all(FOLDER).map_err(|error| error.to_string())?;
    let outcome = match kind {
        "open" => opens(count),
        _ => creates_and_unlinks(kind, count),
    };
    std::fs::remove_dir_all(FOLDER).map_err(|error| error.to_string())?;
    outcome
}

fn name(number: u64) -> Result<CString, String> {
    CString::new(format!("{FOLDER}/{number}")).map_err(|error| error.to_string())
}

fn opens(count: u64) -> Outcome {
    let name = name(0)?;
    make(&name)?;
    super::repeat("open", count, || {
        let fd = call!(libc::open(name.as_ptr(), libc::O_RDONLY))?;
        sys::close(fd).map(drop)
    })?;
    Ok(())
}

fn make(name: &CString) -> Outcome {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    sys::close(call!(libc::open(name.as_ptr(), flags, 0o644))?)?;
    Ok(())
}

/// So many files in one directory: what making each costs with its closing, or what
/// taking each away costs.
fn creates_and_unlinks(kind: &str, count: u64) -> Outcome {
    let names: Vec<CString> = (0..count).map(name).collect::<Result<_, _>>()?;
    let begin = Instant::now();
    for name in &names {
        make(name)?;
    }
    if kind == "create" {
        tell(kind, count, begin);
    }
    let begin = Instant::now();
    for name in &names {
        call!(libc::unlink(name.as_ptr()))?;
    }
    if kind == "unlink" {
        tell(kind, count, begin);
    }
    Ok(())
}

//! What some calls cost, in nanoseconds each.

use std::time::Instant;

use super::{Outcome, number};
use crate::report::Report;
use crate::sys::{self, call};

pub fn run(_: &mut Report, words: &[String]) -> Outcome {
    let kind = words.first().map_or("syscall", String::as_str);
    let count: u64 = number(words, 1, 1_000)?;
    let work: fn() -> Result<(), String> = match kind {
        "syscall" => return system_calls(count),
        "fork" => || sys::in_child(|| 0).map(drop).map_err(String::from),
        "exec" => || {
            sys::run_self(&["exit", "0"])
                .map(drop)
                .map_err(String::from)
        },
        "pipe" => pipe,
        "file" => file,
        _ => return Err(format!("no bench is called {kind:?}")),
    };
    let begin = Instant::now();
    for _ in 0..count {
        work()?;
    }
    tell(kind, count, begin);
    Ok(())
}

fn tell(kind: &str, count: u64, begin: Instant) {
    let each = begin.elapsed().as_nanos() / u128::from(count.max(1));
    println!("bench {kind} count={count} each_ns={each}");
}

/// Nothing but the C library's way into the kernel and back.
fn system_calls(count: u64) -> Outcome {
    let begin = Instant::now();
    let mut parent = 0;
    for _ in 0..count {
        parent = call!(libc::syscall(libc::SYS_getppid))?;
    }
    tell("syscall", count, begin);
    std::hint::black_box(parent);
    Ok(())
}

/// One page through a pipe.
fn pipe() -> Result<(), String> {
    let [reader, writer] = sys::pipe()?;
    let mut bytes = [0; 4096];
    sys::write_all(writer, &bytes)?;
    sys::read(reader, &mut bytes)?;
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(())
}

/// A file made, written, and removed again.
fn file() -> Result<(), String> {
    let name = format!("/tmp/bench-{}", std::process::id());
    std::fs::write(&name, [1; 4096]).map_err(|error| error.to_string())?;
    std::fs::remove_file(&name).map_err(|error| error.to_string())
}

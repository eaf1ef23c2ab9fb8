//! What the system has in use, counted by one process that has no children:
//! what it uses itself is the same each time.

use super::Outcome;
use crate::report::Report;
use std::fs;
use std::path::Path;

/// Prints a line for each figure, after what need not be in memory is gone.
pub fn run(_: &mut Report, _: &[String]) -> Outcome {
    // SAFETY: takes nothing.
    unsafe { libc::sync() };
    let drop_caches = "/proc/sys/vm/drop_caches";
    fs::write(drop_caches, "3").map_err(|error| format!("{drop_caches}: {error}"))?;
    for (prefix, path) in [
        ("frames_", "/proc/paddock/frames"),
        ("heap_", "/proc/paddock/heap"),
    ] {
        for line in read(path)?.lines() {
            println!("{prefix}{line}");
        }
    }
    let is_thread = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let threads = read("/proc/paddock/threads")?;
    println!("threads {}", threads.lines().filter(is_thread).count());
    let processes = numbered(Path::new("/proc"))?;
    println!("processes {}", processes.len());
    // One that ends meanwhile has no descriptors.
    let descriptors = |process: &String| {
        let folder = Path::new("/proc").join(process).join("fd");
        numbered(&folder).map_or(0, |names| names.len())
    };
    let descriptors: usize = processes.iter().map(descriptors).sum();
    println!("descriptors {descriptors}");
    for line in read("/proc/net/sockstat")?.lines() {
        println!("{}", line.replacen(": used", "", 1));
    }
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// The names in a folder that are numbers.
fn numbered(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(failed)?;
    let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name()));
    let names: Result<Vec<_>, String> = names.collect();
    let text = names?
        .into_iter()
        .filter_map(|name| name.into_string().ok());
    Ok(text
        .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        .collect())
}

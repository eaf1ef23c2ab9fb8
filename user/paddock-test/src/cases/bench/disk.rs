//! What a disk's files cost, in time: the same work on any kernel, in a folder on the
//! disk. One line for each row: what, a number, its unit.

use crate::cases::Outcome;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
/// Files of the tree, and in one of its folders.
const FILES: usize = 5_000;
const IN_FOLDER: usize = 100;
const TRANSACTIONS: usize = 300;
const SQLITE: &str = "/usr/bin/sqlite3";

fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A result with its error in words.
trait Told<T> {
    fn told(self) -> Result<T, String>;
}

impl<T> Told<T> for std::io::Result<T> {
    fn told(self) -> Result<T, String> {
        self.map_err(failed)
    }
}

fn rate(what: &str, bytes: usize, took: Duration) {
    let rate = bytes as f64 / MIB as f64 / took.as_secs_f64();
    println!("row {what}: {rate:.1} MiB/s");
}

fn each(what: &str, count: usize, took: Duration) {
    let micros = took.as_secs_f64() * 1e6 / count as f64;
    println!("row {what}: {micros:.1} us");
}

fn whole(what: &str, took: Duration) {
    println!("row {what}: {} ms", took.as_millis());
}

fn timed<T>(work: impl FnOnce() -> Result<T, String>) -> Result<(T, Duration), String> {
    let begin = Instant::now();
    let value = work()?;
    Ok((value, begin.elapsed()))
}

/// Nothing of files stays in memory.
fn forget() -> Outcome {
    // SAFETY: sync(2) takes nothing.
    unsafe { libc::sync() };
    fs::write("/proc/sys/vm/drop_caches", "3").told()
}

fn read_all(path: &Path) -> Outcome {
    let mut file = File::open(path).told()?;
    let mut buffer = vec![0; MIB];
    while file.read(&mut buffer).told()? > 0 {}
    Ok(())
}

/// A seed's next number below `end`.
fn next(seed: &mut u64, end: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    ((*seed >> 33) % end as u64) as usize
}

fn large_file(folder: &Path, size: usize) -> Outcome {
    let path = folder.join("large");
    let data = vec![0x5a; MIB];
    let (_, took) = timed(|| {
        let mut file = File::create(&path).told()?;
        (0..size / MIB).try_for_each(|_| file.write_all(&data).told())?;
        file.sync_all().told()
    })?;
    rate("sequential write with fsync", size, took);
    forget()?;
    rate("cold read", size, timed(|| read_all(&path))?.1);
    rate("read again", size, timed(|| read_all(&path))?.1);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .told()?;
    let (mut seed, mut page) = (1, [0; PAGE]);
    forget()?;
    let (_, took) = timed(|| {
        (0..1000).try_for_each(|_| {
            let at = next(&mut seed, size / PAGE) * PAGE;
            file.read_exact_at(&mut page, at as u64).told()
        })
    })?;
    each("4 KiB random read, cold", 1000, took);
    let (_, took) = timed(|| {
        (0..300).try_for_each(|_| {
            let at = next(&mut seed, size / PAGE) * PAGE;
            file.write_all_at(&page, at as u64).told()?;
            file.sync_data().told()
        })
    })?;
    each("4 KiB random write with fdatasync", 300, took);
    fs::remove_file(path).told()
}

fn tree(folder: &Path) -> Outcome {
    let root = folder.join("tree");
    let data = [0x33; 5000];
    let (_, took) = timed(|| {
        for number in 0..FILES {
            let folder = root.join(format!("folder-{}", number / IN_FOLDER));
            if number % IN_FOLDER == 0 {
                fs::create_dir_all(&folder).told()?;
            }
            fs::write(folder.join(format!("file-{number}")), data).told()?;
        }
        Ok(())
    })?;
    whole("5,000 files made, as by tar", took);
    forget()?;
    let (found, took) = timed(|| walk(&root))?;
    whole("found and looked at, cold", took);
    if found != FILES {
        return Err(format!("{found} files were found"));
    }
    whole("found and looked at again", timed(|| walk(&root))?.1);
    let (_, took) = timed(|| fs::remove_dir_all(&root).told())?;
    whole("taken away, as by rm -r", took);
    Ok(())
}

/// Looks at all files below; how many.
fn walk(folder: &Path) -> Result<usize, String> {
    let mut count = 0;
    for entry in fs::read_dir(folder).told()? {
        let path = entry.told()?.path();
        let about = fs::symlink_metadata(&path).told()?;
        count += match about.is_dir() {
            true => walk(&path)?,
            false => 1,
        };
    }
    Ok(count)
}

fn many(folder: &Path, count: usize) -> Outcome {
    let folder = folder.join("many");
    fs::create_dir(&folder).told()?;
    let (_, took) = timed(|| {
        (0..count).try_for_each(|number| {
            File::create(folder.join(format!("name-{number}")))
                .map(drop)
                .told()
        })
    })?;
    each(&format!("file made, {count} in one folder"), count, took);
    let (names, took) = timed(|| {
        let names = fs::read_dir(&folder)
            .told()?
            .map(|entry| Ok(entry.told()?.path()));
        names.collect::<Result<Vec<_>, String>>()
    })?;
    each("each of them listed", count, took);
    if names.len() != count {
        return Err(format!("{} names were listed", names.len()));
    }
    let (_, took) = timed(|| {
        names
            .iter()
            .try_for_each(|name| fs::remove_file(name).told())
    })?;
    each("each of them taken away", count, took);
    fs::remove_dir(&folder).told()
}

/// How long stat(2) takes while another writes as fast as it can: the 99th of 100.
fn beside_a_writer(folder: &Path, size: usize) -> Outcome {
    let (path, looked_at) = (folder.join("written"), folder.join("looked-at"));
    fs::write(&looked_at, "x").told()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_for(&path, size, &done));
        let mut took = Vec::new();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            let (_, one) = timed(|| fs::metadata(&looked_at).told())?;
            took.push(one);
            std::thread::sleep(Duration::from_millis(2));
        }
        done.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer panicked")??;
        took.sort();
        let p99 = took[took.len() * 99 / 100];
        println!(
            "row stat beside a writer, 99 in 100: {} us",
            p99.as_micros()
        );
        Ok(())
    })
}

fn write_for(path: &PathBuf, size: usize, done: &AtomicBool) -> Outcome {
    let data = vec![1; 256 << 10];
    while !done.load(Ordering::Relaxed) {
        let mut file = File::create(path).told()?;
        for _ in 0..size / data.len() {
            file.write_all(&data).told()?;
            if done.load(Ordering::Relaxed) {
                break;
            }
        }
        file.sync_all().told()?;
    }
    fs::remove_file(path).told()
}

/// Transactions as a database makes them: a rollback journal, and a log written ahead.
fn transactions(folder: &Path) -> Outcome {
    let (db, journal, log) = (
        folder.join("db"),
        folder.join("journal"),
        folder.join("log"),
    );
    let database = File::create(&db).told()?;
    let page = [7; PAGE];
    let mut seed = 1;
    let (_, took) = timed(|| {
        for _ in 0..TRANSACTIONS {
            let mut before = File::create(&journal).told()?;
            before.write_all(&page).told()?;
            before.sync_data().told()?;
            let at = next(&mut seed, 1000) * PAGE;
            database.write_all_at(&page, at as u64).told()?;
            database.sync_data().told()?;
            fs::remove_file(&journal).told()?;
        }
        Ok(())
    })?;
    each("transaction with a rollback journal", TRANSACTIONS, took);
    let mut ahead = File::create(&log).told()?;
    let (_, took) = timed(|| {
        for _ in 0..TRANSACTIONS {
            ahead.write_all(&page).told()?;
            ahead.sync_data().told()?;
        }
        Ok(())
    })?;
    each("transaction with a log written ahead", TRANSACTIONS, took);
    fs::remove_file(log).told()?;
    fs::remove_file(db).told()
}

/// The same by Debian's sqlite3, if it is there: each statement is a transaction.
fn sqlite(folder: &Path, mode: &str) -> Outcome {
    let db = folder.join("sqlite");
    let mut script = format!("pragma journal_mode={mode}; create table t(a integer, b text);");
    for number in 0..TRANSACTIONS {
        script += &format!("insert into t values({number}, hex(randomblob(100)));\n");
    }
    script += "select count(*) from t;";
    let (output, took) = timed(|| {
        let mut sqlite = Command::new(SQLITE);
        sqlite.arg(&db).arg(&script).output().told()
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !said.trim().ends_with(&format!("\n{TRANSACTIONS}")) {
        return Err(format!("sqlite3 says {said:?}"));
    }
    each(&format!("sqlite3: transaction, {mode}"), TRANSACTIONS, took);
    fs::remove_file(db).told()
}

/// What can be measured alone.
const PARTS: [&str; 6] = ["large", "tree", "many", "writer", "transactions", "sqlite"];

/// `FOLDER MIB COUNT [PART...]`: the size of the large file, how many are in the folder of
/// many, and what to measure, if that is not all.
pub fn run(_: &mut crate::report::Report, words: &[String]) -> Outcome {
    let [folder, ..] = words else {
        return Err("it needs a folder on a disk".into());
    };
    let size = crate::cases::number(words, 1, 128_usize)? * MIB;
    let count = crate::cases::number(words, 2, 20_000_usize)?;
    let parts = words.get(3..).unwrap_or_default();
    if let Some(part) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("{part} is none of {}", PARTS.join(", ")));
    }
    let folder = Path::new(folder).join("bench-disk");
    fs::create_dir_all(&folder).told()?;
    for part in PARTS {
        if !parts.is_empty() && !parts.iter().any(|wanted| wanted == part) {
            continue;
        }
        match part {
            "large" => large_file(&folder, size)?,
            "tree" => tree(&folder)?,
            "many" => many(&folder, count)?,
            "writer" => beside_a_writer(&folder, size)?,
            "transactions" => transactions(&folder)?,
            _ if Path::new(SQLITE).exists() => {
                sqlite(&folder, "delete")?;
                sqlite(&folder, "wal")?;
            }
            _ => {}
        }
    }
    fs::remove_dir_all(&folder).told()
}

//! Files on the disk that several processes and threads change at once. What
//! the disk holds in the end is checked by the host.

use super::files::{self, folder, in_children, text};
use super::{Found, check, same};
use crate::sys::Map;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

/// The root is on the disk.
const DISK: &str = "/work";
const PAGE: usize = 4096;

/// Records appended by two to one file.
pub fn two_writers() -> Found {
    files::two_writers_in(DISK)
}

/// Names made, moved and removed in one folder.
pub fn names() -> Found {
    files::names_in(DISK)
}

fn good(what: bool) -> io::Result<()> {
    match what {
        true => Ok(()),
        false => Err(io::Error::other("not what was expected")),
    }
}

/// Files that are cut, grown and written with holes, by several at once: what
/// was cut off is zero afterwards.
pub fn lengths() -> Found {
    let folder = folder(DISK, "fuzz-lengths")?;
    in_children(2, |number| {
        let path = folder.join(number.to_string());
        (1..6).try_for_each(|round| cut_and_grow(&path, round))
    })?;
    fs::remove_dir_all(&folder).map_err(text)
}

fn cut_and_grow(path: &Path, round: u64) -> io::Result<()> {
    let (kept, whole) = (700 * round, 9000 * round);
    let file = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(path)?;
    file.write_all_at(&vec![round as u8; 3 * PAGE], 0)?;
    file.set_len(kept)?;
    file.set_len(whole)?;
    file.write_all_at(b"end", whole)?;
    if round.is_multiple_of(2) {
        file.sync_all()?;
    }
    let found = fs::read(path)?;
    let (data, rest) = found.split_at(kept as usize);
    good(data.iter().all(|byte| *byte == round as u8))?;
    good(
        rest.strip_suffix(b"end")
            .is_some_and(|hole| hole.iter().all(|byte| *byte == 0)),
    )
}

/// Files that lose their only name while threads still use them, and others
/// take blocks meanwhile.
pub fn unnamed() -> Found {
    let folder = folder(DISK, "fuzz-unnamed")?;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..4u8)
            .map(|number| {
                let path = folder.join(number.to_string());
                scope.spawn(move || (0..3).try_for_each(|_| use_without_name(&path, number)))
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result.map_err(text),
                Err(_) => Err(String::from("a thread has panicked")),
            })
    })?;
    fs::remove_dir(&folder).map_err(text)
}

fn use_without_name(path: &Path, number: u8) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(path)?;
    file.write_all(&[number; 5000])?;
    fs::remove_file(path)?;
    file.write_all(&[number; 5000])?;
    let mut found = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut found)?;
    good(found == [number; 10000])
}

/// A file mapped by several processes, each of which has bytes of its own in
/// every page: all are there, in the mapping and for who reads.
pub fn mapped() -> Found {
    const PAGES: usize = 4;
    const WRITERS: u8 = 3;
    let folder = folder(DISK, "fuzz-mapped")?;
    let path = folder.join("file");
    fs::write(&path, vec![0; PAGES * PAGE]).map_err(text)?;
    in_children(WRITERS, |number| {
        let map = map(&path, PAGES * PAGE)?;
        let mine = || (usize::from(number)..PAGES * PAGE).step_by(64);
        mine().for_each(|at| map.write(at, number + 1));
        good(mine().all(|at| map.read(at) == number + 1))?;
        // SAFETY: a mapping of this length.
        good(unsafe { libc::msync(map.start.cast(), map.length, libc::MS_SYNC) } == 0)
    })?;
    let found = fs::read(&path).map_err(text)?;
    let expected = |at: usize| match (at % 64) as u8 {
        number if number < WRITERS => number + 1,
        _ => 0,
    };
    let all = found
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte == expected(at));
    check("bytes of all", all)?;
    same("length", found.len(), PAGES * PAGE)?;
    fs::remove_dir_all(&folder).map_err(text)
}

fn map(path: &Path, length: usize) -> io::Result<Map> {
    let file = File::options().read(true).write(true).open(path)?;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    Map::new(length, both, libc::MAP_SHARED, file.as_raw_fd())
        .map_err(|error| io::Error::from_raw_os_error(error.0))
}

/// A file replaced by rename again and again: whoever opens it finds one that is
/// whole.
pub fn replaced() -> Found {
    const LENGTH: usize = 3000;
    let folder = folder(DISK, "fuzz-replaced")?;
    let path = folder.join("file");
    fs::write(&path, [1; LENGTH]).map_err(text)?;
    in_children(3, |number| {
        let fresh = folder.join(format!("fresh-{number}"));
        for round in 1..8u8 {
            if number == 0 {
                let found = fs::read(&path)?;
                good(found.len() == LENGTH && found.iter().all(|byte| *byte == found[0]))?;
            } else {
                fs::write(&fresh, [round; LENGTH])?;
                fs::rename(&fresh, &path)?;
            }
        }
        Ok(())
    })?;
    fs::remove_dir_all(&folder).map_err(text)
}

/// Files written, synced each in its way while others write, and left on the
/// disk.
pub fn synced() -> Found {
    let folder = folder(DISK, "fuzz-synced")?;
    in_children(3, |number| {
        for round in 0..3u8 {
            let path = folder.join(format!("{number}-{round}"));
            let mut file = File::create(&path)?;
            file.write_all(&[number; 6000])?;
            match number {
                0 => file.sync_all()?,
                1 => file.sync_data()?,
                // SAFETY: has no arguments.
                _ => unsafe { libc::sync() },
            }
            good(fs::read(&path)? == [number; 6000])?;
        }
        Ok(())
    })
}

/// Where files are kept for good.
const KEPT: &str = "/kept";

/// Files that are made as who must not lose them does it: what has been said to be kept is
/// there when the power goes, which the host checks.
pub fn kept() -> Found {
    const FILES: u32 = 12;
    fs::create_dir_all(KEPT).map_err(text)?;
    let root = File::open("/").map_err(text)?;
    root.sync_all().map_err(text)?;
    (0..FILES).try_for_each(|number| keep(number).map_err(text))
}

fn keep(number: u32) -> io::Result<()> {
    let folder = Path::new(KEPT);
    let (unsure, path) = (folder.join("new"), folder.join(number.to_string()));
    let mut file = File::create(&unsure)?;
    let line = format!("kept {number}\n");
    file.write_all(line.repeat(100 + 50 * number as usize).as_bytes())?;
    file.sync_all()?;
    fs::rename(&unsure, &path)?;
    File::open(folder)?.sync_all()?;
    print!("{line}");
    Ok(())
}

//! Files and names that several processes change at once.

use super::{Found, same};
use crate::sys::{self, End};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) fn text(error: io::Error) -> String {
    error.to_string()
}

/// Where files are in memory.
const MEMORY: &str = "/tmp";

/// A folder of one's own below `base`.
pub(super) fn folder(base: &str, name: &str) -> Result<PathBuf, String> {
    super::super::folder(&[base.to_owned()], name)
}

/// Runs `body` in `count` processes at once; all must end well.
pub(super) fn in_children(count: u8, body: impl Fn(u8) -> io::Result<()>) -> Found {
    let children = (0..count)
        .map(|number| sys::fork(|| i32::from(body(number).is_err())))
        .collect::<Result<Vec<_>, _>>()?;
    for child in children {
        same("a process", sys::wait(child)?, End::Exited(0))?;
    }
    Ok(())
}

/// Records appended by two to one file are whole, and all there.
pub fn two_writers() -> Found {
    two_writers_in(MEMORY)
}

/// As [`two_writers`], below `base`.
pub fn two_writers_in(base: &str) -> Found {
    const RECORDS: usize = 30;
    const LENGTH: usize = 700;
    let folder = folder(base, "fuzz-append")?;
    let path = folder.join("log");
    in_children(2, |number| {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        (0..RECORDS).try_for_each(|_| file.write_all(&[number + 1; LENGTH]))
    })?;
    let found = fs::read(&path).map_err(text)?;
    let whole = |record: &&[u8]| record.iter().all(|byte| *byte == record[0] && *byte > 0);
    let records = found.chunks(LENGTH).filter(whole).count();
    same("whole records", records, 2 * RECORDS)?;
    fs::remove_dir_all(&folder).map_err(text)
}

/// Names made, moved and removed in one folder; each is somebody's alone.
pub fn names() -> Found {
    names_in(MEMORY)
}

/// As [`names`], below `base`.
pub fn names_in(base: &str) -> Found {
    const NAMES: u32 = 12;
    let folder = folder(base, "fuzz-names")?;
    in_children(3, |number| {
        for name in 0..NAMES {
            let own = folder.join(format!("own-{number}-{name}"));
            File::create(&own)?.write_all(b"content")?;
            let moved = folder.join(format!("moved-{number}-{name}"));
            fs::rename(&own, &moved)?;
            if fs::hard_link(&moved, folder.join(format!("won-{name}"))).is_ok() {
                mark(&folder, name)?;
            }
            fs::remove_file(&moved)?;
            fs::read_dir(&folder)?.try_for_each(|entry| entry.map(drop))?;
        }
        Ok(())
    })?;
    let mut left: Vec<_> = fs::read_dir(&folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(text)?
        .into_iter()
        .map(|entry| entry.file_name())
        .collect();
    left.sort();
    let marks = left
        .iter()
        .filter(|name| name.as_encoded_bytes().starts_with(b"mark"));
    same("winners", marks.count(), NAMES as usize)?;
    same("names", left.len(), 2 * NAMES as usize)?;
    fs::remove_dir_all(&folder).map_err(text)
}

/// Fails if it is there: then two have won.
fn mark(folder: &Path, name: u32) -> io::Result<()> {
    File::create_new(folder.join(format!("mark-{name}"))).map(drop)
}

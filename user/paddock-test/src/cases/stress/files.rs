//! Files that are written, renamed, read back and removed.

use super::{Job, ensure};
use crate::sys::{Hash, Noise};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Two threads in the same folder.
pub fn run(job: &Job) -> Result<u64, String> {
    let folder = job.folder();
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    std::thread::scope(|scope| {
        let other = scope.spawn(|| rounds(job, folder, 1));
        let own = rounds(job, folder, 2)?;
        let others = other.join().map_err(|_| "a thread panicked")??;
        Ok(own + others)
    })
}

fn rounds(job: &Job, folder: &Path, number: u64) -> Result<u64, String> {
    let mut count = 0;
    while job.goes_on() {
        let seed = count * 4 + number;
        let hash = write_and_read(folder, seed).map_err(|error| format!("files: {error}"))?;
        ensure(hash, "what was written is read")?;
        count += 1;
    }
    Ok(count)
}

fn write_and_read(folder: &Path, seed: u64) -> std::io::Result<bool> {
    let mut noise = Noise::new(seed);
    let size = noise.next() as usize % 100_000 + 1;
    let bytes = noise.bytes(size);
    let inner = folder.join(format!("d{seed}"));
    let (first, second) = (inner.join("first"), folder.join(format!("f{seed}")));
    fs::create_dir(&inner)?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&first)?;
    file.write_all(&bytes)?;
    if seed.is_multiple_of(16) {
        file.sync_all()?;
    }
    fs::rename(&first, &second)?;
    fs::remove_dir(&inner)?;
    let mut back = Vec::new();
    File::open(&second)?.read_to_end(&mut back)?;
    let same = Hash::of(&back) == Hash::of(&bytes);
    fs::remove_file(&second)?;
    // A file without a name is still there for those who have it open.
    file.set_len(size as u64 / 2)?;
    file.seek(SeekFrom::Start(0))?;
    back.clear();
    file.read_to_end(&mut back)?;
    Ok(same && back == bytes[..size / 2])
}

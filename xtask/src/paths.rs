//! Where things are.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
}

/// The folder for everything that is built for users: `target/paddock`, or
/// what `PADDOCK_OUT` names.
pub fn out() -> PathBuf {
    std::env::var_os("PADDOCK_OUT").map_or_else(
        || workspace().join("target/paddock"),
        |dir| workspace().join(dir),
    )
}

/// Cargo's folder for programs that run in the guest. Not the host's, so that
/// the two builds never wait for each other.
pub fn guest_target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
        .join("guest")
}

/// The disk in memory, with the program that the fuzzing of schedules runs.
pub fn fuzz_disk() -> PathBuf {
    out().join("fuzz.ext4")
}

/// The default disk.
pub fn disk() -> PathBuf {
    out().join("disk.img")
}

/// Cargo's folder for the models of the concurrent primitives.
pub fn models() -> PathBuf {
    workspace().join("target/models")
}

/// Makes the output folder and takes its lock, waiting for any other command
/// that is building. Held until the value is dropped.
pub fn lock_out() -> Result<File> {
    let dir = out();
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        crate::step::note("waiting for another `cargo xtask` to finish building");
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

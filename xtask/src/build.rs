//! Building the kernel, the guest's programs and the default disk.

use crate::disk::{self, Contents, Programs};
use crate::process::run;
use crate::step::{note, timed};
use crate::toolchain::{KERNEL_TARGET, Toolchain};
use crate::{flat, paths, setup, symbols};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The guest's own programs.
pub const PROGRAMS: &[&str] = &["herd", "paddock-test", "sftp-server"];

/// Whether a disk that is there already is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskPolicy {
    /// A disk is made only if there is none: it persists between runs.
    Keep,
    /// A new disk in any case.
    Fresh,
}

/// Which of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The one for users.
    Shipped,
    /// The one in which tests can put mistakes back.
    Test,
    /// The same without the checks of locks and contexts, to measure them.
    Unchecked,
    /// The one whose schedules come from a seed.
    Fuzz,
}

impl Kernel {
    fn features(self) -> &'static [&'static str] {
        match self {
            Kernel::Shipped => &[],
            Kernel::Test => &["--features", "test-kernel"],
            Kernel::Unchecked => &["--features", "test-kernel,unchecked"],
            Kernel::Fuzz => &["--features", "fuzz-sched"],
        }
    }

    /// What a build of it is called in progress messages.
    fn title(self) -> &'static str {
        match self {
            Kernel::Shipped => "Building the kernel",
            Kernel::Test => "Building the test kernel",
            Kernel::Unchecked => "Building the test kernel without its checks",
            Kernel::Fuzz => "Building the kernel for the fuzzing of schedules",
        }
    }

    /// What the names of its files end in.
    fn suffix(self) -> &'static str {
        match self {
            Kernel::Shipped => "",
            Kernel::Test => "-test",
            Kernel::Unchecked => "-unchecked",
            Kernel::Fuzz => "-fuzz",
        }
    }

    /// The raw image with the arm64 boot header, in `folder`.
    pub fn image_in(self, folder: &Path) -> PathBuf {
        folder.join(format!("Image{}", self.suffix()))
    }

    /// The kernel with its symbols, in `folder`.
    pub fn elf_in(self, folder: &Path) -> PathBuf {
        folder.join(format!("kernel{}.elf", self.suffix()))
    }

    /// The image, where a build leaves it.
    pub fn image(self) -> PathBuf {
        self.image_in(&paths::out())
    }

    /// The kernel with its symbols, where a build leaves it.
    pub fn elf(self) -> PathBuf {
        self.elf_in(&paths::out())
    }
}

/// What a build leaves, under the lock of the output folder.
pub struct Built {
    /// The toolchain that was used.
    pub toolchain: Toolchain,
    /// The guest's own programs.
    pub programs: Vec<(&'static str, PathBuf)>,
    /// Nobody else builds while this is held.
    pub lock: File,
}

/// Sets up, then builds the kernel and the guest's programs.
pub fn programs() -> Result<Built> {
    let lock = paths::lock_out()?;
    let toolchain = setup::ensure()?;
    kernel(toolchain, Kernel::Shipped)?;
    let programs = timed("Building the programs of the guest", || user(toolchain))?;
    Ok(Built {
        toolchain,
        programs,
        lock,
    })
}

/// Sets up, then builds one of the kernels for tests and measurements; its
/// image.
pub fn other_kernel(which: Kernel) -> Result<PathBuf> {
    let _lock = paths::lock_out()?;
    let toolchain = setup::ensure()?;
    kernel(toolchain, which)?;
    Ok(which.image())
}

/// Sets up, then builds the kernel whose schedules come from a seed, and the
/// guest's programs, which are what is given back.
pub fn fuzz_kernel() -> Result<Vec<(&'static str, PathBuf)>> {
    other_kernel(Kernel::Fuzz)?;
    let _lock = paths::lock_out()?;
    let toolchain = setup::ensure()?;
    timed("Building the programs of the guest", || user(toolchain))
}

/// Everything: also the default disk.
pub fn all(policy: DiskPolicy) -> Result<Built> {
    let built = programs()?;
    let disk = paths::disk();
    let stale = disk.exists() && policy == DiskPolicy::Keep && is_older(&disk, &built.programs);
    if policy == DiskPolicy::Fresh || !disk.exists() {
        disk::make(&disk, &Contents::default(), &built.programs)?;
    } else if stale {
        note("the disk is older than its programs; `--fresh` makes it anew and loses its changes");
    }
    Ok(built)
}

fn kernel(toolchain: Toolchain, which: Kernel) -> Result<()> {
    timed(which.title(), || compile(toolchain, which))
}

fn compile(toolchain: Toolchain, which: Kernel) -> Result<()> {
    run(toolchain
        .build_kernel()
        .args(["--package", "paddock-kernel"])
        .args(which.features()))?;
    let built = toolchain.built(KERNEL_TARGET).join("paddock-kernel");
    let (elf, image) = (which.elf(), which.image());
    let fresh = elf.with_extension("new");
    fs::copy(&built, &fresh).with_context(|| format!("cannot copy {}", built.display()))?;
    let symbols = symbols::fill(&fresh)?;
    fs::rename(&fresh, &elf)?;
    let fresh = image.with_extension("new");
    flat::convert(&elf, &fresh)?;
    fs::rename(&fresh, &image)?;
    note(&format!(
        "{} ({} KiB); symbols fill {} of {} KiB",
        image.display(),
        image.metadata()?.len() >> 10,
        symbols.used >> 10,
        symbols.room >> 10
    ));
    Ok(())
}

fn user(toolchain: Toolchain) -> Result<Vec<(&'static str, PathBuf)>> {
    let mut cargo = toolchain.build_user();
    // The disk need not carry symbols.
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    for name in present_programs() {
        cargo.args(["--package", name]);
    }
    run(&mut cargo)?;
    let built = toolchain.built(toolchain.user_target());
    Ok(present_programs()
        .map(|name| (name, built.join(name)))
        .collect())
}

/// Programs of the workspace; a folder may be missing in a partial checkout.
fn present_programs() -> impl Iterator<Item = &'static str> {
    PROGRAMS
        .iter()
        .copied()
        .filter(|name| paths::workspace().join("user").join(name).exists())
}

fn is_older(disk: &Path, programs: &Programs) -> bool {
    let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    let made = time(disk).unwrap_or(SystemTime::UNIX_EPOCH);
    programs
        .iter()
        .any(|(_, program)| time(program).is_some_and(|built| built > made))
}

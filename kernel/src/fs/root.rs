//! The root filesystem: a disk's, or one in memory.

use super::clock::WallClock;
use super::{initrd, mounts};
use crate::drivers::virtio::block::{self, Disk};
use crate::machine::CommandLine;
use crate::process::page_cache::FramePages;
use crate::process::reclaim;
use crate::{fuzz_run, memory};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use paddock_abi::stat::make_device;
use paddock_abi::{Errno, Result};
use paddock_ext4::{Ext4, Kind};
use paddock_sync::try_arc;
use paddock_vfs::cache::PageCache;
use paddock_vfs::{BlockDevice, FileSystem};

/// The disk that is the root's if the command line names none.
const DEFAULT_DISK: &str = "/dev/vda";
/// The major number of disks; each has [`MINORS`] minor numbers.
pub const DISK_MAJOR: u32 = 254;
/// The major number of disks in memory.
const RAM_DISK_MAJOR: u32 = 1;
/// See [`DISK_MAJOR`].
pub const MINORS: u32 = 16;

/// What the tree of files begins with.
pub struct Root {
    /// The filesystem.
    pub fs: Arc<dyn FileSystem>,
    /// Its name in `/proc/mounts`.
    pub source: String,
    /// An archive to fill it with.
    pub archive: Option<&'static [u8]>,
}

/// Finds the root. An initial RAM disk counts unless a disk is named.
///
/// # Panics
/// If there is not even memory for an empty filesystem.
pub fn find(command_line: &CommandLine<'_>, clock: &Arc<WallClock>) -> Root {
    if let Some(disk) = fuzz_run::start_disk(command_line, initrd::memory) {
        return in_ram_disk(disk, clock);
    }
    let archive = initrd::archive();
    if command_line.root.is_none() && archive.is_some() {
        log::info!("root: in memory, from the initial RAM disk");
        return in_memory(clock, archive);
    }
    let name = command_line.root.unwrap_or(DEFAULT_DISK);
    match open_named(name, clock) {
        Ok(fs) => Root {
            fs,
            source: disk_path(name),
            archive: None,
        },
        Err(problem) => {
            log::error!(
                "root: {problem}. Until then all files are in memory, and lost at power-off"
            );
            in_memory(clock, archive)
        }
    }
}

/// # Panics
/// If the disk cannot be mounted: it was made for this run.
fn in_ram_disk(disk: Arc<dyn BlockDevice>, clock: &Arc<WallClock>) -> Root {
    let device = make_device(RAM_DISK_MAJOR, 0);
    let mounted = cache()
        .and_then(|cache| Ext4::mount(Kind::Ext4, disk, clock.clone(), cache, device, false));
    match mounted {
        Ok(fs) => Root {
            fs,
            source: disk_path("ram0"),
            archive: None,
        },
        Err(error) => panic!("the disk in memory cannot be mounted: {error}"),
    }
}

fn in_memory(clock: &Arc<WallClock>, archive: Option<&'static [u8]>) -> Root {
    match mounts::memory_fs(clock, mounts::half_of_memory(), 0o755) {
        Ok(fs) => Root {
            fs,
            source: String::from("root"),
            archive,
        },
        Err(error) => panic!("no memory for a root filesystem: {error}"),
    }
}

fn disk_path(name: &str) -> String {
    format!("/dev/{}", name.strip_prefix("/dev/").unwrap_or(name))
}

/// The filesystem on the disk `name`, or what is wrong and what to do.
fn open_named(
    name: &str,
    clock: &Arc<WallClock>,
) -> core::result::Result<Arc<dyn FileSystem>, String> {
    let path = disk_path(name);
    let Some(disk) = block::by_name(name) else {
        return Err(no_disk(&path));
    };
    open_disk(disk, clock).map_err(|error| match error {
        Errno::EINVAL => format!(
            "{path} holds no ext4 filesystem that can be read; make one with mke2fs -t ext4"
        ),
        Errno::EUCLEAN => format!("the filesystem on {path} is damaged; repair it with e2fsck -f"),
        Errno::EROFS => {
            format!("{path} was not unmounted and cannot be written; let e2fsck replay its journal")
        }
        Errno::EIO => format!("{path} cannot be read; replace the disk, or its image"),
        Errno::ENOMEM => {
            format!("there is not enough memory to mount {path}; give the machine more")
        }
        error => format!("{path} cannot be mounted: {error}"),
    })
}

fn no_disk(path: &str) -> String {
    let mut names = String::new();
    for disk in block::disks() {
        names.push(' ');
        names.push_str(disk.name());
    }
    match names.is_empty() {
        true => {
            format!("there is no disk; attach a virtio disk with an ext4 filesystem for {path}")
        }
        false => format!("there is no disk {path}; name one of these with root=:{names}"),
    }
}

/// Mounts the filesystem of a disk, for reading only if it cannot be written.
///
/// # Errors
/// Those of [`Ext4::mount`].
fn open_disk(disk: &Arc<Disk>, clock: &Arc<WallClock>) -> Result<Arc<dyn FileSystem>> {
    let cache = cache()?;
    let number = block::disks()
        .iter()
        .position(|other| Arc::ptr_eq(other, disk))
        .unwrap_or(0);
    let device = make_device(DISK_MAJOR, number as u32 * MINORS);
    let mount = |read_only| {
        Ext4::mount(
            Kind::Ext4,
            disk.clone(),
            clock.clone(),
            cache.clone(),
            device,
            read_only,
        )
    };
    let fs = mount(false).or_else(|error| match error {
        Errno::EUCLEAN | Errno::EROFS => mount(true).map_err(|_| error),
        error => Err(error),
    })?;
    match fs.read_only() {
        true => log::warn!(
            "root: {} is mounted for reading only: it is damaged, write-protected, or has features that cannot be \
             written. Check it with e2fsck -f",
            disk.name()
        ),
        false => log::info!("root: ext4 on {}", disk.name()),
    }
    Ok(fs)
}

/// The cache of pages of disks, which is there once somebody needs it. `ENOMEM`.
#[allow(clippy::disallowed_methods, reason = "small, and once")]
pub fn cache() -> Result<Arc<PageCache>> {
    if let Some(cache) = reclaim::page_cache() {
        return Ok(cache.clone());
    }
    let frames = memory::frames::total();
    let cache = try_arc(PageCache::new(Arc::new(FramePages), frames / 8))?;
    reclaim::set_page_cache(cache.clone());
    Ok(cache)
}

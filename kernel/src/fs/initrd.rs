//! The initial RAM disk: a cpio archive that fills a root in memory.

use crate::machine;
use crate::memory::phys_to_virt;
use alloc::collections::BTreeMap;
use alloc::string::String;
use paddock_abi::stat::make_device;
use paddock_abi::{Errno, Result};
use paddock_cpio::{Archive, Entry};
use paddock_vfs::{FileKind, MountNamespace, OpenFlags, Path, PathContext, SetMetadata, Timestamp};

/// Files with several names: the name that a file was made by.
type FirstNames<'a> = BTreeMap<((u32, u32), u32), &'a [u8]>;

/// What the boot loader has put into memory, if it has: reserved for good, and
/// covered by the direct map.
pub fn memory() -> Option<*mut [u8]> {
    let region = machine::get()?.initrd?;
    let length = usize::try_from(region.size)
        .ok()
        .filter(|&length| length > 0)?;
    let inside =
        |memory: &machine::Region| memory.base <= region.base && region.end() <= memory.end();
    if !machine::get()?.memory.iter().any(inside) {
        log::warn!("root: the initial RAM disk lies outside the memory and is ignored");
        return None;
    }
    let start = phys_to_virt(region.base);
    Some(core::ptr::slice_from_raw_parts_mut(start, length))
}

/// The same as an archive. Not for a machine whose root is a disk in it.
pub fn archive() -> Option<&'static [u8]> {
    // SAFETY: valid for good, and nobody writes to it.
    memory().map(|memory| unsafe { &*memory })
}

/// Makes all that the archive holds below the root of `context`. What cannot
/// be made is reported and left out. May sleep.
pub fn unpack(namespace: &MountNamespace, context: &PathContext, archive: &[u8]) {
    let context = PathContext {
        umask: 0,
        ..context.clone()
    };
    let mut first_names = FirstNames::new();
    let mut made = 0;
    for entry in Archive::new(archive) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                return log::error!(
                    "root: the initial RAM disk: {problem}; {made} files were unpacked"
                );
            }
        };
        match make(namespace, &context, &entry, &mut first_names) {
            Ok(()) => made += 1,
            Err(error) => {
                let name = String::from_utf8_lossy(entry.name);
                log::error!("root: the initial RAM disk: {name}: {error}");
            }
        }
    }
    log::info!("root: {made} files unpacked from the initial RAM disk");
}

fn make<'a>(
    namespace: &MountNamespace,
    context: &PathContext,
    entry: &Entry<'a>,
    first_names: &mut FirstNames<'a>,
) -> Result<()> {
    let kind = FileKind::from_mode(entry.mode)?;
    make_parents(namespace, context, entry.name)?;
    match kind {
        FileKind::Directory => make_directory(namespace, context, entry)?,
        FileKind::Symlink => namespace.symlink(context, entry.data, entry.name)?,
        FileKind::Regular => make_file(namespace, context, entry, first_names)?,
        _ => {
            let rdev = make_device(entry.rdev.0, entry.rdev.1);
            namespace.mknod(context, entry.name, kind, entry.mode, rdev)?;
        }
    }
    set_owner_and_times(namespace, context, entry)
}

/// Makes the directories above `name` that the archive does not list first.
fn make_parents(namespace: &MountNamespace, context: &PathContext, name: &[u8]) -> Result<()> {
    for (at, _) in name
        .iter()
        .enumerate()
        .filter(|(at, byte)| **byte == b'/' && *at > 0)
    {
        match namespace.mkdir(context, &name[..at], 0o755) {
            Ok(_) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn make_directory(
    namespace: &MountNamespace,
    context: &PathContext,
    entry: &Entry<'_>,
) -> Result<()> {
    match namespace.mkdir(context, entry.name, entry.mode) {
        // The root itself, and what `make_parents` made.
        Err(Errno::EEXIST | Errno::EBUSY | Errno::ENOENT) => {
            place(namespace, context, entry).map(drop)
        }
        made => made.map(drop),
    }
}

#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
fn make_file<'a>(
    namespace: &MountNamespace,
    context: &PathContext,
    entry: &Entry<'a>,
    first_names: &mut FirstNames<'a>,
) -> Result<()> {
    let identity = (entry.device, entry.ino);
    if entry.links > 1 {
        if let Some(first) = first_names.get(&identity) {
            let first = namespace.resolve(context, first, false)?;
            namespace.link(&first, context, entry.name)?;
            return if entry.data.is_empty() {
                Ok(())
            } else {
                write(namespace, context, entry)
            };
        }
        first_names.insert(identity, entry.name);
    }
    write(namespace, context, entry)
}

fn write(namespace: &MountNamespace, context: &PathContext, entry: &Entry<'_>) -> Result<()> {
    let flags = OpenFlags::CREAT | OpenFlags::TRUNC | OpenFlags::WRONLY | OpenFlags::NOFOLLOW;
    let file = namespace.open(context, entry.name, flags, entry.mode & 0o7777)?;
    let mut rest = entry.data;
    while !rest.is_empty() {
        let count = file.write(rest)?;
        rest = rest.get(count..).unwrap_or(&[]);
    }
    Ok(())
}

fn place(namespace: &MountNamespace, context: &PathContext, entry: &Entry<'_>) -> Result<Path> {
    namespace.resolve(context, entry.name, false)
}

fn set_owner_and_times(
    namespace: &MountNamespace,
    context: &PathContext,
    entry: &Entry<'_>,
) -> Result<()> {
    let time = Timestamp {
        seconds: i64::from(entry.mtime),
        nanos: 0,
    };
    place(namespace, context, entry)?
        .inode()
        .set_metadata(&SetMetadata {
            mode: Some(entry.mode & 0o7777),
            uid: Some(entry.uid),
            gid: Some(entry.gid),
            mtime: Some(time),
            ..SetMetadata::default()
        })
}

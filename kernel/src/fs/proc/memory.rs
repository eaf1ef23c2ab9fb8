//! `/proc/PID/maps` and `statm`.

use super::process::{Subject, may_inspect};
use super::text::Text;
use crate::user::Arm;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_vm::{Area, Backing, PAGE_SIZE, Protection};

/// Where names begin in a line.
const NAME_COLUMN: usize = 73;

/// A process's areas, as they are now. None once it has ended.
fn areas(subject: &Subject) -> Result<Vec<Area<Arm>>> {
    let mut areas = Vec::new();
    if let Ok(memory) = subject.process.memory() {
        for area in memory.space.lock().areas() {
            areas.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            areas.push(area.clone());
        }
    }
    Ok(areas)
}

/// Addresses, protection and names. Device and inode are zeroes.
pub fn maps(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    for area in areas(subject)? {
        let flag = |wanted, letter| {
            if area.protection.contains(wanted) {
                letter
            } else {
                '-'
            }
        };
        let read = flag(Protection::READ, 'r');
        let write = flag(Protection::WRITE, 'w');
        let execute = flag(Protection::EXECUTE, 'x');
        let shared = if area.shared { 's' } else { 'p' };
        let offset = match &area.backing {
            Backing::Anonymous => 0,
            Backing::Source { first, .. } => first * PAGE_SIZE,
        };
        let (start, end, name) = (area.start, area.end, area.name());
        let head = alloc::format!(
            "{start:08x}-{end:08x} {read}{write}{execute}{shared} {offset:08x} 00:00 0 "
        );
        match name.is_empty() {
            true => out.put(format_args!("{head}\n"))?,
            false => out.put(format_args!("{head:<NAME_COLUMN$}{name}\n"))?,
        }
    }
    Ok(())
}

/// What `/proc/PID/stat` and others tell of memory.
#[derive(Clone, Copy, Default)]
pub struct Sizes {
    /// Bytes of all areas.
    pub virtual_bytes: u64,
    /// Pages that are present.
    pub resident_pages: u64,
    /// Bytes of areas by use: code, data, stack.
    pub code: u64,
    pub data: u64,
    pub stack: u64,
}

impl Sizes {
    /// Those of a process; zeroes once it has ended.
    pub fn of(subject: &Subject) -> Sizes {
        let Ok(memory) = subject.process.memory() else {
            return Sizes::default();
        };
        let space = memory.space.lock();
        let usage = space.usage();
        let mut sizes = Sizes {
            virtual_bytes: usage.virtual_bytes,
            resident_pages: usage.resident_pages,
            ..Sizes::default()
        };
        for area in space.areas() {
            let bytes = area.end - area.start;
            match area.protection {
                _ if area.grows_down => sizes.stack += bytes,
                protection if protection.contains(Protection::EXECUTE) => sizes.code += bytes,
                protection if protection.contains(Protection::WRITE) && !area.shared => {
                    sizes.data += bytes
                }
                _ => {}
            }
        }
        sizes
    }
}

/// Sizes in pages. Shared pages are not told apart.
pub fn statm(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let sizes = Sizes::of(subject);
    let (size, code) = (sizes.virtual_bytes / PAGE_SIZE, sizes.code / PAGE_SIZE);
    let data = (sizes.data + sizes.stack) / PAGE_SIZE;
    out.put(format_args!(
        "{size} {} 0 {code} 0 {data} 0\n",
        sizes.resident_pages
    ))
}

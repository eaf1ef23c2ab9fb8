//! `/proc/PID/maps`, `smaps` and `statm`.

use super::process::Subject;
use super::text::Text;
use crate::process::identity::may_inspect;
use paddock_abi::{Errno, Result};
use paddock_mem::{PAGE_SIZE, Usage};

/// Addresses, protection, files and names.
pub fn maps(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    let Ok(memory) = subject.process.memory() else {
        return Ok(());
    };
    let space = memory.space.lock();
    for line in space.maps() {
        out.put(format_args!("{line}\n"))?;
    }
    Ok(())
}

/// Every area with what it has in memory.
pub fn smaps(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    let Ok(memory) = subject.process.memory() else {
        return Ok(());
    };
    let space = memory.space.lock();
    for area in space.reports() {
        let size = (area.range.1 - area.range.0) / 1024;
        out.put(format_args!(
            "{}\nSize:           {size:>8} kB\n",
            area.line
        ))?;
        out.put(format_args!(
            "KernelPageSize: {0:>8} kB\nMMUPageSize:    {0:>8} kB\n",
            PAGE_SIZE / 1024
        ))?;
        usage(&area.usage, area.locked_bytes(), out)?;
        out.put(format_args!("VmFlags: {}\n", area.flags))?;
    }
    Ok(())
}

/// The same, of all areas together.
pub fn smaps_rollup(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    let Ok(memory) = subject.process.memory() else {
        return Err(Errno::ESRCH);
    };
    let space = memory.space.lock();
    let (mut total, mut locked) = (Usage::default(), 0);
    let mut range: Option<(u64, u64)> = None;
    for area in space.reports() {
        total += area.usage;
        locked += area.locked_bytes();
        range = Some((range.map_or(area.range.0, |range| range.0), area.range.1));
    }
    let (start, end) = range.unwrap_or_default();
    out.put(format_args!(
        "{start:08x}-{end:08x} ---p 00000000 00:00 0 {:26} [rollup]\n",
        ""
    ))?;
    usage(&total, locked, out)
}

fn usage(usage: &Usage, locked: u64, out: &mut Text<'_>) -> Result<()> {
    for (name, bytes) in [
        ("Rss:", usage.resident),
        ("Pss:", usage.proportional),
        ("Shared_Clean:", usage.shared_clean),
        ("Shared_Dirty:", usage.shared_dirty),
        ("Private_Clean:", usage.private_clean),
        ("Private_Dirty:", usage.private_dirty),
        ("Referenced:", usage.resident),
        ("Anonymous:", usage.anonymous),
        ("Swap:", 0),
        ("SwapPss:", 0),
        ("Locked:", locked),
    ] {
        out.put(format_args!("{name:<15} {:>8} kB\n", bytes / 1024))?;
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
    /// Those of them that are of files or shared memory.
    pub shared_pages: u64,
    /// The most pages that have been present at once.
    pub peak_pages: u64,
    /// Bytes of areas by use: code, data, stack.
    pub code: u64,
    pub data: u64,
    pub stack: u64,
    pub locked: u64,
}

impl Sizes {
    /// Those of a process; zeroes once it has ended.
    pub fn of(subject: &Subject) -> Sizes {
        let Ok(memory) = subject.process.memory() else {
            return Sizes::default();
        };
        let counters = memory.counters();
        Sizes {
            virtual_bytes: counters.mapped * PAGE_SIZE,
            resident_pages: counters.resident(),
            peak_pages: counters.resident_peak,
            shared_pages: counters.resident_shared,
            code: counters.text * PAGE_SIZE,
            data: counters.data * PAGE_SIZE,
            stack: counters.stack * PAGE_SIZE,
            locked: counters.locked * PAGE_SIZE,
        }
    }
}

/// Sizes in pages.
pub fn statm(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let sizes = Sizes::of(subject);
    let (size, code) = (sizes.virtual_bytes / PAGE_SIZE, sizes.code / PAGE_SIZE);
    let data = (sizes.data + sizes.stack) / PAGE_SIZE;
    out.put(format_args!(
        "{size} {} {} {code} 0 {data} 0\n",
        sizes.resident_pages, sizes.shared_pages
    ))
}

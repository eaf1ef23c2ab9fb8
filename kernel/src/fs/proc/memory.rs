//! `/proc/PID/maps` and `statm`.

use super::process::Subject;
use super::text::Text;
use crate::user::identity::may_inspect;
use paddock_abi::Result;
use paddock_mem::PAGE_SIZE;

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
}

impl Sizes {
    /// Those of a process; zeroes once it has ended.
    pub fn of(subject: &Subject) -> Sizes {
        let Ok(memory) = subject.process.memory() else {
            return Sizes::default();
        };
        let counters = memory.space.lock().counters();
        Sizes {
            virtual_bytes: counters.mapped * PAGE_SIZE,
            resident_pages: counters.resident_own + counters.resident_shared,
            peak_pages: counters.resident_peak,
            shared_pages: counters.resident_shared,
            code: counters.text * PAGE_SIZE,
            data: counters.data * PAGE_SIZE,
            stack: counters.stack * PAGE_SIZE,
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

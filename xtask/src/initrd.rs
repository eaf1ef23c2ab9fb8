//! Initial RAM disks: archives that become the root of a machine without a
//! disk.

use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// An executable file: where it goes in the guest, without the leading `/`,
/// and what is in it.
pub type Program<'a> = (&'a str, &'a [u8]);

/// Makes the archive `out` with these programs.
pub fn make(out: &Path, programs: &[Program<'_>]) -> Result<()> {
    make_with(out, &[], programs)
}

/// The same, with folders, which Linux wants to have before what is in them.
pub fn make_with(out: &Path, folders: &[&str], programs: &[Program<'_>]) -> Result<()> {
    let mut file = File::create(out)?;
    for name in folders {
        let entry = cpio::newc::Builder::new(name).mode(0o040_755);
        file = entry.write(file, 0).finish()?;
    }
    for (name, bytes) in programs {
        let entry = cpio::newc::Builder::new(name).mode(0o100_755);
        let mut writer = entry.write(file, u32::try_from(bytes.len())?);
        writer.write_all(bytes)?;
        file = writer.finish()?;
    }
    Ok(cpio::newc::trailer(file)?.flush()?)
}

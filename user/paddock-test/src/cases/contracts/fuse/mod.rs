//! Filesystems that are programs: fuse(4), with a small one inside each contract.

mod fuse_changes;
mod fuse_ends;
mod fuse_mounts;
mod fuse_nonsense;
mod fuse_notices;
mod fuse_pages;
mod fuse_reads;
mod fuse_rights;
mod server;

use super::contracts;
use crate::cases::contracts::prelude::*;
use server::{Manners, op, serve};

contracts! {
    fuse_changes
    fuse_ends
    fuse_mounts
    fuse_nonsense
    fuse_notices
    fuse_pages
    fuse_reads
    fuse_rights
}

/// Opens the device.
fn device() -> Result<i32, Errno> {
    opened("/dev/fuse", O_RDWR | O_CLOEXEC)
}

/// A folder `m` in mounts of its own, to mount at.
fn own_mounts() -> Outcome {
    folder("m")?;
    let none = null::<c_char>();
    call!(unshare(CLONE_NEWNS))?;
    call!(libc::mount(
        none,
        c"/".as_ptr(),
        none,
        MS_REC | MS_PRIVATE,
        null()
    ))?;
    Ok(())
}

/// Mounts at `m`, with these options.
fn mount_with(options: &str) -> Result<i32, Errno> {
    mount_as("fuse", options)
}

fn mount_as(kind: &str, options: &str) -> Result<i32, Errno> {
    let (kind, options) = (word(kind), word(options));
    let data = options.as_ptr().cast();
    call!(libc::mount(
        c"program".as_ptr(),
        c"m".as_ptr(),
        kind.as_ptr(),
        MS_NOSUID | MS_NODEV,
        data
    ))
}

/// The options that must be there.
fn options(fd: i32) -> String {
    format!("fd={fd},rootmode=40000,user_id=0,group_id=0")
}

/// A program of these manners that is mounted at `m`; its number.
fn mounted(manners: Manners, more: &str) -> Result<i32, Errno> {
    let fd = device()?;
    mount_with(&format!("{}{more}", options(fd)))?;
    serve(fd, manners)
}

/// The usual one.
fn usual() -> Result<i32, Errno> {
    own_mounts().map_err(|_| Errno(EIO))?;
    mounted(Manners::default(), "")
}

fn unmount(flags: i32) -> Result<i32, Errno> {
    call!(umount2(c"m".as_ptr(), flags))
}

/// Unmounts, and the program hears that there is nothing more to do.
fn over(t: &mut Report, program: i32) -> Outcome {
    t.works("unmounted", unmount(0));
    t.same(
        "the program hears of it",
        sys::wait(program),
        Ok(End::Exited(ENODEV)),
    );
    Ok(())
}

/// How often something was asked so far, as the program says.
fn asked(opcode: u32) -> u32 {
    let text = text("m/log");
    let name = format!("{opcode}=");
    let found = text.split(' ').find_map(|word| word.strip_prefix(&name));
    found.and_then(|times| times.parse().ok()).unwrap_or(0)
}

/// What came of an answer that makes no sense: an error, or 0.
fn came_of(what: &str) -> i32 {
    let text = text("m/log");
    let name = format!("{what}:");
    let found = text.split(' ').find_map(|word| word.strip_prefix(&name));
    found.and_then(|error| error.parse().ok()).unwrap_or(-1)
}

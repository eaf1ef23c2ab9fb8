//! `/proc/locks` (proc_locks(5)): locks on files and leases of all processes that the
//! reader knows.

use super::text::Text;
use crate::process::leases;
use crate::process::locks::{self, Owner};
use crate::process::numbers::known;
use paddock_abi::Result;
use paddock_abi::stat::{device_major, device_minor};
use paddock_process::LeaseKind;
use paddock_process::locks::{Kind, Shown};

pub fn all(out: &mut Text<'_>) -> Result<()> {
    let mut number = 0;
    locks::for_each(|file, shown| {
        if !shown.waits {
            number += 1;
        }
        lock(out, number, file, shown)
    })?;
    leases::for_each(|file, shown| {
        number += 1;
        lease(out, number, file, shown)
    })
}

/// The number of whose a lock is, as the reader knows it: -1 for an open file's. `None`
/// for somebody whom the reader does not know.
fn holder(shown: &Shown<Owner>) -> Option<i32> {
    let process = match (shown.kind, shown.lock.owner.pid()) {
        (Kind::Ranges, None) => return Some(-1),
        (_, Some(process)) => process,
        (Kind::Whole, None) => shown.process,
    };
    Some(known(process).get() as i32).filter(|&number| number != 0)
}

fn lock(
    out: &mut Text<'_>,
    number: u32,
    (device, inode): (u64, u64),
    shown: &Shown<Owner>,
) -> Result<()> {
    let Some(holder) = holder(shown) else {
        return Ok(());
    };
    let arrow = if shown.waits { "-> " } else { "" };
    let kind = match (shown.kind, shown.lock.owner.pid()) {
        (Kind::Whole, _) => "FLOCK ",
        (Kind::Ranges, Some(_)) => "POSIX ",
        (Kind::Ranges, None) => "OFDLCK",
    };
    let way = if shown.lock.exclusive {
        "WRITE"
    } else {
        "READ"
    };
    let (major, minor) = (device_major(device), device_minor(device));
    out.put(format_args!(
        "{number}: {arrow}{kind} ADVISORY  {way} {holder} {major:02x}:{minor:02x}:{inode} {} ",
        shown.lock.start
    ))?;
    match shown.lock.end {
        u64::MAX => out.bytes(b"EOF\n"),
        end => out.put(format_args!("{end}\n")),
    }
}

fn lease(
    out: &mut Text<'_>,
    number: u32,
    (device, inode): (u64, u64),
    (target, process, breaks): leases::Shown,
) -> Result<()> {
    let holder = known(process).get();
    if holder == 0 {
        return Ok(());
    }
    let state = if breaks { "BREAKING" } else { "ACTIVE  " };
    let way = match target {
        Some(LeaseKind::Write) => "WRITE",
        Some(LeaseKind::Read) => "READ",
        None => "UNLCK",
    };
    let (major, minor) = (device_major(device), device_minor(device));
    out.put(format_args!(
        "{number}: LEASE  {state}  {way} {holder} {major:02x}:{minor:02x}:{inode} 0 EOF\n"
    ))
}

//! Hearing of files, and being asked before they are used: fanotify(7).

mod fanotify_asked;
mod fanotify_children;
mod fanotify_closed;
mod fanotify_descriptors;
mod fanotify_directories;
mod fanotify_evictable;
mod fanotify_executed;
mod fanotify_handles;
mod fanotify_ignored;
mod fanotify_info;
mod fanotify_init_rules;
mod fanotify_limits;
mod fanotify_mark_rules;
mod fanotify_marks;
mod fanotify_names;
mod fanotify_overflow;
mod fanotify_processes;
mod fanotify_reads;
mod fanotify_renamed;
mod fanotify_unprivileged;

use super::contracts;
use crate::cases::contracts::prelude::*;

contracts! {
    fanotify_asked
    fanotify_children
    fanotify_closed
    fanotify_descriptors
    fanotify_directories
    fanotify_evictable
    fanotify_executed
    fanotify_handles
    fanotify_ignored
    fanotify_info
    fanotify_init_rules
    fanotify_limits
    fanotify_mark_rules
    fanotify_marks
    fanotify_names
    fanotify_overflow
    fanotify_processes
    fanotify_reads
    fanotify_renamed
    fanotify_unprivileged
}

/// Flags of fanotify_init(2).
const NONBLOCK: u32 = 2;
const CONTENT: u32 = 4;
const PRE_CONTENT: u32 = 8;
const UNLIMITED_QUEUE: u32 = 0x10;
const UNLIMITED_MARKS: u32 = 0x20;
const PIDFD: u32 = 0x80;
const TID: u32 = 0x100;
const FID: u32 = 0x200;
const DIR_FID: u32 = 0x400;
const NAME: u32 = 0x800;
const TARGET_FID: u32 = 0x1000;

/// Flags of fanotify_mark(2).
const ADD: u32 = 1;
const REMOVE: u32 = 2;
const DONT_FOLLOW: u32 = 4;
const ONLYDIR: u32 = 8;
const MOUNT: u32 = 0x10;
const IGNORED_MASK: u32 = 0x20;
const SURV_MODIFY: u32 = 0x40;
const FLUSH: u32 = 0x80;
const FILESYSTEM: u32 = 0x100;
const EVICTABLE: u32 = 0x200;
const IGNORE: u32 = 0x400;

/// Events.
const ACCESS: u64 = 1;
const MODIFY: u64 = 2;
const ATTRIB: u64 = 4;
const CLOSE_WRITE: u64 = 8;
const CLOSE_NOWRITE: u64 = 0x10;
const OPEN: u64 = 0x20;
const MOVED_FROM: u64 = 0x40;
const MOVED_TO: u64 = 0x80;
const CREATE: u64 = 0x100;
const DELETE: u64 = 0x200;
const DELETE_SELF: u64 = 0x400;
const MOVE_SELF: u64 = 0x800;
const OPEN_EXEC: u64 = 0x1000;
const Q_OVERFLOW: u64 = 0x4000;
const OPEN_PERM: u64 = 0x1_0000;
const ACCESS_PERM: u64 = 0x2_0000;
const OPEN_EXEC_PERM: u64 = 0x4_0000;
const ON_CHILD: u64 = 0x800_0000;
const RENAME: u64 = 0x1000_0000;
const ONDIR: u64 = 0x4000_0000;

/// Answers.
const ALLOW: u32 = 1;
const DENY: u32 = 2;

/// Bytes of an event before its information.
const HEAD: usize = 24;

/// A group.
fn group(flags: u32) -> Result<i32, Errno> {
    int!(SYS_fanotify_init, flags | NONBLOCK, O_RDONLY)
}

/// Changes a mark.
fn mark(fd: i32, flags: u32, mask: u64, name: &str) -> Result<i32, Errno> {
    let path = word(name);
    int!(SYS_fanotify_mark, fd, flags, mask, AT_FDCWD, path.as_ptr())
}

/// What goes with an event: its kind, its handle and a name.
type Info = (u8, Vec<u8>, String);

/// An event that was read.
struct Heard {
    mask: u64,
    fd: i32,
    pid: i32,
    info: Vec<Info>,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let bytes = bytes.get(at..at + N).map(|it| it.try_into().ok());
    bytes.flatten().unwrap_or([0; N])
}

fn info_of(mut bytes: &[u8]) -> Vec<Info> {
    const TO_HANDLE: usize = 20;
    let mut all = Vec::new();
    while bytes.len() > 4 {
        let length = u16::from_le_bytes(number(bytes, 2)) as usize;
        let record = &bytes[..length.min(bytes.len())];
        let handle = u32::from_le_bytes(number(record, 12)) as usize;
        let (handle, name) = match record.get(TO_HANDLE..) {
            Some(rest) => rest.split_at(handle.min(rest.len())),
            None => (&record[4..], &[][..]),
        };
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        all.push((record[0], handle.to_vec(), name));
        bytes = &bytes[record.len()..];
        if length == 0 {
            break;
        }
    }
    all
}

/// All events that fit in so many bytes.
fn heard_in(fd: i32, room: usize) -> Result<Vec<Heard>, Errno> {
    let mut bytes = vec![0u8; room];
    let count = sys::read(fd, &mut bytes)?;
    let mut rest = &bytes[..count];
    let mut all = Vec::new();
    while rest.len() >= HEAD {
        let length = u32::from_le_bytes(number(rest, 0)) as usize;
        all.push(Heard {
            mask: u64::from_le_bytes(number(rest, 8)),
            fd: i32::from_le_bytes(number(rest, 16)),
            pid: i32::from_le_bytes(number(rest, 20)),
            info: info_of(&rest[HEAD..length.min(rest.len())]),
        });
        rest = &rest[length.clamp(HEAD, rest.len())..];
    }
    Ok(all)
}

/// All events; none if there are none.
fn heard(fd: i32) -> Vec<Heard> {
    heard_in(fd, 1 << 16).unwrap_or_default()
}

/// The last name of what a descriptor is of; `None` for no descriptor. It is closed.
fn name_of(fd: i32) -> String {
    if fd < 0 {
        return String::new();
    }
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let _ = sys::close(fd);
    let name = link
        .ok()
        .and_then(|link| link.file_name().map(|name| name.to_owned()));
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// All events, with the names of what their descriptors are of.
fn named(fd: i32) -> Vec<(u64, String)> {
    let all = heard(fd).into_iter();
    all.map(|event| (event.mask, name_of(event.fd))).collect()
}

/// That these have come, and no others.
fn hears(t: &mut Report, fd: i32, what: &str, expected: &[(u64, &str)]) {
    let expected: Vec<_> = expected.iter().map(|it| (it.0, it.1.to_owned())).collect();
    t.same(what, named(fd), expected);
}

/// Until so many events wait: those who asked sleep such that they cannot be told from
/// who waits for a disk.
fn until(fd: i32, events: i32) -> Result<(), Errno> {
    sys::until(|| {
        let mut bytes = 0i32;
        let asked = call!(ioctl(fd, FIONREAD as _, &raw mut bytes));
        asked.is_ok() && bytes == events * HEAD as i32
    })
}

/// Answers a question.
fn respond(fd: i32, to: i32, answer: u32) -> Result<usize, Errno> {
    let mut bytes = [0u8; 8];
    bytes[..4].copy_from_slice(&to.to_le_bytes());
    bytes[4..].copy_from_slice(&answer.to_le_bytes());
    sys::write(fd, &bytes)
}

/// Opens a file and closes it.
fn touch(name: &str) -> Outcome {
    sys::close(opened(name, O_RDONLY)?)?;
    Ok(())
}

/// The bytes of a file's handle.
fn handle(name: &str) -> Result<Vec<u8>, Errno> {
    let mut room = [0u32; 34];
    room[0] = 128;
    let mut mount = 0i32;
    let path = word(name);
    let (at, place) = (path.as_ptr(), room.as_mut_ptr());
    raw!(
        SYS_name_to_handle_at,
        AT_FDCWD,
        at,
        place,
        &raw mut mount,
        0
    )?;
    let bytes: Vec<u8> = room[2..]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    Ok(bytes[..room[0] as usize].to_vec())
}

/// A filesystem of its own at `d`, in mounts of its own.
fn own_mount() -> Outcome {
    folder("d")?;
    let (none, tmpfs) = (null::<c_char>(), c"tmpfs".as_ptr());
    call!(unshare(CLONE_NEWNS))?;
    call!(libc::mount(
        none,
        c"/".as_ptr(),
        none,
        MS_REC | MS_PRIVATE,
        null()
    ))?;
    call!(libc::mount(tmpfs, c"d".as_ptr(), tmpfs, 0, null()))?;
    Ok(())
}

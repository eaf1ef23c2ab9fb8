//! [`Event`]: one that waits to be read, and its form in a program's memory
//! (fanotify(7), "Reading fanotify events").

use super::flags::{InitFlags, Mask};
use super::host::Process;
use super::permission::Question;
use crate::{FileHandle, Path, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use paddock_user_io::UserWriter;

/// Bytes of `struct fanotify_event_metadata`.
pub const HEAD: usize = 24;
/// Its version (`FANOTIFY_METADATA_VERSION`).
const VERSION: u8 = 3;
/// Bytes of `struct fanotify_event_info_fid` with the head of the handle.
const HANDLE_HEAD: usize = 20;
/// Bytes of `struct fanotify_event_info_pidfd`.
const PROCESS_INFO: usize = 8;
/// The number of the form of a handle that there is none of (`FILEID_INVALID`).
const NO_HANDLE: i32 = 0xff;

/// Kinds of information after an event's head (`FAN_EVENT_INFO_TYPE_*`).
mod info {
    pub const FID: u8 = 1;
    pub const DFID_NAME: u8 = 2;
    pub const DFID: u8 = 3;
    pub const PIDFD: u8 = 4;
    pub const OLD_DFID_NAME: u8 = 10;
    pub const NEW_DFID_NAME: u8 = 12;
}

/// A directory, and a name in it.
#[derive(PartialEq, Eq)]
pub struct Entry {
    pub dir: Option<FileHandle>,
    pub name: Box<[u8]>,
}

/// What an event is about, by handles.
#[derive(PartialEq, Eq)]
pub struct Handles {
    pub fsid: u64,
    /// Where it is; of a rename, where it was.
    pub place: Option<Entry>,
    /// Of a rename, where it is.
    pub new_place: Option<Entry>,
    pub object: Option<FileHandle>,
}

/// What an event is about.
pub enum Subject {
    /// That events were lost.
    Overflow,
    /// What is at a place, of which the reader gets a descriptor.
    Place(Path),
    /// What handles tell.
    Handles(Box<Handles>),
}

impl Subject {
    fn is_same(&self, other: &Subject) -> bool {
        match (self, other) {
            (Subject::Place(a), Subject::Place(b)) => {
                Arc::ptr_eq(&a.mount, &b.mount) && Arc::ptr_eq(&a.dentry, &b.dentry)
            }
            (Subject::Handles(a), Subject::Handles(b)) => a == b,
            _ => false,
        }
    }
}

/// One event that waits.
pub struct Event {
    pub mask: Mask,
    /// Who did it, by the kernel's number.
    pub task: u32,
    /// The same, if the reader gets a descriptor of it.
    pub process: Option<Process>,
    pub subject: Subject,
    /// Who waits for an answer.
    pub question: Option<Arc<Question>>,
}

impl Event {
    /// That events were lost.
    pub fn overflow() -> Event {
        Event {
            mask: Mask::Q_OVERFLOW,
            task: 0,
            process: None,
            subject: Subject::Overflow,
            question: None,
        }
    }

    /// Whether a later one, about which nothing else is told but what happened, is told
    /// with this one.
    pub fn takes_in(&self, other: &Event) -> bool {
        let apart = Mask::ONDIR | Mask::RENAME;
        self.question.is_none()
            && other.question.is_none()
            && self.task == other.task
            && (self.mask ^ other.mask).intersection(apart).is_empty()
            && self.subject.is_same(&other.subject)
    }

    /// Bytes that it is charged for besides those that all are.
    pub fn bytes(&self) -> usize {
        let Subject::Handles(handles) = &self.subject else {
            return 0;
        };
        let places = handles.place.iter().chain(&handles.new_place);
        let names: usize = places.map(|entry| entry.name.len()).sum();
        size_of::<Handles>() + names
    }

    /// Bytes that it takes to read it.
    pub fn length(&self, flags: InitFlags) -> usize {
        let process = match flags.contains(InitFlags::REPORT_PIDFD) {
            true => PROCESS_INFO,
            false => 0,
        };
        let mut length = HEAD + process;
        self.each_info(flags, |info| {
            length += info.length();
            Ok(())
        })
        .unwrap_or_default();
        length
    }

    /// Calls `put` with one record after another.
    fn each_info(
        &self,
        flags: InitFlags,
        mut put: impl FnMut(Info<'_>) -> Result<()>,
    ) -> Result<()> {
        let Subject::Handles(handles) = &self.subject else {
            return Ok(());
        };
        let mut info = |kind, handle, name| {
            put(Info {
                kind,
                fsid: handles.fsid,
                handle,
                name,
            })
        };
        let is_rename = self.mask.contains(Mask::RENAME);
        if let Some(Entry { dir, name }) = &handles.place {
            let kind = match (is_rename, name.is_empty()) {
                (true, _) => info::OLD_DFID_NAME,
                (false, true) => info::DFID,
                (false, false) => info::DFID_NAME,
            };
            info(kind, dir.as_ref(), name)?;
        }
        if let Some(Entry { dir, name }) = &handles.new_place {
            info(info::NEW_DFID_NAME, dir.as_ref(), name)?;
        }
        let Some(object) = &handles.object else {
            return Ok(());
        };
        let is_second = handles.place.is_some() || handles.new_place.is_some();
        let of_dir = self.mask.intersects(Mask::OF_NAMES | Mask::ONDIR);
        let only_fid = flags.intersection(InitFlags::HANDLES) == InitFlags::REPORT_FID;
        let (kind, name): (u8, &[u8]) = match () {
            () if is_second || only_fid => (info::FID, b""),
            () if flags.contains(InitFlags::REPORT_NAME) && self.mask.contains(Mask::ONDIR) => {
                (info::DFID_NAME, b".")
            }
            () if of_dir => (info::DFID, b""),
            () => (info::FID, b""),
        };
        info(kind, Some(object), name)
    }

    /// Copies it out, with the numbers that the reader knows. May sleep. `EFAULT`.
    pub fn copy_out(
        &self,
        flags: InitFlags,
        told: &Told,
        to: &mut UserWriter<'_>,
    ) -> Result<usize> {
        let length = self.length(flags);
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&(length as u32).to_le_bytes());
        head[4] = VERSION;
        head[6..8].copy_from_slice(&(HEAD as u16).to_le_bytes());
        let mask = self.mask.difference(Mask::EVENT_ON_CHILD);
        head[8..16].copy_from_slice(&u64::from(mask.bits()).to_le_bytes());
        head[16..20].copy_from_slice(&told.descriptor.to_le_bytes());
        head[20..].copy_from_slice(&told.task.to_le_bytes());
        copy_all(to, &head)?;
        self.each_info(flags, |info| info.copy_out(to))?;
        if flags.contains(InitFlags::REPORT_PIDFD) {
            let mut bytes = [info::PIDFD, 0, PROCESS_INFO as u8, 0, 0, 0, 0, 0];
            bytes[4..].copy_from_slice(&told.process.to_le_bytes());
            copy_all(to, &bytes)?;
        }
        Ok(length)
    }
}

/// What of an event is the reader's own.
pub struct Told {
    pub descriptor: i32,
    pub task: u32,
    pub process: i32,
}

/// `EFAULT` unless all of it went.
fn copy_all(to: &mut UserWriter<'_>, bytes: &[u8]) -> Result<()> {
    match to.copy_out(bytes)? == bytes.len() {
        true => Ok(()),
        false => Err(crate::Errno::EFAULT),
    }
}

/// A record with a handle.
struct Info<'a> {
    kind: u8,
    fsid: u64,
    handle: Option<&'a FileHandle>,
    name: &'a [u8],
}

impl Info<'_> {
    fn length(&self) -> usize {
        let name = match self.name.len() {
            0 => 0,
            length => length + 1,
        };
        let handle = self.handle.map_or(0, |handle| handle.bytes().len());
        (HANDLE_HEAD + handle + name).next_multiple_of(4)
    }

    fn copy_out(&self, to: &mut UserWriter<'_>) -> Result<()> {
        let length = self.length();
        let bytes = self.handle.map_or(&[][..], |handle| handle.bytes());
        let kind = self.handle.map_or(NO_HANDLE, FileHandle::kind);
        let mut head = [0; HANDLE_HEAD];
        head[0] = self.kind;
        head[2..4].copy_from_slice(&(length as u16).to_le_bytes());
        head[4..12].copy_from_slice(&self.fsid.to_le_bytes());
        head[12..16].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        head[16..].copy_from_slice(&kind.to_le_bytes());
        copy_all(to, &head)?;
        copy_all(to, bytes)?;
        copy_all(to, self.name)?;
        let zeros = length - HANDLE_HEAD - bytes.len() - self.name.len();
        copy_all(to, &[0; 8][..zeros])
    }
}

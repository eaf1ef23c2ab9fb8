//! What happens, and which groups hear of it.

use super::event::{Entry, Event, Handles, Subject};
use super::flags::{InitFlags, Mask};
use super::group::Group;
use super::host;
use super::index::{self, Matched};
use super::mark::{Key, Mark, Slot};
use crate::path::Dentry;
use crate::{FileHandle, FileKind, FileSystem, Inode, Path, Result};
use alloc::sync::Arc;
use paddock_sync::{try_box, try_copy};

/// Of each object that has to do with what happens, a group's mark.
type Marks = [Option<Arc<Mark>>; 4];

/// What happens.
#[derive(Clone, Copy)]
pub struct Happening<'a> {
    /// One event, or several that are told together, and `ONDIR` if it is about a
    /// directory.
    pub mask: Mask,
    /// What it happens to; of a name, what that leads to.
    pub object: Option<&'a Arc<dyn Inode>>,
    /// Where that is, for what is done by way of an open file.
    pub place: Option<&'a Path>,
    /// The directory that it is in; of a name, the one that has it.
    pub dir: Option<&'a Dentry>,
    /// Its name there.
    pub name: &'a [u8],
    /// Of a rename, the directory and the name that it got.
    pub new_place: Option<(&'a Dentry, &'a [u8])>,
    /// The number of the filesystem; `None` for what programs see none of.
    pub fs: Option<u64>,
}

impl<'a> Happening<'a> {
    fn is_of_names(&self) -> bool {
        self.mask.intersects(Mask::OF_NAMES)
    }

    fn is_dir(&self) -> bool {
        self.mask.contains(Mask::ONDIR)
    }

    fn dir_inode(&self) -> Option<&'a Arc<dyn Inode>> {
        self.dir.map(Dentry::inode)
    }

    /// What marks of those who hear of it are found by.
    fn keys(&self) -> [Option<Key>; 4] {
        let of = |inode: Option<&Arc<dyn Inode>>| inode.map(Key::of_inode);
        let new_dir = self.new_place.map(|(dir, _)| dir.inode());
        let (own, other) = match self.is_of_names() {
            true => (of(self.dir_inode()), of(new_dir)),
            false => (of(self.object), of(self.dir_inode())),
        };
        let place = self.place.filter(|_| self.fs.is_some());
        let mount = place.map(|place| Key::Mount(place.mount().number()));
        let same = own == other;
        let fs = self.fs.map(Key::Filesystem);
        [own, other.filter(|_| !same), mount, fs]
    }

    /// Whether marks of the object in that slot hear of it as those of a parent do.
    fn is_parent(&self, slot: Slot) -> bool {
        slot == Slot::Other && !self.is_of_names()
    }
}

/// Tells all groups that have marks for it. May sleep; waits for those that are asked.
///
/// # Errors
/// For what asks alone: `EPERM`, `ERESTARTSYS`, `ENOMEM`.
#[cold]
#[inline(never)]
pub fn tell(happening: &Happening<'_>) -> Result<()> {
    let keys = happening.keys();
    let mut after = None;
    while let Some((turn, Matched { group, marks })) = index::next(&keys, after) {
        after = Some(turn);
        hear(&group, &marks, happening)?;
    }
    Ok(())
}

/// What a group hears of it, and because of which objects.
struct Heard {
    mask: Mask,
    slots: [bool; 4],
}

fn heard(group: &Group, marks: &Marks, happening: &Happening<'_>) -> Option<Heard> {
    let is_dir = happening.is_dir();
    let (mut wanted, mut left_out) = (Mask::empty(), Mask::empty());
    let mut slots = [false; 4];
    for (slot, mark) in Slot::ALL.into_iter().zip(marks) {
        let Some(mark) = mark else { continue };
        let is_parent = happening.is_parent(slot);
        left_out |= mark.leaves_out(is_dir, is_parent);
        if let Some(mask) = mark.wants(is_dir, is_parent) {
            wanted |= mask;
            slots[slot as usize] = true;
        }
    }
    let told = happening.mask & wanted & !left_out;
    let events = told & Mask::EVENTS;
    let mask = match group.flags.handles() {
        true => events | told & Mask::ONDIR,
        false => events,
    };
    (!events.is_empty() && can_tell(group, happening)).then_some(Heard { mask, slots })
}

/// Whether there is something to tell what it is about by.
fn can_tell(group: &Group, happening: &Happening<'_>) -> bool {
    if !group.flags.handles() {
        let opens = |kind| matches!(kind, FileKind::Regular | FileKind::Directory);
        return happening.place.is_some_and(|place| opens(place.kind()));
    }
    let only_dirs = !group.flags.contains(InitFlags::REPORT_FID);
    !only_dirs || happening.dir.is_some() || happening.is_dir()
}

fn hear(group: &Group, marks: &Marks, happening: &Happening<'_>) -> Result<()> {
    let heard = heard(group, marks, happening);
    if happening.mask.contains(Mask::MODIFY) {
        marks.iter().flatten().for_each(|mark| mark.modified());
    }
    let Some(heard) = heard else {
        return Ok(());
    };
    let asks = heard.mask.intersects(Mask::PERMISSION);
    let tasks = host::tasks()?;
    if asks && tasks.current().is_none() {
        // The kernel itself waits for no program.
        return Ok(());
    }
    let event = made(group, marks, happening, &heard, tasks);
    match event {
        Ok(event) if asks => group.ask(tasks, event),
        Ok(event) => {
            group.tell(event);
            Ok(())
        }
        // Who asks is refused, and so has lost nothing.
        Err(error) if asks => Err(error),
        Err(_) => {
            group.lose();
            Ok(())
        }
    }
}

fn made(
    group: &Group,
    marks: &Marks,
    happening: &Happening<'_>,
    heard: &Heard,
    tasks: &dyn host::Tasks,
) -> Result<Event> {
    let actor = tasks.current().unwrap_or_default();
    let subject = match (group.flags.handles(), happening.place) {
        (false, Some(place)) => Subject::Place(place.clone()),
        _ => Subject::Handles(try_box(handles(group.flags, marks, happening, heard)?)?),
    };
    Ok(Event {
        mask: heard.mask,
        task: match group.flags.contains(InitFlags::REPORT_TID) {
            true => actor.thread,
            false => actor.process,
        },
        process: match group.flags.contains(InitFlags::REPORT_PIDFD) {
            true => tasks.process(),
            false => None,
        },
        subject,
        question: None,
    })
}

/// A handle; `None` if there is none, as for what is no more.
fn handle_of(fs: Option<&dyn FileSystem>, inode: &Arc<dyn Inode>) -> Option<FileHandle> {
    fs?.handle(&**inode).ok()
}

/// What the event tells (fanotify_init(2), `FAN_REPORT_*`). `ENOMEM`.
fn handles(
    flags: InitFlags,
    marks: &Marks,
    happening: &Happening<'_>,
    heard: &Heard,
) -> Result<Handles> {
    let mark = marks.iter().flatten().next();
    let filesystem = mark.and_then(|mark| mark.filesystem.upgrade());
    let fs = filesystem.as_deref();
    let mut told = Handles {
        fsid: mark.map_or(0, |mark| mark.fsid),
        place: None,
        new_place: None,
        object: None,
    };
    let of_names = happening.is_of_names();
    let object = match of_names && !flags.contains(InitFlags::REPORT_TARGET_FID) {
        true => happening.dir_inode(),
        false => happening.object,
    };
    let dir = match !of_names && happening.is_dir() {
        true => happening.object,
        false => happening.dir_inode(),
    };
    let Some(dir) = dir.filter(|_| flags.contains(InitFlags::REPORT_DIR_FID)) else {
        told.object = object.and_then(|inode| handle_of(fs, inode));
        return Ok(told);
    };
    let tells_object = match of_names {
        true => flags.contains(InitFlags::REPORT_TARGET_FID),
        false => flags.contains(InitFlags::REPORT_FID) && !happening.is_dir(),
    };
    let object = object.filter(|inode| tells_object && !Arc::ptr_eq(inode, dir));
    let tells_name = flags.contains(InitFlags::REPORT_NAME) && (of_names || !happening.is_dir());
    if !tells_name && object.is_none() {
        // The directory is what it is about.
        told.object = handle_of(fs, dir);
        return Ok(told);
    }
    told.object = object.and_then(|inode| handle_of(fs, inode));
    let entry = |dir, name: &[u8]| -> Result<Entry> {
        Ok(Entry {
            dir: handle_of(fs, dir),
            name: match tells_name {
                true => try_copy(name)?.into_boxed_slice(),
                false => Default::default(),
            },
        })
    };
    let told_by = |slot: Slot| heard.slots[slot as usize];
    let whole = told_by(Slot::Filesystem);
    match happening.new_place {
        Some((new_dir, new_name)) => {
            // Who watches one of the directories hears of that one.
            let stays = Arc::ptr_eq(new_dir.inode(), dir);
            let (old, new) = (told_by(Slot::Own), told_by(Slot::Other));
            if whole || old {
                told.place = Some(entry(dir, happening.name)?);
            }
            if whole || new || old && stays {
                told.new_place = Some(entry(new_dir.inode(), new_name)?);
            }
        }
        None => told.place = Some(entry(dir, happening.name)?),
    }
    Ok(told)
}

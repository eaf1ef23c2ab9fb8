//! Watching files: inotify(7).

use super::Call;
use crate::process::accounts;
use crate::process::vfs::namespace;
use crate::user_memory::read_path;
use paddock_abi::{Errno, Result};
use paddock_sync::try_arc;
use paddock_vfs::notify::{Events, Inotify, WatchFlags};
use paddock_vfs::{Access, OpenFile};

/// inotify_init1(2).
pub fn inotify_init1(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.descriptor_flags(0)?;
    let instance = try_arc(Inotify::new(&accounts::paying())?)?;
    Ok(call.install(OpenFile::new(instance, None, flags)?, flags)? as u64)
}

fn instance(file: &OpenFile) -> Result<&Inotify> {
    let instance = file.file().as_any().downcast_ref::<Inotify>();
    instance.ok_or(Errno::EINVAL)
}

/// inotify_add_watch(2).
pub fn inotify_add_watch(call: &mut Call<'_>) -> Result<u64> {
    let mask = call.uint(2);
    let events = Events::from_bits_truncate(mask).intersection(Events::WATCHED);
    let flags = WatchFlags::from_bits_truncate(mask);
    let both = WatchFlags::MASK_ADD | WatchFlags::MASK_CREATE;
    let known = Events::WATCHED.bits() | WatchFlags::all().bits();
    if mask & known == 0 || flags.contains(both) {
        return Err(Errno::EINVAL);
    }
    let file = call.file(0)?;
    let instance = instance(&file)?;
    let context = call.context();
    let follows = !flags.contains(WatchFlags::DONT_FOLLOW);
    let place = namespace().resolve(&context, &read_path(call.word(1))?, follows)?;
    if flags.contains(WatchFlags::ONLYDIR) && !place.is_dir() {
        return Err(Errno::ENOTDIR);
    }
    namespace().access(&context, &place, Access::READ)?;
    let number = instance.watch(place.inode(), events, flags)?;
    Ok(number as u64)
}

/// inotify_rm_watch(2).
pub fn inotify_rm_watch(call: &mut Call<'_>) -> Result<u64> {
    let file = call.file(0)?;
    instance(&file)?.unwatch(call.int(1)).map(|()| 0)
}

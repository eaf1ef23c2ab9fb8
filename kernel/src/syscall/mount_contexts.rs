//! Filesystems that are made and mounted step by step: fsopen(2), fsconfig(2),
//! fsmount(2), fspick(2).

use super::mount_setattr::attributes;
use super::{Call, paths};
use crate::fs::kinds::Kind;
use crate::fs::mounts;
use crate::process::vfs::namespace;
use crate::user_memory::{read_bytes, read_path, read_string};
use alloc::vec::Vec;
use paddock_abi::fcntl::{AT_EMPTY_PATH, AT_FDCWD};
use paddock_abi::{Errno, Result};
use paddock_mem::PAGE_SIZE;
use paddock_sync::try_arc;
use paddock_vfs::{FsContext, OpenFile, OpenFlags, Parameter};

/// `FSOPEN_CLOEXEC`, `FSMOUNT_CLOEXEC`, `FSPICK_CLOEXEC`.
const CLOEXEC: u32 = 1;

/// Flags of the descriptor.
fn closing(flags: u32) -> OpenFlags {
    match flags & CLOEXEC {
        0 => OpenFlags::empty(),
        _ => OpenFlags::CLOEXEC,
    }
}

fn opened(call: &Call<'_>, context: FsContext, flags: u32) -> Result<u64> {
    let file = OpenFile::new(try_arc(context)?, None, OpenFlags::RDWR)?;
    Ok(call.install(file, closing(flags))? as u64)
}

/// fsopen(2): the kinds of mount(2). Nothing is to be read of what it gives (`ENODATA`).
pub fn fsopen(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(1);
    namespace().may_mount(&call.context())?;
    if flags & !CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let kind = read_string(call.word(0), PAGE_SIZE as usize, Errno::EINVAL)?;
    let kind = Kind::from_name(&kind)?;
    opened(call, FsContext::for_mount(kind.name()), flags)
}

/// fspick(2).
pub fn fspick(call: &mut Call<'_>) -> Result<u64> {
    const SYMLINK_NOFOLLOW: u32 = 2;
    const NO_AUTOMOUNT: u32 = 4;
    const EMPTY_PATH: u32 = 8;
    let flags = call.uint(2);
    let context = call.context();
    namespace().may_mount(&context)?;
    if flags & !(CLOEXEC | SYMLINK_NOFOLLOW | NO_AUTOMOUNT | EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = call.path(1)?;
    let empty = match flags & EMPTY_PATH {
        0 => 0,
        _ => AT_EMPTY_PATH,
    };
    let at = paths::place(call, 0, &path, empty, flags & SYMLINK_NOFOLLOW == 0)?;
    let fs = namespace().mounted_fs(&context, &at)?;
    opened(call, FsContext::for_change(fs), flags)
}

/// What fsconfig(2) is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Flag,
    Text,
    Binary,
    Path,
    PathOrEmpty,
    Descriptor,
    Create,
    Reconfigure,
}

impl Command {
    /// By its number. `EOPNOTSUPP`.
    fn new(number: u32) -> Result<Command> {
        const ALL: [Command; 8] = [
            Command::Flag,
            Command::Text,
            Command::Binary,
            Command::Path,
            Command::PathOrEmpty,
            Command::Descriptor,
            Command::Create,
            Command::Reconfigure,
        ];
        let found = ALL.get(number as usize).copied();
        found.ok_or(Errno::EOPNOTSUPP)
    }

    /// `EINVAL` unless a key, a value and a number are there as they are to be.
    fn check(self, key: bool, value: bool, number: i32) -> Result<()> {
        const MOST_BYTES: i32 = 1 << 20;
        let is_right = match self {
            Command::Flag => key && !value && number == 0,
            Command::Text => key && value && number == 0,
            Command::Binary => key && value && (1..=MOST_BYTES).contains(&number),
            Command::Path | Command::PathOrEmpty => {
                key && value && (number == AT_FDCWD || number >= 0)
            }
            Command::Descriptor => key && !value && number >= 0,
            Command::Create | Command::Reconfigure => !key && !value && number == 0,
        };
        match is_right {
            true => Ok(()),
            false => Err(Errno::EINVAL),
        }
    }
}

/// The most bytes of a key or of a value, with a zero byte.
const WORD: usize = 256;

/// fsconfig(2): of parameters, names and texts.
pub fn fsconfig(call: &mut Call<'_>) -> Result<u64> {
    if call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    let command = Command::new(call.uint(1))?;
    command.check(call.word(2) != 0, call.word(3) != 0, call.int(4))?;
    let file = call.usable_file(0)?;
    let context = of_file(&file)?;
    match command {
        Command::Create => create(call, context)?,
        Command::Reconfigure => reconfigure(call, context)?,
        _ => set(call, context, command)?,
    }
    Ok(0)
}

fn of_file(file: &OpenFile) -> Result<&FsContext> {
    let context = file.file().as_any().downcast_ref::<FsContext>();
    context.ok_or(Errno::EINVAL)
}

fn kind_of(context: &FsContext) -> Result<Kind> {
    Kind::from_name(context.kind().as_bytes())
}

fn set(call: &Call<'_>, context: &FsContext, command: Command) -> Result<()> {
    let is_plain = matches!(command, Command::Flag | Command::Text);
    // Linux takes its options as one text still.
    if context.kind() == "devpts" && !is_plain {
        return Err(Errno::EOPNOTSUPP);
    }
    let key = read_string(call.word(2), WORD, Errno::EINVAL)?;
    let value = value(call, command)?;
    let key = str::from_utf8(&key).map_err(|_| Errno::EINVAL)?;
    let parameter = match command {
        Command::Flag => Parameter::Flag,
        Command::Text => Parameter::Text(str::from_utf8(&value).map_err(|_| Errno::EINVAL)?),
        _ => Parameter::Other,
    };
    let cred = call.thread.cred();
    context.set(key, parameter, |key, value| {
        // What is on a disk has none that could be changed.
        let kind = kind_of(context).map_err(|_| Errno::EINVAL)?;
        mounts::check_option(kind, key, value, &cred)
    })
}

/// The text of a parameter; of others none, after the same errors as if it were used.
fn value(call: &Call<'_>, command: Command) -> Result<Vec<u8>> {
    match command {
        Command::Text => return read_string(call.word(3), WORD, Errno::EINVAL),
        Command::Binary => {
            let length = usize::try_from(call.int(4)).map_err(|_| Errno::EINVAL)?;
            read_bytes(call.word(3), length)?;
        }
        Command::Path | Command::PathOrEmpty => {
            let path = read_path(call.word(3))?;
            if path.is_empty() && command == Command::Path {
                return Err(Errno::ENOENT);
            }
        }
        Command::Descriptor => drop(call.file(4)?),
        _ => {}
    }
    Ok(Vec::new())
}

fn create(call: &Call<'_>, context: &FsContext) -> Result<()> {
    let (cred, kind) = (call.thread.cred(), kind_of(context)?);
    context.create(
        || mounts::check_rights(kind, &cred),
        |options, read_only, source| match kind.on_disk() {
            None => mounts::made((kind, None), options, &cred, read_only),
            Some(kind) => {
                let source = source.map(str::as_bytes);
                mounts::of_device(kind, &call.context(), source, options, read_only)
            }
        },
    )
}

fn reconfigure(call: &Call<'_>, context: &FsContext) -> Result<()> {
    let cred = call.thread.cred();
    context.change(|fs, options, read_only| {
        mounts::reconfiguration(options, &cred, read_only).apply(&**fs)
    })
}

/// fsmount(2): when accesses are noted is always the same.
pub fn fsmount(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.uint(1);
    let context = call.context();
    namespace().may_mount(&context)?;
    if flags & !CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    let mount_flags = attributes(u64::from(call.uint(2))).ok_or(Errno::EINVAL)?;
    let file = call.usable_file(0)?;
    let made = of_file(&file)?;
    let mounted = made.mount(|fs, source| {
        mounts::check_revealing(kind_of(made)?, &context, mount_flags)?;
        namespace().mount_detached(&context, fs.clone(), source, mount_flags)
    })?;
    Ok(call.install(mounted, closing(flags))? as u64)
}

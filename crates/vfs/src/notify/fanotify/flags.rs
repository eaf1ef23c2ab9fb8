//! The bits of fanotify_init(2) and fanotify_mark(2), and which go together.

use crate::notify::Events;
use crate::{Errno, OpenFlags, Result};

bitflags::bitflags! {
    /// What happens, and what else a mark says of it. What inotify(7) knows too has the
    /// same bits.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Mask: u32 {
        /// It was read.
        const ACCESS = Events::ACCESS.bits();
        /// It was written.
        const MODIFY = Events::MODIFY.bits();
        /// Its metadata changed.
        const ATTRIB = Events::ATTRIB.bits();
        /// Who could write it closed it.
        const CLOSE_WRITE = Events::CLOSE_WRITE.bits();
        /// Who could not write it closed it.
        const CLOSE_NOWRITE = Events::CLOSE_NOWRITE.bits();
        /// It was opened.
        const OPEN = Events::OPEN.bits();
        /// A name went to another place.
        const MOVED_FROM = Events::MOVED_FROM.bits();
        /// A name came from another place.
        const MOVED_TO = Events::MOVED_TO.bits();
        /// A name was made.
        const CREATE = Events::CREATE.bits();
        /// A name was taken away.
        const DELETE = Events::DELETE.bits();
        /// It lost its last name.
        const DELETE_SELF = Events::DELETE_SELF.bits();
        /// It got another name.
        const MOVE_SELF = Events::MOVE_SELF.bits();
        /// It was opened to be executed.
        const OPEN_EXEC = 0x1000;
        /// Events were lost.
        const Q_OVERFLOW = Events::Q_OVERFLOW.bits();
        /// It is to be opened.
        const OPEN_PERM = 0x1_0000;
        /// It is to be read.
        const ACCESS_PERM = 0x2_0000;
        /// It is to be opened to be executed.
        const OPEN_EXEC_PERM = 0x4_0000;
        /// Of a directory's mark: also about what is in there.
        const EVENT_ON_CHILD = 0x800_0000;
        /// A name went from one place to another.
        const RENAME = 0x1000_0000;
        /// It is about a directory; of a mark: about directories, too.
        const ONDIR = Events::ISDIR.bits();
    }
}

impl Mask {
    /// About names in a directory.
    pub const OF_NAMES: Mask = Mask::MOVED_FROM
        .union(Mask::MOVED_TO)
        .union(Mask::CREATE)
        .union(Mask::DELETE)
        .union(Mask::RENAME);
    /// For which somebody waits.
    pub const PERMISSION: Mask = Mask::OPEN_PERM
        .union(Mask::ACCESS_PERM)
        .union(Mask::OPEN_EXEC_PERM);
    /// That a descriptor can be given with.
    const WITH_DESCRIPTOR: Mask = Mask::PERMISSION
        .union(Mask::ACCESS)
        .union(Mask::MODIFY)
        .union(Mask::CLOSE_WRITE)
        .union(Mask::CLOSE_NOWRITE)
        .union(Mask::OPEN)
        .union(Mask::OPEN_EXEC);
    /// All that one can ask for.
    pub const EVENTS: Mask = Mask::WITH_DESCRIPTOR
        .union(Mask::OF_NAMES)
        .union(Mask::ATTRIB)
        .union(Mask::DELETE_SELF)
        .union(Mask::MOVE_SELF);
    /// No events, but which of them.
    pub const FLAGS: Mask = Mask::ONDIR.union(Mask::EVENT_ON_CHILD);

    /// Without events that no descriptor can be given with.
    fn has_descriptors(self) -> bool {
        (Mask::WITH_DESCRIPTOR | Mask::FLAGS).contains(self)
    }
}

bitflags::bitflags! {
    /// How a group is made.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct InitFlags: u32 {
        /// Its descriptor is closed by execve(2).
        const CLOEXEC = 1;
        /// Reading it does not wait.
        const NONBLOCK = 2;
        /// It is asked before files with their content are used.
        const CLASS_CONTENT = 4;
        /// It is asked before those.
        const CLASS_PRE_CONTENT = 8;
        /// As many events wait as there are.
        const UNLIMITED_QUEUE = 0x10;
        /// It has as many marks as it makes.
        const UNLIMITED_MARKS = 0x20;
        /// A descriptor tells who did it.
        const REPORT_PIDFD = 0x80;
        /// A thread's number tells who did it.
        const REPORT_TID = 0x100;
        /// A handle tells what it was done to.
        const REPORT_FID = 0x200;
        /// A handle tells the directory.
        const REPORT_DIR_FID = 0x400;
        /// A name in that directory goes with it.
        const REPORT_NAME = 0x800;
        /// What a name was of is told as well.
        const REPORT_TARGET_FID = 0x1000;
    }
}

impl InitFlags {
    const CLASSES: InitFlags = InitFlags::CLASS_CONTENT.union(InitFlags::CLASS_PRE_CONTENT);
    /// Those that make events with handles instead of descriptors.
    pub const HANDLES: InitFlags = InitFlags::REPORT_FID
        .union(InitFlags::REPORT_DIR_FID)
        .union(InitFlags::REPORT_NAME)
        .union(InitFlags::REPORT_TARGET_FID);
    const OF_ANYBODY: InitFlags = InitFlags::HANDLES
        .union(InitFlags::CLOEXEC)
        .union(InitFlags::NONBLOCK);

    /// The flags of fanotify_init(2), for who has CAP_SYS_ADMIN or not. There are no
    /// records of answers (`FAN_ENABLE_AUDIT`), as on a Linux without audit.
    ///
    /// # Errors
    /// `EPERM` for what takes rights; `EINVAL`.
    pub fn checked(bits: u32, is_admin: bool) -> Result<InitFlags> {
        let given = InitFlags::from_bits_truncate(bits);
        let is_admins = !InitFlags::OF_ANYBODY.contains(given) || !given.handles();
        if is_admins && !is_admin {
            return Err(Errno::EPERM);
        }
        let flags = InitFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
        let has = |wanted| flags.contains(wanted);
        let needs = |what, with| !has(what) || has(with);
        let good = !has(InitFlags::REPORT_PIDFD | InitFlags::REPORT_TID)
            && !has(InitFlags::CLASSES)
            && (!flags.intersects(InitFlags::HANDLES) || !flags.intersects(InitFlags::CLASSES))
            && needs(InitFlags::REPORT_NAME, InitFlags::REPORT_DIR_FID)
            && needs(
                InitFlags::REPORT_TARGET_FID,
                InitFlags::REPORT_NAME | InitFlags::REPORT_FID,
            );
        match good {
            false => Err(Errno::EINVAL),
            true => Ok(flags),
        }
    }

    /// Whether events have handles instead of descriptors.
    pub fn handles(self) -> bool {
        self.intersects(InitFlags::HANDLES)
    }

    /// Of those who are told of the same, who has more is told first.
    pub fn priority(self) -> u8 {
        match self.intersection(InitFlags::CLASSES) {
            InitFlags::CLASS_PRE_CONTENT => 2,
            InitFlags::CLASS_CONTENT => 1,
            _ => 0,
        }
    }
}

/// The flags that descriptors of events are opened with (`event_f_flags`). `EINVAL`.
pub fn event_flags(bits: u32) -> Result<OpenFlags> {
    let known = OpenFlags::WRONLY
        | OpenFlags::RDWR
        | OpenFlags::APPEND
        | OpenFlags::NONBLOCK
        | OpenFlags::SYNC
        | OpenFlags::CLOEXEC
        | OpenFlags::LARGEFILE
        | OpenFlags::NOATIME;
    let flags = OpenFlags::from_bits(bits).filter(|flags| known.contains(*flags));
    let flags = flags.ok_or(Errno::EINVAL)?;
    match flags.contains(OpenFlags::WRONLY | OpenFlags::RDWR) {
        true => Err(Errno::EINVAL),
        false => Ok(flags | OpenFlags::LARGEFILE),
    }
}

bitflags::bitflags! {
    /// What fanotify_mark(2) does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MarkFlags: u32 {
        /// Adds events, and the mark if there is none.
        const ADD = 1;
        /// Takes events away, and the mark if none is left.
        const REMOVE = 2;
        /// Of a symbolic link itself.
        const DONT_FOLLOW = 4;
        /// Only of a directory.
        const ONLYDIR = 8;
        /// Of a mount.
        const MOUNT = 0x10;
        /// Events that are left out.
        const IGNORED_MASK = 0x20;
        /// They stay so when it is written.
        const IGNORED_SURV_MODIFY = 0x40;
        /// Takes all marks of that kind away.
        const FLUSH = 0x80;
        /// Of a filesystem.
        const FILESYSTEM = 0x100;
        /// It goes when its inode leaves the cache.
        const EVICTABLE = 0x200;
        /// Events that are left out, with flags of their own.
        const IGNORE = 0x400;
    }
}

/// What a mark is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkType {
    /// One file or directory.
    Inode,
    /// What is seen through a mount.
    Mount,
    /// What is of a filesystem.
    Filesystem,
}

/// What fanotify_mark(2) is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Add events.
    Add,
    /// Take events away.
    Remove,
    /// Take all marks of the kind away.
    Flush,
}

/// What fanotify_mark(2) is asked, as far as it makes sense by itself.
#[derive(Clone, Copy, Debug)]
pub struct MarkRequest {
    pub(super) flags: MarkFlags,
    pub(super) mask: Mask,
    /// Bits that do not keep a mark, and are not taken away.
    pub(super) lasting: Mask,
    pub(super) kind: MarkType,
    /// What is to be done.
    pub command: Command,
}

impl MarkRequest {
    /// `EINVAL` for what is unknown, or does not go together.
    pub fn new(bits: u32, mask: u64) -> Result<MarkRequest> {
        let mask = u32::try_from(mask).map_err(|_| Errno::EINVAL)?;
        let flags = MarkFlags::from_bits(bits).ok_or(Errno::EINVAL)?;
        let types = flags & (MarkFlags::MOUNT | MarkFlags::FILESYSTEM);
        let kind = match types {
            MarkFlags::MOUNT => MarkType::Mount,
            MarkFlags::FILESYSTEM => MarkType::Filesystem,
            _ if types.is_empty() => MarkType::Inode,
            _ => return Err(Errno::EINVAL),
        };
        let command = match flags & (MarkFlags::ADD | MarkFlags::REMOVE | MarkFlags::FLUSH) {
            MarkFlags::ADD if mask != 0 => Command::Add,
            MarkFlags::REMOVE if mask != 0 => Command::Remove,
            MarkFlags::FLUSH if flags == types | MarkFlags::FLUSH => Command::Flush,
            _ => return Err(Errno::EINVAL),
        };
        let known = Mask::EVENTS | Mask::FLAGS;
        let mask = Mask::from_bits(mask).filter(|mask| known.contains(*mask));
        let mask = mask.ok_or(Errno::EINVAL)?;
        let mut request = MarkRequest {
            flags,
            mask,
            lasting: Mask::empty(),
            kind,
            command,
        };
        if flags.contains(MarkFlags::IGNORE | MarkFlags::IGNORED_MASK) {
            return Err(Errno::EINVAL);
        }
        if flags.contains(MarkFlags::IGNORED_MASK) {
            request.mask.remove(Mask::FLAGS);
            request.lasting = Mask::FLAGS;
        }
        Ok(request)
    }

    /// Whether the path's last component is followed if it is a symbolic link.
    pub fn follows(&self) -> bool {
        !self.flags.contains(MarkFlags::DONT_FOLLOW)
    }

    /// Whether it must be a directory.
    pub fn only_directories(&self) -> bool {
        self.flags.contains(MarkFlags::ONLYDIR)
    }

    /// Whether it is about what a mark leaves out.
    pub(super) fn ignores(&self) -> bool {
        self.flags
            .intersects(MarkFlags::IGNORE | MarkFlags::IGNORED_MASK)
    }

    pub(super) fn survives_modify(&self) -> bool {
        self.flags.contains(MarkFlags::IGNORED_SURV_MODIFY)
    }

    /// `EPERM` or `EINVAL` for what the group cannot have.
    pub(super) fn check_for(&self, group: InitFlags, is_admin: bool) -> Result<()> {
        if !is_admin && self.kind != MarkType::Inode {
            return Err(Errno::EPERM);
        }
        let asks = self.mask.intersects(Mask::PERMISSION);
        let of_inode = self.kind == MarkType::Inode;
        let evicts = self.flags.contains(MarkFlags::EVICTABLE);
        let no_handles = !group.handles() || self.kind == MarkType::Mount;
        let wrong = asks && group.priority() == 0
            || evicts && !of_inode
            || !self.mask.has_descriptors() && no_handles
            || self.mask.contains(Mask::RENAME) && !group.contains(InitFlags::REPORT_NAME);
        match wrong {
            true => Err(Errno::EINVAL),
            false => Ok(()),
        }
    }

    /// Whether events that are about directories alone are refused of others.
    pub(super) fn is_strict(&self, group: InitFlags) -> bool {
        group.contains(InitFlags::REPORT_TARGET_FID)
            || self.mask.contains(Mask::RENAME)
            || self.flags.contains(MarkFlags::IGNORE)
    }

    /// The same for what is no directory, or more than one inode: there are no children.
    /// A group that tells directories hears of the file's with the file.
    pub(super) fn without_children(&self, group: InitFlags) -> MarkRequest {
        let mut request = *self;
        request.mask.remove(Mask::EVENT_ON_CHILD);
        request.lasting = Mask::EVENT_ON_CHILD;
        let adds = self.command == Command::Add && !self.ignores();
        if adds && group.contains(InitFlags::REPORT_DIR_FID) {
            request.mask.insert(Mask::EVENT_ON_CHILD);
        }
        request
    }
}

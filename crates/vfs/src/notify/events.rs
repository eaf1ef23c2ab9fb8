//! The bits of inotify(7).

bitflags::bitflags! {
    /// What happens, and what is told with it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Events: u32 {
        /// It was read.
        const ACCESS = 0x1;
        /// It was written.
        const MODIFY = 0x2;
        /// Its metadata changed.
        const ATTRIB = 0x4;
        /// Who could write it closed it.
        const CLOSE_WRITE = 0x8;
        /// Who could not write it closed it.
        const CLOSE_NOWRITE = 0x10;
        /// It was opened.
        const OPEN = 0x20;
        /// A name went to another place.
        const MOVED_FROM = 0x40;
        /// A name came from another place.
        const MOVED_TO = 0x80;
        /// A name was made.
        const CREATE = 0x100;
        /// A name was taken away.
        const DELETE = 0x200;
        /// It lost its last name.
        const DELETE_SELF = 0x400;
        /// It got another name.
        const MOVE_SELF = 0x800;
        /// A name became another one in the same folder: nobody asks for that by
        /// inotify(7).
        const RENAMED = 0x1000_0000;
        /// Events were lost.
        const Q_OVERFLOW = 0x4000;
        /// The watch is gone.
        const IGNORED = 0x8000;
        /// It is about a directory.
        const ISDIR = 0x4000_0000;
    }
}

impl Events {
    /// Those that one can ask for (`IN_ALL_EVENTS`).
    pub const WATCHED: Events = Events::from_bits_retain(0xfff);
}

bitflags::bitflags! {
    /// How a watch is made and kept.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WatchFlags: u32 {
        /// Only of a directory.
        const ONLYDIR = 0x0100_0000;
        /// Of a symbolic link itself.
        const DONT_FOLLOW = 0x0200_0000;
        /// Without what has no name any more.
        const EXCL_UNLINK = 0x0400_0000;
        /// Only if there is none.
        const MASK_CREATE = 0x1000_0000;
        /// In addition to what is watched.
        const MASK_ADD = 0x2000_0000;
        /// Until the first event.
        const ONESHOT = 0x8000_0000;
    }
}

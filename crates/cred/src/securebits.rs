//! Securebits (capabilities(7)).

bitflags::bitflags! {
    /// Which rules make user 0 special; each with a bit that locks it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Securebits: u32 {
        /// execve gives user 0 nothing.
        const NOROOT = 1;
        /// NOROOT stays as it is.
        const NOROOT_LOCKED = 1 << 1;
        /// Changes of users leave capabilities alone.
        const NO_SETUID_FIXUP = 1 << 2;
        /// NO_SETUID_FIXUP stays as it is.
        const NO_SETUID_FIXUP_LOCKED = 1 << 3;
        /// Who gives user 0 up keeps what is permitted, until execve.
        const KEEP_CAPS = 1 << 4;
        /// KEEP_CAPS stays as it is.
        const KEEP_CAPS_LOCKED = 1 << 5;
        /// Nothing can be added to the ambient set.
        const NO_CAP_AMBIENT_RAISE = 1 << 6;
        /// NO_CAP_AMBIENT_RAISE stays as it is.
        const NO_CAP_AMBIENT_RAISE_LOCKED = 1 << 7;
    }
}

impl Securebits {
    const LOCKS: u32 = 0b1010_1010;

    /// Whether they may become `new`: what is locked stays, locks too.
    pub(crate) fn may_become(self, new: Securebits) -> bool {
        let locked = (self.bits() & Self::LOCKS) >> 1;
        let changed = self.bits() ^ new.bits();
        changed & locked == 0 && self.bits() & Self::LOCKS & !new.bits() == 0
    }
}

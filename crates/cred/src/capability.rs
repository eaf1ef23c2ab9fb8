//! Capabilities and sets of them (capabilities(7)).

use core::fmt;
use core::ops::{BitAnd, BitOr};

macro_rules! capabilities {
    ($($name:ident = $number:literal,)*) => {
        /// A capability, by its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(non_camel_case_types, missing_docs, reason = "the manual's names")]
        #[repr(u8)]
        pub enum Cap {
            $($name = $number,)*
        }

        impl Cap {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Cap] = &[$(Cap::$name,)*];
        }
    };
}

capabilities! {
    CAP_CHOWN = 0,
    CAP_DAC_OVERRIDE = 1,
    CAP_DAC_READ_SEARCH = 2,
    CAP_FOWNER = 3,
    CAP_FSETID = 4,
    CAP_KILL = 5,
    CAP_SETGID = 6,
    CAP_SETUID = 7,
    CAP_SETPCAP = 8,
    CAP_LINUX_IMMUTABLE = 9,
    CAP_NET_BIND_SERVICE = 10,
    CAP_NET_BROADCAST = 11,
    CAP_NET_ADMIN = 12,
    CAP_NET_RAW = 13,
    CAP_IPC_LOCK = 14,
    CAP_IPC_OWNER = 15,
    CAP_SYS_MODULE = 16,
    CAP_SYS_RAWIO = 17,
    CAP_SYS_CHROOT = 18,
    CAP_SYS_PTRACE = 19,
    CAP_SYS_PACCT = 20,
    CAP_SYS_ADMIN = 21,
    CAP_SYS_BOOT = 22,
    CAP_SYS_NICE = 23,
    CAP_SYS_RESOURCE = 24,
    CAP_SYS_TIME = 25,
    CAP_SYS_TTY_CONFIG = 26,
    CAP_MKNOD = 27,
    CAP_LEASE = 28,
    CAP_AUDIT_WRITE = 29,
    CAP_AUDIT_CONTROL = 30,
    CAP_SETFCAP = 31,
    CAP_MAC_OVERRIDE = 32,
    CAP_MAC_ADMIN = 33,
    CAP_SYSLOG = 34,
    CAP_WAKE_ALARM = 35,
    CAP_BLOCK_SUSPEND = 36,
    CAP_AUDIT_READ = 37,
    CAP_PERFMON = 38,
    CAP_BPF = 39,
    CAP_CHECKPOINT_RESTORE = 40,
}

impl Cap {
    /// The capability of that number, if there is one.
    pub fn from_number(number: u64) -> Option<Cap> {
        Cap::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// A set of capabilities; only of those that there are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CapSet(u64);

impl CapSet {
    /// None.
    pub const EMPTY: CapSet = CapSet(0);
    /// All there are.
    pub const ALL: CapSet = CapSet((1 << Cap::ALL.len()) - 1);
    /// Those that go with the filesystem user.
    pub const FILES: CapSet = CapSet::of(&[
        Cap::CAP_CHOWN,
        Cap::CAP_MKNOD,
        Cap::CAP_DAC_OVERRIDE,
        Cap::CAP_DAC_READ_SEARCH,
        Cap::CAP_FOWNER,
        Cap::CAP_FSETID,
        Cap::CAP_LINUX_IMMUTABLE,
        Cap::CAP_MAC_OVERRIDE,
    ]);

    /// These.
    pub const fn of(caps: &[Cap]) -> CapSet {
        let (mut bits, mut at) = (0, 0);
        while at < caps.len() {
            bits |= 1 << caps[at] as u8;
            at += 1;
        }
        CapSet(bits)
    }

    /// The bits of the capabilities that there are; others are dropped.
    pub const fn from_bits(bits: u64) -> CapSet {
        CapSet(bits & Self::ALL.0)
    }

    /// One bit for each capability.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether `cap` is in it.
    pub const fn has(self, cap: Cap) -> bool {
        self.0 & 1 << cap as u8 != 0
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `other` has all of it.
    pub const fn within(self, other: CapSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// All but those of `other`.
    pub const fn without(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }
}

impl BitOr for CapSet {
    type Output = CapSet;

    fn bitor(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }
}

impl BitAnd for CapSet {
    type Output = CapSet;

    fn bitand(self, other: CapSet) -> CapSet {
        CapSet(self.0 & other.0)
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

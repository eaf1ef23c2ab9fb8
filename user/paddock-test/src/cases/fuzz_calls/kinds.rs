//! What arguments are like, and how one is made: from the generator alone, so that
//! the same seed makes the same calls, whatever became of those before.

use super::values::{BAD, FSTYPES, LENGTHS, PATHS, PLACES, QUEUES, WORDS, XATTRS};
use crate::sys::Noise;

/// Kinds of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A descriptor of any kind, or none.
    Fd,
    /// Where a path starts.
    Dir,
    /// A path.
    Path,
    /// A path that is a round's own.
    Place,
    /// The name of an attribute.
    Xattr,
    /// The name of a message queue.
    Queue,
    /// The name of a filesystem.
    Fstype,
    /// The type of a key.
    KeyType,
    /// A key, or a keyring by its special number.
    Key,
    /// Where io_setup(2) puts a context, which must be zero before.
    NoContext,
    /// What io_setup gave last.
    Context,
    /// Asynchronous operations.
    Iocbs,
    /// Memory, or what is none.
    Buffer,
    /// Memory with words in it that may mean something.
    Words,
    /// A time, or two.
    Time,
    /// Pieces of memory.
    Iovec,
    /// Futexes to wait for.
    Waitv,
    /// A socket's address.
    Sockaddr,
    /// A message for a socket.
    Message,
    /// Descriptors to wait for.
    Polls,
    /// Operations on semaphores.
    Semops,
    /// What is to become of a signal.
    Action,
    /// A place in the memory that may be mapped anew.
    Address,
    /// A stack that nobody uses, or none.
    Stack,
    /// Flags of clone(2).
    Clone,
    /// What clone3(2) takes.
    CloneArgs,
    /// A length, size or offset.
    Length,
    /// Any number.
    Word,
    /// A number, a descriptor, an address.
    Any,
    /// Milliseconds.
    Millis,
    /// A process: the caller, a child, none.
    Own,
    /// The same, or all there are.
    Pid,
    /// A user or group.
    Id,
    /// What msgget, semget, shmget gave last.
    MsgId,
    SemId,
    ShmId,
    /// Some of these bits; seldom others.
    Bits(u64),
    /// One of these.
    Of(&'static [u64]),
    /// From the one to the other.
    Range(i64, i64),
}

/// The number of io_setup(2), which gives what it makes by way of memory.
pub const IO_SETUP: u64 = 0;
const KEY_TYPES: &[&str] = &["user", "logon", "keyring", "big_key", ".own", "dns", ""];
/// Where the memory of arguments is: a slot for each.
pub const SLOTS: u64 = 0x10_0000_0000;
pub const SLOT: u64 = 0x4000;
/// Where the memory is that calls map, unmap and protect.
pub const MAPPED: u64 = 0x10_1000_0000;
pub const MAPPED_PAGES: u64 = 64;
/// Descriptors that a round begins with.
pub const FIRST_FD: u64 = 10;
pub const FDS: u64 = 42;
const PAGE: u64 = 4096;

/// A value of which only the caller knows what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Plain(u64),
    Myself,
    MyGroup,
    Child,
    /// What the call of this number gave last.
    Gave(u64),
}

/// Makes arguments, and writes what they point to.
pub struct Maker {
    noise: Noise,
}

impl Maker {
    /// The memory at [`SLOTS`] is there, six slots and their ends.
    pub fn new(seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        for _ in 0..4 {
            noise.next();
        }
        Maker { noise }
    }

    pub fn below(&mut self, count: u64) -> u64 {
        (self.noise.next() >> 11) % count.max(1)
    }

    fn one(&mut self, all: &[u64]) -> u64 {
        all[self.below(all.len() as u64) as usize]
    }

    /// The value of argument number `index`.
    pub fn value(&mut self, kind: Kind, index: u64) -> Value {
        let seldom = self.below(48) == 0;
        if seldom && !matches!(kind, Kind::Own | Kind::Of(_) | Kind::Clone) {
            return Value::Plain(self.one(WORDS));
        }
        match kind {
            Kind::Own | Kind::Pid => self.process(kind),
            Kind::MsgId => self.object(186),
            Kind::SemId => self.object(190),
            Kind::ShmId => self.object(194),
            Kind::Context => self.object(IO_SETUP),
            Kind::Key if self.below(2) == 0 => Value::Plain(self.range(-9, 0)),
            Kind::Key => self.object(217),
            _ => Value::Plain(self.plain(kind, index)),
        }
    }

    fn process(&mut self, kind: Kind) -> Value {
        match self.below(8) {
            0..=2 => Value::Plain(0),
            3 | 4 => Value::Myself,
            5 => Value::Child,
            6 => Value::Plain(self.one(&[0x7fff_fffe, 4_000_000, 0x8000_0001])),
            _ if kind == Kind::Pid => Value::Plain(u64::MAX),
            _ => Value::MyGroup,
        }
    }

    fn object(&mut self, call: u64) -> Value {
        match self.below(8) {
            0 => Value::Plain(self.below(4)),
            1 => Value::Plain(self.one(WORDS)),
            _ => Value::Gave(call),
        }
    }

    fn plain(&mut self, kind: Kind, index: u64) -> u64 {
        match kind {
            Kind::Fd => self.descriptor(),
            Kind::Dir if self.below(4) == 0 => self.descriptor(),
            Kind::Dir => -100i64 as u64,
            Kind::Path => self.text(PATHS, index),
            Kind::Place => self.text(PLACES, index),
            Kind::Xattr => self.text(XATTRS, index),
            Kind::Queue => self.text(QUEUES, index),
            Kind::Fstype => self.text(FSTYPES, index),
            Kind::KeyType => self.text(KEY_TYPES, index),
            Kind::Address => self.address(),
            Kind::Stack if self.below(3) == 0 => 0,
            Kind::Stack => SLOTS + 5 * SLOT + SLOT - 16,
            Kind::Clone => self.clone_flags() | self.one(&[17, 17, 0, 10, 64]),
            Kind::Length => self.one(LENGTHS),
            Kind::Word => self.one(WORDS),
            Kind::Millis => self.range(-1, 3),
            Kind::Id => self.one(&[0, 0, 1, 1000, 65534, 65534, 0xffff_ffff, 0x7fff_ffff]),
            Kind::Bits(bits) => self.bits(bits),
            Kind::Of(all) => self.one(all),
            Kind::Range(from, to) => self.range(from, to),
            Kind::Any => match self.below(4) {
                0 => self.one(WORDS),
                1 => self.descriptor(),
                2 => self.below(16),
                _ => self.words(index),
            },
            _ => self.memory(kind, index),
        }
    }

    fn range(&mut self, from: i64, to: i64) -> u64 {
        let width = to.abs_diff(from) + 1;
        from.wrapping_add(self.below(width) as i64) as u64
    }

    fn bits(&mut self, bits: u64) -> u64 {
        match self.below(8) {
            0 | 1 => 0,
            2 | 3 => 1 << self.below(32) & bits,
            4 => self.noise.next() & 0xffff_ffff,
            5 => bits,
            _ => self.noise.next() & self.noise.next() & bits,
        }
    }

    fn descriptor(&mut self) -> u64 {
        match self.below(16) {
            0 => self.one(&[
                u64::MAX,
                999,
                0x7fff_ffff,
                0x8000_0000,
                1 << 20,
                -100i64 as u64,
            ]),
            1 | 2 => self.below(FIRST_FD),
            3 => FIRST_FD + FDS + self.below(8),
            _ => FIRST_FD + self.below(FDS),
        }
    }

    fn address(&mut self) -> u64 {
        match self.below(16) {
            0 => self.one(BAD),
            1 => MAPPED + self.below(MAPPED_PAGES * PAGE),
            2 => 0,
            _ => MAPPED + self.below(MAPPED_PAGES) * PAGE,
        }
    }

    /// Flags of clone(2) which leave the caller's own memory alone: a child in the
    /// same memory makes one call and ends.
    fn clone_flags(&mut self) -> u64 {
        match self.below(6) {
            0 | 1 => 0,
            2 => 0x3d_0f00,
            3 => 0x4100,
            4 => 0x1_0f00,
            _ => self.noise.next() & self.noise.next() & 0xffff_ff00,
        }
    }

    /// Somewhere in the slot of an argument, or elsewhere.
    fn place(&mut self, index: u64) -> u64 {
        let slot = SLOTS + index * SLOT;
        match self.below(24) {
            0 => self.one(BAD),
            1 => self.address(),
            // Before the end of what is there.
            2 => SLOTS + 6 * SLOT - self.one(&[1, 4, 8, 16, 100]),
            3 => slot + 1 + self.below(64),
            _ => slot,
        }
    }

    fn text(&mut self, all: &[&str], index: u64) -> u64 {
        let place = self.place(index);
        if place != SLOTS + index * SLOT {
            return place;
        }
        let long = match self.below(40) {
            0 => self.one(&[254, 255, 256, 4094, 4095, 4096, 5000]),
            _ => 0,
        };
        let chosen = all[self.below(all.len() as u64) as usize];
        if long > 0 {
            let slash = self.below(2) == 0;
            for at in 0..long {
                let byte = if slash && at % 2 == 1 { b'/' } else { b'x' };
                put(place + at, byte);
            }
            put(place + long, 0u8);
        } else {
            put_bytes(place, chosen.as_bytes());
            put(place + chosen.len() as u64, 0u8);
        }
        place
    }

    fn memory(&mut self, kind: Kind, index: u64) -> u64 {
        let place = self.place(index);
        let slot = SLOTS + index * SLOT;
        if place != slot {
            return place;
        }
        match kind {
            Kind::Time => self.times(slot),
            Kind::Iovec => self.pieces(slot),
            Kind::Waitv => (0..9).for_each(|at| {
                put(slot + 24 * at, self.below(2));
                put(slot + 24 * at + 8, slot + 0x1000 + 4 * self.below(3));
                put(slot + 24 * at + 16, self.one(&[2, 2, 130, 130, 0, 3]));
            }),
            Kind::Sockaddr => self.socket_address(slot),
            Kind::Message => self.message(slot),
            Kind::Polls => (0..9).for_each(|at| {
                put(slot + 8 * at, self.descriptor() as u32);
                put(slot + 8 * at + 4, self.bits(0x3fff) as u32);
            }),
            Kind::Semops => (0..6).for_each(|at| {
                put(slot + 6 * at, self.below(6) as u16);
                put(slot + 6 * at + 2, self.range(-3, 3) as u16);
                put(
                    slot + 6 * at + 4,
                    self.one(&[0, 0o4000, 0o10000, 0o14000]) as u16,
                );
            }),
            Kind::NoContext => put(slot, 0u64),
            Kind::Iocbs => self.operations(slot),
            Kind::Action => self.action(slot),
            Kind::CloneArgs => self.clone_args(slot),
            Kind::Words => return self.words(index),
            _ => {}
        }
        place
    }

    /// Addresses of operations (io_submit(2)), and those.
    fn operations(&mut self, slot: u64) {
        for at in 0..4 {
            let iocb = slot + 0x1000 + 64 * at;
            put(slot + 8 * at, iocb);
            put(iocb, at);
            put(iocb + 8, self.one(&[0, 0, 0, 8, 16]));
            put(iocb + 16, self.range(0, 9) as u16);
            put(iocb + 18, 0u16);
            put(iocb + 20, self.descriptor() as u32);
            put(iocb + 24, slot + 0x1200);
            put(iocb + 32, self.one(&[0, 1, 2, 64, 4096]));
            put(iocb + 40, self.one(WORDS));
            put(iocb + 48, self.one(&[0, 0, 0, 1]));
            put(iocb + 56, self.below(4) as u32);
            put(iocb + 60, self.descriptor() as u32);
        }
    }

    fn words(&mut self, index: u64) -> u64 {
        let slot = SLOTS + index * SLOT;
        for at in 0..16 {
            let word = match self.below(8) {
                0 | 1 => 0,
                2 => self.below(64),
                3 => self.one(WORDS),
                4 => self.descriptor(),
                5 => slot + 0x1000 + self.below(256),
                6 => self.noise.next(),
                _ => self.below(4) << 32 | self.below(4),
            };
            put(slot + 8 * at, word);
        }
        slot
    }

    fn times(&mut self, slot: u64) {
        for at in 0..2 {
            let seconds = self.one(&[0, 0, 0, 0, 0, 0, 1, u64::MAX, i64::MAX as u64, 1 << 40]);
            let nanos = self.one(&[
                0,
                1,
                1000,
                100_000,
                1_000_000,
                999_999_999,
                1_000_000_000,
                u64::MAX,
                0x3fff_ffff,
                0x3fff_fffe,
            ]);
            put(slot + 16 * at, seconds);
            put(slot + 16 * at + 8, nanos);
        }
    }

    fn pieces(&mut self, slot: u64) {
        for at in 0..9 {
            let base = match self.below(8) {
                0 => self.one(BAD),
                1 => self.address(),
                _ => slot + 0x1000 + self.below(0x2000),
            };
            put(slot + 16 * at, base);
            put(
                slot + 16 * at + 8,
                self.one(&LENGTHS[..if at == 0 { 32 } else { 20 }]),
            );
        }
    }

    fn socket_address(&mut self, slot: u64) {
        let port = self.one(&[0, 22, 80, 5001, 5002, 5003, 65535]) as u16;
        match self.below(6) {
            0 | 1 => {
                put(slot, 2u16);
                put(slot + 2, port.to_be());
                put(
                    slot + 4,
                    self.one(&[0x0100_007f, 0, 0x0200_007f, 0xffff_ffff]),
                );
                put(slot + 8, 0u64);
            }
            2 => {
                put(slot, 10u16);
                put(slot + 2, port.to_be());
                put(slot + 4, 0u32);
                put(slot + 8, 0u64);
                put(slot + 16, self.one(&[0, 1 << 56]));
                put(slot + 24, 0u32);
            }
            3 => {
                put(slot, 1u16);
                let name = ["socket", "a", "d/s", "\0abstract", ""][self.below(5) as usize];
                put_bytes(slot + 2, name.as_bytes());
                put(slot + 2 + name.len() as u64, 0u8);
            }
            4 => {
                put(slot, 16u16);
                put(slot + 2, 0u16);
                put(slot + 4, self.below(3) as u32);
                put(slot + 8, self.below(3) as u32);
            }
            _ => put(slot, self.one(WORDS)),
        }
    }

    fn message(&mut self, slot: u64) {
        let (name, control) = (slot + 0x200, slot + 0x400);
        self.pieces(slot + 0x300);
        self.socket_address(name);
        put(slot, if self.below(2) == 0 { 0 } else { name });
        put(slot + 8, self.one(&[0, 16, 28, 110]));
        put(slot + 16, slot + 0x300);
        put(slot + 24, self.below(5));
        put(slot + 32, if self.below(2) == 0 { 0 } else { control });
        put(slot + 40, self.one(&[0, 16, 20, 24, 32, 64, 8, 1 << 20]));
        put(slot + 48, 0u64);
        put(control, self.one(&[16, 20, 24, 28, 0, 8, u64::MAX]));
        put(control + 8, self.one(&[1, 1, 0, 41, 6]) as u32);
        put(control + 12, self.one(&[1, 1, 2, 8, 50]) as u32);
        (0..4).for_each(|at| put(control + 16 + 4 * at, self.descriptor() as u32));
    }

    fn action(&mut self, slot: u64) {
        let handler = match self.below(16) {
            0 => self.one(BAD),
            1..=4 => 0,
            _ => 1,
        };
        put(slot, handler);
        put(slot + 8, self.bits(0xdc00_0807));
        put(slot + 16, 0u64);
        put(slot + 24, self.bits(u64::MAX));
    }

    fn clone_args(&mut self, slot: u64) {
        (0..11).for_each(|at| put(slot + 8 * at, 0u64));
        let stack = self.below(3) == 0;
        put(
            slot,
            self.clone_flags() | if self.below(6) == 0 { 1 << 32 } else { 0 },
        );
        (1..4).for_each(|at| put(slot + 8 * at, slot + 0x100 + 8 * at));
        put(slot + 32, self.one(&[17, 17, 0, 10, 65]));
        put(slot + 40, if stack { SLOTS + 5 * SLOT } else { 0 });
        put(slot + 48, if stack { SLOT } else { 0 });
        if self.below(6) == 0 {
            put(slot + 64, slot + 0x200);
            put(slot + 72, self.below(3));
        }
    }
}

/// Writes to a slot.
fn put<T>(address: u64, value: T) {
    let end = SLOTS + 6 * SLOT;
    assert!(address >= SLOTS && address + size_of::<T>() as u64 <= end);
    // SAFETY: inside the slots, which are mapped; if a call has taken them away,
    // the signal that follows ends the round.
    unsafe { std::ptr::with_exposed_provenance_mut::<T>(address as usize).write_unaligned(value) };
}

fn put_bytes(address: u64, bytes: &[u8]) {
    for (at, byte) in bytes.iter().enumerate() {
        put(address + at as u64, *byte);
    }
}

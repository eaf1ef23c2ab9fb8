//! A round: the process that makes the calls.

use super::kinds::{IO_SETUP, Kind, Maker, SLOT, SLOTS, Value};
use super::table::{CALLS, ENDINGS, Entry};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls of a round.
pub const ROUND: u64 = 1000;
/// Calls that a child makes.
const CHILD_CALLS: u64 = 12;
const CLONE: u64 = 220;
const CLONE3: u64 = 435;
const CLONE_VM: u64 = 0x100;

/// A call and its arguments.
#[derive(Clone, Copy)]
pub struct Call {
    pub entry: &'static Entry,
    pub values: [Value; 6],
}

/// The calls of a round, one after the other.
pub struct Calls {
    maker: Maker,
}

impl Calls {
    pub fn new(seed: u64, round: u64) -> Self {
        let mixed =
            seed.wrapping_mul(0xd134_2543_de82_ef95) ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Calls {
            maker: Maker::new(mixed ^ mixed >> 29),
        }
    }

    /// The next call; what it points to is in memory.
    pub fn next(&mut self) -> Call {
        let mut entry = self.pick();
        while ENDINGS.contains(&entry.number) && self.maker.below(12) != 0 {
            entry = self.pick();
        }
        let mut values = [Value::Plain(0); 6];
        for (index, kind) in entry.kinds.iter().enumerate() {
            values[index] = self.maker.value(*kind, index as u64);
        }
        Call { entry, values }
    }

    fn pick(&mut self) -> &'static Entry {
        &CALLS[self.maker.below(CALLS.len() as u64) as usize]
    }
}

impl Call {
    /// The call as text.
    pub fn shown(&self) -> String {
        let mut text = format!("{}(", self.entry.name);
        for (index, kind) in self.entry.kinds.iter().enumerate() {
            let value = self.values[index];
            let comma = if index > 0 { ", " } else { "" };
            let _ = match value {
                Value::Plain(at) if is_text(*kind) && at == SLOTS + index as u64 * SLOT => {
                    write!(text, "{comma}{:?}", read_text(at))
                }
                Value::Plain(number) if number < 4096 => write!(text, "{comma}{number}"),
                Value::Plain(number) => write!(text, "{comma}{number:#x}"),
                other => write!(text, "{comma}{other:?}"),
            };
        }
        text.push(')');
        text
    }
}

fn is_text(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Path | Kind::Place | Kind::Xattr | Kind::Queue | Kind::Fstype
    )
}

/// The beginning of a text in a slot.
fn read_text(at: u64) -> String {
    let byte = |at: u64| {
        // SAFETY: in a slot, which is mapped where calls are shown.
        unsafe { std::ptr::with_exposed_provenance::<u8>(at as usize).read() }
    };
    (at..at + 30)
        .map(byte)
        .take_while(|byte| *byte != 0)
        .map(char::from)
        .collect()
}

/// What is known of those who made calls: the results that later ones use.
pub struct Known {
    gave: [(u64, u64); 5],
    child: u64,
}

impl Known {
    fn of(&self, value: Value) -> u64 {
        match value {
            Value::Plain(number) => number,
            Value::Myself => u64::from(std::process::id()),
            Value::MyGroup => u64::from(std::process::id()).wrapping_neg(),
            Value::Child => self.child,
            Value::Gave(call) => self
                .gave
                .iter()
                .find(|it| it.0 == call)
                .map_or(0, |it| it.1),
        }
    }
}

/// Makes the calls of a round. `progress` counts them.
pub fn work(seed: u64, round: u64, progress: &AtomicU64, told: Option<i32>) -> ! {
    let mut calls = Calls::new(seed, round);
    let mut known = Known {
        gave: [(186, 0), (190, 0), (194, 0), (217, 0), (IO_SETUP, 0)],
        child: 0x7fff_fffe,
    };
    let mut left = ROUND;
    let mut second = calls.next();
    while left > 0 {
        left -= 1;
        if left.is_multiple_of(32) {
            let none = sigset_none();
            // SAFETY: a set of this function.
            unsafe { libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()) };
        }
        let call = calls.next();
        progress.fetch_add(1, Ordering::Relaxed);
        if let Some(fd) = told {
            let line = format!("{round} {} {}\n", ROUND - left, call.shown());
            // SAFETY: a text that lives for the call.
            unsafe { libc::write(fd, line.as_ptr().cast(), line.len()) };
        }
        let values = call.values.map(|value| known.of(value));
        let shares = shares_memory(&call, &values);
        let result = match call.entry.number {
            CLONE | CLONE3 if shares => raw(
                call.entry.number,
                values,
                second.entry.number,
                second.values.map(|it| known.of(it)),
            ),
            number => raw(number, values, 0, values),
        };
        match call.entry.number {
            CLONE | CLONE3 if result == 0 => left = left.min(CHILD_CALLS),
            CLONE | CLONE3 if (result as i64) > 0 => known.child = result,
            _ => {}
        }
        if let Some(gave) = known
            .gave
            .iter_mut()
            .find(|it| it.0 == call.entry.number && (result as i64) >= 0)
        {
            gave.1 = match call.entry.number {
                IO_SETUP => context_in(values[1]),
                _ => result,
            };
        }
        second = call;
    }
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

/// The context that io_setup(2) has put at the start of a slot; none elsewhere.
fn context_in(place: u64) -> u64 {
    if place != SLOTS + SLOT {
        return 0;
    }
    // SAFETY: the memory of arguments is there, and nobody else writes to it.
    unsafe { std::ptr::with_exposed_provenance::<u64>(place as usize).read_volatile() }
}

fn sigset_none() -> libc::sigset_t {
    crate::sys::signal_set(&[])
}

/// Whether the child of a clone has this process's memory.
fn shares_memory(call: &Call, values: &[u64; 6]) -> bool {
    let flags = match call.entry.number {
        CLONE => values[0],
        CLONE3 if values[0] == SLOTS => {
            // SAFETY: the slot is mapped; the arguments were written there.
            unsafe { std::ptr::with_exposed_provenance::<u64>(SLOTS as usize).read() }
        }
        CLONE3 => CLONE_VM,
        _ => 0,
    };
    flags & CLONE_VM != 0
}

/// Makes a call. With `then`, it is clone(2) or clone3(2), and the child, which
/// may have no stack of its own, makes that call and ends.
#[cfg(target_arch = "aarch64")]
fn raw(number: u64, values: [u64; 6], then: u64, child: [u64; 6]) -> u64 {
    let result;
    // SAFETY: calls may do to the slots and what else is in this process whatever
    // they do: if that ends it, the round is over. A child in the same memory uses
    // registers alone.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "cbz x9, 2f",
            "mov x8, x9",
            "mov x0, x10",
            "mov x1, x11",
            "mov x2, x12",
            "mov x3, x13",
            "mov x4, x14",
            "svc 0",
            "3: mov x8, #93",
            "mov x0, #0",
            "svc 0",
            "b 3b",
            "2:",
            in("x8") number,
            inlateout("x0") values[0] => result,
            in("x1") values[1],
            in("x2") values[2],
            in("x3") values[3],
            in("x4") values[4],
            in("x5") values[5],
            in("x9") then,
            in("x10") child[0],
            in("x11") child[1],
            in("x12") child[2],
            in("x13") child[3],
            in("x14") child[4],
        );
    }
    result
}

#[cfg(not(target_arch = "aarch64"))]
fn raw(_: u64, _: [u64; 6], _: u64, _: [u64; 6]) -> u64 {
    libc::ENOSYS.unsigned_abs().into()
}

//! `/proc/PID/stat`.

use super::cpu::ticks;
use super::memory::Sizes;
use super::process::Subject;
use super::status::SignalSets;
use super::text::Text;
use crate::process::identity::may_inspect;
use crate::process::numbers::known_to;
use crate::process::terminals;
use crate::process::tree;
use core::sync::atomic::Ordering;
use paddock_abi::Result;
use paddock_process::Usage;

/// Index of `RLIMIT_RSS`.
const RLIMIT_RSS: usize = 5;

/// Who belongs to whom.
#[derive(Default)]
struct Family {
    parent: u32,
    group: u32,
    session: u32,
    children: Usage,
}

impl Family {
    fn of(pid: u32) -> Family {
        let tree = tree().lock();
        Family {
            parent: tree.parent(pid).unwrap_or(0),
            group: tree.group(pid).unwrap_or(0),
            session: tree.session(pid).unwrap_or(0),
            children: tree.children_usage(pid).unwrap_or_default(),
        }
    }
}

/// The device number of a session's terminal (0: none) and its foreground
/// group (-1: none).
fn terminal(session: u32) -> (u64, i64) {
    let Some(tty) = terminals::all().controlling(session) else {
        return (0, -1);
    };
    let (_, foreground) = tty.session();
    (
        terminals::device(&tty),
        if foreground == 0 {
            -1
        } else {
            i64::from(foreground)
        },
    )
}

/// All 52 fields; those that nothing is known of are zero, as on Linux for
/// readers without rights.
pub fn stat(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let process = &subject.process;
    let family = Family::of(process.pid);
    let (device, foreground) = terminal(family.session);
    let (state, _) = subject.state();
    let known = |id| known_to(&subject.space, id).get();
    out.put(format_args!(
        "{} ({}) {state} ",
        known(subject.id()),
        subject.name()
    ))?;
    out.put(format_args!(
        "{} {} {} ",
        known(family.parent),
        known(family.group),
        known(family.session)
    ))?;
    let foreground = match u32::try_from(foreground) {
        Ok(group) => i64::from(known(group)),
        Err(_) => foreground,
    };
    let (own, children) = (subject.usage(), family.children);
    // After the terminal: flags, which are the kernel's own.
    out.put(format_args!("{device} {foreground} 0 "))?;
    out.put(format_args!(
        "{} {} {} {} ",
        own.minor_faults, children.minor_faults, own.major_faults, children.major_faults
    ))?;
    out.put(format_args!(
        "{} {} {} {} ",
        ticks(own.user_ns),
        ticks(own.system_ns),
        ticks(children.user_ns),
        ticks(children.system_ns)
    ))?;
    let threads = process.threads.lock().len();
    let nice = subject.nice();
    // Priority and nice value before, an unused field after.
    out.put(format_args!(
        "{} {nice} {threads} 0 {} ",
        20 + nice,
        ticks(process.started)
    ))?;
    let sizes = Sizes::of(subject);
    let limit = process.limit(RLIMIT_RSS);
    out.put(format_args!(
        "{} {} {limit} ",
        sizes.virtual_bytes, sizes.resident_pages
    ))?;
    // Addresses: code, the stack's beginning, stack pointer, program counter.
    let (start, strings) = match may_inspect(process) {
        Ok(()) => (
            process.start_stack.load(Ordering::Relaxed),
            process.memory().map(|it| it.space.lock().strings_at()),
        ),
        Err(error) => (0, Err(error)),
    };
    let strings = strings.unwrap_or_default();
    out.put(format_args!("0 0 {start} 0 0 "))?;
    let SignalSets {
        pending,
        blocked,
        ignored,
        caught,
        ..
    } = SignalSets::of(subject);
    out.put(format_args!(
        "{} {} {} {} ",
        pending.0, blocked.0, ignored.0, caught.0
    ))?;
    // Waiting channel, swaps, exit signal, CPU, scheduling, more addresses, the status.
    out.put(format_args!(
        "0 0 0 17 {} 0 {} 0 0 0 0 0 0 {} {} {} {} 0\n",
        subject.cpu(),
        subject.policy(),
        strings.arguments,
        strings.arguments_end,
        strings.environment,
        strings.environment_end
    ))
}

//! `/proc/PID/status` and a process's names.

use super::memory::Sizes;
use super::process::Subject;
use super::text::Text;
use crate::cpus as processors;
use crate::process::identity::{self, may_inspect};
use crate::process::numbers::known_to;
use crate::process::{namespaces, tree};
use paddock_abi::Result;
use paddock_abi::signal::{SIG_IGN, SIGMAX};
use paddock_cred::{Cred, IdKind};
use paddock_process::signal::SignalSet;
use paddock_process::{LEVELS_MAX, Local};
use paddock_vfs::PAGE_SIZE;

pub fn arguments(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    // A zombie has none, as it has no memory.
    match subject.process.memory() {
        Ok(memory) => memory.space.lock().command_line(out.inner()),
        Err(_) => Ok(()),
    }
}

pub fn environment(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    match subject.process.memory() {
        Ok(memory) => memory.space.lock().environment(out.inner()),
        Err(_) => Ok(()),
    }
}

pub fn auxiliary_vector(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    let auxv = subject.process.names.lock().auxv.clone();
    match subject.state().0 {
        'Z' | 'X' => Ok(()),
        _ => out.bytes(&auxv),
    }
}

/// proc_pid_io(5).
pub fn input_output(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    may_inspect(&subject.process)?;
    let used = subject.usage();
    for (name, value) in [
        ("rchar", used.io.bytes_read),
        ("wchar", used.io.bytes_written),
        ("syscr", used.io.reads),
        ("syscw", used.io.writes),
        ("read_bytes", used.blocks_read * 512),
        ("write_bytes", used.io.bytes_to_disk),
        ("cancelled_write_bytes", 0),
    ] {
        out.put(format_args!("{name}: {value}\n"))?;
    }
    Ok(())
}

pub fn name(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    out.put(format_args!("{}\n", subject.name()))
}

/// A thread's signals.
#[derive(Default)]
pub struct SignalSets {
    /// Those that wait.
    pub pending: SignalSet,
    /// Those that are blocked.
    pub blocked: SignalSet,
    /// Those that do nothing.
    pub ignored: SignalSet,
    /// Those with a handler.
    pub caught: SignalSet,
}

impl SignalSets {
    /// Those of the thread, or of the process's first one.
    pub fn of(subject: &Subject) -> SignalSets {
        let tid = subject.id();
        let signals = subject.process.signals.lock();
        let mut sets = SignalSets {
            pending: signals.pending(tid).unwrap_or_default(),
            blocked: signals.mask(tid).unwrap_or_default(),
            ..SignalSets::default()
        };
        for signal in 1..=SIGMAX {
            let handler = signals.action(signal).map_or(0, |action| action.handler);
            match handler {
                0 => {}
                SIG_IGN => sets.ignored = sets.ignored.union(SignalSet::of(signal)),
                _ => sets.caught = sets.caught.union(SignalSet::of(signal)),
            }
        }
        sets
    }
}

pub fn status(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let pid = subject.process.pid;
    let (letter, state) = subject.state();
    let parent = tree().lock().parent(pid).unwrap_or(0);
    let tracer = tree().lock().tracee(subject.id()).map_or(0, |it| it.tracer);
    let known = |id| known_to(&subject.space, id).get();
    let (own, parent, tracer) = (known(subject.id()), known(parent), known(tracer));
    let pid = known(pid);
    let paths = subject.process.paths.lock().clone();
    out.put(format_args!(
        "Name:\t{}\nUmask:\t{:04o}\n",
        subject.name(),
        paths.umask
    ))?;
    out.put(format_args!(
        "State:\t{letter} ({state})\nTgid:\t{pid}\nNgid:\t0\n"
    ))?;
    out.put(format_args!(
        "Pid:\t{own}\nPPid:\t{parent}\nTracerPid:\t{tracer}\n"
    ))?;
    let who = match &subject.thread {
        Some(thread) => thread.cred(),
        None => subject.process.cred(),
    };
    let viewer = identity::viewer();
    for (name, ids, kind) in [
        ("Uid", who.uid, IdKind::User),
        ("Gid", who.gid, IdKind::Group),
    ] {
        let [real, effective, saved, fs] =
            [ids.real, ids.effective, ids.saved, ids.fs].map(|id| viewer.shown(kind, id));
        out.put(format_args!(
            "{name}:\t{real}\t{effective}\t{saved}\t{fs}\n"
        ))?;
    }
    let files = subject.process.files();
    let descriptors = files.lock().iter().count();
    out.put(format_args!(
        "FDSize:\t{}\nGroups:\t",
        descriptors.next_multiple_of(64)
    ))?;
    for group in who.groups.iter() {
        out.put(format_args!("{} ", viewer.shown_gid(*group)))?;
    }
    out.bytes(b"\n")?;
    numbers(subject, out)?;
    sizes(subject, out)?;
    signals(subject, out)?;
    rights(&who, out)?;
    let own = subject.process.thread(subject.process.pid);
    let mode = subject.thread.as_ref().or(own.as_ref());
    let mode = mode.map(|thread| thread.seccomp_mode()).unwrap_or_default();
    out.put(format_args!(
        "Seccomp:\t{}\nSeccomp_filters:\t{}\n",
        mode.number(),
        mode.filters()
    ))?;
    cpus(subject, out)?;
    let used = subject.usage();
    out.put(format_args!(
        "voluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t{}\n",
        used.voluntary_switches, used.involuntary_switches
    ))
}

/// Its own, its process's, its group's and its session's, from the mount's PID namespace
/// on inward.
fn numbers(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let pid = subject.process.pid;
    let (group, session) = {
        let tree = tree().lock();
        let group = tree.group(pid).unwrap_or(pid);
        (group, tree.session(pid).unwrap_or(pid))
    };
    for (name, id) in [
        ("NStgid", pid),
        ("NSpid", subject.id()),
        ("NSpgid", group),
        ("NSsid", session),
    ] {
        let mut all = [Local::NOBODY; LEVELS_MAX as usize + 1];
        let mut count = 0;
        let tree = tree().lock();
        let found = tree.numbers_from(&subject.space, id);
        for (place, number) in all.iter_mut().zip(found) {
            *place = number;
            count += 1;
        }
        drop(tree);
        out.put(format_args!("{name}:"))?;
        for number in &all[..count.max(1)] {
            out.put(format_args!("\t{}", number.get()))?;
        }
        out.bytes(b"\n")?;
    }
    Ok(())
}

fn rights(who: &Cred, out: &mut Text<'_>) -> Result<()> {
    for (name, set) in [
        ("CapInh", who.inheritable),
        ("CapPrm", who.permitted),
        ("CapEff", who.effective),
        ("CapBnd", who.bounding),
        ("CapAmb", who.ambient),
    ] {
        out.put(format_args!("{name}:\t{:016x}\n", set.bits()))?;
    }
    out.put(format_args!(
        "NoNewPrivs:\t{}\n",
        u8::from(who.no_new_privs)
    ))
}

fn sizes(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    if subject.process.memory().is_err() {
        return Ok(());
    }
    let sizes = Sizes::of(subject);
    let lines = [
        ("VmSize", sizes.virtual_bytes),
        ("VmLck", sizes.locked),
        ("VmHWM", sizes.peak_pages * PAGE_SIZE as u64),
        ("VmRSS", sizes.resident_pages * PAGE_SIZE as u64),
        ("VmData", sizes.data),
        ("VmStk", sizes.stack),
        ("VmExe", sizes.code),
        ("VmSwap", 0),
    ];
    for (name, bytes) in lines {
        out.put(format_args!("{name}:\t{:8} kB\n", bytes / 1024))?;
    }
    Ok(())
}

/// Where the thread, or the first one, may run, and the one node of memory.
fn cpus(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let online = (1u64 << processors::online()) - 1;
    let first = subject.process.thread(subject.process.pid);
    let thread = subject.thread.as_ref().or(first.as_ref());
    let thread = thread.and_then(|thread| thread.kernel_thread());
    let allowed = thread.map_or(online, |thread| thread.affinity().0 & online);
    out.put(format_args!(
        "Cpus_allowed:\t{allowed:x}\nCpus_allowed_list:\t"
    ))?;
    let (mut separator, mut left) = ("", allowed);
    while left != 0 {
        let first = left.trailing_zeros();
        let last = first + (left >> first).trailing_ones() - 1;
        match first == last {
            true => out.put(format_args!("{separator}{first}"))?,
            false => out.put(format_args!("{separator}{first}-{last}"))?,
        }
        left &= u64::MAX.checked_shl(last + 1).unwrap_or(0);
        separator = ",";
    }
    out.put(format_args!("\nMems_allowed:\t1\nMems_allowed_list:\t0\n"))
}

fn signals(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let threads = subject.process.threads.lock().len();
    let sets = SignalSets::of(subject);
    let ((queued, limit), apart) = {
        let signals = subject.process.signals.lock();
        (signals.queued(), signals.pending_apart(subject.id()))
    };
    let (own, shared) = apart.unwrap_or_default();
    out.put(format_args!(
        "Threads:\t{threads}\nSigQ:\t{queued}/{limit}\n"
    ))?;
    out.put(format_args!(
        "SigPnd:\t{:016x}\nShdPnd:\t{:016x}\n",
        own.0, shared.0
    ))?;
    out.put(format_args!(
        "SigBlk:\t{:016x}\nSigIgn:\t{:016x}\n",
        sets.blocked.0, sets.ignored.0
    ))?;
    out.put(format_args!("SigCgt:\t{:016x}\n", sets.caught.0))
}

/// The group, by its path as the reader sees it; of hierarchy 0, the only one (cgroups(7)).
pub fn cgroup(subject: &Subject, out: &mut Text<'_>) -> Result<()> {
    let group = subject.process.cgroup();
    out.bytes(b"0::")?;
    let viewer = namespaces::of_running();
    out.bytes(&group.path_from(viewer.cgroup.root())?)?;
    if group.is_removed() {
        out.bytes(b" (deleted)")?;
    }
    out.bytes(b"\n")
}

//! What a report tells of the threads that it is about.

use super::locks::{self, Lock};
use super::report_writer::{self, Kind, ReportWriter};
use super::{settings, stolen};
use crate::backtrace::{self, Line, Silence};
use crate::interrupted;
use crate::main_loop;
use crate::symbols;
use crate::thread::{self, Thread, Threads};
use core::fmt;
use core::panic::Location;
use paddock_sched::Id;
use paddock_sync::{Context, LockMeta};
use paddock_watchdog::{End, MAX_LINKS, Place, Severity, View, follow};

/// A thread as reports name it.
pub struct Who<'a>(pub &'a Thread);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = self.0;
        match thread.id() {
            id if id == Id::none() => f.write_str("the thread (")?,
            id => write!(f, "thread {} (", id.index())?,
        }
        thread.write_name(f)?;
        f.write_str(")")
    }
}

/// A place in the source, if it can be believed.
pub struct At(pub Option<&'static Location<'static>>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.filter(|at| symbols::is_constant(*at)) {
            Some(at) => write!(f, "{at}"),
            None => f.write_str("an unknown place"),
        }
    }
}

/// Nanoseconds as reports show them.
pub fn ms(nanoseconds: u64) -> u64 {
    nanoseconds / 1_000_000
}

/// The calling thread, whose context this is, has waited too long for a lock:
/// it reports itself. Thread context.
#[unsafe(export_name = "paddock_sync_lock_stalled")]
fn lock_stalled(context: &Context, lock: &LockMeta) {
    let waiter = thread::current();
    debug_assert!(core::ptr::eq(waiter.context(), context));
    let waited = locks::waited_for(context);
    thread::note_stolen_time();
    let now = crate::time::now();
    let lock = waited.unwrap_or_else(|| Lock::of(lock.record(), now));
    let waited = stolen::ran(lock.since, now);
    if waited < settings::lock_limit() {
        return;
    }
    let told = ReportWriter::begin(
        Severity::Report,
        Kind::BlockedOnLock,
        lock.address() as u64,
        format_args!("{} has waited {} ms for {lock}", Who(waiter), ms(waited)),
    );
    if let Some(writer) = told {
        about_alone(&writer, waiter);
    }
}

/// How long (ms) a lock has been waited for.
fn since(lock: &Lock) -> u64 {
    ms(crate::time::now().saturating_sub(lock.since))
}

/// A device has answered, and its interrupt, which the running thread has
/// waited for for `waited` nanoseconds, will not come, for the reason `why`.
/// Any context.
pub fn interrupt_missing(device: &str, interrupt: u32, why: &str, waited: u64) {
    report_writer::report(
        Kind::InterruptMissing,
        u64::from(interrupt),
        format_args!(
            "{device} has answered, but its interrupt {interrupt} {why}; {} has waited {} ms",
            Doing,
            ms(waited)
        ),
    );
}

/// The running thread as reports name it, and the step of the main loop if it
/// is in one.
pub struct Doing;

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thread = thread::current();
        Who(thread).fmt(f)?;
        match main_loop::thread() {
            Some(main_loop) if main_loop == thread => {
                write!(f, " in step {:?}", main_loop::current_step())
            }
            _ => Ok(()),
        }
    }
}

/// As [`about`], for a caller that does not look at the threads yet.
pub fn about_alone(writer: &ReportWriter, subject: &Thread) {
    thread::inspect(|threads| about(writer, threads, subject));
}

/// A report about a thread: whom it waits for, and its back-trace. Any context.
pub fn report_thread(kind: Kind, thread: &Thread, details: fmt::Arguments<'_>) {
    let cause = thread.id().to_u64();
    if let Some(writer) = ReportWriter::begin(Severity::Report, kind, cause, details) {
        about_alone(&writer, thread);
    }
}

/// The main loop's step, whom `subject` waits for, and the back-traces of all
/// threads of that chain.
pub fn about(writer: &ReportWriter, threads: &Threads, subject: &Thread) {
    let (step, since) = main_loop::current_step_since();
    let lasts = ms(crate::time::now().saturating_sub(since));
    writer.say(format_args!("main-loop step {step:?} for {lasts} ms"));
    let mut chain = Chain {
        threads,
        subject,
        writer,
        members: [None; MAX_LINKS + 1],
    };
    chain.tell();
}

/// Who waits for whom, as it is printed.
struct Chain<'a> {
    threads: &'a Threads,
    subject: &'a Thread,
    writer: &'a ReportWriter,
    members: [Option<&'a Thread>; MAX_LINKS + 1],
}

impl<'a> View for Chain<'a> {
    type Thread = &'a Thread;
    type Lock = Lock;

    fn waits_for(&mut self, thread: &'a Thread) -> Option<Lock> {
        if let Some(slot) = self.members.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(thread);
        }
        locks::waited_for(thread.context())
    }

    fn holder(&mut self, lock: Lock) -> Option<&'a Thread> {
        holder(self.threads, &lock)
    }
}

/// Who holds a lock: of several readers the first that is found.
fn holder<'a>(threads: &'a Threads, lock: &Lock) -> Option<&'a Thread> {
    if !lock.holder.is_null() {
        return threads.by_context(lock.holder);
    }
    let holds = |thread: &&Thread| locks::held(thread.context()).any(|held| held.is(lock));
    threads.iter().find(holds)
}

impl<'a> Chain<'a> {
    fn tell(&mut self) {
        let end = follow(self, self.subject, Self::tell_link);
        match end {
            End::Holder(thread) if thread != self.subject => {
                let state = thread.state();
                self.writer
                    .say(format_args!("{} is {state:?}", Who(thread)));
            }
            End::Cycle(thread) => self
                .writer
                .say(format_args!("{} waits for itself: a deadlock", Who(thread))),
            End::Holder(_) | End::Unheld => {}
            End::TooLong => self.writer.say(format_args!("and so on")),
        }
        for member in self.members.into_iter().flatten() {
            tell_thread(self.writer, member);
        }
    }

    fn tell_link(&mut self, waiter: &'a Thread, lock: Lock) {
        let waited = since(&lock);
        self.writer.say(format_args!(
            "{} has waited {waited} ms for {lock}",
            Who(waiter)
        ));
        let Some(holder) = holder(self.threads, &lock) else {
            return match lock.holder.is_null() {
                true => self.writer.say(format_args!("which is free")),
                false => self.writer.say(format_args!("which no known thread holds")),
            };
        };
        let taken = locks::held(holder.context()).find(|held| held.is(&lock));
        let at = taken.unwrap_or(lock).taken_at();
        self.writer
            .say(format_args!("which {} took at {at}", Who(holder)));
    }
}

/// The thread's section, if it is in one, what it holds, and its back-trace.
fn tell_thread(writer: &ReportWriter, thread: &Thread) {
    let own = *thread == *thread::current();
    if let Some(section) = section(thread, own) {
        writer.say(format_args!("{} has {section}", Who(thread)));
    }
    // The look at the threads is not what is reported.
    let reported = |lock: &Lock| !(own && lock.is_thread_table());
    for lock in locks::held(thread.context()).filter(reported) {
        let at = lock.taken_at();
        writer.say(format_args!("{} holds {lock}, taken at {at}", Who(thread)));
    }
    writer.say(format_args!("back-trace of {}:", Who(thread)));
    if own {
        return tell_places(writer, backtrace::of_current());
    }
    if let Some(places) = backtrace::of_waiting(thread) {
        return tell_places(writer, places);
    }
    match backtrace::ask(thread) {
        Ok(places) => tell_places(writer, places),
        Err(Silence) => writer.say(format_args!(
            "cpu {} takes no interrupts and does not tell",
            thread.cpu()
        )),
    }
}

/// The places of a back-trace.
pub fn tell_places(writer: &ReportWriter, places: impl Iterator<Item = Place>) {
    for (depth, place) in places.enumerate() {
        writer.trace(Line(depth, place));
    }
}

/// Where a thread's section without preemption began; that of the running one
/// before the present interrupt. A thread that does not run is in the switch's.
fn section(thread: &Thread, own: bool) -> Option<Section> {
    let (at, since) = match own {
        true => interrupted::frame().and_then(|_| interrupted::section())?,
        false if thread.is_on_cpu() => thread.context().section()?,
        false => return None,
    };
    Some(Section { at, since })
}

struct Section {
    at: &'static Location<'static>,
    since: u64,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasts = ms(crate::time::now().saturating_sub(self.since));
        write!(
            f,
            "preemption off for {lasts} ms since {}",
            At(Some(self.at))
        )
    }
}

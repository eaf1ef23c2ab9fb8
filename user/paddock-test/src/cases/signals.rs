//! Signals: handlers, masks, stacks, interrupted calls.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, Map, call};

static COUNT: AtomicU32 = AtomicU32::new(0);
static SENDER: AtomicI32 = AtomicI32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);
static STACK: AtomicUsize = AtomicUsize::new(0);
static ADDRESS: AtomicUsize = AtomicUsize::new(0);
static THREAD: AtomicI32 = AtomicI32::new(0);

extern "C" fn handler(_: i32, info: *const libc::siginfo_t, _: *const libc::c_void) {
    let here = 0u8;
    STACK.store((&raw const here).addr(), Ordering::SeqCst);
    // SAFETY: the kernel passes a siginfo to a handler with SA_SIGINFO.
    let (pid, code, address) = unsafe { ((*info).si_pid(), (*info).si_code, (*info).si_addr()) };
    SENDER.store(pid, Ordering::SeqCst);
    CODE.store(code, Ordering::SeqCst);
    ADDRESS.store(address.addr(), Ordering::SeqCst);
    THREAD.store(sys::tid(), Ordering::SeqCst);
    COUNT.fetch_add(1, Ordering::SeqCst);
}

/// Ends the process with 7 if `ADDRESS` was set beforehand to where it is.
extern "C" fn on_fault(_: i32, info: *const libc::siginfo_t, _: *const libc::c_void) {
    // SAFETY: the kernel passes a siginfo to a handler with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() };
    let same = address.addr() == ADDRESS.load(Ordering::SeqCst);
    let here = (&raw const same).addr();
    let stack = STACK.load(Ordering::SeqCst);
    let inside = stack == 0 || (stack..stack + ALTERNATE).contains(&here);
    // SAFETY: `_exit` is allowed in a handler.
    unsafe { libc::_exit(if same && inside { 7 } else { 8 }) }
}

const ALTERNATE: usize = 64 << 10;

type Handler = extern "C" fn(i32, *const libc::siginfo_t, *const libc::c_void);

fn catch(signal: i32, handler: Handler, flags: i32) -> Result<i32, Errno> {
    // SAFETY: an all-zero sigaction is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as libc::sighandler_t;
    action.sa_flags = flags | libc::SA_SIGINFO;
    call!(libc::sigaction(signal, &action, std::ptr::null_mut()))
}

fn set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: an all-zero set is valid; the calls only change it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        signals.iter().for_each(|signal| {
            libc::sigaddset(&mut set, *signal);
        });
        set
    }
}

fn mask(how: i32, signals: &[i32]) -> Result<i32, Errno> {
    call!(libc::sigprocmask(how, &set(signals), std::ptr::null_mut()))
}

fn count() -> u32 {
    COUNT.load(Ordering::SeqCst)
}

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    handlers(report)?;
    masks(report)?;
    flags(report)?;
    interrupted(report)?;
    suspended(report)?;
    faults(report)?;
    groups(report)?;
    in_threads(report)?;
    defaults(report)?;
    over_exec(report)
}

fn handlers(report: &mut Report) -> Outcome {
    catch(libc::SIGUSR1, handler, 0)?;
    sys::kill(own_pid(), libc::SIGUSR1)?;
    report.same("a handler runs before kill returns", count(), 1);
    report.same("who sent it", SENDER.load(Ordering::SeqCst), own_pid());
    report.same("how", CODE.load(Ordering::SeqCst), libc::SI_USER);
    for _ in 0..200 {
        sys::kill(own_pid(), libc::SIGUSR1)?;
    }
    report.same("and again, and again", count(), 201);
    report.refused("no such signal", sys::kill(own_pid(), 99), libc::EINVAL);
    report.refused("nobody", sys::kill(0x3fff_ffff, libc::SIGUSR1), libc::ESRCH);
    report.works("signal 0", sys::kill(own_pid(), 0));
    report.refused("KILL stays", catch(libc::SIGKILL, handler, 0), libc::EINVAL);
    Ok(())
}

fn masks(report: &mut Report) -> Outcome {
    let before = count();
    mask(libc::SIG_BLOCK, &[libc::SIGUSR1])?;
    sys::kill(own_pid(), libc::SIGUSR1)?;
    sys::kill(own_pid(), libc::SIGUSR1)?;
    report.same("a blocked signal waits", count(), before);
    let mut pending = set(&[]);
    call!(libc::sigpending(&mut pending))?;
    let member = call!(libc::sigismember(&pending, libc::SIGUSR1))?;
    report.same("and is pending", member, 1);
    let child = sys::in_child(|| {
        let mut pending = set(&[]);
        let asked = call!(libc::sigpending(&mut pending));
        let member = call!(libc::sigismember(&pending, libc::SIGUSR1));
        i32::from(!(asked.is_ok() && member == Ok(0)))
    })?;
    report.same("but not in a child", child, End::Exited(0));
    mask(libc::SIG_UNBLOCK, &[libc::SIGUSR1])?;
    report.same("twice counts once", count(), before + 1);
    mask(libc::SIG_BLOCK, &[libc::SIGKILL, libc::SIGSTOP])?;
    let mut now = set(&[]);
    call!(libc::sigprocmask(0, std::ptr::null(), &mut now))?;
    let member = call!(libc::sigismember(&now, libc::SIGKILL))?;
    report.same("KILL is never blocked", member, 0);
    Ok(())
}

/// Sends itself the signal again, the first time it runs.
extern "C" fn nested(signal: i32, _: *const libc::siginfo_t, _: *const libc::c_void) {
    let depth = COUNT.fetch_add(1, Ordering::SeqCst);
    if depth == 0 {
        let _ = sys::kill(own_pid(), signal);
        CODE.store(COUNT.load(Ordering::SeqCst).cast_signed(), Ordering::SeqCst);
    }
}

fn flags(report: &mut Report) -> Outcome {
    for (name, flags, during) in [
        ("blocked in its own handler", 0, 1),
        ("unless it is to nest", libc::SA_NODEFER, 2),
    ] {
        COUNT.store(0, Ordering::SeqCst);
        catch(libc::SIGUSR2, nested, flags)?;
        sys::kill(own_pid(), libc::SIGUSR2)?;
        report.same(name, (CODE.load(Ordering::SeqCst), count()), (during, 2));
    }
    let end = sys::in_child(|| {
        let _ = catch(libc::SIGUSR2, handler, libc::SA_RESETHAND);
        let _ = sys::kill(own_pid(), libc::SIGUSR2);
        let _ = sys::kill(own_pid(), libc::SIGUSR2);
        0
    })?;
    report.same("a handler for once", end, End::Killed(libc::SIGUSR2));
    Ok(())
}

/// A child that signals this process once it sleeps, and writes when the signal
/// has been taken and it sleeps again.
fn helper(signal: i32, writer: i32) -> Result<i32, Errno> {
    let parent = own_pid();
    let status = format!("/proc/{parent}/status");
    let taken = || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let pending = text.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
        pending.is_some_and(|bits| bits.trim().bytes().all(|digit| digit == b'0'))
    };
    sys::fork(|| {
        let done = sys::until_asleep(parent)
            .and_then(|()| sys::kill(parent, signal))
            .and_then(|_| sys::until(taken))
            .and_then(|()| sys::until_asleep(parent))
            .and_then(|()| sys::write(writer, b"x"));
        i32::from(done.is_err())
    })
}

fn interrupted(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let mut byte = [0];
    catch(libc::SIGUSR1, handler, 0)?;
    let child = helper(libc::SIGUSR1, writer)?;
    report.refused(
        "a read is interrupted",
        sys::read(reader, &mut byte),
        libc::EINTR,
    );
    report.same("and can be made again", sys::read(reader, &mut byte), Ok(1));
    sys::wait(child)?;

    catch(libc::SIGUSR1, handler, libc::SA_RESTART)?;
    let before = count();
    let child = helper(libc::SIGUSR1, writer)?;
    report.same("or is restarted", sys::read(reader, &mut byte), Ok(1));
    report.same("after the handler", count(), before + 1);
    sys::wait(child)?;

    let child = helper(libc::SIGUSR1, writer)?;
    let time = libc::timespec {
        tv_sec: 5000,
        tv_nsec: 0,
    };
    let mut left = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let slept = call!(libc::nanosleep(&time, &mut left));
    report.refused("a sleep is never restarted", slept, libc::EINTR);
    let near = (4900..5000).contains(&left.tv_sec);
    report.check("and tells what is left", near);
    sys::wait(child)?;
    sys::read(reader, &mut byte)?;

    let child = helper(libc::SIGUSR1, writer)?;
    let mut fd = libc::pollfd {
        fd: reader,
        events: libc::POLLIN,
        revents: 0,
    };
    let polled = call!(libc::poll(&mut fd, 1, 60_000));
    report.refused("nor is poll", polled, libc::EINTR);
    sys::wait(child)?;
    // SAFETY: to be ignored needs nothing of ours.
    unsafe { libc::signal(libc::SIGUSR2, libc::SIG_IGN) };
    let child = helper(libc::SIGUSR2, writer)?;
    report.same(
        "an ignored signal interrupts nothing",
        sys::wait(child)?,
        End::Exited(0),
    );
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(())
}

fn suspended(report: &mut Report) -> Outcome {
    catch(libc::SIGUSR1, handler, 0)?;
    mask(libc::SIG_BLOCK, &[libc::SIGUSR1])?;
    let before = count();
    sys::kill(own_pid(), libc::SIGUSR1)?;
    let open = set(&[]);
    report.refused("sigsuspend", call!(libc::sigsuspend(&open)), libc::EINTR);
    report.same("lets it in", count(), before + 1);
    sys::kill(own_pid(), libc::SIGUSR1)?;
    report.same("and closes again", count(), before + 1);
    let polled = call!(libc::ppoll(
        std::ptr::null_mut(),
        0,
        std::ptr::null(),
        &open
    ));
    report.refused("ppoll lets it in, too", polled, libc::EINTR);
    report.same("once", count(), before + 2);
    mask(libc::SIG_UNBLOCK, &[libc::SIGUSR1])?;
    Ok(())
}

fn faults(report: &mut Report) -> Outcome {
    let page = Map::new(
        4096,
        libc::PROT_NONE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        -1,
    )?;
    let stack = Map::memory(ALTERNATE)?;
    ADDRESS.store(page.start.addr() + 5, Ordering::SeqCst);
    STACK.store(0, Ordering::SeqCst);
    let end = sys::in_child(|| {
        let _ = catch(libc::SIGSEGV, on_fault, 0);
        i32::from(page.read(5))
    })?;
    report.same("a fault tells its address", end, End::Exited(7));
    let end = sys::in_child(|| {
        STACK.store(stack.start.addr(), Ordering::SeqCst);
        let alternate = libc::stack_t {
            ss_sp: stack.start.cast(),
            ss_flags: 0,
            ss_size: ALTERNATE,
        };
        let _ = call!(libc::sigaltstack(&alternate, std::ptr::null_mut()));
        let _ = catch(libc::SIGSEGV, on_fault, libc::SA_ONSTACK);
        i32::from(page.read(5))
    })?;
    report.same("on a stack of its own", end, End::Exited(7));
    let end = sys::in_child(|| {
        let _ = mask(libc::SIG_BLOCK, &[libc::SIGSEGV]);
        let _ = catch(libc::SIGSEGV, on_fault, 0);
        i32::from(page.read(5))
    })?;
    report.same("a blocked fault kills", end, End::Killed(libc::SIGSEGV));
    Ok(())
}

fn groups(report: &mut Report) -> Outcome {
    let mut children = Vec::new();
    let mut group = 0;
    for _ in 0..3 {
        let child = sys::fork(|| {
            sys::sleep_ms(10_000);
            0
        })?;
        call!(libc::setpgid(child, group))?;
        group = if group == 0 { child } else { group };
        children.push(child);
    }
    report.same("a group", call!(libc::getpgid(children[2])), Ok(group));
    sys::kill(-group, libc::SIGTERM)?;
    for child in children {
        report.same("all of it", sys::wait(child)?, End::Killed(libc::SIGTERM));
    }
    report.refused("then it is empty", sys::kill(-group, 0), libc::ESRCH);
    Ok(())
}

fn in_threads(report: &mut Report) -> Outcome {
    catch(libc::SIGUSR1, handler, libc::SA_RESTART)?;
    let before = count();
    let thread = std::thread::spawn(move || {
        let own = sys::tid();
        let sent = call!(libc::syscall(
            libc::SYS_tgkill,
            own_pid(),
            own,
            libc::SIGUSR1
        ));
        sent.is_ok() && THREAD.load(Ordering::SeqCst) == own && count() == before + 1
    });
    report.check("a signal to one thread", thread.join().unwrap_or(false));
    mask(libc::SIG_BLOCK, &[libc::SIGUSR1])?;
    THREAD.store(-1, Ordering::SeqCst);
    let inherited = std::thread::spawn(|| {
        let unblocked = mask(libc::SIG_UNBLOCK, &[libc::SIGUSR1]);
        unblocked.is_ok() && sys::until(|| THREAD.load(Ordering::SeqCst) != -1).is_ok()
    });
    sys::kill(own_pid(), libc::SIGUSR1)?;
    let good = inherited.join().unwrap_or(false);
    let taken = THREAD.load(Ordering::SeqCst);
    report.check(
        "the thread that lets it in takes it",
        good && taken != -1 && taken != own_pid(),
    );
    mask(libc::SIG_UNBLOCK, &[libc::SIGUSR1])?;
    Ok(())
}

fn defaults(report: &mut Report) -> Outcome {
    for (name, signal, end) in [
        ("TERM", libc::SIGTERM, End::Killed(libc::SIGTERM)),
        ("HUP", libc::SIGHUP, End::Killed(libc::SIGHUP)),
        ("KILL", libc::SIGKILL, End::Killed(libc::SIGKILL)),
        ("ALRM", libc::SIGALRM, End::Killed(libc::SIGALRM)),
        ("QUIT", libc::SIGQUIT, End::Killed(libc::SIGQUIT)),
        ("a real-time one", 40, End::Killed(40)),
        ("CHLD", libc::SIGCHLD, End::Exited(5)),
        ("WINCH", libc::SIGWINCH, End::Exited(5)),
        ("CONT", libc::SIGCONT, End::Exited(5)),
    ] {
        let found = sys::in_child(|| {
            // Whoever started this may ignore it, as nohup(1) does.
            // SAFETY: the default needs nothing of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            let _ = sys::kill(own_pid(), signal);
            5
        })?;
        report.same(&format!("the default of {name}"), found, end);
    }
    Ok(())
}

/// Over execve handlers go, what is ignored stays.
fn over_exec(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let child = sys::fork(|| {
        let _ = catch(libc::SIGTERM, handler, 0);
        // SAFETY: to be ignored needs nothing of ours.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        let null = call!(libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY)).unwrap_or(1);
        let _ = call!(libc::dup2(null, 1));
        sys::exec_self(&["sleep", "1", "5000"]);
        1
    })?;
    // The child's end is closed by execve.
    sys::close(writer)?;
    sys::read_to_end(reader)?;
    sys::close(reader)?;
    sys::kill(child, libc::SIGHUP)?;
    sys::sleep_ms(20);
    let none = sys::wait_with(child, libc::WNOHANG)?;
    report.same("what is ignored stays so over execve", none.0, 0);
    sys::kill(child, libc::SIGTERM)?;
    report.same(
        "a handler does not",
        sys::wait(child)?,
        End::Killed(libc::SIGTERM),
    );
    Ok(())
}

//! Processes, threads, programs and signals.

use super::Scene;
use crate::sys::{self, End, Errno, call};

pub fn forks(scene: &mut Scene) -> Result<(), Errno> {
    let memory = sys::Map::memory(65_536)?;
    memory.write(0, 5);
    let end = sys::in_child(|| i32::from(memory.read(0)))?;
    scene.same("the child", end, End::Exited(5));
    // What both have is copied when either writes.
    memory.write(0, 6);
    let child = sys::fork(|| {
        sys::sleep_ms(1000);
        0
    })?;
    let result = call!(libc::setpgid(child, child));
    let _ = sys::kill(child, libc::SIGKILL);
    scene.same(
        "the killed child",
        sys::wait(child),
        Ok(End::Killed(libc::SIGKILL)),
    );
    result.map(drop)
}

pub fn threads(scene: &mut Scene) -> Result<(), Errno> {
    let thread = std::thread::Builder::new()
        .stack_size(65_536)
        .spawn(|| 7)
        .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
    scene.same("the thread", thread.join().ok(), Some(7));
    Ok(())
}

/// What a child exits with whose execve was refused for want of memory.
const REFUSED: i32 = 77;

/// The execve is the child's: allocations are counted for it.
pub fn programs(scene: &mut Scene) -> Result<(), Errno> {
    let switch = super::Switch::open()?;
    switch.set("off")?;
    let number = scene.number;
    let end = sys::in_child(|| {
        if number.is_some_and(|number| switch.set(&number.to_string()).is_err()) {
            return 1;
        }
        match sys::exec(&super::files::path("/proc/self/exe"), &["exit", "0"]) {
            errno if super::expected(errno) => REFUSED,
            _ => 1,
        }
    })?;
    let allowed = [End::Exited(0), End::Exited(REFUSED)];
    scene.same("the program", allowed.contains(&end), true);
    Ok(())
}

pub fn signals(scene: &mut Scene) -> Result<(), Errno> {
    // SAFETY: all zeroes are a value of these plain structures.
    let (mut set, mut old): (libc::sigset_t, libc::sigset_t) =
        unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    call!(libc::sigemptyset(&mut set))?;
    call!(libc::sigaddset(&mut set, libc::SIGUSR1))?;
    call!(libc::sigaddset(&mut set, libc::SIGRTMIN()))?;
    call!(libc::sigprocmask(libc::SIG_BLOCK, &set, &mut old))?;
    let result = pending(scene, &set);
    call!(libc::sigprocmask(
        libc::SIG_SETMASK,
        &old,
        std::ptr::null_mut()
    ))?;
    result
}

fn pending(scene: &mut Scene, set: &libc::sigset_t) -> Result<(), Errno> {
    sys::kill(std::process::id() as i32, libc::SIGUSR1)?;
    let mut sent = 0;
    let mut result = Ok(());
    for value in 0..20usize {
        let value = libc::sigval {
            sival_ptr: std::ptr::without_provenance_mut(value),
        };
        match call!(libc::sigqueue(
            std::process::id() as i32,
            libc::SIGRTMIN(),
            value
        )) {
            Ok(_) => sent += 1,
            Err(errno) => {
                result = Err(errno);
                break;
            }
        }
    }
    let mut taken = 0;
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    while let Ok(signal) = call!(libc::sigtimedwait(set, std::ptr::null_mut(), &now)) {
        taken += i32::from(signal == libc::SIGRTMIN());
    }
    scene.same("signals in the queue", taken, sent);
    result
}

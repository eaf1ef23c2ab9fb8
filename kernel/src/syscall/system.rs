//! The system as a whole: uname(2), sysinfo(2), reboot(2), getrandom(2),
//! prctl(2), syslog(2).

use super::Call;
use super::buffers::with_chunk;
use crate::arch::user_access::copy_to_user;
use crate::console::log_ring::{LOG_CAPACITY, log_queue};
use crate::console::{LEVELS, kmsg};
use crate::process::uts::Uts;
use crate::process::{namespaces, terminals, tree, uts};
use crate::user_memory::read_bytes;
use crate::{config, cpus, machine, memory, power, random, thread, time};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use paddock_abi::process::*;
use paddock_abi::time::NANOS;
use paddock_abi::{Errno, Result};
use paddock_console::MOST;
use paddock_cred::Cap;
use paddock_sched::CpuMask;
use paddock_sync::NO_DEADLINE;

/// uname(2).
pub fn uname(call: &mut Call<'_>) -> Result<u64> {
    let uts = namespaces::uts();
    call.pointer::<Utsname>(0).write(&Utsname {
        sysname: Utsname::field(machine::sysname().as_bytes()),
        nodename: Utsname::field(&uts.hostname()?),
        release: Utsname::field(release(call).as_bytes()),
        version: Utsname::field(config::VERSION.as_bytes()),
        machine: Utsname::field(b"aarch64"),
        domainname: Utsname::field(&uts.domain()?),
    })?;
    Ok(0)
}

/// The release that the caller's personality is told.
fn release(call: &Call<'_>) -> &'static str {
    match call.process().personality.load(Ordering::Relaxed) & UNAME26 {
        0 => config::RELEASE,
        _ => config::RELEASE_26,
    }
}

/// A new name, from the caller's memory.
fn new_name(call: &Call<'_>, uts: &Uts) -> Result<Vec<u8>> {
    let own = call.thread.cred();
    own.require_in(uts.owner(), Cap::CAP_SYS_ADMIN)?;
    let length = usize::try_from(call.int(1)).ok();
    let length = length.filter(|&length| length <= uts::NAME_MAX);
    read_bytes(call.word(0), length.ok_or(Errno::EINVAL)?)
}

/// sethostname(2).
pub fn sethostname(call: &mut Call<'_>) -> Result<u64> {
    let uts = namespaces::uts();
    uts.set_hostname(new_name(call, &uts)?);
    Ok(0)
}

/// setdomainname(2).
pub fn setdomainname(call: &mut Call<'_>) -> Result<u64> {
    let uts = namespaces::uts();
    uts.set_domain(new_name(call, &uts)?);
    Ok(0)
}

/// sysinfo(2).
pub fn sysinfo(call: &mut Call<'_>) -> Result<u64> {
    const PAGE: u64 = 4096;
    let (total, free, _) = memory::frames::counts();
    let processes = tree().lock().len();
    call.pointer::<Sysinfo>(0).write(&Sysinfo {
        uptime: (time::now() / NANOS) as i64,
        totalram: total as u64 * PAGE,
        freeram: free as u64 * PAGE,
        procs: processes.min(usize::from(u16::MAX)) as u16,
        mem_unit: 1,
        ..Sysinfo::default()
    })?;
    Ok(0)
}

/// reboot(2). Programs are the caller's care, the disk is the kernel's.
pub fn reboot(call: &mut Call<'_>) -> Result<u64> {
    let (first, second, command) = (call.uint(0), call.uint(1), call.uint(2));
    if first != REBOOT_MAGIC1 || !REBOOT_MAGIC2.contains(&second) {
        return Err(Errno::EINVAL);
    }
    call.require(Cap::CAP_SYS_BOOT)?;
    match command {
        REBOOT_CAD_ON | REBOOT_CAD_OFF => Ok(0),
        REBOOT_RESTART | REBOOT_RESTART2 => {
            log::info!("reboot: asked for by process {}", call.process().pid);
            power::shut_down();
            power::reset()
        }
        REBOOT_HALT | REBOOT_POWER_OFF => {
            log::info!("power off: asked for by process {}", call.process().pid);
            power::shut_down();
            power::off()
        }
        _ => Err(Errno::EINVAL),
    }
}

/// getrandom(2).
pub fn getrandom(call: &mut Call<'_>) -> Result<u64> {
    let both = call.uint(2) & (GRND_RANDOM | GRND_INSECURE) == GRND_RANDOM | GRND_INSECURE;
    if both || call.uint(2) & !(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) != 0 {
        return Err(Errno::EINVAL);
    }
    let length = call.word(1).min(0x1ff_ffff);
    with_chunk(length, |chunk| {
        let mut done = 0;
        while done < length {
            let count = (length - done).min(chunk.len() as u64) as usize;
            random::fill(&mut chunk[..count]);
            copy_to_user(call.word(0).wrapping_add(done), &chunk[..count])?;
            done += count as u64;
        }
        Ok(done)
    })
}

const SYSLOG_READ: u32 = 2;
const SYSLOG_READ_ALL: u32 = 3;
const SYSLOG_READ_CLEAR: u32 = 4;
const SYSLOG_CLEAR: u32 = 5;
const SYSLOG_CONSOLE_OFF: u32 = 6;
const SYSLOG_CONSOLE_ON: u32 = 7;
/// Sets how important what the console shows must be.
const SYSLOG_CONSOLE_LEVEL: u32 = 8;
const SYSLOG_SIZE_UNREAD: u32 = 9;
const SYSLOG_SIZE_BUFFER: u32 = 10;

/// syslog(2): reading the kernel's log. `EPERM` without CAP_SYSLOG, as where
/// Linux's `dmesg_restrict` is set.
pub fn syslog(call: &mut Call<'_>) -> Result<u64> {
    let action = call.uint(0);
    call.require(Cap::CAP_SYSLOG)?;
    match action {
        SYSLOG_READ => read_new(call),
        SYSLOG_READ_ALL => read_log(call),
        SYSLOG_READ_CLEAR => {
            let read = read_log(call)?;
            kmsg::clear();
            Ok(read)
        }
        SYSLOG_CLEAR => {
            kmsg::clear();
            Ok(0)
        }
        SYSLOG_SIZE_UNREAD => Ok(kmsg::unread() as u64),
        SYSLOG_SIZE_BUFFER => Ok(LOG_CAPACITY as u64),
        // There is nothing to open and to close.
        0 | 1 => Ok(0),
        _ => set_console(action, call.int(2)).map(|()| 0),
    }
}

/// `EINVAL`.
fn set_console(action: u32, level: i32) -> Result<()> {
    match action {
        SYSLOG_CONSOLE_OFF => LEVELS.turn_off(),
        SYSLOG_CONSOLE_ON => LEVELS.turn_on(),
        SYSLOG_CONSOLE_LEVEL if (1..=i32::from(MOST)).contains(&level) => {
            LEVELS.set(level as u8);
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// A buffer for no more than the caller has room for, and for `most`. `EINVAL`, `ENOMEM`.
fn room(call: &Call<'_>, most: usize) -> Result<Vec<u8>> {
    let room = usize::try_from(call.int(2)).map_err(|_| Errno::EINVAL)?;
    if call.word(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let size = room.min(most);
    let mut text = Vec::new();
    text.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    text.resize(size, 0);
    Ok(text)
}

/// Waits for lines that nobody has read so, and gives them once. Sleeps.
fn read_new(call: &Call<'_>) -> Result<u64> {
    let mut text = room(call, LOG_CAPACITY)?;
    if text.is_empty() {
        return Ok(0);
    }
    let read = || Some(kmsg::read_new(&mut text)).filter(|&count| count > 0);
    let waited = log_queue().wait_interruptible(NO_DEADLINE, read);
    let count = waited.map_err(|_| Errno::ERESTARTSYS)?;
    copy_to_user(call.word(1), &text[..count])?;
    Ok(count as u64)
}

fn read_log(call: &Call<'_>) -> Result<u64> {
    let mut text = room(call, kmsg::text_size())?;
    // The newest, if there is not room for all.
    let count = kmsg::read_all(&mut text);
    copy_to_user(call.word(1), &text[..count])?;
    Ok(count as u64)
}

/// vhangup(2): the terminal that controls the caller's session is hung up, if one does.
pub fn vhangup(call: &mut Call<'_>) -> Result<u64> {
    call.require(Cap::CAP_SYS_TTY_CONFIG)?;
    let session = tree().lock().session(call.process().pid)?;
    if let Some(terminal) = terminals::all().controlling(session) {
        terminal.hang_up();
    }
    Ok(0)
}

/// rseq(2): not there, which every C library is prepared for.
pub fn rseq(_: &mut Call<'_>) -> Result<u64> {
    Err(Errno::ENOSYS)
}

/// membarrier(2): without restartable sequences and the commands for code.
pub fn membarrier(call: &mut Call<'_>) -> Result<u64> {
    const QUERY: u32 = 0;
    const GLOBAL: u32 = 1;
    const GLOBAL_EXPEDITED: u32 = 1 << 1;
    const PRIVATE_EXPEDITED: u32 = 1 << 3;
    const SUPPORTED: u64 = 0x1f;
    match (call.uint(0), call.uint(1)) {
        (QUERY, 0) => Ok(SUPPORTED),
        (command, 0) if command.is_power_of_two() && u64::from(command) & SUPPORTED != 0 => {
            // Registrations need nothing.
            if command & (GLOBAL | GLOBAL_EXPEDITED | PRIVATE_EXPEDITED) != 0 {
                visit_all_cpus();
            }
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Runs once on each CPU: whoever ran there was switched away from, which is
/// a barrier. Sleeps.
fn visit_all_cpus() {
    let thread = thread::current();
    let allowed = thread.affinity();
    for cpu in 0..cpus::online() {
        thread.set_affinity(CpuMask::only(cpu));
        while thread.cpu() != cpu {
            thread::yield_now();
        }
    }
    thread.set_affinity(allowed);
    thread::yield_now();
}

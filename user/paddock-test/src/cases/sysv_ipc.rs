//! IPC of System V: shared memory, semaphores and message queues.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Errno, call};

const IPC_STAT: i32 = libc::IPC_STAT;
const PAGE: usize = 4096;
/// The kernel's number of `SHM_STAT_ANY`.
const SHM_STAT_ANY: i32 = 15;
/// `SHM_DEST` of `shm_perm.mode`.
const SHM_DEST: u32 = 0o1000;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    segments(report)?;
    attachments(report)?;
    semaphores(report)?;
    sleepers(report)?;
    messages(report)?;
    Ok(())
}

/// A key that nobody else uses.
fn key(number: i32) -> i32 {
    (std::process::id() as i32) << 4 | number
}

fn shmget(key: i32, size: usize, flags: i32) -> Result<i32, Errno> {
    call!(libc::shmget(key, size, flags))
}

fn shmat(id: i32, address: usize, flags: i32) -> Result<*mut u8, Errno> {
    let address = std::ptr::without_provenance(address);
    Ok(call!(libc::shmat(id, address, flags))?.cast())
}

fn shmdt(address: *const u8) -> Result<i32, Errno> {
    call!(libc::shmdt(address.cast()))
}

fn shm_stat(id: i32, command: i32) -> Result<(i32, libc::shmid_ds), Errno> {
    // SAFETY: plain numbers.
    let mut about: libc::shmid_ds = unsafe { std::mem::zeroed() };
    let result = call!(libc::shmctl(id, command, &mut about))?;
    Ok((result, about))
}

fn shm_remove(id: i32) -> Result<i32, Errno> {
    call!(libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()))
}

fn attached(id: i32) -> Result<u64, Errno> {
    Ok(shm_stat(id, IPC_STAT)?.1.shm_nattch)
}

/// What is at an address.
fn load(at: *const u8) -> u8 {
    // SAFETY: memory that is attached.
    unsafe { at.read_volatile() }
}

fn store(at: *mut u8, value: u8) {
    // SAFETY: memory that is attached.
    unsafe { at.write_volatile(value) }
}

fn segments(report: &mut Report) -> Outcome {
    let create = libc::IPC_CREAT | 0o600;
    report.refused("shmget: no such key", shmget(key(1), 10, 0), libc::ENOENT);
    report.refused(
        "shmget: of nothing",
        shmget(key(1), 0, create),
        libc::EINVAL,
    );
    let huge = shmget(key(1), usize::MAX, create);
    report.refused("shmget: too long", huge, libc::EINVAL);
    let id = shmget(key(1), PAGE + 1, create)?;
    report.same("shmget: finds it", shmget(key(1), 0, 0o600), Ok(id));
    let longer = shmget(key(1), PAGE + 2, 0o600);
    report.refused("shmget: longer than it is", longer, libc::EINVAL);
    let again = shmget(key(1), 10, create | libc::IPC_EXCL);
    report.refused("shmget: once more", again, libc::EEXIST);
    let (_, about) = shm_stat(id, IPC_STAT)?;
    let own = std::process::id() as i32;
    report.same("IPC_STAT: size", about.shm_segsz, PAGE + 1);
    report.same("IPC_STAT: maker", about.shm_cpid, own);
    report.same("IPC_STAT: mode", u32::from(about.shm_perm.mode), 0o600);
    report.check("IPC_STAT: changed", about.shm_ctime > 0);
    let list = std::fs::read_to_string("/proc/sysvipc/shm").map_err(|error| error.to_string())?;
    let line = list.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(1) == Some(&id.to_string().as_str()))
            .then(|| [0, 3].map(|column| words[column].to_owned()))
    });
    let expected = Some([key(1).to_string(), (PAGE + 1).to_string()]);
    report.same("/proc/sysvipc/shm", line, expected);
    let (found, _) = shm_stat(id & 0x7fff, SHM_STAT_ANY)?;
    report.same("SHM_STAT_ANY", found, id);
    report.refused("shmctl: no such command", shm_stat(id, 99), libc::EINVAL);
    report.refused("shmat: no such segment", shmat(-1, 0, 0), libc::EINVAL);
    report.refused("shmat: a bad address", shmat(id, 1, 0), libc::EINVAL);
    let anywhere = shmat(id, 0, libc::SHM_REMAP);
    report.refused("shmat: remapped anywhere", anywhere, libc::EINVAL);
    report.refused(
        "shmdt: nothing there",
        shmdt(std::ptr::null()),
        libc::EINVAL,
    );
    let by_nobody = {
        let key = key(1);
        sys::in_child(|| as_nobody(id, key))
    }?;
    report.same("nobody may not", by_nobody, End::Exited(0));
    report.works("IPC_RMID", shm_remove(id));
    report.refused("IPC_RMID: gone", shm_remove(id), libc::EINVAL);
    report.refused("IPC_STAT: gone", attached(id), libc::EINVAL);
    Ok(())
}

/// What a process of another user finds, if this one may make one.
fn as_nobody(id: i32, key: i32) -> i32 {
    let own = call!(libc::setresuid(65534, 65534, 65534));
    if own.is_err() {
        return 0;
    }
    let is = |found: Result<(), Errno>, errno| found == Err(Errno(errno));
    let good = is(shmat(id, 0, 0).map(drop), libc::EACCES)
        && is(shmget(key, 0, 0o600).map(drop), libc::EACCES)
        && is(shm_stat(id, IPC_STAT).map(drop), libc::EACCES)
        && is(shm_remove(id).map(drop), libc::EPERM);
    i32::from(!good)
}

fn attachments(report: &mut Report) -> Outcome {
    let id = shmget(libc::IPC_PRIVATE, 3 * PAGE, 0o600)?;
    let first = shmat(id, 0, 0)?;
    let second = shmat(id, 0, libc::SHM_RDONLY)?;
    store(first.wrapping_add(PAGE), 7);
    report.same("both show one page", load(second.wrapping_add(PAGE)), 7);
    report.same("two attachments", attached(id)?, 2);
    let writable = call!(libc::mprotect(second.cast(), PAGE, libc::PROT_WRITE));
    report.refused("SHM_RDONLY stays so", writable, libc::EACCES);
    let end = sys::in_child(|| {
        let count = attached(id);
        store(first, 9);
        i32::from(count != Ok(4)) | i32::from(shmdt(first).is_err()) << 1
    })?;
    report.same("a child has both too", end, End::Exited(0));
    report.same("and gave them back", attached(id)?, 2);
    report.same("and wrote", load(second), 9);
    report.works("munmap of the middle", {
        call!(libc::munmap(first.wrapping_add(PAGE).cast(), PAGE))
    });
    report.same("two pieces and one", attached(id)?, 3);
    report.works("shmdt of both pieces", shmdt(first));
    report.same("one is left", attached(id)?, 1);
    report.refused("shmdt: once more", shmdt(first), libc::EINVAL);
    let there = second.addr();
    let taken = shmat(id, there, 0);
    report.refused("shmat: where something is", taken, libc::EINVAL);
    let over = shmat(id, there + 1, libc::SHM_RND | libc::SHM_REMAP)?;
    report.same("SHM_RND, SHM_REMAP", over.addr(), there);
    report.same("took the other's place", attached(id)?, 1);
    report.works("IPC_RMID", shm_remove(id));
    let (_, about) = shm_stat(id, IPC_STAT)?;
    let mode = u32::from(about.shm_perm.mode);
    report.same("SHM_DEST", mode & SHM_DEST, SHM_DEST);
    report.same("still there", load(over), 9);
    // Attached once more by whoever knows it.
    let again = shmat(id, 0, 0)?;
    report.works("shmdt", shmdt(over));
    report.works("shmdt of the last", shmdt(again));
    report.refused("gone with that", attached(id), libc::EINVAL);
    Ok(())
}

fn semget(key: i32, count: i32, flags: i32) -> Result<i32, Errno> {
    call!(libc::semget(key, count, flags))
}

fn semctl(id: i32, number: i32, command: i32, value: i32) -> Result<i32, Errno> {
    call!(libc::semctl(id, number, command, value))
}

fn sem_remove(id: i32) -> Result<i32, Errno> {
    semctl(id, 0, libc::IPC_RMID, 0)
}

fn op(number: u16, change: i16, flags: i32) -> libc::sembuf {
    libc::sembuf {
        sem_num: number,
        sem_op: change,
        sem_flg: flags as i16,
    }
}

fn semop(id: i32, operations: &mut [libc::sembuf]) -> Result<i32, Errno> {
    call!(libc::semop(id, operations.as_mut_ptr(), operations.len()))
}

/// semtimedop(2), in milliseconds.
fn semop_for(id: i32, operations: &mut [libc::sembuf], ms: i64) -> Result<i64, Errno> {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: ms * 1_000_000,
    };
    let count = operations.len();
    let all = operations.as_mut_ptr();
    call!(libc::syscall(libc::SYS_semtimedop, id, all, count, &time))
}

fn value(id: i32, number: i32) -> Result<i32, Errno> {
    semctl(id, number, libc::GETVAL, 0)
}

/// Waits until so many wait for a semaphore, by `GETNCNT` or `GETZCNT`.
fn wait_for(id: i32, number: i32, command: i32, count: i32) -> Outcome {
    while semctl(id, number, command, 0)? != count {
        sys::sleep_ms(1);
    }
    Ok(())
}

fn semaphores(report: &mut Report) -> Outcome {
    let nowait = libc::IPC_NOWAIT;
    let create = libc::IPC_CREAT | 0o600;
    report.refused("semget: no such key", semget(key(2), 1, 0), libc::ENOENT);
    report.refused("semget: of none", semget(key(2), 0, create), libc::EINVAL);
    report.refused("semget: of less", semget(key(2), -1, create), libc::EINVAL);
    let many = semget(key(2), 1 << 20, create);
    report.refused("semget: too many", many, libc::EINVAL);
    let id = semget(key(2), 3, create)?;
    report.same("semget: finds it", semget(key(2), 0, 0), Ok(id));
    report.refused("semget: more", semget(key(2), 4, 0), libc::EINVAL);
    report.refused("semop: of none", semop(id, &mut []), libc::EINVAL);
    let all = &mut vec![op(0, 0, 0); 501];
    report.refused("semop: too many", semop(id, all), libc::E2BIG);
    let beyond = semop(id, &mut [op(3, 1, 0)]);
    report.refused("semop: no such semaphore", beyond, libc::EFBIG);
    let all = &mut [op(0, 5, 0), op(1, 1, 0), op(2, -1, nowait)];
    report.refused("semop: all or none", semop(id, all), libc::EAGAIN);
    report.same("nothing was done", value(id, 0), Ok(0));
    report.works("semop", semop(id, &mut all[..2]));
    report.same("GETVAL", (value(id, 0), value(id, 1)), (Ok(5), Ok(1)));
    let own = std::process::id() as i32;
    report.same("GETPID", semctl(id, 0, libc::GETPID, 0), Ok(own));
    let beyond = semctl(id, 3, libc::GETVAL, 0);
    report.refused("GETVAL: no such semaphore", beyond, libc::EINVAL);
    let over = semctl(id, 0, libc::SETVAL, 32_768);
    report.refused("SETVAL: too much", over, libc::ERANGE);
    report.works("SETVAL", semctl(id, 0, libc::SETVAL, 32_767));
    let over = semop(id, &mut [op(0, 1, 0)]);
    report.refused("semop: too much", over, libc::ERANGE);
    let zero = semop(id, &mut [op(0, 0, nowait)]);
    report.refused("semop: not zero", zero, libc::EAGAIN);
    let mut values = [1u16, 2, 3];
    report.works("SETALL", {
        call!(libc::semctl(id, 0, libc::SETALL, values.as_mut_ptr()))
    });
    values = [0; 3];
    report.works("GETALL", {
        call!(libc::semctl(id, 0, libc::GETALL, values.as_mut_ptr()))
    });
    report.same("the values", values, [1, 2, 3]);
    let late = semop_for(id, &mut [op(0, -2, 0)], 5);
    report.refused("semtimedop: in vain", late, libc::EAGAIN);
    let bad = semop_for(id, &mut [op(0, -2, 0)], 1000);
    report.refused("semtimedop: no time", bad, libc::EINVAL);
    let end = sys::in_child(|| {
        let undo = libc::SEM_UNDO;
        let done = semop(id, &mut [op(1, -2, undo), op(2, 1, undo), op(0, 1, 0)]);
        i32::from(done.is_err() || value(id, 1) != Ok(0))
    })?;
    report.same("a child with SEM_UNDO", end, End::Exited(0));
    let now = [value(id, 0), value(id, 1), value(id, 2)];
    report.same("its end undid that", now, [Ok(2), Ok(2), Ok(3)]);
    report.works("IPC_RMID", sem_remove(id));
    report.refused("semop: gone", semop(id, &mut [op(0, 1, 0)]), libc::EINVAL);
    Ok(())
}

extern "C" fn nothing(_: i32) {}

fn sleepers(report: &mut Report) -> Outcome {
    let id = semget(libc::IPC_PRIVATE, 2, 0o600)?;
    let both = sys::fork(|| {
        let done = semop(id, &mut [op(0, -1, 0), op(1, -1, 0)]);
        i32::from(done.is_err())
    })?;
    wait_for(id, 0, libc::GETNCNT, 1)?;
    semop(id, &mut [op(0, 1, 0)])?;
    wait_for(id, 1, libc::GETNCNT, 1)?;
    report.same("still there", value(id, 0), Ok(1));
    semop(id, &mut [op(1, 1, 0)])?;
    report.same("one for two", sys::wait(both)?, End::Exited(0));
    report.same(
        "both are taken",
        (value(id, 0), value(id, 1)),
        (Ok(0), Ok(0)),
    );
    semop(id, &mut [op(0, 1, 0)])?;
    let zero = sys::fork(|| i32::from(semop(id, &mut [op(0, 0, 0)]).is_err()))?;
    wait_for(id, 0, libc::GETZCNT, 1)?;
    semop(id, &mut [op(0, -1, 0)])?;
    report.same("one for zero", sys::wait(zero)?, End::Exited(0));
    // A call that a signal ends is not made again, whatever SA_RESTART says.
    let interrupted = sys::fork(|| {
        // SAFETY: plain numbers, and a handler that does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
        let ready = semop(id, &mut [op(1, 1, 0)]);
        let ended = semop(id, &mut [op(0, -1, 0)]);
        i32::from(ready.is_err() || ended != Err(Errno(libc::EINTR)))
    })?;
    wait_for(id, 0, libc::GETNCNT, 1)?;
    sys::kill(interrupted, libc::SIGUSR1)?;
    report.same("EINTR", sys::wait(interrupted)?, End::Exited(0));
    report.same("nobody waits", semctl(id, 0, libc::GETNCNT, 0), Ok(0));
    let removed = sys::fork(|| {
        let ended = semop(id, &mut [op(0, -1, 0)]);
        i32::from(ended != Err(Errno(libc::EIDRM)))
    })?;
    wait_for(id, 0, libc::GETNCNT, 1)?;
    sem_remove(id)?;
    report.same("EIDRM", sys::wait(removed)?, End::Exited(0));
    Ok(())
}

/// A message as msgsnd(2) takes it.
#[repr(C)]
struct Message {
    kind: i64,
    text: [u8; 8200],
}

impl Message {
    fn new(kind: i64, byte: u8) -> Message {
        Message {
            kind,
            text: [byte; 8200],
        }
    }
}

fn msgget(key: i32, flags: i32) -> Result<i32, Errno> {
    call!(libc::msgget(key, flags))
}

fn msgsnd(id: i32, message: &Message, bytes: usize, flags: i32) -> Result<i32, Errno> {
    let place = std::ptr::from_ref(message).cast();
    call!(libc::msgsnd(id, place, bytes, flags))
}

/// Its type, length and first byte.
fn msgrcv(id: i32, most: usize, kind: i64, flags: i32) -> Result<(i64, usize, u8), Errno> {
    let mut message = Message::new(0, 0);
    let place = std::ptr::from_mut(&mut message).cast();
    let count = call!(libc::msgrcv(id, place, most, kind, flags))?;
    Ok((message.kind, count.unsigned_abs(), message.text[0]))
}

fn msg_stat(id: i32) -> Result<libc::msqid_ds, Errno> {
    // SAFETY: plain numbers.
    let mut about: libc::msqid_ds = unsafe { std::mem::zeroed() };
    call!(libc::msgctl(id, libc::IPC_STAT, &mut about))?;
    Ok(about)
}

fn messages(report: &mut Report) -> Outcome {
    let nowait = libc::IPC_NOWAIT;
    report.refused("msgget: no such key", msgget(key(3), 0), libc::ENOENT);
    let id = msgget(key(3), libc::IPC_CREAT | 0o600)?;
    report.same("msgget: finds it", msgget(key(3), 0o600), Ok(id));
    let bad = msgsnd(id, &Message::new(0, 1), 1, 0);
    report.refused("msgsnd: no type", bad, libc::EINVAL);
    let long = msgsnd(id, &Message::new(1, 1), 8193, 0);
    report.refused("msgsnd: too long", long, libc::EINVAL);
    let none = msgrcv(id, 10, 0, nowait);
    report.refused("msgrcv: none", none, libc::ENOMSG);
    for (kind, byte) in [(3, b'a'), (1, b'b'), (2, b'c'), (1, b'd')] {
        msgsnd(id, &Message::new(kind, byte), 10, 0)?;
    }
    let about = msg_stat(id)?;
    let own = std::process::id() as i32;
    report.same("IPC_STAT: messages", about.msg_qnum, 4);
    report.same("IPC_STAT: sender", about.msg_lspid, own);
    report.check("IPC_STAT: sent", about.msg_stime > 0);
    report.refused("msgrcv: too long", msgrcv(id, 9, 0, 0), libc::E2BIG);
    report.same("of a type", msgrcv(id, 10, 2, 0), Ok((2, 10, b'c')));
    report.same("the lowest", msgrcv(id, 10, -2, 0), Ok((1, 10, b'b')));
    report.refused("of none", msgrcv(id, 10, 2, nowait), libc::ENOMSG);
    let other = msgrcv(id, 10, 3, libc::MSG_EXCEPT);
    report.same("of another type", other, Ok((1, 10, b'd')));
    let cut = msgrcv(id, 4, 0, libc::MSG_NOERROR);
    report.same("cut", cut, Ok((3, 4, b'a')));
    waiting_messages(report, id)
}

fn waiting_messages(report: &mut Report, id: i32) -> Outcome {
    let receiver = sys::fork(|| {
        let found = msgrcv(id, 10, 5, 0);
        i32::from(found != Ok((5, 3, b'x')))
    })?;
    msgsnd(id, &Message::new(4, b'w'), 3, 0)?;
    msgsnd(id, &Message::new(5, b'x'), 3, 0)?;
    report.same("a receiver", sys::wait(receiver)?, End::Exited(0));
    report.same("the other stays", msgrcv(id, 10, 0, 0), Ok((4, 3, b'w')));
    for _ in 0..2 {
        msgsnd(id, &Message::new(1, b'f'), 8192, 0)?;
    }
    let full = msgsnd(id, &Message::new(1, 1), 1, libc::IPC_NOWAIT);
    report.refused("msgsnd: full", full, libc::EAGAIN);
    let sender = sys::fork(|| i32::from(msgsnd(id, &Message::new(2, b's'), 1, 0).is_err()))?;
    report.works("msgrcv", msgrcv(id, 8192, 0, 0));
    report.same("a sender", sys::wait(sender)?, End::Exited(0));
    report.same("its message", msgrcv(id, 1, 2, 0), Ok((2, 1, b's')));
    let removed = sys::fork(|| {
        let ended = msgrcv(id, 10, 9, 0);
        let good = [libc::EIDRM, libc::EINVAL].map(|errno| Err(Errno(errno)));
        i32::from(!good.contains(&ended))
    })?;
    call!(libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()))?;
    report.same("removed meanwhile", sys::wait(removed)?, End::Exited(0));
    report.refused("IPC_STAT: gone", msg_stat(id).map(drop), libc::EINVAL);
    Ok(())
}

//! System calls with their errno, and child processes.

use std::ffi::CString;
use std::fmt;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A Linux error number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::io::Error::from_raw_os_error(self.0))
    }
}

impl From<Errno> for String {
    fn from(errno: Errno) -> Self {
        format!("{errno:?}")
    }
}

/// A result of the C library's: -1 becomes the errno.
pub trait Outcome: Copy {
    fn is_error(self) -> bool;
}

impl Outcome for i32 {
    fn is_error(self) -> bool {
        self == -1
    }
}

impl Outcome for i64 {
    fn is_error(self) -> bool {
        self == -1
    }
}

impl Outcome for isize {
    fn is_error(self) -> bool {
        self == -1
    }
}

impl<T> Outcome for *mut T {
    fn is_error(self) -> bool {
        self.addr() == usize::MAX
    }
}

pub fn errno() -> i32 {
    // SAFETY: the thread's errno is always there.
    unsafe { *libc::__errno_location() }
}

pub fn checked<T: Outcome>(result: T) -> Result<T, Errno> {
    if result.is_error() {
        Err(Errno(errno()))
    } else {
        Ok(result)
    }
}

/// Makes one call of the C library and gives back its result or errno.
///
/// The callers pass memory of their own that lives for the call, or a bad
/// address on purpose, which the kernel must refuse.
macro_rules! call {
    ($call:expr) => {
        // SAFETY: memory that is passed is the caller's own for the whole
        // call, or is not memory at all and for the kernel to refuse.
        $crate::sys::checked(unsafe { $call })
    };
}
pub(crate) use call;

/// How a child ended or what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Killed(i32),
    Stopped(i32),
    Continued,
}

impl End {
    pub fn of(status: i32) -> End {
        if libc::WIFEXITED(status) {
            End::Exited(libc::WEXITSTATUS(status))
        } else if libc::WIFSIGNALED(status) {
            End::Killed(libc::WTERMSIG(status))
        } else if libc::WIFSTOPPED(status) {
            End::Stopped(libc::WSTOPSIG(status))
        } else {
            End::Continued
        }
    }
}

/// Forks a child that runs `body` and exits with its result.
pub fn fork(body: impl FnOnce() -> i32) -> Result<i32, Errno> {
    // What is buffered must not be printed twice.
    let _ = std::io::stdout().flush();
    let pid = call!(libc::fork())?;
    if pid == 0 {
        let status = body();
        let _ = std::io::stdout().flush();
        // SAFETY: ends the process without running anything else.
        unsafe { libc::_exit(status) }
    }
    Ok(pid)
}

pub fn wait(pid: i32) -> Result<End, Errno> {
    wait_with(pid, 0).map(|(_, end)| end)
}

/// `waitpid`; the pid is 0 if nothing has happened.
pub fn wait_with(pid: i32, flags: i32) -> Result<(i32, End), Errno> {
    let mut status = 0;
    let pid = call!(libc::waitpid(pid, &mut status, flags))?;
    Ok((pid, End::of(status)))
}

/// Forks, runs `body` in the child, and tells how the child ended.
pub fn in_child(body: impl FnOnce() -> i32) -> Result<End, Errno> {
    wait(fork(body)?)
}

pub fn kill(pid: i32, signal: i32) -> Result<i32, Errno> {
    call!(libc::kill(pid, signal))
}

/// Two ends of a new pipe: reading, writing.
pub fn pipe() -> Result<[i32; 2], Errno> {
    let mut ends = [0; 2];
    call!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
    Ok(ends)
}

pub fn close(fd: i32) -> Result<i32, Errno> {
    call!(libc::close(fd))
}

pub fn read(fd: i32, bytes: &mut [u8]) -> Result<usize, Errno> {
    let count = call!(libc::read(fd, bytes.as_mut_ptr().cast(), bytes.len()))?;
    Ok(count.unsigned_abs())
}

pub fn write(fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
    let count = call!(libc::write(fd, bytes.as_ptr().cast(), bytes.len()))?;
    Ok(count.unsigned_abs())
}

/// Writes everything, however often that takes.
pub fn write_all(fd: i32, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let count = write(fd, bytes)?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Reads to the end.
pub fn read_to_end(fd: i32) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    let mut bytes = vec![0; 65_536];
    loop {
        match read(fd, &mut bytes)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&bytes[..count]),
        }
    }
}

pub fn set_nonblocking(fd: i32, on: bool) -> Result<i32, Errno> {
    let flags = call!(libc::fcntl(fd, libc::F_GETFL))?;
    let flags = if on {
        flags | libc::O_NONBLOCK
    } else {
        flags & !libc::O_NONBLOCK
    };
    call!(libc::fcntl(fd, libc::F_SETFL, flags))
}

pub fn sleep_ms(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}

/// The calling thread's number.
pub fn tid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::gettid() }
}

/// Waits until a process or thread sleeps in a call that signals may interrupt,
/// as proc_pid_stat(5) tells; a minute at most.
pub fn until_asleep(id: i32) -> Result<(), Errno> {
    let stat = format!("/proc/{id}/stat");
    until(|| {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        let behind_name = text.rsplit(')').next().unwrap_or_default();
        behind_name.trim_start().starts_with('S')
    })
}

/// Looks for a condition until it is so, a minute at most.
///
/// # Errors
/// `ETIMEDOUT` after that.
pub fn until(mut so: impl FnMut() -> bool) -> Result<(), Errno> {
    let begun = std::time::Instant::now();
    while !so() {
        if begun.elapsed().as_secs() >= 60 {
            return Err(Errno(libc::ETIMEDOUT));
        }
        sleep_ms(1);
    }
    Ok(())
}

/// Executes this program with other arguments in place of this process.
/// Returns only on failure.
pub fn exec_self(words: &[&str]) -> Errno {
    let program = std::env::current_exe().map(Into::into);
    let Some(program) = program.ok().or_else(|| std::env::args_os().next()) else {
        return Errno(libc::ENOENT);
    };
    let Ok(program) = CString::new(program.as_bytes()) else {
        return Errno(libc::EINVAL);
    };
    exec(&program, words)
}

/// Executes `program` with `words` behind its name and no environment.
pub fn exec(program: &CString, words: &[&str]) -> Errno {
    let words: Result<Vec<CString>, _> = words.iter().map(|word| CString::new(*word)).collect();
    let Ok(words) = words else {
        return Errno(libc::EINVAL);
    };
    let mut arguments = vec![program.as_ptr()];
    arguments.extend(words.iter().map(|word| word.as_ptr()));
    arguments.push(std::ptr::null());
    let nothing = [std::ptr::null()];
    // SAFETY: all are texts and null-terminated arrays that live for the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), nothing.as_ptr()) };
    Errno(errno())
}

/// Runs this program with other arguments as a child.
pub fn run_self(words: &[&str]) -> Result<End, Errno> {
    in_child(|| {
        println!("cannot execute: {:?}", exec_self(words));
        127
    })
}

/// A page of memory, or several; unmapped when dropped.
pub struct Map {
    pub start: *mut u8,
    pub length: usize,
}

impl Map {
    pub fn new(length: usize, protection: i32, flags: i32, fd: i32) -> Result<Map, Errno> {
        let nowhere = std::ptr::null_mut();
        let start = call!(libc::mmap(nowhere, length, protection, flags, fd, 0))?;
        let start = start.cast();
        Ok(Map { start, length })
    }

    /// Anonymous, private, readable and writable.
    pub fn memory(length: usize) -> Result<Map, Errno> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        Map::new(length, libc::PROT_READ | libc::PROT_WRITE, flags, -1)
    }

    pub fn protect(&self, offset: usize, length: usize, protection: i32) -> Result<i32, Errno> {
        call!(libc::mprotect(
            self.start.wrapping_add(offset).cast(),
            length,
            protection
        ))
    }

    /// The address of a byte of it.
    pub fn address(&self, offset: usize) -> *const libc::c_void {
        self.start.wrapping_add(offset).cast()
    }

    pub fn read(&self, offset: usize) -> u8 {
        assert!(offset < self.length);
        // SAFETY: inside the mapping. If it is not readable, the signal that
        // follows is what the caller is after.
        unsafe { self.start.add(offset).read_volatile() }
    }

    /// Reads until it is full, or there is no more.
    pub fn fill_from(&self, fd: i32) -> Result<(), Errno> {
        let mut done = 0;
        while done < self.length {
            let rest = self.start.wrapping_add(done).cast();
            match call!(libc::read(fd, rest, self.length - done))? {
                0 => break,
                count => done += count as usize,
            }
        }
        Ok(())
    }

    pub fn write(&self, offset: usize, value: u8) {
        assert!(offset < self.length);
        // SAFETY: inside the mapping, which nothing else refers to.
        unsafe { self.start.add(offset).write_volatile(value) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}

/// Pseudo-random bytes that are the same everywhere (xorshift64).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .collect();
        bytes.truncate(count);
        bytes
    }
}

/// FNV-1a, 64 bits: enough to notice a byte that is wrong or out of place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hash(pub u64);

impl Hash {
    pub fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Hash::new();
        hash.add(bytes);
        hash
    }
}

/// A set of signals.
pub fn signal_set(all: &[i32]) -> libc::sigset_t {
    // SAFETY: a set is plain bits, and the calls only change it.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in all {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// Has the calling thread wait for these signals rather than be interrupted.
pub fn block_signals(all: &[i32]) -> Result<(), Errno> {
    let set = signal_set(all);
    call!(libc::sigprocmask(
        libc::SIG_BLOCK,
        &set,
        std::ptr::null_mut()
    ))?;
    Ok(())
}

/// Has a connection reset when it is closed.
pub fn reset_on_close(stream: &TcpStream) -> std::io::Result<()> {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let set = call!(libc::setsockopt(
        stream.as_raw_fd(),
        libc::SOL_SOCKET,
        libc::SO_LINGER,
        (&raw const linger).cast(),
        size_of_val(&linger) as u32
    ));
    set.map(drop)
        .map_err(|Errno(error)| std::io::Error::from_raw_os_error(error))
}

/// A path as calls take it.
pub fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

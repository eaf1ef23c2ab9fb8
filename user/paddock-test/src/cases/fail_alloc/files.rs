//! Files, names, locks and pipes.

use super::Scene;
use crate::sys::{self, Errno, call};
use std::ffi::CString;

/// A descriptor that is closed at the end.
pub struct Fd(pub i32);

impl Drop for Fd {
    fn drop(&mut self) {
        let _ = sys::close(self.0);
    }
}

pub fn path(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

pub fn open(name: &str, flags: i32) -> Result<Fd, Errno> {
    call!(libc::open(
        path(name).as_ptr(),
        flags | libc::O_CLOEXEC,
        0o644
    ))
    .map(Fd)
}

pub fn in_memory(scene: &mut Scene) -> Result<(), Errno> {
    in_folder(scene, "/tmp/fail-alloc")
}

pub fn on_disk(scene: &mut Scene) -> Result<(), Errno> {
    in_folder(scene, "/var/fail-alloc")
}

/// Removes what an earlier round has left, and makes the folder anew.
fn in_folder(scene: &mut Scene, folder: &str) -> Result<(), Errno> {
    let at = |name: &str| path(&format!("{folder}/{name}"));
    let result = changes(scene, folder);
    for name in ["file", "moved", "linked", "fifo", "symbolic", "other"] {
        let _ = call!(libc::unlink(at(name).as_ptr()));
    }
    let _ = call!(libc::rmdir(at("sub").as_ptr()));
    let _ = call!(libc::rmdir(path(folder).as_ptr()));
    result
}

fn changes(scene: &mut Scene, folder: &str) -> Result<(), Errno> {
    let at = |name: &str| path(&format!("{folder}/{name}"));
    match call!(libc::mkdir(path(folder).as_ptr(), 0o755)) {
        Err(Errno(libc::EEXIST)) => {}
        other => drop(other?),
    }
    contents(scene, &format!("{folder}/file"))?;
    call!(libc::mkdir(at("sub").as_ptr(), 0o700))?;
    call!(libc::link(at("file").as_ptr(), at("linked").as_ptr()))?;
    call!(libc::symlink(c"file".as_ptr(), at("symbolic").as_ptr()))?;
    let mut target = [0u8; 16];
    let length = call!(libc::readlink(
        at("symbolic").as_ptr(),
        target.as_mut_ptr().cast(),
        target.len()
    ))?;
    scene.same("the link", &target[..length.unsigned_abs()], b"file");
    call!(libc::mkfifo(at("fifo").as_ptr(), 0o600))?;
    drop(open(
        &format!("{folder}/fifo"),
        libc::O_RDWR | libc::O_NONBLOCK,
    )?);
    call!(libc::rename(at("linked").as_ptr(), at("moved").as_ptr()))?;
    call!(libc::rename(at("moved").as_ptr(), at("file").as_ptr()))?;
    call!(libc::chmod(at("file").as_ptr(), 0o600))?;
    call!(libc::chown(at("file").as_ptr(), 0, 0))?;
    let times = [libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    }; 2];
    call!(libc::utimensat(
        libc::AT_FDCWD,
        at("file").as_ptr(),
        times.as_ptr(),
        0
    ))?;
    call!(libc::access(at("file").as_ptr(), libc::R_OK))?;
    // SAFETY: all zeroes are a value of these plain structures.
    let (mut stat, mut space): (libc::stat, libc::statfs) = unsafe { std::mem::zeroed() };
    call!(libc::stat(at("file").as_ptr(), &mut stat))?;
    scene.same("the length", stat.st_size, 30_000);
    call!(libc::statfs(path(folder).as_ptr(), &mut space))?;
    list(folder)?;
    call!(libc::truncate(at("file").as_ptr(), 10))?;
    call!(libc::unlink(at("file").as_ptr()))?;
    call!(libc::rmdir(at("sub").as_ptr()))?;
    Ok(())
}

/// A file that is written in several ways and read back.
fn contents(scene: &mut Scene, name: &str) -> Result<(), Errno> {
    let file = open(name, libc::O_CREAT | libc::O_TRUNC | libc::O_RDWR)?;
    let bytes = vec![7u8; 30_000];
    let count = sys::write(file.0, &bytes)?;
    let mut found = vec![0u8; count];
    let read = call!(libc::pread(file.0, found.as_mut_ptr().cast(), count, 0))?;
    scene.same("bytes read", read.unsigned_abs(), count);
    scene.same("what was written", found == bytes[..count], true);
    call!(libc::pwrite(file.0, bytes.as_ptr().cast(), 5000, 25_000))?;
    let parts = [libc::iovec {
        iov_base: found.as_mut_ptr().cast(),
        iov_len: 100,
    }; 3];
    call!(libc::lseek(file.0, 0, libc::SEEK_SET))?;
    call!(libc::readv(file.0, parts.as_ptr(), 3))?;
    call!(libc::ftruncate(file.0, 30_000))?;
    call!(libc::posix_fallocate(file.0, 0, 20_000)).map(drop)?;
    call!(libc::fsync(file.0))?;
    call!(libc::fdatasync(file.0))?;
    let copy = Fd(call!(libc::fcntl(file.0, libc::F_DUPFD_CLOEXEC, 100))?);
    drop(Fd(call!(libc::dup(copy.0))?));
    Ok(())
}

/// Goes through a folder's entries.
pub fn list(folder: &str) -> Result<(), Errno> {
    let folder = open(folder, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let mut entries = [0u8; 2048];
    while call!(libc::syscall(
        libc::SYS_getdents64,
        folder.0,
        entries.as_mut_ptr(),
        entries.len()
    ))? > 0
    {}
    Ok(())
}

pub fn locks(_: &mut Scene) -> Result<(), Errno> {
    let name = "/tmp/fail-alloc-lock";
    let file = open(name, libc::O_CREAT | libc::O_RDWR)?;
    let other = open(name, libc::O_RDWR)?;
    call!(libc::flock(file.0, libc::LOCK_EX | libc::LOCK_NB))?;
    let refused = call!(libc::flock(other.0, libc::LOCK_EX | libc::LOCK_NB));
    if refused.is_ok() {
        return Err(Errno(libc::EDEADLK));
    }
    for start in 0..8 {
        let lock = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: 0,
            l_start: start * 10,
            l_len: 5,
            l_pid: 0,
        };
        call!(libc::fcntl(file.0, libc::F_SETLK, &lock))?;
    }
    call!(libc::unlink(path(name).as_ptr())).map(drop)
}

pub fn mapped(scene: &mut Scene) -> Result<(), Errno> {
    let name = "/var/fail-alloc-mapped";
    let file = open(name, libc::O_CREAT | libc::O_RDWR)?;
    call!(libc::ftruncate(file.0, 65_536))?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    for flags in [libc::MAP_SHARED, libc::MAP_PRIVATE] {
        let map = sys::Map::new(65_536, protection, flags, file.0)?;
        for page in 0..16 {
            map.write(page * 4096, page as u8 + 1);
        }
        let found: Vec<u8> = (0..16).map(|page| map.read(page * 4096)).collect();
        scene.same("mapped bytes", found, (1..=16).collect());
        call!(libc::msync(map.start.cast(), map.length, libc::MS_SYNC))?;
    }
    call!(libc::unlink(path(name).as_ptr())).map(drop)
}

pub fn pipes(scene: &mut Scene) -> Result<(), Errno> {
    let mut ends = [0; 2];
    call!(libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK))?;
    let (reader, writer) = (Fd(ends[0]), Fd(ends[1]));
    let bytes: Vec<u8> = (0..20_000u32).map(|at| at as u8).collect();
    let mut sent = 0;
    let mut failure = Ok(());
    while sent < bytes.len() {
        match sys::write(writer.0, &bytes[sent..]) {
            Ok(count) => sent += count,
            Err(errno) => {
                failure = Err(errno);
                break;
            }
        }
    }
    let mut found = vec![0; sent];
    let mut got = 0;
    while got < sent {
        got += sys::read(reader.0, &mut found[got..])?;
    }
    scene.same("what went through the pipe", found == bytes[..sent], true);
    failure?;
    call!(libc::fcntl(writer.0, libc::F_SETPIPE_SZ, 262_144)).map(drop)
}

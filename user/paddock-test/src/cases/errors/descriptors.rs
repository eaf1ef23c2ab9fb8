//! Calls on descriptors.

use super::{BAD, CLOSED, NONE, Outcome, refused};
use crate::report::Report;
use crate::sys::{self, call};

/// Descriptors of several kinds.
struct Fds {
    reader: i32,
    writer: i32,
    file: i32,
    place: i32,
    folder: i32,
    read_only: i32,
}

pub fn run(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let file = call!(libc::open(
        c"file".as_ptr(),
        libc::O_RDWR | libc::O_CREAT,
        0o644
    ))?;
    let place = call!(libc::open(c"file".as_ptr(), libc::O_PATH))?;
    let folder = call!(libc::open(c".".as_ptr(), libc::O_RDONLY))?;
    let read_only = call!(libc::open(c"file".as_ptr(), libc::O_RDONLY))?;
    let mut buffer = [0u8; 64];
    let at = buffer.as_mut_ptr();
    let fds = Fds {
        reader,
        writer,
        file,
        place,
        folder,
        read_only,
    };
    reading_and_writing(report, at, &fds);
    numbers(report, at, &fds);
    storage(report, at, &fds);
    others(report, at, &fds);
    super::super::close(&[reader, writer, file, place, folder, read_only])
}

/// Bytes and places in files.
fn reading_and_writing(report: &mut Report, at: *mut u8, fds: &Fds) {
    let &Fds {
        reader,
        writer,
        file,
        place,
        folder,
        read_only,
    } = fds;
    refused!(report;
        "a closed one": SYS_read(CLOSED, at, 1) => EBADF;
        "the end that writes": SYS_read(writer, at, 1) => EBADF;
        "a folder": SYS_read(folder, at, 1) => EISDIR;
        "a place": SYS_read(place, at, 1) => EBADF;
        "a closed one": SYS_write(CLOSED, at, 1) => EBADF;
        "a file that is only read": SYS_write(read_only, at, 1) => EBADF;
        "the end that reads": SYS_write(reader, at, 1) => EBADF;
        "too many pieces": SYS_readv(file, at, 1025) => EINVAL;
        "fewer than none": SYS_readv(file, at, -1) => EINVAL;
        "pieces nowhere": SYS_readv(file, BAD, 1) => EFAULT;
        "too many pieces": SYS_writev(file, at, 1025) => EINVAL;
        "a pipe": SYS_pread64(reader, at, 1, 0usize) => ESPIPE;
        "before the beginning": SYS_pread64(file, at, 1, -1isize) => EINVAL;
        "a pipe": SYS_pwrite64(writer, at, 1, 0usize) => ESPIPE;
        "before the beginning": SYS_pwrite64(file, at, 1, -1isize) => EINVAL;
        "a pipe": SYS_lseek(reader, 0, libc::SEEK_SET) => ESPIPE;
        "before the beginning": SYS_lseek(file, -1isize, libc::SEEK_SET) => EINVAL;
        "from nowhere": SYS_lseek(file, 0, 9) => EINVAL;
        "no data there": SYS_lseek(file, 1usize, libc::SEEK_DATA) => ENXIO;
        "no hole there": SYS_lseek(file, 1usize, libc::SEEK_HOLE) => ENXIO;
    );
}

/// Descriptors as such, and what makes them.
fn numbers(report: &mut Report, at: *mut u8, fds: &Fds) {
    let &Fds {
        reader,
        file,
        place,
        ..
    } = fds;
    refused!(report;
        "a closed one": SYS_dup(CLOSED) => EBADF;
        "the same": SYS_dup3(file, file, 0) => EINVAL;
        "an unknown flag": SYS_dup3(file, 50, 1) => EINVAL;
        "a closed one": SYS_dup3(CLOSED, 50, 0) => EBADF;
        "beyond the limit": SYS_dup3(file, 1 << 30, 0) => EBADF;
        "negative": SYS_dup3(file, -1, 0) => EBADF;
        "a closed one": SYS_close(CLOSED) => EBADF;
        "backwards": SYS_close_range(9, 8, 0) => EINVAL;
        "an unknown flag": SYS_close_range(500, 501, 1) => EINVAL;
        "a closed one": SYS_fcntl(CLOSED, libc::F_GETFD) => EBADF;
        "an unknown command": SYS_fcntl(file, 9_999, 0) => EINVAL;
        "beyond the limit": SYS_fcntl(file, libc::F_DUPFD, 1 << 30) => EINVAL;
        "a lock nowhere": SYS_fcntl(file, libc::F_SETLK, BAD) => EFAULT;
        "an unknown signal": SYS_fcntl(file, 10, 65) => EINVAL;
        "a pipe's size of a file": SYS_fcntl(file, libc::F_GETPIPE_SZ) => EBADF;
        "a closed one": SYS_ioctl(CLOSED, libc::FIONREAD, at) => EBADF;
        "no terminal": SYS_ioctl(file, libc::TCGETS, at) => ENOTTY;
        "a place": SYS_ioctl(place, libc::FIONREAD, at) => EBADF;
        "a number nowhere": SYS_ioctl(reader, libc::FIONREAD, BAD) => EFAULT;
        "an unknown operation": SYS_flock(file, 64) => EINVAL;
        "no operation": SYS_flock(file, libc::LOCK_NB) => EINVAL;
        "a place": SYS_flock(place, libc::LOCK_EX) => EBADF;
        "an unknown flag": SYS_pipe2(at, 1) => EINVAL;
        "nowhere": SYS_pipe2(BAD, 0) => EFAULT;
        "an unknown flag": SYS_eventfd2(0, 2) => EINVAL;
        "an unknown flag": SYS_epoll_create1(1) => EINVAL;
        "no epoll": SYS_epoll_ctl(file, libc::EPOLL_CTL_ADD, reader, at) => EINVAL;
        "closed": SYS_epoll_ctl(CLOSED, libc::EPOLL_CTL_ADD, reader, at) => EBADF;
        "an unknown flag": SYS_inotify_init1(1) => EINVAL;
        "no inotify": SYS_inotify_add_watch(file, c".".as_ptr(), 1) => EINVAL;
        "no inotify": SYS_inotify_rm_watch(file, 1) => EINVAL;
        "an unknown flag": SYS_signalfd4(-1, at, 8, 1) => EINVAL;
        "another size": SYS_signalfd4(-1, at, 16, 0) => EINVAL;
        "no signalfd": SYS_signalfd4(file, at, 8, 0) => EINVAL;
        "nowhere": SYS_signalfd4(-1, BAD, 8, 0) => EFAULT;
        "an unknown flag": SYS_timerfd_create(libc::CLOCK_MONOTONIC, 1) => EINVAL;
        "an unknown clock": SYS_timerfd_create(99, 0) => EINVAL;
        "no timerfd": SYS_timerfd_gettime(file, at) => EINVAL;
        "no timerfd": SYS_timerfd_settime(file, 0, at, NONE) => EINVAL;
    );
}

/// What is durable, and how large.
fn storage(report: &mut Report, at: *mut u8, fds: &Fds) {
    let &Fds {
        reader,
        writer,
        file,
        folder,
        read_only,
        ..
    } = fds;
    refused!(report;
        "a closed one": SYS_fsync(CLOSED) => EBADF;
        "a pipe": SYS_fsync(reader) => EINVAL;
        "a pipe": SYS_fdatasync(reader) => EINVAL;
        "a closed one": SYS_syncfs(CLOSED) => EBADF;
        "an unknown flag": SYS_sync_file_range(file, 0usize, 0usize, 8) => EINVAL;
        "before the beginning": SYS_sync_file_range(file, -1isize, 1usize, 1) => EINVAL;
        "a pipe": SYS_sync_file_range(reader, 0usize, 0usize, 1) => ESPIPE;
        "a negative length": SYS_ftruncate(file, -1isize) => EINVAL;
        "only read": SYS_ftruncate(read_only, 0usize) => EINVAL;
        "a pipe": SYS_ftruncate(writer, 0usize) => EINVAL;
        "a closed one": SYS_ftruncate(CLOSED, 0usize) => EBADF;
        "no length": SYS_fallocate(file, 0, 0usize, 0usize) => EINVAL;
        "before the beginning": SYS_fallocate(file, 0, -1isize, 1usize) => EINVAL;
        "only read": SYS_fallocate(read_only, 0, 0usize, 1usize) => EBADF;
        "a pipe": SYS_fallocate(writer, 0, 0usize, 1usize) => ESPIPE;
        "too large": SYS_fallocate(file, 0, 1usize, isize::MAX) => EFBIG;
        "a hole that changes the size": SYS_fallocate(file, 2, 0usize, 1usize) => EOPNOTSUPP;
        "advice unknown": SYS_fadvise64(file, 0usize, 0usize, 9) => EINVAL;
        "a pipe": SYS_fadvise64(reader, 0usize, 0usize, 0) => ESPIPE;
        "a pipe": SYS_readahead(reader, 0usize, 1usize) => EINVAL;
        "a closed one": SYS_readahead(CLOSED, 0usize, 1usize) => EBADF;
        "no folder": SYS_getdents64(file, at, 64) => ENOTDIR;
        "too small": SYS_getdents64(folder, at, 4) => EINVAL;
        "a closed one": SYS_getdents64(CLOSED, at, 64) => EBADF;
    );
}

/// Bytes from one to another, their status, and waiting.
fn others(report: &mut Report, at: *mut u8, fds: &Fds) {
    let &Fds {
        reader,
        writer,
        file,
        place,
        folder,
        read_only,
    } = fds;
    refused!(report;
        "to itself": SYS_sendfile(reader, file, NONE, 1) => EBADF;
        "from a pipe": SYS_sendfile(writer, reader, NONE, 1) => EINVAL;
        "an offset nowhere": SYS_sendfile(writer, file, BAD, 1) => EFAULT;
        "no pipe": SYS_splice(file, NONE, read_only, NONE, 1, 0) => EBADF;
        "neither a pipe": SYS_splice(read_only, NONE, file, NONE, 1, 0) => EINVAL;
        "an offset of a pipe": SYS_splice(reader, at, file, NONE, 1, 0) => ESPIPE;
        "an unknown flag": SYS_splice(reader, NONE, file, NONE, 1, 64) => EINVAL;
        "no pipe": SYS_tee(file, writer, 1, 0) => EINVAL;
        "itself": SYS_tee(reader, writer, 1, 0) => EINVAL;
        "a flag": SYS_copy_file_range(read_only, NONE, file, NONE, 1, 1) => EINVAL;
        "a folder": SYS_copy_file_range(folder, NONE, file, NONE, 1, 0) => EISDIR;
        "only read": SYS_copy_file_range(file, NONE, read_only, NONE, 1, 0) => EBADF;
        "a pipe": SYS_copy_file_range(reader, NONE, file, NONE, 1, 0) => EINVAL;
        "an unknown flag": SYS_memfd_create(c"m".as_ptr(), 0x100) => EINVAL;
        "nowhere": SYS_memfd_create(BAD, 0) => EFAULT;
        "nowhere": SYS_fstat(file, BAD) => EFAULT;
        "a closed one": SYS_fstat(CLOSED, at) => EBADF;
        "nowhere": SYS_fstatfs(file, BAD) => EFAULT;
        "a closed one": SYS_fstatfs(CLOSED, at) => EBADF;
        "a file": SYS_fchdir(file) => ENOTDIR;
        "a closed one": SYS_fchdir(CLOSED) => EBADF;
        "a place": SYS_fchmod(place, 0o644) => EBADF;
        "a place": SYS_fchown(place, -1, -1) => EBADF;
        "another size of the set": SYS_ppoll(at, 0, NONE, at, 4) => EINVAL;
        "nowhere": SYS_ppoll(BAD, 1, NONE, NONE, 8) => EFAULT;
        "more than may be open": SYS_ppoll(at, 1 << 24, NONE, NONE, 8) => EINVAL;
        "fewer than none": SYS_pselect6(-1, NONE, NONE, NONE, NONE, NONE) => EINVAL;
    );
}

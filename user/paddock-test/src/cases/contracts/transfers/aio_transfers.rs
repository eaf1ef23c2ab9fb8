//! io_submit(2), io_getevents(2): reading, writing and syncing files.
use crate::cases::contracts::prelude::*;

/// `struct iocb`, in words.
type Iocb = [u64; 8];
/// `struct io_event`.
type Event = [i64; 4];

fn iocb(data: u64, opcode: u16, fd: i32, buffer: (*const u8, usize), offset: i64) -> Iocb {
    let what = u64::from(opcode) | (fd as u32 as u64) << 32;
    let (at, length) = (buffer.0.expose_provenance() as u64, buffer.1 as u64);
    [data, 0, what, at, length, offset as u64, 0, 0]
}

fn submit(context: u64, all: &mut [&mut Iocb]) -> Result<i64, Errno> {
    let places: Vec<*mut Iocb> = all.iter_mut().map(|it| &raw mut **it).collect();
    raw!(SYS_io_submit, context, places.len(), places.as_ptr())
}

fn events(context: u64, least: i64, most: i64) -> Result<Vec<Event>, Errno> {
    let mut found = vec![[0; 4]; most.max(0) as usize];
    let soon = time(0, 0);
    let at = found.as_mut_ptr();
    let count = raw!(SYS_io_getevents, context, least, most, at, &raw const soon)?;
    found.truncate(count as usize);
    Ok(found)
}

const PREAD: u16 = 0;
const PWRITE: u16 = 1;
const FSYNC: u16 = 2;
const FDSYNC: u16 = 3;
const PREADV: u16 = 7;
const PWRITEV: u16 = 8;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = opened("f", O_RDWR)?;
    let mut context = 0u64;
    t.works("a context", raw!(SYS_io_setup, 8, &raw mut context));
    let text = b"hello world";
    let mut read = [0u8; 16];
    let mut write = iocb(1, PWRITE, fd, (text.as_ptr(), 11), 2);
    t.same("written", submit(context, &mut [&mut write]), Ok(1));
    let told = events(context, 1, 4)?;
    let address = (&raw const write).expose_provenance() as i64;
    t.same("is told", told, vec![[1, address, 11, 0]]);
    let mut back = iocb(2, PREAD, fd, (read.as_mut_ptr(), 16), 2);
    let mut sync = iocb(3, FSYNC, fd, (null(), 0), 0);
    let mut data = iocb(4, FDSYNC, fd, (null(), 0), 0);
    let all = submit(context, &mut [&mut back, &mut sync, &mut data]);
    t.same("three", all, Ok(3));
    let mut results = Vec::new();
    while results.len() < 3 {
        let told = events(context, 0, 3)?;
        results.extend(told.iter().map(|it| (it[0], it[2])));
    }
    results.sort_unstable();
    t.same("each by its data", results, vec![(2, 11), (3, 0), (4, 0)]);
    t.same("what was written", &read[..11], text);
    t.same("the file's own place", call!(lseek(fd, 0, SEEK_CUR)), Ok(0));
    let pieces = [(text.as_ptr(), 5usize), (text.as_ptr(), 3)];
    let vector = pieces.as_ptr().cast::<u8>();
    let mut several = iocb(5, PWRITEV, fd, (vector, 2), 0);
    t.same(
        "from two pieces",
        submit(context, &mut [&mut several]),
        Ok(1),
    );
    let mut several = iocb(6, PREADV, fd, (vector, 0), 0);
    t.same("into none", submit(context, &mut [&mut several]), Ok(1));
    let told = events(context, 2, 2)?;
    t.same("their bytes", told.iter().map(|it| it[2]).sum::<i64>(), 8);
    refusals(t, context, fd)?;
    t.same("no more events", events(context, 0, 4), Ok(vec![]));
    t.refused("more than there may be", events(context, 2, 1), EINVAL);
    t.refused("fewer than none", events(context, -1, 1), EINVAL);
    t.refused("of no context", events(8, 0, 1), EINVAL);
    let eventfd = call!(libc::eventfd(0, EFD_NONBLOCK))?;
    let mut write = iocb(1, PWRITE, fd, (text.as_ptr(), 1), 0);
    write[7] = 1 | (eventfd as u64) << 32;
    t.same("with an eventfd", submit(context, &mut [&mut write]), Ok(1));
    let mut count = [0; 8];
    t.works("which is told", sys::read(eventfd, &mut count));
    t.same("of one", count[0], 1);
    t.works("destroyed", raw!(SYS_io_destroy, context));
    Ok(())
}

fn refusals(t: &mut Report, context: u64, fd: i32) -> Outcome {
    let mut byte = 0u8;
    let one = (&raw mut byte, 1);
    let one = (one.0.cast_const(), one.1);
    let mut refused = |name: &str, mut it: Iocb, errno: i32| {
        t.refused(name, submit(context, &mut [&mut it]), errno);
    };
    refused("no operation", iocb(0, 99, fd, one, 0), EINVAL);
    refused("nothing", iocb(0, 6, fd, one, 0), EINVAL);
    refused("no file", iocb(0, PREAD, -1, one, 0), EBADF);
    refused("before the beginning", iocb(0, PREAD, fd, one, -1), EINVAL);
    refused("a sync of bytes", iocb(0, FSYNC, fd, one, 0), EINVAL);
    let mut reserved = iocb(0, PREAD, fd, one, 0);
    reserved[6] = 1;
    refused("a field that is none", reserved, EINVAL);
    let mut flags = iocb(0, PREAD, fd, one, 0);
    flags[1] = 1 << 62;
    refused("a flag that is none", flags, EOPNOTSUPP);
    let mut not_eventfd = iocb(0, PREAD, fd, one, 0);
    not_eventfd[7] = 1 | (fd as u64) << 32;
    refused("no eventfd", not_eventfd, EINVAL);
    let reader = opened("f", O_RDONLY)?;
    refused(
        "not open for writing",
        iocb(0, PWRITE, reader, one, 0),
        EBADF,
    );
    t.refused("nowhere", raw!(SYS_io_submit, context, 1, 0), EFAULT);
    t.refused(
        "less than none",
        raw!(SYS_io_submit, context, -1i64, 0),
        EINVAL,
    );
    let nowhere = [8u64];
    let at = nowhere.as_ptr();
    t.refused(
        "an iocb nowhere",
        raw!(SYS_io_submit, context, 1, at),
        EFAULT,
    );
    let (mut good, mut bad) = (iocb(9, PREAD, fd, one, 0), iocb(0, 99, fd, one, 0));
    let some = submit(context, &mut [&mut good, &mut bad]);
    t.same("up to the first that is wrong", some, Ok(1));
    t.same("which is done", events(context, 1, 1)?[0][0], 9);
    Ok(())
}

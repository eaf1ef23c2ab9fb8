//! Pipes: ends, limits, order, and what is lost (nothing).

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, End, Hash, Noise, call};

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    ends(report)?;
    broken(report)?;
    limits(report)?;
    stream(report)?;
    parts(report)?;
    descriptors(report)
}

fn ends(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let mut bytes = [0; 16];
    report.same("write", sys::write(writer, b"hello"), Ok(5));
    report.same("a short read", sys::read(reader, &mut bytes[..2]), Ok(2));
    report.same("the rest", sys::read(reader, &mut bytes), Ok(3));
    report.same("in order", &bytes[..3], b"llo");
    let copy = call!(libc::dup(writer))?;
    sys::close(writer)?;
    report.same("a copy keeps it open", sys::write(copy, b"x"), Ok(1));
    sys::close(copy)?;
    report.same(
        "what was written stays",
        sys::read(reader, &mut bytes),
        Ok(1),
    );
    report.same("then the end", sys::read(reader, &mut bytes), Ok(0));
    report.refused(
        "no writing to the reading end",
        sys::write(reader, b"x"),
        libc::EBADF,
    );
    report.refused("no seeking", call!(libc::lseek(reader, 0, 0)), libc::ESPIPE);
    sys::close(reader)?;
    report.refused("a closed file", sys::read(reader, &mut bytes), libc::EBADF);
    Ok(())
}

fn broken(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    sys::close(reader)?;
    report.refused("nobody reads", sys::write(writer, b"x"), libc::EPIPE);
    let end = sys::in_child(|| {
        // SAFETY: the default action needs nothing of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        sys::write(writer, b"x").map_or(1, |_| 0)
    })?;
    report.same("SIGPIPE", end, End::Killed(libc::SIGPIPE));
    sys::close(writer)?;
    Ok(())
}

fn limits(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    sys::set_nonblocking(reader, true)?;
    sys::set_nonblocking(writer, true)?;
    let mut bytes = vec![0; 100_000];
    report.refused("nothing there", sys::read(reader, &mut bytes), libc::EAGAIN);
    report.same("a full pipe", sys::write(writer, &bytes), Ok(65_536));
    report.refused("no more", sys::write(writer, b"x"), libc::EAGAIN);
    let mut count = 0;
    call!(libc::ioctl(reader, libc::FIONREAD, &mut count))?;
    report.same("FIONREAD", count, 65_536);
    report.same(
        "room for one page",
        sys::read(reader, &mut bytes[..4096]),
        Ok(4096),
    );
    report.same("is taken at once", sys::write(writer, &[1; 4096]), Ok(4096));
    report.refused("and is all", sys::write(writer, &[1; 4096]), libc::EAGAIN);
    report.same("all of it", sys::read(reader, &mut bytes), Ok(65_536));
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(())
}

/// More than a pipe holds, written by one process, read by another.
fn stream(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let text = Noise::new(3).bytes(3_000_001);
    let child = sys::fork(|| {
        let _ = sys::close(reader);
        i32::from(sys::write_all(writer, &text).is_err())
    })?;
    sys::close(writer)?;
    let found = sys::read_to_end(reader)?;
    report.same("every byte arrives", found.len(), text.len());
    report.check("unchanged", Hash::of(&found) == Hash::of(&text));
    report.same("the writer ends well", sys::wait(child)?, End::Exited(0));
    sys::close(reader)?;
    Ok(())
}

/// readv and writev, also across a full pipe.
fn parts(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let (one, two, three) = (b"one,".to_vec(), Vec::new(), vec![b'x'; 80_000]);
    let part = |bytes: &Vec<u8>| libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let list = [part(&one), part(&two), part(&three)];
    sys::set_nonblocking(writer, true)?;
    let count = call!(libc::writev(writer, list.as_ptr(), 3))?;
    report.same("a short writev", count, 65_536);
    let (mut start, mut rest) = ([0u8; 4], vec![0u8; 65_536]);
    let list = [
        libc::iovec {
            iov_base: start.as_mut_ptr().cast(),
            iov_len: start.len(),
        },
        libc::iovec {
            iov_base: rest.as_mut_ptr().cast(),
            iov_len: rest.len(),
        },
    ];
    let count = call!(libc::readv(reader, list.as_ptr(), 2))?;
    report.same("readv", count, 65_536);
    report.same("its first part", &start, b"one,");
    report.check(
        "its second part",
        rest[..65_532].iter().all(|byte| *byte == b'x'),
    );
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(())
}

fn descriptors(report: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let flags = call!(libc::fcntl(reader, libc::F_GETFD))?;
    report.same("close-on-exec is set", flags, libc::FD_CLOEXEC);
    let copy = call!(libc::fcntl(reader, libc::F_DUPFD, 100))?;
    report.same("the lowest from 100 on", copy, 100);
    let flags = call!(libc::fcntl(copy, libc::F_GETFD))?;
    report.same("a copy does not inherit it", flags, 0);
    report.same(
        "dup3",
        call!(libc::dup3(writer, 101, libc::O_CLOEXEC)),
        Ok(101),
    );
    report.refused("onto itself", call!(libc::dup3(101, 101, 0)), libc::EINVAL);
    report.refused("of nothing", call!(libc::dup2(900, 5)), libc::EBADF);
    sys::set_nonblocking(writer, true)?;
    let flags = call!(libc::fcntl(101, libc::F_GETFL))?;
    report.check("copies share their state", flags & libc::O_NONBLOCK != 0);
    for fd in [reader, writer, copy, 101] {
        sys::close(fd)?;
    }
    let again = sys::pipe()?;
    report.same("the lowest numbers are used again", again, [reader, writer]);
    sys::close(again[0])?;
    sys::close(again[1])?;
    Ok(())
}

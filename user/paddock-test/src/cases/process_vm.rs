//! The memory of another process: process_vm_readv(2), process_vm_writev(2).

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Errno, Map, call};

/// Bytes in a page.
const PAGE: usize = 4096;
/// No process has it.
const NOBODY: i32 = 0x3f_fff0;

fn piece(address: usize, length: usize) -> libc::iovec {
    libc::iovec {
        iov_base: std::ptr::without_provenance_mut(address),
        iov_len: length,
    }
}

fn own(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

type Pieces<'a> = &'a [libc::iovec];

fn read(pid: i32, own: Pieces<'_>, other: Pieces<'_>) -> Result<isize, Errno> {
    let (to, from) = (own.as_ptr(), other.as_ptr());
    let (tos, froms) = (own.len() as u64, other.len() as u64);
    call!(libc::process_vm_readv(pid, to, tos, from, froms, 0))
}

fn write(pid: i32, own: Pieces<'_>, other: Pieces<'_>) -> Result<isize, Errno> {
    let (from, to) = (own.as_ptr(), other.as_ptr());
    let (froms, tos) = (own.len() as u64, other.len() as u64);
    call!(libc::process_vm_writev(pid, from, froms, to, tos, 0))
}

/// A child has a copy of this memory, of which it tells what is in it when asked.
pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    let map = Map::memory(4 * PAGE)?;
    (0..4 * PAGE).for_each(|at| map.write(at, (at % 251) as u8));
    map.protect(2 * PAGE, PAGE, libc::PROT_READ)?;
    map.protect(3 * PAGE, PAGE, libc::PROT_NONE)?;
    let base = map.start.addr();
    let ([asked, ask], [told, tell]) = (sys::pipe()?, sys::pipe()?);
    let child = sys::fork(|| {
        let mut one = [0];
        // Its own, so that it hears when the parent has no more to ask.
        let _ = sys::close(ask);
        while sys::read(asked, &mut one) == Ok(1) {
            let found = [map.read(PAGE - 1), map.read(PAGE), map.read(2 * PAGE)];
            if sys::write_all(tell, &found).is_err() {
                return 1;
            }
        }
        0
    })?;
    sys::close(asked)?;
    reads(report, child, base);
    writes(report, child, base);
    mistakes(report, child, base);
    sys::write_all(ask, b"?")?;
    let mut found = [0; 3];
    sys::read(told, &mut found)?;
    report.same(
        "the child sees it",
        found,
        [b'x', b'y', (2 * PAGE % 251) as u8],
    );
    report.same("the parent does not", map.read(PAGE), (PAGE % 251) as u8);
    sys::close(ask)?;
    sys::wait(child)?;
    let mut byte = [0];
    let gone = read(child, &[own(&mut byte)], &[piece(base, 1)]);
    report.refused("a process that is gone", gone, libc::ESRCH);
    Ok(())
}

fn reads(report: &mut Report, child: i32, base: usize) {
    let expected: Vec<u8> = (0..2 * PAGE).map(|at| (at % 251) as u8).collect();
    let (mut one, mut two) = (vec![0; 100], vec![0; 2 * PAGE - 100]);
    let from = [piece(base, PAGE + 7), piece(base + PAGE + 7, PAGE - 7)];
    let count = read(child, &[own(&mut one), own(&mut two)], &from);
    report.same("in pieces", count.ok(), Some(2 * PAGE as isize));
    one.append(&mut two);
    report.check("the bytes are theirs", one == expected);
    let count = read(child, &[own(&mut one[..50])], &[piece(base, PAGE)]);
    report.same("no more than there is room for", count.ok(), Some(50));
    let count = read(child, &[own(&mut one)], &[piece(base + 3 * PAGE - 9, 20)]);
    report.same("up to what may not be read", count.ok(), Some(9));
    let count = read(child, &[own(&mut one)], &[]);
    report.same("of nothing", count.ok(), Some(0));
}

fn writes(report: &mut Report, child: i32, base: usize) {
    let mut bytes = *b"xy";
    let count = write(child, &[own(&mut bytes)], &[piece(base + PAGE - 1, 2)]);
    report.same("written across pages", count.ok(), Some(2));
    let to = [piece(base + 2 * PAGE, 2)];
    let count = write(child, &[own(&mut bytes)], &to);
    report.refused("what may only be read", count, libc::EFAULT);
}

fn mistakes(report: &mut Report, child: i32, base: usize) {
    let (mut byte, from) = ([0; 1], [piece(base, 1)]);
    let to = [own(&mut byte)];
    let count = read(child, &to, &[piece(base + 3 * PAGE, 1)]);
    report.refused("what may not be read", count, libc::EFAULT);
    let count = read(child, &[piece(8, 1)], &from);
    report.refused("to nowhere", count, libc::EFAULT);
    report.refused("nobody's", read(NOBODY, &to, &from), libc::ESRCH);
    let (a, b) = (to.as_ptr(), from.as_ptr());
    let flags = call!(libc::process_vm_readv(child, a, 1, b, 1, 1));
    report.refused("flags", flags, libc::EINVAL);
    let many = call!(libc::process_vm_readv(child, a, 1025, b, 1, 0));
    report.refused("too many pieces", many, libc::EINVAL);
    let negative = [piece(base, usize::MAX)];
    report.refused(
        "a negative length",
        read(child, &to, &negative),
        libc::EINVAL,
    );
    // SAFETY: has no conditions.
    if unsafe { libc::geteuid() } == 0 {
        let end = sys::in_child(|| {
            let left = call!(libc::setuid(1000));
            let refused = read(child, &to, &from);
            i32::from(left.is_err() || refused != Err(Errno(libc::EPERM)))
        });
        report.same("another's", end, Ok(sys::End::Exited(0)));
    }
}

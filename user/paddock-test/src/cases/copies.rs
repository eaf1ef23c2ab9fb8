//! Bytes between programs and objects: whatever the length, the alignment and the
//! pages that are there, missing or bad, what is said to be moved is, and nothing else.

use super::Outcome;
use crate::report::Report;
use crate::sys::{self, Map, Noise, call};
use std::ffi::CString;

const PAGE: usize = 4096;
/// What is around a buffer and has to stay.
const GUARD: u8 = 0xa5;

/// Something that gives back what was written to it.
struct Object {
    name: &'static str,
    writes: i32,
    reads: i32,
    /// It is read from where it was written, after going back.
    is_file: bool,
    /// One write is one read.
    is_message: bool,
}

impl Object {
    fn file(name: &'static str, path: &str) -> Result<Object, String> {
        let path = CString::new(path).map_err(|error| error.to_string())?;
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
        let fd = call!(libc::open(path.as_ptr(), flags, 0o600))?;
        call!(libc::unlink(path.as_ptr()))?;
        Ok(Object {
            name,
            writes: fd,
            reads: fd,
            is_file: true,
            is_message: false,
        })
    }

    fn sockets(name: &'static str, kind: i32) -> Result<Object, String> {
        let mut ends = [0; 2];
        call!(libc::socketpair(
            libc::AF_UNIX,
            kind | libc::SOCK_NONBLOCK,
            0,
            ends.as_mut_ptr()
        ))?;
        Ok(Object {
            name,
            writes: ends[0],
            reads: ends[1],
            is_file: false,
            is_message: kind != libc::SOCK_STREAM,
        })
    }

    fn all() -> Result<Vec<Object>, String> {
        let [reads, writes] = sys::pipe()?;
        sys::set_nonblocking(reads, true)?;
        sys::set_nonblocking(writes, true)?;
        let pipe = Object {
            name: "pipe",
            writes,
            reads,
            is_file: false,
            is_message: false,
        };
        Ok(vec![
            pipe,
            Object::sockets("stream", libc::SOCK_STREAM)?,
            Object::sockets("datagrams", libc::SOCK_DGRAM)?,
            Object::file("file in memory", "/tmp/copies")?,
            Object::file("file on the disk", "/root/copies")?,
        ])
    }

    /// Before a write, and before the read of what was written.
    fn rewind(&self) -> Outcome {
        if self.is_file {
            call!(libc::lseek(self.reads, 0, libc::SEEK_SET))?;
        }
        Ok(())
    }

    fn empty(&self) -> Outcome {
        if self.is_file {
            call!(libc::ftruncate(self.writes, 0))?;
        }
        self.rewind()
    }

    /// All that is in it.
    fn rest(&self) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        let mut piece = vec![0; 16 * PAGE];
        while let Ok(count @ 1..) = sys::read(self.reads, &mut piece) {
            all.extend_from_slice(&piece[..count]);
        }
        Ok(all)
    }

    fn close(self) -> Outcome {
        sys::close(self.writes)?;
        if !self.is_file {
            sys::close(self.reads)?;
        }
        Ok(())
    }
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    for object in Object::all()? {
        lengths(report, &object)?;
        short_sources(report, &object)?;
        short_targets(report, &object)?;
        missing_pages(report, &object)?;
        object.close()?;
    }
    zeroes(report)?;
    own_mapping(report, "file in memory", "/tmp/copies")?;
    own_mapping(report, "file on the disk", "/root/copies")
}

/// Every length and alignment.
fn lengths(report: &mut Report, object: &Object) -> Outcome {
    let source = Noise::new(7).bytes(2 * PAGE);
    let mut wrong = Vec::new();
    let long = [1000, 4095, 4096, 4097, 6000];
    for length in (1..270).chain(long) {
        for (from, to) in [(0, 0), (1, 0), (0, 1), (3, 9), (8, 15)] {
            object.empty()?;
            let sent = sys::write(object.writes, &source[from..from + length]);
            object.rewind()?;
            let mut target = vec![GUARD; to + length + 16];
            let got = sys::read(object.reads, &mut target[to..to + length]);
            let good = sent == Ok(length)
                && got == Ok(length)
                && target[to..to + length] == source[from..from + length]
                && target[..to].iter().all(|&byte| byte == GUARD)
                && target[to + length..].iter().all(|&byte| byte == GUARD);
            if !good {
                wrong.push((length, from, to, sent, got));
            }
        }
    }
    report.same(object.name, wrong, Vec::new());
    Ok(())
}

/// A page, and one behind it that is bad.
fn half_good() -> Result<Map, String> {
    let map = Map::memory(2 * PAGE)?;
    map.protect(PAGE, PAGE, libc::PROT_NONE)?;
    Ok(map)
}

/// The last `good` bytes of the page and those behind it.
fn across(map: &Map, good: usize, length: usize) -> (*mut libc::c_void, usize) {
    (map.start.wrapping_add(PAGE - good).cast(), length)
}

/// A source that ends: what is said to be written is in the object, and no more.
fn short_sources(report: &mut Report, object: &Object) -> Outcome {
    let map = half_good()?;
    let bytes = Noise::new(11).bytes(PAGE);
    for (at, byte) in bytes.iter().enumerate() {
        map.write(at, *byte);
    }
    let mut wrong = Vec::new();
    for good in [0, 1, 7, 8, 63, 64, 65, 127, 128, 200, 299] {
        object.empty()?;
        let (address, length) = across(&map, good, 300);
        let sent = call!(libc::write(object.writes, address, length));
        object.rewind()?;
        let count = match sent {
            Ok(count) if count > 0 && !object.is_message => count as usize,
            Err(error) if error.0 == libc::EFAULT => 0,
            _ => usize::MAX,
        };
        let expected = bytes.get(PAGE - good..(PAGE - good).saturating_add(count));
        let found = object.rest()?;
        if count > good || Some(&found[..]) != expected {
            wrong.push((good, sent, found.len()));
        }
    }
    report.same(
        &format!("{}: a source that ends", object.name),
        wrong,
        Vec::new(),
    );
    Ok(())
}

/// A target that ends: what is not said to be read is still there.
fn short_targets(report: &mut Report, object: &Object) -> Outcome {
    let map = half_good()?;
    let bytes = Noise::new(13).bytes(300);
    let mut wrong = Vec::new();
    for good in [0, 1, 7, 8, 63, 64, 65, 127, 128, 200, 299] {
        object.empty()?;
        sys::write_all(object.writes, &bytes)?;
        object.rewind()?;
        let (address, length) = across(&map, good, 300);
        let got = call!(libc::read(object.reads, address, length));
        let rest = object.rest()?;
        let right = match got {
            // Linux too drops what of a datagram has no place.
            _ if object.is_message => rest.is_empty() || rest == bytes,
            Ok(count) => {
                let count = count as usize;
                let seen: Vec<u8> = (0..count).map(|at| map.read(PAGE - good + at)).collect();
                (1..=good).contains(&count) && [seen, rest].concat() == bytes
            }
            Err(error) => error.0 == libc::EFAULT && rest == bytes,
        };
        if !right {
            wrong.push((good, got));
        }
    }
    report.same(
        &format!("{}: a target that ends", object.name),
        wrong,
        Vec::new(),
    );
    Ok(())
}

/// Pages that nobody has touched are brought in on the way: one call moves all.
fn missing_pages(report: &mut Report, object: &Object) -> Outcome {
    const LENGTH: usize = 12 * PAGE;
    let bytes = Noise::new(17).bytes(LENGTH);
    object.empty()?;
    report.same(object.name, sys::write(object.writes, &bytes), Ok(LENGTH));
    object.rewind()?;
    let map = Map::memory(LENGTH)?;
    let got = call!(libc::read(object.reads, map.start.cast(), LENGTH));
    report.same(
        &format!("{}: into new pages", object.name),
        got,
        Ok(LENGTH as isize),
    );
    let seen: Vec<u8> = (0..LENGTH).map(|at| map.read(at)).collect();
    report.check(object.name, seen == bytes);
    object.empty()?;
    let zeroes = Map::memory(LENGTH)?;
    let sent = call!(libc::write(object.writes, zeroes.start.cast(), LENGTH));
    report.same(
        &format!("{}: from new pages", object.name),
        sent,
        Ok(LENGTH as isize),
    );
    object.rewind()?;
    report.check(object.name, object.rest()? == vec![0; LENGTH]);
    Ok(())
}

fn zeroes(report: &mut Report) -> Outcome {
    let zero = call!(libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY))?;
    let mut wrong = Vec::new();
    for length in (1..300).chain([PAGE, PAGE + 1, 3 * PAGE + 5]) {
        for start in [0, 1, 8, 13] {
            let mut target = vec![GUARD; start + length + 16];
            let got = sys::read(zero, &mut target[start..start + length]);
            let good = got == Ok(length)
                && target[start..start + length].iter().all(|&byte| byte == 0)
                && target[..start].iter().all(|&byte| byte == GUARD)
                && target[start + length..].iter().all(|&byte| byte == GUARD);
            if !good {
                wrong.push((length, start, got));
            }
        }
    }
    report.same("zeroes", wrong, Vec::new());
    let map = half_good()?;
    let (address, length) = across(&map, 100, 300);
    let got = call!(libc::read(zero, address, length));
    // Linux clears eight bytes at a time, and tells of no part of those.
    let near = got.is_ok_and(|count| (93..=100).contains(&count));
    report.check("zeroes up to a bad page", near);
    sys::close(zero)?;
    Ok(())
}

/// A file that is read to and written from a mapping of itself, no page of which is
/// there: bringing one in needs what the call uses too.
fn own_mapping(report: &mut Report, name: &str, path: &str) -> Outcome {
    const LENGTH: usize = 8 * PAGE;
    let object = Object::file("a mapping of itself", path)?;
    let fd = object.writes;
    let bytes = Noise::new(19).bytes(LENGTH);
    sys::write_all(fd, &bytes)?;
    let shared = |offset| {
        Map::new(
            offset,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd,
        )
    };
    let map = shared(LENGTH)?;
    object.rewind()?;
    let got = call!(libc::read(fd, map.start.cast(), LENGTH));
    report.same(&format!("{name}: read to itself"), got, Ok(LENGTH as isize));
    let map = shared(LENGTH)?;
    let sent = call!(libc::write(fd, map.start.cast(), LENGTH));
    report.same(
        &format!("{name}: appended to itself"),
        sent,
        Ok(LENGTH as isize),
    );
    let sent = call!(libc::pwrite(fd, map.start.cast(), LENGTH - 1, 1));
    report.same(
        &format!("{name}: written over itself"),
        sent,
        Ok(LENGTH as isize - 1),
    );
    object.rewind()?;
    let all = object.rest()?;
    report.same(&format!("{name}: its length"), all.len(), 2 * LENGTH);
    report.check(&format!("{name}: the copy"), all[LENGTH..] == bytes[..]);
    object.close()
}

//! pipe(7): which writes that must not wait go in, and how much of them.
use crate::cases::contracts::prelude::*;

/// What is done to a pipe: so many bytes are written, or read.
#[derive(Clone, Copy)]
enum Do {
    Write(usize),
    Read(usize),
}
use Do::{Read, Write};

/// How many bytes each does; `None` if it would have to wait.
fn each(steps: &[Do]) -> Result<Vec<Option<usize>>, Errno> {
    let [reader, writer] = sys::pipe()?;
    sys::set_nonblocking(reader, true)?;
    sys::set_nonblocking(writer, true)?;
    let mut bytes = vec![1u8; 1 << 17];
    let mut counts = Vec::new();
    for step in steps {
        let count = match *step {
            Write(count) => sys::write(writer, &bytes[..count]),
            Read(count) => sys::read(reader, &mut bytes[..count]),
        };
        counts.push(match count {
            Err(Errno(EAGAIN)) => None,
            count => Some(count?),
        });
    }
    sys::close(reader)?;
    sys::close(writer)?;
    Ok(counts)
}

pub fn run(t: &mut Report) -> Outcome {
    t.same(
        "all but a byte",
        each(&[Write(65_535), Write(65_536), Write(1), Write(1)]),
        Ok(vec![Some(65_535), None, Some(1), None]),
    );
    let mut expected = vec![Some(3000); 16];
    expected.push(None);
    t.same("a page each", each(&[Write(3000); 17]), Ok(expected));
    t.same(
        "a page is free once it is read",
        each(&[
            Write(65_536),
            Read(100),
            Write(1),
            Read(3996),
            Write(1),
            Write(1),
        ]),
        Ok(vec![
            Some(65_536),
            Some(100),
            None,
            Some(3996),
            Some(1),
            Some(1),
        ]),
    );
    t.same(
        "whole pages where a part does not fit",
        each(&[Write(65_000), Write(5000), Read(5000), Write(5000)]),
        Ok(vec![Some(65_000), None, Some(5000), Some(4096)]),
    );
    t.same(
        "more than it holds",
        each(&[Write(10), Write(65_536 + 4096), Write(1)]),
        Ok(vec![Some(10), Some(61_440), None]),
    );
    let [_reader, writer] = sys::pipe()?;
    sys::set_nonblocking(writer, true)?;
    for _ in 0..16 {
        t.same("to be written", ready(writer, POLLOUT), Ok(POLLOUT));
        sys::write_all(writer, &[1; 3000])?;
    }
    t.same("not while no page is free", ready(writer, POLLOUT), Ok(0));
    Ok(())
}

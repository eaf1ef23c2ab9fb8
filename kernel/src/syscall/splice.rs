//! From one file to another without a buffer of the program's: splice(2),
//! tee(2), vmsplice(2), copy_file_range(2).

use super::Call;
use super::block::{block_on, wait_ready};
use super::buffers::{MAX_BYTES, UserBuffers, with_chunk};
use super::io::{allowed_length, broken_pipe, remove_privileges, write_with};
use crate::user_memory::UserPtr;
use paddock_abi::fcntl::{SEEK_CUR, SEEK_SET, SPLICE_F_ALL, SPLICE_F_NONBLOCK};
use paddock_abi::{Errno, Result};
use paddock_process::PipeEnd;
use paddock_sync::{NO_DEADLINE, Ready};
use paddock_vfs::{FileKind, Offset, OpenFile, OpenFlags};

/// Whether a call is not to wait for pipes. `EINVAL` for flags that are not
/// known.
fn never_waits(flags: u32) -> Result<bool> {
    match flags & !SPLICE_F_ALL {
        0 => Ok(flags & SPLICE_F_NONBLOCK != 0),
        _ => Err(Errno::EINVAL),
    }
}

fn check_ends(input: &OpenFile, output: &OpenFile) -> Result<()> {
    match input.flags().readable() && output.flags().writable() {
        true => Ok(()),
        false => Err(Errno::EBADF),
    }
}

/// Where in a file bytes come from or go to.
enum At<'a> {
    /// Where the file stands, or nowhere for one without offsets.
    Own(Offset<'a>),
    /// Where the program says, and it hears how far it came.
    Given(u64, UserPtr<u64>),
}

impl<'a> At<'a> {
    /// `EFAULT`; `EINVAL` for an offset that cannot be.
    fn new(file: &'a OpenFile, place: UserPtr<u64>) -> Result<At<'a>> {
        let Some(place) = place.non_null() else {
            return Ok(At::Own(file.offset()));
        };
        let offset = place.read()?;
        match file.file().seekable() && i64::try_from(offset).is_ok() {
            true => Ok(At::Given(offset, place)),
            false => Err(Errno::EINVAL),
        }
    }

    fn read(&mut self, file: &OpenFile, chunk: &mut [u8]) -> Result<usize> {
        match self {
            At::Own(own) => file.read_at(own, &mut chunk.into()),
            At::Given(offset, _) => {
                let count = file.pread(*offset, &mut chunk.into())?;
                *offset += count as u64;
                Ok(count)
            }
        }
    }

    fn write(&mut self, file: &OpenFile, bytes: &[u8]) -> Result<usize> {
        match self {
            At::Own(own) => file.write_at(own, &mut bytes.into()),
            At::Given(offset, _) => {
                let count = file.pwrite(*offset, &mut bytes.into())?;
                *offset += count as u64;
                Ok(count)
            }
        }
    }

    /// Tells the program where it stands now. `EFAULT`.
    fn tell(&self) -> Result<()> {
        match self {
            At::Own(_) => Ok(()),
            At::Given(offset, place) => place.write(offset),
        }
    }
}

/// The two sides of a transfer, and which of them it may wait for.
struct Sides<'a> {
    input: &'a OpenFile,
    output: &'a OpenFile,
    waits: (bool, bool),
}

impl<'a> Sides<'a> {
    fn new(input: &'a OpenFile, output: &'a OpenFile, no_wait: bool) -> Self {
        let waits = |file: &OpenFile| !no_wait && !file.nonblocking();
        Sides {
            input,
            output,
            waits: (waits(input), waits(output)),
        }
    }

    /// Waits for the side that is not ready. `EAGAIN` if it is not to be
    /// waited for, `ERESTARTSYS`.
    fn wait(&self) -> Result<()> {
        let is_ready = |file: &OpenFile, events| {
            let any = events | Ready::ERR | Ready::HUP;
            file.file().ready().intersects(any)
        };
        let (file, events, waits) = match is_ready(self.input, Ready::IN) {
            false => (self.input, Ready::IN, self.waits.0),
            true => (self.output, Ready::OUT, self.waits.1),
        };
        match waits {
            true => wait_ready(&**file.file(), events, NO_DEADLINE),
            false => Err(Errno::EAGAIN),
        }
    }

    /// Repeats `step`, which moves some of the bytes that are left and never
    /// waits, until `length` have been moved, there are no more, or it would have
    /// to wait again; how many that was.
    fn transfer(
        &self,
        length: u64,
        mut step: impl FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<u64> {
        with_chunk(length, |chunk| {
            let mut total = 0;
            while total < length {
                let most = chunk.len().min((length - total) as usize);
                match step(&mut chunk[..most]) {
                    Ok(0) => break,
                    Ok(count) => total += count as u64,
                    Err(_) if total > 0 => break,
                    Err(Errno::EAGAIN) => self.wait()?,
                    Err(error) => return Err(error),
                }
            }
            Ok(total)
        })
    }
}

/// splice(2).
pub fn splice(call: &mut Call<'_>) -> Result<u64> {
    let no_wait = never_waits(call.uint(5))?;
    let length = call.word(4).min(MAX_BYTES);
    if length == 0 {
        return Ok(0);
    }
    let (input, output) = (call.file(0)?, call.file(2)?);
    check_ends(&input, &output)?;
    let sides = Sides::new(&input, &output, no_wait);
    let (from, to) = (call.pointer(1), call.pointer(3));
    let result = match (PipeEnd::of(&**input.file()), PipeEnd::of(&**output.file())) {
        (None, None) => Err(Errno::EINVAL),
        (Some(_), _) if from.non_null().is_some() => Err(Errno::ESPIPE),
        (_, Some(_)) if to.non_null().is_some() => Err(Errno::ESPIPE),
        (Some(from), Some(to)) => between(&sides, &from, &to, length),
        (Some(from), None) => out_of(call, &sides, &from, to, length),
        (None, Some(to)) => into(&sides, from, &to, length),
    };
    if result == Err(Errno::EPIPE) {
        broken_pipe(call);
    }
    result
}

fn between(sides: &Sides<'_>, from: &PipeEnd<'_>, to: &PipeEnd<'_>, length: u64) -> Result<u64> {
    if from.same_pipe(to) {
        return Err(Errno::EINVAL);
    }
    sides.transfer(length, |chunk| {
        let moved = from.drain(chunk, |bytes| to.write(bytes))?;
        Ok(moved.unwrap_or(0))
    })
}

fn out_of(
    call: &Call<'_>,
    sides: &Sides<'_>,
    from: &PipeEnd<'_>,
    to: UserPtr<u64>,
    length: u64,
) -> Result<u64> {
    let output = sides.output;
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    let given = to.non_null().map(|place| place.read()).transpose()?;
    let length = allowed_length(call, output, given, length)?;
    remove_privileges(call, output)?;
    let mut at = At::new(output, to)?;
    let moved = sides.transfer(length, |chunk| {
        let moved = from.drain(chunk, |bytes| at.write(output, bytes))?;
        Ok(moved.unwrap_or(0))
    })?;
    at.tell()?;
    Ok(moved)
}

fn into(sides: &Sides<'_>, from: UserPtr<u64>, to: &PipeEnd<'_>, length: u64) -> Result<u64> {
    sides.input.ask_read()?;
    let mut at = At::new(sides.input, from)?;
    let is_one = sides.input.file().gives_messages();
    let mut is_done = false;
    let moved = sides.transfer(length, |chunk| match is_done {
        true => Ok(0),
        false => {
            let count = to.fill(chunk, |room| at.read(sides.input, room))?;
            is_done = is_one;
            Ok(count)
        }
    })?;
    at.tell()?;
    Ok(moved)
}

/// tee(2).
pub fn tee(call: &mut Call<'_>) -> Result<u64> {
    let no_wait = never_waits(call.uint(3))?;
    let length = call.word(2).min(MAX_BYTES);
    if length == 0 {
        return Ok(0);
    }
    let (input, output) = (call.file(0)?, call.file(1)?);
    check_ends(&input, &output)?;
    let ends = (PipeEnd::of(&**input.file()), PipeEnd::of(&**output.file()));
    let (Some(from), Some(to)) = ends else {
        return Err(Errno::EINVAL);
    };
    if from.same_pipe(&to) {
        return Err(Errno::EINVAL);
    }
    let sides = Sides::new(&input, &output, no_wait);
    let result = with_chunk(length.min(from.capacity() as u64), |chunk| {
        loop {
            match from.tee(&to, chunk) {
                Err(Errno::EAGAIN) => sides.wait()?,
                result => return result.map(|moved| moved.unwrap_or(0) as u64),
            }
        }
    });
    if result == Err(Errno::EPIPE) {
        broken_pipe(call);
    }
    result
}

/// vmsplice(2): the bytes are copied, whichever way they go.
pub fn vmsplice(call: &mut Call<'_>) -> Result<u64> {
    let no_wait = never_waits(call.uint(3))?;
    let file = call.file(0)?;
    if PipeEnd::of(&**file.file()).is_none() {
        return Err(Errno::EBADF);
    }
    let buffers = UserBuffers::vector(call.pointer(1), call.word(2))?;
    let nonblocking = no_wait || file.nonblocking();
    if !file.flags().writable() {
        let mut to = buffers.writer();
        let read = || file.read_at(&mut file.offset(), &mut to);
        return block_on(&file, Ready::IN, nonblocking, read).map(|count| count as u64);
    }
    let mut from = buffers.reader();
    let result = write_with(
        &file,
        nonblocking,
        || NO_DEADLINE,
        &mut from,
        |from, _| file.write_at(&mut file.offset(), from),
    );
    if result == Err(Errno::EPIPE) {
        broken_pipe(call);
    }
    result
}

/// Where copy_file_range(2) begins in a file: where the program says, or where
/// the file stands. `EFAULT`, `EINVAL`.
fn start(file: &OpenFile, place: UserPtr<u64>) -> Result<u64> {
    match place.non_null() {
        None => file.seek(0, SEEK_CUR),
        Some(place) => {
            let offset = place.read()?;
            i64::try_from(offset).map_err(|_| Errno::EINVAL)?;
            Ok(offset)
        }
    }
}

fn moved_on(file: &OpenFile, place: UserPtr<u64>, to: u64) -> Result<()> {
    match place.non_null() {
        None => file.seek(to as i64, SEEK_SET).map(drop),
        Some(place) => place.write(&to),
    }
}

/// copy_file_range(2): within one filesystem.
pub fn copy_file_range(call: &mut Call<'_>) -> Result<u64> {
    if call.uint(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let (input, output) = (call.file(0)?, call.file(2)?);
    let (from, to) = (call.pointer(1), call.pointer(3));
    check_regular(&input, &output)?;
    check_ends(&input, &output)?;
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EBADF);
    }
    check_one_filesystem(&input, &output)?;
    let (mut source, mut target) = (start(&input, from)?, start(&output, to)?);
    let length = call.word(4).min(MAX_BYTES);
    let length = length.min(input.metadata()?.size.saturating_sub(source));
    if same_inode(&input, &output) && source.abs_diff(target) < length {
        return Err(Errno::EINVAL);
    }
    let length = allowed_length(call, &output, Some(target), length)?;
    remove_privileges(call, &output)?;
    input.ask_read()?;
    let copied = with_chunk(length, |chunk| {
        let mut total = 0;
        while total < length {
            let most = chunk.len().min((length - total) as usize);
            let count = copy_once(&input, source, &output, target, &mut chunk[..most]);
            match count {
                Ok(0) => break,
                Ok(count) => {
                    source += count as u64;
                    target += count as u64;
                    total += count as u64;
                }
                Err(_) if total > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    })?;
    moved_on(&input, from, source)?;
    moved_on(&output, to, target)?;
    Ok(copied)
}

fn copy_once(
    input: &OpenFile,
    source: u64,
    output: &OpenFile,
    target: u64,
    chunk: &mut [u8],
) -> Result<usize> {
    let got = input.pread(source, &mut (&mut *chunk).into())?;
    output.pwrite(target, &mut (&chunk[..got]).into())
}

fn check_regular(input: &OpenFile, output: &OpenFile) -> Result<()> {
    for file in [input, output] {
        match file.metadata()?.kind {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(())
}

fn check_one_filesystem(input: &OpenFile, output: &OpenFile) -> Result<()> {
    let device = |file: &OpenFile| file.metadata().map(|metadata| metadata.device);
    match device(input)? == device(output)? {
        true => Ok(()),
        false => Err(Errno::EXDEV),
    }
}

fn same_inode(input: &OpenFile, output: &OpenFile) -> bool {
    let inode = |file: &OpenFile| file.file().inode().map(|inode| inode.ino());
    inode(input).is_some() && inode(input) == inode(output)
}

//! poll(2) of the two ends of a pipe.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    const ALL: i16 = POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM;
    t.same("empty, to read", ready(reader, ALL), Ok(0));
    t.same(
        "empty, to write",
        ready(writer, ALL),
        Ok(POLLOUT | POLLWRNORM),
    );
    sys::write_all(writer, &[1; 65_536])?;
    t.same("full, to read", ready(reader, ALL), Ok(POLLIN | POLLRDNORM));
    t.same("full, to write", ready(writer, ALL), Ok(0));
    sys::read(reader, &mut [0; 100])?;
    t.same("some room is none", ready(writer, ALL), Ok(0));
    sys::close(writer)?;
    t.same(
        "no writer, and some left",
        ready(reader, ALL),
        Ok(POLLIN | POLLRDNORM | POLLHUP),
    );
    sys::read(reader, &mut [0; 65_536])?;
    t.same("none left", ready(reader, ALL), Ok(POLLHUP));
    t.same("the end", sys::read(reader, &mut [0; 1]), Ok(0));
    let [reader, writer] = sys::pipe()?;
    sys::close(reader)?;
    t.same(
        "no reader",
        ready(writer, ALL),
        Ok(POLLOUT | POLLWRNORM | POLLERR),
    );
    Ok(())
}

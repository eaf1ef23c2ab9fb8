//! io_submit(2), IOCB_CMD_POLL; io_cancel(2), io_pgetevents(2).
use crate::cases::contracts::prelude::*;

type Iocb = [u64; 8];

fn poll(data: u64, fd: i32, events: i16) -> Iocb {
    let what = 5 | (fd as u32 as u64) << 32;
    [data, 0, what, events as u64, 0, 0, 0, 0]
}

fn submit(context: u64, it: &mut Iocb) -> Result<i64, Errno> {
    let place = &raw mut *it;
    raw!(SYS_io_submit, context, 1, &raw const place)
}

fn events(context: u64, least: i64, timeout: timespec) -> Result<Vec<(i64, i64)>, Errno> {
    let mut found = [[0i64; 4]; 4];
    let at = found.as_mut_ptr();
    let count = raw!(SYS_io_getevents, context, least, 4, at, &raw const timeout)?;
    let told = found.iter().take(count as usize);
    // Others may be told beside what was asked for.
    let asked = i64::from(POLLIN | POLLHUP);
    Ok(told.map(|it| (it[0], it[2] & asked)).collect())
}

#[cfg(target_arch = "aarch64")]
const IO_PGETEVENTS: c_long = 292;
#[cfg(not(target_arch = "aarch64"))]
const IO_PGETEVENTS: c_long = 333;

const NOW: timespec = timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
const LATER: timespec = timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

pub fn run(t: &mut Report) -> Outcome {
    let [reader, writer] = sys::pipe()?;
    let mut context = 0u64;
    t.works("a context", raw!(SYS_io_setup, 8, &raw mut context));
    let mut waits = poll(1, reader, POLLIN);
    t.same("for a byte", submit(context, &mut waits), Ok(1));
    t.same("there is none", events(context, 0, NOW), Ok(vec![]));
    sys::write_all(writer, b"x")?;
    let told = Ok(vec![(1, i64::from(POLLIN))]);
    t.same("there is one", events(context, 1, LATER), told.clone());
    t.same("is told once", events(context, 0, NOW), Ok(vec![]));
    t.same("again", submit(context, &mut waits), Ok(1));
    t.same("at once", events(context, 1, LATER), told);
    sys::read(reader, &mut [0; 1])?;
    t.same("and again", submit(context, &mut waits), Ok(1));
    let at = &raw mut waits;
    let cancel = |at: *mut Iocb| {
        let mut event = [0i64; 4];
        raw!(SYS_io_cancel, context, at, event.as_mut_ptr())
    };
    t.refused("cancelled", cancel(at), EINPROGRESS);
    t.same(
        "tells of nothing",
        events(context, 1, LATER),
        Ok(vec![(1, 0)]),
    );
    t.refused("once", cancel(at), EINVAL);
    t.refused("nothing", cancel(null_mut()), EFAULT);
    let mut wide = poll(2, reader, POLLIN);
    wide[3] = 0x1_0001;
    t.refused("events that are none", submit(context, &mut wide), EINVAL);
    t.same("once more", submit(context, &mut waits), Ok(1));
    sys::close(reader)?;
    sys::close(writer)?;
    let gone = events(context, 1, LATER).map(|it| it.len());
    t.same("the other end has gone", gone, Ok(1));
    masks(t, context)?;
    let [reader, _writer] = sys::pipe()?;
    t.same(
        "one that stays",
        submit(context, &mut poll(3, reader, POLLIN)),
        Ok(1),
    );
    t.works("destroyed", raw!(SYS_io_destroy, context));
    Ok(())
}

/// io_pgetevents(2) waits under another mask.
fn masks(t: &mut Report, context: u64) -> Outcome {
    noted(SIGUSR1, 0)?;
    sys::block_signals(&[SIGUSR1])?;
    sys::kill(own_pid(), SIGUSR1)?;
    let (mask, mut found) = (0u64, [[0i64; 4]; 1]);
    let with = [(&raw const mask).expose_provenance(), 8];
    let later = LATER;
    let (at, until) = (found.as_mut_ptr(), &raw const later);
    let waited = call!(syscall(
        IO_PGETEVENTS,
        context,
        1,
        1,
        at,
        until,
        with.as_ptr()
    ));
    t.refused("a signal ends it", waited, EINTR);
    t.same("which was handled", LAST.load(Relaxed), SIGUSR1);
    let short = [with[0], 4];
    let waited = call!(syscall(
        IO_PGETEVENTS,
        context,
        1,
        1,
        at,
        until,
        short.as_ptr()
    ));
    t.refused("no mask", waited, EINVAL);
    Ok(())
}

//! io_setup(2), io_destroy(2), and what a context does not survive.
use crate::cases::contracts::prelude::*;

fn setup(count: u32, at: &mut u64) -> Result<i64, Errno> {
    raw!(SYS_io_setup, count, std::ptr::from_mut(at))
}

fn number(name: &str) -> u64 {
    text(name).trim().parse().unwrap_or(u64::MAX)
}

pub fn run(t: &mut Report) -> Outcome {
    let mut context = 0;
    t.refused("nowhere", raw!(SYS_io_setup, 1, 0), EFAULT);
    t.refused("for nothing", setup(0, &mut context), EINVAL);
    t.refused("for too much", setup(u32::MAX, &mut context), EINVAL);
    let most = number("/proc/sys/fs/aio-max-nr");
    t.check("the machine's number", (1024..1 << 22).contains(&most));
    let too_many = setup(most as u32 + 1, &mut context);
    t.refused("more than that", too_many, EAGAIN);
    let mut used = 7;
    t.refused("one that is there", setup(1, &mut used), EINVAL);
    let before = number("/proc/sys/fs/aio-nr");
    t.works("one", setup(10, &mut context));
    t.check(
        "has an address",
        context != 0 && context.is_multiple_of(PAGE as u64),
    );
    t.check("is counted", number("/proc/sys/fs/aio-nr") >= before + 10);
    t.refused("none there", raw!(SYS_io_destroy, 0), EINVAL);
    let end = sys::in_child(|| {
        let mine = raw!(SYS_io_submit, context, 0, 0);
        unless(mine == Err(Errno(EINVAL)))
    })?;
    t.same("a child has none", end, End::Exited(0));
    t.same(
        "nothing submitted",
        raw!(SYS_io_submit, context, 0, 0),
        Ok(0),
    );
    t.works("destroyed", raw!(SYS_io_destroy, context));
    t.refused("once", raw!(SYS_io_destroy, context), EINVAL);
    t.refused("gone", raw!(SYS_io_submit, context, 0, 0), EINVAL);
    Ok(())
}

//! fuse(4): who may use a mount, and who decides what.
use super::*;

/// Files of somebody else's.
const OTHERS: Manners = Manners {
    holds: 0,
    owner: 1234,
};

pub fn run(t: &mut Report) -> Outcome {
    own_mounts()?;
    let program = mounted(Manners::default(), "")?;
    as_nobody(t, |t| {
        t.refused("another user", status("m/f"), EACCES);
        t.refused("nor the root", status("m"), EACCES);
        t.refused("nor its files", opened("m/d", O_RDONLY), EACCES);
        Ok(())
    })?;
    over(t, program)?;
    let fd = device()?;
    mount_with(&format!(
        "fd={fd},rootmode=40000,user_id={NOBODY},group_id={NOBODY}"
    ))?;
    let program = serve(fd, OTHERS)?;
    t.refused("not even root", status("m/f"), EACCES);
    as_nobody(t, |t| {
        t.works("whose it is", status("m/f"));
        t.same("the program decides", text("m/d/g"), "more".to_owned());
        Ok(())
    })?;
    over(t, program)?;
    let program = mounted(OTHERS, ",allow_other,default_permissions")?;
    as_nobody(t, |t| {
        t.works("everybody", status("m/f"));
        t.works("may read", opened("m/f", O_RDONLY));
        t.refused("what modes grant", opened("m/f", O_RDWR), EACCES);
        t.refused("and no more", opened("m/d/g", O_RDONLY), EACCES);
        t.refused("nor names", call!(unlink(c"m/f".as_ptr())), EACCES);
        Ok(())
    })?;
    over(t, program)
}

//! fuse(4): what mount(2) takes, and what /proc tells.
use super::*;

fn options_are_looked_at(t: &mut Report) -> Outcome {
    let fd = device()?;
    let null = opened("/dev/null", O_RDWR)?;
    let all = ["fd", "rootmode", "user_id", "group_id"];
    for missing in all {
        let rest: Vec<String> = options(fd)
            .split(',')
            .filter(|option| !option.starts_with(missing))
            .map(str::to_owned)
            .collect();
        t.refused(missing, mount_with(&rest.join(",")), EINVAL);
    }
    t.refused("not the device", mount_with(&options(null)), EINVAL);
    t.refused("no descriptor", mount_with(&options(99)), EINVAL);
    let more = |more: &str| mount_with(&format!("{},{more}", options(fd)));
    t.refused("unknown", more("bogus"), EINVAL);
    t.refused("no number", more("max_read=x"), EINVAL);
    t.refused("no mode", more("rootmode=9"), EINVAL);
    t.refused("not before a mount", sys::read(fd, &mut [0; 8192]), EPERM);
    t.refused("nor answers", sys::write(fd, &[0; 16]), EPERM);
    t.same("an error is ready", ready(fd, POLLIN), Ok(POLLERR));
    t.works(
        "mounted",
        more("default_permissions,allow_other,max_read=4096"),
    );
    let line = text("/proc/self/mounts");
    let line = line.lines().last().unwrap_or_default().to_owned();
    t.same("the source", line.split(' ').next(), Some("program"));
    t.same("the kind", line.split(' ').nth(2), Some("fuse"));
    let shown = "user_id=0,group_id=0,default_permissions,allow_other,max_read=4096";
    t.check("the options", line.contains(shown));
    t.same("a greeting", ready(fd, POLLIN), Ok(POLLIN));
    t.refused("in little room", sys::read(fd, &mut [0; 4096]), EINVAL);
    let mut room = vec![0; 8192];
    let count = sys::read(fd, &mut room)?;
    t.same("is read", room[4], op::INIT as u8);
    t.same("its length", usize::from(room[0]), count);
    sys::set_nonblocking(fd, true)?;
    t.refused("nothing else", sys::read(fd, &mut room), EAGAIN);
    t.works("unmounted", unmount(0));
    t.refused("over", sys::read(fd, &mut room), ENODEV);
    t.refused("no answer", sys::write(fd, &[0; 16]), EINVAL);
    sys::close(fd)?;
    Ok(())
}

fn kinds(t: &mut Report) -> Outcome {
    let fd = device()?;
    t.works("of a kind", mount_as("fuse.own", &options(fd)));
    let line = text("/proc/self/mounts");
    let line = line.lines().last().unwrap_or_default().to_owned();
    t.same("its kind", line.split(' ').nth(2), Some("fuse.own"));
    t.works("unmounted", unmount(0));
    sys::close(fd)?;
    t.refused("others are of none", mount_as("tmpfs.own", ""), ENODEV);
    let known = text("/proc/filesystems");
    t.check(
        "it is known",
        known.lines().any(|line| line == "nodev\tfuse"),
    );
    Ok(())
}

fn other_protocols(t: &mut Report) -> Outcome {
    let fd = device()?;
    mount_with(&options(fd))?;
    let mut room = vec![0; 8192];
    sys::read(fd, &mut room)?;
    let mut answer = vec![0; 16 + 64];
    answer[0] = 80;
    answer[8..16].copy_from_slice(&room[8..16]);
    answer[16] = 9;
    t.same("a greeting of another", sys::write(fd, &answer), Ok(80));
    t.refused("nobody can talk", status("m"), ECONNREFUSED);
    unmount(0)?;
    sys::close(fd)?;
    Ok(())
}

/// A second open device that leads to the same.
fn copies(t: &mut Report) -> Outcome {
    const CLONE: u64 = 0x8004_e500;
    let (first, second) = (device()?, device()?);
    let clone = |of: i32| call!(ioctl(second, CLONE as _, &raw const of));
    t.refused("of none", clone(first), EINVAL);
    mount_with(&options(first))?;
    t.works("of one", clone(first));
    t.refused("once", clone(first), EINVAL);
    let mut room = vec![0; 8192];
    t.check("reads", sys::read(second, &mut room).is_ok());
    sys::close(first)?;
    t.works("it goes on with the other", unmount(0));
    t.refused("to its end", sys::read(second, &mut room), ENODEV);
    sys::close(second)?;
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mounts()?;
    options_are_looked_at(t)?;
    kinds(t)?;
    other_protocols(t)?;
    copies(t)
}

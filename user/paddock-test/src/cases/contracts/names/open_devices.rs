//! open(2): fifos, sockets and devices that nobody drives (ENXIO).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    let kind = c"tmpfs".as_ptr();
    yes!(t; "mounts of its own": unshare(CLONE_NEWNS);
        "not told to others": mount(null(), c"/".as_ptr(), null(), MS_REC | MS_PRIVATE, null());
        "with devices": mount(kind, c"d".as_ptr(), kind, 0, null()); "there": chdir(c"d".as_ptr()););
    yes!(t; "a fifo": mkfifo(c"p".as_ptr(), 0o600);
        "a socket's name": mknod(c"s".as_ptr(), S_IFSOCK | 0o600, 0);
        "a device": mknod(c"c".as_ptr(), S_IFCHR | 0o600, makedev(4000, 7));
        "a disk": mknod(c"b".as_ptr(), S_IFBLK | 0o600, makedev(4000, 7));
        "the one without content": mknod(c"n".as_ptr(), S_IFCHR | 0o600, makedev(1, 3)););
    no!(t;
        "nobody reads": open(c"p".as_ptr(), O_WRONLY | O_NONBLOCK) => ENXIO;
        "a socket": open(c"s".as_ptr(), O_RDWR) => ENXIO;
        "a device without a driver": open(c"c".as_ptr(), O_RDONLY) => ENXIO;
        "a disk without one": open(c"b".as_ptr(), O_RDONLY) => ENXIO;
    );
    let reader = call!(open(c"p".as_ptr(), O_RDONLY | O_NONBLOCK))?;
    t.same("none writes", sys::read(reader, &mut [0; 4]), Ok(0));
    let writer = call!(open(c"p".as_ptr(), O_WRONLY | O_NONBLOCK))?;
    t.refused("one does", sys::read(reader, &mut [0; 4]), EAGAIN);
    let both = call!(open(c"p".as_ptr(), O_RDWR))?;
    t.same("written", sys::write(both, b"abc"), Ok(3));
    t.same("and read", sys::read(reader, &mut [0; 4]), Ok(3));
    sys::close(writer)?;
    let null = call!(open(c"n".as_ptr(), O_RDWR))?;
    t.same(
        "a driver by its number",
        sys::read(null, &mut [0; 4]),
        Ok(0),
    );
    t.same("takes all", sys::write(null, b"abc"), Ok(3));
    t.same("of that number", stat_of(null)?.st_rdev, makedev(1, 3));
    Ok(())
}

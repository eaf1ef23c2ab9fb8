//! inotify(7): IN_DELETE_SELF, once the last name and the last user are gone.
use crate::cases::contracts::prelude::*;

/// The masks of all that has come.
fn masks(fd: i32) -> Vec<u32> {
    let mut bytes = vec![0u8; 4096];
    let count = sys::read(fd, &mut bytes).unwrap_or(0);
    let mut rest = &bytes[..count];
    let mut all = Vec::new();
    while rest.len() >= 16 {
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap_or_default());
        all.push(word(4));
        rest = &rest[16 + word(12) as usize..];
    }
    all
}

pub fn run(t: &mut Report) -> Outcome {
    const GONE: [u32; 2] = [IN_DELETE_SELF, IN_IGNORED];
    let fd = call!(inotify_init1(IN_NONBLOCK))?;
    let watch = |name: &CStr| {
        let mask = IN_ATTRIB | IN_DELETE_SELF;
        call!(inotify_add_watch(fd, name.as_ptr(), mask))
    };
    file("f", b"")?;
    watch(c"f")?;
    yes!(t; "nobody has it": unlink(c"f".as_ptr()););
    t.same("it is gone", masks(fd), [&[IN_ATTRIB][..], &GONE].concat());
    file("f", b"")?;
    watch(c"f")?;
    let (first, copy) = (opened("f", O_RDONLY)?, opened("f", O_RDONLY)?);
    yes!(t; "open": unlink(c"f".as_ptr()););
    t.same("it is there", masks(fd), vec![IN_ATTRIB]);
    sys::close(first)?;
    t.same("still open", masks(fd), vec![]);
    sys::close(copy)?;
    t.same("closed", masks(fd), GONE.to_vec());
    file("f", b"")?;
    watch(c"f")?;
    yes!(t;
        "another name": link(c"f".as_ptr(), c"g".as_ptr());
        "one is gone": unlink(c"f".as_ptr());
    );
    t.same("not it", masks(fd), vec![IN_ATTRIB]);
    yes!(t; "the other": unlink(c"g".as_ptr()););
    t.same("both are", masks(fd), [&[IN_ATTRIB][..], &GONE].concat());
    file("f", &[0; 4096])?;
    watch(c"f")?;
    let open = opened("f", O_RDONLY)?;
    let map = Map::new(PAGE, PROT_READ, MAP_PRIVATE, open)?;
    sys::close(open)?;
    yes!(t; "mapped": unlink(c"f".as_ptr()););
    t.same("it is there", masks(fd), vec![IN_ATTRIB]);
    drop(map);
    t.same("unmapped", masks(fd), GONE.to_vec());
    folder("d")?;
    watch(c"d")?;
    let open = opened("d", O_RDONLY)?;
    yes!(t; "a folder": rmdir(c"d".as_ptr()););
    t.same("open", masks(fd), vec![]);
    sys::close(open)?;
    t.same("closed", masks(fd), GONE.to_vec());
    file("f", b"")?;
    file("g", b"")?;
    watch(c"g")?;
    let open = opened("g", O_RDONLY)?;
    yes!(t; "replaced": rename(c"f".as_ptr(), c"g".as_ptr()););
    t.same("open", masks(fd), vec![IN_ATTRIB]);
    sys::close(open)?;
    t.same("closed", masks(fd), GONE.to_vec());
    Ok(())
}

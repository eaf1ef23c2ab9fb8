//! lseek(2), SEEK_DATA and SEEK_HOLE; what holes read as.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"")?;
    let fd = opened("f", O_RDWR)?;
    let seek = |to: i64, how: i32| call!(lseek(fd, to, how));
    t.refused("data of none", seek(0, SEEK_DATA), ENXIO);
    t.refused("a hole of none", seek(0, SEEK_HOLE), ENXIO);
    yes!(t; "a page at 1 MiB": pwrite(fd, [7u8; PAGE].as_ptr().cast(), PAGE, 1 << 20);
        "longer": ftruncate(fd, 2 << 20););
    t.same("the first data", seek(0, SEEK_DATA), Ok(1 << 20));
    t.same(
        "within it",
        seek((1 << 20) + 5, SEEK_DATA),
        Ok((1 << 20) + 5),
    );
    t.same(
        "the hole behind it",
        seek(1 << 20, SEEK_HOLE),
        Ok((1 << 20) + PAGE as i64),
    );
    t.same("the first hole", seek(0, SEEK_HOLE), Ok(0));
    t.refused(
        "no more data",
        seek((1 << 20) + PAGE as i64, SEEK_DATA),
        ENXIO,
    );
    t.refused("at the end", seek(2 << 20, SEEK_HOLE), ENXIO);
    t.refused("before the beginning", seek(-1, SEEK_DATA), ENXIO);
    let mut bytes = [9u8; 4];
    t.same("the place is where it was", seek(0, SEEK_CUR), Ok(0));
    yes!(t; "a hole": pread(fd, bytes.as_mut_ptr().cast(), 4, 500););
    t.same("is zeros", bytes, [0; 4]);
    yes!(t; "the border": pread(fd, bytes.as_mut_ptr().cast(), 4, (1 << 20) - 2););
    t.same("is both", bytes, [0, 0, 7, 7]);
    t.check("few blocks", stat_of(fd)?.st_blocks * 512 <= 65_536);
    Ok(())
}

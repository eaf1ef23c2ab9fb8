//! fcntl(2): a record lock that is set over others parts them, joins them or takes their place.
use crate::cases::contracts::prelude::*;

/// What others find of them: kinds, and where each begins and how long it is.
fn found(fd: i32) -> Vec<(i32, i64, i64)> {
    let [reader, writer] = sys::pipe().unwrap_or_default();
    let end = sys::in_child(|| {
        let mut from = 0;
        while let Ok(it) = lock_by(F_GETLK, fd, F_WRLCK, from, 0) {
            if i32::from(it.l_type) == F_UNLCK {
                return 0;
            }
            let words = [i64::from(it.l_type), it.l_start, it.l_len];
            let _ = sys::write_all(writer, &words.map(i64::to_le_bytes).concat());
            from = it.l_start + it.l_len;
            if it.l_len == 0 {
                return 0;
            }
        }
        1
    });
    let _ = sys::close(writer);
    let bytes = sys::read_to_end(reader).unwrap_or_default();
    let _ = sys::close(reader);
    let word = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let words: Vec<i64> = bytes.chunks(8).map(word).collect();
    let locks = words.chunks(3).map(|it| (it[0] as i32, it[1], it[2]));
    if end == Ok(End::Exited(0)) {
        locks.collect()
    } else {
        vec![]
    }
}

pub fn run(t: &mut Report) -> Outcome {
    file("f", &[b'x'; 100])?;
    let fd = opened("f", O_RDWR)?;
    let (read, write, none) = (F_RDLCK, F_WRLCK, F_UNLCK);
    let mut step =
        |what: &str, kind: i32, start: i64, length: i64, expected: &[(i32, i64, i64)]| {
            let set = lock_by(F_SETLK, fd, kind, start, length);
            t.same(what, set.map(|_| found(fd)), Ok(expected.to_vec()));
        };
    step("one", write, 10, 10, &[(write, 10, 10)]);
    step("its middle", none, 13, 2, &[(write, 10, 3), (write, 15, 5)]);
    step("the gap again", write, 13, 2, &[(write, 10, 10)]);
    step(
        "another kind within",
        read,
        12,
        3,
        &[(write, 10, 2), (read, 12, 3), (write, 15, 5)],
    );
    step(
        "over the border",
        read,
        14,
        3,
        &[(write, 10, 2), (read, 12, 5), (write, 17, 3)],
    );
    step("all of one kind", write, 10, 10, &[(write, 10, 10)]);
    step("beside it", write, 20, 5, &[(write, 10, 15)]);
    step("before it", read, 5, 5, &[(read, 5, 5), (write, 10, 15)]);
    step("its beginning", none, 5, 7, &[(write, 12, 13)]);
    step("its end", none, 20, 0, &[(write, 12, 8)]);
    step(
        "to the end of all",
        read,
        15,
        0,
        &[(write, 12, 3), (read, 15, 0)],
    );
    step(
        "a negative length",
        none,
        15,
        -2,
        &[(write, 12, 1), (read, 15, 0)],
    );
    step("over all", write, 0, 0, &[(write, 0, 0)]);
    step("none", none, 0, 0, &[]);
    Ok(())
}

//! fanotify_init(2): FAN_REPORT_DIR_FID, FAN_REPORT_NAME, FAN_REPORT_TARGET_FID.
use super::*;

/// Kinds of information.
const OF_FILE: u8 = 1;
const WITH_NAME: u8 = 2;
const OF_FOLDER: u8 = 3;

fn told(t: &mut Report, flags: u32, mask: u64, expected: &[(u64, Vec<Info>)]) -> Outcome {
    let fd = group(flags)?;
    mark(fd, ADD | FILESYSTEM, mask, "d")?;
    touch("d/e/f")?;
    touch("d/e")?;
    file("d/e/g", b"")?;
    call!(unlink(c"d/e/g".as_ptr()))?;
    let all: Vec<_> = heard(fd).into_iter().map(|it| (it.mask, it.info)).collect();
    t.same(&format!("{flags:x}"), all.len(), expected.len());
    for (found, wanted) in all.iter().zip(expected) {
        t.same(&format!("{flags:x}"), found, wanted);
    }
    sys::close(fd)?;
    Ok(())
}

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    folder("d/e")?;
    file("d/e/f", b"")?;
    let (dir, file) = (handle("d/e")?, handle("d/e/f")?);
    let named = |name: &str| (WITH_NAME, dir.clone(), name.to_owned());
    let folder = || (OF_FOLDER, dir.clone(), String::new());
    let object = || (OF_FILE, file.clone(), String::new());
    let names = CREATE | DELETE;
    let mask = CLOSE_NOWRITE | names | ONDIR;
    told(
        t,
        DIR_FID,
        mask,
        &[
            (CLOSE_NOWRITE | names, vec![folder()]),
            (CLOSE_NOWRITE | ONDIR, vec![folder()]),
        ],
    )?;
    told(
        t,
        DIR_FID | NAME,
        mask,
        &[
            (CLOSE_NOWRITE, vec![named("f")]),
            (CLOSE_NOWRITE | ONDIR, vec![named(".")]),
            (names, vec![named("g")]),
        ],
    )?;
    told(
        t,
        DIR_FID | FID,
        mask,
        &[
            (CLOSE_NOWRITE, vec![folder(), object()]),
            (CLOSE_NOWRITE | ONDIR, vec![folder()]),
            (names, vec![folder()]),
        ],
    )?;
    told(
        t,
        DIR_FID | FID | NAME,
        mask,
        &[
            (CLOSE_NOWRITE, vec![named("f"), object()]),
            (CLOSE_NOWRITE | ONDIR, vec![named(".")]),
            (names, vec![named("g")]),
        ],
    )?;
    let fd = group(DIR_FID | FID | NAME | TARGET_FID)?;
    mark(fd, ADD, CREATE | DELETE | MOVED_FROM | MOVED_TO, "d/e")?;
    self::file("d/e/g", b"")?;
    let target = (OF_FILE, handle("d/e/g")?, String::new());
    let event = heard(fd).pop().ok_or("none")?;
    t.same(
        "the file, too",
        event.info,
        vec![named("g"), target.clone()],
    );
    call!(rename(c"d/e/g".as_ptr(), c"d/e/h".as_ptr()))?;
    let all: Vec<_> = heard(fd).into_iter().map(|it| (it.mask, it.info)).collect();
    let from = (MOVED_FROM, vec![named("g"), target.clone()]);
    let to = (MOVED_TO, vec![named("h"), target.clone()]);
    t.same("moved", all, vec![from, to]);
    call!(unlink(c"d/e/h".as_ptr()))?;
    let event = heard(fd).pop().ok_or("none")?;
    t.same("gone", event.info, vec![named("h"), target]);
    Ok(())
}

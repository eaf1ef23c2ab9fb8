//! fanotify_mark(2): FAN_RENAME.
use super::*;

const OLD: u8 = 10;
const NEW: u8 = 12;

pub fn run(t: &mut Report) -> Outcome {
    own_mount()?;
    folder("d/a")?;
    folder("d/b")?;
    let (a, b) = (handle("d/a")?, handle("d/b")?);
    let groups = [(); 4].map(|()| group(DIR_FID | NAME));
    let [from, to, both, whole] = groups;
    let (from, to, both, whole) = (from?, to?, both?, whole?);
    mark(from, ADD, RENAME, "d/a")?;
    mark(to, ADD, RENAME, "d/b")?;
    mark(both, ADD, RENAME, "d/a")?;
    mark(both, ADD, RENAME, "d/b")?;
    mark(whole, ADD | FILESYSTEM, RENAME | ONDIR, "d")?;
    file("d/a/f", b"")?;
    call!(rename(c"d/a/f".as_ptr(), c"d/b/g".as_ptr()))?;
    let old = (OLD, a.clone(), "f".to_owned());
    let new = (NEW, b.clone(), "g".to_owned());
    for (fd, expected) in [
        (from, vec![old.clone()]),
        (to, vec![new.clone()]),
        (both, vec![old.clone(), new.clone()]),
        (whole, vec![old, new]),
    ] {
        let all: Vec<_> = heard(fd).into_iter().map(|it| (it.mask, it.info)).collect();
        t.same("renamed", all, vec![(RENAME, expected)]);
    }
    call!(rename(c"d/b/g".as_ptr(), c"d/b/h".as_ptr()))?;
    let names = |fd| -> Vec<_> {
        let all = heard(fd).into_iter().flat_map(|it| it.info);
        all.map(|it| (it.0, it.2)).collect()
    };
    let inside = vec![(OLD, "g".to_owned()), (NEW, "h".to_owned())];
    t.same("in one folder", names(to), inside);
    t.same("not the other", names(from), vec![]);
    heard(whole);
    heard(both);
    folder("d/a/e")?;
    call!(rename(c"d/a/e".as_ptr(), c"d/b/e".as_ptr()))?;
    t.same("a folder", heard(from).len(), 0);
    let masks: Vec<_> = heard(whole).iter().map(|it| it.mask).collect();
    t.same("if it is wanted", masks, vec![RENAME | ONDIR]);
    Ok(())
}

//! A folder's set-group bit: the group of what is made in it, and its bits (inode(7)).
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    folder("d")?;
    folder("p")?;
    yes!(t; "its group": chown(c"d".as_ptr(), 0, 701); "its bit": chmod(c"d".as_ptr(), 0o2777);
        "an ordinary one": chown(c"p".as_ptr(), 0, 701); "without": chmod(c"p".as_ptr(), 0o777););
    let group = |name: &str| status(name).map(|it| it.st_gid);
    apart(t, |t| {
        become_user(700, 700)?;
        // SAFETY: has no conditions.
        unsafe { umask(0) };
        yes!(t; "a file": creat(c"d/f".as_ptr(), 0o2777);
            "a folder": mkdir(c"d/e".as_ptr(), 0o777);
            "a fifo": mkfifo(c"d/p".as_ptr(), 0o777);
            "a node": mknod(c"d/n".as_ptr(), S_IFREG | 0o2777, 0);
            "a link": symlink(c"f".as_ptr(), c"d/l".as_ptr());
            "none that the group runs": creat(c"d/g".as_ptr(), 0o2767);
            "in the other": creat(c"p/f".as_ptr(), 0o2777););
        t.works("a file without a name", opened("d", O_TMPFILE | O_RDWR));
        Ok(())
    })?;
    for name in ["d/f", "d/e", "d/p", "d/n", "d/l", "d/g"] {
        t.same(&format!("{name} has its group"), group(name), Ok(701));
    }
    t.same("the file loses the bit", mode("d/f"), Ok(0o777));
    t.same("the node as well", mode("d/n"), Ok(0o777));
    t.same("not where the group runs nothing", mode("d/g"), Ok(0o2767));
    t.same("the folder has it", mode("d/e"), Ok(0o2777));
    t.same("else one's own", group("p/f"), Ok(700));
    t.same("and the bit stays", mode("p/f"), Ok(0o2777));
    apart(t, |t| {
        become_user(700, 701)?;
        yes!(t; "who is in the group": creat(c"d/m".as_ptr(), 0o2755););
        t.same("keeps it", mode("d/m"), Ok(0o2755));
        Ok(())
    })
}

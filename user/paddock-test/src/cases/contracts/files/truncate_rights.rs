//! truncate(2): who may, and what is not cut.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    file("f", b"abc")?;
    folder("d")?;
    folder("shut")?;
    file("shut/f", b"")?;
    let long = CString::new(vec![b'x'; 256]).unwrap_or_default();
    yes!(t; "shut": chmod(c"shut".as_ptr(), 0o600););
    no!(t;
        "a folder": truncate(c"d".as_ptr(), 0) => EISDIR;
        "in a file": truncate(c"f/x".as_ptr(), 0) => ENOTDIR;
        "no name": truncate(c"".as_ptr(), 0) => ENOENT;
        "a long name": truncate(long.as_ptr(), 0) => ENAMETOOLONG;
        "nowhere": truncate(8 as *const c_char, 0) => EFAULT;
    );
    as_nobody(t, |t| {
        no!(t; "another's": truncate(c"f".as_ptr(), 0) => EACCES;
            "in a shut folder": truncate(c"shut/f".as_ptr(), 0) => EACCES;);
        Ok(())
    })?;
    no!(t; "a program that runs, to write": open(c"/proc/self/exe".as_ptr(), O_WRONLY) => ETXTBSY;);
    Ok(())
}

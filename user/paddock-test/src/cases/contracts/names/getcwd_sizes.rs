//! getcwd(2): its length, and too little room.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    let mut bytes = [7u8; 4096];
    let at = bytes.as_mut_ptr();
    let ask = |size: usize| raw!(SYS_getcwd, at, size);
    let length = ask(4096)?;
    let path = std::env::current_dir().map_err(|error| error.to_string())?;
    let bytes_of = path.as_os_str().len() as i64;
    t.same("the zero byte counts", length, bytes_of + 1);
    t.same("just enough", ask(length as usize), Ok(length));
    t.refused("a byte less", ask(length as usize - 1), ERANGE);
    t.refused("one", ask(1), ERANGE);
    t.refused("none", ask(0), ERANGE);
    t.refused("nowhere", raw!(SYS_getcwd, usize::MAX, 4096), EFAULT);
    t.refused("at 0", raw!(SYS_getcwd, 0, 4096), EFAULT);
    yes!(t; "the root": chdir(c"/".as_ptr()););
    t.same("a slash and a zero byte", ask(4096), Ok(2));
    Ok(())
}

//! acct(2), acct(5): who may ask for records, where they go, and what is in them.
use crate::cases::contracts::prelude::*;

const RECORD: usize = 64;

fn account(path: Option<&CStr>) -> Result<i32, Errno> {
    int!(SYS_acct, path.map_or(null(), CStr::as_ptr))
}

/// The records of those with a name.
fn records(name: &[u8]) -> Vec<[u8; RECORD]> {
    let bytes = std::fs::read("log").unwrap_or_default();
    let all = bytes.chunks_exact(RECORD);
    let all = all.filter_map(|record| record.try_into().ok());
    let is_its = |record: &[u8; RECORD]| record[48..].split(|&byte| byte == 0).next() == Some(name);
    all.filter(is_its).collect()
}

fn word(record: &[u8; RECORD], at: usize) -> u32 {
    u32::from_le_bytes(record[at..at + 4].try_into().unwrap_or_default())
}

/// A child with a name that ends so.
fn child(name: &CStr, signal: i32) -> Result<i32, Errno> {
    let child = sys::fork(|| {
        // SAFETY: a name with a zero byte.
        unsafe { prctl(PR_SET_NAME, name.as_ptr()) };
        if signal != 0 {
            let _ = sys::kill(own_pid(), signal);
        }
        7
    })?;
    sys::wait(child)?;
    Ok(child)
}

fn refusals(t: &mut Report) -> Outcome {
    folder("d")?;
    std::os::unix::fs::symlink("loop", "loop").map_err(|error| error.to_string())?;
    let long = word_of(5000);
    t.refused("a folder", account(Some(c"d")), EISDIR);
    t.refused("a device", account(Some(c"/dev/null")), EACCES);
    t.refused("nothing", account(Some(c"no")), ENOENT);
    t.refused("no folder", account(Some(c"log/x")), ENOTDIR);
    t.refused("a circle", account(Some(c"loop")), ELOOP);
    t.refused("a long name", account(Some(&long)), ENAMETOOLONG);
    t.refused("no address", raw!(SYS_acct, -1isize), EFAULT);
    as_nobody(t, |t| {
        t.refused("for root alone", account(Some(c"log")), EPERM);
        t.refused("and so its end", account(None), EPERM);
        Ok(())
    })
}

fn word_of(length: usize) -> CString {
    CString::new(vec![b'a'; length]).unwrap_or_default()
}

pub fn run(t: &mut Report) -> Outcome {
    file("log", b"")?;
    refusals(t)?;
    t.same("none to end", account(None), Ok(0));
    t.same("begun", account(Some(c"log")), Ok(0));
    let begun = std::time::SystemTime::now();
    let exits = child(c"one-that-exits", 0)?;
    let dies = child(c"one-that-dies", SIGKILL)?;
    t.same("ended", account(None), Ok(0));
    child(c"one-too-late", 0)?;
    let (first, second) = (records(b"one-that-exits"), records(b"one-that-dies"));
    t.same("one record each", (first.len(), second.len()), (1, 1));
    t.same("none afterwards", records(b"one-too-late").len(), 0);
    let (Some(first), Some(second)) = (first.first(), second.first()) else {
        return Ok(());
    };
    t.same("how, and the version", (first[0] & !2, first[1]), (1, 3));
    t.same("a signal", second[0] & !2, 1 | 16);
    t.same("the status", (word(first, 4), word(second, 4)), (7 << 8, 9));
    t.same("user and group", (word(first, 8), word(first, 12)), (0, 0));
    let numbers = |record| (word(record, 16) as i32, word(record, 20) as i32);
    t.same("numbers", numbers(first), (exits, own_pid()));
    t.same("another's", numbers(second).0, dies);
    let since = begun.duration_since(std::time::UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_secs() as i64);
    let after = i64::from(word(first, 24)) - since;
    t.check("when it began", (-2..20).contains(&after));
    let ticks = f32::from_bits(word(first, 28));
    t.check("how long it was there", (0.0..2000.0).contains(&ticks));
    let half = |at: usize| u16::from_le_bytes([first[at], first[at + 1]]);
    t.check("its memory", half(36) > 0);
    t.same(
        "not read or written, nor swapped",
        (half(38), half(40), half(46)),
        (0, 0, 0),
    );
    t.same(
        "/proc/sys/kernel/acct",
        text("/proc/sys/kernel/acct"),
        "4\t2\t30\n".to_owned(),
    );
    Ok(())
}

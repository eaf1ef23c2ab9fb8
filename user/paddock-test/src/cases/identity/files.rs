//! Modes, owners, and programs with a set-user-id bit.

use super::users::capget;
use super::*;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).map_or(0, |meta| meta.mode() & 0o7777)
}

fn set_mode(path: &Path, mode: u32) -> bool {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).is_ok()
}

pub fn modes(report: &mut Report, folder: &Path) -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    let own = folder.join("own");
    fs::write(&own, b"x").map_err(text)?;
    chown(&own, Some(USER), Some(OTHER)).map_err(text)?;
    let shared = folder.join("shared");
    fs::create_dir(&shared).map_err(text)?;
    chown(&shared, Some(0), Some(OTHER)).map_err(text)?;
    set_mode(&shared, 0o3777);
    let roots = shared.join("roots");
    fs::write(&roots, b"x").map_err(text)?;
    set_mode(&roots, 0o666);
    child(report, "modes, owners and directories", |failed| {
        failed.works(0, become_user(USER));
        failed.check(1, set_mode(&own, 0o6755));
        failed.check(2, mode_of(&own) == 0o4755);
        failed.check(3, chown(&own, Some(OTHER), None).is_err());
        failed.check(4, chown(&own, None, Some(USER)).is_ok());
        failed.check(5, mode_of(&own) == 0o755);
        failed.check(6, set_mode(&own, 0o7755) && mode_of(&own) == 0o7755);
        failed.check(7, chown(&own, None, Some(USER)).is_ok());
        failed.check(8, mode_of(&own) & 0o6000 == 0);
        failed.check(9, fs::remove_file(&roots).is_err());
        failed.check(10, fs::rename(&roots, shared.join("stolen")).is_err());
        let mine = shared.join("mine");
        failed.check(11, fs::write(&mine, b"x").is_ok());
        failed.check(
            12,
            fs::metadata(&mine).is_ok_and(|meta| meta.gid() == OTHER),
        );
        let sub = shared.join("sub");
        failed.check(13, fs::create_dir(&sub).is_ok());
        failed.check(14, fs::metadata(&sub).is_ok_and(|meta| meta.gid() == OTHER));
        failed.check(15, mode_of(&sub) & 0o2000 != 0);
        let with_bit = shared.join("with-bit");
        let options = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o2775)
            .open(&with_bit);
        failed.check(16, options.is_ok() && mode_of(&with_bit) & 0o2000 == 0);
        failed.check(17, fs::remove_file(&mine).is_ok());
        failed.check(18, !set_mode(&roots, 0o777));
        failed.check(19, set_mode(&own, 0o4755));
        failed.check(20, fs::write(&own, b"other").is_ok());
        failed.check(21, mode_of(&own) == 0o755);
        failed.check(22, set_mode(&own, 0o4755));
        let append = fs::OpenOptions::new().append(true).open(&own);
        failed.check(
            23,
            append.is_ok_and(|file| sys::write(file.as_raw_fd(), b"x") == Ok(1)),
        );
        failed.check(24, mode_of(&own) == 0o755);
    })
}

/// Run by the case: says who it is. `paddock-test whoami`.
pub fn whoami(_: &mut Report, _: &[String]) -> Outcome {
    let [real, effective, saved] = uids()?;
    // SAFETY: has no conditions.
    let (secure, gid) = unsafe { (libc::getauxval(libc::AT_SECURE), libc::getegid()) };
    let dumpable = prctl(libc::PR_GET_DUMPABLE, 0)?;
    let capable = capget()?[0] & 1;
    println!("{real} {effective} {saved} {gid} {secure} {dumpable} {capable}");
    Ok(())
}

/// What a copy of this program says that runs for an ordinary user.
fn run_as_user(program: &Path, prepare: impl FnOnce() -> bool) -> Result<String, String> {
    let [reader, writer] = sys::pipe()?;
    let name = std::ffi::CString::new(program.to_string_lossy().into_owned());
    let name = name.map_err(|error| error.to_string())?;
    let child = sys::fork(|| {
        if become_user(USER).is_err() || !prepare() || call!(libc::dup2(writer, 1)).is_err() {
            return 1;
        }
        println!("{:?}", sys::exec(&name, &["whoami"]));
        1
    })?;
    sys::close(writer)?;
    let text = sys::read_to_end(reader)?;
    sys::close(reader)?;
    sys::wait(child)?;
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

pub fn set_user_id(report: &mut Report, folder: &Path) -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    if is_nosuid(folder) {
        let program = copy_to(folder)?;
        set_mode(&program, 0o4755);
        let said = run_as_user(&program, || true)?;
        report.same(
            "on a mount without set-user-id",
            said,
            "1000 1000 1000 1000 0 1 0".into(),
        );
    }
    let base = ["/tmp", "/var/tmp", "/var", "/"].map(Path::new);
    let base = base.iter().find(|base| base.is_dir() && !is_nosuid(base));
    let folder = base
        .ok_or("set-user-id is nowhere")?
        .join(format!("suid-{}", std::process::id()));
    fs::create_dir(&folder).map_err(text)?;
    let outcome = executed(report, &folder);
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn is_nosuid(path: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(path.to_string_lossy().into_owned()) else {
        return true;
    };
    // SAFETY: all zeroes is a value of this structure of numbers.
    let mut info: libc::statvfs = unsafe { std::mem::zeroed() };
    let told = call!(libc::statvfs(path.as_ptr(), &mut info));
    told.is_err() || info.f_flag & libc::ST_NOSUID != 0
}

fn copy_to(folder: &Path) -> Result<std::path::PathBuf, String> {
    let text = |error: std::io::Error| error.to_string();
    let program = folder.join("paddock-test");
    fs::copy(std::env::current_exe().map_err(text)?, &program).map_err(text)?;
    Ok(program)
}

fn executed(report: &mut Report, folder: &Path) -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    let program = copy_to(folder)?;
    let as_it_is = || true;
    let say = |mode: u32| {
        set_mode(&program, mode);
        run_as_user(&program, as_it_is)
    };
    report.same(
        "an ordinary program",
        say(0o755)?,
        "1000 1000 1000 1000 0 1 0".into(),
    );
    report.same("one of root's", say(0o4755)?, "1000 0 0 1000 1 0 1".into());
    report.same(
        "of root's group",
        say(0o2755)?,
        "1000 1000 1000 0 1 0 0".into(),
    );
    report.same(
        "the bit without the right to execute",
        say(0o2745)?,
        "1000 1000 1000 1000 0 1 0".into(),
    );
    report.same(
        "one that cannot be read",
        say(0o711)?,
        "1000 1000 1000 1000 0 0 0".into(),
    );
    set_mode(&program, 0o4755);
    report.same(
        "no new privileges",
        run_as_user(&program, || prctl(libc::PR_SET_NO_NEW_PRIVS, 1).is_ok())?,
        "1000 1000 1000 1000 0 1 0".into(),
    );
    chown(&program, Some(OTHER), None).map_err(text)?;
    report.same(
        "the owner's bit goes with the owner",
        mode_of(&program),
        0o755,
    );
    report.same(
        "another user's",
        say(0o4755)?,
        "1000 1001 1001 1000 1 0 0".into(),
    );
    Ok(())
}

//! Programs that are none: cut short, or with a lie in them.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Outcome, folder};
use crate::report::Report;
use crate::sys::{self, End, Errno};

/// What execve must answer.
#[derive(Clone, Copy)]
enum Expected {
    /// ENOEXEC.
    NoProgram,
    /// Any error, or an end by a signal once the old program is gone.
    NoHarm,
}
use Expected::{NoHarm, NoProgram};

/// All in a folder below argument 0 (`/tmp`).
pub fn run(report: &mut Report, words: &[String]) -> Outcome {
    let program = fs::read("/proc/self/exe")
        .or_else(|_| fs::read(std::env::args_os().next().unwrap_or_default()))
        .map_err(|error| error.to_string())?;
    let folder = folder(words, "elf")?;
    let outcome = checks(report, &folder, &program);
    fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    outcome
}

fn checks(report: &mut Report, folder: &Path, program: &[u8]) -> Outcome {
    for length in [0, 1, 3, 4, 15, 16, 63] {
        let name = format!("cut at {length}");
        attempt(report, folder, &name, &program[..length], NoProgram)?;
    }
    for length in [64, 65, 100, 120, 500] {
        let name = format!("cut at {length}");
        attempt(report, folder, &name, &program[..length], NoHarm)?;
    }
    attempt(report, folder, "zeroes", &[0; 4096], NoProgram)?;
    attempt(
        report,
        folder,
        "text",
        b"echo this is no program\n",
        NoProgram,
    )?;
    attempt(
        report,
        folder,
        "a script without an interpreter",
        b"#!\n",
        NoProgram,
    )?;
    for (name, offset, bytes, expected) in header_lies() {
        let mut image = program.to_vec();
        image[offset..offset + bytes.len()].copy_from_slice(&bytes);
        attempt(report, folder, name, &image, expected)?;
    }
    for (name, offset, value) in segment_lies() {
        if let Some(image) = with_segment_lie(program, offset, value) {
            attempt(report, folder, name, &image, NoHarm)?;
        }
    }
    interpreters(report, folder)?;
    noise(report, folder, program)?;
    modes(report, folder, program)
}

type HeaderLie = (&'static str, usize, Vec<u8>, Expected);

/// Lies in the first 64 bytes: name, offset, bytes.
fn header_lies() -> Vec<HeaderLie> {
    let word = |value: u64| value.to_le_bytes().to_vec();
    let half = |value: u16| value.to_le_bytes().to_vec();
    vec![
        ("another machine", 18, half(8), NoProgram),
        ("a relocatable file", 16, half(1), NoProgram),
        ("a core file", 16, half(4), NoProgram),
        ("headers beyond the end", 32, word(1 << 40), NoProgram),
        (
            "headers at the end of all",
            32,
            word(u64::MAX - 8),
            NoProgram,
        ),
        ("headers of another size", 54, half(8), NoProgram),
        ("no headers", 56, half(0), NoProgram),
        ("too many headers", 56, half(0xffff), NoProgram),
        (
            "it begins in the kernel",
            24,
            word(0xffff_ff80_0000_0000),
            NoHarm,
        ),
        ("it begins nowhere", 24, word(8), NoHarm),
    ]
}

/// Lies in the first segment to load: name, offset in its header, value.
fn segment_lies() -> Vec<(&'static str, usize, u64)> {
    vec![
        ("a segment beyond the file", 8, 1 << 40),
        ("a segment at the end of all", 8, !0xfff),
        ("a segment in the kernel", 16, 0xffff_ff80_0000_0000),
        ("a segment across the end", 16, !0xfff),
        ("more in the file than in memory", 32, 1 << 40),
        ("all of memory", 40, 1 << 46),
        ("more than all of memory", 40, u64::MAX),
        ("an odd place", 8, 1),
    ]
}

fn field(image: &[u8], offset: usize, length: usize) -> Option<u64> {
    let bytes = image.get(offset..offset + length)?;
    let mut value = [0; 8];
    value[..length].copy_from_slice(bytes);
    Some(u64::from_le_bytes(value))
}

fn with_segment_lie(program: &[u8], offset: usize, value: u64) -> Option<Vec<u8>> {
    let start = usize::try_from(field(program, 32, 8)?).ok()?;
    let count = usize::try_from(field(program, 56, 2)?).ok()?;
    let header = (0..count)
        .map(|n| start + n * 56)
        .find(|at| field(program, *at, 4) == Some(1))?;
    let mut image = program.to_vec();
    let place = image.get_mut(header + offset..header + offset + 8)?;
    place.copy_from_slice(&value.to_le_bytes());
    Some(image)
}

fn interpreters(report: &mut Report, folder: &Path) -> Outcome {
    write(folder, b"#!/nowhere/shell\n")?;
    let found = execute(&folder.join("program"))?;
    report.same(
        "a script's interpreter is missing",
        found,
        refusal(libc::ENOENT),
    );
    Ok(())
}

/// The program with bytes of its headers changed at random.
fn noise(report: &mut Report, folder: &Path, program: &[u8]) -> Outcome {
    let mut noise = sys::Noise::new(17);
    let mut harmless = 0;
    for _ in 0..60 {
        let mut image = program.to_vec();
        for _ in 0..4 {
            let at = noise.next() as usize % 400.min(image.len());
            image[at] = noise.next() as u8;
        }
        write(folder, &image)?;
        // It may even be a program still; then it ends as one.
        harmless += u32::from(execute(&folder.join("program")).is_ok());
    }
    report.same("sixty at random", harmless, 60);
    Ok(())
}

fn modes(report: &mut Report, folder: &Path, program: &[u8]) -> Outcome {
    write(folder, program)?;
    let name = folder.join("program");
    report.same("the program itself runs", execute(&name)?, End::Exited(0));
    let plain = fs::Permissions::from_mode(0o644);
    fs::set_permissions(&name, plain).map_err(|error| error.to_string())?;
    report.same("unless it may not", execute(&name)?, refusal(libc::EACCES));
    Ok(())
}

fn write(folder: &Path, image: &[u8]) -> Outcome {
    let name = folder.join("program");
    let _ = fs::remove_file(&name);
    fs::write(&name, image)
        .and_then(|()| fs::set_permissions(&name, fs::Permissions::from_mode(0o755)))
        .map_err(|error| error.to_string())
}

/// How the end of a child tells of an errno of execve.
fn refusal(errno: i32) -> End {
    End::Exited(100 + errno)
}

/// Executes a file as `exit 0` in a child that says nothing and takes 2 s of
/// processor time at most.
fn execute(name: &Path) -> Result<End, String> {
    let name = CString::new(name.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    let end = sys::in_child(|| {
        let null = sys::call!(libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY)).unwrap_or(1);
        let _ = sys::call!(libc::dup2(null, 1));
        let _ = sys::call!(libc::dup2(null, 2));
        let limit = libc::rlimit {
            rlim_cur: 2,
            rlim_max: 2,
        };
        let _ = sys::call!(libc::setrlimit(libc::RLIMIT_CPU, &limit));
        let Errno(errno) = sys::exec(&name, &["exit", "0"]);
        100 + errno
    });
    end.map_err(String::from)
}

fn attempt(
    report: &mut Report,
    folder: &Path,
    name: &str,
    image: &[u8],
    expected: Expected,
) -> Outcome {
    write(folder, image)?;
    let end = execute(&folder.join("program"))?;
    match (expected, end) {
        (NoProgram, end) => report.same(name, end, refusal(libc::ENOEXEC)),
        (NoHarm, End::Exited(0..100)) => report.fail(name, "it ran"),
        (NoHarm, _) => report.check(name, true),
    }
    Ok(())
}

//! Starting a service's process.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fork::{self, Image, Record, Step};
use super::job::SERVICE;
use super::outlet;
use super::raw::{self, OpenFiles};
use crate::config::Service;
use crate::files;
use crate::machine::Generation;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A process that was started, and the reading ends of its outputs, which do
/// not block.
pub(crate) struct Spawned {
    pub(crate) pid: u32,
    pub(crate) out: File,
    pub(crate) err: File,
    /// Readable as soon as [`report`] knows more. Does not block.
    pub(crate) report: PipeReader,
}

/// Why there is no process.
pub(crate) struct NotSpawned {
    /// Which part of the definition could not be followed.
    pub(crate) error: String,
    /// Whether it will be so until something changes: the program or the user
    /// is missing, and not, say, memory.
    pub(crate) lasting: bool,
}

impl From<String> for NotSpawned {
    fn from(error: String) -> Self {
        NotSpawned {
            error,
            lasting: false,
        }
    }
}

/// What a new instance is given beside its definition.
pub(crate) struct Setting<'a> {
    pub(crate) name: &'a str,
    pub(crate) generation: Generation,
    /// Where its outputs are.
    pub(crate) outlets: [PathBuf; 2],
    /// How many descriptors it may have; herd's own limit if absent.
    pub(crate) open_files: Option<OpenFiles>,
    /// Where the process notes that it exists: a line with this prefix, its
    /// number and the time.
    pub(crate) record: Option<BorrowedFd<'a>>,
}

/// The letter that a note of a process begins with.
pub(crate) const PROCESS: &str = "P";

/// Starts `service` in a session and process group of its own.
///
/// # Errors
/// [`NotSpawned`].
pub(crate) fn spawn(service: &Service, setting: &Setting<'_>) -> Result<Spawned, NotSpawned> {
    let Setting {
        name, generation, ..
    } = setting;
    let mut image = image(name, service)?;
    image.open_files = setting.open_files;
    image.record = setting.record.map(|file| Record {
        file: file.as_raw_fd(),
        prefix: format!("{PROCESS} {name} {generation} ").into_bytes(),
    });
    let pipes = |error: io::Error| format!("a pipe for its output: {error}");
    let null = files::null().map_err(|error| format!("/dev/null: {error}"))?;
    let [out, err] = &setting.outlets;
    let (out, out_end) = output(out, image.user).map_err(pipes)?;
    let (err, err_end) = output(err, image.user).map_err(pipes)?;
    let (report, report_end) = io::pipe().map_err(pipes)?;
    raw::set_nonblocking(report.as_fd()).map_err(pipes)?;
    let files = [null.as_fd(), out_end.as_fd(), err_end.as_fd()];
    let pid = fork::fork(&image, files, report_end.as_fd())
        .map_err(|error| format!("a new process: {error}"))?;
    Ok(Spawned {
        pid,
        out,
        err,
        report,
    })
}

/// A pipe with a name; one without if there can be none. Then the service
/// does not outlive herd.
fn output(path: &Path, owner: Option<(u32, u32)>) -> io::Result<(File, OwnedFd)> {
    match outlet::pair(path, owner) {
        Err(error) if !raw::is_out_of_files(&error) => {
            let (reader, writer) = io::pipe()?;
            raw::set_nonblocking(reader.as_fd())?;
            Ok((OwnedFd::from(reader).into(), writer.into()))
        }
        pair => pair,
    }
}

/// What has become of a process that was started: `None` if that is not known
/// yet, an error if it did not become the program. Then it has ended and is
/// collected like any other.
pub(crate) fn report(mut pipe: &PipeReader, service: &Service) -> Option<Result<(), NotSpawned>> {
    let mut bytes = [0; fork::REPORT];
    match pipe.read(&mut bytes) {
        Ok(fork::REPORT) => {
            let (step, error) = fork::read_report(bytes);
            Some(Err(NotSpawned {
                error: explain(service, step, &error),
                lasting: step == Step::Program && is_lasting(&error),
            }))
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            None
        }
        // It was closed by becoming the program.
        _ => Some(Ok(())),
    }
}

/// Whether a program that could not be executed for this reason never can.
fn is_lasting(error: &io::Error) -> bool {
    let reasons = [
        libc::ENOENT,
        libc::ENOTDIR,
        libc::EACCES,
        libc::ENOEXEC,
        libc::ELOOP,
        libc::ENAMETOOLONG,
        libc::E2BIG,
    ];
    error.raw_os_error().is_some_and(|e| reasons.contains(&e))
}

fn explain(service: &Service, step: Step, error: &io::Error) -> String {
    let program = service.command.0.first().map_or("", String::as_str);
    match step {
        Step::Session => format!("a session of its own: {error}"),
        Step::Record => "herd ended meanwhile".to_owned(),
        Step::Files => format!("its input and outputs: {error}"),
        Step::Folder => format!("cwd: {}: {error}", service.cwd.display()),
        Step::User => format!(
            "user: becoming {}: {error}",
            service.user.as_deref().unwrap_or("nobody")
        ),
        Step::Program => format!("{program}: {error}"),
    }
}

fn image(name: &str, service: &Service) -> Result<Image, NotSpawned> {
    let user = service.user.as_deref().map(look_up).transpose()?;
    let mut variables = vec![
        ("PATH".to_owned(), PATH.to_owned()),
        (SERVICE.to_owned(), name.to_owned()),
    ];
    match (&user, &service.user) {
        (Some(user), Some(name)) => {
            variables.push(("HOME".to_owned(), user.home.clone()));
            variables.push(("USER".to_owned(), name.clone()));
        }
        _ => variables.push(("HOME".to_owned(), "/root".to_owned())),
    }
    variables.retain(|(key, _)| key == SERVICE || !service.env.contains_key(key));
    let own = service.env.iter().filter(|(key, _)| *key != SERVICE);
    variables.extend(own.map(|(k, v)| (k.clone(), v.clone())));
    let path = variables.iter().find(|(key, _)| key == "PATH");
    let path = path.map_or(PATH, |(_, value)| value.as_str());
    let words = &service.command.0;
    let program = words.first().ok_or("the command is empty".to_owned())?;
    Ok(Image {
        programs: candidates(program, path)?,
        arguments: words
            .iter()
            .map(|word| c_text(word))
            .collect::<Result<_, _>>()?,
        variables: variables
            .iter()
            .map(|(key, value)| c_text(&format!("{key}={value}")))
            .collect::<Result<_, _>>()?,
        folder: c_text(&service.cwd.to_string_lossy())?,
        user: user.map(|user| (user.uid, user.gid)),
        open_files: None,
        record: None,
    })
}

/// What `service` needs and is not there now: all of it.
pub(crate) fn missing(service: &Service) -> Vec<String> {
    let mut missing = Vec::new();
    if let Some(user) = &service.user
        && let Err(error) = look_up(user)
    {
        missing.push(error.error);
    }
    if !service.cwd.is_dir() {
        missing.push(format!("cwd: {} is no folder", service.cwd.display()));
    }
    let path = service.env.get("PATH").map_or(PATH, String::as_str);
    let program = service.command.0.first().map_or("", String::as_str);
    let is_program = |text: CString| {
        let file = service.cwd.join(text.to_string_lossy().into_owned());
        fs::metadata(file).is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0)
    };
    if !candidates(program, path).is_ok_and(|all| all.into_iter().any(is_program)) {
        missing.push(format!("command: {program} is no program"));
    }
    missing
}

fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{text:?} contains a NUL byte"))
}

/// Where the program may be: as given if it has a `/`, else in each folder
/// of `path`.
fn candidates(program: &str, path: &str) -> Result<Vec<CString>, String> {
    if program.contains('/') {
        return Ok(vec![c_text(program)?]);
    }
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    let inside = |folder| c_text(&Path::new(folder).join(program).to_string_lossy());
    folders.map(inside).collect()
}

/// No list of users is longer, in bytes.
const PASSWD_LIMIT: u64 = 16 << 20;

struct User {
    uid: u32,
    gid: u32,
    home: String,
}

/// A user by name or number, from `/etc/passwd`. A number that is not listed
/// is its own group.
fn look_up(user: &str) -> Result<User, NotSpawned> {
    let list = files::read_text(Path::new("/etc/passwd"), PASSWD_LIMIT)
        .map_err(|error| format!("user: {user}: /etc/passwd: {error}"))?;
    for line in list.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields.as_slice() else {
            continue;
        };
        if (*name == user || *uid == user)
            && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
        {
            let home = (*home).to_owned();
            return Ok(User { uid, gid, home });
        }
    }
    match user.parse() {
        Ok(number) => Ok(User {
            uid: number,
            gid: number,
            home: "/".to_owned(),
        }),
        Err(_) => Err(NotSpawned {
            error: format!("user: {user}: not listed in /etc/passwd"),
            lasting: true,
        }),
    }
}

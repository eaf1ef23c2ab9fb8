//! Starting a service's process.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::descriptors::{OpenFiles, set_nonblocking};
use super::fork::{self, Step};
use super::image::image;
use super::raw;
use super::record::Record;
use super::{outlet, wait};
use crate::config::Service;
use crate::files;
use crate::machine::{End, Generation};

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
    let mut image = image(name, service, setting.open_files)?;
    image.record = setting.record.map(|file| Record {
        file: file.as_raw_fd(),
        prefix: format!("{PROCESS} {name} {generation} ").into_bytes(),
    });
    let pipes = |error: io::Error| format!("a pipe for its output: {error}");
    let null = files::null().map_err(|error| format!("/dev/null: {error}"))?;
    let [out, err] = &setting.outlets;
    let owner = image.ids.as_ref();
    let owner = owner.and_then(|ids| Some((ids.user?, ids.group)));
    let (out, out_end) = output(out, owner).map_err(pipes)?;
    let (err, err_end) = output(err, owner).map_err(pipes)?;
    let (report, report_end) = io::pipe().map_err(pipes)?;
    set_nonblocking(report.as_fd()).map_err(pipes)?;
    let files = [null.as_fd(), out_end.as_fd(), err_end.as_fd()];
    let pid = fork::fork(&image, &files, report_end.as_fd())
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
            set_nonblocking(reader.as_fd())?;
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
            let (step, reason) = fork::read_report(bytes);
            Some(Err(not_spawned(service, step, reason)))
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

fn not_spawned(service: &Service, step: Step, reason: i32) -> NotSpawned {
    let error = io::Error::from_raw_os_error(reason);
    let program = service.command.0.first().map_or("", String::as_str);
    let text = match step {
        Step::Session => format!("a session of its own: {error}"),
        Step::Record => "herd ended meanwhile".to_owned(),
        Step::Files => format!("its files: {error}"),
        Step::Folder => format!("cwd: {}: {error}", service.cwd.display()),
        Step::User => format!(
            "user: becoming {}: {error}",
            service.user.as_deref().unwrap_or("another")
        ),
        Step::First => format!("pre_start {}", wait::end(reason).unwrap_or(End::Unknown)),
        Step::Program => format!("{program}: {error}"),
    };
    NotSpawned {
        error: text,
        lasting: step == Step::Program && is_lasting(&error),
    }
}

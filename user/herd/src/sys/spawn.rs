//! Starting a service's process.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::descriptors::{OpenFiles, set_nonblocking};
use super::fork::Image;
use super::fork::{self, Step};
use super::image::image;
use super::raw;
use super::record::Record;
use super::teller::{Teller, notify_socket};
use super::{outlet, wait};
use crate::config::{Command, FIRST_SOCKET, Ready, Service};
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
    /// By what it tells of itself, if its definition says so.
    pub(crate) teller: Option<Teller>,
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
    /// Where its socket is, by which it may tell of itself.
    pub(crate) notify: PathBuf,
    /// How many descriptors it may have; herd's own limit if absent.
    pub(crate) open_files: Option<OpenFiles>,
    /// Where the process notes that it exists: a line with this prefix, its
    /// number and the time.
    pub(crate) record: Option<BorrowedFd<'a>>,
    /// Through which the process comes into its control group.
    pub(crate) group: Option<BorrowedFd<'a>>,
    /// Its sockets, with their names.
    pub(crate) sockets: Vec<(BorrowedFd<'a>, String)>,
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
    image.group = setting.group.map(|file| file.as_raw_fd());
    let pipes = |error: io::Error| format!("a pipe: {error}");
    let owner = image.owner();
    let null = files::null().map_err(|error| format!("/dev/null: {error}"))?;
    let [out, err] = &setting.outlets;
    let (out, out_end) = output(out, owner).map_err(pipes)?;
    let (err, err_end) = output(err, owner).map_err(pipes)?;
    let (report, report_end) = io::pipe().map_err(pipes)?;
    set_nonblocking(report.as_fd()).map_err(pipes)?;
    let mut files = vec![
        (0, null.as_fd()),
        (1, out_end.as_fd()),
        (2, err_end.as_fd()),
    ];
    let sockets = setting.sockets.iter().map(|(socket, _)| *socket);
    files.extend((i32::from(FIRST_SOCKET)..).zip(sockets));
    let names: Vec<&str> = setting
        .sockets
        .iter()
        .map(|(_, name)| name.as_str())
        .collect();
    image.add_sockets(&names)?;
    let (teller, pipe_end) = teller(service, setting, &mut image)?;
    if let (Some(Ready::Fd(number)), Some(end)) = (service.ready.as_deref(), &pipe_end) {
        files.push((i32::from(*number), end.as_fd()));
    }
    let pid = fork::fork(&image, &files, report_end.as_fd())
        .map_err(|error| format!("a new process: {error}"))?;
    Ok(Spawned {
        pid,
        out,
        err,
        report,
        teller,
    })
}

/// By what the service is to tell of itself, and its end of that.
fn teller(
    service: &Service,
    setting: &Setting<'_>,
    image: &mut Image,
) -> Result<(Option<Teller>, Option<PipeWriter>), NotSpawned> {
    let mut teller = None;
    let mut end = None;
    if let Some(Ready::Fd(number)) = service.ready.as_deref() {
        let failed = |error: io::Error| format!("ready: fd:{number}: {error}");
        let (reader, writer) = io::pipe().map_err(failed)?;
        set_nonblocking(reader.as_fd()).map_err(failed)?;
        teller = Some(Teller::Pipe(reader));
        end = Some(writer);
    }
    if matches!(service.ready.as_deref(), Some(Ready::Notify)) || service.watchdog.is_some() {
        let path = &setting.notify;
        let socket = notify_socket(path, image.owner())
            .map_err(|error| format!("ready: {}: {error}", path.display()))?;
        image.add("NOTIFY_SOCKET", &path.to_string_lossy())?;
        if let Some(period) = service.watchdog {
            image.add("WATCHDOG_USEC", &(period.0 * 1_000).to_string())?;
        }
        teller = Some(Teller::Socket(socket));
    }
    Ok((teller, end))
}

/// Runs `command` as `service` would run, in a session of its own, with its
/// outputs at the service's, or nowhere: the process, and where its outputs
/// can be read if nobody does yet.
///
/// # Errors
/// [`NotSpawned`].
pub(crate) fn spawn_side(
    name: &str,
    service: &Service,
    command: &Command,
    outlets: Option<[PathBuf; 2]>,
    open_files: Option<OpenFiles>,
) -> Result<(u32, Option<[File; 2]>), NotSpawned> {
    let mut image = image(name, service, open_files)?;
    image.becomes_only(command, service)?;
    let failed = |error: io::Error| format!("its files: {error}");
    let null = files::null().map_err(failed)?;
    let sink = files::sink().map_err(failed)?;
    let (reader, report) = io::pipe().map_err(failed)?;
    let outputs = match &outlets {
        Some([out, err]) => {
            let owner = image.owner();
            Some([
                output(out, owner).map_err(failed)?,
                output(err, owner).map_err(failed)?,
            ])
        }
        None => None,
    };
    let [out, err] = match &outputs {
        Some([(_, out), (_, err)]) => [out.as_fd(), err.as_fd()],
        None => [sink.as_fd(), sink.as_fd()],
    };
    let files = [(0, null.as_fd()), (1, out), (2, err)];
    let pid = fork::fork(&image, &files, report.as_fd())
        .map_err(|error| format!("a new process: {error}"))?;
    // Its end says whether it could be run.
    drop(reader);
    Ok((
        pid,
        outputs.map(|outputs| outputs.map(|(reader, _)| reader)),
    ))
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
        Step::Group => format!("its control group: {error}"),
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

//! Sockets of services: opened here, handed to their instances, and kept by a
//! process that does nothing else, so that they outlive herd.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind,
    getsockname, listen, shutdown, socket_with, sockopt,
};
use rustix::process::{
    PTracer, Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open, set_ptracer,
};

use super::descriptors::set_nonblocking;
use super::fork::{self, Image, Program};
use super::image::c_text;
use super::record::Record;
use super::users;
use crate::config::{FIRST_SOCKET, Listen, Socket};
use crate::files;

/// How many clients may wait for a service.
const BACKLOG: i32 = 4096;

/// Permissions of a path if none are said: like a port, it is everyone's.
const ANYONE: u32 = 0o666;

/// Opens a socket. What another run of the machine or another herd left at its path
/// is replaced, if it is a socket.
///
/// # Errors
/// What could not be done, in one line.
pub(crate) fn open(socket: &Socket) -> Result<OwnedFd, String> {
    let opened = match &socket.listen {
        Listen::Tcp(at) => inet(*at, SocketType::STREAM),
        Listen::Udp(at) => inet(*at, SocketType::DGRAM),
        Listen::Unix(path) => unix(socket, path, SocketType::STREAM),
        Listen::UnixDatagram(path) => unix(socket, path, SocketType::DGRAM),
    };
    opened.map_err(|error| format!("{}: {error}", socket.listen))
}

fn inet(at: std::net::SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match at.is_ipv6() {
        true => AddressFamily::INET6,
        false => AddressFamily::INET,
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    // Connections of the last one may still be ending, and its keeper.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &at)?;
    if kind == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

fn unix(definition: &Socket, path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let (user, group) = owner(definition).map_err(io::Error::other)?;
    match fs::symlink_metadata(path) {
        Ok(data) if data.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other("something that is no socket is there")),
        Err(_) => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
        }
    }
    let mode = definition.mode.map_or(ANYONE, |mode| mode.0);
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    // Where this has an effect, the path never has other permissions than these.
    let _ = fchmod(&socket, Mode::from_raw_mode(mode));
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    if user.is_some() || group.is_some() {
        std::os::unix::fs::chown(path, user, group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if kind == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

/// Closes a socket for everybody: its keeper holds it for a moment longer, and clients
/// are to be refused from now on.
pub(crate) fn close(socket: OwnedFd) {
    // What has no connections closes by itself.
    let _ = shutdown(&socket, Shutdown::Both);
}

/// User and group of a socket's path, if it says so.
pub(super) fn owner(socket: &Socket) -> Result<(Option<u32>, Option<u32>), String> {
    let user = socket.owner.as_deref().map(users::uid).transpose()?;
    let group = socket.group.as_deref().map(users::gid).transpose()?;
    Ok((user, group))
}

/// The keeper's program, which is herd's own.
pub(crate) const KEEPER: &str = "keeper";

/// What the keeper does: it lets the next herd have its descriptors, and waits for
/// its end.
pub(crate) fn keep() -> ! {
    // Where nobody restricts that, there is nothing to allow.
    let _ = set_ptracer(PTracer::Any);
    loop {
        std::thread::park();
    }
}

/// Starts a process that has `sockets` from [`FIRST_SOCKET`] on. It notes itself in
/// `record` by a line that begins with `prefix`. What is given back is readable when
/// it keeps them, or has ended.
///
/// # Errors
/// What could not be done.
pub(crate) fn spawn_keeper(
    program: &Path,
    sockets: &[BorrowedFd<'_>],
    record: Option<BorrowedFd<'_>>,
    prefix: String,
) -> Result<(u32, PipeReader), String> {
    let failed = |error: io::Error| error.to_string();
    let paths = [program, Path::new("/proc/self/exe")];
    let image = Image {
        program: Program {
            paths: paths
                .iter()
                .map(|path| c_text(&path.to_string_lossy()))
                .collect::<Result<_, _>>()?,
            arguments: vec![c_text("herd")?, c_text(KEEPER)?],
        },
        variables: Vec::new(),
        folder: c_text("/")?,
        first: None,
        ids: None,
        umask: None,
        no_new_privs: false,
        open_files: None,
        record: record.map(|file| Record {
            file: file.as_raw_fd(),
            prefix: prefix.into_bytes(),
        }),
        group: None,
        listens: false,
    };
    let null = files::null().map_err(failed)?;
    let sink = files::sink().map_err(failed)?;
    let (report, report_end) = io::pipe().map_err(failed)?;
    set_nonblocking(report.as_fd()).map_err(failed)?;
    let mut placed = vec![(0, null.as_fd()), (1, sink.as_fd()), (2, sink.as_fd())];
    placed.extend((i32::from(FIRST_SOCKET)..).zip(sockets.iter().copied()));
    let pid = fork::fork(&image, &placed, report_end.as_fd()).map_err(failed)?;
    Ok((pid, report))
}

/// Takes the socket that a keeper has in `place`, counted from 0, if it is `listen`.
///
/// # Errors
/// Those of `pidfd_open(2)` and `pidfd_getfd(2)`, and if it is another.
pub(crate) fn take_kept(keeper: u32, place: usize, listen: &Listen) -> io::Result<OwnedFd> {
    let missing = || io::Error::other("it is not there");
    let pid = i32::try_from(keeper).ok().and_then(Pid::from_raw);
    let process = pidfd_open(pid.ok_or_else(missing)?, PidfdFlags::empty())?;
    let number = i32::try_from(place).map_err(io::Error::other)? + i32::from(FIRST_SOCKET);
    let socket = pidfd_getfd(process, number, PidfdGetfdFlags::empty())?;
    match is_at(&socket, listen)? {
        true => Ok(socket),
        false => Err(missing()),
    }
}

/// Whether a socket has this address.
fn is_at(socket: &OwnedFd, listen: &Listen) -> io::Result<bool> {
    let kind = match listen {
        Listen::Tcp(_) | Listen::Unix(_) => SocketType::STREAM,
        Listen::Udp(_) | Listen::UnixDatagram(_) => SocketType::DGRAM,
    };
    if sockopt::socket_type(socket)? != kind {
        return Ok(false);
    }
    let has = getsockname(socket)?;
    Ok(match listen {
        Listen::Tcp(at) | Listen::Udp(at) => SocketAddrAny::from(*at) == has,
        Listen::Unix(path) | Listen::UnixDatagram(path) => {
            let name = SocketAddrUnix::try_from(has).ok();
            let name = name.and_then(|name| name.path().map(|path| path.into_owned()));
            let name = name.map(|name| PathBuf::from(name.to_string_lossy().into_owned()));
            name.as_ref() == Some(path)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mask;

    fn at(path: &Path, mode: Option<u32>) -> Socket {
        Socket {
            listen: Listen::Unix(path.to_owned()),
            name: None,
            mode: mode.map(Mask),
            owner: None,
            group: None,
        }
    }

    #[test]
    fn a_path_gets_its_permissions_and_only_a_socket_is_replaced() {
        let folder = std::env::temp_dir().join(format!("herd-listen-{}", std::process::id()));
        let path = folder.join("deep/x");
        for (mode, expected) in [(None, 0o666), (Some(0o620), 0o620)] {
            let socket = open(&at(&path, mode)).unwrap();
            let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, expected);
            assert!(is_at(&socket, &Listen::Unix(path.clone())).unwrap());
            assert!(!is_at(&socket, &Listen::Unix(folder.join("y"))).unwrap());
            assert!(!is_at(&socket, &Listen::UnixDatagram(path.clone())).unwrap());
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let error = open(&at(&path, None)).unwrap_err();
        assert!(error.contains("no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_an_error() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = Listen::Tcp(other.local_addr().unwrap());
        let socket = Socket {
            listen,
            ..at(Path::new("/"), None)
        };
        let error = open(&socket).unwrap_err();
        assert!(error.starts_with("tcp:127.0.0.1:"), "{error}");
        drop(other);
        assert!(open(&socket).is_ok());
    }
}

//! Programs of the host, with pipes or a terminal.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};

use paddock_ssh::{
    ConnectRequest, Destination, ExitStatus, IoError, ProcessIo, PtyRequest, SpawnRequest,
    WindowSize,
};

use super::reactor;

/// A descriptor in non-blocking mode.
pub struct Pipe(File);

impl Pipe {
    pub fn new(fd: impl Into<OwnedFd>) -> Self {
        let fd = fd.into();
        // SAFETY: changes the flags of a descriptor that is owned here.
        unsafe {
            let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
            libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK);
        }
        Self(File::from(fd))
    }

    fn try_clone(&self) -> Self {
        Self(self.0.try_clone().expect("dup"))
    }

    pub fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<Result<usize, IoError>> {
        match self.0.read(buffer) {
            Ok(count) => Poll::Ready(Ok(count)),
            // The other side of a terminal has been closed.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => Poll::Ready(Ok(0)),
            Err(error) => pending(error.kind(), self.0.as_raw_fd(), libc::POLLIN),
        }
    }

    pub fn poll_write(&mut self, bytes: &[u8]) -> Poll<Result<usize, IoError>> {
        match self.0.write(bytes) {
            Ok(count) => Poll::Ready(Ok(count)),
            Err(error) => pending(error.kind(), self.0.as_raw_fd(), libc::POLLOUT),
        }
    }
}

fn pending(kind: ErrorKind, fd: RawFd, events: i16) -> Poll<Result<usize, IoError>> {
    match kind {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => {
            reactor::wait_for(fd, events);
            Poll::Pending
        }
        _ => Poll::Ready(Err(IoError)),
    }
}

/// A program or a connection, and this side's ends of its streams.
pub struct HostProcess {
    what: What,
    stdin: Option<Pipe>,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    pty: bool,
}

enum What {
    Program {
        child: Child,
        /// Readable once the child has ended.
        watch: OwnedFd,
    },
    Connection(OwnedFd),
}

/// Says that nothing more will be written.
fn shut_down(socket: &OwnedFd) {
    // SAFETY: a call about a descriptor that is owned by the caller.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_WR) };
}

impl HostProcess {
    pub fn connect(request: &ConnectRequest) -> std::io::Result<Self> {
        match &request.to {
            Destination::Tcp { host, port } => {
                Self::socket(TcpStream::connect((host.as_str(), *port))?.into())
            }
            Destination::Local(path) => {
                let path = OsString::from_vec(path.clone());
                Self::socket(UnixStream::connect(path)?.into())
            }
        }
    }

    /// A connection that is there.
    pub fn socket(socket: OwnedFd) -> std::io::Result<Self> {
        Ok(Self {
            stdin: Some(Pipe::new(socket.try_clone()?)),
            stdout: Some(Pipe::new(socket.try_clone()?)),
            stderr: None,
            what: What::Connection(socket),
            pty: false,
        })
    }

    pub fn spawn(request: &SpawnRequest) -> std::io::Result<Self> {
        // A login's signals are at their defaults, whatever the tests'
        // own are: a background job of a script ignores SIGINT.
        let mut command = Command::new("env");
        command.args(["--default-signal", "/bin/sh"]);
        if let Some(line) = &request.command {
            command.arg("-c").arg(OsString::from_vec(line.clone()));
        }
        for (name, value) in &request.environment {
            command.env(
                OsString::from_vec(name.clone()),
                OsString::from_vec(value.clone()),
            );
        }
        if let Some(path) = &request.agent_socket {
            command.env("SSH_AUTH_SOCK", path);
        }
        match &request.pty {
            Some(pty) => Self::with_terminal(command, pty),
            None => Self::with_pipes(command),
        }
    }

    fn with_pipes(mut command: Command) -> std::io::Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        Ok(Self {
            stdin: Some(Pipe::new(child.stdin.take().ok_or_else(missing)?)),
            stdout: Some(Pipe::new(child.stdout.take().ok_or_else(missing)?)),
            stderr: Some(Pipe::new(child.stderr.take().ok_or_else(missing)?)),
            what: What::Program {
                watch: watch(&child)?,
                child,
            },
            pty: false,
        })
    }

    fn with_terminal(mut command: Command, pty: &PtyRequest) -> std::io::Result<Self> {
        let (master, slave) = open_terminal(pty.size)?;
        command.env("TERM", &pty.term);
        command
            .stdin(slave.try_clone()?)
            .stdout(slave.try_clone()?)
            .stderr(slave);
        // SAFETY: both calls may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn()?;
        let master = Pipe::new(master);
        Ok(Self {
            what: What::Program {
                watch: watch(&child)?,
                child,
            },
            stdin: Some(master.try_clone()),
            stdout: Some(master),
            stderr: None,
            pty: true,
        })
    }

    /// Writes without waiting; whether everything was taken.
    pub fn write_now(&mut self, bytes: &[u8]) -> bool {
        let stdin = self.stdin.as_mut().expect("a terminal");
        matches!(stdin.poll_write(bytes), Poll::Ready(Ok(count)) if count == bytes.len())
    }

    /// Reads what is there.
    pub fn read_now(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let stdout = self.stdout.as_mut().expect("a terminal");
        match stdout.poll_read(&mut buffer) {
            Poll::Ready(Ok(count)) => buffer.truncate(count),
            _ => buffer.clear(),
        }
        buffer
    }

    fn kill(&self, signal: i32) {
        if let What::Program { child, .. } = &self.what {
            // SAFETY: no memory is involved; the child has not been waited for,
            // or the group of its number still exists.
            unsafe { libc::kill(-(child.id() as i32), signal) };
        }
    }
}

fn watch(child: &Child) -> std::io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers, and its result is a new descriptor.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, child.id() as i32, 0) {
            fd @ 0.. => Ok(OwnedFd::from_raw_fd(fd as RawFd)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

fn open_terminal(size: WindowSize) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: the two numbers outlive the call; the other pointers may be null.
    if unsafe {
        libc::openpty(
            &mut master,
            &mut slave,
            null,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    } < 0
    {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: both are new descriptors that nothing else owns.
    let ends = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    // SAFETY: sets a flag of a descriptor that is owned here.
    unsafe { libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC) };
    set_size(master, size);
    Ok(ends)
}

fn set_size(fd: RawFd, size: WindowSize) {
    let size = libc::winsize {
        ws_row: size.rows as u16,
        ws_col: size.columns as u16,
        ws_xpixel: size.x_pixels as u16,
        ws_ypixel: size.y_pixels as u16,
    };
    // SAFETY: the structure is the one that the request reads.
    unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &size) };
}

const SIGNALS: &[(i32, &str)] = &[
    (libc::SIGABRT, "ABRT"),
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGKILL, "KILL"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGUSR1, "USR1"),
];

impl ProcessIo for HostProcess {
    fn poll_stdout(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, IoError>> {
        let Some(stdout) = &mut self.stdout else {
            return Poll::Ready(Ok(0));
        };
        let read = stdout.poll_read(buffer);
        if let (What::Connection(_), Poll::Ready(Ok(0) | Err(_))) = (&self.what, &read) {
            self.stdout = None;
        }
        read
    }

    fn poll_stderr(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, IoError>> {
        match &mut self.stderr {
            Some(stderr) => stderr.poll_read(buffer),
            None => Poll::Ready(Ok(0)),
        }
    }

    fn poll_stdin(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, IoError>> {
        let Some(stdin) = &mut self.stdin else {
            return Poll::Ready(Err(IoError));
        };
        let written = stdin.poll_write(bytes);
        if let (What::Connection(_), Poll::Ready(Err(_))) = (&self.what, &written) {
            self.stdin = None;
        }
        written
    }

    fn close_stdin(&mut self) {
        if let What::Connection(socket) = &self.what {
            shut_down(socket);
        }
        self.stdin = None;
    }

    fn close_stdout(&mut self) {
        self.stdout = None;
        if self.pty {
            self.stdin = None;
        }
    }

    fn close_stderr(&mut self) {
        self.stderr = None;
    }

    fn resize(&mut self, size: WindowSize) {
        if let (true, Some(stdout)) = (self.pty, &self.stdout) {
            set_size(stdout.0.as_raw_fd(), size);
        }
    }

    fn signal(&mut self, name: &str) {
        let known = SIGNALS.iter().find(|(_, other)| *other == name);
        if let Some((number, _)) = known {
            self.kill(*number);
        }
    }

    fn poll_exit(&mut self, _: &mut Context<'_>) -> Poll<ExitStatus> {
        let What::Program { child, watch } = &mut self.what else {
            return match (&self.stdin, &self.stdout) {
                (None, None) => Poll::Ready(ExitStatus::Closed),
                _ => Poll::Pending,
            };
        };
        let Some(status) = child.try_wait().expect("wait") else {
            reactor::wait_for(watch.as_raw_fd(), libc::POLLIN);
            return Poll::Pending;
        };
        Poll::Ready(match status.signal() {
            None => ExitStatus::Code(status.code().unwrap_or(255) as u32),
            Some(number) => {
                let known = SIGNALS.iter().find(|(other, _)| *other == number);
                ExitStatus::Signal {
                    name: known.map_or("KILL", |(_, name)| name).into(),
                    core_dumped: false,
                }
            }
        })
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        let What::Program { child, .. } = &mut self.what else {
            return;
        };
        if let Ok(None) = child.try_wait() {
            self.kill(libc::SIGHUP);
            self.kill(libc::SIGKILL);
        }
        if let What::Program { child, .. } = &mut self.what {
            let _ = child.wait();
        }
    }
}

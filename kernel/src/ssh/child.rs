//! A session's program: its start, its pipes or terminal, its end.

use super::environment::{Ends, environment};
use super::watched::Watched;
use super::{accounts, greeting};
use crate::process::accounts::with_pipe_payer;
use crate::process::vfs::namespace;
use crate::process::{self, Program, send_to_group, terminals};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::{Context, Poll};
use paddock_abi::signal::{SIGCONT, SIGHUP, Siginfo, signal_name};
use paddock_abi::termios::Winsize;
use paddock_abi::{Errno, Result};
use paddock_process::stack::Strings;
use paddock_process::{PipeReader, PipeWriter, TryRead, WaitStatus, pipe};
use paddock_ssh::accounts::Account;
use paddock_ssh::{ExitStatus, IoError, ProcessIo, PtyRequest, SpawnRequest, WindowSize};
use paddock_sync::{Pollable, Rank, Ready, SpinLock, WaitQueue, try_arc, try_box};
use paddock_tty::{PtyMaster, Tty, apply_ssh_modes};
use paddock_vfs::{Access, FdTable, File, OpenFile, OpenFlags, PathContext, SetMetadata};

/// The group that may write to terminals.
const TTY_GROUP: u32 = 5;

/// How a program ended, and who waits to know.
struct Exit {
    status: SpinLock<Option<WaitStatus>>,
    changed: WaitQueue,
}

impl Pollable for Exit {
    fn ready(&self) -> Ready {
        if self.status.lock().is_some() {
            Ready::IN
        } else {
            Ready::empty()
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.changed)
    }
}

enum Io {
    Pipes {
        input: Option<Watched<PipeWriter>>,
        output: Option<Watched<PipeReader>>,
        errors: Option<Watched<PipeReader>>,
    },
    Terminal {
        output: Watched<PtyMaster>,
        input: Watched<PtyMaster>,
    },
    /// The terminal's side here is closed, and its programs are hung up.
    TerminalLost,
}

/// A running program of a session. Dropping it, which the connection's end
/// does, hangs the program up.
pub struct Child {
    group: u32,
    io: Io,
    exit: Watched<Exit>,
    /// What the client is told before the program's output.
    greeting: Vec<u8>,
}

/// The program's descriptors, and this side of them.
struct Streams {
    io: Io,
    files: FdTable,
    terminal: Option<Arc<Tty>>,
    /// The terminal's path.
    terminal_path: Option<String>,
}

impl Child {
    /// Starts what a client asks for. Thread context.
    ///
    /// # Errors
    /// Those of execve(2) and fork(2), `ENOENT` for an unknown user.
    pub fn start(request: SpawnRequest, ends: Ends) -> Result<Child> {
        let root = PathContext::root_at(namespace().root());
        let account = accounts::find(&root, &request.user)?;
        let paths = context_of(&root, &account)?;
        let streams = match &request.pty {
            Some(pty) => terminal(&root, &account, pty)?,
            None => pipes()?,
        };
        let environment = environment(&account, &request, &ends, streams.terminal_path.as_deref())?;
        let greeting = greeting::text(&root, &account, &request);
        let exit = try_arc(Exit {
            status: SpinLock::new(Rank::Leaf, None),
            changed: WaitQueue::new(),
        })?;
        let noted = exit.clone();
        let process = process::spawn(Program {
            path: &account.shell,
            arguments: arguments(&account, request.command.as_deref())?,
            environment,
            files: streams.files,
            paths,
            first: false,
            is_operators: account.uid == 0,
            terminal: streams.terminal,
            on_exit: Some(try_box(move |status| {
                *noted.status.lock() = Some(status);
                noted.changed.wake_all();
            })?),
        })?;
        Ok(Child {
            greeting,
            group: process.pid,
            io: streams.io,
            exit: Watched::new(exit),
        })
    }
}

/// Identity and home directory; `/` if there is no home.
fn context_of(root: &PathContext, account: &Account) -> Result<PathContext> {
    let mut context = root.clone();
    context.cred = try_arc(accounts::cred(root, account)?)?;
    if let Ok(home) = namespace().resolve(&context, &account.home, true)
        && home.is_dir()
        && namespace().access(&context, &home, Access::EXECUTE).is_ok()
    {
        context.base = home;
    }
    Ok(context)
}

fn arguments(account: &Account, command: Option<&[u8]>) -> Result<Strings> {
    let shell = account.shell.as_slice();
    let name = shell.rsplit(|byte| *byte == b'/').next().unwrap_or(shell);
    let mut arguments = Strings::new();
    match command {
        Some(command) => {
            arguments.push(name)?;
            arguments.push(b"-c")?;
            arguments.push(command)?;
        }
        // A login shell's name begins with a dash.
        None => arguments.push(&[b"-", name].concat())?,
    }
    Ok(arguments)
}

fn files_of(files: [Arc<OpenFile>; 3]) -> Result<FdTable> {
    let mut table = FdTable::new();
    for (number, file) in files.into_iter().enumerate() {
        table.replace(number as i32, file, false, number + 1)?;
    }
    Ok(table)
}

fn pipes() -> Result<Streams> {
    let (input_end, input) = with_pipe_payer(pipe)?;
    let (output, output_end) = with_pipe_payer(pipe)?;
    let (errors, errors_end) = with_pipe_payer(pipe)?;
    let reading = |file: Arc<dyn File>| OpenFile::new(file, None, OpenFlags::empty());
    let writing = |file: Arc<dyn File>| OpenFile::new(file, None, OpenFlags::WRONLY);
    Ok(Streams {
        files: files_of([
            reading(input_end)?,
            writing(output_end)?,
            writing(errors_end)?,
        ])?,
        io: Io::Pipes {
            input: Some(Watched::new(input)),
            output: Some(Watched::new(output)),
            errors: Some(Watched::new(errors)),
        },
        terminal: None,
        terminal_path: None,
    })
}

fn terminal(context: &PathContext, account: &Account, pty: &PtyRequest) -> Result<Streams> {
    let master = terminals::all().open_master(None)?;
    master.unlock();
    master.set_winsize(winsize(pty.size));
    let mut termios = master.tty().termios();
    apply_ssh_modes(&mut termios, &pty.modes);
    master.tty().set_termios(termios);
    let path = alloc::format!("/dev/pts/{}", master.number());
    give_away(context, account, path.as_bytes())?;
    let file = namespace().open(
        context,
        path.as_bytes(),
        OpenFlags::RDWR | OpenFlags::NOCTTY,
        0,
    )?;
    Ok(Streams {
        files: files_of([file.clone(), file.clone(), file])?,
        terminal: Some(master.tty().clone()),
        terminal_path: Some(path),
        io: Io::Terminal {
            output: Watched::new(master.clone()),
            input: Watched::new(master),
        },
    })
}

/// Makes a terminal its user's, for him to read and his group of terminals to
/// write to (grantpt(3)).
fn give_away(context: &PathContext, account: &Account, path: &[u8]) -> Result<()> {
    let place = namespace().resolve(context, path, true)?;
    place.inode().set_metadata(&SetMetadata {
        uid: Some(account.uid),
        gid: Some(TTY_GROUP),
        mode: Some(0o620),
        ..SetMetadata::default()
    })
}

fn winsize(size: WindowSize) -> Winsize {
    Winsize {
        ws_row: size.rows.min(0xffff) as u16,
        ws_col: size.columns.min(0xffff) as u16,
        ws_xpixel: size.x_pixels.min(0xffff) as u16,
        ws_ypixel: size.y_pixels.min(0xffff) as u16,
    }
}

fn read_pipe(
    pipe: &mut Option<Watched<PipeReader>>,
    cx: &Context<'_>,
    buffer: &mut [u8],
) -> Poll<core::result::Result<usize, IoError>> {
    match pipe {
        Some(pipe) => {
            pipe.watch(cx.waker());
            outcome(pipe.object.try_read(buffer))
        }
        None => Poll::Ready(Ok(0)),
    }
}

fn outcome(read: TryRead) -> Poll<core::result::Result<usize, IoError>> {
    match read {
        TryRead::Data(count) => Poll::Ready(Ok(count)),
        TryRead::Eof => Poll::Ready(Ok(0)),
        TryRead::Pending => Poll::Pending,
    }
}

fn written(result: Result<usize>) -> Poll<core::result::Result<usize, IoError>> {
    match result {
        Ok(count) => Poll::Ready(Ok(count)),
        Err(Errno::EAGAIN) => Poll::Pending,
        Err(_) => Poll::Ready(Err(IoError)),
    }
}

impl ProcessIo for Child {
    fn poll_stdout(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        if !self.greeting.is_empty() {
            let count = self.greeting.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.greeting[..count]);
            self.greeting.drain(..count);
            return Poll::Ready(Ok(count));
        }
        match &mut self.io {
            Io::Pipes { output, .. } => read_pipe(output, cx, buffer),
            Io::TerminalLost => Poll::Ready(Ok(0)),
            Io::Terminal { output, .. } => {
                output.watch(cx.waker());
                outcome(output.object.try_read(buffer))
            }
        }
    }

    fn poll_stderr(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        match &mut self.io {
            Io::Pipes { errors, .. } => read_pipe(errors, cx, buffer),
            Io::Terminal { .. } | Io::TerminalLost => Poll::Ready(Ok(0)),
        }
    }

    fn poll_stdin(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<core::result::Result<usize, IoError>> {
        match &mut self.io {
            Io::Pipes {
                input: Some(input), ..
            } => {
                input.watch(cx.waker());
                written(input.object.try_write(bytes))
            }
            Io::Pipes { input: None, .. } | Io::TerminalLost => Poll::Ready(Err(IoError)),
            Io::Terminal { input, .. } => {
                input.watch(cx.waker());
                written(input.object.try_write(bytes))
            }
        }
    }

    fn close_stdin(&mut self) {
        if let Io::Pipes { input, .. } = &mut self.io {
            *input = None;
        }
    }

    fn close_stdout(&mut self) {
        match &mut self.io {
            Io::Pipes { output, .. } => *output = None,
            Io::Terminal { .. } | Io::TerminalLost => self.io = Io::TerminalLost,
        }
    }

    fn close_stderr(&mut self) {
        if let Io::Pipes { errors, .. } = &mut self.io {
            *errors = None;
        }
    }

    fn resize(&mut self, size: WindowSize) {
        if let Io::Terminal { output, .. } = &self.io {
            output.object.set_winsize(winsize(size));
        }
    }

    fn signal(&mut self, name: &str) {
        let number = (1..32).find(|&number| signal_name(number) == Some(name));
        if let Some(number) = number {
            send_to_group(self.group, &Siginfo::kernel(number));
        }
    }

    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<ExitStatus> {
        self.exit.watch(cx.waker());
        let status = *self.exit.object.status.lock();
        match status {
            Some(WaitStatus::Exited(code)) => Poll::Ready(ExitStatus::Code(u32::from(code))),
            Some(WaitStatus::Signaled { signal, core }) => {
                let name = signal_name(u32::from(signal)).unwrap_or("TERM");
                Poll::Ready(ExitStatus::Signal {
                    name: String::from(name),
                    core_dumped: core,
                })
            }
            Some(WaitStatus::Stopped(_) | WaitStatus::Trapped { .. } | WaitStatus::Continued)
            | None => Poll::Pending,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exit.object.status.lock().is_none() {
            send_to_group(self.group, &Siginfo::kernel(SIGHUP));
            send_to_group(self.group, &Siginfo::kernel(SIGCONT));
        }
    }
}

//! One channel's program, between the engine and the system.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::pin::Pin;
use core::task::{Context, Poll};

use rand_core::CryptoRng;

use super::notice::Notice;
use super::traits::{Backend, IoError, ProcessIo};
use crate::channel::{ChannelId, ExitStatus, SpawnRequest, WindowSize};
use crate::engine::{Engine, Output};
use crate::error::Fault;
use crate::forward::ConnectRequest;

/// Messages of output that one session may send before others have their turn.
const TURN: usize = 4;

/// What has become of the program.
enum Program<B: Backend> {
    /// Not asked for yet.
    Waiting,
    Starting(Pin<Box<B::Spawn>>),
    /// A connection that has come here, and that the client has not taken yet.
    Arrived(B::Process),
    Running(B::Process),
    /// It could not be started.
    Failed,
    /// It has ended, and its channel is closed.
    Retired,
}

/// One channel of the client.
pub(super) struct Session<B: Backend> {
    pub(super) id: ChannelId,
    program: Program<B>,
    /// Input that the program has not taken; the channel's window bounds it.
    input: VecDeque<u8>,
    input_ended: bool,
    /// Nobody will read the input any more, or its end has been passed on.
    input_closed: bool,
    size: Option<WindowSize>,
    has_pty: bool,
    stdout_ended: bool,
    stderr_ended: bool,
    exit: Option<ExitStatus>,
    /// The client has closed the channel and waits for the program's end.
    abandoned: bool,
}

/// What a turn has achieved.
pub(super) struct Turn {
    /// Bytes moved, or 1 for progress of another kind.
    pub(super) moved: usize,
    /// The channel has been closed; the session can be dropped.
    pub(super) finished: bool,
}

impl<B: Backend> Session<B> {
    pub(super) fn new(id: ChannelId) -> Self {
        Self {
            id,
            program: Program::Waiting,
            input: VecDeque::new(),
            input_ended: false,
            input_closed: false,
            size: None,
            has_pty: false,
            stdout_ended: false,
            stderr_ended: false,
            exit: None,
            abandoned: false,
        }
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    pub(super) fn start(&mut self, backend: &B, request: SpawnRequest) {
        self.has_pty = request.pty.is_some();
        self.program = Program::Starting(Box::pin(backend.spawn(request)));
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a few for each connection, of which there is a bounded number"
    )]
    pub(super) fn connect(&mut self, backend: &B, request: ConnectRequest) {
        self.program = Program::Starting(Box::pin(backend.connect(request)));
    }

    /// A connection has come here, for which a channel is being opened.
    pub(super) fn arrive(&mut self, process: B::Process) {
        self.program = Program::Arrived(process);
        // There is nothing but its data.
        self.stderr_ended = true;
    }

    /// The client has taken it.
    pub(super) fn open(&mut self) {
        match core::mem::replace(&mut self.program, Program::Waiting) {
            Program::Arrived(process) => self.program = Program::Running(process),
            other => self.program = other,
        }
    }

    /// Lets go of the program.
    pub(super) fn retire(&mut self) {
        self.program = Program::Retired;
    }

    pub(super) fn is_retired(&self) -> bool {
        matches!(self.program, Program::Retired)
    }

    pub(super) fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// Nobody will read this output: the program learns it when it writes.
    pub(super) fn drop_output(&mut self, output: Output) {
        let ended = match output {
            Output::Stdout => &mut self.stdout_ended,
            Output::Stderr => &mut self.stderr_ended,
        };
        *ended = true;
        if let Program::Running(process) = &mut self.program {
            close(process, output);
        }
    }

    /// Only the program's end is still of interest. It gets what input there
    /// is, and the input's end.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
        self.end_input();
        self.drop_output(Output::Stdout);
        self.drop_output(Output::Stderr);
    }

    pub(super) fn resize(&mut self, size: WindowSize) {
        match &mut self.program {
            Program::Running(process) => process.resize(size),
            _ => self.size = Some(size),
        }
    }

    pub(super) fn signal(&mut self, name: &str) {
        if let Program::Running(process) = &mut self.program
            && self.exit.is_none()
        {
            process.signal(name);
        }
    }

    /// Takes input: how many bytes of it need no more memory. The rest is kept.
    pub(super) fn input(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<usize, Fault> {
        let mut taken = 0;
        if self.input.is_empty() {
            while taken < bytes.len()
                && let Some(count) = self.offer(cx, &bytes[taken..])
            {
                taken += count;
            }
        }
        let rest = bytes.get(taken..).unwrap_or_default();
        self.input
            .try_reserve(rest.len())
            .map_err(|_| Fault::OUT_OF_MEMORY)?;
        self.input.extend(rest);
        Ok(taken)
    }

    /// Offers input to the program: how much of it is done with, if any.
    fn offer(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<usize> {
        if self.input_closed || self.exit.is_some() {
            return Some(bytes.len());
        }
        match &mut self.program {
            Program::Failed | Program::Retired => Some(bytes.len()),
            Program::Waiting | Program::Starting(_) | Program::Arrived(_) => None,
            Program::Running(process) => match process.poll_stdin(cx, bytes) {
                Poll::Pending => None,
                Poll::Ready(Ok(count @ 1..)) => Some(count.min(bytes.len())),
                Poll::Ready(_) => {
                    self.input_closed = true;
                    Some(bytes.len())
                }
            },
        }
    }

    /// Moves what can be moved.
    pub(super) fn turn<R: CryptoRng>(
        &mut self,
        cx: &mut Context<'_>,
        backend: &B,
        engine: &mut Engine<R>,
    ) -> Result<Turn, Fault> {
        let mut moved = usize::from(self.begin(cx, backend, engine)?);
        moved += self.pass_input(cx, engine)?;
        moved += usize::from(self.watch_exit(cx));
        moved += self.pass_output(cx, engine, Output::Stderr)?;
        moved += self.pass_output(cx, engine, Output::Stdout)?;
        let finished = self.finish(engine)?;
        Ok(Turn { moved, finished })
    }

    /// Waits for the program's start; whether it has just been settled.
    fn begin<R: CryptoRng>(
        &mut self,
        cx: &mut Context<'_>,
        backend: &B,
        engine: &mut Engine<R>,
    ) -> Result<bool, Fault> {
        let Program::Starting(start) = &mut self.program else {
            return Ok(false);
        };
        let Poll::Ready(started) = start.as_mut().poll(cx) else {
            return Ok(false);
        };
        engine.started(self.id, started.is_ok())?;
        self.program = match started {
            Ok(mut process) => {
                if let Some(size) = self.size.take() {
                    process.resize(size);
                }
                // What the client gave up while the program was starting.
                for (output, ended) in [
                    (Output::Stdout, self.stdout_ended),
                    (Output::Stderr, self.stderr_ended),
                ] {
                    if ended {
                        close(&mut process, output);
                    }
                }
                Program::Running(process)
            }
            Err(error) => {
                backend.note(&Notice::NotStarted { reason: error.0 });
                Program::Failed
            }
        };
        Ok(true)
    }

    /// Passes on kept input, then its end.
    fn pass_input<R: CryptoRng>(
        &mut self,
        cx: &mut Context<'_>,
        engine: &mut Engine<R>,
    ) -> Result<usize, Fault> {
        let mut moved = 0;
        while !self.input.is_empty() {
            let kept = core::mem::take(&mut self.input);
            let count = self.offer(cx, kept.as_slices().0);
            self.input = kept;
            let Some(count) = count else {
                return Ok(moved);
            };
            self.input.drain(..count);
            moved += count;
            engine.consumed(self.id, count)?;
        }
        if let Program::Running(process) = &mut self.program
            && self.input_ended
            && !self.input_closed
        {
            self.input_closed = true;
            process.close_stdin();
        }
        Ok(moved)
    }

    /// Whether the program has just been seen to end.
    fn watch_exit(&mut self, cx: &mut Context<'_>) -> bool {
        if let Program::Running(process) = &mut self.program
            && self.exit.is_none()
            && let Poll::Ready(status) = process.poll_exit(cx)
        {
            self.exit = Some(status);
            return true;
        }
        false
    }

    fn pass_output<R: CryptoRng>(
        &mut self,
        cx: &mut Context<'_>,
        engine: &mut Engine<R>,
        output: Output,
    ) -> Result<usize, Fault> {
        let Program::Running(process) = &mut self.program else {
            return Ok(0);
        };
        let ended = match output {
            Output::Stdout => &mut self.stdout_ended,
            Output::Stderr => &mut self.stderr_ended,
        };
        // With its program gone, a terminal that has nothing to say is at its
        // end even if something in the background holds it open.
        let quiet_is_end = self.has_pty && self.exit.is_some();
        let mut moved = 0;
        for _ in 0..TURN {
            if *ended {
                break;
            }
            let sent = engine.output(self.id, output, |space| {
                match read(process, cx, output, space) {
                    Poll::Ready(Ok(count @ 1..)) => return Some(count),
                    Poll::Ready(_) => *ended = true,
                    Poll::Pending => *ended = quiet_is_end,
                }
                None
            })?;
            match sent {
                Some(count) => moved += count,
                None => break,
            }
        }
        Ok(moved)
    }

    /// Tells the client of the end of output, and of the program.
    fn finish<R: CryptoRng>(&mut self, engine: &mut Engine<R>) -> Result<bool, Fault> {
        let is_over = |engine: &mut Engine<R>| self.abandoned || !engine.has_channel(self.id);
        if matches!(self.program, Program::Failed) && is_over(engine) {
            engine.close(self.id)?;
            return Ok(true);
        }
        if !(self.stdout_ended && self.stderr_ended) {
            return Ok(false);
        }
        engine.output_end(self.id)?;
        let Some(status) = &self.exit else {
            return Ok(false);
        };
        engine.finish(self.id, status)?;
        Ok(true)
    }
}

fn close<P: ProcessIo>(process: &mut P, output: Output) {
    match output {
        Output::Stdout => process.close_stdout(),
        Output::Stderr => process.close_stderr(),
    }
}

fn read<P: ProcessIo>(
    process: &mut P,
    cx: &mut Context<'_>,
    output: Output,
    space: &mut [u8],
) -> Poll<Result<usize, IoError>> {
    match output {
        Output::Stdout => process.poll_stdout(cx, space),
        Output::Stderr => process.poll_stderr(cx, space),
    }
}

//! Process 1: started by the kernel when all else is up (SPEC S16).
//!
//! Its output comes through a channel to the console. Its exit is noticed,
//! the rest of its output drained and its exit code logged; the kernel goes
//! on, and starts the supervisor again.

mod again;
mod output;

use crate::machine::CommandLine;
use crate::process::vfs::namespace;
use crate::process::{self, Program};
use crate::{config, thread, time};
use alloc::string::String;
use alloc::sync::Arc;
use embassy_executor::{SendSpawner, Spawner};
use paddock_abi::{Errno, Result};
use paddock_process::stack::Strings;
use paddock_process::{ChannelWriter, WaitStatus, channel};
use paddock_sync::{OnceCell, Rank, SpinLock};
use paddock_vfs::{FdTable, File, OpenFile, OpenFlags, PathContext};

/// The environment of process 1.
const ENVIRONMENT: [&[u8]; 4] = [
    b"PATH=/bin:/sbin:/usr/bin:/usr/sbin",
    b"HOME=/root",
    b"TERM=vt100",
    b"USER=root",
];

/// What process 1 is to be.
static PATH: OnceCell<Option<String>> = OnceCell::new();
/// Where the task that carries its output runs.
static SPAWNER: OnceCell<SendSpawner> = OnceCell::new();
/// How the last process 1 ended, and when (ns since boot).
static LAST_END: SpinLock<Option<(WaitStatus, u64)>> = SpinLock::new(Rank::Leaf, None);
/// How long one that was killed may take to go, in milliseconds.
const END_MS: u64 = 2000;
/// How often that is looked at, in milliseconds.
const LOOK_MS: u64 = 10;

/// Starts process 1, if the command line does not say otherwise, and the task
/// that carries its output. Thread context.
pub fn start(command_line: &CommandLine<'_>, spawner: Spawner) {
    let path = chosen(command_line);
    let _ = PATH.set(path.clone());
    let _ = SPAWNER.set(spawner.make_send());
    let Some(path) = path else {
        log::info!("init: herd=off: no process 1 is started");
        return;
    };
    match run(&path) {
        Ok(()) => log::info!("init: {path} started as process 1"),
        Err(Errno::ENOENT) => log::warn!(
            "init: {path} is missing: no services run. Put it on the root filesystem, or name another program with init=PATH"
        ),
        Err(error) => log::warn!(
            "init: {path} cannot be started: {error}. Name another program with init=PATH"
        ),
    }
}

fn chosen(command_line: &CommandLine<'_>) -> Option<String> {
    if let Some(path) = command_line.init {
        return Some(String::from(path));
    }
    command_line
        .herd
        .unwrap_or(config::AUTO_START_HERD)
        .then(|| String::from(config::DEFAULT_INIT))
}

/// What process 1 is, or would be.
pub fn path() -> &'static str {
    let path = PATH.get().and_then(Option::as_deref);
    path.unwrap_or(config::DEFAULT_INIT)
}

/// How the last process 1 ended, and when (ns since boot).
pub fn last_end() -> Option<(WaitStatus, u64)> {
    *LAST_END.lock()
}

/// Ends process 1 and what it has started, logins apart, and starts it anew.
/// Thread context; sleeps for some seconds, and for as long as the disk takes
/// to read the program.
///
/// # Errors
/// `EBUSY` if something does not end; those of execve(2) and fork(2).
pub fn restart() -> Result<()> {
    let _hold = again::hold();
    if let Some(first) = process::process_1() {
        process::kill_by_kernel(&first);
    }
    wait_until(|| process::process_1().is_none())?;
    process::services::end_all()?;
    wait_until(|| !output::is_carried())?;
    run(path())
}

fn wait_until(condition: impl Fn() -> bool) -> Result<()> {
    for _ in 0..END_MS / LOOK_MS {
        if condition() {
            return Ok(());
        }
        thread::sleep_ms(LOOK_MS);
    }
    Err(Errno::EBUSY)
}

fn run(path: &str) -> Result<()> {
    let spawner = SPAWNER.get().ok_or(Errno::EINVAL)?;
    let context = PathContext::root_at(namespace().root());
    let (reader, writer) = channel()?;
    let shared = reader.shared();
    let mut environment = Strings::new();
    for variable in ENVIRONMENT {
        environment.push(variable)?;
    }
    let mut arguments = Strings::new();
    arguments.push(path.as_bytes())?;
    process::spawn(Program {
        path: path.as_bytes(),
        arguments,
        environment,
        files: standard_files(&context, writer)?,
        paths: context,
        first: true,
        is_operators: true,
        terminal: None,
        on_exit: Some(paddock_sync::try_box(move |status| {
            *LAST_END.lock() = Some((status, time::now()));
            shared.set_exit(status)
        })?),
    })?;
    again::started();
    match output::carry(reader) {
        Ok(token) => spawner.spawn(token),
        Err(_) => log::error!("init: the output of process 1 has no task"),
    }
    Ok(())
}

/// Standard input from nowhere; output and errors to the channel.
fn standard_files(context: &PathContext, writer: Arc<ChannelWriter>) -> Result<FdTable> {
    let mut files = FdTable::new();
    let input = namespace().open(context, b"/dev/null", OpenFlags::empty(), 0)?;
    let file: Arc<dyn File> = writer;
    let output = OpenFile::new(file, None, OpenFlags::WRONLY)?;
    for (number, file) in [input, output.clone(), output].into_iter().enumerate() {
        files.replace(number as i32, file, false, number + 1)?;
    }
    Ok(files)
}

//! The fuzzing of schedules: the kernel with the feature `fuzz-sched`, a
//! program with much to do for threads of all kinds, and runs that repeat
//! exactly because nothing that the host times gets in.

use crate::build::{self, Kernel};
use crate::disk::Contents;
use crate::machine::{self, TEST_KERNEL_IS_BUILT, check_disk};
use crate::process::tool;
use crate::qemu::{Config, Serial};
use crate::{disk, paths};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a run may take the host. A run that hangs ends itself by guest
/// time; this is for what hangs so that not even that works.
const LIMIT: Duration = Duration::from_secs(300);

/// What a run says whose power goes.
const POWER_GONE: &str = "fuzz: the power goes";

/// What the last line of a run begins with, behind the time.
const LAST_LINE: &str = "fuzz: ";

/// One run: the same values make the same run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What decides.
    pub seed: u64,
    /// The number of CPUs.
    pub smp: u32,
    /// A switch at one point in so many; else the seed chooses.
    pub one_in: Option<u32>,
    /// More words for the kernel's command line.
    pub append: Option<String>,
    /// The power goes as so many pieces of the disk have been written, if that many are.
    pub power: Option<u64>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether all went well.
    pub passed: bool,
    /// The last line: what happened, in figures.
    pub summary: String,
    /// The console, kept in a file.
    pub console: PathBuf,
    /// How long the host took.
    pub took: Duration,
}

/// Builds the kernel, the program and the disk.
pub fn build() -> Result<()> {
    let programs = build::fuzz_kernel()?;
    let (_, program) = programs
        .iter()
        .find(|(name, _)| *name == "paddock-test")
        .context("paddock-test is not part of this checkout")?;
    let fresh = paths::fuzz_disk().with_extension("new");
    make_disk(&fresh, program)?;
    Ok(fs::rename(&fresh, paths::fuzz_disk())?)
}

/// As [`build`], once, unless whoever started the tests has done so.
pub fn build_once() -> Result<()> {
    static BUILT: Mutex<bool> = Mutex::new(false);
    let mut built = BUILT.lock().unwrap_or_else(|e| e.into_inner());
    let is_there = std::env::var_os(TEST_KERNEL_IS_BUILT).is_some();
    if !*built && (!is_there || !paths::fuzz_disk().exists()) {
        build()?;
    }
    *built = true;
    Ok(())
}

/// A disk whose `/bin/fuzz` is `program`; small blocks, so that files have many.
fn make_disk(out: &Path, program: &Path) -> Result<()> {
    let stage = paths::out().join("fuzz-rootfs");
    for folder in ["bin", "dev", "proc", "tmp", "run"] {
        fs::create_dir_all(stage.join(folder))?;
    }
    fs::copy(program, stage.join("bin/fuzz"))
        .with_context(|| format!("cannot copy {}", program.display()))?;
    let contents = Contents {
        size: 24 << 20,
        block_size: 1024,
        ..Contents::default()
    };
    disk::make_filesystem(out, &stage, &contents)
}

impl Run {
    /// This seed with this many CPUs, all else as the seed chooses.
    pub fn new(seed: u64, smp: u32) -> Self {
        Run {
            seed,
            smp,
            one_in: None,
            append: None,
            power: None,
        }
    }

    /// This seed, and the power goes at a moment that it chooses.
    pub fn with_power_cut(seed: u64, smp: u32) -> Self {
        /// Pieces that a whole run writes, about.
        const PIECES: u64 = 900;
        Run {
            power: Some(1 + seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % PIECES),
            ..Run::new(seed, smp)
        }
    }

    /// The command that does it again.
    pub fn command(&self) -> String {
        let mut command = format!(
            "cargo xtask fuzz-sched --seed {} --smp {}",
            self.seed, self.smp
        );
        if let Some(one_in) = self.one_in {
            command.push_str(&format!(" --one-in {one_in}"));
        }
        if self.power.is_some() {
            command.push_str(" --power");
        }
        if let Some(words) = &self.append {
            command.push_str(&format!(" --append '{words}'"));
        }
        command
    }

    /// What the kernel's copy of the disk is called, in the folder of the run.
    fn disk(&self) -> String {
        format!("seed-{}-smp-{}.ext4", self.seed, self.smp)
    }

    fn config(&self, console: &Path) -> Config {
        let mut config = Config::new(&Kernel::Fuzz.image());
        config.rng = false;
        config.smp = self.smp;
        config.icount = true;
        config.repeats = true;
        config.semihosting = true;
        config.serial = Serial::File(console.to_path_buf());
        config.extra = vec!["-initrd".into(), paths::fuzz_disk().into()];
        config.append = vec![
            "paddock.test".into(),
            "init=/bin/fuzz".into(),
            "root=/dev/ram0".into(),
            format!("paddock.fuzz_disk={}", self.disk()),
            format!("paddock.seed={}", self.seed),
        ];
        let one_in = self.one_in.map(|n| format!("paddock.fuzz=1/{n}"));
        config.append.extend(one_in);
        let power = self
            .power
            .map(|after| format!("paddock.fuzz_power={after}"));
        config.append.extend(power);
        config.append.extend(self.append.clone());
        config
    }

    /// Runs it; the console goes to a file in `folder`, and so does the disk if
    /// there is something wrong with it.
    ///
    /// # Errors
    /// If QEMU cannot be run. That a run fails is no error.
    pub fn go(&self, folder: &Path) -> Result<Outcome> {
        fs::create_dir_all(folder)?;
        let console = folder.join(format!("seed-{}-smp-{}.log", self.seed, self.smp));
        let begin = Instant::now();
        let mut qemu = self.config(&console).command()?;
        let status = run_limited(qemu.current_dir(folder))?;
        let text = String::from_utf8_lossy(&fs::read(&console)?).into_owned();
        let last = text
            .lines()
            .rev()
            .find_map(|line| line.split_once(LAST_LINE));
        let last = last.map(|(_, summary)| summary.to_owned());
        let problem = match status {
            End::Well => self.checked_disk(folder, &text).err(),
            _ => None,
        };
        Ok(Outcome {
            passed: status == End::Well && last.is_some() && problem.is_none(),
            summary: match (problem, last, status) {
                (Some(problem), ..) => format!("{problem:#}"),
                (.., End::TooLate) => format!("no end after {} s of the host", LIMIT.as_secs()),
                (_, Some(summary), _) if summary.contains("hash") => summary,
                _ => first_complaint(&text),
            },
            console,
            took: begin.elapsed(),
        })
    }

    /// What is wrong with the disk that the run has left; it stays only then.
    fn checked_disk(&self, folder: &Path, console: &str) -> Result<()> {
        let disk = folder.join(self.disk());
        if console.contains(POWER_GONE) {
            replay(&disk)?;
        }
        check_disk(&disk)?;
        kept_files_are_there(&disk, console)?;
        Ok(fs::remove_file(&disk)?)
    }
}

/// Has e2fsck do what a mount does after a loss of power: the log, and the orphans.
fn replay(disk: &Path) -> Result<()> {
    let reply = machine::run_limited(tool("e2fsck")?.arg("-p").arg(disk), Vec::new(), LIMIT)?;
    // 1: something was to be done.
    ensure!(
        matches!(reply.status.code(), Some(0 | 1)),
        "e2fsck -p: {reply}"
    );
    Ok(())
}

/// Whether all is on the disk that the program has said to be kept.
fn kept_files_are_there(disk: &Path, console: &str) -> Result<()> {
    let kept = console.lines().filter_map(|line| line.split_once("kept "));
    for number in kept.filter_map(|(_, number)| number.trim().parse::<usize>().ok()) {
        let mut debugfs = tool("debugfs")?;
        debugfs.args(["-R", &format!("cat /kept/{number}")]);
        let reply = machine::run_limited(debugfs.arg(disk), Vec::new(), LIMIT)?;
        let expected = format!("kept {number}\n").repeat(100 + 50 * number);
        ensure!(
            reply.stdout == expected.as_bytes(),
            "/kept/{number} is lost: {} bytes instead of {}",
            reply.stdout.len(),
            expected.len()
        );
    }
    Ok(())
}

/// What a console says of a run that did not come to its last line.
fn first_complaint(text: &str) -> String {
    let complaint = ["PANIC", "violation:", "watchdog: "]
        .iter()
        .find_map(|what| text.lines().find(|line| line.contains(what)));
    complaint.unwrap_or("ended without a word").to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    Badly,
    TooLate,
}

fn run_limited(command: &mut Command) -> Result<End> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start QEMU")?;
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.success() {
                true => End::Well,
                false => {
                    complain(&mut child);
                    End::Badly
                }
            });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    Ok(End::TooLate)
}

/// Shows what QEMU itself had to say.
fn complain(child: &mut Child) {
    let mut text = String::new();
    if let Some(mut errors) = child.stderr.take() {
        let _ = errors.read_to_string(&mut text);
    }
    if !text.trim().is_empty() {
        eprintln!("QEMU: {}", text.trim());
    }
}

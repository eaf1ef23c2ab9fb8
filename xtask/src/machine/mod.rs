//! Machines under test: QEMU with a disk of its own, its console captured,
//! and the real clients aimed at it.

mod complaint;
mod console;
mod failing;
mod folder;
mod limited;
mod qmp;
mod share;
pub mod ssh;

pub use console::Console;
pub use failing::Failing;
pub use limited::{Reply, run_limited};

use crate::build::{self, Kernel, PROGRAMS};
use crate::process::{find, tool};
use crate::qemu::{Config, Net, Serial, cpus, free_port};
use crate::{disk, keys, paths};
use anyhow::{Context, Result, anyhow, bail};
use folder::Folder;
use share::{HOST, Share};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// For how long a boot, a command or a power-off may take before the test
/// fails. Generous: the host may be slow and shared.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Environment variable: with how many CPUs a machine is started whose test
/// does not say. `cargo xtask test --smp N` sets it.
pub const CPUS_VARIABLE: &str = "PADDOCK_TEST_SMP";

/// The folder with what tests boot: `Image`, `kernel.elf` and `disk.img`.
pub fn test_folder() -> PathBuf {
    paths::out().join("test")
}

/// The guest's programs, as they are on the disk that tests boot.
pub fn test_programs() -> Result<Vec<(&'static str, PathBuf)>> {
    let dir = test_folder().join("bin");
    let programs: Vec<_> = PROGRAMS
        .iter()
        .map(|name| (*name, dir.join(name)))
        .collect();
    match programs.iter().all(|(_, path)| path.exists()) {
        true => Ok(programs),
        false => bail!(
            "nothing is built in {}; run `cargo xtask test`",
            dir.display()
        ),
    }
}

/// Set when the test kernel in the test folder is the one to test.
pub const TEST_KERNEL_IS_BUILT: &str = "PADDOCK_TEST_KERNEL_IS_BUILT";

/// Builds the test kernel and puts its image into the test folder.
pub fn build_test_kernel() -> Result<()> {
    build::other_kernel(Kernel::Test)?;
    keep(Kernel::Test)
}

/// Puts what was built last into the test folder, which no later build
/// changes.
pub fn keep(kernel: Kernel) -> Result<()> {
    let folder = test_folder();
    fs::create_dir_all(&folder)?;
    for (built, kept) in [
        (kernel.image(), kernel.image_in(&folder)),
        (kernel.elf(), kernel.elf_in(&folder)),
    ] {
        let copied = fs::copy(&built, &kept);
        copied.with_context(|| format!("cannot copy {}", built.display()))?;
    }
    Ok(())
}

/// The image of the test kernel. Built now, once, unless whoever started the
/// tests has done so.
pub fn test_kernel() -> Result<PathBuf> {
    static BUILT: Mutex<bool> = Mutex::new(false);
    let mut built = BUILT.lock().unwrap_or_else(|e| e.into_inner());
    let image = Kernel::Test.image_in(&test_folder());
    let is_there = std::env::var_os(TEST_KERNEL_IS_BUILT).is_some() && image.exists();
    if !*built && !is_there {
        build_test_kernel()?;
    }
    *built = true;
    Ok(image)
}

/// A machine to be.
pub struct Builder {
    name: String,
    /// What QEMU is told. `disk` and `net` are filled in at the start.
    pub config: Config,
    base: Option<PathBuf>,
    disk: bool,
    net: bool,
    alone: bool,
    qmp: bool,
    smp: Option<u32>,
}

/// Begins to describe a machine for the test `name`: the default machine with
/// a copy of the default disk.
pub fn machine(name: &str) -> Builder {
    let mut config = Config::new(&Kernel::Shipped.image_in(&test_folder()));
    config.append.push("paddock.test".into());
    config.semihosting = true;
    Builder {
        name: name.into(),
        config,
        base: None,
        disk: true,
        net: true,
        alone: false,
        qmp: false,
        smp: None,
    }
}

/// The number of CPUs of a machine whose test does not say.
fn default_cpus() -> Result<u32> {
    match std::env::var(CPUS_VARIABLE) {
        Ok(text) => cpus(&text).with_context(|| format!("in {CPUS_VARIABLE}")),
        Err(_) => Ok(1),
    }
}

impl Builder {
    /// Changes what QEMU is told.
    pub fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Gives it this many CPUs, whatever the default is.
    pub fn smp(mut self, cpus: u32) -> Self {
        self.smp = Some(cpus);
        self
    }

    /// Adds words to the kernel's command line.
    pub fn append(self, words: &str) -> Self {
        self.with(|config| config.append.push(words.into()))
    }

    /// Copies this disk instead of the default one.
    pub fn disk(mut self, base: &Path) -> Self {
        self.base = Some(base.to_path_buf());
        self
    }

    /// No disk.
    pub fn no_disk(mut self) -> Self {
        self.disk = false;
        self
    }

    /// No network card.
    pub fn no_net(mut self) -> Self {
        self.net = false;
        self
    }

    /// Has the host to itself: for tests that measure time.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Lets the test stop and throttle its disk, and reset it.
    pub fn controlled(mut self) -> Self {
        self.qmp = true;
        self
    }

    /// Starts it, and waits until the SSH server greets.
    pub fn up(self) -> Result<Machine> {
        let mut machine = self.start()?;
        machine.wait_for_ssh()?;
        Ok(machine)
    }

    /// Starts it.
    pub fn start(mut self) -> Result<Machine> {
        let share = match self.alone {
            true => HOST.alone()?,
            false => HOST.share(),
        };
        self.config.smp = match self.smp {
            Some(cpus) => cpus,
            None => default_cpus()?,
        };
        let folder = Folder::new(&self.name)?;
        if self.disk {
            let own = folder.path().join("disk.img");
            disk::copy(
                &self
                    .base
                    .take()
                    .unwrap_or_else(|| test_folder().join("disk.img")),
                &own,
            )
            .context("run the tests with `cargo xtask test`, which makes their disk")?;
            self.config.disk = Some(own);
        }
        if self.net {
            self.config.net = Some(Net {
                ssh_port: free_port()?,
                http_port: free_port()?,
            });
        }
        let qmp_port = match self.qmp {
            true => Some(free_port()?),
            false => None,
        };
        if let Some(port) = qmp_port {
            let server = format!("tcp:127.0.0.1:{port},server=on,wait=off");
            self.config.extra.extend(["-qmp".into(), server.into()]);
        }
        self.config.serial = Serial::Pipe;
        let (child, console) = spawn(&self.config, folder.path())?;
        Ok(Machine {
            started: Instant::now(),
            config: self.config,
            child,
            console,
            folder,
            qmp_port,
            _share: share,
        })
    }
}

fn spawn(config: &Config, folder: &Path) -> Result<(Child, Console)> {
    let mut qemu = with_parent(config.command()?);
    qemu.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = qemu.spawn().context("cannot start QEMU")?;
    let console = Console::capture(&mut child, &folder.join("console.log"))?;
    Ok((child, console))
}

/// The same command, killed when the thread that starts it ends, where the
/// host has setpriv(1): no machine outlives its test.
fn with_parent(command: Command) -> Command {
    let Some(setpriv) = find("setpriv") else {
        return command;
    };
    let mut wrapped = Command::new(setpriv);
    wrapped
        .args(["--pdeathsig", "KILL"])
        .arg(command.get_program())
        .args(command.get_args());
    wrapped
}

/// A running machine. [`Machine::done`] ends it; dropped without that, it is
/// killed, shows its console and leaves its folder.
pub struct Machine {
    config: Config,
    child: Child,
    console: Console,
    started: Instant,
    folder: Folder,
    qmp_port: Option<u16>,
    _share: Share,
}

impl Machine {
    /// What it has printed, and its keyboard.
    pub fn console(&mut self) -> &mut Console {
        &mut self.console
    }

    /// The number of QEMU's process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of this host that the machine has used, in clock ticks
    /// of 10 ms (proc(5), utime and stime in /proc/PID/stat).
    pub fn host_ticks(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process_id()))?;
        let fields = stat
            .rsplit_once(") ")
            .context("no name in /proc/PID/stat")?
            .1;
        let number = |n: usize| {
            fields
                .split(' ')
                .nth(n)
                .and_then(|field| field.parse::<u64>().ok())
        };
        Ok(number(11).context("no utime")? + number(12).context("no stime")?)
    }

    /// The machine's own folder on the host.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The log of what it writes to its disk, if that is recorded.
    pub fn write_log(&self) -> PathBuf {
        self.folder.path().join("writes.log")
    }

    /// The image of its disk.
    ///
    /// # Panics
    /// If it was built without one.
    pub fn disk(&self) -> &Path {
        self.config
            .disk
            .as_deref()
            .expect("this machine has no disk")
    }

    fn net(&self) -> Result<Net> {
        self.config
            .net
            .ok_or_else(|| anyhow!("this machine has no network"))
    }

    /// Lets so many bytes a second through to the disk and back from now on;
    /// as many as there are for `None`. The machine was built with
    /// [`Builder::controlled`].
    pub fn throttle_disk(&self, bytes: Option<u32>) -> Result<()> {
        let bytes = bytes.unwrap_or(0);
        let arguments = format!(
            r#"{{"device":"root","bps":{bytes},"bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0}}"#
        );
        self.control("block_set_io_throttle", &arguments)
    }

    /// Presses the reset button. The machine was built with
    /// [`Builder::controlled`].
    pub fn reset(&self) -> Result<()> {
        self.control("system_reset", "{}")
    }

    fn control(&self, command: &str, arguments: &str) -> Result<()> {
        let port = self
            .qmp_port
            .context("the machine was not built for this")?;
        qmp::execute(port, command, arguments)
    }

    /// Port of the host for the guest's port 80.
    ///
    /// # Panics
    /// If it was built without a network card.
    pub fn http_port(&self) -> u16 {
        self.config
            .net
            .expect("this machine has no network")
            .http_port
    }

    /// Port of the host for the guest's SSH server.
    ///
    /// # Panics
    /// If it was built without a network card.
    pub fn ssh_port(&self) -> u16 {
        self.config
            .net
            .expect("this machine has no network")
            .ssh_port
    }

    /// Waits until the console shows `text` (after what was waited for
    /// before). An error tells what it showed instead.
    pub fn expect(&mut self, text: &str) -> Result<()> {
        self.console.wait_for(text, LIMIT)
    }

    /// Reboots the machine from inside, and waits until it is up again.
    pub fn reboot(&mut self) -> Result<()> {
        self.console.skip();
        // The connection may break before the command has ended.
        let _ = self.ssh("reboot");
        self.expect("Paddock 0.")?;
        self.expect("ssh: listening")?;
        self.started = Instant::now();
        self.wait_for_ssh().map(drop)
    }

    /// Waits until the SSH server greets, and gives the time since QEMU's
    /// start.
    pub fn wait_for_ssh(&mut self) -> Result<Duration> {
        let port = self.net()?.ssh_port;
        let mut patience = Duration::from_millis(50);
        while self.started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "QEMU ended with {status} before there was an SSH server\n{}",
                    self.console.tail()
                );
            }
            // QEMU accepts before the guest can answer, and then tries again
            // only after seconds: so the patience begins small and grows, but
            // not while QEMU itself does not accept yet.
            match ssh::banner(port, patience) {
                Ok(_) => return Ok(self.started.elapsed()),
                Err(error) if is_refused(&error) => {}
                Err(_) => patience = (patience * 5 / 4).min(Duration::from_secs(5)),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("no SSH server after {LIMIT:?}")
    }

    /// An `ssh` command for this machine with more options for ssh, without
    /// the remote command.
    pub fn ssh_command(&self, options: &[&str]) -> Result<Command> {
        let known_hosts = self.folder().join("known_hosts");
        ssh::command_with(
            self.net()?.ssh_port,
            &keys::own_key(),
            &known_hosts,
            options,
        )
    }

    /// Runs a command in the guest with no input.
    pub fn ssh(&self, remote: &str) -> Result<Reply> {
        self.ssh_with_input(remote, Vec::new())
    }

    /// Runs a command in the guest with this input.
    pub fn ssh_with_input(&self, remote: &str, input: Vec<u8>) -> Result<Reply> {
        let mut command = self.ssh_command(&[])?;
        run_limited(command.arg(remote), input, LIMIT)
            .with_context(|| format!("in the guest: {remote}"))
    }

    /// Runs a command that must succeed, and gives its output as text.
    pub fn sh(&self, remote: &str) -> Result<String> {
        let reply = self.ssh(remote)?;
        if !reply.status.success() {
            bail!("`{remote}` in the guest: {reply}");
        }
        Ok(reply.text())
    }

    /// Waits until QEMU has ended by itself.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "the machine is still on after {LIMIT:?}\n{}",
            self.console.tail()
        )
    }

    /// Powers off from inside and waits for the end.
    pub fn power_off(&mut self) -> Result<()> {
        // The connection may end before the command's status arrives.
        let _ = self.ssh("poweroff");
        let status = self.wait_for_end()?;
        if !status.success() {
            bail!(
                "after poweroff QEMU ended with {status}\n{}",
                self.console.tail()
            );
        }
        Ok(())
    }

    /// Pulls the plug.
    pub fn pull_plug(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the machine again with the disk as it is, after it has ended.
    pub fn start_again(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            bail!("the machine is still on");
        }
        self.check_console()?;
        (self.child, self.console) = spawn(&self.config, self.folder.path())?;
        self.started = Instant::now();
        Ok(())
    }

    /// Lets every request for these sectors of the disk fail, from the next
    /// start on.
    pub fn spoil_sectors(&mut self, sectors: &[u64]) -> Result<()> {
        let rule = |sector: &u64| {
            format!("[inject-error]\nevent = \"none\"\nerrno = \"5\"\nsector = \"{sector}\"\n")
        };
        let rules: String = sectors.iter().map(rule).collect();
        let path = self.folder.path().join("blkdebug.conf");
        fs::write(&path, rules)?;
        self.config.disk_rules = Some(path);
        Ok(())
    }

    /// What `e2fsck -fn` finds wrong with the disk, after the machine's end.
    pub fn check_disk(&self) -> Result<()> {
        check_disk(self.disk())
    }

    /// Powers off from inside, checks the disk, and is done.
    pub fn off(mut self) -> Result<()> {
        self.power_off()?;
        self.check_disk()?;
        self.done()
    }

    /// The end of a test that went well: whatever the test looked at, the
    /// kernel must not have complained. Clears up.
    pub fn done(mut self) -> Result<()> {
        self.check_console()?;
        self.folder.spend();
        Ok(())
    }

    /// The end of a test that wanted the kernel to complain of itself. The
    /// machine may still be on. Clears up.
    pub fn complained(mut self) -> Result<()> {
        self.folder.spend();
        Ok(())
    }

    /// An error if the kernel has complained of itself until now.
    pub fn good_so_far(&self) -> Result<()> {
        self.check_console()
    }

    fn check_console(&self) -> Result<()> {
        let text = self.console.text();
        match complaint::first(&text) {
            Some(report) => bail!("the kernel complains of itself: {report}"),
            None => Ok(()),
        }
    }
}

/// Checks a disk image without changing it.
pub fn check_disk(image: &Path) -> Result<()> {
    let reply = run_limited(tool("e2fsck")?.arg("-fn").arg(image), Vec::new(), LIMIT)?;
    if !reply.status.success() {
        bail!("e2fsck -fn {}: {reply}", image.display());
    }
    Ok(())
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.folder.is_spent() {
            eprintln!(
                "{}\nsee {}",
                self.console.tail(),
                self.folder.path().display()
            );
        }
    }
}

/// Whether nobody listened.
fn is_refused(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

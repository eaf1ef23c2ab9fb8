//! `cargo xtask run`.

use super::image::{self, System};
use super::options;
use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use xtask::build::{self, Built, DiskPolicy, Kernel};
use xtask::disk::{self, Contents};
use xtask::qemu::{Config, Net, Published, Serial, is_free};
use xtask::{keys, machine, paths, step};

/// Default port of the host that leads to the guest's SSH server.
pub const SSH_PORT: u16 = 2222;
const HTTP_PORT: u16 = 8080;
/// Where a machine started with `--gdb` listens.
pub const GDB_PORT: u16 = 1234;
/// For how long a boot may keep the login hint waiting.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

const HELP: &str = "\
Sets up, builds, makes the disk if there is none, boots, and says how to log
in. The console is this terminal; Ctrl-A X leaves.

Usage: cargo xtask run [OPTIONS]

  --ssh-port PORT  the host's port for the guest's SSH server (2222)
  --http-port PORT the host's port for the guest's port 80 (8080)
  --headless       no console here; it goes to target/paddock/console.log
  --fresh          makes the disk anew: what was written to it is lost
  --disk FILE      another disk, as made by `cargo xtask image`
  --debian NAMES   a disk of its own with Debian's packages (NAME[,NAME...]) and
                   all that they need, made if there is none; known ones run as
                   services (nginx, redis-server, ...)
  --oci FILE       a disk of its own with the image of a container, in an archive
                   of `docker save`, `podman save` or `skopeo copy`, made if
                   there is none; its program runs as a service
  --size SIZE      of a disk that is made for --debian or --oci, such as 2G
  --publish H:G    a port of this host that leads to one of the guest; with
                   `/udp` behind it, of UDP; may be repeated
  --no-build       boots what was built last
  --gdb            waits for `cargo xtask gdb` in another terminal
";

struct Options {
    config: Config,
    net: Net,
    disk: Option<PathBuf>,
    /// What is on it beside the default tree.
    system: Option<System>,
    /// The least size of a disk that is made for that, in bytes.
    size: u64,
    policy: DiskPolicy,
    build: bool,
    headless: bool,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let Some(mut options) = parse(args)? else {
        print!("{HELP}{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    };
    check_ports(&options)?;
    prepare(&options)?;
    let console = paths::out().join("console.log");
    let _ = fs::remove_file(&console);
    options.config.disk = Some(options.disk.clone().unwrap_or_else(paths::disk));
    options.config.net = Some(options.net);
    options.config.serial = match options.headless {
        true => Serial::File(console.clone()),
        false => Serial::Terminal(console.clone()),
    };
    boot(&options, &console)
}

fn parse(args: &mut lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        config: Config::new(&Kernel::Shipped.image()),
        net: Net {
            ssh_port: SSH_PORT,
            http_port: HTTP_PORT,
        },
        disk: None,
        system: None,
        size: 0,
        policy: DiskPolicy::Keep,
        build: true,
        headless: false,
    };
    let (mut packages, mut oci) = (Vec::new(), None);
    while let Some(arg) = args.next()? {
        let Long(name) = arg else {
            if arg == Short('h') {
                return Ok(None);
            }
            return Err(arg.unexpected().into());
        };
        match name.to_owned().as_str() {
            "ssh-port" => options.net.ssh_port = args.value()?.parse()?,
            "http-port" => options.net.http_port = args.value()?.parse()?,
            "headless" => options.headless = true,
            "fresh" => options.policy = DiskPolicy::Fresh,
            "disk" => options.disk = Some(args.value()?.into()),
            "debian" => {
                let names = args.value()?.string()?;
                packages.extend(image::names(&names));
            }
            "oci" => oci = Some(PathBuf::from(args.value()?)),
            "publish" => {
                let ports = args.value()?.string()?;
                options.config.publish.push(Published::parse(&ports)?);
            }
            "size" => options.size = image::size(&args.value()?.string()?)?,
            "no-build" => options.build = false,
            "gdb" => options.config.gdb = Some(GDB_PORT),
            "help" => return Ok(None),
            name => {
                if !options::machine_option(name, args, &mut options.config)? {
                    bail!("there is no option --{name}; see `cargo xtask run --help`");
                }
            }
        }
    }
    options.system = System::of(packages, oci)?;
    match &options.system {
        None if options.size != 0 => {
            bail!("--size is of a disk that is made for --debian or --oci");
        }
        None => {}
        Some(_) if options.disk.is_some() => bail!(
            "--debian and --oci make a disk of their own: leave --disk out, or make one with `cargo xtask image`"
        ),
        Some(system) => options.disk = Some(system.image()),
    }
    Ok(Some(options))
}

fn check_ports(options: &Options) -> Result<()> {
    let net = options.net;
    for (port, option) in [(net.ssh_port, "--ssh-port"), (net.http_port, "--http-port")] {
        if !is_free(port) {
            bail!("port {port} of this machine is taken; choose another with {option} PORT");
        }
    }
    for port in &options.config.publish {
        if !port.is_udp && !is_free(port.host) {
            bail!(
                "port {} of this machine is taken; publish another",
                port.host
            );
        }
    }
    Ok(())
}

/// Builds, and makes sure that the disk is there.
fn prepare(options: &Options) -> Result<()> {
    if options.policy == DiskPolicy::Fresh || options.disk.is_some() {
        let _ = fs::remove_file(keys::known_hosts());
    }
    match &options.disk {
        _ if !options.build && options.policy == DiskPolicy::Keep => {}
        Some(disk) => make_system(options, disk, &build::programs()?)?,
        None => drop(build::all(options.policy)?),
    }
    if let Some(disk) = options.disk.as_deref().filter(|disk| !disk.exists()) {
        bail!(
            "there is no {}; make it with `cargo xtask image --out {0}`",
            disk.display()
        );
    }
    fs::write(
        paths::out().join("ssh-port"),
        options.net.ssh_port.to_string(),
    )?;
    Ok(())
}

/// Makes the disk with a system of its own, if that is what is asked for and it is not
/// there.
fn make_system(options: &Options, disk: &Path, built: &Built) -> Result<()> {
    let Some(system) = &options.system else {
        return Ok(());
    };
    if disk.exists() && options.policy == DiskPolicy::Keep {
        step::note(&format!(
            "{} is kept; --fresh makes it anew",
            disk.display()
        ));
        return Ok(());
    }
    let mut contents = Contents::default();
    contents.size = contents.size.max(options.size);
    system.add(&mut contents)?;
    disk::make(disk, &contents, &built.programs)
}

fn boot(options: &Options, console: &Path) -> Result<ExitCode> {
    step::step(match options.headless {
        true => "Booting; Ctrl-C ends the machine",
        false => "Booting; Ctrl-A X ends the machine",
    });
    if options.config.gdb.is_some() {
        step::note("waiting for `cargo xtask gdb` in another terminal");
    }
    let mut command = options.config.command()?;
    if options.headless {
        command.stdin(Stdio::null());
        step::note(&format!("the console goes to {}", console.display()));
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&interrupted)).context("cannot wait for signals")?;
    }
    let mut qemu = command.spawn().context("cannot start QEMU")?;
    let limit = if options.config.gdb.is_some() {
        Duration::MAX
    } else {
        BOOT_LIMIT
    };
    hint_when_up(&mut qemu, options, console, limit, &interrupted);
    let status = wait_for_end(&mut qemu, &interrupted)?;
    if interrupted.load(Relaxed) {
        eprint!(
            "\r\n==> Interrupted: the machine was powered off. What was not synced is not on its disk; `poweroff` in the machine ends it in order.\r\n"
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !status.success() {
        bail!("QEMU ended with {status}");
    }
    step::step("The machine is off");
    Ok(ExitCode::SUCCESS)
}

/// What a shell makes of a command that SIGINT has ended.
const INTERRUPTED: u8 = 130;

/// Waits for QEMU's end, and ends it when this command is interrupted: the
/// signal may have been for this process alone.
fn wait_for_end(qemu: &mut Child, interrupted: &AtomicBool) -> Result<ExitStatus> {
    let mut told = false;
    loop {
        if let Some(status) = qemu.try_wait()? {
            return Ok(status);
        }
        if interrupted.load(Relaxed) && !told {
            told = true;
            let process = Pid::from_raw(qemu.id().cast_signed()).context("no process")?;
            // Gone already if it has had the signal as well.
            let _ = kill_process(process, Signal::TERM);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until the SSH server greets, and says how to log in.
fn hint_when_up(
    qemu: &mut Child,
    options: &Options,
    console: &Path,
    limit: Duration,
    interrupted: &AtomicBool,
) {
    let start = Instant::now();
    while start.elapsed() < limit {
        if interrupted.load(Relaxed) || !matches!(qemu.try_wait(), Ok(None)) {
            return;
        }
        let greeted = text_of(console).contains("ssh: listening")
            && machine::ssh::banner(options.net.ssh_port, Duration::from_millis(500)).is_ok();
        if greeted {
            // So that the first lines of the services do not run into it.
            std::thread::sleep(Duration::from_millis(300));
            return hint(options, &text_of(console));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    step::warn(&format!(
        "no SSH server after {} s; see the console above for the reason",
        limit.as_secs()
    ));
}

fn text_of(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn hint(options: &Options, console: &str) {
    // The guest's console leaves the terminal's lines as it likes.
    let say = |text: &str| eprint!("{text}\r\n");
    let Net {
        ssh_port,
        http_port,
    } = options.net;
    let identity = match keys::user_keys().is_empty() {
        true => format!(" -i {}", keys::own_key().display()),
        false => String::new(),
    };
    say("");
    say("==> Paddock is up. Log in with:");
    say(&format!("    ssh -p {ssh_port}{identity} root@127.0.0.1"));
    say("    or, in another terminal: cargo xtask ssh [COMMAND]");
    if let Some(fingerprint) = machine::ssh::fingerprint(console) {
        say(&format!("    host key: {fingerprint}"));
    }
    say(&format!("    web page: http://127.0.0.1:{http_port}/"));
}

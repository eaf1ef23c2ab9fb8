//! The machine's description and the QEMU command line for it.

use crate::process::tool;
use crate::write_log;
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the guest's console goes.
#[derive(Clone, Debug)]
pub enum Serial {
    /// The caller's terminal, with QEMU's monitor behind Ctrl-A C and the end
    /// at Ctrl-A X; also to this file.
    Terminal(PathBuf),
    /// A file; nothing is read.
    File(PathBuf),
    /// Standard input and output, byte for byte.
    Pipe,
}

/// The network card of the machine and its forwarded ports, which are open to
/// this host alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Port of the host that leads to port 22 of the guest.
    pub ssh_port: u16,
    /// Port of the host that leads to port 80 of the guest.
    pub http_port: u16,
}

/// A port of this host, for it alone, that leads to one of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Of the host.
    pub host: u16,
    /// Of the guest.
    pub guest: u16,
    /// Whether they are of UDP, not of TCP.
    pub is_udp: bool,
}

impl Published {
    /// Reads `HOST:GUEST`, with `/udp` or `/tcp` behind it or not.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Published> {
        let (ports, is_udp) = match text.strip_suffix("/udp") {
            Some(ports) => (ports, true),
            None => (text.strip_suffix("/tcp").unwrap_or(text), false),
        };
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
        let parts = ports.split_once(':');
        match parts.map(|(host, guest)| (port(host), port(guest))) {
            Some((Some(host), Some(guest))) => Ok(Published {
                host,
                guest,
                is_udp,
            }),
            _ => bail!("`{text}` is not HOST:GUEST, two ports"),
        }
    }

    /// As an option of QEMU's network.
    fn forward(self) -> String {
        let protocol = if self.is_udp { "udp" } else { "tcp" };
        let Published { host, guest, .. } = self;
        format!("hostfwd={protocol}:127.0.0.1:{host}-:{guest}")
    }
}

/// With how many CPUs at most a machine can be started: as many as a GICv2
/// serves.
pub const MAX_CPUS: u32 = 8;

/// A number of CPUs, as a user writes it.
pub fn cpus(text: &str) -> Result<u32> {
    match text.parse() {
        Ok(count) if (1..=MAX_CPUS).contains(&count) => Ok(count),
        _ => bail!("the number of CPUs may be 1 to {MAX_CPUS}, not `{text}`"),
    }
}

/// A machine of QEMU's `virt` kind.
#[derive(Clone, Debug)]
pub struct Config {
    /// What `-kernel` loads: the raw image or the ELF file.
    pub kernel: PathBuf,
    /// The disk, if there is one.
    pub disk: Option<PathBuf>,
    /// What fails of it: QEMU's rules for `blkdebug`.
    pub disk_rules: Option<PathBuf>,
    /// Whether what is written to it is recorded, in the log beside it
    /// ([`write_log`](crate::write_log)).
    pub record_writes: bool,
    /// The network card, if there is one.
    pub net: Option<Net>,
    /// More ports that lead through it.
    pub publish: Vec<Published>,
    /// Whether there is a source of randomness.
    pub rng: bool,
    /// The kind of CPU.
    pub cpu: String,
    /// The number of CPUs, 1 to [`MAX_CPUS`].
    pub smp: u32,
    /// Memory, in QEMU's notation.
    pub mem: String,
    /// Version of the interrupt controller: 2 or 3.
    pub gic: u32,
    /// Guest time counts instructions: one for each nanosecond.
    pub icount: bool,
    /// With `icount`: nothing that the host times reaches the guest, so that
    /// every run is the same.
    pub repeats: bool,
    /// The virtio transport as it was before version 1.0.
    pub legacy_virtio: bool,
    /// Words for the kernel's command line.
    pub append: Vec<String>,
    /// Wait for a debugger on this port.
    pub gdb: Option<u16>,
    /// Let the guest end QEMU with a status. Only for kernels of our own: it
    /// also opens the host's files to the guest's kernel.
    pub semihosting: bool,
    /// The console.
    pub serial: Serial,
    /// Anything else for QEMU.
    pub extra: Vec<OsString>,
}

impl Config {
    /// The default machine with this kernel, without disk and network.
    pub fn new(kernel: &Path) -> Self {
        Self {
            kernel: kernel.to_path_buf(),
            disk: None,
            disk_rules: None,
            record_writes: false,
            net: None,
            publish: Vec::new(),
            rng: true,
            cpu: "cortex-a72".into(),
            smp: 1,
            mem: "256M".into(),
            gic: 2,
            icount: false,
            repeats: false,
            legacy_virtio: false,
            append: Vec::new(),
            gdb: None,
            semihosting: false,
            serial: Serial::Pipe,
            extra: Vec::new(),
        }
    }

    /// The command that starts it.
    pub fn command(&self) -> Result<Command> {
        let mut qemu = tool("qemu-system-aarch64")?;
        if !self.kernel.exists() {
            bail!(
                "there is no {}; run `cargo xtask build`",
                self.kernel.display()
            );
        }
        qemu.args(["-nodefaults", "-display", "none"]);
        // Otherwise QEMU puts random numbers into the device tree.
        let fixed = if self.repeats {
            ",dtb-randomness=off"
        } else {
            ""
        };
        qemu.args(["-machine", &format!("virt,gic-version={}{fixed}", self.gic)]);
        qemu.args([
            "-cpu",
            &self.cpu,
            "-smp",
            &self.smp.to_string(),
            "-m",
            &self.mem,
        ]);
        qemu.arg("-kernel").arg(&self.kernel);
        qemu.args(["-append", &self.append.join(" ")]);
        let legacy = if self.legacy_virtio { "on" } else { "off" };
        qemu.args(["-global", &format!("virtio-mmio.force-legacy={legacy}")]);
        self.add_devices(&mut qemu)?;
        self.add_modes(&mut qemu);
        qemu.args(&self.extra);
        Ok(qemu)
    }

    fn add_devices(&self, qemu: &mut Command) -> Result<()> {
        if let Some(disk) = self.disk.as_ref().filter(|_| self.record_writes) {
            let log = write_log::create(disk.parent().unwrap_or(Path::new(".")))?;
            qemu.args(write_log::options(disk, &log))
                .args(["-device", "virtio-blk-device,id=root-card,drive=logged"]);
        } else if let Some(disk) = &self.disk {
            let mut drive = OsString::from("if=none,id=root,node-name=disk,format=raw,file=");
            if let Some(rules) = &self.disk_rules {
                drive.push(format!("blkdebug:{}:", rules.display()).replace(',', ",,"));
            }
            drive.push(disk.to_string_lossy().replace(',', ",,"));
            qemu.arg("-drive")
                .arg(drive)
                .args(["-device", "virtio-blk-device,id=root-card,drive=root"]);
        }
        if let Some(net) = self.net {
            let tcp = |host, guest| Published {
                host,
                guest,
                is_udp: false,
            };
            let own = [tcp(net.ssh_port, 22), tcp(net.http_port, 80)];
            let mut user = String::from("user,id=net");
            for port in own.iter().chain(&self.publish) {
                user.push(',');
                user.push_str(&port.forward());
            }
            qemu.args(["-netdev", &user, "-device", "virtio-net-device,netdev=net"]);
        }
        if self.rng {
            qemu.args(["-object", "rng-random,filename=/dev/urandom,id=rng"]);
            qemu.args(["-device", "virtio-rng-device,rng=rng"]);
        }
        Ok(())
    }

    fn add_modes(&self, qemu: &mut Command) {
        match self.icount {
            // Without `sleep=off` an idle guest's time would be the host's.
            true if self.repeats => qemu.args([
                "-icount",
                "shift=0,sleep=off",
                "-rtc",
                "base=2026-01-01,clock=vm",
            ]),
            true => qemu.args(["-icount", "shift=0"]),
            // A thread of the host for each CPU: truly parallel.
            false => qemu.args(["-accel", "tcg,thread=multi"]),
        };
        if let Some(port) = self.gdb {
            qemu.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
        }
        if self.semihosting {
            qemu.args(["-semihosting-config", "enable=on,target=native"]);
        }
        match &self.serial {
            Serial::Terminal(log) => {
                let mut stdio = OsString::from("stdio,id=console,mux=on,signal=off,logfile=");
                stdio.push(log);
                qemu.arg("-chardev").arg(stdio);
                qemu.args([
                    "-serial",
                    "chardev:console",
                    "-mon",
                    "chardev=console,mode=readline",
                ]);
            }
            Serial::File(log) => {
                let mut file = OsString::from("file:");
                file.push(log);
                qemu.arg("-serial").arg(file);
            }
            Serial::Pipe => {
                qemu.args([
                    "-chardev",
                    "stdio,id=console,signal=off",
                    "-serial",
                    "chardev:console",
                ]);
            }
        }
    }
}

/// A port of this host that nobody uses at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Whether nobody listens on a port of this host.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

//! How each supervisor is told what to run.

use anyhow::Result;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    Herd,
    Dinit,
    S6,
    Runit,
}

impl Supervisor {
    pub const ALL: [Supervisor; 4] = [
        Supervisor::Herd,
        Supervisor::Dinit,
        Supervisor::S6,
        Supervisor::Runit,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Supervisor::Herd => "herd",
            Supervisor::Dinit => "dinit",
            Supervisor::S6 => "s6",
            Supervisor::Runit => "runit",
        }
    }

    /// The program that is started.
    pub fn program(self) -> &'static str {
        match self {
            Supervisor::Herd => "herd",
            Supervisor::Dinit => "dinit",
            Supervisor::S6 => "s6-svscan",
            Supervisor::Runit => "runsvdir",
        }
    }

    /// What it is started with, to run what is defined in `root`.
    pub fn arguments(self, root: &Path) -> Vec<OsString> {
        let root = root.as_os_str().to_owned();
        let word = |text: &str| OsString::from(text);
        match self {
            Supervisor::Herd => vec![word("--root"), root, word("daemon")],
            Supervisor::Dinit => {
                let mut socket = root.clone();
                socket.push("/control");
                let socket_path = [word("--socket-path"), socket];
                let mut words = vec![word("--user"), word("--services-dir"), root];
                words.extend(socket_path);
                words.push(word("boot"));
                words
            }
            Supervisor::S6 => vec![word("-c"), word("4000"), root],
            Supervisor::Runit => vec![root],
        }
    }

    /// Defines so many services that are `probe`, restarted at once where that can be
    /// said.
    pub fn define(self, root: &Path, services: usize, probe: &Path) -> Result<()> {
        let names: Vec<String> = (0..services).map(|n| format!("s{n:04}")).collect();
        let shown = probe.display();
        match self {
            Supervisor::Herd => {
                let folder = root.join("etc/herd");
                fs::create_dir_all(folder.join("available"))?;
                fs::create_dir_all(folder.join("enabled"))?;
                for name in names {
                    let file = format!("{name}.conf");
                    let text = format!("command = [\"{shown}\"]\nhealthy_after = \"1s\"\n");
                    fs::write(folder.join("available").join(&file), text)?;
                    let target = format!("../available/{file}");
                    symlink(target, folder.join("enabled").join(&file))?;
                }
            }
            Supervisor::Dinit => {
                let mut boot = "type = internal\n".to_owned();
                for name in names {
                    let text = format!(
                        "type = process\ncommand = {shown}\nrestart = true\nrestart-delay = 0\n"
                    );
                    fs::write(root.join(&name), text)?;
                    boot.push_str(&format!("waits-for = {name}\n"));
                }
                fs::write(root.join("boot"), boot)?;
            }
            Supervisor::S6 | Supervisor::Runit => {
                for name in names {
                    let folder = root.join(name);
                    fs::create_dir_all(&folder)?;
                    symlink(probe, folder.join("run"))?;
                }
            }
        }
        Ok(())
    }
}

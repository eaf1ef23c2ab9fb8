//! `cargo xtask deploy`.

use anyhow::{Context, Result};
use lexopt::prelude::*;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;
use xtask::deploy::{Definition, Ready, Target, deploy};
use xtask::machine::ssh;
use xtask::process::tool;
use xtask::step;

const HELP: &str = "\
Brings a service to a machine, and takes it back if it does not get ready.

Usage: cargo xtask deploy [OPTIONS] SERVICE.conf PROGRAM

The program goes where the definition's `command` says. Both are copied beside
what is there, the program's hash is compared, herd checks the definition, then
both are put in their places and the service is started. If it does not get
ready, what was there before is put back and started.

  --host [USER@]H  the machine, as your own ssh knows it; by default the one
                   that `cargo xtask run` started last
  --port PORT      its SSH server's port
  --identity FILE  the key to log in with
  --settled SECS   ready is what has run for so long without an end (3)
  --check COMMAND  and for which this command succeeds there
  --within SECS    as long as that may take (60)
";

struct Options {
    host: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    ready: Ready,
    files: Vec<OsString>,
}

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let mut options = Options {
        host: None,
        port: None,
        identity: None,
        ready: Ready {
            settled: Duration::from_secs(3),
            check: None,
            within: Duration::from_secs(60),
        },
        files: Vec::new(),
    };
    while let Some(arg) = args.next()? {
        match arg {
            Long("host") => options.host = Some(args.value()?.string()?),
            Long("port") | Short('p') => options.port = Some(args.value()?.parse()?),
            Long("identity") | Short('i') => options.identity = Some(args.value()?.into()),
            Long("settled") => options.ready.settled = Duration::from_secs(args.value()?.parse()?),
            Long("check") => options.ready.check = Some(args.value()?.string()?),
            Long("within") => options.ready.within = Duration::from_secs(args.value()?.parse()?),
            Long("help") | Short('h') => return super::help(HELP),
            Value(file) => options.files.push(file),
            other => return Err(other.unexpected().into()),
        }
    }
    let [definition, program] = options.files.as_slice() else {
        anyhow::bail!("a definition and a program are needed; see `cargo xtask deploy --help`");
    };
    let definition = Definition::read(definition.as_ref())?;
    let ssh = || ssh_to(&options);
    let say = |text: &str| step::note(text);
    step::step(&format!("Deploying {}", definition.name));
    deploy(
        &Target(&ssh),
        &definition,
        program.as_ref(),
        &options.ready,
        &say,
    )
    .with_context(|| format!("{} was not deployed", definition.name))?;
    step::step(&format!("{} is deployed and ready", definition.name));
    Ok(ExitCode::SUCCESS)
}

fn ssh_to(options: &Options) -> Result<Command> {
    let Some(host) = &options.host else {
        return ssh::command(options.port.unwrap_or_else(super::ssh::last_port));
    };
    let mut ssh = tool("ssh")?;
    ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]);
    if let Some(port) = options.port {
        ssh.args(["-p", &port.to_string()]);
    }
    if let Some(identity) = &options.identity {
        ssh.arg("-i").arg(identity);
    }
    ssh.arg(host);
    Ok(ssh)
}

//! The commands, one file each.

mod bench;
mod bench_disk;
mod bench_herd;
mod bench_net;
mod beside;
mod build;
mod check;
mod contracts;
mod crash_databases;
mod deploy;
mod dialogues;
mod disks;
mod fuzz_inet;
mod fuzz_sched;
mod fuzz_ssh;
mod fuzz_syscalls;
mod gdb;
mod guided;
mod herd_histories;
mod herd_stress;
mod image;
mod linux_peer;
mod miri;
mod options;
mod profile;
mod programs;
mod run;
mod setup;
mod ssh;
mod ssh_clients;
mod stress;
mod tally;
mod test;
mod tests_run;

use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::process::ExitCode;

const HELP: &str = "\
Sets up, builds, runs and tests Paddock.

Usage: cargo xtask COMMAND [OPTIONS]

  run      sets up, builds, makes the disk, boots, and says how to log in
  test     all tests: on the host, and end to end in QEMU
  ssh      logs in to the running machine, or runs a command there
  deploy   brings a service to a machine, and takes it back if it fails
  setup    installs what is missing, saying what and why
  build    leaves Image, kernel.elf and disk.img in target/paddock
  image    makes another disk, with additions
  check    formatting and lints
  stress   everything at once for some minutes, and nothing left behind
  bench    measures the boot, system calls and idle load
  bench-disk  files on a disk, here and on Linux
  bench-net  bytes through the network card, here and on Linux
  bench-herd  herd beside other supervisors, here and on Paddock
  beside   a command here and on Linux
  contracts  the same program here and on Linux, line by line
  programs  Debian's programs at work, and the table of them
  profile  where time goes while a command runs: a flame graph
  crash-images  cuts the power of disks in memory, anywhere
  crash-databases  the same, where databases wrote on a machine
  fuzz-images  mounts disks of which something was changed
  disk-turns  changes disks in turns with debugfs
  fuzz-inet  sends the stack of programs' sockets malformed frames
  herd-histories  random histories of herd's state machine
  herd-stress  what goes wrong all at once, for herd on this host
  linux-peer  this host's kernel at the other end of the wire
  fuzz-sched  runs the kernel under schedules from seeds
  fuzz-ssh  talks to the SSH engine in dialogues that go wrong
  fuzz-syscalls  makes system calls from seeds, of every number
  ssh-clients  has clients other than OpenSSH's talk to a machine
  miri     tests of the libraries, interpreted (needs a nightly compiler)
  gdb      a debugger on a machine that runs with `run --gdb`

`cargo xtask COMMAND --help` tells more.
";

/// Runs the command that the arguments name.
pub fn main() -> Result<ExitCode> {
    let mut args = lexopt::Parser::from_env();
    let Some(arg) = args.next()? else {
        print!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    let command = match arg {
        Value(name) => name.string()?,
        Long("help") | Short('h') => "help".into(),
        other => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "run" => run::main(&mut args),
        "test" => test::main(&mut args),
        "ssh" => ssh::main(&mut args),
        "deploy" => deploy::main(&mut args),
        "setup" => setup::main(&mut args),
        "beside" => beside::main(&mut args),
        "build" => build::main(&mut args),
        "image" => image::main(&mut args),
        "check" => check::main(&mut args),
        "bench" => bench::main(&mut args),
        "bench-net" => bench_net::main(&mut args),
        "bench-disk" => bench_disk::main(&mut args),
        "bench-herd" => bench_herd::main(&mut args),
        "contracts" => contracts::main(&mut args),
        "profile" => profile::main(&mut args),
        "programs" => programs::main(&mut args),
        "stress" => stress::main(&mut args),
        "crash-databases" => crash_databases::main(&mut args),
        "crash-images" => disks::CRASHES.main(&mut args),
        "disk-turns" => disks::TURNS.main(&mut args),
        "fuzz-images" => disks::VARIANTS.main(&mut args),
        "fuzz-inet" => fuzz_inet::main(&mut args),
        "herd-histories" => herd_histories::main(&mut args),
        "herd-stress" => herd_stress::main(&mut args),
        "linux-peer" => linux_peer::main(&mut args),
        "fuzz-sched" => fuzz_sched::main(&mut args),
        "fuzz-ssh" => fuzz_ssh::main(&mut args),
        "fuzz-syscalls" => fuzz_syscalls::main(&mut args),
        "ssh-clients" => ssh_clients::main(&mut args),
        "miri" => miri::main(&mut args),
        "gdb" => gdb::main(&mut args),
        "help" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no command `{other}`; `cargo xtask --help` lists them"),
    }
}

/// Prints a command's help.
fn help(text: &str) -> Result<ExitCode> {
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

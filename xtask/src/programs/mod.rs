//! Debian's programs at work: disks with groups of packages, what is tried with each
//! program, and the table of what came of it, docs/PROGRAMS.md.
//!
//! A group is a file of `xtask/programs`: its packages, and for each program a script
//! for bash(1) that succeeds if the program does what it is for.

mod group;
mod linux;
mod table;

pub use group::{Group, Program, all};
pub use linux::run_on_linux;
pub use table::{Row, Table, keep, keep_beside};

use crate::debian;
use crate::disk::{self, Contents};
use crate::machine::{Machine, machine, run_limited, test_programs};
use crate::paths;
use crate::step::{note, step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long dpkg may take for all packages of a group, and a server to come up.
const CONFIGURED: Duration = Duration::from_secs(1800);
/// How long anything small may take on a busy host.
const SMALL: Duration = Duration::from_secs(180);
/// A script's line with something worth telling begins with this.
const SAID: &str = "PADDOCK-SAYS ";
/// As much of an error goes into the table, in characters.
const ERROR: usize = 160;
/// What every script begins with. With `--timeout` Python's own tests wait in proportion,
/// for a connection of this machine 60 seconds instead of 5, as on its slow build machines.
const PRELUDE: &str = r#"
set -eu
export HOME=/root LC_ALL=C.UTF-8 TERM=xterm PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'echo "line $LINENO: $BASH_COMMAND: status $?" >&2' ERR
say() { echo "PADDOCK-SAYS $*"; }
is() { [ "$1" = "$2" ] || { echo "it is \`$1', not \`$2'" >&2; exit 1; }; }
python_test() {
    cd "$(mktemp -d)"; local status=0
    python3 -m test -v --timeout 7200 "$1" > log 2>&1 || status=$?
    say "$(sed -n 's/^Ran \([0-9]*\) tests\? .*/\1 tests/p; s/^OK *(\(.*\))/\1/p; s/^FAILED *(\(.*\))/\1/p' log | paste -sd, | sed 's/,/, /g')"
    [ $status -eq 0 ] || { cat log; sed -nE 's/^(FAIL|ERROR): .*\.([^.]+)\.[^.]+\).*/\1 \2/p' log | sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)/\2: \1/' | paste -sd, | sed 's/,/, /g' >&2; exit 1; }
}
"#;

/// A disk on which the group's packages are configured, made unless it is there.
fn disk_of(group: &Group, fresh: bool) -> Result<PathBuf> {
    let folder = paths::out().join("programs");
    fs::create_dir_all(&folder)?;
    let done = folder.join(format!("{}.img", group.name));
    let wanted = folder.join(format!("{}.packages", group.name));
    let packages = group.packages.join(" ");
    if !fresh && done.exists() && fs::read_to_string(&wanted).is_ok_and(|it| it == packages) {
        return Ok(done);
    }
    let mut contents = Contents::default();
    debian::add(&mut contents, &group.packages)?;
    contents.size += 512 << 20;
    let raw = folder.join(format!("{}.raw", group.name));
    disk::make(&raw, &contents, &test_programs()?)?;
    let mut machine = boot(group, &raw)?;
    step("Configuring the packages on the machine");
    let begun = Instant::now();
    await_state(&machine, "debian-configure", "done")?;
    note(&format!("took {} s", begun.elapsed().as_secs()));
    machine.power_off()?;
    machine.check_disk()?;
    disk::copy(machine.disk(), &done)?;
    machine.done()?;
    fs::remove_file(&raw)?;
    fs::write(wanted, packages)?;
    Ok(done)
}

fn boot(group: &Group, disk: &std::path::Path) -> Result<Machine> {
    machine(&format!("programs-{}", group.name))
        .with(|config| config.mem.clone_from(&group.memory))
        .disk(disk)
        .up()
}

/// Waits until herd says that a service is in a state.
fn await_state(machine: &Machine, service: &str, state: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let status = machine.sh(&format!("herd status {service}; true"))?;
        if status.contains(state) {
            return Ok(());
        }
        let ended = status.contains("stopped") && status.contains("exited with status");
        if ended || status.contains("failed") || begun.elapsed() > CONFIGURED {
            let log = machine.sh(&format!("tail -30 /var/log/herd/{service}.log; true"))?;
            bail!("{service} is not {state}: {status}\n{log}");
        }
        // Each login is work for the machine that is waited for.
        std::thread::sleep(Duration::from_secs(5));
    }
}

/// Runs a group's programs whose names contain `name`, on a machine with its
/// packages; a row for each.
///
/// # Errors
/// No network for the packages; a machine that does not come up, or complains of
/// itself; a disk that is not clean afterwards.
pub fn run(group: &Group, name: &str, fresh: bool) -> Result<Vec<Row>> {
    let chosen = |it: &&Program| it.name.contains(name);
    let programs: Vec<_> = group.programs.iter().filter(chosen).collect();
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    let disk = disk_of(group, fresh)?;
    let machine = boot(group, &disk)?;
    for service in &group.services {
        await_state(&machine, service, "running")?;
    }
    let mut rows = Vec::new();
    for program in programs {
        step(&format!("{}: {}", program.name, program.tried));
        let begun = Instant::now();
        let row = try_one(&machine, group, program)?;
        note(&format!("{} ({} s)", row.result, begun.elapsed().as_secs()));
        machine
            .good_so_far()
            .with_context(|| format!("after {}", program.name))?;
        rows.push(row);
    }
    machine.off()?;
    Ok(rows)
}

/// Runs one program's script, and tells what came of it.
fn try_one(machine: &Machine, group: &Group, program: &Program) -> Result<Row> {
    let version = machine.sh(&format!(
        "dpkg-query -W -f '${{Version}}' {}",
        program.package
    ))?;
    let script = format!("{PRELUDE}\n{}\n", program.script);
    let mut put = machine.ssh_command(&[])?;
    put.arg("cat > /tmp/scenario");
    let reply = run_limited(&mut put, script.into_bytes(), SMALL)?;
    if !reply.status.success() {
        bail!("cannot bring a script to the machine: {reply}");
    }
    let mut command = machine.ssh_command(&[])?;
    // Whatever the script leaves behind ends with it.
    command.arg("setsid -w bash /tmp/scenario < /dev/null");
    let result = match run_limited(&mut command, Vec::new(), program.limit) {
        Ok(reply) => {
            let (text, errors) = (reply.text(), reply.errors());
            keep_output(group, program, &format!("{text}{errors}"))?;
            result_of(reply.status.success(), &text, &errors)
        }
        Err(error) => {
            let error = format!("{error:#}");
            keep_output(group, program, &error)?;
            let _ = machine.ssh("for p in $(busybox pgrep -f /tmp/scenario); do kill -9 $p; done");
            let ended = format!("no end within {} s", program.limit.as_secs());
            note(&error.chars().take(2000).collect::<String>());
            table::bad(None, &ended)
        }
    };
    Ok(Row {
        program: program.name.clone(),
        version: version.trim().to_owned(),
        tried: table::cell(&program.tried),
        result,
    })
}

/// What came of a script that ended.
fn result_of(good: bool, text: &str, errors: &str) -> String {
    let said = text.lines().rev().find_map(|line| line.strip_prefix(SAID));
    match good {
        true => table::good(said),
        false => table::bad(said, &first_error(errors)),
    }
}

/// Keeps all that a script wrote beside its group's disk.
fn keep_output(group: &Group, program: &Program, text: &str) -> Result<()> {
    let name = program.name.replace([':', ' '], "");
    let path = paths::out().join(format!("programs/{}.{name}.log", group.name));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// What tells most of a script's errors: what the program said first, what was not as
/// expected, and where.
fn first_error(errors: &str) -> String {
    let lines: Vec<_> = errors.lines().filter(|it| !it.trim().is_empty()).collect();
    let is_place = |it: &&&str| it.starts_with("line ");
    let first = lines.iter().find(|it| !is_place(it));
    let last = lines.iter().rfind(|it| !is_place(it));
    let place = lines.iter().find(is_place);
    let mut parts: Vec<_> = [first, last, place]
        .into_iter()
        .flatten()
        .copied()
        .collect();
    parts.dedup();
    let text = parts.join("; ");
    text.chars().take(ERROR).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_what_and_where() {
        let text = first_error("sh: no such thing\nline 7: false: status 1\n");
        assert_eq!(text, "sh: no such thing; line 7: false: status 1");
        assert_eq!(first_error(""), "");
        assert_eq!(first_error(&"x".repeat(900)).len(), ERROR);
    }
}

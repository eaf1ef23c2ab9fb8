//! The same program on two kernels: the cases of `paddock-test` on Paddock and on
//! Debian's kernel for arm64, in the same QEMU. Each line of a case is a contract.

use crate::machine::{LIMIT, Machine, machine, run_limited, test_folder};
use crate::{linux, step};
use anyhow::{Result, bail};
use std::time::Duration;

/// How long Linux may take for all cases.
const LINUX_LIMIT: Duration = Duration::from_secs(1800);
/// Cases of `paddock-test` that are tools of other tests, which run them with what they
/// need.
pub const TOOLS: &[&str] = &[
    "ask",
    "bench-disk",
    "data-errors",
    "fault",
    "filtered",
    "herd-root",
    "listen-fds",
    "name-server",
    "probe",
    "show-users",
    "sleep",
    "supervise",
    "title",
];
/// Cases about Paddock alone.
const LEFT_OUT: &[&str] = &["oom", "figures"];
/// What comes before the output of each case.
const MARK: &str = "== case ";

/// One case: its name, and what it said of each of its contracts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// `ok …` or `FAIL …`, in its order.
    pub contracts: Vec<String>,
}

/// The cases in what was written by [`script`].
#[must_use]
pub fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if let Some((_, name)) = line.split_once(MARK) {
            cases.push(Case {
                name: name.to_owned(),
                contracts: Vec::new(),
            });
        } else if let Some(case) = cases.last_mut()
            && (line.starts_with("ok ") || line.starts_with("FAIL "))
            && line != format!("FAIL {}", case.name)
        {
            case.contracts.push(line.to_owned());
        }
    }
    cases.retain(|case| !case.contracts.is_empty());
    cases
}

/// What is not the same in two runs: a line for each.
#[must_use]
pub fn differences(here: &[Case], there: &[Case]) -> Vec<String> {
    let mut found = Vec::new();
    for case in here {
        let Some(other) = there.iter().find(|other| other.name == case.name) else {
            found.push(format!("{}: only on Paddock", case.name));
            continue;
        };
        let missing = |of: &[String], from: &[String]| -> Vec<String> {
            of.iter()
                .filter(|line| !from.contains(line))
                .cloned()
                .collect()
        };
        for line in missing(&case.contracts, &other.contracts) {
            found.push(format!("{}: only on Paddock: {line}", case.name));
        }
        for line in missing(&other.contracts, &case.contracts) {
            found.push(format!("{}: only on Linux: {line}", case.name));
        }
    }
    let unknown = |case: &&Case| !here.iter().any(|other| other.name == case.name);
    found.extend(
        there
            .iter()
            .filter(unknown)
            .map(|case| format!("{}: only on Linux", case.name)),
    );
    found
}

/// A shell's loop over all cases, each of which has a session of its own: what it does to
/// its process group reaches no other.
fn script() -> String {
    let left_out = [TOOLS, LEFT_OUT].concat().join("|");
    format!(
        "for case in $(paddock-test list); do case $case in {left_out}) continue;; esac; \
         echo '{MARK}'$case; (cd /tmp; setsid paddock-test $case < /dev/null 2>&1); done"
    )
}

/// Runs the cases on Paddock.
///
/// # Errors
/// A machine that does not come up, or complains.
pub fn on_paddock() -> Result<Vec<Case>> {
    let machine: Machine = machine("contracts").alone().up()?;
    let mut ssh = machine.ssh_command(&[])?;
    ssh.arg(script());
    let reply = run_limited(&mut ssh, Vec::new(), 10 * LIMIT)?;
    machine.done()?;
    Ok(read(&reply.text()))
}

/// Runs the cases on Debian's kernel, which is fetched if it is not there yet, with a
/// disk of the same content.
///
/// # Errors
/// No network for that; a kernel that does not boot.
pub fn on_linux() -> Result<Vec<Case>> {
    step::step("Booting Linux");
    let reply = linux::Run {
        name: "contracts",
        disk: &test_folder().join("disk.img"),
        mem: "1G",
        smp: 1,
        icount: false,
        script: &script(),
        limit: LINUX_LIMIT,
    }
    .on_linux()?;
    let cases = read(&reply.text());
    if cases.is_empty() {
        bail!("Linux has run no case; its console:\n{reply}");
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "boot words\n== case a\nok one\nFAIL two: 3\nFAIL a\r\n== case none\nusage\n== case b\r\nok x\r\n";

    #[test]
    fn cases_are_read() {
        let cases = read(TEXT);
        assert_eq!(cases.len(), 2);
        assert_eq!(cases[0].contracts, ["ok one", "FAIL two: 3"]);
        assert_eq!((cases[1].name.as_str(), cases[1].contracts.len()), ("b", 1));
    }

    #[test]
    fn what_is_not_the_same_is_told() {
        let here = read("== case a\nok one\nok two\n== case here\nok x\n");
        let there = read("== case a\nok one\nFAIL two: 3\n== case there\nok x\n");
        assert_eq!(differences(&here, &here), [""; 0]);
        assert_eq!(
            differences(&here, &there),
            [
                "a: only on Paddock: ok two",
                "a: only on Linux: FAIL two: 3",
                "here: only on Paddock",
                "there: only on Linux"
            ]
        );
    }
}

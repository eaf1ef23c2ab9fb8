//! The same scripts on Debian's kernel for arm64 in the same QEMU, on a copy of the
//! group's disk: whether a failure is the script's, the emulator's or Paddock's.

use super::{Group, PRELUDE, Program, disk_of, result_of};
use crate::linux;
use crate::machine::LIMIT;
use anyhow::Result;
use std::time::Duration;

/// The line before a program's, with its name.
const NAME: &str = "PADDOCK-PROGRAM ";
/// The line after its output, with its status, before its errors.
const STATUS: &str = "PADDOCK-STATUS ";
/// The line after those.
const END: &str = "PADDOCK-END";

/// Runs a group's programs whose names contain `name` on Linux. Gives the result of each
/// as [`run`](super::run) would put it into the table, and all that its script wrote.
///
/// # Errors
/// No network for the packages; a kernel that does not come up.
pub fn run_on_linux(group: &Group, name: &str) -> Result<Vec<(String, String, String)>> {
    let chosen = |it: &&Program| it.name.contains(name);
    let programs: Vec<_> = group.programs.iter().filter(chosen).collect();
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    let script: String = programs.iter().map(|it| script(it)).collect();
    let limits: Duration = programs.iter().map(|it| it.limit + LIMIT).sum();
    let reply = linux::Run {
        name: &format!("programs-{}", group.name),
        disk: &disk_of(group, false)?,
        mem: &group.memory,
        smp: 1,
        icount: false,
        script: &script,
        limit: limits,
    }
    .on_linux()?;
    Ok(read(&reply.text()))
}

fn script(program: &Program) -> String {
    format!(
        "echo '{NAME}{}'\ncat > /tmp/scenario <<'PADDOCK-SCRIPT'\n{PRELUDE}\n{}\nPADDOCK-SCRIPT\n\
         /usr/bin/timeout -k 10 {} /usr/bin/setsid -w bash /tmp/scenario < /dev/null 2> /tmp/scenario.errors\n\
         echo '{STATUS}'$?; cat /tmp/scenario.errors; echo '{END}'\n",
        program.name,
        program.script,
        program.limit.as_secs()
    )
}

/// Name, result and output of each program in what came on the console.
fn read(text: &str) -> Vec<(String, String, String)> {
    let text = text.replace('\r', "");
    let mut programs = Vec::new();
    for part in text.split(NAME).skip(1) {
        let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
        let (out, rest) = rest.split_once(STATUS).unwrap_or((rest, ""));
        let (rest, _) = rest.split_once(END).unwrap_or((rest, ""));
        let (status, errors) = rest.split_once('\n').unwrap_or((rest, ""));
        let result = result_of(status.trim() == "0", out, errors);
        programs.push((name.to_owned(), result, format!("{out}{errors}")));
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_has_its_result() {
        let text = "boot\r\nPADDOCK-PROGRAM a: b\r\nPADDOCK-SAYS 3\r\nPADDOCK-STATUS 0\r\nPADDOCK-END\r\n\
                    PADDOCK-PROGRAM c\nx\nPADDOCK-STATUS 1\nno such\nPADDOCK-END\nreboot";
        let results = read(text);
        assert_eq!(results[0].0, "a: b");
        assert_eq!(results[0].1, "works: 3");
        assert_eq!(results[1].1, "**fails**: no such");
        assert_eq!(results[1].2, "x\nno such\n");
        assert!(
            read("PADDOCK-PROGRAM d\nx")
                .first()
                .is_some_and(|it| it.1.contains("fails"))
        );
    }
}

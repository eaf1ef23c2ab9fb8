//! Checks of what a program may expect of a Linux kernel, each from outside.
//!
//! `paddock-test CASE [ARGUMENTS]` runs one case. It prints one line for each
//! check (`ok NAME` or `FAIL NAME: WHY`) and a last one (`PASS CASE` or `FAIL
//! CASE`), which are the same on every system that behaves alike. Exit
//! status: 0 passed, 1 failed, 2 wrong usage.
//!
//! Installed under the name of a case and started without words, it runs that
//! case. `paddock-test list` names the cases; `paddock-test all` runs every case
//! that needs no arguments in a process of its own.

mod cases;
mod report;
mod sys;

use std::process::ExitCode;

use cases::{CASES, Case};
use report::Report;

fn main() -> ExitCode {
    let mut all_words = std::env::args();
    let own_name = all_words.next();
    let mut words: Vec<String> = all_words.collect();
    if words.is_empty() {
        words.extend(own_name.and_then(|path| case_of(&path)));
    }
    let Some((name, rest)) = words.split_first() else {
        return usage();
    };
    match name.as_str() {
        "list" => {
            CASES.iter().for_each(|case| println!("{}", case.name));
            ExitCode::SUCCESS
        }
        "all" => all(),
        name => match CASES.iter().find(|case| case.name == name) {
            Some(case) => one(case, rest),
            None => usage(),
        },
    }
}

/// The case as which the program is installed, if it is.
fn case_of(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let case = CASES.iter().find(|case| case.name == name)?;
    Some(case.name.to_owned())
}

fn usage() -> ExitCode {
    eprintln!("usage: paddock-test list | all | CASE [ARGUMENTS]");
    for case in CASES {
        eprintln!("  {} {}", case.name, case.usage);
    }
    ExitCode::from(2)
}

fn one(case: &Case, words: &[String]) -> ExitCode {
    let mut report = Report::new();
    match (case.run)(&mut report, words) {
        Ok(()) => report.close(case.name, case.quiet),
        Err(error) => {
            report.fail("case", &error);
            report.close(case.name, false)
        }
    }
}

/// Runs every case that needs no arguments, each as a program of its own, so
/// that one that dies does not take the others with it.
fn all() -> ExitCode {
    let mut failed = 0;
    let mut passed = 0;
    for case in CASES.iter().filter(|case| case.alone) {
        match sys::run_self(&[case.name]) {
            Ok(sys::End::Exited(0)) => passed += 1,
            Ok(end) => {
                failed += 1;
                println!("FAIL {} {end:?}", case.name);
            }
            Err(error) => {
                failed += 1;
                println!("FAIL {} {error:?}", case.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

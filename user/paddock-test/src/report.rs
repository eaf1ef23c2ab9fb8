//! What a case found.

use std::fmt::Debug;
use std::process::ExitCode;

use crate::sys::Errno;

/// Counts and prints the checks of one case.
pub struct Report {
    failed: u32,
}

impl Report {
    pub fn new() -> Self {
        Report { failed: 0 }
    }

    /// Whether anything was not as it must be.
    pub fn has_failed(&self) -> bool {
        self.failed > 0
    }

    pub fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        println!("FAIL {name}: {why}");
    }

    /// A condition that must be true.
    pub fn check(&mut self, name: &str, good: bool) {
        if good {
            println!("ok {name}");
        } else {
            self.fail(name, "is not so");
        }
    }

    /// A value that must be as expected.
    pub fn same<T: PartialEq + Debug>(&mut self, name: &str, found: T, expected: T) {
        if found == expected {
            println!("ok {name}");
        } else {
            self.fail(name, &format!("found {found:?}, expected {expected:?}"));
        }
    }

    /// A call that must fail with one errno.
    pub fn refused<T: Debug>(&mut self, name: &str, found: Result<T, Errno>, expected: i32) {
        match found {
            Err(Errno(errno)) if errno == expected => println!("ok {name}"),
            other => self.fail(name, &format!("{other:?}, expected {:?}", Errno(expected))),
        }
    }

    /// A call that must succeed.
    pub fn works<T>(&mut self, name: &str, found: Result<T, Errno>) -> Option<T> {
        match found {
            Ok(value) => {
                println!("ok {name}");
                Some(value)
            }
            Err(errno) => {
                self.fail(name, &format!("{errno:?}"));
                None
            }
        }
    }

    pub fn close(&self, case: &str, quiet: bool) -> ExitCode {
        if self.failed > 0 {
            println!("FAIL {case}");
            return ExitCode::from(1);
        }
        if !quiet {
            println!("PASS {case}");
        }
        ExitCode::SUCCESS
    }
}

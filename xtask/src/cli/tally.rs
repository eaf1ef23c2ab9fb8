//! What the tests came to, read from what they print.

use std::process::ExitCode;

/// So many of the last lines of a failed test are repeated at the end.
const REPEATED: usize = 40;

/// So many lines of a panic's message are told with the name of the test.
const REASON_LINES: usize = 20;

/// How many tests passed and failed, and what failed.
#[derive(Default)]
pub struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<Failure>,
    /// Whose output is being shown.
    shown: Option<usize>,
    /// The options that run what is counted now.
    part: String,
}

struct Failure {
    name: String,
    /// The words after `cargo xtask test` that run just this.
    again: String,
    /// What it printed.
    output: Vec<String>,
}

impl Tally {
    /// How many failed so far.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// What is counted from now on is run by `cargo xtask test` with these
    /// options.
    pub fn begin(&mut self, options: &str) {
        options.clone_into(&mut self.part);
    }

    /// Something that is no line of a test's output has passed.
    pub fn pass(&mut self) {
        self.passed += 1;
    }

    /// Something that is no line of a test's output has failed.
    pub fn fail(&mut self, name: String) {
        self.failed += 1;
        let again = self.part.clone();
        self.add_failure(name, again);
    }

    fn add_failure(&mut self, name: String, again: String) {
        self.failures.push(Failure {
            name,
            again,
            output: Vec::new(),
        });
    }

    /// Takes in a line of `cargo test`, such as `test NAME ... FAILED`, `---- NAME
    /// stdout ----` or `test result: ok. 3 passed; 0 failed; ...`.
    pub fn count(&mut self, line: &str) {
        let failed = |line: &str| Some(line.strip_suffix(" ... FAILED")?.to_owned());
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.shown = None;
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
        } else if let Some(name) = line.strip_prefix("test ").and_then(failed) {
            let again = format!("{} {name}", self.part);
            self.add_failure(name, again);
        } else if let Some(name) = heading(line) {
            self.shown = self.failures.iter().rposition(|it| it.name == name);
        } else if line == "failures:" || line == "successes:" {
            self.shown = None;
        } else if let Some(shown) = self.shown {
            self.failures[shown].output.push(line.to_owned());
        }
    }

    /// Prints the end of what each that failed has said, then what failed,
    /// why, and the command that runs just that, and the sums.
    pub fn close(self) -> ExitCode {
        for failure in &self.failures {
            println!("{}", failure.summary());
        }
        for failure in &self.failures {
            println!("{}", failure.reason());
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        ExitCode::from(u8::from(self.failed > 0))
    }
}

impl Failure {
    fn summary(&self) -> String {
        let left_out = self.output.len().saturating_sub(REPEATED);
        let last = self.output[left_out..].iter().filter(|it| !it.is_empty());
        let mut text = format!("---- the end of {} ----", self.name);
        for line in last {
            text.push_str("\n    ");
            text.push_str(line);
        }
        text
    }

    fn reason(&self) -> String {
        let mut lines = self.output.iter();
        let reason = lines.find_map(|line| match line.strip_prefix("Error: ") {
            Some(error) => Some(error.to_owned()),
            None => panic_message(line, &self.output),
        });
        let reason = reason.map_or(String::new(), |reason| format!("\n    {reason}"));
        let (name, again) = (&self.name, &self.again);
        format!("failed: {name}{reason}\n    just that: cargo xtask test {again}")
    }
}

/// What follows the line in which a test says where it panicked, up to an empty
/// line, a picture of a console or the hint about backtraces, and no more than
/// [`REASON_LINES`].
fn panic_message(line: &str, output: &[String]) -> Option<String> {
    if !(line.starts_with("thread '") && line.contains(" panicked at ")) {
        return None;
    }
    let at = output.iter().position(|it| it == line)?;
    let ends = |it: &String| it.is_empty() || it == "---" || it.starts_with("note: ");
    let lines = output[at + 1..].iter().take_while(|it| !ends(it));
    let lines: Vec<&str> = lines.take(REASON_LINES).map(String::as_str).collect();
    (!lines.is_empty()).then(|| lines.join("\n    "))
}

/// The name in `---- NAME stdout ----`.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

fn number_before(text: &str, unit: &str) -> u64 {
    let digits = text
        .split(unit)
        .next()
        .and_then(|before| before.rsplit(' ').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tally: &Tally) -> Vec<&str> {
        tally.failures.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn results_are_counted() {
        let mut tally = Tally::default();
        tally.count("test a::b ... ok");
        tally.count("test a::c ... FAILED");
        tally.count(
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        tally.count("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured");
        assert_eq!((tally.passed, tally.failed), (13, 1));
        assert_eq!(names(&tally), ["a::c"]);
    }

    #[test]
    fn what_a_failed_test_said_is_kept() {
        let mut tally = Tally::default();
        for line in [
            "test a::b ... FAILED",
            "test c ... ok",
            "successes:",
            "---- c stdout ----",
            "all is well",
            "failures:",
            "---- a::b stdout ----",
            "Error: none is there",
            "",
            "failures:",
            "    a::b",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored",
            "something else",
        ] {
            tally.count(line);
        }
        assert_eq!(names(&tally), ["a::b"]);
        assert_eq!(
            tally.failures[0].summary(),
            "---- the end of a::b ----\n    Error: none is there"
        );
    }

    #[test]
    fn what_failed_is_told_with_its_reason_and_its_command() {
        let mut tally = Tally::default();
        tally.begin("--only e2e --smp 4");
        for line in [
            "test a::b ... FAILED",
            "test a::c ... FAILED",
            "---- a::b stdout ----",
            "[    0.1] something of a console",
            "Error: none is there",
            "[    0.2] more of it",
            "---- a::c stdout ----",
            "thread 'a::c' (12) panicked at src/x.rs:5:1:",
            "it is 3:",
            "FAIL of x",
            "note: run with `RUST_BACKTRACE=1`",
        ] {
            tally.count(line);
        }
        assert_eq!(
            tally.failures[0].reason(),
            "failed: a::b\n    none is there\n    just that: cargo xtask test --only e2e --smp 4 a::b"
        );
        assert_eq!(
            tally.failures[1].reason(),
            "failed: a::c\n    it is 3:\n    FAIL of x\n    just that: cargo xtask test --only e2e --smp 4 a::c"
        );
    }

    #[test]
    fn of_much_the_end_is_kept() {
        let mut tally = Tally::default();
        tally.count("test a ... FAILED");
        tally.count("---- a stdout ----");
        (0..100).for_each(|number| tally.count(&number.to_string()));
        let summary = tally.failures[0].summary();
        assert_eq!(summary.lines().count(), 1 + REPEATED);
        assert!(summary.ends_with("\n    99"), "{summary}");
    }
}

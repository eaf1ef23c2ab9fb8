//! The table of what came of it: docs/PROGRAMS.md.

use super::Group;
use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "\
# Debian's programs on Paddock

Made by `cargo xtask programs`; do not edit. That command makes disks with Debian's
packages for arm64, unmodified ([DEBIAN.md](DEBIAN.md)), boots Paddock in QEMU with them,
and runs for each program the script of `xtask/programs` that the third column sums up. A
script that does not succeed is a failure, and the last column says how it ended; where it
says so, also how the same script ended on Debian's own kernel in the same QEMU (`--linux`).
What is in `xtask/programs` and not in this table has not been run yet.

";
const COLUMNS: &str = "| Program | Version | What was tried | Result |\n|---|---|---|---|\n";
/// What a good result begins with.
const GOOD: &str = "works";
/// What comes before what the same script came to on Linux.
const LINUX: &str = "; on Linux: ";

/// One program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub program: String,
    /// Its package's version.
    pub version: String,
    /// In words.
    pub tried: String,
    /// What came of it.
    pub result: String,
}

impl Row {
    /// Whether all that was tried went well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.result.starts_with(GOOD)
    }
}

/// A good result, and what the script had to tell.
pub(super) fn good(said: Option<&str>) -> String {
    match said {
        Some(said) if !said.is_empty() => cell(&format!("{GOOD}: {said}")),
        _ => GOOD.to_owned(),
    }
}

/// A bad one.
pub(super) fn bad(said: Option<&str>, error: &str) -> String {
    let said = said.map_or(String::new(), |said| format!("{said}; "));
    cell(&format!("**fails**: {said}{error}"))
}

/// Text that leaves a table as it is.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// All rows, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Them.
    pub rows: Vec<Row>,
}

impl Table {
    /// The rows in a document that [`Table::text`] made.
    #[must_use]
    pub fn read(text: &str) -> Table {
        let row = |line: &str| {
            let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
            let cells: Vec<_> = line.splitn(4, " | ").map(str::to_owned).collect();
            let [program, version, tried, result] = cells.try_into().ok()?;
            Some(Row {
                program,
                version,
                tried,
                result,
            })
        };
        let rows = text.lines().filter_map(row);
        Table {
            rows: rows.filter(|row| row.program != "Program").collect(),
        }
    }

    /// Puts new rows in the place of old ones, in the order of `groups`; those of
    /// programs that are in none of them go.
    pub fn replace(&mut self, new: &[Row], groups: &[Group]) {
        let names = groups.iter().flat_map(|group| &group.programs);
        let old = std::mem::take(&mut self.rows);
        let find = |rows: &[Row], name: &str| rows.iter().find(|it| it.program == name).cloned();
        self.rows = names
            .filter_map(|it| find(new, &it.name).or_else(|| find(&old, &it.name)))
            .collect();
    }

    /// Puts what came of a program's script on Linux beside what came of it here.
    pub fn put_beside(&mut self, program: &str, result: &str) {
        if let Some(row) = self.rows.iter_mut().find(|it| it.program == program) {
            let here = row.result.split(LINUX).next().unwrap_or_default();
            row.result = format!("{here}{LINUX}{result}");
        }
    }

    /// The document.
    #[must_use]
    pub fn text(&self) -> String {
        let good = self.rows.iter().filter(|row| row.is_good()).count();
        let mut text = format!("{HEAD}{good} of {} work.\n\n{COLUMNS}", self.rows.len());
        for row in &self.rows {
            let Row {
                program,
                version,
                tried,
                result,
            } = row;
            text += &format!("| {program} | {version} | {tried} | {result} |\n");
        }
        text
    }
}

fn path() -> PathBuf {
    paths::workspace().join("docs/PROGRAMS.md")
}

/// Puts rows into the document.
///
/// # Errors
/// A document that cannot be written.
pub fn keep(new: &[Row], groups: &[Group]) -> Result<()> {
    change(|table| table.replace(new, groups))
}

/// Puts what came of programs on Linux beside their rows in the document: their names
/// and results.
///
/// # Errors
/// A document that cannot be written.
pub fn keep_beside<'a>(results: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
    change(|table| results.for_each(|(name, result)| table.put_beside(name, result)))
}

fn change(how: impl FnOnce(&mut Table)) -> Result<()> {
    let path = path();
    let mut table = Table::read(&fs::read_to_string(&path).unwrap_or_default());
    how(&mut table);
    fs::write(&path, table.text()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(program: &str, result: String) -> Row {
        Row {
            program: program.into(),
            version: "1".into(),
            tried: "a, b".into(),
            result,
        }
    }

    #[test]
    fn a_document_is_read_again_as_it_was_written() {
        let table = Table {
            rows: vec![
                row("a", good(Some("3 | 4"))),
                row("b", bad(None, "no\nend")),
            ],
        };
        assert_eq!(Table::read(&table.text()), table);
        assert!(table.text().contains("\n1 of 2 work.\n"));
        assert!(table.rows[0].is_good() && !table.rows[1].is_good());
    }

    #[test]
    fn what_came_of_it_on_linux_is_beside() {
        let mut table = Table {
            rows: vec![row("a", bad(None, "no"))],
        };
        table.put_beside("a", &good(Some("2")));
        table.put_beside("b", "x");
        table.put_beside("a", &good(Some("3")));
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.rows[0].result, "**fails**: no; on Linux: works: 3");
        assert!(!table.rows[0].is_good());
    }

    #[test]
    fn the_document_that_is_there_is_one_of_ours() {
        let text = fs::read_to_string(path()).unwrap();
        assert_eq!(Table::read(&text).text(), text);
    }
}

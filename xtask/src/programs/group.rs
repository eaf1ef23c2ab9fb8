//! The groups of programs, as `xtask/programs` describes them.

use crate::paths;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::time::Duration;
use toml::{Table, Value};

/// How long a script may take that says nothing else.
const LIMIT: i64 = 300;

/// Programs that share a disk.
#[derive(Debug)]
pub struct Group {
    /// Its file's name, without `.toml`.
    pub name: String,
    /// Debian's packages.
    pub packages: Vec<String>,
    /// Services that are up before anything is tried.
    pub services: Vec<String>,
    /// Memory of its machine, as QEMU writes it.
    pub memory: String,
    /// What is tried, in the table's order.
    pub programs: Vec<Program>,
}

/// One program, and what is tried with it.
#[derive(Debug)]
pub struct Program {
    /// Its name in the table.
    pub name: String,
    /// The package whose version is told.
    pub package: String,
    /// What is tried, in words.
    pub tried: String,
    /// For bash(1): succeeds if all went well.
    pub script: String,
    /// How long that may take.
    pub limit: Duration,
}

/// All groups, in the order of their files' names.
///
/// # Errors
/// A file that is not as it should be.
pub fn all() -> Result<Vec<Group>> {
    let folder = paths::workspace().join("xtask/programs");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        files.push(entry?.path());
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Group> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let stem = file.file_stem().and_then(|name| name.to_str());
    parse(stem.context("a file without a name")?, &text).with_context(|| format!("in {shown}"))
}

fn parse(name: &str, text: &str) -> Result<Group> {
    let table: Table = text.parse()?;
    let programs = table.get("program").and_then(Value::as_array);
    let programs = programs.context("there is no [[program]]")?;
    let programs: Result<Vec<_>> = programs.iter().map(program).collect();
    let memory = table.get("memory").and_then(Value::as_str);
    Ok(Group {
        name: name.to_owned(),
        packages: words(&table, "packages")?,
        services: words(&table, "services")?,
        memory: memory.unwrap_or("512M").to_owned(),
        programs: programs?,
    })
}

/// A list of words; empty if there is none.
fn words(table: &Table, key: &str) -> Result<Vec<String>> {
    let Some(list) = table.get(key) else {
        return Ok(Vec::new());
    };
    let list = list
        .as_array()
        .with_context(|| format!("`{key}` is no list"))?;
    let word = |it: &Value| it.as_str().map(str::to_owned);
    list.iter()
        .map(word)
        .collect::<Option<_>>()
        .with_context(|| format!("`{key}` has more than words"))
}

fn program(value: &Value) -> Result<Program> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let name = text("name").context("a program without `name`")?;
    let need = |key: &str| text(key).with_context(|| format!("{name} has no `{key}`"));
    let limit = value
        .get("limit")
        .and_then(Value::as_integer)
        .unwrap_or(LIMIT);
    let tried = need("tried")?;
    ensure!(
        !tried.contains('\n'),
        "{name}: `tried` goes into a table, in one line"
    );
    Ok(Program {
        name: name.to_owned(),
        package: text("package").unwrap_or(name).to_owned(),
        tried: tried.to_owned(),
        script: need("script")?.to_owned(),
        limit: Duration::from_secs(limit.try_into().context("`limit` is in seconds")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_that_are_there_are_well_formed() {
        let groups = all().unwrap();
        assert!(groups.iter().map(|it| it.programs.len()).sum::<usize>() > 40);
        let mut names: Vec<_> = groups
            .iter()
            .flat_map(|it| it.programs.iter().map(|it| &it.name))
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a program is there twice");
    }

    #[test]
    fn a_program_has_a_package_and_a_limit() {
        let text = "packages = ['a']\n[[program]]\nname = 'x'\ntried = 't'\nscript = 's'";
        let group = parse("g", text).unwrap();
        assert_eq!(group.programs[0].package, "x");
        assert_eq!(group.programs[0].limit, Duration::from_secs(300));
        assert!(parse("g", "packages = 1\n[[program]]").is_err());
        assert!(
            parse(
                "g",
                "[[program]]\nname = 'x'\ntried = '''a\nb'''\nscript = ''"
            )
            .is_err()
        );
    }
}

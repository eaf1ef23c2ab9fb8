//! `cargo xtask programs`.

use anyhow::{Result, ensure};
use lexopt::prelude::*;
use std::process::ExitCode;
use xtask::programs;
use xtask::step;

const HELP: &str = "\
Tries Debian's programs: makes a disk for each group of packages in `xtask/programs`,
lets dpkg configure them on the machine, runs each program's script there, and
writes what came of it into docs/PROGRAMS.md. Disks are kept in target, and beside them
all that each script wrote.

Usage: cargo xtask programs [OPTIONS] [NAME]

  NAME           only programs whose names contain it
  --group NAME   only groups whose names contain it; may be repeated
  --fresh        disks are made anew
  --linux        on Debian's kernel with the same disk; what came of it goes beside the rows
  --list         only tells the groups and their programs
  --no-build     with what was built last
";

pub fn main(args: &mut lexopt::Parser) -> Result<ExitCode> {
    let (mut name, mut chosen) = (String::new(), Vec::new());
    let (mut fresh, mut build, mut list, mut linux) = (false, true, false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Long("group") => chosen.push(args.value()?.string()?),
            Long("fresh") => fresh = true,
            Long("linux") => linux = true,
            Long("list") => list = true,
            Long("no-build") => build = false,
            Long("help") | Short('h') => return super::help(HELP),
            Value(word) if name.is_empty() => name = word.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    let groups = programs::all()?;
    let is_chosen = |it: &&programs::Group| {
        chosen.is_empty() || chosen.iter().any(|word| it.name.contains(word))
    };
    let run: Vec<_> = groups.iter().filter(is_chosen).collect();
    ensure!(!run.is_empty(), "there is no such group");
    if list {
        run.iter().for_each(|group| tell(group));
        return Ok(ExitCode::SUCCESS);
    }
    super::test::prepare(build)?;
    if linux {
        return on_linux(&run, &name);
    }
    let mut failed = 0;
    for group in run {
        step::step(&format!("Group {}", group.name));
        match programs::run(group, &name, fresh) {
            Ok(rows) => {
                failed += rows.iter().filter(|row| !row.is_good()).count();
                programs::keep(&rows, &groups)?;
            }
            Err(error) => {
                failed += 1;
                step::warn(&format!("{}: {error:#}", group.name));
            }
        }
    }
    println!("{failed} failed; docs/PROGRAMS.md has them all");
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn on_linux(groups: &[&programs::Group], name: &str) -> Result<ExitCode> {
    for group in groups {
        step::step(&format!("Group {} on Linux", group.name));
        let results = programs::run_on_linux(group, name)?;
        for (program, result, text) in &results {
            print!("{text}");
            println!("{program}: {result}");
        }
        programs::keep_beside(results.iter().map(|it| (it.0.as_str(), it.1.as_str())))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(group: &programs::Group) {
    println!("{}: {}", group.name, group.packages.join(" "));
    for program in &group.programs {
        println!("    {}: {}", program.name, program.tried);
    }
}

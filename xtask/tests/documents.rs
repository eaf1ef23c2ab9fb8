//! What docs/CONCURRENCY.md and docs/PROMISES.md say that their rules and promises are
//! kept by is there.

mod common;

use common::sources;
use std::fs;
use std::path::{Path, PathBuf};
use xtask::paths::workspace;

/// The folders in which tests and their sources are.
const SOURCES: &[&str] = &["crates", "kernel", "tests", "user", "xtask"];

/// All sources: where they are, and what they say.
fn all_sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for name in SOURCES {
        sources(&workspace().join(name), &mut found);
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    found.into_iter().map(read).collect()
}

/// The words in backquotes of the paragraphs and points that say who keeps a
/// rule.
fn keepers(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in page.split("*Kept by:*").skip(1) {
        let ends = ["\n\n", "\n- ", "\n#"];
        let end = ends.iter().filter_map(|end| part.find(end)).min();
        let part = &part[..end.unwrap_or(part.len())];
        let quoted = part.split('`').skip(1).step_by(2);
        found.extend(quoted.map(|word| word.replace('\n', " ")));
    }
    found
}

fn is_name(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_*".contains(c);
    word.contains('_') && word.chars().all(fits)
}

/// Whether a function of this name is declared, by a macro's table as well. A
/// star stands for any end.
fn is_declared(name: &str, sources: &[(PathBuf, String)]) -> bool {
    let needles = match name.strip_suffix('*') {
        Some(start) => vec![format!("fn {start}")],
        None => vec![format!("fn {name}("), format!("    {name}:")],
    };
    let has = |text: &str| needles.iter().any(|needle| text.contains(needle));
    sources.iter().any(|(_, text)| has(text))
}

fn is_file(word: &str, sources: &[(PathBuf, String)]) -> bool {
    let path = Path::new(word);
    workspace().join(path).exists() || sources.iter().any(|(at, _)| at.ends_with(path))
}

#[test]
fn who_keeps_a_rule_is_there() {
    let page = fs::read_to_string(workspace().join("docs/CONCURRENCY.md")).unwrap();
    let sources = all_sources();
    let (mut names, mut missing) = (0, Vec::new());
    for word in keepers(&page) {
        let there = if is_name(&word) {
            names += 1;
            is_declared(&word, &sources)
        } else if word.ends_with(".rs") || word.starts_with("crates/") {
            is_file(&word, &sources)
        } else {
            continue;
        };
        if !there {
            missing.push(word);
        }
    }
    assert!(names > 30, "only {names} tests are named");
    assert!(missing.is_empty(), "not there: {missing:?}");
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    let sources = all_sources();
    let words =
        keepers("a rule.\n*Kept by:* `gone_test`, `who_keeps_a_rule_is_there`.\n\n`else_where`");
    assert_eq!(words, ["gone_test", "who_keeps_a_rule_is_there"]);
    // Taken apart, as this file is one of the sources.
    let gone = ["gone", "test"].join("_");
    assert!(!is_declared(&gone, &sources));
    assert!(is_declared(&words[1], &sources));
}

/// The rows of docs/PROMISES.md: the number of a promise and the tests named.
fn promises(page: &str) -> Vec<(&str, Vec<&str>)> {
    page.lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let (number, _promise, keepers) = (cells.next()?, cells.next()?, cells.next()?);
            let numbered = number.len() >= 2 && number[1..].chars().all(|c| c.is_ascii_digit());
            numbered.then(|| (number, keepers.split('`').skip(1).step_by(2).collect()))
        })
        .collect()
}

/// Whether a test of this name is there: a function that is marked as one, or a row of
/// the macro that makes them.
fn is_test(name: &str, sources: &[(PathBuf, String)]) -> bool {
    let function = format!("fn {name}(");
    let row = format!("    {name}: \"");
    sources.iter().any(|(_, text)| {
        text.contains(&row)
            || text.match_indices(&function).any(|(at, _)| {
                let before = &text[..at];
                let start = before.rfind("}\n").map_or(0, |end| end + 2);
                before[start..].contains("#[test]")
            })
    })
}

#[test]
fn every_promise_is_kept_by_a_test() {
    let page = fs::read_to_string(workspace().join("docs/PROMISES.md")).unwrap();
    let sources = all_sources();
    let promises = promises(&page);
    let expected = (1..=19)
        .map(|number| format!("S{number}"))
        .chain((1..=4).map(|number| format!("F{number}")))
        .chain((1..=7).map(|number| format!("P{number}")));
    let numbers: Vec<_> = promises.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, expected.collect::<Vec<_>>());
    let mut missing: Vec<&str> = Vec::new();
    for (number, tests) in &promises {
        assert!(!tests.is_empty(), "{number} is kept by nothing");
        missing.extend(tests.iter().filter(|name| !is_test(name, &sources)));
    }
    assert!(missing.is_empty(), "no tests: {missing:?}");
}

/// What docs/HERD.md says that herd stands is shown by tests.
#[test]
fn what_herd_stands_is_shown_by_tests() {
    let page = fs::read_to_string(workspace().join("docs/HERD.md")).unwrap();
    let part = page.split("## What it is shown to stand").nth(1).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let sources = all_sources();
    let rows = part.lines().filter_map(|line| {
        let (what, tests) = line.strip_prefix("| ")?.split_once(" | ")?;
        Some((
            what,
            tests.split('`').skip(1).step_by(2).collect::<Vec<_>>(),
        ))
    });
    let rows: Vec<_> = rows.filter(|(_, tests)| !tests.is_empty()).collect();
    assert!(rows.len() >= 13, "{rows:?}");
    for (what, tests) in rows {
        let missing: Vec<_> = tests
            .iter()
            .filter(|name| !is_test(name, &sources))
            .collect();
        assert!(missing.is_empty(), "{what}: no tests: {missing:?}");
    }
}

#[test]
fn a_function_that_is_no_test_keeps_no_promise() {
    let sources = all_sources();
    assert!(is_test(
        "a_function_that_is_no_test_keeps_no_promise",
        &sources
    ));
    assert!(!is_test("all_sources", &sources));
    assert!(is_test("failure_busy_wait", &sources));
    assert_eq!(
        promises("| S1 | words | `a`, `b` |"),
        [("S1", vec!["a", "b"])]
    );
}

/// The sources that a page names in backquotes, in whatever folder.
fn named_sources(page: &str) -> Vec<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_source = |word: &&str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-/.".contains(c);
        word.contains('/') && word.ends_with(".rs") && word.chars().all(fits)
    };
    quoted.filter(is_source).map(str::to_owned).collect()
}

#[test]
fn sources_that_pages_name_are_there() {
    let mut pages = vec![];
    for folder in [workspace().to_owned(), workspace().join("docs")] {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let sources = all_sources();
    let (mut named, mut missing) = (0, Vec::new());
    for page in pages {
        for word in named_sources(&fs::read_to_string(&page).unwrap()) {
            named += 1;
            if !is_file(&word, &sources) {
                missing.push(format!("{word} in {}", page.display()));
            }
        }
    }
    assert!(named > 20, "only {named} sources are named");
    assert!(missing.is_empty(), "not there: {missing:?}");
}

//! The modules of the kernel have an order, and use those below them. What one below
//! tells those above goes by functions that are found when the kernel is linked.
//!
//! docs/MODULES.md is made from this and from what the modules say of
//! themselves: `UPDATE_DOCS=1 cargo test -p xtask --test modules`.

mod common;

use common::sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use xtask::paths::workspace;

/// The lowest first.
const ORDER: &[&str] = &[
    "config",
    "arch",
    "symbols",
    "user_memory",
    "memory",
    "machine",
    "power",
    "mmio",
    "gic",
    "cpus",
    "time",
    "interrupts",
    "console",
    "violations",
    "interrupted",
    "schedule_fuzz",
    "thread",
    "critical",
    "async_fs",
    "main_loop",
    "backtrace",
    "watchdog",
    "detectors",
    "random",
    "drivers",
    "process",
    "profile",
    "smp",
    "net",
    "fuzz_run",
    "fs",
    "syscall",
    "init",
    "ssh",
    "panic",
    "costs",
    "fault_injection",
    "entry",
];

/// The first parts of the paths that follow `crate::` in a source.
fn used(source: &str) -> BTreeSet<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c == '$' || c == '_' || c.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(heads(list)),
            None => found.extend([identifier(rest)]),
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| *c == '_' || c.is_alphanumeric())
        .collect()
}

/// The first parts of the paths of a list in braces, up to its end.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut is_head, mut found) = (0, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_head = true,
            c if is_head && (c == '_' || c.is_alphabetic()) => {
                found.push(identifier(&list[at..]));
                is_head = false;
            }
            _ => {}
        }
    }
    found
}

/// What each module of the kernel says of itself, and which it uses.
fn modules() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let root = workspace().join("kernel/src");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "main" {
            continue;
        }
        let mut files = Vec::new();
        sources(&path, &mut files);
        let (about, uses): &mut (String, BTreeSet<String>) = found.entry(name.clone()).or_default();
        for source in files {
            let text = fs::read_to_string(&source).unwrap();
            let is_root = source == path || source == path.join("mod.rs");
            if is_root && about.is_empty() {
                *about = summary(&text);
            }
            uses.extend(used(&text));
        }
        uses.remove(&name);
    }
    let names: BTreeSet<String> = found.keys().cloned().collect();
    for (_, uses) in found.values_mut() {
        uses.retain(|used| names.contains(used));
    }
    found
}

/// The functions that are declared in one module and found in another when the kernel
/// is linked: their names, and both modules.
fn ports() -> BTreeMap<String, (String, String)> {
    let root = workspace().join("kernel/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut declared, mut found) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let first = file.strip_prefix(&root).unwrap().iter().next().unwrap();
        let module = first.to_str().unwrap().trim_end_matches(".rs").to_owned();
        let note = |attribute: &str, place: &mut BTreeMap<String, String>| {
            for (at, _) in text.match_indices(attribute) {
                let name = text[at + attribute.len()..].split('"').next().unwrap();
                place.insert(name.to_owned(), module.clone());
            }
        };
        note("#[link_name = \"", &mut declared);
        note("(export_name = \"", &mut found);
    }
    let both = declared.into_iter().map(|(name, from)| {
        let to = found.remove(&name);
        let to = to.unwrap_or_else(|| panic!("nobody has {name}"));
        (name, (from, to))
    });
    both.collect()
}

/// The first sentence of a module's documentation.
fn summary(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let paragraph: Vec<&str> = lines
        .map(str::trim)
        .take_while(|it| !it.is_empty())
        .collect();
    let text = paragraph.join(" ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

fn upward(modules: &BTreeMap<String, (String, BTreeSet<String>)>) -> BTreeSet<(String, String)> {
    let place = |name: &str| {
        let place = ORDER.iter().position(|it| *it == name);
        place.unwrap_or_else(|| panic!("give the module `{name}` a place in the order"))
    };
    let mut found = BTreeSet::new();
    for (name, (_, uses)) in modules {
        for used in uses.iter().filter(|used| place(used) > place(name)) {
            found.insert((name.clone(), used.clone()));
        }
    }
    found
}

fn page(modules: &BTreeMap<String, (String, BTreeSet<String>)>) -> String {
    let mut page = String::from(
        "# The modules of the kernel\n\n\
         Written by `UPDATE_DOCS=1 cargo test -p xtask --test modules`, which checks\n\
         that each uses those above it in this table only: the lowest comes first.\n\n\
         | module | what it is | uses |\n|---|---|---|\n",
    );
    for name in ORDER {
        let (about, uses) = &modules[*name];
        let below: Vec<&str> = uses.iter().map(String::as_str).collect();
        writeln!(page, "| `{name}` | {about} | {} |", below.join(", ")).unwrap();
    }
    page.push_str(
        "\nWhat one below tells those above it, who are found when the kernel is linked:\n\n\
         | function | of | in |\n|---|---|---|\n",
    );
    for (name, (from, to)) in ports() {
        writeln!(page, "| `{name}` | `{from}` | `{to}` |").unwrap();
    }
    page
}

#[test]
fn arrows_point_downwards() {
    let modules = modules();
    let gone: Vec<_> = ORDER
        .iter()
        .filter(|it| !modules.contains_key(**it))
        .collect();
    assert!(gone.is_empty(), "no such modules: {gone:?}");
    let upward = upward(&modules);
    assert!(
        upward.is_empty(),
        "these use a module above them: {upward:?}"
    );
}

#[test]
fn the_page_is_current() {
    let path = workspace().join("docs/MODULES.md");
    let page = page(&modules());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let is_current = fs::read_to_string(&path).is_ok_and(|text| text == page);
    assert!(
        is_current,
        "docs/MODULES.md is old: UPDATE_DOCS=1 cargo test -p xtask --test modules"
    );
}

#[test]
fn uses_are_found() {
    let source = "use crate::{a, b::{c, d}, e};\n// crate::f\nfn g() { crate::h::i(); $crate::j }";
    let found: Vec<_> = used(source).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "h"]);
}

//! The modules of the kernel have an order, and use those below them. What
//! still points upwards is listed, and the list only gets shorter.
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
    "thread",
    "critical",
    "async_fs",
    "main_loop",
    "backtrace",
    "watchdog",
    "detectors",
    "schedule_fuzz",
    "random",
    "drivers",
    "process",
    "profile",
    "smp",
    "net",
    "fs",
    "syscall",
    "init",
    "ssh",
    "panic",
    "costs",
    "fault_injection",
    "entry",
];

/// What points upwards: from, to.
const UPWARD: &[(&str, &str)] = &[
    ("main_loop", "detectors"),
    ("schedule_fuzz", "fs"),
    ("thread", "detectors"),
    ("thread", "schedule_fuzz"),
    ("thread", "process"),
    ("thread", "watchdog"),
    ("time", "detectors"),
    ("time", "thread"),
    ("process", "fs"),
    ("process", "syscall"),
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
    page.push_str("\nThese still point the other way; the check lets none be added:\n\n");
    for (from, to) in upward(modules) {
        writeln!(page, "- `{from}` uses `{to}`").unwrap();
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
    let found = upward(&modules);
    let listed = UPWARD.iter().map(|(a, b)| (a.to_string(), b.to_string()));
    let listed: BTreeSet<_> = listed.collect();
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(new.is_empty(), "these use a module above them: {new:?}");
    let mended: Vec<_> = listed.difference(&found).collect();
    assert!(mended.is_empty(), "take these off the list: {mended:?}");
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

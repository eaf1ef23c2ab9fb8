//! `docs/SYSCALLS.md` is made from the kernel's table of system calls.
//! `UPDATE_DOCS=1 cargo test -p paddock-abi` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// From number to (name, the function's first line of documentation, file).
fn supported() -> BTreeMap<u64, (String, String, String)> {
    let folder = root().join("kernel/src/syscall");
    let table = std::fs::read_to_string(folder.join("table.rs")).unwrap();
    let numbers: BTreeMap<_, _> = paddock_abi::nr::ALL
        .iter()
        .map(|&number| (paddock_abi::nr::name(number).unwrap(), number))
        .collect();
    let mut calls = BTreeMap::new();
    for line in table
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
    {
        let Some((constant, target)) = line.split_once(" => ") else {
            continue;
        };
        let name = constant.to_lowercase();
        let Some(&number) = numbers.get(name.as_str()) else {
            continue;
        };
        let (family, function) = target.split_once("::").unwrap();
        let (file, text) = source(&folder, family, function);
        assert!(
            calls.insert(number, (name, text, file)).is_none(),
            "{line} twice"
        );
    }
    calls
}

/// The file that defines a function, and what it says of it.
fn source(folder: &Path, family: &str, function: &str) -> (String, String) {
    let inner = std::fs::read_dir(folder.join(family)).into_iter().flatten();
    let mut files: Vec<PathBuf> = inner.map(|entry| entry.unwrap().path()).collect();
    files.push(folder.join(format!("{family}.rs")));
    files.sort();
    let needle = format!("pub fn {function}(");
    for path in files {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if let Some(at) = text.find(&needle) {
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            return (name, documentation(&text[..at]));
        }
    }
    panic!("no {family}::{function} in {}", folder.display());
}

/// The comment that a text ends with, without the manual page's name.
fn documentation(before: &str) -> String {
    let lines: Vec<&str> = before
        .lines()
        .rev()
        .take_while(|line| line.starts_with("///"))
        .collect();
    let text: Vec<&str> = lines.iter().rev().map(|line| line[3..].trim()).collect();
    let text = text.join(" ");
    // The first sentence or clause names the manual page.
    let end = [": ", ". "].iter().filter_map(|mark| text.find(mark)).min();
    end.map_or_else(String::new, |end| text[end + 2..].to_string())
}

fn document() -> String {
    let calls = supported();
    let mut text = String::from(
        "# System calls\n\n\
         Made from `kernel/src/syscall/table.rs` by a test of `crates/abi`; do not edit.\n\n\
         The numbers are Linux's for arm64. Every other number is `ENOSYS`, and the log says\n\
         once for each that a program asked for it. Where a call does less than Linux's, the\n\
         last column says so, and what is missing fails with the errno that Linux would use.\n\n",
    );
    let _ = writeln!(
        text,
        "{} calls are there, and `rt_sigreturn`.\n",
        calls.len()
    );
    text.push_str("| Number | Call | In `kernel/src/syscall` | Remarks |\n|---:|---|---|---|\n");
    for (number, (name, remarks, file)) in &calls {
        let _ = writeln!(text, "| {number} | `{name}` | `{file}` | {remarks} |");
    }
    text.push_str("\n## Not there\n\n");
    let absent: Vec<String> = paddock_abi::nr::ALL
        .iter()
        .filter(|number| !calls.contains_key(number) && **number != paddock_abi::nr::RT_SIGRETURN)
        .map(|&number| format!("`{}`", paddock_abi::nr::name(number).unwrap()))
        .collect();
    let _ = writeln!(text, "{}.", absent.join(", "));
    text
}

#[test]
fn the_documentation_is_up_to_date() {
    let path = root().join("docs/SYSCALLS.md");
    let text = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "docs/SYSCALLS.md is old: run UPDATE_DOCS=1 cargo test -p paddock-abi"
    );
}

//! Keeps `docs/LOCKS.md` what the declarations say. `UPDATE_DOCS=1 cargo test
//! -p paddock-sync` writes it anew.

use paddock_sync::Rank;
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# Locks

Every lock has one of these ranks (`crates/sync/src/rank.rs`, from which this
page is generated). A thread may take a lock only if its rank comes after those
of all it holds; locks of a rank that nests may be held several at once. Taking
one out of order is reported the first time it happens, contended or not.

Sleeping locks come first: none may be taken while a spin lock is held, since a
spin lock turns preemption (or interrupts) off. What an interrupt handler takes
comes after everything that may be held with interrupts on.

| | rank | kind | nests | protects |
|---|---|---|---|---|
";

const LIST_HEAD: &str = "
## All locks

A report names a lock by its rank and by where it was made.

| rank | lock | kind | made in |
|---|---|---|---|
";

fn document() -> String {
    let mut text = String::from(HEAD);
    for (index, (rank, kind, protects)) in Rank::ALL.iter().enumerate() {
        let nests = if rank.nests() { "yes" } else { "" };
        let protects = protects.trim();
        writeln!(
            text,
            "| {} | `{rank:?}` | {kind} | {nests} | {protects} |",
            index + 1
        )
        .unwrap();
    }
    list(&mut text);
    text
}

#[test]
fn the_reference_of_locks_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LOCKS.md");
    let wanted = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "docs/LOCKS.md is not current: run UPDATE_DOCS=1 cargo test -p paddock-sync"
    );
}

#[test]
fn sleeping_locks_come_before_spinning_ones() {
    let first_spinning = Rank::ALL
        .iter()
        .position(|(_, kind, _)| *kind == "spinning");
    let last_sleeping = Rank::ALL
        .iter()
        .rposition(|(_, kind, _)| *kind == "sleeping");
    assert!(last_sleeping < first_spinning);
}

/// A place in the sources where a lock is made.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Declaration {
    rank: String,
    name: String,
    kind: &'static str,
    file: String,
}

/// The static, field, variable or tuple that a lock becomes.
fn name_of(before: &str) -> String {
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    for line in before.lines().rev() {
        if let Some(cell) = line.strip_suffix(".set(") {
            let start = cell.rfind(|c: char| !c.is_alphanumeric() && c != '_');
            return cell[start.map_or(0, |at| at + 1)..].to_owned();
        }
        for keyword in ["static ref ", "static ", "let "] {
            if let Some((_, rest)) = line.split_once(keyword) {
                return word(rest.trim_start_matches("mut "));
            }
        }
        let line = line.trim();
        let line = line.trim_start_matches(['*', '(']);
        if line.contains([':', '=']) || line.ends_with('(') {
            let left = line.split(['(', ':', '=']).next().unwrap_or(line);
            let last = left.trim().rsplit(['.', ' ']).next();
            return last.unwrap_or(left).to_owned();
        }
    }
    String::from("?")
}

/// The locks made in one file, tests left out.
fn declarations_in(file: &str, text: &str, found: &mut Vec<Declaration>) {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let text = text
        .split("#[cfg(all(test, not(loom)))]\nmod tests {")
        .next()
        .unwrap();
    for (at, _) in text.match_indices("::new(") {
        let arguments = text[at + "::new(".len()..].trim_start();
        let arguments = arguments.trim_start_matches("paddock_sync::");
        let Some(rank) = arguments.strip_prefix("Rank::") else {
            continue;
        };
        let before = &text[..at];
        let path = before.rfind(|c: char| !c.is_alphanumeric() && !"_:<>".contains(c));
        let path_at = path.map_or(0, |at| at + 1);
        let kinds = ["SpinLock", "Mutex", "RwLock"];
        let Some(kind) = kinds
            .into_iter()
            .find(|kind| before[path_at..].contains(kind))
        else {
            continue;
        };
        found.push(Declaration {
            rank: rank.chars().take_while(|c| c.is_alphanumeric()).collect(),
            name: name_of(&before[..path_at]),
            kind,
            file: file.to_owned(),
        });
    }
}

/// Every lock of the kernel and its libraries; not of the mistakes that only
/// test kernels can make.
fn declarations() -> Vec<Declaration> {
    let mut found = Vec::new();
    for (file, text) in sources() {
        declarations_in(&file, &text, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

/// The sources of the kernel and its libraries: path from the root, and text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("kernel/src"), root.join("crates")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["tests", "target", "fuzz", "fault_injection"].contains(&name) {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let file = path.strip_prefix(&root).unwrap();
                files.push((file.to_str().unwrap().to_owned(), text));
            }
        }
    }
    files
}

fn list(text: &mut String) {
    text.push_str(LIST_HEAD);
    let declarations = declarations();
    let ranks = Rank::ALL.iter().map(|(rank, ..)| rank.name());
    for rank in ranks {
        for lock in declarations.iter().filter(|lock| lock.rank == rank) {
            let Declaration {
                name, kind, file, ..
            } = lock;
            writeln!(text, "| `{rank}` | `{name}` | {kind} | `{file}` |").unwrap();
        }
    }
}

#[test]
fn every_declaration_is_found_by_its_name() {
    let text = "static TABLE: SpinLock<u8, IrqOff> = SpinLock::new(Rank::Leaf, 0);\n\
        let files = try_arc(SpinLock::<_>::new(Rank::Pipe, x));\n\
        Self { state: Mutex::new(\n    Rank::Inode, 1), other: Vec::new() }\n\
        Ports(SpinLock::new(Rank::Leaf, Vec::new()))\n\
        let _ = DEVICE.set(SpinLock::new(Rank::Virtio, device));\n";
    let mut found = Vec::new();
    declarations_in("file", text, &mut found);
    let found: Vec<_> = found
        .iter()
        .map(|lock| (lock.name.as_str(), lock.rank.as_str(), lock.kind))
        .collect();
    assert_eq!(
        found,
        [
            ("TABLE", "Leaf", "SpinLock"),
            ("files", "Pipe", "SpinLock"),
            ("state", "Inode", "Mutex"),
            ("Ports", "Leaf", "SpinLock"),
            ("DEVICE", "Virtio", "SpinLock"),
        ]
    );
}

#[test]
fn wakers_are_made_by_hand_in_one_file() {
    let by_hand: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| text.contains("RawWaker"))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(by_hand, ["kernel/src/thread/waker.rs"]);
}

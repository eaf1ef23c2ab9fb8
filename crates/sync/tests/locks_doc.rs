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

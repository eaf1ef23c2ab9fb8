//! LMDB, by the programs that load and dump it; read by this host's.

use super::{ACKNOWLEDGED, Database, take};
use crate::machine::{LIMIT, run_limited};
use crate::process::tool;
use anyhow::{Result, ensure};
use std::path::Path;

/// A memory map that is written copy-on-write, page by page, and one of two roots last.
pub struct Lmdb;

/// Characters of a value, which is its number again and again.
const LENGTH: usize = 400;

fn value(number: u64) -> String {
    format!("{number:08}").repeat(LENGTH / 8)
}

impl Database for Lmdb {
    fn name(&self) -> &str {
        "lmdb"
    }

    fn packages(&self) -> &'static [&'static str] {
        &["lmdb-utils"]
    }

    fn command(&self) -> &'static str {
        "sh 2>&1"
    }

    fn script(&self, transactions: u64) -> String {
        let mut script = "set -e\nmkdir -p /root/lmdb\n".to_owned();
        for n in 1..=transactions {
            let value = value(n);
            script += &format!(
                "printf 'VERSION=3\\nformat=print\\ntype=btree\\nHEADER=END\\n {n:08}\\n \
                 {value}\\nDATA=END\\n' | mdb_load /root/lmdb\necho {ACKNOWLEDGED} {n}\n"
            );
        }
        script
    }

    fn transactions(&self, disk: &Path, folder: &Path) -> Result<u64> {
        take(
            disk,
            "dump",
            "/root/lmdb/data.mdb",
            &folder.join("data.mdb"),
        )?;
        let mut dump = tool("mdb_dump")?;
        dump.arg("-p").arg(folder);
        let reply = run_limited(&mut dump, Vec::new(), LIMIT)?;
        ensure!(reply.status.success(), "mdb_dump: {reply}");
        entries(&reply.text())
    }
}

/// How many entries a dump has, which are those from 1 on, each whole.
fn entries(dump: &str) -> Result<u64> {
    let mut lines = dump.lines().filter_map(|line| line.strip_prefix(' '));
    let mut count = 0;
    while let Some(key) = lines.next() {
        count += 1;
        let whole = key == format!("{count:08}") && lines.next() == Some(&value(count));
        ensure!(whole, "entry {count} is not whole: {key}");
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_and_looked_at() {
        let header = "VERSION=3\nformat=print\nHEADER=END\n";
        let two = format!(
            "{header} 00000001\n {}\n 00000002\n {}\nDATA=END\n",
            value(1),
            value(2)
        );
        assert_eq!(entries(&two).unwrap(), 2);
        assert_eq!(entries(header).unwrap(), 0);
        assert!(entries(&two.replace(&value(2), &value(3))).is_err());
        assert!(entries(&format!("{header} 00000002\n {}\n", value(2))).is_err());
    }
}

//! sqlite3, with one kind of journal; read by this host's.

use super::{ACKNOWLEDGED, Database, take};
use crate::machine::{LIMIT, run_limited};
use crate::process::tool;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::path::Path;

/// A row's text, made of its number.
const TEXT: &str = "replace(hex(zeroblob(150)), '00', printf('%08x', n))";

/// What it keeps beside a database until a transaction is over.
pub struct Sqlite(pub &'static str);

impl Database for Sqlite {
    fn name(&self) -> &str {
        self.0
    }

    fn packages(&self) -> &'static [&'static str] {
        &["sqlite3"]
    }

    fn command(&self) -> &'static str {
        // Its journal is left as a kill leaves it.
        "sqlite3 2>&1"
    }

    /// With less than `extra` it syncs no directory after it has deleted a journal, and
    /// promises nothing for a loss of power then (sqlite.org, PRAGMA synchronous).
    fn script(&self, transactions: u64) -> String {
        let mode = self.0;
        let mut script = format!(
            ".bail on\n.open /root/{mode}.db\npragma journal_mode={mode};\n\
             pragma wal_autocheckpoint=20;\npragma synchronous=extra;\n\
             create table t(n integer primary key, b text);\ncreate index i on t(b);\n\
             create table c(n integer);\ninsert into c values(0);\n"
        );
        for n in 1..=transactions {
            let text = TEXT.replace("n))", &format!("{n}))"));
            let _ = write!(
                script,
                "begin;\ninsert into t values({n}, {text});\nupdate c set n={n};\ncommit;\n\
                 .shell echo {ACKNOWLEDGED} {n}\n"
            );
        }
        script
    }

    fn transactions(&self, disk: &Path, folder: &Path) -> Result<u64> {
        for end in ["", "-wal", "-journal"] {
            let file = folder.join(format!("db{end}"));
            take(disk, "dump", &format!("/root/{}.db{end}", self.0), &file)?;
        }
        let question = format!(
            "pragma integrity_check; select max(n), count(*), count(distinct b) from t; \
             select n from c; select count(*) from t where b <> {TEXT};"
        );
        let mut sqlite = tool("sqlite3")?;
        sqlite.arg(folder.join("db")).arg(question);
        let reply = run_limited(&mut sqlite, Vec::new(), LIMIT)?;
        let said = reply.text();
        let lines: Vec<&str> = said.lines().collect();
        let ["ok", row, count, "0"] = lines[..] else {
            bail!("sqlite3 says {said}{}", reply.errors());
        };
        let count: u64 = count.parse().context("no count")?;
        ensure!(
            count == 0 || row == format!("{count}|{count}|{count}"),
            "sqlite3 says {said}"
        );
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_is_acknowledged_behind_its_commit() {
        let script = Sqlite("wal").script(2);
        let last = script.rfind("commit;").unwrap();
        assert!(script[last..].contains(&format!("{ACKNOWLEDGED} 2")));
        assert!(script.contains("printf('%08x', 2)"));
        assert_eq!(script.matches(ACKNOWLEDGED).count(), 2);
    }
}

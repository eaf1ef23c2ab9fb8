//! LevelDB, by Debian's Python; read by this host's.

use super::{ACKNOWLEDGED, Database, take};
use crate::machine::{LIMIT, run_limited};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// A log that is written ahead, tables that it becomes as it grows, and a manifest that
/// says which.
pub struct LevelDb;

const FOLDER: &str = "/root/leveldb";

/// The interpreter for which Debian's packages are.
const PYTHON: &str = "/usr/bin/python3";

/// Bytes of a value: a few dozen of them fill the smallest table.
const LENGTH: usize = 8_000;

impl Database for LevelDb {
    fn name(&self) -> &str {
        "leveldb"
    }

    fn packages(&self) -> &'static [&'static str] {
        &["python3", "python3-plyvel"]
    }

    fn command(&self) -> &'static str {
        "/usr/bin/python3 -u - 2>&1"
    }

    fn script(&self, transactions: u64) -> String {
        format!(
            "import plyvel\n\
             db = plyvel.DB('{FOLDER}', create_if_missing=True, write_buffer_size=65536)\n\
             for n in range(1, {transactions} + 1):\n\
             \x20   with db.write_batch(sync=True) as both:\n\
             \x20       both.put(b'%08d' % n, b'%08d' % n * ({LENGTH} // 8))\n\
             \x20       both.put(b'last', b'%d' % n)\n\
             \x20   print('{ACKNOWLEDGED}', n)\n\
             db.close()\n"
        )
    }

    fn transactions(&self, disk: &Path, folder: &Path) -> Result<u64> {
        take(disk, "rdump", FOLDER, folder)?;
        let database = folder.join("leveldb");
        ensure!(database.join("CURRENT").exists(), "there is no database");
        let program = format!(
            "import plyvel, sys\n\
             db = plyvel.DB(sys.argv[1])\n\
             last = int(db.get(b'last', b'0'))\n\
             for n in range(1, last + 1):\n\
             \x20   assert db.get(b'%08d' % n) == b'%08d' % n * ({LENGTH} // 8), n\n\
             assert sum(1 for _ in db.iterator()) == last + (last > 0), 'others'\n\
             print(last)\n"
        );
        let mut python = Command::new(PYTHON);
        python.args(["-c", &program]).arg(database);
        let reply = run_limited(&mut python, Vec::new(), LIMIT)?;
        ensure!(reply.status.success(), "plyvel: {reply}");
        reply.text().trim().parse().context("plyvel's number")
    }
}

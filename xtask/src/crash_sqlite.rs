//! Debian's sqlite3 at work on a machine whose disk is recorded, and the power gone after
//! any of what it wrote. The disks are mended by e2fsck and the databases read by this
//! host's sqlite3: what was acknowledged must be there.

use crate::disk::{self, Contents};
use crate::machine::{LIMIT, Machine, machine, run_limited, test_folder, test_programs};
use crate::process::{capture, tool};
use crate::write_log::{What, WriteLog};
use crate::{debian, step};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What sqlite keeps beside a database until a transaction is over.
const MODES: [&str; 4] = ["wal", "delete", "truncate", "persist"];
/// A line that says that a transaction is over.
const ACKNOWLEDGED: &str = "acknowledged";
/// A row's text, made of its number.
const TEXT: &str = "replace(hex(zeroblob(150)), '00', printf('%08x', n))";
/// Of a hundred cuts of a disk that ignores flushes so many must be found out.
const FOUND_OUT: usize = 60;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Transactions of each kind of journal.
    pub transactions: u64,
    /// Power cuts in all.
    pub cuts: usize,
    /// What they are chosen by.
    pub seed: u64,
}

/// A transaction that is over: the log had this length then.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    mode: usize,
    number: u64,
    length: u64,
}

/// A recorded run.
struct Recorded {
    base: PathBuf,
    log: WriteLog,
    acknowledged: Vec<Acknowledged>,
    folder: PathBuf,
    transactions: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Writes and flushes that were recorded.
    pub events: usize,
    /// Flushes among them.
    pub flushes: usize,
    /// Transactions that were acknowledged.
    pub acknowledged: usize,
    /// Disks that were looked at.
    pub cuts: usize,
    /// Databases in them, each of which had all that was acknowledged.
    pub databases: usize,
    /// Cuts of a disk that ignores flushes, and how many were found out.
    pub control: (usize, usize),
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) % end.max(1) as u64) as usize
    }
}

/// What sqlite3 is given for one kind of journal. With less than `extra` it syncs no
/// directory after it has deleted a journal, and promises nothing for a loss of power then
/// (sqlite.org, PRAGMA synchronous).
fn script(mode: &str, transactions: u64) -> String {
    let mut script = format!(
        ".bail on\n.open /root/{mode}.db\npragma journal_mode={mode};\n\
         pragma wal_autocheckpoint=20;\npragma synchronous=extra;\n\
         create table t(n integer primary key, b text);\ncreate index i on t(b);\n\
         create table c(n integer);\ninsert into c values(0);\n\
         .shell echo {ACKNOWLEDGED} {mode} 0\n"
    );
    for n in 1..=transactions {
        let text = TEXT.replace("n))", &format!("{n}))"));
        let _ = write!(
            script,
            "begin;\ninsert into t values({n}, {text});\nupdate c set n={n};\ncommit;\n\
             .shell echo {ACKNOWLEDGED} {mode} {n}\n"
        );
    }
    script
}

fn image() -> PathBuf {
    test_folder().join("crash-sqlite.img")
}

/// Runs all kinds of journals one after the other on a machine that is recorded.
fn record(plan: &Plan) -> Result<Recorded> {
    let contents = Contents {
        add: vec![(debian::ensure("sqlite", &["sqlite3"])?, "/".into())],
        ..Contents::default()
    };
    disk::make(&image(), &contents, &test_programs()?)?;
    step::step("Recording what sqlite3 writes");
    let machine = machine("crash-sqlite")
        .disk(&image())
        .with(|config| config.record_writes = true)
        .up()?;
    let log = machine.write_log();
    let mut acknowledged = Vec::new();
    for (index, mode) in MODES.iter().enumerate() {
        let lines = run_sqlite(&machine, mode, plan.transactions, &log)?;
        ensure!(
            lines.len() as u64 == plan.transactions + 1,
            "sqlite3 has acknowledged {} transactions of {mode}",
            lines.len()
        );
        let told = lines.into_iter().map(|(number, length)| Acknowledged {
            mode: index,
            number,
            length,
        });
        acknowledged.extend(told);
    }
    machine.good_so_far()?;
    let folder = test_folder().join("crash-sqlite");
    fs::create_dir_all(&folder)?;
    let kept = folder.join("writes.log");
    fs::copy(&log, &kept)?;
    machine.done()?;
    Ok(Recorded {
        base: image(),
        log: WriteLog::read(&kept)?,
        acknowledged,
        folder,
        transactions: plan.transactions,
    })
}

/// The numbers that sqlite3 acknowledged, and how long the log was when that was heard.
fn run_sqlite(
    machine: &Machine,
    mode: &str,
    transactions: u64,
    log: &Path,
) -> Result<Vec<(u64, u64)>> {
    let mut command = machine.ssh_command(&[])?;
    // Its journal of that kind is left as a kill leaves it.
    command.arg("sqlite3 2>&1");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    let words = script(mode, transactions);
    let writer = std::thread::spawn(move || stdin.write_all(words.as_bytes()));
    let output = BufReader::new(child.stdout.take().context("no output")?);
    let (mut heard, mut others) = (Vec::new(), String::new());
    for line in output.lines() {
        let line = line?;
        let number = line
            .strip_prefix(ACKNOWLEDGED)
            .and_then(|rest| rest.trim().strip_prefix(mode)?.trim().parse().ok());
        match number {
            Some(number) => heard.push((number, fs::metadata(log)?.len())),
            None => others += &format!("{line}\n"),
        }
    }
    let _ = writer.join();
    match child.wait()?.success() {
        true => Ok(heard),
        false => bail!("sqlite3 in the guest: {others}"),
    }
}

impl Recorded {
    /// What had been acknowledged of each kind when so many requests were complete.
    fn acknowledged_by(&self, count: usize) -> [Option<u64>; MODES.len()] {
        let mut numbers = [None; MODES.len()];
        for one in &self.acknowledged {
            if self.log.count_at(one.length) <= count {
                numbers[one.mode] = Some(one.number);
            }
        }
        numbers
    }

    /// Looks at a disk after a power cut; how many databases were looked at.
    fn check(&self, cut: &Path, count: usize) -> Result<usize> {
        mend(cut)?;
        let mut databases = 0;
        for (mode, acknowledged) in MODES.iter().zip(self.acknowledged_by(count)) {
            if let Some(acknowledged) = acknowledged {
                self.check_database(cut, mode, acknowledged)?;
                databases += 1;
            }
        }
        Ok(databases)
    }

    fn check_database(&self, cut: &Path, mode: &str, acknowledged: u64) -> Result<()> {
        let folder = self.folder.join("database");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        for end in ["", "-wal", "-journal"] {
            let file = folder.join(format!("db{end}"));
            let request = format!("dump /root/{mode}.db{end} {}", file.display());
            // What is not there is not dumped.
            capture(tool("debugfs")?.args(["-R", &request]).arg(cut))?;
        }
        let text = TEXT.to_owned();
        let question = format!(
            "pragma integrity_check; select max(n), count(*), count(distinct b) from t; \
             select n from c; select count(*) from t where b <> {text};"
        );
        let mut sqlite = Command::new(tool("sqlite3")?.get_program());
        sqlite.arg(folder.join("db")).arg(question);
        let reply = run_limited(&mut sqlite, Vec::new(), LIMIT)?;
        let said = reply.text();
        let is_as_of = |n: u64| {
            let row = if n == 0 {
                "|0|0".to_owned()
            } else {
                format!("{n}|{n}|{n}")
            };
            said == format!("ok\n{row}\n{n}\n0\n")
        };
        match (acknowledged..=self.transactions).any(is_as_of) {
            true => Ok(()),
            false => Err(anyhow!(
                "{mode}: {acknowledged} transactions were acknowledged; sqlite3 says {said}{}",
                reply.errors()
            )),
        }
    }

    /// Cuts the power at random; what came of it.
    fn cut(&self, plan: &Plan, outcome: &mut Outcome) -> Result<()> {
        let mut random = Random(plan.seed);
        let first = self
            .acknowledged
            .first()
            .context("nothing was acknowledged")?;
        let first = self.log.count_at(first.length);
        let mut counts: Vec<usize> = (0..plan.cuts)
            .map(|_| first + random.below(self.log.events.len() - first + 1))
            .collect();
        counts.sort_unstable();
        let (flushed, cut) = (self.folder.join("flushed.img"), self.folder.join("cut.img"));
        disk::copy(&self.base, &flushed)?;
        let image = OpenOptions::new().write(true).open(&flushed)?;
        let mut done = 0;
        for count in counts {
            let is_flush = |at: &usize| self.log.events[*at].what == What::Flush;
            let last = (done..count).rev().find(is_flush).map_or(done, |at| at + 1);
            for event in &self.log.events[done..last] {
                self.log.apply(event, &image, || true)?;
            }
            done = last;
            disk::copy(&flushed, &cut)?;
            self.lose(done..count, &cut, &mut random)?;
            let found = self.check(&cut, count);
            outcome.databases += found.with_context(|| {
                format!("power cut behind request {count}; see {}", cut.display())
            })?;
            outcome.cuts += 1;
        }
        Ok(())
    }

    /// Does some of the requests since the last flush: all, none, whole writes or sectors.
    fn lose(&self, range: std::ops::Range<usize>, cut: &Path, random: &mut Random) -> Result<()> {
        let image = OpenOptions::new().write(true).open(cut)?;
        let how = random.below(5);
        for event in &self.log.events[range] {
            let whole = how == 0 || (how == 2 && random.below(2) == 0);
            let torn = how > 2;
            self.log
                .apply(event, &image, || whole || (torn && random.below(2) == 0))?;
        }
        Ok(())
    }

    /// The same with a disk that ignores flushes: how many of so many were found out.
    fn control(&self, plan: &Plan) -> Result<(usize, usize)> {
        let mut random = Random(!plan.seed);
        let runs = (plan.cuts / 10).clamp(5, 20);
        let cut = self.folder.join("cut.img");
        let end = self.log.events.len();
        let mut found_out = 0;
        for _ in 0..runs {
            disk::copy(&self.base, &cut)?;
            let image: File = OpenOptions::new().write(true).open(&cut)?;
            let count = end / 2 + random.below(end / 2);
            for event in &self.log.events[..count] {
                let whole = random.below(2) == 0;
                self.log.apply(event, &image, || whole)?;
            }
            drop(image);
            found_out += usize::from(self.check(&cut, count).is_err());
        }
        Ok((runs, found_out))
    }
}

/// Has e2fsck replay the log; there must be nothing else to do.
fn mend(image: &Path) -> Result<()> {
    let mut e2fsck = tool("e2fsck")?;
    e2fsck.args(["-fy", "-E", "no_optimize_extents"]).arg(image);
    let reply = run_limited(&mut e2fsck, Vec::new(), LIMIT)?;
    let answered = reply.text().contains("? yes");
    match reply.status.code() {
        Some(0 | 1) if !answered => Ok(()),
        _ => bail!("e2fsck: {reply}"),
    }
}

/// Records, and cuts the power.
///
/// # Errors
/// A database without what was acknowledged, a disk that is not clean, or a control that
/// sees nothing.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let recorded = record(plan)?;
    let events = &recorded.log.events;
    let is_flush = |event: &&crate::write_log::Event| event.what == What::Flush;
    let mut outcome = Outcome {
        events: events.len(),
        flushes: events.iter().filter(is_flush).count(),
        acknowledged: recorded.acknowledged.len(),
        ..Outcome::default()
    };
    step::timed(&format!("Cutting the power {} times", plan.cuts), || {
        recorded.cut(plan, &mut outcome)
    })?;
    outcome.control = step::timed("The control: a disk that ignores flushes", || {
        recorded.control(plan)
    })?;
    let (runs, found_out) = outcome.control;
    ensure!(
        found_out * 100 >= runs * FOUND_OUT,
        "a disk that ignores flushes was found out {found_out} times of {runs} alone"
    );
    fs::remove_dir_all(&recorded.folder)?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_is_acknowledged_behind_its_commit() {
        let script = script("wal", 2);
        let last = script.rfind("commit;").unwrap();
        assert!(script[last..].contains(&format!("{ACKNOWLEDGED} wal 2")));
        assert!(script.contains("printf('%08x', 2)"));
        assert_eq!(script.matches(ACKNOWLEDGED).count(), 3);
    }
}

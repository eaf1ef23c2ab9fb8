//! Debian's databases at work on a machine whose disk is recorded, and the power gone after
//! any of what they wrote. The disks are mended by e2fsck and the databases read on this
//! host: what was acknowledged must be there.

mod leveldb;
mod lmdb;
mod redis;
mod sqlite;

use crate::disk::{self, Contents};
use crate::machine::{LIMIT, Machine, machine, run_limited, test_folder, test_programs};
use crate::process::{capture, tool};
use crate::write_log::{What, WriteLog};
use crate::{debian, setup, step};
use anyhow::{Context, Result, bail, ensure};
use leveldb::LevelDb;
use lmdb::Lmdb;
use redis::Redis;
use sqlite::Sqlite;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A line that says that a transaction is over.
const ACKNOWLEDGED: &str = "acknowledged";
/// Of a hundred cuts of a disk that ignores flushes so many must be found out.
const FOUND_OUT: usize = 60;

/// A database at work in one way, and how it is read afterwards.
trait Database {
    /// For messages.
    fn name(&self) -> &str;
    /// The packages that it comes from.
    fn packages(&self) -> &'static [&'static str];
    /// The command of the guest that does the work.
    fn command(&self) -> &'static str;
    /// What that reads: after each of so many transactions, numbered from 1, it has
    /// [`ACKNOWLEDGED`] and the number written.
    fn script(&self, transactions: u64) -> String;
    /// Reads the database of a disk into `folder`, which is empty; how many transactions
    /// are in it, each of them whole. Fails if it is damaged.
    fn transactions(&self, disk: &Path, folder: &Path) -> Result<u64>;
}

const DATABASES: [&dyn Database; 7] = [
    &Sqlite("wal"),
    &Sqlite("delete"),
    &Sqlite("truncate"),
    &Sqlite("persist"),
    &Redis,
    &Lmdb,
    &LevelDb,
];

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Transactions of each database.
    pub transactions: u64,
    /// Power cuts in all.
    pub cuts: usize,
    /// What they are chosen by.
    pub seed: u64,
}

/// A transaction that is over: the log had this length then.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    database: usize,
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

fn image() -> PathBuf {
    test_folder().join("crash-databases.img")
}

/// Runs all databases one after the other on a machine that is recorded.
fn record(plan: &Plan) -> Result<Recorded> {
    let mut packages: Vec<&str> = DATABASES
        .iter()
        .flat_map(|it| it.packages())
        .copied()
        .collect();
    packages.dedup();
    let contents = Contents {
        add: vec![(debian::ensure("databases", &packages)?, "/".into())],
        ..Contents::default()
    };
    disk::make(&image(), &contents, &test_programs()?)?;
    step::step("Recording what databases write");
    let machine = machine("crash-databases")
        .disk(&image())
        .with(|config| config.record_writes = true)
        .up()?;
    let log = machine.write_log();
    let mut acknowledged = Vec::new();
    for (index, database) in DATABASES.iter().enumerate() {
        let lines = have_work(&machine, *database, plan.transactions, &log)?;
        ensure!(
            lines.len() as u64 == plan.transactions,
            "{} has acknowledged {} transactions",
            database.name(),
            lines.len()
        );
        let told = lines.into_iter().map(|(number, length)| Acknowledged {
            database: index,
            number,
            length,
        });
        acknowledged.extend(told);
    }
    machine.good_so_far()?;
    let folder = test_folder().join("crash-databases");
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

/// The numbers that were acknowledged, and how long the log was when that was heard.
fn have_work(
    machine: &Machine,
    database: &dyn Database,
    transactions: u64,
    log: &Path,
) -> Result<Vec<(u64, u64)>> {
    let mut command = machine.ssh_command(&[])?;
    command.arg(database.command());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    let words = database.script(transactions);
    let writer = std::thread::spawn(move || stdin.write_all(words.as_bytes()));
    let output = BufReader::new(child.stdout.take().context("no output")?);
    let (mut heard, mut others) = (Vec::new(), String::new());
    for line in output.lines() {
        let line = line?;
        let number = line
            .strip_prefix(ACKNOWLEDGED)
            .and_then(|rest| rest.trim().parse().ok());
        match number {
            Some(number) => heard.push((number, fs::metadata(log)?.len())),
            None => others += &format!("{line}\n"),
        }
    }
    let _ = writer.join();
    match child.wait()?.success() {
        true => Ok(heard),
        false => bail!("{} in the guest: {others}", database.name()),
    }
}

impl Recorded {
    /// What each had acknowledged when so many requests were complete.
    fn acknowledged_by(&self, count: usize) -> [Option<u64>; DATABASES.len()] {
        let mut numbers = [None; DATABASES.len()];
        for one in &self.acknowledged {
            if self.log.count_at(one.length) <= count {
                numbers[one.database] = Some(one.number);
            }
        }
        numbers
    }

    /// Looks at a disk after a power cut; how many databases were looked at.
    fn check(&self, cut: &Path, count: usize) -> Result<usize> {
        mend(cut)?;
        let mut databases = 0;
        for (database, acknowledged) in DATABASES.iter().zip(self.acknowledged_by(count)) {
            if let Some(acknowledged) = acknowledged {
                let found = self.check_database(cut, *database, acknowledged);
                found.with_context(|| format!("{} is not as it was", database.name()))?;
                databases += 1;
            }
        }
        Ok(databases)
    }

    fn check_database(&self, cut: &Path, database: &dyn Database, acknowledged: u64) -> Result<()> {
        let folder = self.folder.join("database");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let found = database.transactions(cut, &folder)?;
        ensure!(
            (acknowledged..=self.transactions).contains(&found),
            "{acknowledged} transactions were acknowledged; {found} are there"
        );
        Ok(())
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

/// Takes a file, or a folder with all that is in it, from a disk; nothing, if it is not
/// there.
fn take(disk: &Path, request: &str, from: &str, to: &Path) -> Result<()> {
    let request = format!("{request} {from} {}", to.display());
    capture(tool("debugfs")?.args(["-R", &request]).arg(disk))?;
    Ok(())
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
    setup::ensure_database_readers()?;
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

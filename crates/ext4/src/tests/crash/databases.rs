//! What databases do so that nothing that they have acknowledged is lost: a log that is
//! written ahead (as sqlite's WAL), one by which changes are taken back (its rollback
//! journal), and one to which all is appended (as redis' AOF). And what they do between:
//! pages written over in place, and their data alone synced.

use super::super::*;
use super::{Check, Promises, Work};
use paddock_vfs::SetMetadata;

const PAGE: usize = 1024;
const PAGES: usize = 24;
const TRANSACTIONS: u64 = 40;
/// Page, transaction, whether it ends there, checksum.
const HEADER: usize = 32;

/// Which transaction wrote a page last, when `transaction` was the last of all.
fn writer(page: usize, transaction: u64) -> u64 {
    (1..=transaction)
        .rev()
        .find(|&t| pages_of(t).any(|p| p == page))
        .unwrap_or(0)
}

/// Which pages a transaction writes.
fn pages_of(transaction: u64) -> impl Iterator<Item = usize> {
    (0..3).map(move |n| ((transaction.wrapping_mul(7) + n * n * 5 + n) % PAGES as u64) as usize)
}

/// A page as a transaction writes it: zeroes for none.
fn content(page: usize, transaction: u64) -> Vec<u8> {
    match transaction {
        0 => vec![0; PAGE],
        _ => pattern(transaction << 8 | page as u64, PAGE),
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

fn word(bytes: &[u8], index: usize) -> u64 {
    let bytes = bytes.get(index * 8..index * 8 + 8).unwrap_or(&[0; 8]);
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// A page with a header that tells whether it is whole.
fn frame(page: usize, transaction: u64, last: bool, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + data.len());
    for word in [page as u64, transaction, u64::from(last)] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let sum = sum(&bytes) ^ sum(data);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The frames of a log up to the first that is not whole: page, transaction, whether it
/// is the last of that, content.
fn frames(log: &[u8]) -> impl Iterator<Item = (usize, u64, bool, &[u8])> {
    let whole = |frame: &&[u8]| word(frame, 3) == sum(&frame[..24]) ^ sum(&frame[HEADER..]);
    let parts = log.chunks_exact(HEADER + PAGE).take_while(whole);
    parts.map(|frame| {
        let (page, transaction) = (word(frame, 0) as usize, word(frame, 1));
        (page, transaction, word(frame, 2) != 0, &frame[HEADER..])
    })
}

/// When transactions were acknowledged: how much had been recorded.
struct Acknowledged {
    at: Vec<usize>,
    /// How the state is read: all pages.
    recover: fn(&Ext4) -> core::result::Result<Vec<Vec<u8>>, String>,
}

impl Promises for Acknowledged {
    fn check(&self, fs: &Ext4, done: usize) -> Check {
        let least = self.at.iter().filter(|&&at| at <= done).count() as u64;
        if least == 0 && self.at.first().is_none_or(|&first| done < first) {
            return Ok(());
        }
        let pages = (self.recover)(fs)?;
        let is_as_of = |transaction: u64| {
            let same = |(page, found): (usize, &Vec<u8>)| {
                *found == content(page, writer(page, transaction))
            };
            pages.iter().enumerate().all(same)
        };
        // One more may have been on its way.
        match (least..=least + 1).any(is_as_of) {
            true => Ok(()),
            false => {
                let older = (0..least).rev().find(|&transaction| is_as_of(transaction));
                Err(format!(
                    "{least} transactions acknowledged, found as of {older:?}"
                ))
            }
        }
    }
}

fn make(fs: &Ext4, name: &str) -> Arc<dyn Inode> {
    fs.root()
        .create(name.as_bytes(), &node(FileKind::Regular))
        .unwrap()
}

fn read(fs: &Ext4, name: &str) -> Option<Vec<u8>> {
    let file = fs.root().lookup(name.as_bytes()).ok()?;
    Some(read_all(&*file))
}

fn pages_in(file: &[u8]) -> Vec<Vec<u8>> {
    let page = |page: usize| {
        let mut bytes = vec![0; PAGE];
        let found = file.get(page * PAGE..).unwrap_or_default();
        let len = found.len().min(PAGE);
        bytes[..len].copy_from_slice(&found[..len]);
        bytes
    };
    (0..PAGES).map(page).collect()
}

fn cut(file: &Arc<dyn Inode>) {
    let change = SetMetadata {
        size: Some(0),
        ..SetMetadata::default()
    };
    file.set_metadata(&change).unwrap();
}

/// A log that is written ahead, and copied to its place now and then.
pub fn write_ahead(work: &mut Work) -> impl Promises + use<> {
    let fs = work.fs.clone();
    let (db, wal) = (make(&fs, "db"), make(&fs, "db-wal"));
    fs.root().sync().unwrap();
    let (mut at, mut acknowledged) = (0, Vec::new());
    for transaction in 1..=TRANSACTIONS {
        let pages: Vec<usize> = pages_of(transaction).collect();
        for (index, page) in pages.iter().enumerate() {
            let last = index + 1 == pages.len();
            let frame = frame(*page, transaction, last, &content(*page, transaction));
            write_all(&*wal, at, &frame).unwrap();
            at += frame.len() as u64;
        }
        wal.sync().unwrap();
        acknowledged.push(work.recorded());
        if work.random.one_in(8) {
            for page in 0..PAGES {
                let content = content(page, writer(page, transaction));
                write_all(&*db, (page * PAGE) as u64, &content).unwrap();
            }
            db.sync().unwrap();
            cut(&wal);
            at = 0;
            if work.random.one_in(2) {
                wal.sync().unwrap();
            }
        }
    }
    Acknowledged {
        at: acknowledged,
        recover: |fs| {
            let mut pages = pages_in(&read(fs, "db").ok_or("the database is lost")?);
            let wal = read(fs, "db-wal").ok_or("the log is lost")?;
            let mut pending = Vec::new();
            for (page, _, last, data) in frames(&wal) {
                pending.push((page, data));
                if last {
                    for (page, data) in pending.drain(..) {
                        pages[page].copy_from_slice(data);
                    }
                }
            }
            Ok(pages)
        },
    }
}

/// A log from which a transaction is taken back that did not end: it ends when that is
/// gone.
pub fn roll_back(work: &mut Work) -> impl Promises + use<> {
    let fs = work.fs.clone();
    let db = make(&fs, "db");
    fs.root().sync().unwrap();
    let mut acknowledged = Vec::new();
    for transaction in 1..=TRANSACTIONS {
        let journal = make(&fs, "db-journal");
        let mut at = 0;
        for page in pages_of(transaction) {
            let before = content(page, writer(page, transaction - 1));
            let frame = frame(page, transaction, false, &before);
            write_all(&*journal, at, &frame).unwrap();
            at += frame.len() as u64;
        }
        journal.sync().unwrap();
        fs.root().sync().unwrap();
        for page in pages_of(transaction) {
            let content = content(page, transaction);
            write_all(&*db, (page * PAGE) as u64, &content).unwrap();
        }
        db.sync().unwrap();
        match work.random.below(2) {
            0 => fs.root().unlink(b"db-journal").unwrap(),
            _ => cut(&journal),
        }
        fs.root().sync().unwrap();
        acknowledged.push(work.recorded());
        let _ = fs.root().unlink(b"db-journal");
    }
    Acknowledged {
        at: acknowledged,
        recover: |fs| {
            let mut pages = pages_in(&read(fs, "db").ok_or("the database is lost")?);
            let journal = read(fs, "db-journal").unwrap_or_default();
            // One that is not whole was not synced, and the database not touched.
            if frames(&journal).count() >= pages_of(1).count() {
                for (page, _, _, before) in frames(&journal) {
                    pages[page].copy_from_slice(before);
                }
            }
            Ok(pages)
        },
    }
}

/// A log of all that there is, which is written anew beside the old one now and then.
pub fn append_only(work: &mut Work) -> impl Promises + use<> {
    let fs = work.fs.clone();
    let mut log = make(&fs, "aof");
    fs.root().sync().unwrap();
    let (mut at, mut acknowledged) = (0, Vec::new());
    for transaction in 1..=TRANSACTIONS {
        let pages: Vec<usize> = pages_of(transaction).collect();
        let mut batch = Vec::new();
        for (index, page) in pages.iter().enumerate() {
            let last = index + 1 == pages.len();
            batch.extend(frame(
                *page,
                transaction,
                last,
                &content(*page, transaction),
            ));
        }
        write_all(&*log, at, &batch).unwrap();
        at += batch.len() as u64;
        log.sync().unwrap();
        acknowledged.push(work.recorded());
        if work.random.one_in(8) {
            let fresh = make(&fs, "temp");
            at = 0;
            for page in 0..PAGES {
                let content = content(page, writer(page, transaction));
                let frame = frame(page, transaction, page + 1 == PAGES, &content);
                write_all(&*fresh, at, &frame).unwrap();
                at += frame.len() as u64;
            }
            fresh.sync().unwrap();
            fs.root().rename(b"temp", &fs.root(), b"aof", 0).unwrap();
            log = fresh;
        }
    }
    Acknowledged {
        at: acknowledged,
        recover: |fs| {
            let log = read(fs, "aof").ok_or("the log is lost")?;
            let mut pages = pages_in(&[]);
            let mut pending = Vec::new();
            for (page, _, last, data) in frames(&log) {
                pending.push((page, data));
                if last {
                    for (page, data) in pending.drain(..) {
                        pages[page].copy_from_slice(data);
                    }
                }
            }
            Ok(pages)
        },
    }
}

/// When each page was written over last, and acknowledged.
struct InPlace(Vec<(usize, usize)>);

impl Promises for InPlace {
    fn check(&self, fs: &Ext4, done: usize) -> Check {
        let acknowledged = self.0.iter().filter(|&&(at, _)| at <= done).count();
        if acknowledged == 0 {
            return Ok(());
        }
        let file = read(fs, "pages").ok_or("the pages are lost")?;
        let under_way = self.0.get(acknowledged).map(|&(_, page)| page);
        for page in (0..PAGES).filter(|&page| Some(page) != under_way) {
            let writer = self.0[..acknowledged].iter().rposition(|&(_, p)| p == page);
            let transaction = writer.map_or(0, |index| index as u64 + 1);
            let at = page * (HEADER + PAGE);
            let found = file.get(at..at + HEADER + PAGE).unwrap_or_default();
            if found != in_place_page(page, transaction) {
                return Err(format!("page {page} is not as of {transaction}"));
            }
        }
        Ok(())
    }
}

fn in_place_page(page: usize, transaction: u64) -> Vec<u8> {
    frame(page, transaction, true, &content(page, transaction))
}

/// Pages that are written over where they are, their times apart as fdatasync(2) leaves
/// them; other files change meanwhile.
pub fn in_place(work: &mut Work) -> impl Promises + use<> {
    let fs = work.fs.clone();
    let file = make(&fs, "pages");
    let put = |page: usize, transaction: u64| {
        let at = (page * (HEADER + PAGE)) as u64;
        write_all(&*file, at, &in_place_page(page, transaction)).unwrap();
    };
    (0..PAGES).for_each(|page| put(page, 0));
    file.sync().unwrap();
    let mut acknowledged = Vec::new();
    for transaction in 1..=3 * TRANSACTIONS {
        let page = work.random.below(PAGES);
        put(page, transaction);
        file.sync_data().unwrap();
        acknowledged.push((work.recorded(), page));
        match work.random.below(8) {
            0 => drop(make(&fs, &format!("other-{transaction}"))),
            1 => file.sync().unwrap(),
            _ => {}
        }
    }
    InPlace(acknowledged)
}

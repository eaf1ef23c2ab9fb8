//! Power cuts on a larger scale: seeds make a workload on a disk that records what is
//! written, and the power goes after any of it. What came after the last flush has been
//! written or not, sector by sector. What was acknowledged before must be there, nothing
//! else must show through, and a check must find nothing. `cargo xtask crash-images`
//! makes more of them.

mod databases;
mod files;

use super::disk::Event;
use super::overlay::{Overlay, Random, for_seeds, number};
use super::*;
use crate::layout::Geometry;
use std::sync::OnceLock;

const SECTOR: usize = 512;
/// Requests that nobody needs to mount and to look around.
const MOST_REQUESTS: u64 = 1_000_000;
/// Prefixes of one recorded log.
const PREFIXES: u64 = 50;

/// What has been acknowledged, and by whom it can be asked for.
trait Promises {
    /// Looks whether all is there that was acknowledged when `done` events had been
    /// recorded, and nothing that never was. What is wrong otherwise.
    fn check(&self, fs: &Ext4, done: usize) -> core::result::Result<(), String>;
}

type Check = core::result::Result<(), String>;

/// What was written, and what was promised meanwhile.
struct Recorded {
    start: Arc<Vec<u8>>,
    log: Vec<Event>,
    promises: Box<dyn Promises>,
}

/// A disk in use, which records.
struct Work {
    disk: Arc<MemDisk>,
    fs: Arc<Ext4>,
    random: Random,
}

impl Work {
    /// How much has been recorded.
    fn recorded(&self) -> usize {
        self.disk.log_len()
    }
}

/// Which power cut: what of the writes since the last flush is there.
#[derive(Clone, Copy, Debug)]
enum Lost {
    Nothing,
    All,
    /// Some of the writes, whole.
    Writes,
    /// Some of the sectors.
    Sectors,
}

/// New filesystems whose free blocks hold what no file must show.
fn starts() -> &'static [Arc<Vec<u8>>] {
    static STARTS: OnceLock<Vec<Arc<Vec<u8>>>> = OnceLock::new();
    STARTS.get_or_init(|| {
        let kinds = [
            (DEBIAN_13, 1024),
            (DEBIAN_12, 4096),
            (FEW, 1024),
            (FEW, 4096),
        ];
        let start = |(index, (features, size)): (usize, (&str, u32))| {
            let mut image = make_image_with(features, size, 12 << 10, None);
            if index < 2 {
                image = power::with_log_checksums(&image);
            }
            let disk = Arc::new(MemDisk::new(image));
            power::spoil_free_blocks(&disk);
            Arc::new(disk.image())
        };
        kinds.into_iter().enumerate().map(start).collect()
    })
}

/// Does a workload, and records it.
fn record(seed: u64) -> Recorded {
    let mut random = Random::new(seed);
    let start = random.one_of(starts()).clone();
    let disk = Arc::new(MemDisk::new((*start).clone()));
    disk.start_log();
    let fs = mount_with(&disk, 512).unwrap();
    let checkpoints = *random.one_of(&CHECKPOINTS);
    {
        let mut core = fs.shared.core.lock();
        if random.one_in(2) {
            core.keep_bytes(0);
        }
        core.checkpoint_late(checkpoints);
    }
    let kind = random.below(6);
    let mut work = Work { disk, fs, random };
    let promises: Box<dyn Promises> = match kind {
        0 | 1 => Box::new(files::work(&mut work)),
        2 => Box::new(databases::write_ahead(&mut work)),
        3 => Box::new(databases::roll_back(&mut work)),
        4 => Box::new(databases::in_place(&mut work)),
        _ => Box::new(databases::append_only(&mut work)),
    };
    Recorded {
        start,
        log: work.disk.take_log(),
        promises,
    }
}

/// The disk as a flush left it.
struct Flushed<'a> {
    log: &'a [Event],
    image: Arc<Vec<u8>>,
    /// Events that are in it for certain.
    done: usize,
}

impl Flushed<'_> {
    /// Goes on to the last flush before event `count`.
    fn go_on(&mut self, count: usize) {
        let is_flush = |event: &Event| matches!(event, Event::Flush);
        let Some(last) = self.log[self.done..count].iter().rposition(is_flush) else {
            return;
        };
        let until = self.done + last + 1;
        let image = Arc::make_mut(&mut self.image);
        for event in &self.log[self.done..until] {
            if let Event::Write(at, data) = event {
                image[*at..at + data.len()].copy_from_slice(data);
            }
        }
        self.done = until;
    }

    /// The disk after a power cut behind event `count`.
    fn cut(&self, count: usize, lost: Lost, random: &mut Random) -> Arc<Overlay> {
        let disk = Arc::new(Overlay::new(self.image.clone(), MOST_REQUESTS));
        for event in &self.log[self.done..count] {
            let Event::Write(at, data) = event else {
                continue;
            };
            let whole = match lost {
                Lost::Nothing => true,
                Lost::All => false,
                Lost::Writes => random.one_in(2),
                Lost::Sectors => random.one_in(3),
            };
            if whole {
                disk.put(*at, data);
            } else if matches!(lost, Lost::Sectors) {
                for (sector, part) in data.chunks(SECTOR).enumerate() {
                    if random.one_in(2) {
                        disk.put(at + sector * SECTOR, part);
                    }
                }
            }
        }
        disk
    }
}

/// Mounts a disk after a power cut, and looks at all that was promised.
fn check(recorded: &Recorded, disk: &Arc<Overlay>, count: usize) -> Check {
    let fs = disk
        .mount(512)
        .map_err(|error| format!("cannot be mounted: {error}"))?;
    if let Some(complaint) = fs.complaint() {
        return Err(complaint.into());
    }
    recorded.promises.check(&fs, count)?;
    fs.unmount()
        .map_err(|error| format!("cannot be unmounted: {error}"))?;
    match fs.complaint() {
        Some(complaint) => Err(complaint.into()),
        None => Ok(()),
    }
}

/// Has e2fsck replay the log. Where the power went between the two sectors of the
/// superblock it takes a copy of that, whose counts are old, and mends them.
fn replay_elsewhere(image: &[u8], when: &str) {
    let sb = &image[1024..2048];
    if Geometry::parse(sb).unwrap().is_superblock_sound(sb) {
        check_clean(&power::replayed_by_e2fsck(image), when);
    }
}

fn prefixes(seed: u64, share: u64) {
    let recorded = record(seed);
    let mut random = Random::new(!seed);
    let mut counts: Vec<usize> = (0..PREFIXES)
        .map(|_| random.below(recorded.log.len() + 1))
        .collect();
    counts.sort_unstable();
    let mut flushed = Flushed {
        log: &recorded.log,
        image: recorded.start.clone(),
        done: 0,
    };
    for count in counts {
        flushed.go_on(count);
        let lost = *random.one_of(&[
            Lost::Nothing,
            Lost::All,
            Lost::Writes,
            Lost::Sectors,
            Lost::Sectors,
        ]);
        let disk = flushed.cut(count, lost, &mut random);
        let when = format!("{count} of {} events, lost: {lost:?}", recorded.log.len());
        let is_shared = random.one_in(share as usize);
        if is_shared && random.one_in(4) {
            replay_elsewhere(&disk.image(), &when);
        }
        if let Err(wrong) = check(&recorded, &disk, count) {
            panic!("{when}: {wrong}");
        }
        if is_shared {
            check_clean(&disk.image(), &when);
        }
    }
}

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    let first = number("EXT4_CRASHES_FIRST", 1);
    let records = number("EXT4_CRASHES", 5_000).div_ceil(PREFIXES);
    // e2fsck judges one of so many disks.
    let share = number("EXT4_CRASHES_SHARE", 10).max(1);
    let what = format!("recorded writes, {PREFIXES} prefixes each");
    for_seeds(&what, first, records, |seed| prefixes(seed, share));
}

/// The control: a disk that ignores flushes loses what was acknowledged, and it is seen.
#[test]
fn a_disk_that_ignores_flushes_is_found_out() {
    let mut wrong = 0;
    for seed in 1..13 {
        let mut recorded = record(seed);
        recorded
            .log
            .retain(|event| matches!(event, Event::Write(..)));
        // As many events as there were, in the same places.
        let recorded_again = record(seed);
        let kept = |count: usize| {
            let events = &recorded_again.log[..count];
            events
                .iter()
                .filter(|event| matches!(event, Event::Write(..)))
                .count()
        };
        let mut random = Random::new(seed);
        let flushed = Flushed {
            log: &recorded.log,
            image: recorded.start.clone(),
            done: 0,
        };
        for _ in 0..6 {
            let count = recorded_again.log.len() / 2 + random.below(recorded_again.log.len() / 2);
            let disk = flushed.cut(kept(count), Lost::Writes, &mut random);
            let lost = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                check(&recorded_again, &disk, count)
            }));
            wrong += u32::from(!matches!(lost, Ok(Ok(()))));
        }
    }
    assert!(wrong > 50, "only {wrong} of 72");
}

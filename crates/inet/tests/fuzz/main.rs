//! Frames that nobody should send: changed at every offset, and by a generator.
//! Nothing panics, little is answered, memory comes back, and who means well is
//! served. `cargo xtask fuzz-inet` makes more of them.

#[path = "../common/mod.rs"]
mod common;
mod world;

use common::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use world::*;

#[test]
fn every_offset_of_every_frame() {
    let mut world = World::new(1);
    let mut random = Random::new(1);
    let frames = world.frames.clone();
    assert!(frames.len() > 40, "{}", frames.len());
    for (to, frame) in &frames {
        for at in 0..frame.len() {
            for how in 0..CHANGES {
                for mends in [true, false] {
                    let mut changed = frame.clone();
                    change(&mut changed, at, how);
                    if mends {
                        mend(&mut changed);
                    }
                    world.deliver(*to, &changed);
                }
            }
            world.act(&mut random);
            world.network.pass(MS);
        }
    }
    world.end();
}

/// Says which seed it was if it goes wrong.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} goes wrong", self.0);
        }
    }
}

/// Frames in an order that a seed says, changed in several places or put
/// together of two. How many.
fn dialogue(seed: u64) -> u64 {
    let seed = Seed(seed);
    let (mut world, mut random) = (World::new(seed.0), Random::new(!seed.0));
    let mut count = 0;
    for _ in 0..200 {
        for _ in 0..1 + random.below(8) {
            let (to, mut frame) = {
                let index = random.below(world.frames.len() as u64) as usize;
                world.frames[index].clone()
            };
            if random.percent(5) {
                let index = random.below(world.frames.len() as u64) as usize;
                let other = &world.frames[index].1;
                let at = random.below(frame.len().min(other.len()) as u64) as usize;
                frame.truncate(at);
                frame.extend_from_slice(&other[at..]);
            }
            for _ in 0..random.below(4) {
                if !frame.is_empty() {
                    let at = random.below(frame.len() as u64) as usize;
                    change(&mut frame, at, random.below(CHANGES));
                }
            }
            if random.percent(95) {
                mend(&mut frame);
            }
            world.deliver(to, &frame);
            count += 1;
        }
        world.act(&mut random);
        let time = random.below(400) * MS;
        world.network.pass(time);
    }
    world.end();
    count
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn dialogues_that_go_wrong() {
    let (runs, first) = (number("INET_FUZZ", 30), number("INET_FUZZ_FIRST", 1));
    let (next, frames) = (AtomicU64::new(first), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..number("INET_FUZZ_JOBS", 1) {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Relaxed)
                    && seed < first + runs
                {
                    frames.fetch_add(dialogue(seed), Relaxed);
                }
            });
        }
    });
    println!("{runs} dialogues, {} frames", frames.into_inner());
}

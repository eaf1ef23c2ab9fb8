//! Random programs, on the real thing and on the model.

use super::file::{BYTE, File, first_content};
use super::model::{Content, Outcome, Space, World};
use super::{Cpu, new_space};
use crate::fake::{self, Fake};
use crate::{AddressSpace, FaultError, MapRequest, MapSource, PAGE_SIZE};
use paddock_abi::Errno;
use paddock_abi::mman::{MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE, MapFlags, Prot};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Pages of the window in which all happens. It lies across the end of a
/// last-level table's range and of one a level up.
const WINDOW: u64 = 28;
const BASE: u64 = (7 << 30) - 14 * PAGE_SIZE;
/// Where most accesses go, so that they meet.
const BUSY: std::ops::Range<u64> = 12..16;
const FILE_PAGES: u64 = 20;
const FRAMES: usize = 600;

#[derive(Clone, Debug)]
enum Action {
    Anonymous {
        at: u64,
        pages: u64,
        prot: Prot,
        shared: bool,
    },
    File {
        at: u64,
        pages: u64,
        prot: Prot,
        shared: bool,
        first: u64,
    },
    Unmap {
        at: u64,
        pages: u64,
    },
    Protect {
        at: u64,
        pages: u64,
        prot: Prot,
    },
    Discard {
        at: u64,
        pages: u64,
    },
    Move {
        at: u64,
        pages: u64,
        to: u64,
        new_pages: u64,
    },
    Resize {
        at: u64,
        pages: u64,
        new_pages: u64,
    },
    Load {
        at: u64,
    },
    Store {
        at: u64,
        value: u8,
    },
    Execute {
        at: u64,
    },
    Fork,
    Exit,
    Sync,
    Shrink,
    ShortOfMemory {
        allocations: usize,
    },
}

#[derive(Clone, Debug)]
struct Task {
    space: prop::sample::Index,
    action: Action,
}

fn action() -> impl Strategy<Value = Action> {
    let at = || prop_oneof![1 => 0..WINDOW, 1 => BUSY];
    let busy = || prop_oneof![1 => 0..WINDOW, 4 => BUSY];
    let pages = || 1u64..12;
    let prot = || {
        prop_oneof![
            4 => Just(Prot::READ | Prot::WRITE),
            2 => Just(Prot::READ),
            1 => Just(Prot::READ | Prot::EXEC),
            1 => Just(Prot::empty()),
            1 => Just(Prot::READ | Prot::WRITE | Prot::EXEC),
        ]
    };
    prop_oneof![
        3 => (at(), pages(), prot(), any::<bool>()).prop_map(|(at, pages, prot, shared)| Action::Anonymous { at, pages, prot, shared }),
        3 => (at(), pages(), prot(), any::<bool>(), 0u64..16).prop_map(|(at, pages, prot, shared, first)| Action::File { at, pages, prot, shared, first }),
        2 => (at(), pages()).prop_map(|(at, pages)| Action::Unmap { at, pages }),
        1 => Just(Action::Unmap { at: 0, pages: WINDOW }),
        3 => (at(), pages(), prot()).prop_map(|(at, pages, prot)| Action::Protect { at, pages, prot }),
        1 => (at(), pages()).prop_map(|(at, pages)| Action::Discard { at, pages }),
        2 => (at(), pages(), at(), pages()).prop_map(|(at, pages, to, new_pages)| Action::Move { at, pages, to, new_pages }),
        1 => (at(), pages(), pages()).prop_map(|(at, pages, new_pages)| Action::Resize { at, pages, new_pages }),
        12 => busy().prop_map(|at| Action::Load { at }),
        14 => (busy(), any::<u8>()).prop_map(|(at, value)| Action::Store { at, value }),
        2 => busy().prop_map(|at| Action::Execute { at }),
        2 => Just(Action::Fork),
        1 => Just(Action::Exit),
        1 => Just(Action::Sync),
        1 => Just(Action::Shrink),
        1 => (0usize..6).prop_map(|allocations| Action::ShortOfMemory { allocations }),
    ]
}

fn task() -> impl Strategy<Value = Task> {
    (any::<prop::sample::Index>(), action()).prop_map(|(space, action)| Task { space, action })
}

fn address(page: u64) -> u64 {
    BASE + page * PAGE_SIZE
}

struct Run {
    cpu: Cpu,
    spaces: Vec<(AddressSpace<Fake>, Space)>,
    world: World,
    file: Arc<File>,
    short: bool,
}

impl Run {
    fn new() -> Self {
        fake::reset(FRAMES);
        Run {
            cpu: Cpu::new(),
            spaces: vec![(new_space(), Space::default())],
            world: World {
                file: (0..FILE_PAGES).map(first_content).collect(),
                memory: Vec::new(),
            },
            file: File::new(FILE_PAGES),
            short: false,
        }
    }

    /// Memory is there again after each action that met its end.
    fn relief(&mut self) {
        if self.short {
            fake::fail_after(usize::MAX);
            self.short = false;
        }
    }

    fn step(&mut self, task: &Task) {
        let which = task.space.index(self.spaces.len());
        match task.action.clone() {
            Action::ShortOfMemory { allocations } => {
                fake::fail_after(allocations);
                self.short = true;
                return;
            }
            Action::Fork => self.fork(which),
            Action::Exit if self.spaces.len() > 1 => drop(self.spaces.remove(which)),
            Action::Exit => {}
            Action::Sync => self.sync(),
            Action::Shrink => self.file.shrink(),
            Action::Load { at } => self.load(which, at),
            Action::Store { at, value } => self.store(which, at, value),
            Action::Execute { at } => self.execute(which, at),
            other => self.change(which, other),
        }
        self.relief();
    }

    fn compare<T: PartialEq + std::fmt::Debug>(
        &self,
        real: Result<T, FaultError>,
        model: Outcome<T>,
    ) -> bool {
        let real = match real {
            Err(FaultError::OutOfMemory) if self.short => return false,
            Err(FaultError::OutOfMemory) => panic!("out of memory"),
            Err(FaultError::NotMapped) => Outcome::NotMapped,
            Err(FaultError::NotAllowed) => Outcome::NotAllowed,
            Err(FaultError::Bus) => Outcome::Bus,
            Ok(value) => Outcome::Fine(value),
        };
        assert_eq!(real, model);
        true
    }

    fn load(&mut self, which: usize, at: u64) {
        let (real, model) = &mut self.spaces[which];
        let result = self.cpu.load(real, address(at) + BYTE);
        let expected = model.load(&self.world, at);
        self.compare(result, expected);
    }

    fn execute(&mut self, which: usize, at: u64) {
        let (real, model) = &mut self.spaces[which];
        let result = self.cpu.execute(real, address(at) + BYTE);
        let expected = model.execute(&self.world, at);
        self.compare(result, expected);
    }

    fn store(&mut self, which: usize, at: u64, value: u8) {
        let (real, model) = &mut self.spaces[which];
        let result = self.cpu.store(real, address(at) + BYTE, value);
        if result == Err(FaultError::OutOfMemory) && self.short {
            return;
        }
        let expected = model.store(&mut self.world, at, value);
        self.compare(result, expected);
    }

    fn fork(&mut self, which: usize) {
        if self.spaces.len() == 4 {
            return;
        }
        let (real, model) = &mut self.spaces[which];
        match real.fork() {
            Ok(child) => {
                let copy = model.clone();
                self.spaces.push((child, copy));
            }
            Err(error) => assert!(error == Errno::ENOMEM && self.short),
        }
    }

    /// msync of everything, and then the write-back.
    fn sync(&mut self) {
        for (real, _) in &mut self.spaces {
            let _ = real.sync_targets(BASE, WINDOW * PAGE_SIZE, (true, false));
        }
        self.file.flush();
        for index in 0..FILE_PAGES {
            assert_eq!(
                self.file.disk(index),
                self.world.file[index as usize],
                "page {index}"
            );
        }
    }

    fn map_anonymous(&mut self, which: usize, pages: Range<u64>, prot: Prot, shared: bool) {
        let (real, model) = &mut self.spaces[which];
        let count = pages.end - pages.start;
        let at = address(pages.start);
        let mut request = MapRequest::anonymous(count * PAGE_SIZE, prot).fixed_at(at);
        if shared {
            request.flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
        }
        assert_eq!(real.map(&request), Ok(at));
        let object = self.world.memory.len();
        if shared {
            self.world.memory.push(vec![0; count as usize]);
        }
        model.set(pages, prot, |index| match shared {
            true => Content::Memory(object, index),
            false => Content::Own(0),
        });
    }

    fn map_file(&mut self, which: usize, pages: Range<u64>, prot: Prot, shared: bool, first: u64) {
        let (real, model) = &mut self.spaces[which];
        let source: Arc<dyn MapSource<Fake>> = self.file.clone();
        let kind = match shared {
            true => MapFlags::SHARED,
            false => MapFlags::PRIVATE,
        };
        let at = address(pages.start);
        let request = MapRequest {
            address: at,
            length: (pages.end - pages.start) * PAGE_SIZE,
            prot,
            flags: kind | MapFlags::FIXED,
            source: Some((source, first * PAGE_SIZE)),
            may: Prot::READ | Prot::WRITE | Prot::EXEC,
        };
        assert_eq!(real.map(&request), Ok(at));
        model.set(pages, prot, |index| match shared {
            true => Content::File(first + index),
            false => Content::FilePrivate(first + index),
        });
    }

    fn change(&mut self, which: usize, action: Action) {
        let in_window = |at: u64, pages: u64| at + pages <= WINDOW;
        match action {
            Action::Anonymous {
                at,
                pages,
                prot,
                shared,
            } if in_window(at, pages) => self.map_anonymous(which, at..at + pages, prot, shared),
            Action::File {
                at,
                pages,
                prot,
                shared,
                first,
            } if in_window(at, pages) => {
                self.map_file(which, at..at + pages, prot, shared, first);
            }
            action => self.alter(which, action),
        }
    }

    fn alter(&mut self, which: usize, action: Action) {
        let (real, model) = &mut self.spaces[which];
        let short = self.short;
        let in_window = |at: u64, pages: u64| at + pages <= WINDOW;
        match action {
            Action::Unmap { at, pages } => {
                assert_eq!(real.unmap(address(at), pages * PAGE_SIZE), Ok(()));
                model.remove(at..at + pages);
            }
            Action::Protect { at, pages, prot } => {
                let result = real.protect(address(at), pages * PAGE_SIZE, prot);
                if model.covers(at..at + pages) {
                    assert_eq!(result, Ok(()));
                    (at..at + pages)
                        .for_each(|page| model.pages.get_mut(&page).unwrap().prot = prot);
                } else {
                    assert_eq!(result, Err(Errno::ENOMEM));
                }
            }
            Action::Discard { at, pages } => {
                let result = real.advise(address(at), pages * PAGE_SIZE, MADV_DONTNEED);
                assert_eq!(result.is_ok(), model.covers(at..at + pages));
                for (_, page) in model.pages.range_mut(at..at + pages) {
                    page.content = page.origin;
                }
            }
            Action::Move {
                at,
                pages,
                to,
                new_pages,
            } if in_window(to, new_pages) => {
                let flags = MREMAP_MAYMOVE | MREMAP_FIXED;
                let result = real.remap(
                    address(at),
                    pages * PAGE_SIZE,
                    new_pages * PAGE_SIZE,
                    flags,
                    address(to),
                );
                finish_move(model, (at, pages), (to, new_pages), result, short);
            }
            Action::Resize {
                at,
                pages,
                new_pages,
            } if in_window(at, new_pages) => {
                let result =
                    real.remap(address(at), pages * PAGE_SIZE, new_pages * PAGE_SIZE, 0, 0);
                finish_resize(model, at, pages, new_pages, result);
            }
            _ => {}
        }
    }

    fn end(mut self) {
        for (real, model) in &self.spaces {
            let counters = real.counters();
            assert_eq!(counters.mapped, model.pages.len() as u64);
            let held = {
                let mut held = 0;
                let all =
                    crate::PageRange::new(BASE - PAGE_SIZE, (WINDOW + 20) * PAGE_SIZE).unwrap();
                real.tables().visit(all, |_, _| held += 1);
                held
            };
            assert_eq!(counters.resident(), held);
            check_areas(real);
        }
        self.spaces.clear();
        self.file.flush();
        for index in 0..FILE_PAGES {
            assert_eq!(
                self.file.disk(index),
                self.world.file[index as usize],
                "page {index}"
            );
        }
        assert_eq!(fake::used(), self.file.cached_pages());
    }
}

/// Neighbours that could be one area are one, and none overlap.
fn check_areas(space: &AddressSpace<Fake>) {
    for pair in space.areas().windows(2) {
        assert!(pair[0].range().end() <= pair[1].range().start());
    }
}

fn finish_move(
    model: &mut Space,
    (at, pages): (u64, u64),
    (to, new_pages): (u64, u64),
    result: paddock_abi::Result<u64>,
    short: bool,
) {
    if at < to + new_pages && to < at + pages {
        assert_eq!(result, Err(Errno::EINVAL));
        return;
    }
    if result == Err(Errno::EFAULT) {
        // Not one area; the model does not know areas, only that a hole is
        // one reason, and a change another.
        return;
    }
    if result == Err(Errno::ENOMEM) {
        // The target is unmapped first, and a tail cut off, as on Linux.
        assert!(short);
        model.remove(to..to + new_pages);
        if new_pages < pages {
            model.remove(at + new_pages..at + pages);
        }
        return;
    }
    assert_eq!(result, Ok(address(to)));
    model.remove(to..to + new_pages);
    let moved: Vec<_> = (at..at + pages)
        .map(|page| model.pages.remove(&page).unwrap())
        .collect();
    for (index, page) in (0..new_pages).zip(to..) {
        let content = moved.get(index as usize).copied();
        model
            .pages
            .insert(page, content.unwrap_or_else(|| beyond(&moved, index)));
    }
}

/// The page that follows the last of an area by growth.
fn beyond(pages: &[super::model::Page], index: u64) -> super::model::Page {
    let last = pages[pages.len() - 1];
    let steps = index - (pages.len() as u64 - 1);
    let origin = match last.origin {
        Content::Own(_) => Content::Own(0),
        Content::FilePrivate(at) => Content::FilePrivate(at + steps),
        Content::File(at) => Content::File(at + steps),
        Content::Memory(object, at) => Content::Memory(object, at + steps),
    };
    super::model::Page {
        prot: last.prot,
        content: origin,
        origin,
    }
}

fn finish_resize(
    model: &mut Space,
    at: u64,
    pages: u64,
    new_pages: u64,
    result: paddock_abi::Result<u64>,
) {
    match result {
        Ok(start) => {
            assert_eq!(start, address(at));
            if new_pages < pages {
                model.remove(at + new_pages..at + pages);
                return;
            }
            let old: Vec<_> = (at..at + pages).map(|page| model.pages[&page]).collect();
            for index in pages..new_pages {
                let new = beyond(&old, index);
                assert!(model.pages.insert(at + index, new).is_none());
            }
        }
        Err(Errno::EFAULT) => {}
        Err(error) => {
            assert_eq!(error, Errno::ENOMEM);
            assert!(!(at + pages..at + new_pages).all(|page| !model.pages.contains_key(&page)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 600 }, ..ProptestConfig::default() })]
    #[test]
    fn random_programs_see_what_the_model_says(tasks in prop::collection::vec(task(), 1..120)) {
        let mut run = Run::new();
        for task in &tasks {
            run.step(task);
        }
        run.end();
    }
}

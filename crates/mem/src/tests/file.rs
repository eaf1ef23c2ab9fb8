//! A file with a page cache and a disk.

use crate::fake::Fake;
use crate::{Frame, MapError, MapSource, SharedFrame};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The byte of a page that tests look at.
pub(crate) const BYTE: u64 = 0x123;

#[derive(Default)]
struct State {
    pages: BTreeMap<u64, SharedFrame<Fake>>,
    disk: BTreeMap<u64, u8>,
    dirty: BTreeSet<u64>,
}

pub(crate) struct File {
    pages: AtomicU64,
    state: Mutex<State>,
}

pub(crate) fn first_content(index: u64) -> u8 {
    100 + index as u8
}

impl File {
    pub(crate) fn new(pages: u64) -> Arc<Self> {
        let state = State {
            disk: (0..pages)
                .map(|index| (index, first_content(index)))
                .collect(),
            ..State::default()
        };
        Arc::new(File {
            pages: AtomicU64::new(pages),
            state: Mutex::new(state),
        })
    }

    /// Cuts it, but for what is mapped.
    pub(crate) fn cut(&self, pages: u64) {
        self.pages.store(pages, Ordering::SeqCst);
        drop(self.state.lock().unwrap().pages.split_off(&pages));
    }

    pub(crate) fn cached_pages(&self) -> usize {
        self.state.lock().unwrap().pages.len()
    }

    /// Writes changed pages to the disk.
    pub(crate) fn flush(&self) {
        let mut state = self.state.lock().unwrap();
        for index in std::mem::take(&mut state.dirty) {
            let content = byte_of(&state.pages[&index]);
            state.disk.insert(index, content);
        }
    }

    /// Forgets clean pages that are not mapped, as memory gets short.
    pub(crate) fn shrink(&self) {
        let mut state = self.state.lock().unwrap();
        let State { pages, dirty, .. } = &mut *state;
        pages.retain(|index, page| dirty.contains(index) || !page.is_unique());
    }

    pub(crate) fn disk(&self, index: u64) -> u8 {
        self.state.lock().unwrap().disk[&index]
    }
}

fn byte_of(page: &SharedFrame<Fake>) -> u8 {
    let mut byte = [0];
    page.read(BYTE as usize, &mut byte);
    byte[0]
}

impl MapSource<Fake> for File {
    fn page(&self, index: u64, write: bool) -> Result<SharedFrame<Fake>, MapError> {
        if !self.has(index) {
            return Err(MapError::Bus);
        }
        let mut state = self.state.lock().unwrap();
        if !state.pages.contains_key(&index) {
            let page = Frame::zeroed(crate::Purpose::Common)
                .ok_or(MapError::OutOfMemory)?
                .share();
            page.write(BYTE as usize, &[state.disk[&index]]);
            state.pages.insert(index, page);
        }
        if write {
            state.dirty.insert(index);
        }
        state.pages[&index].try_clone().ok_or(MapError::OutOfMemory)
    }

    fn has(&self, index: u64) -> bool {
        index < self.pages.load(Ordering::SeqCst)
    }

    fn cached(&self, index: u64) -> Option<SharedFrame<Fake>> {
        self.state.lock().unwrap().pages.get(&index)?.try_clone()
    }

    fn written(&self, index: u64) {
        self.state.lock().unwrap().dirty.insert(index);
    }

    fn identity(&self) -> (u64, u64) {
        (0x801, 42)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/bin/thing")
    }
}

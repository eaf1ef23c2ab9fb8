//! What an address space should be: a map from page to content.

use paddock_abi::mman::Prot;
use std::collections::BTreeMap;

/// Where a page's byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Its own.
    Own(u8),
    /// Still the file's.
    FilePrivate(u64),
    /// Page of the file, shared.
    File(u64),
    /// Page of a shared memory object.
    Memory(usize, u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) prot: Prot,
    pub(crate) content: Content,
    /// What discarding it brings back.
    pub(crate) origin: Content,
}

/// What all spaces share.
#[derive(Default)]
pub(crate) struct World {
    /// Bytes of the file's pages.
    pub(crate) file: Vec<u8>,
    /// Bytes of shared memory, by object.
    pub(crate) memory: Vec<Vec<u8>>,
}

#[derive(Clone, Default)]
pub(crate) struct Space {
    pub(crate) pages: BTreeMap<u64, Page>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    Fine(T),
    NotMapped,
    NotAllowed,
    Bus,
}

impl Space {
    pub(crate) fn set(
        &mut self,
        pages: std::ops::Range<u64>,
        prot: Prot,
        content: impl Fn(u64) -> Content,
    ) {
        for (index, page) in pages.enumerate() {
            let content = content(index as u64);
            let origin = content;
            self.pages.insert(
                page,
                Page {
                    prot,
                    content,
                    origin,
                },
            );
        }
    }

    pub(crate) fn remove(&mut self, pages: std::ops::Range<u64>) {
        for page in pages {
            self.pages.remove(&page);
        }
    }

    pub(crate) fn covers(&self, mut pages: std::ops::Range<u64>) -> bool {
        pages.all(|page| self.pages.contains_key(&page))
    }

    fn check(&self, page: u64, allowed: impl Fn(Prot) -> bool) -> Outcome<Page> {
        match self.pages.get(&page) {
            None => Outcome::NotMapped,
            Some(found) if !allowed(found.prot) => Outcome::NotAllowed,
            Some(found) => Outcome::Fine(*found),
        }
    }

    pub(crate) fn load(&self, world: &World, page: u64) -> Outcome<u8> {
        match self.check(page, |prot| !prot.is_empty()) {
            Outcome::Fine(page) => world.load(page.content),
            Outcome::NotMapped => Outcome::NotMapped,
            Outcome::NotAllowed => Outcome::NotAllowed,
            Outcome::Bus => Outcome::Bus,
        }
    }

    pub(crate) fn execute(&self, world: &World, page: u64) -> Outcome<()> {
        match self.check(page, |prot| prot.contains(Prot::EXEC)) {
            Outcome::Fine(page) => match world.load(page.content) {
                Outcome::Bus => Outcome::Bus,
                _ => Outcome::Fine(()),
            },
            Outcome::NotMapped => Outcome::NotMapped,
            Outcome::NotAllowed => Outcome::NotAllowed,
            Outcome::Bus => Outcome::Bus,
        }
    }

    pub(crate) fn store(&mut self, world: &mut World, page: u64, value: u8) -> Outcome<()> {
        let found = match self.check(page, |prot| prot.contains(Prot::WRITE)) {
            Outcome::Fine(found) => found,
            Outcome::NotMapped => return Outcome::NotMapped,
            Outcome::NotAllowed => return Outcome::NotAllowed,
            Outcome::Bus => return Outcome::Bus,
        };
        if world.load(found.content) == Outcome::Bus {
            return Outcome::Bus;
        }
        let content = match found.content {
            Content::Own(_) | Content::FilePrivate(_) => Content::Own(value),
            Content::File(index) => {
                world.file[index as usize] = value;
                found.content
            }
            Content::Memory(object, index) => {
                world.memory[object][index as usize] = value;
                found.content
            }
        };
        self.pages.insert(page, Page { content, ..found });
        Outcome::Fine(())
    }
}

impl World {
    fn load(&self, content: Content) -> Outcome<u8> {
        let byte = match content {
            Content::Own(byte) => Some(byte),
            Content::FilePrivate(index) | Content::File(index) => {
                self.file.get(index as usize).copied()
            }
            Content::Memory(object, index) => self.memory[object].get(index as usize).copied(),
        };
        byte.map_or(Outcome::Bus, Outcome::Fine)
    }
}

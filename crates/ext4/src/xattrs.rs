//! Extended attributes: in the inode behind its fields, and in one block
//! (Linux, Documentation/filesystems/ext4, "Extended Attributes").

use crate::bytes::{get_u16, get_u32, put_u16, put_u32};
use crate::checksums::Seal;
use crate::layout::{COMPAT_EXT_ATTR, SB_COMPAT};
use crate::raw_inode::{CTIME, RawInode, SMALL};
use crate::transaction::Core;
use alloc::vec::Vec;
use paddock_sync::try_copy;
use paddock_vfs::{Errno, Result, SetXattr};

const MAGIC: u32 = 0xea02_0000;
/// Bytes of an entry before its name.
const ENTRY: usize = 16;
/// Where entries begin in a block.
const BLOCK_ENTRIES: usize = 32;
/// Bytes of zeroes behind the last entry.
const END: usize = 4;

// Offsets in a block.
const BLOCK_USERS: usize = 4;
const BLOCK_COUNT: usize = 8;
const BLOCK_HASH: usize = 12;

/// The classes of names that programs see, by number.
const CLASSES: [(u8, &[u8]); 3] = [(1, b"user."), (4, b"trusted."), (6, b"security.")];

/// An attribute; those of classes that are not known here are kept.
struct Attribute {
    class: u8,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Attribute {
    fn entry_len(&self) -> usize {
        (ENTRY + self.name.len()).next_multiple_of(4)
    }

    fn needed(&self) -> usize {
        self.entry_len() + self.value.len().next_multiple_of(4)
    }

    fn is(&self, class: u8, name: &[u8]) -> bool {
        self.class == class && self.name == name
    }

    /// The hash by which other systems find equal attributes.
    fn hash(&self) -> u32 {
        let name = self
            .name
            .iter()
            .fold(0_u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        self.value.chunks(4).fold(name, |hash, chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// A name as a class and what follows. `EOPNOTSUPP`.
fn split(name: &[u8]) -> Result<(u8, &[u8])> {
    let class = |(class, prefix): &(u8, &[u8])| Some((*class, name.strip_prefix(*prefix)?));
    CLASSES.iter().find_map(class).ok_or(Errno::EOPNOTSUPP)
}

/// Adds the attributes of an area whose entries begin at `first`. `EUCLEAN`.
fn parse(area: &[u8], first: usize, out: &mut Vec<Attribute>) -> Result<()> {
    let mut at = first;
    while get_u32(area, at) != 0 {
        let name_len = usize::from(*area.get(at).ok_or(Errno::EUCLEAN)?);
        let class = *area.get(at + 1).ok_or(Errno::EUCLEAN)?;
        let name = area.get(at + ENTRY..at + ENTRY + name_len);
        let start = usize::from(get_u16(area, at + 2));
        let len = get_u32(area, at + 8) as usize;
        let value = start.checked_add(len).and_then(|end| area.get(start..end));
        if get_u32(area, at + 4) != 0 {
            return Err(Errno::EUCLEAN);
        }
        out.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        out.push(Attribute {
            class,
            name: try_copy(name.ok_or(Errno::EUCLEAN)?)?,
            value: try_copy(value.ok_or(Errno::EUCLEAN)?)?,
        });
        at += (ENTRY + name_len).next_multiple_of(4);
    }
    Ok(())
}

/// Writes attributes, which fit, into an area of zeroes: entries from `first`
/// on, values from the end on down. The hash of all, if they have any.
fn pack(area: &mut [u8], first: usize, list: &[&Attribute], hashed: bool) -> u32 {
    let (mut at, mut end, mut all) = (first, area.len(), 0_u32);
    for attribute in list {
        end -= attribute.value.len().next_multiple_of(4);
        let hash = if hashed { attribute.hash() } else { 0 };
        area[at] = attribute.name.len() as u8;
        area[at + 1] = attribute.class;
        if !attribute.value.is_empty() {
            put_u16(area, at + 2, end as u16);
        }
        put_u32(area, at + 8, attribute.value.len() as u32);
        put_u32(area, at + 12, hash);
        area[at + ENTRY..at + ENTRY + attribute.name.len()].copy_from_slice(&attribute.name);
        area[end..end + attribute.value.len()].copy_from_slice(&attribute.value);
        at += attribute.entry_len();
        all = all.rotate_left(16) ^ hash;
    }
    all
}

/// Writes a block of attributes, which fit.
fn write_block(data: &mut [u8], list: &[&Attribute]) {
    data.fill(0);
    let hash = pack(data, BLOCK_ENTRIES, list, true);
    put_u32(data, 0, MAGIC);
    put_u32(data, BLOCK_USERS, 1);
    put_u32(data, BLOCK_COUNT, 1);
    put_u32(data, BLOCK_HASH, hash);
}

/// Where attributes begin in an inode with room for them: behind the mark.
fn inline_start(slot: &[u8]) -> Option<usize> {
    let extra = usize::from(get_u16(slot, SMALL));
    let start = SMALL + extra + 4;
    (slot.len() > SMALL && extra > 0 && extra.is_multiple_of(4) && start + END <= slot.len())
        .then_some(start)
}

impl Core {
    /// All attributes of an inode. `EUCLEAN`.
    fn attributes(&mut self, raw: &RawInode) -> Result<Vec<Attribute>> {
        let mut list = Vec::new();
        let size = self.geometry.inode_size;
        let (block, at) = self.inode_place(raw.ino)?;
        let slot = &self.read(block)?[at..at + size];
        if let Some(start) = inline_start(slot)
            && get_u32(slot, start - 4) == MAGIC
        {
            parse(&slot[start..], 0, &mut list)?;
        }
        let block = raw.attribute_block();
        if block != 0 {
            let data = self.attribute_data(block)?;
            if get_u32(data, 0) != MAGIC {
                return Err(Errno::EUCLEAN);
            }
            parse(data, BLOCK_ENTRIES, &mut list)?;
        }
        Ok(list)
    }

    /// The value of an attribute. `ENODATA`, `EOPNOTSUPP`.
    pub fn get_xattr(&mut self, ino: u32, name: &[u8]) -> Result<Vec<u8>> {
        let (class, name) = split(name)?;
        let raw = self.inode(ino)?;
        let list = self.attributes(&raw)?;
        let mut found = list.into_iter().filter(|a| a.is(class, name));
        found.next().map(|a| a.value).ok_or(Errno::ENODATA)
    }

    /// The names that programs see, each with a zero byte behind it.
    pub fn list_xattrs(&mut self, ino: u32) -> Result<Vec<u8>> {
        let raw = self.inode(ino)?;
        let mut names = Vec::new();
        for attribute in self.attributes(&raw)? {
            let class = CLASSES.iter().find(|(class, _)| *class == attribute.class);
            let Some((_, prefix)) = class else { continue };
            let len = prefix.len() + attribute.name.len() + 1;
            names.try_reserve(len).map_err(|_| Errno::ENOMEM)?;
            names.extend_from_slice(prefix);
            names.extend_from_slice(&attribute.name);
            names.push(0);
        }
        Ok(names)
    }

    /// Sets an attribute, or takes it away: the body of an operation.
    /// `EEXIST`, `ENODATA`, `ENOSPC`, `EOPNOTSUPP`.
    pub fn set_xattr(
        &mut self,
        ino: u32,
        name: &[u8],
        value: Option<&[u8]>,
        mode: SetXattr,
    ) -> Result<()> {
        let (class, name) = split(name)?;
        let raw = self.inode(ino)?;
        let mut list = self.attributes(&raw)?;
        let place = list.iter().position(|a| a.is(class, name));
        mode.check(place.is_some())?;
        match (place, value) {
            (Some(place), None) => drop(list.remove(place)),
            (Some(place), Some(value)) => list[place].value = try_copy(value)?,
            (None, None) => return Err(Errno::ENODATA),
            (None, Some(value)) => {
                list.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                list.push(Attribute {
                    class,
                    name: try_copy(name)?,
                    value: try_copy(value)?,
                });
            }
        }
        self.store_attributes(ino, &list)
    }

    /// Writes all attributes of an inode anew: as many as fit into the inode,
    /// the others into its block.
    fn store_attributes(&mut self, ino: u32, list: &[Attribute]) -> Result<()> {
        let size = self.geometry.inode_size;
        let (block, at) = self.inode_place(ino)?;
        let slot = self.inode_bytes_mut(ino, block, at)?;
        let mut outside: Vec<&Attribute> = Vec::new();
        outside.try_reserve(list.len()).map_err(|_| Errno::ENOMEM)?;
        match inline_start(slot) {
            Some(start) => {
                let mut inside: Vec<&Attribute> = Vec::new();
                inside.try_reserve(list.len()).map_err(|_| Errno::ENOMEM)?;
                let mut left = size - start - END;
                for attribute in list {
                    match left.checked_sub(attribute.needed()) {
                        Some(less) => {
                            left = less;
                            inside.push(attribute);
                        }
                        None => outside.push(attribute),
                    }
                }
                slot[start - 4..].fill(0);
                if !inside.is_empty() {
                    put_u32(slot, start - 4, MAGIC);
                    pack(&mut slot[start..], 0, &inside, false);
                }
            }
            None => outside.extend(list),
        }
        outside.sort_by(|a, b| {
            let key = |a: &Attribute| (a.class, a.name.len());
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        let now = self.clock.now();
        self.change_inode(ino, |core, raw| {
            core.store_attribute_block(raw, &outside)?;
            raw.set_time(CTIME, now);
            Ok(())
        })?;
        self.note_attributes()
    }

    fn store_attribute_block(&mut self, raw: &mut RawInode, list: &[&Attribute]) -> Result<()> {
        let size = self.disk.block_size;
        let needed: usize = list.iter().map(|a| a.needed()).sum();
        if BLOCK_ENTRIES + END + needed > size {
            return Err(Errno::ENOSPC);
        }
        let old = raw.attribute_block();
        if old != 0 && !list.is_empty() && self.attribute_users(old)? == 1 {
            let data = self.modify(old, Seal::Attributes)?;
            write_block(data, list);
            return Ok(());
        }
        // One that other inodes have as well must not change.
        if old != 0 {
            self.drop_attributes(old)?;
            raw.set_attribute_block(0);
            raw.add_blocks(-1, size);
        }
        if list.is_empty() {
            return Ok(());
        }
        let (block, _) = self.allocate_blocks(self.data_goal(raw.ino), 1)?;
        raw.set_attribute_block(block);
        raw.add_blocks(1, size);
        write_block(self.fresh(block, Seal::Attributes)?, list);
        Ok(())
    }

    pub fn attribute_users(&mut self, block: u64) -> Result<u32> {
        Ok(get_u32(self.attribute_data(block)?, BLOCK_USERS))
    }

    /// A block of attributes. `EBADMSG`, `EUCLEAN`.
    fn attribute_data(&mut self, block: u64) -> Result<&[u8]> {
        self.geometry.locate_block(block)?;
        self.read_sealed(block, |_| Seal::Attributes)
    }

    /// The filesystem has attributes from now on.
    fn note_attributes(&mut self) -> Result<()> {
        let flags = get_u32(self.superblock()?, SB_COMPAT);
        if flags & COMPAT_EXT_ATTR == 0 {
            put_u32(self.superblock_mut()?, SB_COMPAT, flags | COMPAT_EXT_ATTR);
        }
        Ok(())
    }
}

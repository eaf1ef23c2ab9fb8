//! Files of all kinds, made, written, cut, renamed and taken away.

use super::super::*;
use super::{Check, Promises, Work};
use paddock_vfs::{Allocation, SetMetadata, SetXattr};
use std::collections::{BTreeMap, BTreeSet};

const DIRS: [&str; 3] = ["", "one", "two"];
const NAMES: usize = 8;
const ROUNDS: usize = 60;

/// A file by its directory and its name there.
type At = (usize, usize);

fn name(at: At) -> String {
    format!("file-{}-{}", at.1, "n".repeat(at.1 * 9))
}

/// A byte of what is written by write number `write`.
fn byte(write: u64, at: usize) -> u8 {
    let word = (write << 32 | at as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (word >> (8 * (at % 8))) as u8 | 1
}

#[derive(Clone, Default)]
struct Content {
    /// Which file it is, whatever its name.
    file: u64,
    bytes: Vec<u8>,
    /// The value of an attribute.
    value: Option<u8>,
}

type Tree = BTreeMap<At, Content>;

/// A sync: how much had been recorded then, and what there was.
struct Acknowledged {
    recorded: usize,
    tree: Tree,
    /// What was changed after it and before the next one.
    touched: BTreeSet<At>,
}

/// What the workload promises.
pub struct Files {
    acknowledged: Vec<Acknowledged>,
    /// Which files have ever been there.
    been: BTreeMap<At, BTreeSet<u64>>,
    /// All that was ever written to a file, under whatever name, which may reach the disk
    /// before the name does: number, offset, length.
    writes: BTreeMap<u64, Vec<(u64, usize, usize)>>,
}

struct Model<'a, 'w> {
    work: &'a mut Work,
    files: &'w mut Files,
    tree: Tree,
    count: u64,
}

/// Does it.
pub fn work(work: &mut Work) -> Files {
    let root = work.fs.root();
    for dir in &DIRS[1..] {
        root.create(dir.as_bytes(), &node(FileKind::Directory))
            .unwrap();
    }
    let mut files = Files {
        acknowledged: Vec::new(),
        been: BTreeMap::new(),
        writes: BTreeMap::new(),
    };
    let mut model = Model {
        work,
        files: &mut files,
        tree: Tree::new(),
        count: 0,
    };
    model.acknowledge(None);
    for _ in 0..ROUNDS {
        model.step();
    }
    files
}

fn dir(fs: &Ext4, at: At) -> Result<Arc<dyn Inode>> {
    match at.0 {
        0 => Ok(fs.root()),
        number => fs.root().lookup(DIRS[number].as_bytes()),
    }
}

impl Model<'_, '_> {
    fn place(&mut self) -> At {
        let random = &mut self.work.random;
        (random.below(DIRS.len()), random.below(NAMES))
    }

    fn touch(&mut self, at: At) {
        let last = self.files.acknowledged.last_mut().unwrap();
        last.touched.insert(at);
    }

    /// Syncs all, or a file, which comes to the same.
    fn acknowledge(&mut self, file: Option<&Arc<dyn Inode>>) {
        match file {
            Some(file) => file.sync().unwrap(),
            None => self.work.fs.sync().unwrap(),
        }
        self.files.acknowledged.push(Acknowledged {
            recorded: self.work.recorded(),
            tree: self.tree.clone(),
            touched: BTreeSet::new(),
        });
    }

    fn step(&mut self) {
        let at = self.place();
        self.touch(at);
        let parent = dir(&self.work.fs, at).unwrap();
        let name = name(at);
        let Ok(file) = parent.lookup(name.as_bytes()) else {
            let file = parent
                .create(name.as_bytes(), &node(FileKind::Regular))
                .unwrap();
            self.count += 1;
            let content = Content {
                file: self.count,
                ..Content::default()
            };
            self.insert(at, content);
            return self.write(at, &file);
        };
        match self.work.random.below(12) {
            0..=3 => self.write(at, &file),
            4 => self.resize(at, &file),
            5 => self.edit_space(at, &file),
            6 => self.set_value(at, &file),
            7 => {
                parent.unlink(name.as_bytes()).unwrap();
                self.tree.remove(&at);
            }
            8 | 9 => self.rename(at, &parent),
            10 => self.acknowledge(Some(&file)),
            _ => self.acknowledge(None),
        }
    }

    fn write(&mut self, at: At, file: &Arc<dyn Inode>) {
        self.count += 1;
        let random = &mut self.work.random;
        let (offset, len) = (random.below(60_000), 1 + random.below(20_000));
        let data: Vec<u8> = (offset..offset + len)
            .map(|at| byte(self.count, at))
            .collect();
        write_all(&**file, offset as u64, &data).unwrap();
        let content = self.tree.get_mut(&at).unwrap();
        let bytes = &mut content.bytes;
        bytes.resize(bytes.len().max(offset + len), 0);
        bytes[offset..offset + len].copy_from_slice(&data);
        let writes = self.files.writes.entry(content.file).or_default();
        writes.push((self.count, offset, len));
    }

    fn resize(&mut self, at: At, file: &Arc<dyn Inode>) {
        let size = self.work.random.below(70_000);
        let change = SetMetadata {
            size: Some(size as u64),
            ..SetMetadata::default()
        };
        file.set_metadata(&change).unwrap();
        self.tree.get_mut(&at).unwrap().bytes.resize(size, 0);
    }

    fn edit_space(&mut self, at: At, file: &Arc<dyn Inode>) {
        let random = &mut self.work.random;
        let (offset, len) = (random.below(60_000), 1 + random.below(20_000));
        let what = *random.one_of(&[
            Allocation::Punch,
            Allocation::Reserve { keep_size: true },
            Allocation::Zero { keep_size: true },
        ]);
        file.allocate(what, offset as u64, len as u64).unwrap();
        if !matches!(what, Allocation::Reserve { .. }) {
            let bytes = &mut self.tree.get_mut(&at).unwrap().bytes;
            let end = (offset + len).min(bytes.len());
            bytes[offset.min(end)..end].fill(0);
        }
    }

    fn set_value(&mut self, at: At, file: &Arc<dyn Inode>) {
        let value = self.work.random.next() as u8;
        let bytes = vec![value; 1 + usize::from(value) * 2];
        file.set_xattr(b"user.v", Some(&bytes), SetXattr::Any)
            .unwrap();
        self.tree.get_mut(&at).unwrap().value = Some(value);
    }

    fn rename(&mut self, at: At, parent: &Arc<dyn Inode>) {
        let to = self.place();
        self.touch(to);
        let target = dir(&self.work.fs, to).unwrap();
        parent
            .rename(name(at).as_bytes(), &target, name(to).as_bytes(), 0)
            .unwrap();
        let content = self.tree.remove(&at).unwrap();
        self.insert(to, content);
    }

    fn insert(&mut self, at: At, content: Content) {
        self.files.been.entry(at).or_default().insert(content.file);
        self.tree.insert(at, content);
    }
}

impl Files {
    fn check_file(&self, at: At, file: &Arc<dyn Inode>, must: Option<&Content>) -> Check {
        let found = read_all(&**file);
        let place = format!("{:?}", at);
        if let Some(must) = must {
            if found != must.bytes {
                let differs = found.iter().zip(&must.bytes).position(|(a, b)| a != b);
                let (len, wanted) = (found.len(), must.bytes.len());
                return Err(format!(
                    "{place}: {len} bytes for {wanted}, differ at {differs:?}"
                ));
            }
            let value = file.get_xattr(b"user.v").ok();
            let wanted = must
                .value
                .map(|value| vec![value; 1 + usize::from(value) * 2]);
            return match value == wanted {
                true => Ok(()),
                false => Err(format!("{place}: the attribute is another")),
            };
        }
        let been = self.been.get(&at).into_iter().flatten();
        let writes: Vec<_> = been
            .filter_map(|file| self.writes.get(file))
            .flatten()
            .collect();
        let is_own = |(index, &found): (usize, &u8)| {
            let wrote = |&&(write, offset, len): &&(u64, usize, usize)| {
                (offset..offset + len).contains(&index) && byte(write, index) == found
            };
            found == 0 || writes.iter().any(wrote)
        };
        match found.iter().enumerate().find(|&one| !is_own(one)) {
            None => Ok(()),
            Some((index, byte)) => Err(format!("{place}: {byte:#x} at {index} is nobody's")),
        }
    }
}

impl Promises for Files {
    fn check(&self, fs: &Ext4, done: usize) -> Check {
        let before = |ack: &&Acknowledged| ack.recorded <= done;
        let Some(last) = self.acknowledged.iter().rfind(before) else {
            return Ok(());
        };
        for at in (0..DIRS.len()).flat_map(|dir| (0..NAMES).map(move |name| (dir, name))) {
            let parent = dir(fs, at).map_err(|error| format!("directory {}: {error}", at.0))?;
            let file = parent.lookup(name(at).as_bytes());
            let is_touched = last.touched.contains(&at);
            match (file, last.tree.get(&at).filter(|_| !is_touched)) {
                (Ok(_), None) if !is_touched => return Err(format!("{at:?} should not be there")),
                (Ok(file), must) => self.check_file(at, &file, must)?,
                (Err(error), Some(_)) => return Err(format!("{at:?} is lost: {error}")),
                (Err(_), None) => {}
            }
        }
        Ok(())
    }
}

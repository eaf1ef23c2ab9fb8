//! A filesystem that is a program: files in memory, and some that do what none should.

use crate::cases::contracts::prelude::*;
use std::collections::BTreeMap;

/// Bytes before what is asked.
const HEAD: usize = 40;
/// Buffer for the largest question.
const ROOM: usize = (128 << 10) + 4096;
pub const ROOT: u64 = 1;

/// The numbers of the protocol that are used here.
pub mod op {
    pub const LOOKUP: u32 = 1;
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const SETATTR: u32 = 4;
    pub const READLINK: u32 = 5;
    pub const SYMLINK: u32 = 6;
    pub const MKNOD: u32 = 8;
    pub const MKDIR: u32 = 9;
    pub const UNLINK: u32 = 10;
    pub const RMDIR: u32 = 11;
    pub const RENAME: u32 = 12;
    pub const LINK: u32 = 13;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const WRITE: u32 = 16;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FSYNC: u32 = 20;
    pub const SETXATTR: u32 = 21;
    pub const GETXATTR: u32 = 22;
    pub const LISTXATTR: u32 = 23;
    pub const REMOVEXATTR: u32 = 24;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const OPENDIR: u32 = 27;
    pub const READDIR: u32 = 28;
    pub const RELEASEDIR: u32 = 29;
    pub const ACCESS: u32 = 34;
    pub const CREATE: u32 = 35;
    pub const INTERRUPT: u32 = 36;
    pub const BATCH_FORGET: u32 = 42;
    pub const FALLOCATE: u32 = 43;
    pub const RENAME2: u32 = 45;
    pub const LSEEK: u32 = 46;
    /// None of the protocol's: reads that are not answered.
    pub const HELD: u32 = 900;
}

/// A file.
#[derive(Clone, Default)]
struct Node {
    mode: u32,
    links: u32,
    data: Vec<u8>,
    entries: BTreeMap<String, u64>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

/// How the program behaves.
#[derive(Clone, Copy, Default)]
pub struct Manners {
    /// Seconds for which names and attributes hold.
    pub holds: u64,
    /// Its files' owner.
    pub owner: u32,
}

/// The program.
pub struct Server {
    fd: i32,
    nodes: BTreeMap<u64, Node>,
    next: u64,
    manners: Manners,
    /// How often each thing was asked.
    asked: BTreeMap<u32, u32>,
    /// What writing answers that make no sense came to.
    refused: Vec<String>,
    /// A read that is not answered before it is interrupted.
    held: Option<u64>,
}

/// What was asked.
struct Question<'a> {
    opcode: u32,
    unique: u64,
    node: u64,
    body: &'a [u8],
}

impl Question<'_> {
    fn u32(&self, at: usize) -> u32 {
        let bytes = self.body.get(at..at + 4).map(|it| it.try_into().ok());
        u32::from_le_bytes(bytes.flatten().unwrap_or_default())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    /// The names from an offset on.
    fn names(&self, at: usize) -> Vec<String> {
        let rest = self.body.get(at..).unwrap_or_default();
        let parts = rest.split(|byte| *byte == 0);
        parts
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}

type Answer = Result<Vec<u8>, i32>;

/// Numbers one after the other, as so many bytes each.
fn words(numbers: &[u64], halves: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    bytes.extend(halves.iter().flat_map(|it| it.to_le_bytes()));
    bytes
}

impl Server {
    fn new(fd: i32, manners: Manners) -> Server {
        let mut server = Server {
            fd,
            nodes: BTreeMap::new(),
            next: 2,
            manners,
            asked: BTreeMap::new(),
            refused: Vec::new(),
            held: None,
        };
        let root = Node {
            mode: S_IFDIR | 0o755,
            links: 2,
            ..Node::default()
        };
        server.nodes.insert(ROOT, root);
        server.add(ROOT, "f", S_IFREG | 0o644, b"some text");
        let directory = server.add(ROOT, "d", S_IFDIR | 0o755, b"");
        server.add(directory, "g", S_IFREG | 0o600, b"more");
        server.add(ROOT, "l", S_IFLNK | 0o777, b"d/g");
        for odd in ["hang", "deaf", "long", "says-more", "log", "tell"] {
            server.add(ROOT, odd, S_IFREG | 0o666, &[b'x'; 100]);
        }
        for odd in ["slash", "zero", "nameless", "cut"] {
            server.add(ROOT, odd, S_IFDIR | 0o755, b"");
        }
        server
    }

    fn add(&mut self, parent: u64, name: &str, mode: u32, data: &[u8]) -> u64 {
        let number = self.next;
        self.next += 1;
        let node = Node {
            mode,
            links: 1 + u32::from(mode & S_IFMT == S_IFDIR),
            data: data.to_vec(),
            ..Node::default()
        };
        self.nodes.insert(number, node);
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.entries.insert(name.to_owned(), number);
        }
        number
    }

    /// Answers until there is nothing to answer any more; the error that said so.
    fn run(&mut self) -> i32 {
        let mut room = vec![0; ROOM];
        loop {
            let count = match sys::read(self.fd, &mut room) {
                Ok(count) => count,
                Err(Errno(EINTR | ENOENT)) => continue,
                Err(Errno(error)) => return error,
            };
            let bytes = room[..count].to_vec();
            let header = Question {
                opcode: 0,
                unique: 0,
                node: 0,
                body: &bytes[..HEAD],
            };
            let question = Question {
                opcode: header.u32(4),
                unique: header.u64(8),
                node: header.u64(16),
                body: &bytes[HEAD..],
            };
            self.take(&question);
        }
    }

    fn take(&mut self, question: &Question<'_>) {
        *self.asked.entry(question.opcode).or_default() += 1;
        match question.opcode {
            op::FORGET | op::BATCH_FORGET => {}
            op::INTERRUPT if self.held == Some(question.u64(0)) => {
                self.held = None;
                let _ = self.send(question.u64(0), -EINTR, &[]);
            }
            op::INTERRUPT => {}
            op::READ if self.is(question.node, "deaf") => {
                *self.asked.entry(op::HELD).or_default() += 1;
            }
            op::READ if self.is(question.node, "hang") => {
                *self.asked.entry(op::HELD).or_default() += 1;
                self.held = Some(question.unique);
            }
            op::LOOKUP if self.is_odd(question) => {}
            _ => {
                let sent = match self.answer(question) {
                    Ok(bytes) => self.send(question.unique, 0, &bytes),
                    Err(error) => self.send(question.unique, -error, &[]),
                };
                if let Err(Errno(error)) = sent {
                    self.refused.push(format!("{}:{error}", question.opcode));
                }
            }
        }
    }

    fn send(&self, unique: u64, error: i32, bytes: &[u8]) -> Result<usize, Errno> {
        let length = (16 + bytes.len()) as u32;
        self.send_as(length, unique, error, bytes)
    }

    fn send_as(&self, length: u32, unique: u64, error: i32, bytes: &[u8]) -> Result<usize, Errno> {
        let mut all = words(&[], &[length, error as u32]);
        all.extend(unique.to_le_bytes());
        all.extend(bytes);
        sys::write(self.fd, &all)
    }

    /// Names whose answers make no sense: each notes what sending them came to, and ends
    /// the question if that has not.
    fn is_odd(&mut self, question: &Question<'_>) -> bool {
        let name = question.names(0).swap_remove(0);
        let unique = question.unique;
        let mut entry = self.entry(2);
        let sent = match name.as_str() {
            "short" => self.send(unique, 0, &entry[..60]),
            "too-long" => {
                entry.push(0);
                self.send(unique, 0, &entry)
            }
            "wrong-length" => self.send_as(17, unique, 0, &entry),
            "large-error" => self.send(unique, -600, &[]),
            "positive" => self.send(unique, 2, &[]),
            "error-and-more" => self.send(unique, -ENOENT, &entry),
            "unknown" => self.send(unique + 1000, 0, &entry),
            "twice" => {
                let _ = self.send(unique, -ENOENT, &[]);
                self.send(unique, -ENOENT, &[])
            }
            "no-kind" => {
                entry[40 + 60..40 + 64].fill(0);
                self.send(unique, 0, &entry)
            }
            "endless" => {
                entry[40 + 8..40 + 16].fill(0xff);
                self.send(unique, 0, &entry)
            }
            "the-root" => {
                let root = self.entry(ROOT);
                self.send(unique, 0, &root)
            }
            "nowhere" => self.send(unique, 0, &[0; 128]),
            _ => return false,
        };
        let came_to = sent.map_or_else(|error| error.0, |_| 0);
        self.refused.push(format!("{name}:{came_to}"));
        // Whoever waits still gets this one.
        let _ = self.send(unique, -EXDEV, &[]);
        true
    }

    fn is(&self, node: u64, name: &str) -> bool {
        self.nodes[&ROOT].entries.get(name) == Some(&node)
    }

    fn attr(&self, number: u64) -> Vec<u8> {
        let none = Node::default();
        let node = self.nodes.get(&number).unwrap_or(&none);
        let size = node.data.len() as u64;
        let times = [1_000_000_000, 1_100_000_000, 1_200_000_000];
        let mut numbers = vec![number, size, size.div_ceil(512)];
        numbers.extend(times);
        let owner = self.manners.owner;
        words(
            &numbers,
            &[1, 2, 3, node.mode, node.links, owner, owner, 0, 512, 0],
        )
    }

    fn attr_out(&self, number: u64) -> Vec<u8> {
        let mut bytes = words(&[self.manners.holds, 0], &[]);
        bytes.extend(self.attr(number));
        bytes
    }

    fn entry(&self, number: u64) -> Vec<u8> {
        let holds = self.manners.holds;
        let mut bytes = words(&[number, 0, holds, holds], &[0, 0]);
        bytes.extend(self.attr(number));
        bytes
    }

    fn child(&self, parent: u64, name: &str) -> Result<u64, i32> {
        let parent = self.nodes.get(&parent).ok_or(ENOENT)?;
        parent.entries.get(name).copied().ok_or(ENOENT)
    }

    fn node(&mut self, number: u64) -> Result<&mut Node, i32> {
        self.nodes.get_mut(&number).ok_or(ESTALE)
    }

    fn answer(&mut self, question: &Question<'_>) -> Answer {
        let (node, q) = (question.node, question);
        let name = |at| q.names(at).swap_remove(0);
        match question.opcode {
            op::INIT => {
                let flags = q.u32(12) & (1 << 5);
                let mut answer = words(&[], &[7, 31, 0, flags, 0, 65536]);
                answer.resize(64, 0);
                Ok(answer)
            }
            op::LOOKUP => {
                let name = name(0);
                if let Some(error) = name.strip_prefix("error-") {
                    return Err(error.parse().unwrap_or(EIO));
                }
                let found = self.child(node, &name)?;
                Ok(self.entry(found))
            }
            op::GETATTR => self.node(node).map(drop).map(|()| self.attr_out(node)),
            op::SETATTR => self.set(q),
            op::READLINK => self.node(node).map(|it| it.data.clone()),
            op::SYMLINK => {
                let names = q.names(0);
                self.made(node, &names[0], S_IFLNK | 0o777, names[1].as_bytes())
            }
            op::MKNOD => self.made(node, &name(16), q.u32(0), b""),
            op::MKDIR => self.made(node, &name(8), q.u32(0) | S_IFDIR, b""),
            op::CREATE => {
                let mut answer = self.made(node, &name(16), q.u32(4), b"")?;
                answer.extend(words(&[77], &[0, 0]));
                Ok(answer)
            }
            op::UNLINK | op::RMDIR => self.remove(node, &name(0)),
            op::RENAME => self.rename(q, 8, 0),
            op::RENAME2 => self.rename(q, 16, q.u32(8)),
            op::LINK => {
                let old = q.u64(0);
                self.node(old)?.links += 1;
                self.node(node)?.entries.insert(name(8), old);
                Ok(self.entry(old))
            }
            // Nothing of odd files is kept: each reading asks.
            op::OPEN => {
                let odd = ["hang", "deaf", "long", "says-more", "log", "tell"];
                let is_odd = odd.iter().any(|name| self.is(node, name));
                Ok(words(&[77], &[u32::from(is_odd), 0]))
            }
            op::OPENDIR => Ok(words(&[77], &[0, 0])),
            op::READ => self.read(q),
            op::WRITE => self.write(q),
            op::READDIR => self.list(q),
            op::STATFS => {
                let mut answer = words(&[1000, 600, 500, 40, 30], &[4096, 200, 1024]);
                answer.resize(80, 0);
                Ok(answer)
            }
            op::RELEASE | op::RELEASEDIR | op::FSYNC => Ok(Vec::new()),
            op::FLUSH if self.is(node, "f") => Err(EDQUOT),
            op::FLUSH => Ok(Vec::new()),
            op::ACCESS if q.u32(0) & 1 != 0 => Err(EACCES),
            op::ACCESS => Ok(Vec::new()),
            op::SETXATTR | op::GETXATTR | op::LISTXATTR | op::REMOVEXATTR => self.attributes(q),
            op::FALLOCATE => {
                let end = q.u64(8) + q.u64(16);
                let data = &mut self.node(node)?.data;
                data.resize(data.len().max(end as usize), 0);
                Ok(Vec::new())
            }
            op::LSEEK => Ok(words(&[q.u64(8) + 3], &[])),
            _ => Err(ENOSYS),
        }
    }

    /// What is asked about extended attributes.
    fn attributes(&mut self, q: &Question<'_>) -> Answer {
        let name = |at| q.names(at).swap_remove(0);
        let node = self.node(q.node)?;
        match q.opcode {
            op::SETXATTR => {
                let name = name(8);
                let value = q.body[8 + name.len() + 1..].to_vec();
                node.xattrs.insert(name, value);
                Ok(Vec::new())
            }
            op::GETXATTR => {
                let value = node.xattrs.get(&name(8)).cloned();
                sized(value.ok_or(ENODATA)?, q.u32(0))
            }
            op::LISTXATTR => {
                let names = node.xattrs.keys();
                let all: Vec<u8> = names
                    .flat_map(|name| [name.as_bytes(), b"\0"].concat())
                    .collect();
                sized(all, q.u32(0))
            }
            op::REMOVEXATTR => {
                let removed = node.xattrs.remove(&name(0));
                removed.map(|_| Vec::new()).ok_or(ENODATA)
            }
            _ => Err(ENOSYS),
        }
    }

    fn made(&mut self, parent: u64, name: &str, mode: u32, data: &[u8]) -> Answer {
        if self.child(parent, name).is_ok() {
            return Err(EEXIST);
        }
        let number = self.add(parent, name, mode, data);
        Ok(self.entry(number))
    }

    fn remove(&mut self, parent: u64, name: &str) -> Answer {
        let number = self.child(parent, name)?;
        if !self.node(number)?.entries.is_empty() {
            return Err(ENOTEMPTY);
        }
        self.node(number)?.links -= 1;
        self.node(parent)?.entries.remove(name);
        Ok(Vec::new())
    }

    fn rename(&mut self, q: &Question<'_>, at: usize, flags: u32) -> Answer {
        let (names, to) = (q.names(at), q.u64(0));
        let moved = self.child(q.node, &names[0])?;
        match self.child(to, &names[1]) {
            Ok(_) if flags & RENAME_NOREPLACE as u32 != 0 => return Err(EEXIST),
            Ok(other) if flags & RENAME_EXCHANGE as u32 != 0 => {
                self.node(q.node)?.entries.insert(names[0].clone(), other);
            }
            _ => drop(self.node(q.node)?.entries.remove(&names[0])),
        }
        self.node(to)?.entries.insert(names[1].clone(), moved);
        Ok(Vec::new())
    }

    fn set(&mut self, q: &Question<'_>) -> Answer {
        let valid = q.u32(0);
        let node = self.node(q.node)?;
        if valid & 8 != 0 {
            node.data.resize(q.u64(16) as usize, 0);
        }
        if valid & 1 != 0 {
            node.mode = q.u32(68);
        }
        Ok(self.attr_out(q.node))
    }

    fn read(&mut self, q: &Question<'_>) -> Answer {
        let (offset, size) = (q.u64(8) as usize, q.u32(16) as usize);
        if self.is(q.node, "long") {
            return Ok(vec![b'y'; size + 1]);
        }
        if self.is(q.node, "log") && offset == 0 {
            let said = self.said();
            self.node(q.node)?.data = said;
        }
        let data = &self.node(q.node)?.data;
        let from = offset.min(data.len());
        Ok(data[from..(from + size).min(data.len())].to_vec())
    }

    /// What was asked how often, and what came of answers that make no sense.
    fn said(&self) -> Vec<u8> {
        let asked = self
            .asked
            .iter()
            .map(|(opcode, times)| format!("{opcode}={times}"));
        let all: Vec<String> = asked.chain(self.refused.iter().cloned()).collect();
        let mut text = all.join(" ").into_bytes();
        text.resize(4000, b' ');
        text
    }

    fn write(&mut self, q: &Question<'_>) -> Answer {
        let (offset, size) = (q.u64(8) as usize, q.u32(16) as usize);
        if self.is(q.node, "says-more") {
            return Ok(words(&[], &[size as u32 + 1, 0]));
        }
        let bytes = q.body.get(40..40 + size).ok_or(EIO)?.to_vec();
        if self.is(q.node, "tell") {
            self.tell(&String::from_utf8_lossy(&bytes));
        }
        let data = &mut self.node(q.node)?.data;
        data.resize(data.len().max(offset + size), 0);
        data[offset..offset + size].copy_from_slice(&bytes);
        Ok(words(&[], &[size as u32, 0]))
    }

    /// Changes a file behind the kernel's back, and tells it or not.
    fn tell(&mut self, what: &str) {
        let f = self.nodes[&ROOT].entries.get("f").copied().unwrap_or(0);
        if let Some(node) = self.nodes.get_mut(&f) {
            node.data = b"quite another text".to_vec();
        }
        let sent = match what {
            "inode" => self.send(0, 2, &words(&[f, 0, 0], &[])),
            "name" => {
                let root = self.nodes.get_mut(&ROOT);
                root.map(|root| root.entries.remove("f"));
                let mut notice = words(&[ROOT], &[1, 0]);
                notice.extend(b"f\0");
                self.send(0, 3, &notice)
            }
            "unknown" => self.send(0, 2, &words(&[9999, 0, 0], &[])),
            "short" => self.send(0, 2, &[0; 3]),
            "unknown-kind" => self.send(0, 77, &[0; 24]),
            _ => return,
        };
        let came_to = sent.map_or_else(|error| error.0, |_| 0);
        self.refused.push(format!("{what}:{came_to}"));
    }

    fn list(&mut self, q: &Question<'_>) -> Answer {
        let (offset, size) = (q.u64(8), q.u32(16) as usize);
        let odd: &[&[u8]] = match () {
            () if self.is(q.node, "slash") => &[b"good", b"a/b"],
            () if self.is(q.node, "zero") => &[b"good", b"a\0b"],
            () if self.is(q.node, "nameless") => &[b""],
            () if self.is(q.node, "cut") => &[b"good"],
            () => &[],
        };
        let own = self.node(q.node)?.entries.clone();
        let mut all: Vec<(u64, Vec<u8>, u32)> =
            odd.iter().map(|name| (50, name.to_vec(), 0)).collect();
        for (name, number) in own {
            let kind = self.node(number)?.mode >> 12;
            all.push((number, name.into_bytes(), kind));
        }
        let mut bytes = Vec::new();
        for (place, (number, name, kind)) in (1..).zip(all).skip(offset as usize) {
            let mut entry = words(&[number, place], &[name.len() as u32, kind]);
            entry.extend(name);
            entry.resize(entry.len().next_multiple_of(8), 0);
            if bytes.len() + entry.len() > size {
                break;
            }
            bytes.extend(entry);
        }
        if self.is(q.node, "cut") && !bytes.is_empty() {
            bytes.extend(words(&[1, 9], &[200, 0]));
        }
        Ok(bytes)
    }
}

/// A value, or how long it is for who asks with no room.
fn sized(value: Vec<u8>, room: u32) -> Answer {
    match room as usize {
        0 => Ok(words(&[], &[value.len() as u32, 0])),
        room if value.len() <= room => Ok(value),
        _ => Err(ERANGE),
    }
}

/// Has a child answer at a descriptor; the child, which ends with the error that said that
/// there was nothing more.
pub fn serve(fd: i32, manners: Manners) -> Result<i32, Errno> {
    let child = sys::fork(|| Server::new(fd, manners).run())?;
    sys::close(fd)?;
    Ok(child)
}

//! One disk, changed in turns by Paddock and by e2fsprogs' debugfs. After each turn both
//! must find on it what a model of a few lines says is there, and e2fsck nothing.

use super::overlay::{Random, for_seeds, number};
use super::*;
use paddock_vfs::{Allocation, SetMetadata};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
}

/// What is there: by path, without the first slash.
type Model = BTreeMap<String, Node>;

#[derive(Clone, Debug)]
enum Change {
    Mkdir(String),
    Put(String, Vec<u8>),
    Symlink(String, Vec<u8>),
    Unlink(String),
    Rmdir(String),
    /// Blocks of a file, the last one included, that become zeroes.
    Punch(String, usize, usize),
    /// Paddock's alone: debugfs cannot.
    Rename(String, String),
    Write(String, usize, Vec<u8>),
    Resize(String, usize),
}

const BLOCK: usize = 1024;

fn paths(model: &Model, wanted: impl Fn(&Node) -> bool) -> Vec<String> {
    let found = model.iter().filter(|(_, node)| wanted(node));
    found.map(|(path, _)| path.clone()).collect()
}

fn is_directory(node: &Node) -> bool {
    matches!(node, Node::Directory)
}

fn is_file(node: &Node) -> bool {
    matches!(node, Node::File(_))
}

/// A path where nothing is, in a directory that is there.
fn new_path(model: &Model, random: &mut Random) -> Option<String> {
    let directories = paths(model, is_directory);
    let parent = match random.below(3) {
        0 => None,
        _ => random.pick(&directories),
    };
    let number = random.below(1_000);
    let name = format!("n{number}-{}", "x".repeat(number % 60));
    let path = parent.map_or(name.clone(), |parent| format!("{parent}/{name}"));
    (!model.contains_key(&path)).then_some(path)
}

/// The next change, which succeeds. `None` if the numbers do not give one.
fn choose(model: &Model, random: &mut Random, by_paddock: bool) -> Option<Change> {
    let files = paths(model, is_file);
    let data = |random: &mut Random| pattern(random.next(), random.below(30_000));
    Some(match random.below(if by_paddock { 13 } else { 9 }) {
        0 => Change::Mkdir(new_path(model, random)?),
        1..=3 => Change::Put(new_path(model, random)?, data(random)),
        4 => {
            let target = vec![b't'; 1 + random.below(300)];
            Change::Symlink(new_path(model, random)?, target)
        }
        5 => Change::Unlink(random.pick(&paths(model, |n| !is_directory(n)))?.clone()),
        6 => {
            let is_empty = |path: &&String| {
                let inside = format!("{path}/");
                !model.keys().any(|other| other.starts_with(&inside))
            };
            let directories = paths(model, is_directory);
            let empty: Vec<_> = directories.iter().filter(is_empty).cloned().collect();
            Change::Rmdir(random.pick(&empty)?.clone())
        }
        7 | 8 => {
            let first = random.below(20);
            let last = first + random.below(8);
            Change::Punch(random.pick(&files)?.clone(), first, last)
        }
        9 => {
            let others = paths(model, |node| !is_directory(node));
            Change::Rename(random.pick(&others)?.clone(), new_path(model, random)?)
        }
        10 | 11 => {
            let at = random.below(40_000);
            Change::Write(random.pick(&files)?.clone(), at, data(random))
        }
        _ => Change::Resize(random.pick(&files)?.clone(), random.below(50_000)),
    })
}

fn file<'a>(model: &'a mut Model, path: &str) -> &'a mut Vec<u8> {
    match model.get_mut(path) {
        Some(Node::File(data)) => data,
        other => panic!("{path} is {other:?}"),
    }
}

/// What the change means.
fn apply(model: &mut Model, change: &Change) {
    match change.clone() {
        Change::Mkdir(path) => drop(model.insert(path, Node::Directory)),
        Change::Put(path, data) => drop(model.insert(path, Node::File(data))),
        Change::Symlink(path, target) => drop(model.insert(path, Node::Symlink(target))),
        Change::Unlink(path) | Change::Rmdir(path) => drop(model.remove(&path)),
        Change::Punch(path, first, last) => {
            let data = file(model, &path);
            let end = data.len();
            let range = first * BLOCK..(last + 1) * BLOCK;
            data[range.start.min(end)..range.end.min(end)].fill(0);
        }
        Change::Rename(from, to) => {
            let node = model.remove(&from).unwrap();
            model.insert(to, node);
        }
        Change::Write(path, at, new) => {
            let data = file(model, &path);
            let end = at + new.len();
            if !new.is_empty() {
                data.resize(data.len().max(end), 0);
                data[at..end].copy_from_slice(&new);
            }
        }
        Change::Resize(path, size) => file(model, &path).resize(size, 0),
    }
}

/// The directory that has a path's last name, and that name.
fn place<'a>(root: &Arc<dyn Inode>, path: &'a str) -> (Arc<dyn Inode>, &'a [u8]) {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parents = parent.split('/').filter(|name| !name.is_empty());
    let parent = parents.fold(root.clone(), |dir, name| {
        dir.lookup(name.as_bytes()).unwrap()
    });
    (parent, name.as_bytes())
}

fn change_here(root: &Arc<dyn Inode>, change: &Change) -> Result<()> {
    let lookup = |path: &str| {
        let (dir, name) = place(root, path);
        dir.lookup(name)
    };
    match change {
        Change::Mkdir(path) => {
            let (dir, name) = place(root, path);
            dir.create(name, &node(FileKind::Directory)).map(drop)
        }
        Change::Put(path, data) => {
            let (dir, name) = place(root, path);
            write_all(&*dir.create(name, &node(FileKind::Regular))?, 0, data)
        }
        Change::Symlink(path, target) => {
            let (dir, name) = place(root, path);
            dir.symlink(name, target, &node(FileKind::Symlink))
                .map(drop)
        }
        Change::Unlink(path) => {
            let (dir, name) = place(root, path);
            dir.unlink(name)
        }
        Change::Rmdir(path) => {
            let (dir, name) = place(root, path);
            dir.rmdir(name)
        }
        Change::Punch(path, first, last) => {
            let (start, len) = (first * BLOCK, (last + 1 - first) * BLOCK);
            lookup(path)?.allocate(Allocation::Punch, start as u64, len as u64)
        }
        Change::Rename(from, to) => {
            let ((old, old_name), (new, new_name)) = (place(root, from), place(root, to));
            old.rename(old_name, &new, new_name, 0)
        }
        Change::Write(path, at, data) => write_all(&*lookup(path)?, *at as u64, data),
        Change::Resize(path, size) => lookup(path)?.set_metadata(&SetMetadata {
            size: Some(*size as u64),
            ..SetMetadata::default()
        }),
    }
}

/// A change in debugfs' words; what it writes is put into a file of `folder`.
fn command(change: &Change, folder: &Path) -> String {
    match change {
        Change::Mkdir(path) => format!("mkdir /{path}"),
        Change::Put(path, data) => {
            let from = folder.join(path.replace('/', "+"));
            fs::write(&from, data).unwrap();
            format!("write {} /{path}", from.display())
        }
        Change::Symlink(path, target) => {
            format!("symlink /{path} {}", String::from_utf8_lossy(target))
        }
        Change::Unlink(path) => format!("rm /{path}"),
        Change::Rmdir(path) => format!("rmdir /{path}"),
        Change::Punch(path, first, last) => format!("punch /{path} {first} {last}"),
        other => panic!("debugfs cannot do {other:?}"),
    }
}

/// Has debugfs carry out commands on an image, which may say nothing but what they are.
fn run_debugfs(image: &Path, commands: &str, folder: &Path) {
    let script = folder.join("commands");
    fs::write(&script, commands).unwrap();
    let output = tool("debugfs")
        .args(["-w", "-f"])
        .arg(&script)
        .arg(image)
        .output()
        .expect("debugfs (package e2fsprogs) runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<_> = said.lines().skip(1).collect();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints:?} of {commands}"
    );
}

/// What Paddock finds.
fn read_here(dir: &dyn Inode, path: &str, found: &mut Model) {
    for name in names(dir).iter().filter(|name| *name != "lost+found") {
        let inode = dir.lookup(name.as_bytes()).unwrap();
        let path = format!("{path}{name}");
        let node = match inode.kind() {
            FileKind::Directory => {
                read_here(&*inode, &format!("{path}/"), found);
                Node::Directory
            }
            FileKind::Symlink => Node::Symlink(inode.readlink().unwrap()),
            _ => Node::File(read_all(&*inode)),
        };
        found.insert(path, node);
    }
}

/// What debugfs finds, which it has copied to a folder.
fn read_copy(folder: &Path, path: &str, found: &mut Model) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name == "lost+found" {
            continue;
        }
        let (at, path) = (entry.path(), format!("{path}{name}"));
        let kind = entry.file_type().unwrap();
        let node = if kind.is_dir() {
            read_copy(&at, &format!("{path}/"), found);
            Node::Directory
        } else if kind.is_symlink() {
            Node::Symlink(
                fs::read_link(&at)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
            )
        } else {
            Node::File(fs::read(&at).unwrap())
        };
        found.insert(path, node);
    }
}

/// Fails unless both find what the model says.
fn compare(model: &Model, image: &[u8], when: &str) {
    let differ = |found: &Model, who: &str| {
        let mut text = String::new();
        for path in model.keys().chain(found.keys()) {
            if model.get(path) != found.get(path) {
                writeln!(text, "{path}").unwrap();
            }
        }
        assert!(
            text.is_empty(),
            "{when}: {who} finds something else at\n{text}"
        );
    };
    let fs = mount(&Arc::new(MemDisk::new(image.to_vec())));
    let mut here = Model::new();
    read_here(&*fs.root(), "", &mut here);
    differ(&here, "Paddock");
    let dir = TempDir::new();
    let (path, copy) = (dir.0.join("image"), dir.0.join("copy"));
    fs::write(&path, image).unwrap();
    fs::create_dir(&copy).unwrap();
    run_debugfs(&path, &format!("rdump / {}\n", copy.display()), &dir.0);
    let mut there = Model::new();
    read_copy(&copy, "", &mut there);
    differ(&there, "debugfs");
    check_clean(image, when);
}

/// One turn of Paddock's: the disk afterwards.
fn paddocks_turn(image: Vec<u8>, model: &mut Model, random: &mut Random) -> Vec<u8> {
    let disk = Arc::new(MemDisk::new(image));
    let fs = mount(&disk);
    for _ in 0..1 + random.below(12) {
        if let Some(change) = choose(model, random, true) {
            let done = change_here(&fs.root(), &change);
            assert_eq!(done, Ok(()), "{change:?}");
            apply(model, &change);
        }
    }
    fs.unmount().unwrap();
    disk.image()
}

/// One turn of debugfs'.
fn debugfs_turn(image: &[u8], model: &mut Model, random: &mut Random) -> Vec<u8> {
    let dir = TempDir::new();
    let path = dir.0.join("image");
    fs::write(&path, image).unwrap();
    let mut commands = String::new();
    for _ in 0..1 + random.below(12) {
        if let Some(change) = choose(model, random, false) {
            writeln!(commands, "{}", command(&change, &dir.0)).unwrap();
            apply(model, &change);
        }
    }
    run_debugfs(&path, &commands, &dir.0);
    fs::read(&path).unwrap()
}

fn take_turns(features: &str, seed: u64, turns: u32) {
    let mut random = Random::new(seed);
    let mut model = Model::new();
    let mut image = make_image_with(features, BLOCK as u32, 16 << 10, None);
    for turn in 0..turns {
        let (who, after) = match turn % 2 {
            0 => ("Paddock", paddocks_turn(image, &mut model, &mut random)),
            _ => ("debugfs", debugfs_turn(&image, &mut model, &mut random)),
        };
        image = after;
        compare(
            &model,
            &image,
            &format!("seed {seed}, after turn {turn}, by {who}"),
        );
    }
    assert!(model.len() > 5, "seed {seed} leaves {} paths", model.len());
}

#[test]
fn debugfs_and_paddock_find_what_the_other_has_changed() {
    let (first, count) = (number("EXT4_TURNS_FIRST", 1), number("EXT4_TURNS", 6));
    for_seeds("disks changed in turns", first, count, |seed| {
        let features = [DEBIAN_12, DEBIAN_13, FEW][seed as usize % 3];
        take_turns(features, seed, 14);
    });
}

#[test]
fn another_byte_than_the_models_is_found() {
    let mut model = Model::new();
    let change = Change::Put(String::from("file"), vec![1, 2, 3]);
    apply(&mut model, &change);
    let disk = Arc::new(MemDisk::new(make_image(4096, 12 << 10, None)));
    let fs = mount(&disk);
    change_here(&fs.root(), &change).unwrap();
    fs.unmount().unwrap();
    compare(&model, &disk.image(), "as written");
    file(&mut model, "file")[1] = 0;
    let told = std::panic::catch_unwind(|| compare(&model, &disk.image(), "changed"));
    assert!(told.is_err());
}

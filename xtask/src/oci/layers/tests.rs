use super::*;
use crate::disk::Attributes;
use std::sync::atomic::{AtomicU32, Ordering};
use tar::{Builder, Header};

/// An image in a folder of this host, which goes with it.
struct Sample {
    folder: PathBuf,
    tree: Tree,
}

/// An entry of a layer: its kind, path, and its content or where it leads.
type Made<'a> = (EntryType, &'a str, &'a str);

const DIR: EntryType = EntryType::Directory;
const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;
const SAME: EntryType = EntryType::Link;

impl Sample {
    fn new() -> Sample {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("oci-layers-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let tree = Tree::new(&folder.join("root")).unwrap();
        Sample { folder, tree }
    }

    fn apply(&mut self, entries: &[Made<'_>]) -> Result<()> {
        let path = self.folder.join("layer");
        let mut layer = Builder::new(File::create(&path).unwrap());
        for (kind, name, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o640);
            header.set_uid(1234);
            header.set_gid(5);
            // As it is: the library would refuse paths that leave the archive.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            let data = match kind {
                EntryType::Symlink | EntryType::Link => {
                    let link = &mut header.as_old_mut().linkname;
                    link[..content.len()].copy_from_slice(content.as_bytes());
                    ""
                }
                _ => content,
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            layer.append(&header, data.as_bytes()).unwrap();
        }
        layer.finish().unwrap();
        self.tree.apply(&path)
    }

    fn text(&self, path: &str) -> Option<String> {
        self.tree.text(path).unwrap()
    }

    /// What is in a folder, in order.
    fn names(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("root").join(dir)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn later_layers_add_replace_and_take_away() {
    let mut sample = Sample::new();
    let first = [
        (DIR, "etc/", ""),
        (FILE, "etc/a", "a"),
        (FILE, "./etc/b", "b"),
        (FILE, "opt/x/deep", "x"),
        (FILE, "srv/old", "old"),
    ];
    sample.apply(&first).unwrap();
    let second = [
        (FILE, "etc/b", "new"),
        (FILE, "etc/.wh.a", ""),
        (FILE, "srv/new", "new"),
        // It is of earlier layers alone, though it stands last.
        (FILE, "srv/.wh..wh..opq", ""),
        (FILE, "opt/.wh.x", ""),
        (FILE, "opt/.wh.never", ""),
    ];
    sample.apply(&second).unwrap();
    assert_eq!(sample.names("etc"), ["b"]);
    assert_eq!(sample.text("etc/b").as_deref(), Some("new"));
    assert_eq!(sample.names("srv"), ["new"]);
    assert!(sample.names("opt").is_empty());
    let known: Vec<_> = sample.tree.attributes.keys().collect();
    assert_eq!(known, ["etc", "etc/b", "srv/new"].map(Path::new).each_ref());
    let wanted = Attributes {
        mode: 0o640,
        uid: 1234,
        gid: 5,
    };
    assert_eq!(sample.tree.attributes[Path::new("etc/b")], wanted);
}

#[test]
fn files_and_folders_take_each_others_places() {
    let mut sample = Sample::new();
    sample
        .apply(&[(FILE, "a", "file"), (FILE, "b/c", "c")])
        .unwrap();
    sample
        .apply(&[(DIR, "a", ""), (FILE, "a/d", "d"), (FILE, "b", "file")])
        .unwrap();
    assert_eq!(sample.text("a/d").as_deref(), Some("d"));
    assert_eq!(sample.text("b").as_deref(), Some("file"));
    // A folder that is there keeps what is in it.
    sample.apply(&[(DIR, "a", "")]).unwrap();
    assert_eq!(sample.names("a"), ["d"]);
}

#[test]
fn links_lead_where_they_do_on_the_machine() {
    let mut sample = Sample::new();
    let first = [
        (FILE, "usr/bin/sh", "sh"),
        (LINK, "bin", "/usr/bin"),
        (LINK, "up", "../../../usr"),
        (LINK, "etc/sh", "/bin/sh"),
    ];
    sample.apply(&first).unwrap();
    let second = [
        (FILE, "bin/ls", "ls"),
        (FILE, "up/bin/cp", "cp"),
        (SAME, "bin/mv", "bin/cp"),
    ];
    sample.apply(&second).unwrap();
    assert_eq!(sample.names("usr/bin"), ["cp", "ls", "mv", "sh"]);
    assert_eq!(sample.text("bin/mv").as_deref(), Some("cp"));
    assert_eq!(sample.text("/etc/sh").as_deref(), Some("sh"));
    assert!(sample.tree.attributes.contains_key(Path::new("usr/bin/ls")));
}

#[test]
fn links_lead_out_of_the_image_neither_here_nor_there() {
    let mut sample = Sample::new();
    let layer = [
        (DIR, "run", ""),
        (FILE, "usr/bin/mawk", "awk"),
        (LINK, "var/run", "/run"),
        (LINK, "root", "/root"),
        (LINK, "here", "."),
        (LINK, "sly", "here/../../etc"),
        (LINK, "etc/awk", "/usr/bin/mawk"),
        (LINK, "log/error", "/dev/stderr"),
        (LINK, "lib", "usr/lib"),
    ];
    sample.apply(&layer).unwrap();
    sample.tree.keep_links_inside().unwrap();
    let link = |path: &str| fs::read_link(sample.folder.join("root").join(path)).unwrap();
    assert_eq!(link("var/run"), Path::new("../run"));
    assert_eq!(link("sly"), Path::new("etc"));
    assert_eq!(link("root"), Path::new("root"));
    assert_eq!(link("log/error"), Path::new("../dev/stderr"));
    assert_eq!(link("lib"), Path::new("usr/lib"));
    // What leads to a file is left as it is: programs read it.
    assert_eq!(link("etc/awk"), Path::new("/usr/bin/mawk"));
}

#[test]
fn a_link_to_itself_has_no_end() {
    let mut sample = Sample::new();
    sample.apply(&[(LINK, "a", "/a")]).unwrap();
    assert!(sample.apply(&[(FILE, "a/b", "")]).is_err());
}

#[test]
fn nothing_is_written_outside() {
    let mut sample = Sample::new();
    assert!(sample.apply(&[(FILE, "../out", "x")]).is_err());
    assert!(sample.apply(&[(FILE, "a/../../out", "x")]).is_err());
    assert!(sample.apply(&[(SAME, "passwd", "../layer")]).is_err());
    sample.apply(&[(LINK, "a", "../..")]).unwrap();
    sample.apply(&[(FILE, "a/in", "x")]).unwrap();
    assert_eq!(sample.text("in").as_deref(), Some("x"));
    assert!(!sample.folder.join("out").exists());
}

#[test]
fn devices_are_counted_and_left_out() {
    let mut sample = Sample::new();
    let layer = [
        (EntryType::Char, "dev/null", ""),
        (EntryType::Fifo, "run/pipe", ""),
        (FILE, "a", ""),
    ];
    sample.apply(&layer).unwrap();
    assert_eq!(
        (sample.tree.skipped, sample.names("")),
        (2, vec!["a".into()])
    );
}

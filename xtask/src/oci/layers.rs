//! Layers of an image, one over the other, in a folder of this host: without root, and
//! without a file outside that folder whatever a layer says.

use super::archive::open;
use crate::disk::AttributesOf;
use crate::tar_entry::{self, relative};
use anyhow::{Context, Result, ensure};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// What names a file that a layer takes away begins with.
const WHITEOUT: &[u8] = b".wh.";
/// Takes away all that earlier layers have in the folder it is in.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// How many links a path may lead through (`MAXSYMLINKS`).
const MOST_LINKS: u32 = 40;

/// The files of an image.
pub struct Tree {
    root: PathBuf,
    /// Whose they are, and with which permissions.
    pub attributes: AttributesOf,
    /// How many were devices or FIFOs, and are not there.
    pub skipped: u32,
}

impl Tree {
    /// Without any files, in `root`.
    pub fn new(root: &Path) -> Result<Tree> {
        fs::create_dir_all(root)?;
        Ok(Tree {
            root: root.to_owned(),
            attributes: AttributesOf::new(),
            skipped: 0,
        })
    }

    /// Applies the archive of a layer: first what it takes away of earlier ones, wherever
    /// in the archive that stands.
    pub fn apply(&mut self, layer: &Path) -> Result<()> {
        each_entry(layer, |entry| self.take_away(&relative(&entry.path()?)?))?;
        each_entry(layer, |entry| {
            let path = relative(&entry.path()?)?;
            self.put(&path, entry)
                .with_context(|| format!("cannot unpack {}", path.display()))
        })
    }

    /// Where `path` leads to in the image, relative to its root. Links are followed as
    /// they would be there; what is not there is taken as it is written.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf> {
        let mut parts = reversed(path);
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(part) = parts.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(part);
            let Ok(target) = fs::read_link(self.root.join(&next)) else {
                at = next;
                continue;
            };
            links += 1;
            ensure!(
                links <= MOST_LINKS,
                "{} leads through too many links",
                path.display()
            );
            if target.is_absolute() {
                at.clear();
            }
            parts.extend(reversed(&target));
        }
        Ok(at)
    }

    /// A file of the image as text, if there is one.
    pub fn text(&self, path: &str) -> Result<Option<String>> {
        let path = self.root.join(self.resolve(Path::new(path))?);
        match path.is_file() {
            true => Ok(Some(String::from_utf8_lossy(&fs::read(path)?).into_owned())),
            false => Ok(None),
        }
    }

    /// Whether there is a file of that path.
    pub fn has_file(&self, path: &str) -> bool {
        let resolved = self.resolve(Path::new(path));
        resolved.is_ok_and(|path| self.root.join(path).is_file())
    }

    /// Rewrites links that lead to folders, or to nothing in the image, by way of the root:
    /// on this host they would lead out of the image. They lead where they did.
    pub fn keep_links_inside(&self) -> Result<()> {
        self.keep_links_of(Path::new(""))
    }

    fn keep_links_of(&self, dir: &Path) -> Result<()> {
        for entry in fs::read_dir(self.root.join(dir))? {
            let entry = entry?;
            let path = dir.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.keep_links_of(&path)?;
            } else if kind.is_symlink() {
                self.keep_link(dir, &path)?;
            }
        }
        Ok(())
    }

    fn keep_link(&self, dir: &Path, path: &Path) -> Result<()> {
        let link = self.root.join(path);
        let target = fs::read_link(&link)?;
        if stays_inside(dir, &target) {
            return Ok(());
        }
        let inside = match self.resolve(path) {
            Ok(resolved) if self.is_other_than_dir(&resolved) => return Ok(()),
            Ok(resolved) => from_root(dir, &resolved),
            // It leads nowhere but to itself: so it shall here.
            Err(_) => PathBuf::from(path.file_name().unwrap_or_default()),
        };
        fs::remove_file(&link)?;
        Ok(symlink(inside, &link)?)
    }

    fn is_other_than_dir(&self, path: &Path) -> bool {
        let found = self.root.join(path).symlink_metadata();
        found.is_ok_and(|meta| !meta.is_dir())
    }

    /// What a whiteout of a layer says, if the entry at `path` is one.
    fn take_away(&mut self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let Some(hidden) = name.strip_prefix(WHITEOUT) else {
            return Ok(());
        };
        let dir = self.resolve(path.parent().unwrap_or(Path::new("")))?;
        if name != OPAQUE {
            return self.remove(&dir.join(OsStr::from_bytes(hidden)));
        }
        let Ok(entries) = fs::read_dir(self.root.join(&dir)) else {
            return Ok(());
        };
        for entry in entries {
            self.remove(&dir.join(entry?.file_name()))?;
        }
        Ok(())
    }

    /// Removes what is at a path in which no folder is a link.
    fn remove(&mut self, path: &Path) -> Result<()> {
        let file = self.root.join(path);
        match file.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&file)?,
            Ok(_) => fs::remove_file(&file)?,
            Err(_) => return Ok(()),
        }
        let below: Vec<_> = self
            .attributes
            .range(path.to_owned()..)
            .take_while(|(other, _)| other.starts_with(path))
            .map(|(other, _)| other.clone())
            .collect();
        for other in below {
            self.attributes.remove(&other);
        }
        Ok(())
    }

    /// Where a layer's `path` is: its folder as links have it, made if it is not there.
    fn place(&self, path: &Path) -> Result<Option<PathBuf>> {
        let Some(name) = path.file_name() else {
            return Ok(None);
        };
        let dir = self.resolve(path.parent().unwrap_or(Path::new("")))?;
        fs::create_dir_all(self.root.join(&dir))?;
        Ok(Some(dir.join(name)))
    }

    fn put(&mut self, path: &Path, entry: &mut tar::Entry<'_, impl Read>) -> Result<()> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let kind = entry.header().entry_type();
        if name.starts_with(WHITEOUT) || kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) {
            self.skipped += 1;
            return Ok(());
        }
        let Some(place) = self.place(path)? else {
            return Ok(());
        };
        let mut attributes = tar_entry::attributes(entry.header())?;
        let file = self.root.join(&place);
        let is_dir = |file: &Path| file.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        if !(kind.is_dir() && is_dir(&file)) {
            self.remove(&place)?;
        }
        let target = entry.link_name()?;
        match (kind, target) {
            (EntryType::Directory, _) => fs::create_dir_all(&file)?,
            (EntryType::Symlink, Some(target)) => symlink(target, &file)?,
            (EntryType::Link, Some(target)) => {
                let target = self.place(&relative(&target)?)?;
                let target = target.context("a link to the root")?;
                fs::hard_link(self.root.join(&target), &file)
                    .with_context(|| format!("{} is not there to be linked", target.display()))?;
                attributes = self.attributes.get(&target).copied().unwrap_or(attributes);
            }
            (kind, _) => {
                ensure!(kind.is_file(), "it is of kind {kind:?}");
                io::copy(entry, &mut File::create(&file)?)?;
            }
        }
        self.attributes.insert(place, attributes);
        Ok(())
    }
}

/// The parts of a path, the last first: `..` and names.
fn reversed(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev();
    let kept = parts.filter(|part| matches!(part, Component::ParentDir | Component::Normal(_)));
    kept.map(|part| part.as_os_str().to_owned()).collect()
}

/// The way from the folder `dir` to `path`, both relative to the root, up to the root and
/// down again.
fn from_root(dir: &Path, path: &Path) -> PathBuf {
    let up: PathBuf = dir.components().map(|_| "..").collect();
    match up.join(path) {
        way if way.as_os_str().is_empty() => PathBuf::from("."),
        way => way,
    }
}

/// Whether a link in the folder `dir`, in whose path is no link, cannot leave the root by
/// itself: it goes up no further than that, and then only down.
fn stays_inside(dir: &Path, target: &Path) -> bool {
    let is_up = |part: &Component<'_>| *part == Component::ParentDir;
    let up = target.components().take_while(is_up).count();
    let mut rest = target.components().skip(up);
    up <= dir.components().count()
        && rest.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn each_entry(
    layer: &Path,
    mut each: impl FnMut(&mut tar::Entry<'_, Box<dyn Read>>) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(open(layer)?);
    for entry in archive.entries()? {
        each(&mut entry?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

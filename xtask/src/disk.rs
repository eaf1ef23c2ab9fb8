//! Making disk images: ext4 without a partition table, without mounting and
//! without root.

use crate::process::{capture, tool};
use crate::step::{note, timed};
use crate::{busybox, keys, paths};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What the default disk has, whatever this machine's `/etc/mke2fs.conf`
/// prefers: nothing that costs time without a use here.
const FEATURES: &str = "none,has_journal,filetype,extent,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,dir_index";

/// What Debian 12's `mke2fs -t ext4` makes of itself.
pub const DEBIAN_FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/// Whose a file is, and what may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, set-user-ID and the like included.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
}

/// Attributes by path relative to the root.
pub type AttributesOf = BTreeMap<PathBuf, Attributes>;

/// A tree below the default one, which replaces what both have.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// The folder of the host.
    pub tree: PathBuf,
    /// Of its files; those that are not there are root's.
    pub attributes: AttributesOf,
}

/// What goes onto a disk beside the default tree.
#[derive(Clone, Debug)]
pub struct Contents {
    /// What is laid out first.
    pub base: Option<Base>,
    /// Files and folders of the host, and where they go in the guest.
    pub add: Vec<(PathBuf, PathBuf)>,
    /// More public key files whose owners may log in.
    pub authorized_keys: Vec<PathBuf>,
    /// Paths of the guest that are left out, as if they had never been there.
    pub leave_out: Vec<PathBuf>,
    /// Size in bytes.
    pub size: u64,
    /// Block size in bytes: 1024, 2048 or 4096.
    pub block_size: u32,
    /// The filesystem's features, as for `mke2fs -O`.
    pub features: &'static str,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            base: None,
            add: Vec::new(),
            authorized_keys: Vec::new(),
            leave_out: Vec::new(),
            size: 256 << 20,
            block_size: 4096,
            features: FEATURES,
        }
    }
}

/// Where in `rootfs` the definitions of services are that come with Debian's packages.
pub const LIBRARY: &str = "herd-library";

/// The guest's own programs, as built: name in `/bin` and file on the host.
pub type Programs = [(&'static str, PathBuf)];

/// Whose tree is in the folder from which a disk is made.
static STAGE: Mutex<()> = Mutex::new(());

/// Makes the disk image `out`; of several callers one after the other.
pub fn make(out: &Path, contents: &Contents, programs: &Programs) -> Result<()> {
    let _alone = STAGE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let stage = paths::out().join("rootfs");
    let shown = out.display();
    let attributes = timed("Gathering the files of the disk", || {
        gather(&stage, contents, programs)
    })?;
    timed(&format!("Making the disk {shown}"), || {
        let fresh = out.with_extension("new");
        make_filesystem(&fresh, &stage, contents)?;
        give_to_owners(&fresh, &stage, &attributes)?;
        fs::rename(&fresh, out).with_context(|| format!("cannot put the disk at {shown}"))
    })?;
    note(&format!(
        "{} MiB ext4, {} files and folders",
        contents.size >> 20,
        attributes.len()
    ));
    Ok(())
}

/// Lays out the tree below `stage`; the attributes that every path shall have.
fn gather(stage: &Path, contents: &Contents, programs: &Programs) -> Result<AttributesOf> {
    if stage.exists() {
        fs::remove_dir_all(stage).with_context(|| format!("cannot clear {}", stage.display()))?;
    }
    fs::create_dir_all(stage)?;
    if let Some(base) = &contents.base {
        copy_tree(&base.tree, stage)?;
    }
    copy_tree(&paths::workspace().join("rootfs"), stage)?;
    // For those who install what is defined there.
    fs::remove_dir_all(stage.join(LIBRARY))?;
    for dir in [
        "dev",
        "proc",
        "sys",
        "tmp",
        "run",
        "root/.ssh",
        "var/log/herd",
        "etc/herd/enabled",
        "mnt",
        "home",
    ] {
        fs::create_dir_all(stage.join(dir))?;
    }
    install_busybox(stage)?;
    for (name, program) in programs {
        copy_file(program, &stage.join("bin").join(name))?;
    }
    let keys = stage.join("root/.ssh/authorized_keys");
    // The base may have a link there.
    let _ = fs::remove_file(&keys);
    fs::write(keys, authorized(contents)?)?;
    for (from, to) in &contents.add {
        add(stage, from, to)?;
    }
    for path in &contents.leave_out {
        leave_out(stage, path)?;
    }
    let mut attributes = AttributesOf::new();
    let base = contents.base.as_ref().map(|base| &base.attributes);
    collect_attributes(stage, stage, base, &mut attributes)?;
    Ok(attributes)
}

fn authorized(contents: &Contents) -> Result<String> {
    let mut keys = keys::authorized_keys()?;
    for path in &contents.authorized_keys {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the public key {}", path.display()))?;
        keys.push_str(text.trim_end());
        keys.push('\n');
    }
    Ok(keys)
}

fn install_busybox(stage: &Path) -> Result<()> {
    let program = busybox::ensure()?;
    copy_file(&program, &stage.join("bin/busybox"))?;
    let applets = busybox::applets(&fs::read(&program)?)?;
    for applet in applets
        .iter()
        .filter(|name| !["busybox", "linuxrc"].contains(&name.as_str()))
    {
        let dir = stage.join(busybox::folder_of(applet));
        fs::create_dir_all(&dir)?;
        let link = dir.join(applet);
        if link.symlink_metadata().is_err() {
            symlink("/bin/busybox", &link)?;
        }
    }
    Ok(())
}

fn add(stage: &Path, from: &Path, to: &Path) -> Result<()> {
    let inside = to.strip_prefix("/").unwrap_or(to);
    let meta = from
        .metadata()
        .with_context(|| format!("cannot add {}", from.display()))?;
    let mut target = stage.join(inside);
    if !meta.is_dir() && (target.is_dir() || to.to_string_lossy().ends_with('/')) {
        target.push(from.file_name().context("a file to add has no name")?);
    }
    ensure!(
        target.starts_with(stage),
        "{} leaves the disk",
        to.display()
    );
    if meta.is_dir() {
        fs::create_dir_all(&target)?;
        return copy_tree(from, &target);
    }
    copy_file(from, &target)
}

fn leave_out(stage: &Path, path: &Path) -> Result<()> {
    let path = stage.join(path.strip_prefix("/").unwrap_or(path));
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => Ok(fs::remove_dir_all(&path)?),
        Ok(_) => Ok(fs::remove_file(&path)?),
        Err(_) => bail!("there is no {} to leave out", path.display()),
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            let _ = fs::remove_file(&target);
            symlink(fs::read_link(entry.path())?, &target)?;
        } else if kind.is_file() {
            copy_file(&entry.path(), &target)?;
        } else {
            bail!(
                "{} is neither file, folder nor link",
                entry.path().display()
            );
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let _ = fs::remove_file(to);
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Notes the attributes that everything shall have, and makes the staged files
/// readable. Git keeps only whether a file can be executed, so the rest is
/// decided here, unless it is of the base.
fn collect_attributes(
    stage: &Path,
    dir: &Path,
    base: Option<&AttributesOf>,
    attributes: &mut AttributesOf,
) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let meta = path.symlink_metadata()?;
        let name = path.strip_prefix(stage)?.to_path_buf();
        let wanted = wanted_attributes(&name, &meta, base.and_then(|base| base.get(&name)));
        if !meta.is_symlink() {
            fs::set_permissions(&path, Permissions::from_mode(wanted.mode | 0o400))?;
        }
        attributes.insert(name, wanted);
        if meta.is_dir() {
            collect_attributes(stage, &path, base, attributes)?;
        }
    }
    Ok(())
}

fn wanted_attributes(name: &Path, meta: &fs::Metadata, base: Option<&Attributes>) -> Attributes {
    let mode = match (name.to_str(), base) {
        _ if meta.is_symlink() => 0o777,
        (Some("tmp"), _) => 0o1777,
        (Some("root" | "root/.ssh"), _) => 0o700,
        (Some("root/.ssh/authorized_keys" | "etc/shadow"), _) => 0o600,
        (_, Some(base)) => base.mode,
        _ if meta.is_dir() || meta.mode() & 0o111 != 0 => 0o755,
        _ => 0o644,
    };
    let (uid, gid) = base.map_or((0, 0), |base| (base.uid, base.gid));
    Attributes { mode, uid, gid }
}

/// Makes a filesystem with the tree `stage` alone, as whoever owns it.
pub fn make_filesystem(image: &Path, stage: &Path, contents: &Contents) -> Result<()> {
    let file = File::create(image).with_context(|| format!("cannot write {}", image.display()))?;
    file.set_len(contents.size)?;
    let journal_mib = if contents.size >= 128 << 20 { 16 } else { 4 };
    let mut mke2fs = tool("mke2fs")?;
    mke2fs.args([
        "-q",
        "-F",
        "-t",
        "ext4",
        "-O",
        contents.features,
        "-I",
        "256",
        "-m",
        "0",
        "-L",
        "paddock",
        // What goes on with damaged metadata damages more.
        "-e",
        "remount-ro",
    ]);
    mke2fs.args([
        "-b",
        &contents.block_size.to_string(),
        "-J",
        &format!("size={journal_mib}"),
    ]);
    mke2fs
        .args(["-E", "root_owner=0:0", "-d"])
        .arg(stage)
        .arg(image);
    capture(&mut mke2fs)
        .context("is there enough space on this machine and on the disk (--size)?")?;
    Ok(())
}

/// Gives everything to those whom it shall belong to, whoever built the image.
fn give_to_owners(image: &Path, stage: &Path, attributes: &AttributesOf) -> Result<()> {
    let commands = image.with_extension("debugfs");
    let mut script = String::new();
    for (name, Attributes { uid, gid, .. }) in attributes {
        let meta = stage.join(name).symlink_metadata()?;
        if (meta.uid(), meta.gid()) != (*uid, *gid) {
            let name = debugfs_name(name)?;
            writeln!(script, "sif {name} uid {uid}\nsif {name} gid {gid}")?;
        }
    }
    if script.is_empty() {
        return Ok(());
    }
    fs::write(&commands, script)?;
    let mut debugfs = tool("debugfs")?;
    debugfs.arg("-w").arg("-f").arg(&commands).arg(image);
    let output = capture(&mut debugfs)?;
    fs::remove_file(&commands)?;
    let errors: Vec<_> = std::str::from_utf8(&output.stderr)?
        .lines()
        .filter(|line| !line.starts_with("debugfs "))
        .collect();
    ensure!(errors.is_empty(), "debugfs says: {}", errors.join("; "));
    Ok(())
}

/// A path as a word of debugfs' commands.
///
/// # Errors
/// A line break: the rest would be a command of its own.
fn debugfs_name(name: &Path) -> Result<String> {
    let name = name.to_str().filter(|name| !name.contains(['\n', '\r']));
    let name = name.context("a file's name is no text, or has a line break in it")?;
    Ok(format!("\"/{}\"", name.replace('"', "\"\"")))
}

/// How large a disk is to be that has the tree `dir` on it and some room, in bytes.
pub fn room_for(dir: &Path) -> Result<u64> {
    /// Room beside it.
    const ROOM: u64 = 256 << 20;
    /// Sizes are multiples of this.
    const STEP: u64 = 64 << 20;
    Ok((size_of(dir)? + ROOM).next_multiple_of(STEP))
}

/// Bytes that the tree takes on a disk.
fn size_of(dir: &Path) -> Result<u64> {
    const BLOCK: u64 = 4096;
    let mut size = BLOCK;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.path().symlink_metadata()?;
        // And an inode.
        size += 256;
        size += match meta.is_dir() {
            true => size_of(&entry.path())?,
            false => meta.len().next_multiple_of(BLOCK),
        };
    }
    Ok(size)
}

/// Copies a disk image, keeping its holes.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut cp = tool("cp")?;
    capture(
        cp.args(["--sparse=always", "--reflink=auto"])
            .arg(from)
            .arg(to),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_of_debugfs() {
        let name = |text: &str| debugfs_name(Path::new(text)).ok();
        assert_eq!(name("a b\\x").as_deref(), Some("\"/a b\\x\""));
        assert_eq!(name("a\"b").as_deref(), Some("\"/a\"\"b\""));
        assert_eq!(name("a\nrm b"), None);
    }
}

//! One package: its control information, and its files with their owners and modes.

use crate::disk::AttributesOf;
use crate::process::{capture, tool};
use crate::tar_entry::{self, relative};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tar::{Archive, EntryType};

/// A package as its control information has it.
pub struct Package {
    /// The paragraph of `control`, without a line break at its end.
    pub control: String,
    /// Its other control files (`postinst`, `conffiles`, ...): name, content, and
    /// whether it is a program.
    pub files: Vec<(String, Vec<u8>, bool)>,
}

impl Package {
    /// Reads the control information of a `.deb`.
    pub fn read(deb: &Path) -> Result<Package> {
        let mut package = Package {
            control: String::new(),
            files: Vec::new(),
        };
        each_entry(deb, "--ctrl-tarfile", |entry| {
            if !entry.header().entry_type().is_file() {
                return Ok(());
            }
            let path = relative(&entry.path()?)?;
            let name = path.to_str().context("a control file's name")?.to_owned();
            let is_program = entry.header().mode()? & 0o111 != 0;
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            match name.as_str() {
                "control" => package.control = String::from_utf8(content)?.trim_end().to_owned(),
                _ => package.files.push((name, content, is_program)),
            }
            Ok(())
        })?;
        ensure!(
            !package.control.is_empty(),
            "{} has no control file",
            deb.display()
        );
        Ok(package)
    }

    /// A field of its paragraph, of one line.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.control.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(field, _)| *field == name)?;
        Some(value.trim())
    }

    /// A control file's lines.
    pub fn lines_of(&self, name: &str) -> Vec<&str> {
        let file = self.files.iter().find(|(file, ..)| file == name);
        let text = file.and_then(|(_, content, _)| std::str::from_utf8(content).ok());
        let lines = text.unwrap_or("").lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).collect()
    }
}

/// Unpacks a `.deb` below `tree`, whoever runs this; notes the attributes that
/// its files shall have. The paths in it, relative to the root, in order.
pub fn unpack(deb: &Path, tree: &Path, attributes: &mut AttributesOf) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    each_entry(deb, "--fsys-tarfile", |entry| {
        let path = relative(&entry.path()?)?;
        let header = entry.header();
        if !path.as_os_str().is_empty() {
            attributes.insert(path.clone(), tar_entry::attributes(header)?);
        }
        let kind = header.entry_type();
        match kind {
            EntryType::Directory => fs::create_dir_all(tree.join(&path))?,
            EntryType::Regular | EntryType::Symlink | EntryType::Link => {
                // A folder of another package may be a link by now: what is
                // below it goes where that leads, as dpkg has it.
                entry
                    .unpack_in(tree)
                    .with_context(|| format!("cannot unpack {}", path.display()))?;
            }
            _ => bail!("{} is of kind {kind:?}", path.display()),
        }
        paths.push(path);
        Ok(())
    })?;
    Ok(paths)
}

/// Goes through one of the two archives of a `.deb`.
fn each_entry(
    deb: &Path,
    which: &str,
    mut each: impl FnMut(&mut tar::Entry<'_, &mut dyn Read>) -> Result<()>,
) -> Result<()> {
    let mut command = tool("dpkg-deb")?;
    command.arg(which).arg(deb).stdout(Stdio::piped());
    let output = capture(&mut command)?;
    let mut bytes: &[u8] = &output.stdout;
    let mut archive = Archive::new(&mut bytes as &mut dyn Read);
    for entry in archive.entries()? {
        each(&mut entry?).with_context(|| format!("in {}", deb.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_lines() {
        let package = Package {
            control: "Package: a\nMulti-Arch: same\nDescription: b\n more: c".into(),
            files: vec![("conffiles".into(), b"/etc/a\n\n/etc/b \n".to_vec(), false)],
        };
        assert_eq!(package.field("Package"), Some("a"));
        assert_eq!(package.field("Multi-Arch"), Some("same"));
        assert_eq!(package.field("more"), None);
        assert_eq!(package.lines_of("conffiles"), ["/etc/a", "/etc/b"]);
        assert!(package.lines_of("triggers").is_empty());
    }
}

//! The database of dpkg on a disk: packages that are unpacked, and that dpkg
//! itself configures on the machine (`dpkg --configure -a`).

use super::package::Package;
use crate::process::{capture, tool};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Notes packages as unpacked below `tree`: each with the paths that it has
/// brought.
pub fn write(tree: &Path, packages: &[(Package, Vec<PathBuf>)]) -> Result<()> {
    let dir = tree.join("var/lib/dpkg");
    for sub in ["info", "updates", "triggers", "alternatives", "parts"] {
        fs::create_dir_all(dir.join(sub))?;
    }
    fs::write(dir.join("info/format"), "1\n")?;
    fs::write(dir.join("available"), "")?;
    let mut status = String::new();
    let mut triggers = String::new();
    for (package, paths) in packages {
        let name = package.field("Package").context("a package without name")?;
        status.push_str(&paragraph(tree, package)?);
        let infos = match package.field("Multi-Arch") {
            Some("same") => format!("{name}:arm64"),
            _ => name.to_owned(),
        };
        for (file, content, is_program) in &package.files {
            let path = dir.join("info").join(format!("{infos}.{file}"));
            fs::write(&path, content)?;
            let mode = if *is_program { 0o755 } else { 0o644 };
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        fs::write(dir.join("info").join(format!("{infos}.list")), list(paths))?;
        for interest in package.lines_of("triggers") {
            triggers.push_str(&file_trigger(interest, name));
        }
    }
    fs::write(dir.join("status"), status)?;
    fs::write(dir.join("triggers/File"), triggers)?;
    Ok(())
}

/// What dpkg's `status` says of a package that is unpacked.
fn paragraph(tree: &Path, package: &Package) -> Result<String> {
    let mut lines = package.control.lines();
    let mut text = format!("{}\n", lines.next().unwrap_or_default());
    text.push_str("Status: install ok unpacked\n");
    for line in lines {
        writeln!(text, "{line}")?;
    }
    let conffiles = package.lines_of("conffiles");
    // `remove-on-upgrade` and a path: not there.
    let conffiles = conffiles.iter().filter(|path| path.starts_with('/'));
    let mut sums = String::new();
    for path in conffiles {
        if let Some(sum) = md5(&tree.join(&path[1..]))? {
            writeln!(sums, " {path} {sum}")?;
        }
    }
    if !sums.is_empty() {
        write!(text, "Conffiles:\n{sums}")?;
    }
    text.push('\n');
    Ok(text)
}

/// A line of `triggers/File` for an interest in a path.
fn file_trigger(line: &str, package: &str) -> String {
    let (kind, path) = line.split_once(' ').unwrap_or((line, ""));
    let suffix = match kind {
        "interest" | "interest-await" => "",
        "interest-noawait" => "/noawait",
        _ => return String::new(),
    };
    match path.trim().starts_with('/') {
        true => format!("{} {package}{suffix}\n", path.trim()),
        false => String::new(),
    }
}

fn list(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        match path.as_os_str().is_empty() {
            true => text.push_str("/.\n"),
            false => text.push_str(&format!("/{}\n", path.display())),
        }
    }
    text
}

fn md5(path: &Path) -> Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let output = capture(tool("md5sum")?.arg("-b").arg(path))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().next().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_package() {
        let package = Package {
            control: "Package: a\nVersion: 1\nDescription: b\n more".into(),
            files: vec![("conffiles".into(), b"/etc/gone\n".to_vec(), false)],
        };
        let text = paragraph(Path::new("/nowhere"), &package).unwrap();
        assert_eq!(
            text,
            "Package: a\nStatus: install ok unpacked\nVersion: 1\nDescription: b\n more\n\n"
        );
    }

    #[test]
    fn triggers_of_files_only() {
        assert_eq!(file_trigger("interest-noawait /a", "p"), "/a p/noawait\n");
        assert_eq!(file_trigger("interest /a", "p"), "/a p\n");
        assert_eq!(file_trigger("activate-noawait ldconfig", "p"), "");
    }

    #[test]
    fn lists_are_absolute() {
        assert_eq!(list(&["".into(), "usr".into()]), "/.\n/usr\n");
    }
}

//! Debian's unmodified arm64 packages, fetched by an apt of their own that
//! leaves the system's package lists and its dpkg alone.

use crate::paths;
use crate::process::{capture, find, run};
use crate::step::{note, step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An apt with a state of its own; signatures are checked with the system's
/// keys.
pub struct Apt {
    dir: PathBuf,
    config: PathBuf,
}

impl Apt {
    /// One that keeps its state below `dir`.
    pub fn new(dir: &Path) -> Result<Apt> {
        if find("apt-get").is_none() {
            bail!("Debian's packages are fetched by apt-get, which this machine does not have");
        }
        Ok(Apt {
            dir: dir.to_path_buf(),
            config: configure(dir)?,
        })
    }

    /// Reads the package lists.
    pub fn update(&self) -> Result<()> {
        note("reading the package lists for arm64");
        self.get(&["update"])
    }

    /// Runs `apt-get` with these words.
    pub fn get(&self, words: &[&str]) -> Result<()> {
        let mut apt = Command::new("apt-get");
        apt.env("APT_CONFIG", &self.config)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .current_dir(&self.dir)
            .arg("-q")
            .args(words);
        capture(&mut apt)
            .map(drop)
            .context("is there a network, and does /etc/apt name a Debian mirror?")
    }

    /// Where packages with all that they need are downloaded to.
    fn archives(&self) -> PathBuf {
        self.dir.join("apt/cache/archives")
    }
}

/// A folder with these packages and all that they need, unpacked; fetched
/// unless it is there. `name` names the set.
pub fn ensure(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let dir = paths::out().join("debian").join(name);
    let (tree, done) = (dir.join("root"), dir.join("done"));
    let wanted = packages.join(" ");
    if fs::read_to_string(&done).is_ok_and(|done| done == wanted) {
        return Ok(tree);
    }
    step(&format!("Fetching Debian's {wanted} for arm64"));
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&tree)?;
    let apt = Apt::new(&dir)?;
    apt.update()?;
    let mut words = vec![
        "install",
        "--download-only",
        "--yes",
        "--no-install-recommends",
    ];
    words.extend(packages);
    apt.get(&words)?;
    for entry in fs::read_dir(apt.archives())? {
        let package = entry?.path();
        if package.extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg").arg("-x").arg(&package).arg(&tree))?;
        }
    }
    fs::write(done, wanted)?;
    Ok(tree)
}

/// Writes the configuration of an apt that keeps its state below `dir` and
/// takes only the system's sources and keys.
fn configure(dir: &Path) -> Result<PathBuf> {
    let state = dir.join("apt");
    for sub in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(state.join(sub))?;
    }
    fs::write(state.join("status"), "")?;
    let root = state.display();
    let config = format!(
        "APT::Architecture \"arm64\";\nAPT::Architectures {{ \"arm64\"; }};\n\
         APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\n\
         Dir::State \"{root}\";\nDir::State::lists \"{root}/lists\";\n\
         Dir::State::status \"{root}/status\";\nDir::Cache \"{root}/cache\";\n"
    );
    let path = state.join("apt.conf");
    fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

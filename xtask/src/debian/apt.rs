//! An apt of our own, which leaves the system's package lists and its dpkg
//! alone.

use crate::paths;
use crate::process::{capture, find};
use crate::step::note;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An apt with a state of its own; signatures are checked with the system's
/// keys.
pub struct Apt {
    dir: PathBuf,
    config: PathBuf,
    /// Nobody else uses its state while this is held: apt would fail, not wait.
    _alone: File,
}

/// A package to be fetched.
#[derive(Debug, PartialEq, Eq)]
struct Download {
    name: String,
    bytes: u64,
}

impl Apt {
    /// One that keeps its state below `dir`. Waits for any other that does.
    fn new(dir: &Path) -> Result<Apt> {
        if find("apt-get").is_none() {
            bail!("Debian's packages are fetched by apt-get, which this machine does not have");
        }
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let alone = File::create(dir.join(".lock"))?;
        alone.lock().context("cannot lock the packages' folder")?;
        Ok(Apt {
            dir: dir.to_path_buf(),
            config: configure(dir)?,
            _alone: alone,
        })
    }

    /// The one whose downloads are kept for all disks.
    pub fn shared() -> Result<Apt> {
        Apt::new(&paths::out().join("debian"))
    }

    /// Reads the package lists.
    pub fn update(&self) -> Result<()> {
        note("reading the package lists for arm64");
        self.get(&["update"]).map(drop)
    }

    /// Runs `apt-get` with these words.
    fn get(&self, words: &[&str]) -> Result<Output> {
        let mut apt = Command::new("apt-get");
        apt.env("APT_CONFIG", &self.config)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .current_dir(&self.dir)
            .arg("-q")
            .args(words);
        capture(&mut apt).context("is there a network, and does /etc/apt name a Debian mirror?")
    }

    /// Fetches packages with all that they depend on, unless they are there; their
    /// files. A word may be a package or a pattern of apt-patterns(7).
    pub fn fetch(&self, wanted: &[&str]) -> Result<Vec<PathBuf>> {
        let all = self.closure(wanted)?;
        let archives = self.dir.join("apt/cache/archives");
        let is_missing = |it: &&Download| {
            let length = archives.join(&it.name).metadata().map(|meta| meta.len());
            length.ok() != Some(it.bytes)
        };
        let missing: Vec<_> = all.iter().filter(is_missing).collect();
        let megabytes = |of: u64| of.div_ceil(1_000_000);
        note(&format!(
            "{} packages, of which {} are to be fetched ({} MB)",
            all.len(),
            missing.len(),
            megabytes(missing.iter().map(|it| it.bytes).sum())
        ));
        self.install(&["--download-only"], wanted)?;
        let files: Vec<_> = all.iter().map(|it| archives.join(&it.name)).collect();
        for file in &files {
            ensure!(file.exists(), "apt-get has not fetched {}", file.display());
        }
        Ok(files)
    }

    /// The names of packages with all that they depend on.
    pub fn names(&self, wanted: &[&str]) -> Result<Vec<String>> {
        let all = self.closure(wanted)?;
        let name = |it: &Download| it.name.split('_').next().map(str::to_owned);
        Ok(all.iter().filter_map(name).collect())
    }

    fn closure(&self, wanted: &[&str]) -> Result<Vec<Download>> {
        // What is there already is listed only if it is not looked for.
        let nowhere = ["--print-uris", "-o", "Dir::Cache::archives=none"];
        let list = self.install(&nowhere, wanted)?;
        Ok(downloads(&String::from_utf8_lossy(&list.stdout)))
    }

    fn install(&self, options: &[&str], wanted: &[&str]) -> Result<Output> {
        let mut words = vec!["install", "--yes", "--no-install-recommends"];
        words.extend(options);
        words.extend(wanted);
        self.get(&words)
    }
}

/// The packages in what `apt-get --print-uris` says.
fn downloads(text: &str) -> Vec<Download> {
    let download = |line: &str| {
        let mut words = line.strip_prefix('\'')?.split_whitespace().skip(1);
        Some(Download {
            name: words.next()?.to_owned(),
            bytes: words.next()?.parse().ok()?,
        })
    };
    text.lines().filter_map(download).collect()
}

/// Writes the configuration of an apt that keeps its state below `dir` and
/// takes only the system's sources and keys.
fn configure(dir: &Path) -> Result<PathBuf> {
    let state = dir.join("apt");
    for sub in [
        "lists/partial",
        "cache/archives/partial",
        "cache/none/partial",
    ] {
        fs::create_dir_all(state.join(sub))?;
    }
    fs::write(state.join("status"), "")?;
    let root = state.display();
    let config = format!(
        "APT::Architecture \"arm64\";\nAPT::Architectures {{ \"arm64\"; }};\n\
         APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAcquire::Retries \"3\";\n\
         Dir::State \"{root}\";\nDir::State::lists \"{root}/lists\";\n\
         Dir::State::status \"{root}/status\";\nDir::Cache \"{root}/cache\";\n"
    );
    let path = state.join("apt.conf");
    fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_found_among_other_words() {
        let text = "Reading package lists...\n\
            'http://mirror/pool/a_1%2b2_arm64.deb' a_1+2_arm64.deb 37624 MD5Sum:c5d7\n\
            'http://mirror/b.deb' b.deb x\n";
        let expected = Download {
            name: "a_1+2_arm64.deb".into(),
            bytes: 37624,
        };
        assert_eq!(downloads(text), [expected]);
    }
}

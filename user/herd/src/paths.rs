//! Where herd's files are, below a root that tests may move.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

/// The folders herd uses, all below one root (`/` unless told otherwise).
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
}

impl Paths {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Paths { root: root.into() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every definition herd knows, enabled or not.
    pub(crate) fn available(&self) -> PathBuf {
        self.root.join("etc/herd/available")
    }

    /// Links to the definitions that are to run.
    pub(crate) fn enabled(&self) -> PathBuf {
        self.root.join("etc/herd/enabled")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("var/log/herd")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run/herd")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.run().join("control.sock")
    }

    /// The services that have failed, a line each.
    pub(crate) fn failed(&self) -> PathBuf {
        self.run().join("failed")
    }

    /// The last definitions without a mistake.
    pub(crate) fn good(&self) -> PathBuf {
        self.state().join("definitions")
    }

    /// When timers run next.
    pub(crate) fn timers(&self) -> PathBuf {
        self.state().join("timers")
    }

    /// What is kept across reboots.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("var/lib/herd")
    }

    /// What the next herd is to know.
    pub(crate) fn memory(&self) -> PathBuf {
        self.run().join("memory")
    }

    /// The named pipes that a service's outputs go to.
    pub(crate) fn outlets(&self, name: &str) -> [PathBuf; 2] {
        let folder = self.run().join("outputs");
        ["out", "err"].map(|end| folder.join(format!("{name}.{end}")))
    }

    /// The socket by which a service tells of itself.
    pub(crate) fn notify(&self, name: &str) -> PathBuf {
        self.run().join("notify").join(name)
    }

    /// Locked by the herd that lives.
    pub(crate) fn lock(&self) -> PathBuf {
        self.run().join("lock")
    }

    pub(crate) fn available_file(&self, name: &str) -> PathBuf {
        self.available().join(format!("{name}.conf"))
    }

    /// Where the definition of a service is to be: its own, or that of its template.
    pub(crate) fn definition_file(&self, name: &str) -> PathBuf {
        let own = self.available_file(name);
        match name.split_once('@') {
            Some((template, _)) if own.symlink_metadata().is_err() => {
                self.available_file(&format!("{template}@"))
            }
            _ => own,
        }
    }

    pub(crate) fn enabled_file(&self, name: &str) -> PathBuf {
        self.enabled().join(format!("{name}.conf"))
    }

    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }
}

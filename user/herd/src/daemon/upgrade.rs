//! herd's own program anew, in the same process: the services stay its
//! children, and it finds them as after any other end of a herd.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use super::Daemon;
use crate::console::{self, say};

/// How long what is still to be written may take.
const GRACE: Duration = Duration::from_secs(2);

impl Daemon {
    /// Does it if it was asked for and nothing is half done.
    pub(super) fn upgrade_if_settled(&mut self, idle: bool) {
        let may = self.upgrade && idle && self.ending.is_none();
        if !may || !self.instances.are_settled() || !self.sockets.are_settled() {
            return;
        }
        self.upgrade = false;
        say(&format!("running {} in place", self.program.display()));
        self.writer.flush(GRACE);
        console::flush(GRACE);
        // All files close by this, and the lock is free.
        let arguments = std::env::args_os().skip(1);
        let error = Command::new(&self.program).args(arguments).exec();
        say(&format!("upgrade: {}: {error}", self.program.display()));
    }
}

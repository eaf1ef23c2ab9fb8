//! The last steps, when no service is left.

use std::fs;
use std::time::{Duration, Instant};

use super::events::sleep_until_signal;
use super::{Daemon, Ending};
use crate::config::Signal;
use crate::console::{self, say};
use crate::sys::{self, Power};

/// What other processes get between the request to end and being killed.
const GRACE: Duration = Duration::from_secs(2);

impl Daemon {
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.end_keepers();
        self.answer_pending();
        let _ = fs::remove_file(self.paths.socket());
        self.memory.forget();
        if let Some(groups) = &self.groups {
            groups.end();
        }
        self.writer.flush(GRACE);
        let result = match self.ending {
            Some(Ending::Power(what)) => self.end_the_run(what),
            _ => {
                say("all services have stopped");
                Ok(())
            }
        };
        console::flush(GRACE);
        result
    }

    fn end_the_run(&mut self, what: Power) -> Result<(), String> {
        sys::signal_everyone(Signal::TERM);
        self.wait_for_children();
        sys::signal_everyone(Signal::KILL);
        say("writing everything to the disks");
        sys::sync_disks();
        say(match what {
            Power::Off => "powering off",
            Power::Reboot => "rebooting",
            Power::Halt => "halting",
        });
        console::flush(GRACE);
        sys::power(what).map_err(|error| format!("the kernel refuses: {error}"))
    }

    /// Collects children until there are none or their time is over.
    fn wait_for_children(&mut self) {
        let end = Instant::now() + GRACE;
        loop {
            self.collect_ended();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !sys::has_children() {
                return;
            }
            let left = u64::try_from(left.as_millis()).unwrap_or(0) + 1;
            if sleep_until_signal(&mut self.signals, left).is_err() {
                return;
            }
        }
    }
}

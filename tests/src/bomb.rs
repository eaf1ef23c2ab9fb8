//! A service that takes all there is.

use std::time::Duration;

/// The service is killed if it lives for so long after the signal to stop: what is
/// forked with the signal blocked does not hear of it, as on Linux.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A command that has herd run `paddock-test exhaust KIND` as root, which keeps what it
/// got.
pub fn start(kind: &str) -> String {
    format!(
        "echo 'command = [\"/bin/paddock-test\", \"exhaust\", \"{kind}\", \"0\", \"hold\"]\n\
         stop_timeout = \"{}s\"' \
         > /etc/herd/available/bomb.conf; herd enable bomb >/dev/null",
        STOP_TIMEOUT.as_secs()
    )
}

/// The same with processes, on a machine whose `/tmp` takes 100 MiB already: memory is
/// full within a second.
pub fn start_with_full_tmp() -> String {
    format!(
        "dd if=/dev/zero of=/tmp/fill bs=1M count=100 2>/dev/null; {}",
        start("fork")
    )
}

/// The command that undoes [`start_with_full_tmp`].
pub const STOP_WITH_FULL_TMP: &str =
    "rm /tmp/fill; herd stop bomb >/dev/null; herd disable bomb >/dev/null";
